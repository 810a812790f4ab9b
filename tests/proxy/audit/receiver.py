"""A receiver of webhooks: a real HTTP server on this machine, which answers as it is told to."""

import json
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Posted:
    """What came."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Says:
    """An answer."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"ok"
    endless: bool = False
    """The body goes on until nobody reads it."""
    silent: bool = False
    """Nothing is said until the receiver is closed."""


class Receiver:
    """Keeps everything that came. `says` are the answers to come, in order; after them, it is `otherwise`."""

    def __init__(self, *, tls: Path | None = None, port: int = 0) -> None:
        self.got: list[Posted] = []
        self.says: deque[Says] = deque()
        self.otherwise: Callable[[Posted], Says] = lambda _: Says()
        self.closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._server.daemon_threads = True
        self.scheme = "http"
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            self.scheme = "https"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/T0/B0/canary-of-the-path"

    @property
    def events(self) -> list[dict[str, Any]]:
        """All events that came as CloudEvents, in order; those of posts that were not taken too."""
        bodies = [posted.json for posted in list(self.got)]
        return [event for body in bodies for event in (body if isinstance(body, list) else [body])]

    def take(self, posted: Posted) -> Says:
        self.got.append(posted)
        return self.says.popleft() if self.says else self.otherwise(posted)

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def a_receiver(**how: Any) -> Iterator[Receiver]:
    receiver = Receiver(**how)
    try:
        yield receiver
    finally:
        receiver.close()


def free_port() -> int:
    """A port on which nothing is for now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            body = self.rfile.read(length)
            if len(body) < length:  # who sent it has given up meanwhile
                self.close_connection = True
                return
            says = receiver.take(Posted(self.path, {key.lower(): value for key, value in self.headers.items()}, body))
            if says.silent:
                receiver.closing.wait(30)
                self.close_connection = True
                return
            with suppress(OSError):
                self._answer(says)

        def _answer(self, says: Says) -> None:
            self.send_response(says.status)
            for name, value in says.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(10**12 if says.endless else len(says.body)))
            self.end_headers()
            self.wfile.write(says.body)
            while says.endless and not receiver.closing.is_set():
                self.wfile.write(b"x" * 4096)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base's name)
            pass

    return Handler
