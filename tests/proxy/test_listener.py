"""What the connections of one listener share: room, addresses, counters, limits of time, the end."""

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from kordon_protocol.codec import request_frame
from kordon_protocol.header import RequestHead
from kordon_protocol.keys import ApiKey
from kordon_proxy.apis import versions
from kordon_proxy.table import APIS
from tests.proxy.cluster.loops import scenario
from tests.proxy.judging.worlds import a_picture
from tests.proxy.sessions import Links, a_world, heartbeat, tick


@scenario
async def test_one_connection_too_many_is_closed_at_once_and_costs_the_others_nothing(links: Links) -> None:
    world = a_world(links, limits={"connections": 2})
    first, second = world.connect(), world.connect()

    third = world.connect()

    assert third.transport.aborted
    assert (first.open, second.open) == (True, True)
    assert world.metric("connections_closed", "main", "too-many") == 1
    assert world.metric("connections_opened", "main") == 2


@scenario
async def test_a_place_that_is_left_is_free(links: Links) -> None:
    world = a_world(links, limits={"connections": 1})
    world.connect().session.connection_lost(None)

    assert world.connect().open
    assert world.listener.metrics.connections["main"]._value.get() == 1


@scenario
async def test_that_there_are_too_many_is_said_once_a_minute(links: Links, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1_000.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    world = a_world(links, limits={"connections": 1})
    world.connect()

    with capture_logs() as logs:
        for clock[0] in (1_000.0, 1_001.0, 1_059.0, 1_061.0, 1_062.0):
            world.connect()

    assert [(line["event"], line["limit"]) for line in logs] == [("too_many_connections", 1)] * 2


@scenario
async def test_brokers_are_where_the_listener_says_and_unknown_ones_are_looked_for(links: Links) -> None:
    world = a_world(links, section={"bind": "127.0.0.1:9092", "ports": {"ids": "0-5", "advertise": "kafka.example"}})

    assert world.listener.address(2) == ("kafka.example", 9095)
    assert world.cluster.hints == 0
    assert world.listener.address(5) == ("kafka.example", 9098)
    assert world.cluster.hints == 1
    assert world.listener.address(6) == ("", -1)


@scenario
async def test_there_is_no_picture_before_a_broker_has_answered(links: Links) -> None:
    world = a_world(links, picture=None)
    with pytest.raises(LookupError, match="no broker has answered yet"):
        world.listener.picture()

    world.cluster.picture = a_picture()

    assert world.listener.picture() is world.cluster.picture


@scenario
async def test_counters_are_shared_by_all_connections_of_a_tenant(links: Links) -> None:
    listener = a_world(links).listener

    assert listener.meter("Trading") is listener.meter("Trading")
    assert listener.meter("Trading") is not listener.meter(None)


@scenario
async def test_connections_that_are_idle_or_stuck_in_a_request_are_ended_and_the_others_stay(
    links: Links, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")  # at which it is told that one was idle
    world = a_world(links, limits={"idle": "60s", "request_timeout": "5s"})
    idle, stuck, busy = world.connect(), world.connect(), world.connect()
    stuck.sends_bytes(request_frame(heartbeat(), 7, "test")[:9])
    busy.sends(heartbeat())
    await tick()

    with capture_logs() as logs:
        await world.listener.sweep(stuck.session.last_request + 6)
        assert (idle.open, stuck.open, busy.open) == (True, False, True)
        await world.listener.sweep(idle.session.last_request + 61)

    assert (idle.open, busy.open) == (False, True)
    told = [(line["reason"], line["log_level"]) for line in logs if line["event"] == "connection_closed"]
    assert told == [("request-timeout", "warning"), ("idle", "debug")]


@scenario
async def test_a_listener_without_connections_has_drained_at_once_and_takes_no_more(links: Links) -> None:
    world = a_world(links)

    world.listener.drain()

    assert world.listener.drained.is_set()
    assert world.connect().transport.aborted


@scenario
async def test_the_end_of_a_connection_counts_once(links: Links) -> None:
    world = a_world(links)
    client = world.connect()

    client.session.close("idle")
    client.session.connection_lost(None)

    assert world.metric("connections_closed", "main", "idle") == 1
    assert world.metric("connections_closed", "main", "client-closed") == 0
    assert world.listener.metrics.connections["main"]._value.get() == 0


@scenario
async def test_a_refused_login_at_the_broker_is_logged_and_the_next_one_is_tried(links: Links) -> None:
    world = a_world(links)
    with capture_logs() as logs:
        world.listener.login_refused("no such user")

    assert world.listener.upstream.login == 1
    assert [(line["event"], line["reason"]) for line in logs] == [("broker_refused_login", "no such user")]


@pytest.mark.parametrize("version", [*versions.SUPPORTED, 99])
@scenario
async def test_what_versions_there_are_is_worked_out_once_for_each_picture(version: int, links: Links) -> None:
    world = a_world(links)

    def asked(correlation_id: int) -> tuple[bytes, bytes]:
        head = RequestHead(ApiKey.API_VERSIONS, version, correlation_id, None, 0)
        return world.listener.versions_frame(head), versions.answer(head, APIS, world.listener.picture())

    for correlation_id in (1, 2, -3):
        frame, expected = asked(correlation_id)
        assert frame == expected
    before = asked(4)
    world.cluster.picture = replace(a_picture(["tx_one"], version=2), api_versions={})
    frame, expected = asked(4)
    assert frame == expected
    assert (frame == before[0]) == (version not in versions.SUPPORTED)
