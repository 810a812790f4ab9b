"""The operators' HTTP port."""

import asyncio
import json
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Gauge
from structlog.testing import capture_logs

from kordon_proxy import health
from kordon_proxy.binding import CannotServe
from kordon_proxy.health import Check, HealthServer, Pulse
from kordon_proxy.metrics import Metrics
from tests.proxy.cluster.loops import until

FINE = Check(name="upstream", ok=True, detail="3 of 3")
BROKEN = Check(name="audit", ok=False, detail="no space left on device")
DEGRADED = Check(name="unmapped_brokers", ok=False, detail="broker 7", required=False)


@contextmanager
def serving(
    ready: Callable[[], Iterable[Check]] = tuple, live: Callable[[], Iterable[Check]] = tuple
) -> Iterator[HealthServer]:
    server = HealthServer("127.0.0.1", 0, Metrics().registry, ready=ready, live=live)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def server() -> Iterator[HealthServer]:
    """One that is ready and alive."""
    with serving() as server:
        yield server


def ask(server: HealthServer, path: str, method: str = "GET", **headers: str) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def ask_until_answered(server: HealthServer, path: str) -> int:
    """A place that was just given up is free a moment later."""
    for _ in range(500):
        with suppress(ConnectionError):
            return ask(server, path)[0].status
        time.sleep(0.01)
    raise AssertionError("never answered")


def test_metrics_are_served_in_prometheus_format(server: HealthServer) -> None:
    response, body = ask(server, "/metrics")

    assert response.status == 200
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    assert b"\nkordon_policy_epoch 0.0\n" in body


@pytest.mark.parametrize(
    ("checks", "status", "word"),
    [
        ([FINE], 200, "ok"),
        ([], 200, "ok"),
        ([FINE, BROKEN], 503, "failing"),
        ([FINE, DEGRADED], 200, "degraded"),
        ([BROKEN, DEGRADED], 503, "failing"),
    ],
)
@pytest.mark.parametrize("page", ["ready", "live"])
def test_a_probe_is_answered_by_what_must_work_and_shows_every_check(
    page: str, checks: list[Check], status: int, word: str
) -> None:
    pages: dict[str, Any] = {page: lambda: checks}
    with serving(**pages) as server:
        response, body = ask(server, f"/{page}z")

    answer = json.loads(body)
    assert (response.status, answer["status"]) == (status, word)
    assert [(check["name"], check["ok"], check["detail"]) for check in answer["checks"]] == [
        (check.name, check.ok, check.detail) for check in checks
    ]
    assert response.headers["Content-Type"] == "application/json"


def test_checks_are_made_anew_for_each_probe() -> None:
    checks = [FINE]
    with serving(lambda: checks) as server:
        before, _ = ask(server, "/readyz")
        checks.append(BROKEN)
        after, _ = ask(server, "/readyz")

    assert (before.status, after.status) == (200, 503)


def test_a_check_that_cannot_be_made_has_failed() -> None:
    def broken() -> list[Check]:
        raise RuntimeError("no snapshot yet")

    with serving(broken) as server, capture_logs() as logged:
        response, body = ask(server, "/readyz")

    assert response.status == 503
    assert json.loads(body)["checks"][0]["detail"] == "cannot be made: no snapshot yet"
    assert logged[0]["event"] == "health_check_failed"


@pytest.mark.parametrize("path", ["/", "/metrics/", "/ready", "/admin/v1/reload", "/%00", "/..%2fmetrics"])
def test_what_is_not_there_is_404(server: HealthServer, path: str) -> None:
    response, _ = ask(server, path)

    assert response.status == 404


@pytest.mark.parametrize("path", ["/metrics", "/livez", "/readyz"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "BREW"])
def test_only_reading_is_allowed(server: HealthServer, path: str, method: str) -> None:
    response, _ = ask(server, path, method)

    assert response.status == 405
    assert response.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/metrics", "/livez", "/readyz"])
def test_head_is_get_without_a_body(server: HealthServer, path: str) -> None:
    response, body = ask(server, path, "HEAD")

    assert (response.status, body) == (200, b"")


def test_which_software_it_is_is_not_told(server: HealthServer) -> None:
    response, _ = ask(server, "/livez")

    assert "Python" not in str(response.headers)


def test_a_scrape_is_not_logged(server: HealthServer, capfd: pytest.CaptureFixture[str]) -> None:
    with capture_logs() as logged:
        ask(server, "/metrics")
        ask(server, "/nothing")

    assert logged == []
    assert capfd.readouterr() == ("", "")


def test_a_port_that_is_taken_is_said_with_its_number() -> None:
    with serving() as server:
        second = HealthServer("127.0.0.1", server.port, CollectorRegistry(), ready=tuple)
        with pytest.raises(CannotServe) as told:
            second.start()

        reason = f"cannot serve metrics and health on 127.0.0.1:{server.port}: address already in use"
        assert str(told.value) == f"{reason}; free the port, or change `admin.bind`"


def test_the_port_is_free_after_stopping() -> None:
    with serving() as server:
        port = server.port
        ask(server, "/livez")

    again = HealthServer("127.0.0.1", port, CollectorRegistry(), ready=tuple)
    again.start()
    again.stop()


def test_clients_that_say_nothing_or_drip_are_hung_up_on_and_keep_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given all places taken by clients that never finish their request
    monkeypatch.setattr(health, "_MOST_SECONDS", 0.2)
    monkeypatch.setattr(health, "_MOST_CLIENTS", 4)
    with serving() as server:
        slow = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(4)]
        slow[0].sendall(b"GET /livez HTTP/1.1\r\nX: ")

        # When
        for client in slow:
            client.settimeout(10)
            assert client.recv(1000) == b""
            client.close()

        # Then
        assert ask_until_answered(server, "/livez") == 200


def test_one_client_too_many_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_MOST_CLIENTS", 1)
    with serving() as server, socket.create_connection(("127.0.0.1", server.port)) as first:
        first.sendall(b"GET ")
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as second:
            assert second.recv(1000) == b""


def test_garbage_is_answered_and_logged_nowhere(server: HealthServer, capfd: pytest.CaptureFixture[str]) -> None:
    with capture_logs() as logged:
        for garbage in (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"A" * 70_000):
            with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
                client.sendall(garbage)
                client.shutdown(socket.SHUT_WR)
                with suppress(ConnectionError):  # a reset is as good an answer to garbage as any
                    client.recv(1000)

    assert logged == []
    assert capfd.readouterr() == ("", "")


def machine_has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def test_it_serves_ipv6_as_well() -> None:
    server = HealthServer("::1", 0, CollectorRegistry(), ready=tuple)
    if not machine_has_ipv6():
        with pytest.raises(CannotServe, match="::1"):
            server.start()
        return
    server.start()
    with socket.create_connection(("::1", server.port), timeout=10) as client:
        client.sendall(b"GET /livez HTTP/1.0\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.0 200 OK\r\n")
    server.stop()


def test_a_loop_that_beats_is_alive_and_shows_its_lag() -> None:
    registry = CollectorRegistry()
    pulse = Pulse(Gauge("lag", "Lag", registry=registry), every=0.01, most=5.0)

    async def block() -> None:
        task = asyncio.create_task(pulse.beat())
        await asyncio.sleep(0)
        time.sleep(0.1)  # noqa: ASYNC251 (this is the fault that is looked for)
        await until(lambda: registry.get_sample_value("lag"))
        task.cancel()

    asyncio.run(block())

    assert pulse.check().ok
    assert (registry.get_sample_value("lag") or 0) >= 0.08


def test_a_loop_that_is_silent_is_not() -> None:
    pulse = Pulse(Gauge("lag", "Lag", registry=CollectorRegistry()), most=0.0)

    check = pulse.check()

    assert (check.name, check.ok) == ("event_loop", False)
    assert check.detail.startswith("last beat ")
