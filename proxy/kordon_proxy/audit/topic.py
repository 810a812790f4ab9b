"""Reads the audit topic: as another place for what is in the journals of all processes."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from .line import place_of
from .segments import AuditError

_SLACK: Final = 3_600_000
"""Events are looked for among records up to an hour older, ms: the clock of a broker, or ours, may have been set."""
_WAIT: Final = 500
OTHERS: Final = b"two"
"""In place of a chain value: the topic has two events with that number that are not the same."""


async def read_topic(
    settings: Mapping[str, Any], topic: str, *, since: int | None = None, follow: bool = False
) -> AsyncIterator[bytes]:
    """Return the events in a topic, each as it was forwarded, perhaps more than once.

    since: ms since the epoch; records that are much older are left out. `follow`: wait for more when all is read.
    Raises AuditError when there is no such topic, and what Kafka or the network raised.
    """
    settings = {"client_id": "kordon-audit", "request_timeout_ms": 10_000, **settings}
    partitions = await _partitions(settings, topic)
    consumer = AIOKafkaConsumer(**settings, group_id=None, enable_auto_commit=False, auto_offset_reset="earliest")
    try:
        await consumer.start()
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        await _begin(consumer, partitions, since)
        while follow or not await _is_done(consumer, ends):
            for records in (await consumer.getmany(timeout_ms=_WAIT)).values():
                for record in records:
                    if record.value is not None:
                        yield record.value
    finally:
        await consumer.stop()


async def forwarded(
    settings: Mapping[str, Any], topic: str, writer: str, *, since: int | None = None
) -> dict[int, bytes | None]:
    """Return the chain values that the topic has of one writer, by number. Raises as `read_topic` does."""
    found: dict[int, bytes | None] = {}
    async for text in read_topic(settings, topic, since=since):
        place = place_of(text)
        if place is not None and place.writer == writer:
            known = found.setdefault(place.sequence, place.chain)
            if known != place.chain:
                found[place.sequence] = OTHERS
    return found


async def _partitions(settings: Mapping[str, Any], topic: str) -> list[TopicPartition]:
    admin = AIOKafkaAdminClient(**settings)
    try:
        await admin.start()
        for one in await admin.describe_topics():  # all of them: asked for by its name, one that is missing is made
            if one["topic"] == topic:
                return [TopicPartition(topic, partition["partition"]) for partition in one["partitions"]]
    finally:
        await admin.close()
    raise AuditError(f"there is no topic {topic}, or this user may not see it")


async def _begin(consumer: AIOKafkaConsumer, partitions: list[TopicPartition], since: int | None) -> None:
    found: dict[TopicPartition, Any] = {}
    if since is not None:
        found = await consumer.offsets_for_times(dict.fromkeys(partitions, max(0, since - _SLACK)))
    for partition in partitions:
        if since is None:
            await consumer.seek_to_beginning(partition)
        elif (at := found[partition]) is not None:
            consumer.seek(partition, at.offset)
        else:
            await consumer.seek_to_end(partition)


async def _is_done(consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]) -> bool:
    for partition, end in ends.items():
        if await consumer.position(partition) < end:
            return False
    return True
