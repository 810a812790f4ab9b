"""Reads the audit topic: as another place for what is in the journals of all processes."""

from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Batch:
    """Some events, each as it was forwarded. `caught_up`: all that was there at the beginning has been read."""

    values: list[bytes]
    caught_up: bool


async def read_topic(
    settings: Mapping[str, Any], topic: str, *, since: int | None = None, follow: bool = False
) -> AsyncGenerator[Batch]:
    """Return the events in a topic, perhaps some more than once, up to where it ends now, or for ever.

    since: ms since the epoch; records that are much older are left out. Raises AuditError when there is no such topic,
    and what Kafka or the network raised.
    """
    settings = {"client_id": "kordon-audit", "request_timeout_ms": 10_000, **settings}
    partitions = await _partitions(settings, topic)
    consumer = AIOKafkaConsumer(**settings, group_id=None, enable_auto_commit=False, auto_offset_reset="earliest")
    try:
        await consumer.start()
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        await _begin(consumer, partitions, since)
        values: list[bytes] = []
        while True:
            is_done = await _is_done(consumer, ends)
            yield Batch(values, is_done)
            if is_done and not follow:
                return
            found = await consumer.getmany(timeout_ms=_WAIT)
            values = [one.value for records in found.values() for one in records if one.value is not None]
    finally:
        await consumer.stop()


async def forwarded(
    settings: Mapping[str, Any], topic: str, writers: Iterable[str], *, since: int | None = None
) -> dict[str, dict[int, bytes | None]]:
    """Return the chain values that the topic has of these writers, by number. Raises as `read_topic` does."""
    found: dict[str, dict[int, bytes | None]] = {writer: {} for writer in writers}
    async for batch in read_topic(settings, topic, since=since):
        for place in filter(None, map(place_of, batch.values)):
            known = found.get(place.writer)
            if known is not None and known.setdefault(place.sequence, place.chain) != place.chain:
                known[place.sequence] = OTHERS
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
