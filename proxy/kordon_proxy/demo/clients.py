"""The demonstration's own clients: producers and consumers through Kordon, and looks past it at Kafka itself."""

import asyncio
from collections.abc import Mapping
from typing import Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from .teams import Person, an_admin
from .world import World

Place = tuple[int, int]
"""Partition and offset of a record."""
_PATIENCE: Final = 20.0


async def produce(world: World, person: Person, topic: str, values: list[bytes]) -> list[Place]:
    """Produce records through Kordon, and return where they are."""
    async with AIOKafkaProducer(bootstrap_servers=world.address, **person.login) as producer:
        told = [await producer.send_and_wait(topic, value) for value in values]
    return [(record.partition, record.offset) for record in told]


async def consume(world: World, person: Person, topic: str, group: str, places: list[Place]) -> Mapping[Place, bytes]:
    """Read through Kordon as a member of a group until these records have come. Raises TimeoutError."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=world.address, group_id=group, auto_offset_reset="earliest", **person.login
    )
    read: dict[Place, bytes] = {}
    async with consumer, asyncio.timeout(_PATIENCE):
        while len(read) < len(places):
            record = await consumer.getone()
            if (record.partition, record.offset) in places:
                read[record.partition, record.offset] = record.value
    return read


async def read_directly(world: World, topic: str, places: list[Place]) -> Mapping[Place, bytes]:
    """Read records at Kafka itself. Raises TimeoutError."""
    read: dict[Place, bytes] = {}
    async with AIOKafkaConsumer(bootstrap_servers=world.kafka.bootstrap) as consumer, asyncio.timeout(_PATIENCE):
        for partition, offset in places:
            place = TopicPartition(topic, partition)
            consumer.assign([place])
            consumer.seek(place, offset)
            read[partition, offset] = (await consumer.getone(place)).value
    return read


async def committed(world: World, group: str, place: TopicPartition) -> int:
    """How far a group is in a partition, asked at Kafka itself."""
    async with an_admin(world.kafka.bootstrap) as admin:
        offsets = await admin.list_consumer_group_offsets(group, partitions=[place])
    return int(offsets[place].offset)
