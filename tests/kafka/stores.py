"""Stores in topics of a real Kafka, as tests make them, and what really stands in there."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.store.entries import Line
from kordon_proxy.store.interface import Key, Kind, Step, Store, StoreUnavailable
from kordon_proxy.store.kafka import KafkaStore
from kordon_proxy.store.kafka_topic import Place
from tests.kafka.tenants import QUIET
from tests.proxy.store.given import Reader, SharedStore, a_step


def a_shared_topic(kafka: Kafka, topic: str, cluster: str = "prod") -> SharedStore:
    return SharedStore(
        settings={"type": "kafka", "cluster": cluster, "topic": topic},
        make=partial(a_kafka_store, kafka.bootstrap, topic),
    )


PATIENCE: Final = 120.0
BOUND: Final = 10.0
"""Seconds in which every method has to say that it could not."""


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, PATIENCE))


def a_kafka_store(bootstrap: str, topic: str, writer: str = "one", **settings: Any) -> KafkaStore:
    """Not opened yet. settings: aiokafka's, besides the address."""

    def connection(_: int) -> Mapping[str, Any]:
        return {"bootstrap_servers": bootstrap.split(","), **settings}

    return KafkaStore(Place(topic=topic, cluster="prod"), connection, writer)


@asynccontextmanager
async def opened(bootstrap: str, topic: str, writer: str = "one", **settings: Any) -> AsyncIterator[KafkaStore]:
    store = a_kafka_store(bootstrap, topic, writer, **settings)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def changing(store: Store, number: int) -> Iterator[Awaitable[object]]:
    """All that changes a store: makes `b`, takes an event out, forgets `a`."""
    yield store.take(a_step("b"))
    yield store.told([number])
    yield store.forget([Key(Kind.TEMPORARY_POLICY, "a")])


async def refusal(work: Awaitable[object]) -> str:
    """Why the store could not, which it has to say soon."""
    try:
        await asyncio.wait_for(work, BOUND)
    except StoreUnavailable as error:
        return str(error)
    raise AssertionError("it could")


async def refusal_of_news(store: Store, reason: str = "") -> str:
    """Why it has no news, as soon as it says so, for this reason."""
    while True:
        try:
            await store.news()
        except StoreUnavailable as error:
            if reason in str(error):
                return str(error)
        await asyncio.sleep(0.05)


async def taken(store: Store, step: Step) -> bool:
    """Try until the store can."""
    while True:
        try:
            return await store.take(step)
        except StoreUnavailable:
            await asyncio.sleep(0.1)


async def back(reader: Reader) -> None:
    """Return when the store has news again, and they have been looked at."""
    while True:
        try:
            await reader.look()
            return
        except StoreUnavailable:
            await asyncio.sleep(0.05)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    while not await condition():  # noqa: ASYNC110 (others make it come true)
        await asyncio.sleep(0.05)


def lines_in(bootstrap: str, topic: str) -> list[Line]:
    """What compaction has left, in its order."""
    settings = {"bootstrap.servers": bootstrap, "group.id": "none", "enable.auto.commit": False, **QUIET}
    consumer = Consumer({**settings, "auto.offset.reset": "earliest", "enable.partition.eof": True})
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        lines: list[Line] = []
        while True:
            (message,) = consumer.consume(1, 30)
            if message.error() is not None:
                return lines
            lines.append(Line(message.key() or b"", message.value()))
    finally:
        consumer.close()


def configure(bootstrap: str, topic: str, **settings: str) -> None:
    """Set settings of a topic; underscores stand for dots."""
    entries = [
        ConfigEntry(name.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
        for name, value in settings.items()
    ]
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
    admin = AdminClient({"bootstrap.servers": bootstrap, **QUIET})
    admin.incremental_alter_configs([resource])[resource].result(30)


def settings_of(bootstrap: str, topic: str) -> dict[str, str]:
    resource = ConfigResource(ResourceType.TOPIC, topic)
    admin = AdminClient({"bootstrap.servers": bootstrap, **QUIET})
    found = admin.describe_configs([resource])[resource].result(30)
    return {name: str(entry.value) for name, entry in found.items()}
