"""The operators' HTTP port: `/metrics`, `/livez`, `/readyz`.

A small WSGI application on the standard library's server, in a thread of its own: it answers while the event loop is
busy, and that the loop does not answer any more is exactly what `/livez` has to find out. No names of topics or people
are shown here.
"""

import asyncio
import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import structlog
from prometheus_client import CollectorRegistry, Gauge, make_wsgi_app

from .binding import CannotServe
from .config.addresses import Address

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

log = structlog.get_logger()

_MOST_CLIENTS: Final = 32
_MOST_SECONDS: Final = 10.0
"""For one request and its answer, however slowly it is dripped."""
_POLL: Final = 0.2
"""Seconds between two looks at slow clients, and at whether to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at. What is not `required` degrades Kordon, and does not take it out of service."""

    name: str
    ok: bool
    detail: str = ""
    required: bool = True


Checks = Callable[[], Iterable[Check]]
"""Called in the HTTP thread: it may read what the loop keeps, and change nothing."""


class Pulse:
    """Whether the event loop still turns: it beats every second, and `check` looks from another thread."""

    def __init__(self, lag: Gauge, *, every: float = 1.0, most: float = 5.0) -> None:
        self._lag = lag
        self._every = every
        self._most = most
        self._last = time.monotonic()

    async def beat(self) -> None:
        """Beat for ever."""
        while True:
            self._last = time.monotonic()
            await asyncio.sleep(self._every)
            self._lag.set(max(0.0, time.monotonic() - self._last - self._every))

    def check(self) -> Check:
        """Return whether the last beat is less than `most` seconds ago."""
        silence = time.monotonic() - self._last
        return Check(name="event_loop", ok=silence < self._most, detail=f"last beat {silence:.1f} s ago")


class HealthServer:
    """Serves in a daemon thread from `start` to `stop`."""

    def __init__(
        self, host: str, port: int, registry: CollectorRegistry, *, ready: Checks, live: Checks = tuple
    ) -> None:
        self._address = Address(host, port)
        self._app = _application(registry, ready, live)
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Bind and serve. Raises CannotServe."""
        try:
            self._server = _Server(*self._address, self._app)
        except OSError as error:
            raise CannotServe("metrics and health", self._address, "`admin.bind`", error) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL,), name="kordon-health", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and free the port."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._server = self._thread = None

    @property
    def port(self) -> int:
        """The port in use, also when 0 was asked for."""
        assert self._server is not None, "not started"
        return self._server.server_port


def _application(registry: CollectorRegistry, ready: Checks, live: Checks) -> Callable[..., Iterable[bytes]]:
    metrics = make_wsgi_app(registry)
    pages: dict[str, Checks] = {"/readyz": ready, "/livez": live}

    def application(environ: "WSGIEnvironment", respond: "StartResponse") -> Iterable[bytes]:
        def start_response(status: str, headers: list[tuple[str, str]]) -> object:
            return respond(status, [*headers, ("Server", "kordon")])  # in place of Python's version

        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if path != "/metrics" and path not in pages:
            return _answer(start_response, HTTPStatus.NOT_FOUND, {"error": "try /metrics, /livez or /readyz"})
        if method not in {"GET", "HEAD"}:
            allowed = ("Allow", "GET, HEAD")
            return _answer(start_response, HTTPStatus.METHOD_NOT_ALLOWED, {"error": "only GET and HEAD"}, allowed)
        # HEAD is GET without the body. The library would answer it with 405.
        if path == "/metrics":
            answer: Iterable[bytes] = metrics({**environ, "REQUEST_METHOD": "GET"}, start_response)
        else:
            answer = _answer(start_response, *_report(pages[path]))
        return answer if method == "GET" else []

    return application


def _report(checks: Checks) -> tuple[HTTPStatus, dict[str, Any]]:
    try:
        results = list(checks())
    except Exception as error:  # a check that cannot be made is one that has failed
        log.exception("health_check_failed")
        results = [Check(name="checks", ok=False, detail=f"cannot be made: {error}")]
    failed = [check for check in results if not check.ok]
    if any(check.required for check in failed):
        status, word = HTTPStatus.SERVICE_UNAVAILABLE, "failing"
    else:
        status, word = HTTPStatus.OK, "degraded" if failed else "ok"
    return status, {"status": word, "checks": [asdict(check) for check in results]}


def _answer(
    start_response: Callable[[str, list[tuple[str, str]]], object],
    status: HTTPStatus,
    body: dict[str, Any],
    *headers: tuple[str, str],
) -> Iterable[bytes]:
    content = json.dumps(body).encode("ascii") + b"\n"
    fixed = [("Content-Type", "application/json"), ("Content-Length", str(len(content))), ("Cache-Control", "no-store")]
    start_response(f"{status.value} {status.phrase}", [*fixed, *headers])
    return [content]


class _Handler(WSGIRequestHandler):
    server_version = "kordon"
    sys_version = ""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the parameter's name upstream)
        """Probes come every few seconds; they are not worth a line."""


class _Server(ThreadingMixIn, WSGIServer):
    """A thread a request, for a bounded number of clients and a bounded time each."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, host: str, port: int, app: Callable[..., Iterable[bytes]]) -> None:
        self._clients: dict[socket.socket, float] = {}
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        self.address_family = family
        super().__init__(address[:2], _Handler)  # type: ignore[arg-type]  # IPv6 addresses have four parts
        self.set_app(app)

    def server_bind(self) -> None:
        """Bind without asking the name service who we are, as the standard library does: that can take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002
        """Refuse a client when too many are connected."""
        return len(self._clients) < _MOST_CLIENTS

    def process_request(self, request: Any, client_address: Any) -> None:
        """Note when the client came, and serve it."""
        self._clients[request] = time.monotonic()
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the client."""
        self._clients.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Hang up on clients that take too long. Called at every poll."""
        for client, since in list(self._clients.items()):
            if time.monotonic() - since > _MOST_SECONDS:
                try:
                    client.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # it has gone by itself

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Say nothing of clients that hang up, and all of our own mistakes."""
        if not isinstance(sys.exc_info()[1], OSError):
            log.exception("health_request_failed")
