"""A chat channel on this machine: it takes what Slack's incoming webhooks take, and keeps the texts."""

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from . import ports


class Channel:
    """Takes messages from `start` to `stop`. `texts` has them."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._server = ThreadingHTTPServer((ports.HOST, 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)

    @property
    def url(self) -> str:
        """Where messages are posted to."""
        return f"http://{ports.HOST}:{self._server.server_port}/trading"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        texts = self.texts

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                texts.extend(_shown(json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the names upstream)
                """Say nothing."""

        return Handler


def _shown(message: Mapping[str, Any]) -> list[str]:
    """What people read of each event: a message may be about several, and its `text` names the first alone."""
    sections = [block["text"]["text"].replace("`", "") for block in message["blocks"] if block["type"] == "section"]
    return sections if len(sections) > 1 else [message["text"]]
