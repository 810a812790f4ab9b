"""Two tenants on one Kordon, their connections interleaved and under load: nothing of one reaches the other."""

import asyncio
import random
import secrets
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any, Final
from uuid import UUID

import pytest
from kio.schema.errors import ErrorCode

from kordon_protocol.codec import decode_response, request_frame, request_type
from kordon_protocol.header import peek_response
from kordon_protocol.keys import ApiKey
from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from kordon_proxy.judging.entries import make, struct_type
from tests.kafka.fixtures import MakeTopic
from tests.kafka.records import fetch, produce, read, seen
from tests.kafka.tenants import LISTENERS, POLICY, eventually
from tests.kafka.wire import Wire
from tests.proxy.apis.messages import a_request

CONNECTIONS: Final = 12
"""Of each tenant."""
ROUNDS: Final = 20
AHEAD: Final = 8
"""Requests that are sent before the first answer is read."""
MISSING: Final = ErrorCode.unknown_topic_or_partition


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """One of the two, and by what its things are known in bytes."""

    listener: str
    name: str
    prefix: str
    topic: str
    topic_id: UUID
    mark: bytes
    """Stands in every record that it writes."""


@pytest.fixture(scope="module")
def kordon(kafka: Kafka) -> Iterator[Kordon]:
    with Kordon(
        clusters={"prod": kafka.bootstrap},
        policy=POLICY,
        listeners=LISTENERS,
        settings={"audit": {"window": "500ms"}},
    ) as kordon:
        yield kordon


def a_tenant(kordon: Kordon, new_topic: MakeTopic, listener: str, name: str, prefix: str) -> Tenant:
    topic = new_topic(f"{prefix}load")
    with Wire(kordon.listener(listener)) as wire:
        eventually(lambda: seen(wire, topic))
        eventually(lambda: topic in ids(wire))
        topic_id = ids(wire)[topic]
    mark = secrets.token_hex(12).encode()
    return Tenant(listener=listener, name=name, prefix=prefix, topic=topic, topic_id=topic_id, mark=mark)


def ids(wire: Wire) -> dict[str, UUID]:
    """All topics there are."""
    answer = wire.ask(a_request(ApiKey.METADATA, 12, topics=None)).message
    return {topic.name: topic.topic_id for topic in answer.topics}


class Life:
    """One connection, which asks at random for its own things and for the other's."""

    def __init__(self, mine: Tenant, theirs: Tenant, seed: int) -> None:
        self._mine, self._theirs = mine, theirs
        self._random = random.Random(seed)
        self._ids = count(seed << 16)

    async def live(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            await self._ask(reader, writer)
        finally:
            writer.close()
            await writer.wait_closed()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(ROUNDS):
            asked = [(next(self._ids), self._random.choice(self.QUESTIONS)) for _ in range(AHEAD)]
            requests = [(number, question(self), check) for number, (question, check) in asked]
            writer.write(b"".join(request_frame(message, number, "life") for number, message, _ in requests))
            for number, message, check in requests:
                (size,) = struct.unpack(">i", await reader.readexactly(4))
                check(self, self._open(await reader.readexactly(size), number, message))

    def _open(self, frame: bytes, number: int, message: Any) -> Any:
        assert struct.unpack_from(">i", frame) == (number,), "an answer of another connection, or out of order"
        assert self._theirs.mark not in frame
        assert self._theirs.topic_id.bytes not in frame
        key, version = message.__api_key__, message.__version__
        return decode_response(key, version, frame, peek_response(frame, key, version).body_offset)

    # Questions, and what the answers have to be.

    def all_topics(self) -> Any:
        return a_request(ApiKey.METADATA, 12, topics=None)

    def only_mine(self, answer: Any) -> None:
        names = {topic.name for topic in answer.topics}
        assert self._mine.topic in names
        assert all(name.startswith(self._mine.prefix) for name in names)

    def my_records(self) -> Any:
        return fetch(self._mine.topic, most=1 << 16)

    def are_mine(self, answer: Any) -> None:
        (partition,) = answer.responses[0].partitions
        assert partition.error_code is ErrorCode.none

    def their_records(self) -> Any:
        return fetch(self._theirs.topic)

    def are_nowhere(self, answer: Any) -> None:
        (partition,) = answer.responses[0].partitions
        assert (partition.error_code, partition.records) == (MISSING, b"")

    def write_mine(self) -> Any:
        return produce(self._mine.topic, self._mine.mark)

    def write_theirs(self) -> Any:
        return produce(self._theirs.topic, self._mine.mark)

    def written(self, answer: Any) -> None:
        assert answer.responses[0].partition_responses[0].error_code is ErrorCode.none

    def not_written(self, answer: Any) -> None:
        assert answer.responses[0].partition_responses[0].error_code is MISSING

    def groups(self) -> Any:
        return a_request(ApiKey.LIST_GROUPS, 3)

    def groups_of_mine(self, answer: Any) -> None:
        assert all(group.group_id.startswith(("trade_", "pay_")) for group in answer.groups)
        assert not [group for group in answer.groups if group.group_id.startswith(self._theirs.prefix)]

    QUESTIONS: Final = (
        (all_topics, only_mine),
        (my_records, are_mine),
        (their_records, are_nowhere),
        (write_mine, written),
        (write_theirs, not_written),
        (groups, groups_of_mine),
    )


@pytest.mark.known_fault(1)
def test_nothing_of_one_tenant_reaches_the_other(kordon: Kordon, kafka: Kafka, new_topic: MakeTopic) -> None:
    trading = a_tenant(kordon, new_topic, "trading", "Trading", "tx_")
    payments = a_tenant(kordon, new_topic, "payments", "Payments", "pay_")

    async def all_at_once() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(CONNECTIONS):
                for place, (mine, theirs) in enumerate(((trading, payments), (payments, trading))):
                    life = Life(mine, theirs, seed=2 * number + place + 1)
                    group.create_task(life.live(kordon.listener(mine.listener)))

    asyncio.run(all_at_once())

    for tenant in (trading, payments):
        assert set(read(kafka, tenant.topic)) == {tenant.mark}
    assert_told_apart_in_the_audit(kordon, trading, payments)


def assert_told_apart_in_the_audit(kordon: Kordon, *tenants: Tenant) -> None:
    """What somebody did is on his own things, and what he was refused is on the other's."""
    expected = {(tenant.name, other.topic, tenant is other) for tenant in tenants for other in tenants}

    def told() -> set[tuple[str, str, bool]]:
        found = set()
        for event in kordon.audit():
            data = event["data"]
            for path in data["what"].get("resources", []):
                if path[-1] in {tenant.topic for tenant in tenants}:
                    found.add((data["who"]["tenant"], path[-1], data["why"]["effect"] == "Allow"))
        return found

    eventually(lambda: told() >= expected)
    assert told() == expected


def test_a_fetch_session_is_of_its_connection_alone(kordon: Kordon, new_topic: MakeTopic) -> None:
    trading = a_tenant(kordon, new_topic, "trading", "Trading", "tx_")
    with Wire(kordon.listener("trading")) as owner, Wire(kordon.listener("payments")) as thief:
        begun = owner.ask(session_fetch(trading.topic, 0, 0)).message
        assert begun.session_id > 0

        stolen = thief.ask(session_fetch(None, begun.session_id, 1)).message
        again = owner.ask(session_fetch(None, begun.session_id, 1)).message

    assert (stolen.error_code, stolen.responses) == (ErrorCode.fetch_session_id_not_found, ())
    assert again.error_code is ErrorCode.none


def session_fetch(topic: str | None, session_id: int, epoch: int) -> Any:
    topics = () if topic is None else (fetch_topic(topic),)
    return a_request(ApiKey.FETCH, 7, max_bytes=1 << 20, session_id=session_id, session_epoch=epoch, topics=topics)


def fetch_topic(name: str) -> Any:
    kind = request_type(ApiKey.FETCH, 7)
    partition = make(struct_type(kind, "topics", "partitions"), partition=0, partition_max_bytes=1 << 20)
    return make(struct_type(kind, "topics"), topic=name, partitions=(partition,))
