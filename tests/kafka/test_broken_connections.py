"""Connections break at every byte, come byte by byte, and end with a broker: no wrong answer, no loss, no leak."""

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from itertools import count, cycle, islice
from typing import Final

import pytest
from kio.schema.errors import ErrorCode

from tests.kafka import requests as ask
from tests.kafka.breaking import Fate
from tests.kafka.broken import AT_BROKERS, REQUESTS, WITHIN, Frames, Place, all_of, member_of, things
from tests.kafka.crowd import Course, Script
from tests.kafka.fixtures import Fresh, MakeTopic
from tests.kafka.records import MiB, fetch, produce, read, seen
from tests.kafka.tap import ended, metric, resident
from tests.kafka.tenants import eventually
from tests.kafka.wire import Gone, Wire

pytestmark = pytest.mark.usefixtures("watched")


# ---- every byte


def acknowledged(frames: Frames, courses: dict[int, Course]) -> set[bytes]:
    """The records of which a client was told that they are there."""
    return {
        frames.client(number).encode()
        for number, course in courses.items()
        for answer in course.frames()
        if frames.decoded(answer).responses[0].partition_responses[0].error_code is ErrorCode.none
    }


@pytest.mark.usefixtures("bystander")
@pytest.mark.parametrize("name", REQUESTS)
def test_a_client_may_be_gone_after_each_byte_that_it_sends_or_reads(
    place: Place, breaking_topic: str, name: str
) -> None:
    frames = Frames(place, name, breaking_topic, f"gone-{name}")
    sending = [Script(place.address, frames.frame(at)[:at], reads=0) for at in range(frames.asked)]
    reading = [Script(place.address, frames.frame(at), reads=at) for at in range(frames.answered)]

    courses = all_of([*sending, *reading])

    assert all(course.ended for course in courses)
    assert all(frames.begun(course) for course in courses)


@pytest.mark.usefixtures("bystander")
@pytest.mark.parametrize("direction", ["up", "down"])
@pytest.mark.parametrize("name", AT_BROKERS)
def test_a_broker_may_be_gone_after_each_byte_that_it_is_sent_or_sends(
    place: Place, breaking_topic: str, new_topic: MakeTopic, name: str, direction: str
) -> None:
    topic = new_topic("tx_cut", at=place.kafka) if name == "Produce" else breaking_topic
    with Wire(place.address) as wire:
        eventually(lambda: seen(wire, topic))
    frames = Frames(place, name, topic, f"{direction}-{name}")
    offsets = range(frames.asked if direction == "up" else frames.answered)
    place.breaker.fates = {frames.client(at): Fate(up=at) if direction == "up" else Fate(down=at) for at in offsets}
    last = len(offsets)  # which nothing happens to

    courses = all_of([Script(place.address, frames.frame(at)) for at in offsets])
    whole = frames.whole(last)

    assert all(course.ended for course in courses)
    assert all(frames.begun(course) for course in courses)
    assert frames.decoded(*whole.frames())
    if name == "Produce":
        told = acknowledged(frames, {**dict(enumerate(courses)), last: whole})
        found = read(place.kafka, topic)
        assert told == {frames.client(last).encode()}
        assert told <= set(found)
        assert len(found) == (2 if direction == "up" else last + 2)  # what came in part is not there


# ---- slowly


@pytest.mark.usefixtures("bystander")
@pytest.mark.parametrize("name", AT_BROKERS)
def test_what_comes_a_byte_at_a_time_comes_whole(place: Place, breaking_topic: str, name: str) -> None:
    """From the client, from the broker, and to a client that takes it like that."""
    frames = Frames(place, name, breaking_topic, f"dripping-{name}")
    place.breaker.fates = {frames.client(1): Fate(drips=True)}
    answers = []
    for number in (1, 2):
        host, _, port = place.address.rpartition(":")
        with socket.create_connection((host, int(port)), WITHIN) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in frames.frame(number):
                connection.sendall(bytes([byte]))
            answer = b"".join(connection.recv(1) for _ in range(frames.answered))
        answers.append(answer[4:])

    dripped, whole = answers
    assert frames.decoded(dripped)
    if name in ("Metadata", "Fetch"):
        assert dripped == whole


# ---- ten thousand of them


def ways_to_break(place: Place, topic: str) -> Iterator[Script]:
    """Without end; a quarter of them without a fault."""
    kinds = [Frames(place, name, topic, f"many-{name}") for name in ("Metadata", "Fetch", "Produce", "ApiVersions")]
    for number, (kind, way) in enumerate(zip(cycle(kinds), cycle(range(7)), strict=True)):
        frame, at = kind.frame(number), number * 31
        fate = Fate(up=at % kind.asked) if way == 0 else Fate(down=at % kind.answered) if way == 1 else None
        if fate is not None and kind is not kinds[-1]:
            place.breaker.fates[kind.client(number)] = fate
            yield Script(place.address, frame)
        elif way == 2:
            yield Script(place.address, frame[: at % kind.asked], reads=0)
        elif way == 3:
            yield Script(place.address, frame, reads=at % kind.answered)
        elif way == 4:
            yield Script(place.address, frame[:4] + b"\xff" * (len(frame) - 4))
        else:
            yield Script(place.address, frame, reads=kind.answered)


KINDS: Final = ("Session", "BrokerLink", "Exchange", "Task", "TCPTransport", "May", "Login")


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("bystander")
def test_ten_thousand_connections_that_break_leave_nothing_behind(place: Place, breaking_topic: str) -> None:
    place.breaker.fates = {}
    scripts = ways_to_break(place, breaking_topic)

    def at_rest() -> tuple[int, int, Counter[str]]:
        eventually(lambda: metric(place.kordon, "kordon_connections") == 1)  # the bystander's
        eventually(lambda: place.descriptors() <= descriptors)
        held = place.held()
        return resident(place.kordon), place.descriptors(), Counter({kind: held[kind] for kind in KINDS})

    all_of(list(islice(scripts, 1_000)))
    eventually(lambda: metric(place.kordon, "kordon_connections") == 1)
    descriptors = place.descriptors() + 5  # Kordon asks the cluster by itself now and then
    before, _, held = at_rest()

    courses = all_of(list(islice(scripts, 10_000)))

    after, _, left = at_rest()
    assert all(course.ended for course in courses)
    assert sum(bool(course.frames()) for course in courses) > 2_000
    assert left["Session"] == held["Session"] == 1
    assert not {kind: count for kind, count in (left - held).items() if count > 5}
    assert after - before < 8 * MiB


# ---- a broker that dies


def test_when_a_broker_dies_nobody_waits_and_what_was_acknowledged_is_there(
    place: Place, new_topic: MakeTopic, fresh: Fresh
) -> None:
    topic, quiet = (new_topic(name, at=place.kafka) for name in ("tx_dying", "tx_quiet"))
    it, parked = things(topic, fresh), []
    with ExitStack() as stack:
        first, producing = (stack.enter_context(Wire(place.address)) for _ in range(2))
        eventually(lambda: seen(first, topic, quiet))
        member_of(first, it)
        for message in [fetch(quiet, wait=25_000)] * 10 + [ask.join(3, it, topic)] * 5:
            wire = stack.enter_context(Wire(place.address))
            wire.send(message)
            parked.append(wire)
        told: list[bytes] = []

        def go_on_producing() -> None:
            with suppress(Gone, OSError):
                for number in count():
                    value = b"%06d" % number
                    (part,) = producing.ask(produce(topic, value, acks=-1)).message.responses[0].partition_responses
                    if part.error_code is ErrorCode.none:
                        told.append(value)

        producer = threading.Thread(target=go_on_producing, daemon=True)
        producer.start()
        eventually(lambda: len(told) > 100)

        place.kafka.nodes[1].kill()
        try:
            producer.join(WITHIN)
            assert not producer.is_alive()
            assert all(ended(wire) for wire in parked)
        finally:
            place.kafka.nodes[1].start()
    found = read(place.kafka, topic)
    assert found[: len(told)] == told
    assert len(found) <= len(told) + 1  # one had no answer yet
    eventually(lambda: place.kordon.get("/readyz")[0] == 200)
