"""Whatever a client sends: Kordon lives on, others do not notice, and it gets no byte of what is not its tenant's.

Each run is the same, unless `KORDON_HOSTILE_SEED` is set; `KORDON_HOSTILE_TIMES=20` makes it twenty times as long.
What fails tells the seed of the attack.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from kordon_protocol.keys import ApiKey
from kordon_proxy.demo.kordon import Kordon
from tests.kafka import requests as ask
from tests.kafka.drawing import WAITING
from tests.kafka.hostile import ADMITTED, Hostility, Reaction, carry_out, marks_in, strayed
from tests.kafka.neighbours import Neighbours, settled
from tests.kafka.records import MiB, seen
from tests.kafka.tap import ended, log_lines, metric, resident, resting, unforeseen
from tests.kafka.tenants import QUIET, eventually
from tests.kafka.wire import Wire
from tests.proxy.apis.messages import a_request, asked

SEED: Final = os.environ.get("KORDON_HOSTILE_SEED", "kordon")
TIMES: Final = int(os.environ.get("KORDON_HOSTILE_TIMES", "1"))
AT_ONCE: Final = 44
ATTACKS: Final = 1_012 * TIMES
ALLOWANCE: Final = 24 * MiB
"""What Kordon's memory may grow by in all that."""


@pytest.fixture(scope="module")
def neighbours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neighbours]:
    """Neighbours of our own: what is Acme's does not stay as it was."""
    with settled(tmp_path_factory.mktemp("users")) as neighbours:
        yield neighbours


class Bystander:
    """Globex, which works all the time on a connection that it has had from the beginning."""

    def __init__(self, wire: Wire, neighbours: Neighbours) -> None:
        self._wire = wire
        self._foreign = tuple(one for one in neighbours.foreign if not one.topic.startswith("__"))
        self._found = self._look()

    def _look(self) -> tuple[Any, ...]:
        replies = self._wire.ask_all([ask.find_all_topics(12), ask.list_groups(5), ask.list_offsets(9, *self._foreign)])
        topics, groups, offsets = (reply.message for reply in replies)
        return {topic.name: topic for topic in topics.topics}, {one.group_id: one for one in groups.groups}, offsets

    def finds_all_as_it_was(self) -> bool:
        return self._look() == self._found


def wrong(reaction: Reaction, marks: tuple[bytes, ...]) -> list[Any]:
    """What must not be in it."""
    found: list[Any] = list(marks_in(reaction, marks))
    if reaction.attack.framed and (why := strayed(reaction)) is not None:
        found.append(why)
    return found


@pytest.mark.timeout(180 * (1 + TIMES))
def test_no_attack_is_noticed_by_others_or_finds_anything(neighbours: Neighbours) -> None:
    kordon, marks = neighbours.kordon, neighbours.marks
    hostility, state = Hostility(neighbours, SEED), neighbours.state()
    with neighbours.through("globex") as wire, neighbours.through() as acme:
        bystander, pid = Bystander(wire, neighbours), kordon.pid
        acme.ask_all(a_request(*one, acks=1) for one in ADMITTED if one[0] not in WAITING)  # which loads schemas
        before = resident(kordon)
        for first in range(0, ATTACKS, AT_ONCE):
            reactions = carry_out(kordon, hostility.attacks(range(first, first + AT_ONCE)))

            found = [(one.attack.kind, one.attack.seed, it) for one in reactions for it in wrong(one, marks)]
            seeds = [one.attack.seed for one in reactions]
            assert not found
            assert not unforeseen(kordon), seeds
            assert bystander.finds_all_as_it_was(), seeds
            assert neighbours.state() == state, seeds
        eventually(lambda: metric(kordon, "kordon_connections") == 2)  # those from above
        assert resident(kordon) - before < ALLOWANCE
    assert kordon.pid == pid
    assert metric(kordon, "kordon_unexpected_errors_total") == 0
    assert hostility.asked >= set(ADMITTED)


# ---- much in little

MILLION: Final = 1 << 20
CODECS: Final = ("gzip", "snappy", "lz4", "zstd")
BOMB: Final = 96 * MiB


def many(key: ApiKey, version: int, field: str, entry: Any) -> Any:
    return a_request(key, version, **{field: (entry,) * MILLION})


@pytest.mark.parametrize(
    "request_of_many",
    [
        many(ApiKey.FIND_COORDINATOR, 6, "coordinator_keys", "q"),
        many(ApiKey.DESCRIBE_GROUPS, 6, "groups", ""),
        many(ApiKey.DELETE_RECORDS, 2, "topics", asked(ApiKey.DELETE_RECORDS, 2, "topics")),
        many(ApiKey.CREATE_DELEGATION_TOKEN, 3, "renewers", asked(ApiKey.CREATE_DELEGATION_TOKEN, 3, "renewers")),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_million_entries_in_a_small_body_are_not_judged(neighbours: Neighbours, request_of_many: Any) -> None:
    kordon = neighbours.kordon
    since = len(log_lines(kordon, "connection_closed"))
    with neighbours.through("globex") as other, neighbours.through() as wire:
        other.ask(ask.list_groups(5))
        wire.send(request_of_many)
        assert ended(wire)
        other.ask(ask.list_groups(5))

    (closing,) = log_lines(kordon, "connection_closed")[since:]
    assert closing["reason"] == "malformed"
    assert "more than 50000 entries" in closing["detail"] or "cannot be read" in closing["detail"]
    eventually(lambda: events_of(kordon, closing["connection"]))
    assert len(events_of(kordon, closing["connection"])) == 1


def events_of(kordon: Kordon, connection: str) -> list[Any]:
    """What the audit has of a connection. (Besides it may get counts of what was denied to all, at any time.)"""
    return [event for event in kordon.audit() if event["data"]["who"].get("connection_id") == connection]


def test_what_is_small_and_unpacks_to_much_is_unpacked_nowhere(neighbours: Neighbours) -> None:
    kordon, topic = neighbours.kordon, replace(neighbours.own, topic="acme.bombs")
    large = asked(ApiKey.CREATE_TOPICS, 7, "topics", "configs", name="max.message.bytes", value=str(2 * BOMB))
    with neighbours.through() as wire:
        assert not ask.errors_of(wire.ask(ask.create_topics(7, topic, configs=(large,))).message)
        eventually(lambda: seen(wire, topic.topic))
    before = resting(kordon)
    settings = {"bootstrap.servers": kordon.listener("acme"), "message.max.bytes": 2 * BOMB, **QUIET}
    told: list[object] = []
    for codec in CODECS:
        producer = Producer({**settings, "compression.type": codec})
        producer.produce(topic.topic, bytes(BOMB), partition=0, on_delivery=lambda error, _: told.append(error))
        assert producer.flush(60) == 0
        assert resident(kordon) - before < ALLOWANCE
    assert told == [None] * len(CODECS)

    fetching = {"fetch.message.max.bytes": 2 * BOMB, "receive.message.max.bytes": 4 * BOMB}
    consumer = Consumer({"bootstrap.servers": kordon.listener("acme"), "group.id": "acme-bombs", **fetching, **QUIET})
    try:
        consumer.assign([TopicPartition(topic.topic, 0, 0)])
        for _ in CODECS:
            message = consumer.poll(60)
            assert message is not None
            assert message.value() == bytes(BOMB)
            assert resident(kordon) - before < ALLOWANCE
    finally:
        consumer.close()
