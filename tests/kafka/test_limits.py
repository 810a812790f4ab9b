"""What one connection may take of a real Kordon: bounded, whatever it does, and every answer comes in its order."""

import signal
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest
from kio.schema.errors import ErrorCode

from kordon_protocol.codec import request_frame
from kordon_protocol.keys import ApiKey
from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from tests.kafka.fixtures import Fresh, MakeTopic
from tests.kafka.records import MiB, end_of, fetch, produce, read, seen
from tests.kafka.tap import closings, ended, log_lines, metric, readiness, resident
from tests.kafka.tenants import LISTENERS, POLICY, eventually
from tests.kafka.wire import Gone, Wire
from tests.proxy.apis.messages import a_request, asked

IN_FLIGHT: Final = 100
ALLOWANCE: Final = 24 * MiB
"""What Kordon's memory may grow by in tests that move or hold several times as much: the allocator keeps some."""


@pytest.fixture(scope="module")
def kordon(kafka: Kafka) -> Iterator[Kordon]:
    """With small limits; `few` takes two connections, `idle` ends them after a second."""
    own = {
        "few": {**LISTENERS["trading"], "limits": {"connections": 2}},
        "idle": {**LISTENERS["trading"], "limits": {"idle": "1s"}},
    }
    with Kordon(
        clusters={"prod": kafka.bootstrap},
        policy=POLICY,
        listeners={**LISTENERS, **own},
        settings={"limits": {"in_flight": IN_FLIGHT}},
    ) as kordon:
        yield kordon


@pytest.fixture(scope="module")
def topic(kordon: Kordon, new_topic: MakeTopic) -> str:
    """A topic with 48 batches of 1 MB."""
    name = new_topic("tx_large", config={"max.message.bytes": str(2 * MiB)})
    with Wire(kordon.listener("trading")) as wire:
        eventually(lambda: seen(wire, name))
        for _ in range(48):
            (partition,) = wire.ask(produce(name, bytes(1_000_000))).message.responses[0].partition_responses
            assert partition.error_code is ErrorCode.none
    return name


def pauses(kordon: Kordon, reason: str) -> float:
    return metric(kordon, "kordon_pauses_total", reason=reason)


class Deaf:
    """A client with little room for what it does not read. It sends from a thread of its own, as sending may block."""

    def __init__(self, address: str, data: bytes) -> None:
        host, _, port = address.rpartition(":")
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(60)
        self.socket.connect((host, int(port)))
        self._sender = threading.Thread(target=self.socket.sendall, args=(data,))
        self._sender.start()

    def frames(self, count: int) -> Iterator[tuple[int, int]]:
        """Read at last: size and correlation id of so many answers."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * MiB)
        with self.socket.makefile("rb", buffering=MiB) as file:
            for _ in range(count):
                size, number = struct.unpack(">ii", file.read(8))
                assert len(file.read(size - 4)) == size - 4
                yield size, number

    def close(self) -> None:
        self._sender.join(30)
        self.socket.close()


@pytest.mark.parametrize(
    ("fetches", "versions", "sides"),
    [(40, 5_000, 1), (0, 30_000, 2)],
    ids=["answers of the broker", "answers of Kordon's own"],
)
def test_thousands_of_requests_of_a_client_that_does_not_read_cost_little_and_are_answered_in_order(
    kordon: Kordon, topic: str, fetches: int, versions: int, sides: int
) -> None:
    many = fetches + versions
    with Wire(kordon.listener("trading")) as other:
        assert seen(other, topic)
        before, paused = resident(kordon), pauses(kordon, "client-slow")
        frames = [request_frame(fetch(topic, most=1), number, "deaf") for number in range(fetches)]
        frames += [request_frame(a_request(ApiKey.API_VERSIONS, 2), number, "deaf") for number in range(fetches, many)]
        client = Deaf(kordon.listener("trading"), b"".join(frames))
        try:
            # The broker is not read from any more; nor is the client, unless it was not for what is in flight already.
            eventually(lambda: pauses(kordon, "client-slow") >= paused + sides)
            assert seen(other, topic)
            assert resident(kordon) - before < ALLOWANCE

            assert [number for _, number in client.frames(many)] == list(range(many))
        finally:
            client.close()
    assert fetches == 0 or pauses(kordon, "earlier") > 0
    assert metric(kordon, "kordon_pause_seconds_total", reason="client-slow") > 0


def test_a_large_fetch_of_a_client_that_does_not_read_costs_little_and_is_whole(kordon: Kordon, topic: str) -> None:
    with Wire(kordon.listener("trading")) as other:
        assert seen(other, topic)
        before, paused = resident(kordon), pauses(kordon, "client-slow")
        clients = [Deaf(kordon.listener("trading"), request_frame(fetch(topic), 7, "deaf")) for _ in range(4)]
        try:
            eventually(lambda: pauses(kordon, "client-slow") >= paused + 4)
            assert seen(other, topic)
            assert resident(kordon) - before < ALLOWANCE

            ((size, number),) = clients[0].frames(1)
            assert (size > 40 * MiB, number) == (True, 7)
        finally:
            for client in clients:
                client.close()


def test_names_cost_memory_while_they_are_judged_and_not_afterwards(kordon: Kordon) -> None:
    """Denials are counted by their names until a window of the audit ends; members are remembered by their topics."""

    def long_names(number: int) -> Iterator[str]:
        return (f"{number}-{place}".ljust(30_000, "x") for place in range(250))

    def denied(number: int) -> Any:
        topics = tuple(asked(ApiKey.METADATA, 12, "topics", name=name) for name in long_names(number))
        return a_request(ApiKey.METADATA, 12, topics=topics)

    def joining(number: int) -> Any:
        return a_request(
            ApiKey.CONSUMER_GROUP_HEARTBEAT,
            1,
            group_id="trade_large",
            member_id=f"member-{number}",
            subscribed_topic_names=tuple(long_names(number)),
            topic_partitions=(),
            rebalance_timeout=timedelta(minutes=1),
        )

    with Wire(kordon.listener("trading")) as wire:
        wire.ask_all([denied(0)])
        wire.ask_all([joining(0)])
        before = resident(kordon)
        for number in range(1, 13):
            (topic, *_) = wire.ask(denied(number)).message.topics
            assert topic.error_code is ErrorCode.unknown_topic_or_partition
            assert wire.ask(joining(number)).message.error_code is ErrorCode.none
        assert resident(kordon) - before < ALLOWANCE


def test_connections_beyond_the_limit_are_closed_and_the_others_go_on(kordon: Kordon, topic: str) -> None:
    address = kordon.listener("few")
    with Wire(address) as first, Wire(address) as second:
        assert seen(first, topic)
        assert seen(second, topic)
        with Wire(address) as third:
            assert ended(third)
        assert seen(first, topic)
        assert seen(second, topic)
    assert [(line["listener"], line["limit"]) for line in log_lines(kordon, "too_many_connections")] == [("few", 2)]
    eventually(lambda: metric(kordon, "kordon_connections", listener="few") == 0)
    with Wire(address) as again:
        assert seen(again, topic)


def test_a_connection_that_asks_nothing_is_closed_and_one_whose_answer_is_due_is_not(
    kordon: Kordon, new_topic: MakeTopic
) -> None:
    empty = new_topic("tx_empty")
    with Wire(kordon.listener("idle")) as idle, Wire(kordon.listener("idle")) as busy:
        eventually(lambda: seen(idle, empty))
        busy.send(fetch(empty, wait=3_000))

        assert ended(idle)

        (partition,) = busy.receive().message.responses[0].partitions
        assert partition.error_code is ErrorCode.none
    assert metric(kordon, "kordon_connections_closed_total", listener="idle", reason="idle") >= 1


def test_without_acknowledgements_nothing_is_answered_and_the_denied_part_is_dropped(
    kordon: Kordon, kafka: Kafka, new_topic: MakeTopic
) -> None:
    """Conformance case C4."""
    mine, theirs = new_topic("tx_silent"), new_topic("pay_silent")
    with Wire(kordon.listener("admin")) as admin:
        eventually(lambda: seen(admin, mine, theirs))
    both = [produce(name, b"silent", acks=0) for name in (mine, theirs)]
    request = replace(both[0], topic_data=tuple(one.topic_data[0] for one in both))
    with Wire(kordon.listener("trading")) as wire:
        wire.send(request, answered=False)
        wire.send(a_request(ApiKey.METADATA, 4, topics=()), produce(mine, b"loud"))

        assert wire.receive().message.brokers
        (partition,) = wire.receive().message.responses[0].partition_responses

        assert (partition.error_code, partition.base_offset) == (ErrorCode.none, 1)
        wire.send(produce(theirs, b"silent", acks=0), answered=False)
        assert seen(wire, mine)
    assert read(kafka, mine) == [b"silent", b"loud"]
    assert read(kafka, theirs) == []
    events = [event["data"] for event in kordon.audit()]
    dropped = [event for event in events if ["cluster", "prod", "topic", theirs] in event["what"]["resources"]]
    assert {event["what"]["action"] for event in dropped} == {"TOPIC_PRODUCE"}


def test_what_was_sent_without_acknowledgements_arrives_though_the_client_closes_right_behind_it(
    kordon: Kordon, kafka: Kafka, new_topic: MakeTopic
) -> None:
    name = new_topic("tx_hasty")
    values = [b"%d" % number for number in range(200)]
    with Wire(kordon.listener("trading")) as wire:
        eventually(lambda: seen(wire, name))
    with Wire(kordon.listener("trading")) as wire:
        wire.send(*(produce(name, value * 100, acks=0) for value in values), answered=False)

    eventually(lambda: end_of(kafka, name) == 200)
    assert read(kafka, name) == [value * 100 for value in values]


# ---- the stop


def test_a_stop_lets_answers_in_flight_leave_and_takes_no_more(kafka: Kafka, new_topic: MakeTopic) -> None:
    name = new_topic("tx_stop")
    with Kordon(clusters={"prod": kafka.bootstrap}, policy=POLICY, listeners=LISTENERS) as kordon:
        with Wire(kordon.listener("trading")) as busy, Wire(kordon.listener("trading")) as quiet:
            eventually(lambda: seen(quiet, name))
            busy.send(fetch(name, wait=1_500))
            eventually(lambda: metric(kordon, "kordon_requests_total", api="Fetch") == 1)

            kordon.signal(signal.SIGTERM)
            assert ended(quiet)
            with pytest.raises((Gone, OSError)):
                Wire(kordon.listener("trading")).receive_frame()

            (partition,) = busy.receive().message.responses[0].partitions
            assert partition.error_code is ErrorCode.none
            assert ended(busy)
        assert kordon.terminate() == 0
        assert [line["cut_off"] for line in log_lines(kordon, "stopped")] == [0]
        assert closings(kordon) == []


@pytest.mark.parametrize(("settings", "signals"), [({"drain": "300ms"}, 1), ({"drain": "60s"}, 2)])
def test_a_stop_does_not_wait_for_a_parked_poll_longer_than_it_is_told(
    kafka: Kafka, new_topic: MakeTopic, fresh: Fresh, settings: dict[str, Any], signals: int
) -> None:
    name = new_topic("tx_parked")
    with Kordon(clusters={"prod": kafka.bootstrap}, policy=POLICY, listeners=LISTENERS, settings=settings) as kordon:
        with Wire(kordon.listener("trading")) as parked:
            eventually(lambda: seen(parked, name))
            parked.send(fetch(name, wait=25_000))
            eventually(lambda: metric(kordon, "kordon_requests_total", api="Fetch") == 1)
            begun = time.monotonic()

            for _ in range(signals - 1):
                kordon.signal(signal.SIGTERM)
                eventually(lambda: metric(kordon, "kordon_draining") == 1)
                assert readiness(kordon)["serving"] == (False, "stopping")
            code = kordon.terminate()

            assert code == 0
            assert ended(parked)
            assert time.monotonic() - begun < 25, "the poll was waited for"
        assert [line["cut_off"] for line in log_lines(kordon, "stopped")] == [1]
