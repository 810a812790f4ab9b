"""What the command says where something else than an admin API answers, or nothing does."""

import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from kordon_proxy.cli.client import Client, Failure
from kordon_proxy.cli.report import UNTRIED


class SomethingElse(BaseHTTPRequestHandler):
    """Answers as the operators' port does."""

    def do_GET(self) -> None:
        body = b'{"error": "try /metrics, /livez or /readyz"}'
        self.send_response(404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the names upstream)
        """Say nothing."""


@pytest.fixture
def something_else() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), SomethingElse) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(10)


def test_what_is_no_admin_api_is_told_as_such(something_else: str) -> None:
    with pytest.raises(Failure, match="answers 404: is that the admin API of a Kordon") as caught:
        Client(url=something_else, token="kordon_x").call("GET", "/status")

    assert caught.value.code == UNTRIED


def test_a_port_where_nobody_listens_is_told_in_words() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"

        with pytest.raises(Failure, match=f"cannot reach {url}: connection refused; is Kordon running") as caught:
            Client(url=url, token="kordon_x").call("GET", "/status")

    assert caught.value.code == UNTRIED
