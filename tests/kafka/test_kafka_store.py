"""The store in a topic of a real Kafka: through races, compaction, and brokers that are away."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import pytest

from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.store.interface import Key, Kind, Record
from kordon_proxy.store.kafka import KafkaStore
from tests.kafka.administration import leader
from tests.kafka.fixtures import Fresh, MakeTopic
from tests.kafka.racer import IDS, RACERS
from tests.kafka.stores import (
    a_kafka_store,
    back,
    changing,
    lines_in,
    opened,
    refusal,
    refusal_of_news,
    run,
    settings_of,
    taken,
    until,
)
from tests.proxy.store.given import Reader, a_step

ROOT: Final = Path(__file__).parents[2]
COMPACTED: Final = {
    "cleanup.policy": "compact",
    "segment.ms": "200",
    "min.cleanable.dirty.ratio": "0.01",
    "min.compaction.lag.ms": "0",
    "delete.retention.ms": "100",
}
"""At once, and tombstones with it."""


@pytest.fixture(scope="module")
def lone_kafka() -> Iterator[Kafka]:
    with Kafka(properties={"log.cleaner.backoff.ms": 100}, auto_create_topics=True) as kafka:
        yield kafka


@pytest.fixture
def lone(lone_kafka: Kafka) -> Iterator[Kafka]:
    """A Kafka of one node that a test may end or freeze."""
    yield lone_kafka
    node = lone_kafka.nodes[1]
    node.resume()
    if not node.pid:
        node.start()


@pytest.fixture
def topic(fresh: Fresh) -> str:
    return fresh("__kordon_store")


async def known_to(store: KafkaStore) -> tuple[dict[Key, Record], list[str]]:
    """All records and the ids of all events, as somebody reads them who opens the store."""
    reader = Reader(store)
    await reader.look()
    return reader.records, [untold.event.id for untold in reader.untold]


# ---- races


def test_of_several_processes_that_race_one_makes_each_change_and_all_know_which(kafka: Kafka, topic: str) -> None:
    revisions = 40
    racers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.kafka.racer", kafka.bootstrap, topic, name, str(revisions)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for name in RACERS
    ]
    try:
        printed = [racer.communicate(timeout=120)[0].splitlines() for racer in racers]
    finally:
        for racer in racers:
            racer.kill()
            racer.wait()

    made = dict(zip(RACERS, printed, strict=True))
    everything = [f"{one} {revision}" for one in IDS for revision in range(1, revisions + 1)]
    assert sorted(line for lines in made.values() for line in lines) == sorted(everything)
    assert sum(map(bool, made.values())) > 1  # or nobody has raced
    last = {one: name for name, lines in made.items() for one in IDS if f"{one} {revisions}" in lines}

    async def later() -> None:
        async with opened(kafka.bootstrap, topic) as store:
            records, _ = await known_to(store)
            assert {key.id: record["by"] for key, record in records.items() if key.id in IDS} == last

    run(later())


# ---- compaction


def test_what_compaction_leaves_says_the_same(lone: Kafka, new_topic: MakeTopic) -> None:
    topic = new_topic("__kordon_store", config=COMPACTED, at=lone)
    ids = [f"id-{number}" for number in range(8)]

    async def scenario() -> None:
        async with AsyncExitStack() as stack:
            stores = [await stack.enter_async_context(opened(lone.bootstrap, topic, name)) for name in ("one", "two")]
            readers = [Reader(store) for store in stores]
            for before in range(12):  # with one that comes too late, each
                await asyncio.gather(*(store.take(a_step(one, before)) for store in stores for one in ids))
                for reader in readers:
                    await reader.until_revision(before + 1, ids)
                await stores[before % 2].told([one.number for one in readers[0].untold if one.event.id[:4] != "id-3"])
            await stores[0].forget([Key(Kind.TEMPORARY_POLICY, "id-7")])
            identity = lines_in(lone.bootstrap, topic)[0]

            async def is_compacted() -> bool:
                await stores[0].take(a_step("more", readers[0].records.get(MORE, {"revision": 0})["revision"]))
                await readers[0].look()
                await stores[0].told([one.number for one in readers[0].untold if "more" in one.event.id])
                lines = await asyncio.to_thread(lines_in, lone.bootstrap, topic)
                return len(lines) < 40  # of thousands

            await until(is_compacted)
            async with opened(lone.bootstrap, topic, "later") as store:
                records, events = await known_to(store)
                assert {key.id: record["revision"] for key, record in records.items() if key != MORE} == dict.fromkeys(
                    ids[:7], 12
                )
                assert [one for one in events if "more" not in one] == [f"id-3/{number}" for number in range(1, 13)]
                for one in ids[:7]:
                    assert not await store.take(a_step(one, 11))
                    assert await store.take(a_step(one, 12))
                assert not await store.take(a_step("id-7", 12))
            assert lines_in(lone.bootstrap, topic)[0] == identity

    run(scenario())


MORE: Final = Key(Kind.TEMPORARY_POLICY, "more")


# ---- brokers that are away


@pytest.mark.parametrize("how", ["pause", "kill"])
def test_while_no_broker_answers_everything_says_so_soon_and_goes_on_afterwards(
    lone: Kafka, topic: str, how: str
) -> None:
    node = lone.nodes[1]

    async def scenario() -> None:
        async with opened(lone.bootstrap, topic) as one, opened(lone.bootstrap, topic, "two") as two:
            assert await one.take(a_step("a"))
            readers = [Reader(store) for store in (one, two)]
            for reader in readers:
                await reader.until_untold(1)

            getattr(node, how)()

            (number,) = (untold.number for untold in readers[0].untold)
            told = await asyncio.gather(
                *map(refusal, changing(one, number)),
                refusal_of_news(one),
                refusal_of_news(two),
            )
            assert {text.partition(": ")[0] for text in told} == {f"the store {topic} at prod cannot be used"}
            assert told[0].endswith(", so whether the change was kept is not known")

            node.resume() if how == "pause" else await asyncio.to_thread(node.start)

            await asyncio.gather(*map(back, readers))
            # What was on the way may have arrived, and then nobody can do it again.
            await taken(two, a_step("b"))
            assert await taken(two, a_step("c"))
            for reader in readers:
                await reader.until_revision(1, ["a", "b", "c"])
            assert [untold.event.id for untold in readers[0].untold if untold.number > number] == ["b/1", "c/1"]
            assert readers[0].untold == readers[1].untold

    run(scenario())


def test_a_store_that_no_broker_answers_for_is_not_opened_and_can_be_later(lone: Kafka, topic: str) -> None:
    node = lone.nodes[1]

    async def scenario() -> None:
        store = a_kafka_store(lone.bootstrap, topic)
        node.kill()
        for _ in range(2):
            assert await refusal(store.open()) == (
                f"the store {topic} at prod cannot be used: no broker can be reached; the log says why"
            )
        assert await refusal(store.take(a_step())) == (
            f"the store {topic} at prod cannot be used: no broker can be reached; the log says why"
        )
        await asyncio.to_thread(node.start)
        await store.open()
        assert await store.take(a_step())
        await store.close()

    run(scenario())


def test_what_was_acknowledged_survives_the_end_of_a_broker(three_nodes: Kafka, new_topic: MakeTopic) -> None:
    settings = {"cleanup.policy": "compact", "min.insync.replicas": "2"}
    topic = new_topic("__kordon_store", replicas=3, config=settings, at=three_nodes)

    async def scenario() -> None:
        async with opened(three_nodes.bootstrap, topic) as one, opened(three_nodes.bootstrap, topic, "two") as two:
            for number in range(20):
                assert await one.take(a_step(f"id-{number}"))
            first = await asyncio.to_thread(leader, three_nodes, topic)
            assert first is not None

            three_nodes.nodes[first].kill()

            for number in range(20, 40):  # a try of which nobody knew may have been one
                await taken(one if number % 2 else two, a_step(f"id-{number}"))
        async with opened(three_nodes.bootstrap, topic, "later") as later:
            records, events = await known_to(later)
            assert {key.id for key in records} == {f"id-{number}" for number in range(40)}
            assert sorted(events) == sorted(f"id-{number}/1" for number in range(40))

    run(scenario())


def test_brokers_that_make_topics_by_themselves_make_none_for_a_store(lone: Kafka, topic: str) -> None:
    async def scenario() -> None:
        async with opened(lone.bootstrap, topic) as store:
            assert await store.take(a_step())

    run(scenario())

    assert settings_of(lone.bootstrap, topic)["cleanup.policy"] == "compact"
