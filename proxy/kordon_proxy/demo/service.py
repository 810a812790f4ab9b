"""A service of the Trading team, which reads trades and stops at one that it cannot read. Most do it this way."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from .teams import Person
from .world import World

AGAIN: Final = 0.3
"""Seconds until it is started again after it has failed, as an orchestrator does."""


@dataclass(slots=True)
class Service:
    """What has become of it."""

    processed: list[tuple[TopicPartition, int]] = field(default_factory=list)
    failures: list[tuple[TopicPartition, int, str]] = field(default_factory=list)

    def process(self, record: ConsumerRecord) -> None:
        """Do what it is there for. Raises ValueError for a record that is no trade."""
        place = TopicPartition(record.topic, record.partition)
        try:
            json.loads(record.value)
        except ValueError as error:
            self.failures.append((place, record.offset, f"{type(error).__name__}: {error}"))
            raise
        self.processed.append((place, record.offset))


@contextlib.asynccontextmanager
async def a_service(world: World, person: Person, topic: str, group: str) -> AsyncIterator[Service]:
    """One that runs, and is started again whenever it fails, until it is scaled down at the end."""
    service = Service()
    running = asyncio.create_task(_run(world, person, topic, group, service))
    try:
        yield service
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def _run(world: World, person: Person, topic: str, group: str, service: Service) -> None:
    while True:
        consumer = AIOKafkaConsumer(
            topic,
            bootstrap_servers=world.address,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            **person.login,
        )
        async with consumer:
            with contextlib.suppress(ValueError):
                async for record in consumer:
                    service.process(record)
                    await consumer.commit({TopicPartition(record.topic, record.partition): record.offset + 1})
        await asyncio.sleep(AGAIN)
