"""What the command says where something else than an admin API answers, or nothing does."""

import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from kordon_proxy.cli.client import Client, Failure, client_of, cluster_of
from kordon_proxy.cli.report import UNTRIED
from kordon_proxy.demo.certificates import issue, make_authority


class SomethingElse(BaseHTTPRequestHandler):
    """Answers as the operators' port does."""

    status = 404
    body = b'{"error": "try /metrics, /livez or /readyz"}'

    def do_GET(self) -> None:
        body = self.body
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the names upstream)
        """Say nothing."""


@contextmanager
def answering(handler: type[SomethingElse]) -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(10)


@pytest.fixture
def something_else() -> Iterator[str]:
    with answering(SomethingElse) as url:
        yield url


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


def test_where_there_is_no_tls_that_is_said(something_else: str) -> None:
    url = something_else.replace("http", "https")

    with pytest.raises(Failure, match=f"cannot reach {url}: there is no TLS at that port; say http:// in --url"):
        Client(url=url, token="kordon_x").call("GET", "/status")


def test_a_certificate_that_nobody_vouches_for_is_told(something_else: str, tmp_path: Path) -> None:
    own = issue(make_authority(tmp_path), tmp_path, "api")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(own.certificate, own.key)
    with HTTPServer(("127.0.0.1", 0), SomethingElse) as api:
        # The handshake is the first that the handler does, in its own thread; it fails there as the client ends it.
        api.socket = server.wrap_socket(api.socket, server_side=True)
        thread = Thread(target=api.handle_request, daemon=True)
        thread.start()

        with pytest.raises(Failure, match="not to be trusted; --ca names the file of its authorities"):
            Client(url=f"https://127.0.0.1:{api.server_port}", token="kordon_x").call("GET", "/status")
        thread.join(10)


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "no such file or directory"), ("policies: []\n", "it holds no certificates")],
)
def test_authorities_that_cannot_be_read_are_told(tmp_path: Path, content: str | None, says: str) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)

    with pytest.raises(Failure, match=f"cannot read the authorities in {file}: {says}"):
        Client(url="https://127.0.0.1:1", token="kordon_x", ca=file).call("GET", "/status")


@pytest.mark.parametrize(
    ("clusters", "meant"),
    [
        (["prod"], "prod"),
        ([], "there is no cluster in your tenant"),
        (["prod", "dev"], "which cluster? There are prod, dev: --cluster or KORDON_CLUSTER names one"),
    ],
)
def test_the_only_cluster_is_meant_where_none_is_named(clusters: list[str], meant: str) -> None:
    class Api(SomethingElse):
        status = 200
        body = json.dumps({"clusters": clusters}).encode()

    with answering(Api) as url:
        client = Client(url=url, token="kordon_x")

        assert cluster_of(client, "dev") == "dev"
        try:
            found = cluster_of(client, None)
        except Failure as failure:
            found = str(failure)
    assert found == meant


def test_a_file_that_holds_no_token_is_named(tmp_path: Path) -> None:
    file = tmp_path / "rbac.yaml"
    file.write_text("policies:\n  - {role: devs}\n")

    with pytest.raises(Failure, match=f"{file} holds no token: it has letters in it that no token has"):
        client_of("http://127.0.0.1:1", file, None, None)


def test_lists_are_read_to_their_last_page() -> None:
    class Api(SomethingElse):
        status = 200

        def do_GET(self) -> None:
            follows = "after=there" in self.path
            type(self).body = json.dumps(
                {"groups": [2] if follows else [1], "next": None if follows else "there"}
            ).encode()
            super().do_GET()

    with answering(Api) as url:
        answer = Client(url=url, token="kordon_x").listed("/clusters/prod/groups", "groups")

    assert answer == {"groups": [1, 2], "next": None}
