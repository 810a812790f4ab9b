"""The API's port, in the event loop of the process."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from typing import Final

import structlog
import uvicorn
from starlette.types import ASGIApp

from kordon_proxy.binding import CannotServe
from kordon_proxy.config.addresses import Address
from kordon_proxy.config.model import AdminApi

from .connection import PatientConnection

log = structlog.get_logger()

MOST_CALLS: Final = 100
"""Connections and calls at a time; more are answered with 503."""
_GRACE: Final = 3
"""Seconds for calls that are under way when Kordon stops."""


class ApiServer:
    """Serves from `start` to `stop`."""

    def __init__(self, settings: AdminApi, app: ASGIApp, *, shared: bool = False) -> None:
        """shared: whether somebody else holds the port for it."""
        self._shared = shared
        self._settings = settings
        self._app = app
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Bind and serve. Raises CannotServe, TlsFault."""
        opened = _bind(self._settings.bind, shared=self._shared)
        tls = self._settings.tls
        config = uvicorn.Config(
            self._app,
            http=PatientConnection,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MOST_CALLS,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=_GRACE,
            ssl_certfile=None if tls is None else tls.cert,
            ssl_keyfile=None if tls is None else tls.key,
            ssl_version=ssl.PROTOCOL_TLS_SERVER,
        )
        self._server = _Server(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[opened]))

    async def stop(self) -> None:
        """Let calls that are under way end, and free the port."""
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            await asyncio.wait([self._task], timeout=_GRACE + 2)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are for the process, not for its API."""
        yield


def _bind(address: Address, *, shared: bool) -> socket.socket:
    try:
        return socket.create_server(
            address, family=socket.AF_INET6 if ":" in address.host else socket.AF_INET, reuse_port=shared
        )
    except OSError as error:
        raise CannotServe("the admin API", address, "`admin.api.bind`", error) from error
