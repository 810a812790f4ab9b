"""A Kordon whose connections to its broker can be broken, and requests of several kinds for those that break."""

import json
import signal
import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest

from kordon_protocol.codec import decode_response, request_frame
from kordon_protocol.header import peek_response
from kordon_protocol.keys import ApiKey
from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from tests.kafka import requests as ask
from tests.kafka.breaking import Breaker
from tests.kafka.crowd import Course, Script, at_once
from tests.kafka.fixtures import Fresh, MakeTopic, wait_for_coordinators
from tests.kafka.neighbours import SESSION
from tests.kafka.records import fetch, produce, seen
from tests.kafka.requests import Things
from tests.kafka.tap import metric, resting, unforeseen
from tests.kafka.tenants import LISTENERS, POLICY, eventually
from tests.kafka.wire import Wire
from tests.proxy.apis.messages import a_request

WITHIN: Final = 30.0
"""Seconds after which a connection that has not ended is stuck."""
NUMBER: Final = 7
"""The correlation id of all requests."""
AT_ONCE: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A Kordon whose connections to its broker can be broken."""

    kafka: Kafka
    breaker: Breaker
    kordon: Kordon
    counts: Path

    @property
    def address(self) -> str:
        return self.kordon.listener("trading")

    def descriptors(self) -> int:
        return sum(1 for _ in Path(f"/proc/{self.kordon.pid}/fd").iterdir())

    def held(self) -> Counter[str]:
        """How many objects of each kind Kordon has."""
        self.counts.unlink(missing_ok=True)
        self.kordon.signal(signal.SIGUSR2)
        eventually(self.counts.exists)
        return Counter(json.loads(self.counts.read_text()))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    counts = tmp_path_factory.mktemp("counts") / "counts.json"
    with ExitStack() as stack:
        breaker = stack.enter_context(Breaker(lambda: next(iter(kafka.nodes.values())).listeners["PLAINTEXT"]))
        kafka = Kafka(
            properties={
                "advertised.listeners": f"PLAINTEXT://127.0.0.1:{breaker.port}",
                "group.max.session.timeout.ms": SESSION,
                "group.consumer.max.session.timeout.ms": SESSION,
            }
        )
        stack.enter_context(kafka)
        wait_for_coordinators(kafka.bootstrap)
        kordon = Kordon(
            clusters={"prod": f"127.0.0.1:{breaker.port}"},
            policy=POLICY,
            listeners=LISTENERS,
            environment={"KORDON_COUNTED": str(counts)},
        )
        stack.enter_context(kordon)
        yield Place(kafka=kafka, breaker=breaker, kordon=kordon, counts=counts)


@pytest.fixture(scope="module")
def breaking_topic(place: Place, new_topic: MakeTopic) -> str:
    """With one record."""
    name = new_topic("tx_breaking", at=place.kafka)
    with Wire(place.address) as wire:
        eventually(lambda: seen(wire, name))
        wire.ask(produce(name, b"a record", acks=-1))
    return name


@pytest.fixture
def bystander(place: Place, watched: None) -> Iterator[None]:
    """A connection that works all the time."""
    look = a_request(ApiKey.METADATA, 12, topics=None)
    with Wire(place.address) as wire:
        assert wire.ask(look).message.brokers
        yield
        assert wire.ask(look).message.brokers


@pytest.fixture
def watched(place: Place) -> Iterator[None]:
    """No connection is left in the end, and nothing has happened that nobody foresaw."""
    yield
    assert resting(place.kordon)
    assert not unforeseen(place.kordon)
    assert metric(place.kordon, "kordon_unexpected_errors_total") == 0


def things(topic: str, fresh: Fresh, member_id: str = "") -> Things:
    """A group of its own for the topic."""
    group = fresh("trade_held")
    return Things(topic=topic, topic_id=UUID(int=0), group=group, transactional_id=group, member_id=member_id)


def member_of(wire: Wire, it: Things) -> Things:
    """Its group with one member, who leads it and has got no assignment yet."""
    joined = wire.ask(ask.join(3, it, it.topic)).message
    return replace(it, member_id=joined.member_id, generation=joined.generation_id)


def versions(_: str, __: str) -> Any:
    return a_request(ApiKey.API_VERSIONS, 3, client_software_name="a", client_software_version="1")


def everything(_: str, __: str) -> Any:
    return a_request(ApiKey.METADATA, 12, topics=None)


def poll(topic: str, _: str) -> Any:
    """For the first record alone, however many others there are by now."""
    return fetch(topic, most=1)


def record(topic: str, client: str) -> Any:
    return produce(topic, client.encode(), acks=-1)


def join(topic: str, client: str) -> Any:
    """In a version in which new members get in at once; each in a group of its own."""
    it = Things(topic=topic, topic_id=UUID(int=0), group=f"trade_{client}", transactional_id="", member_id="")
    return ask.join(3, it, topic)


REQUESTS: Final = {"ApiVersions": versions, "Metadata": everything, "Fetch": poll, "Produce": record, "JoinGroup": join}
AT_BROKERS: Final = [name for name in REQUESTS if name != "ApiVersions"]


class Frames:
    """A kind of request, each under a client id of its own, and how long it and its answer are."""

    def __init__(self, place: Place, name: str, topic: str, label: str) -> None:
        self._place, self._build, self._topic = place, REQUESTS[name], topic
        self._label = label
        frame = self.frame(999_999)
        (answer,) = self.whole(999_999).frames()
        assert not ask.errors_of(self.decoded(answer))
        self.asked, self.answered = len(frame), len(answer) + 4

    def client(self, number: int) -> str:
        return f"{self._label}-{number:06}"

    def frame(self, number: int) -> bytes:
        return request_frame(self._message(number), NUMBER, self.client(number))

    def whole(self, number: int) -> Course:
        """A connection that gets an answer, however long that has become."""
        (course,) = at_once([Script(self._place.address, self.frame(number), answers=1)], patience=WITHIN)
        return course

    def _message(self, number: int) -> Any:
        return self._build(self._topic, self.client(number))

    def decoded(self, answer: bytes) -> Any:
        """A whole answer to the request."""
        message = self._message(0)
        key, version = message.__api_key__, message.__version__
        head = peek_response(answer, key, version)
        assert head.correlation_id == NUMBER
        return decode_response(key, version, answer, head.body_offset)

    def begun(self, course: Course) -> bool:
        """Whether what came is the beginning of an answer, and no whole one."""
        received = bytes(course.received)
        return not course.frames() and received[4:8] == struct.pack(">i", NUMBER)[: len(received[4:8])]


def all_of(scripts: list[Script]) -> list[Course]:
    """A handful at a time."""
    courses = []
    rest = iter(scripts)
    while some := list(islice(rest, AT_ONCE)):
        courses += at_once(some, patience=WITHIN)
    return courses
