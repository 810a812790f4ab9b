"""The store in a topic of a real Kafka: through races, compaction, brokers that are away, and topics that do not do."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import pytest
from confluent_kafka import Producer
from confluent_kafka import TopicPartition as Partition
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
)
from confluent_kafka.admin import ResourceType as Resource  # type: ignore[attr-defined]
from confluent_kafka.cimpl import NewTopic
from structlog.testing import capture_logs

from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from kordon_proxy.store.entries import Line
from kordon_proxy.store.interface import Key, Kind, Record
from kordon_proxy.store.kafka import KafkaStore
from kordon_proxy.store.kafka_topic import Place
from tests.kafka.administration import leader
from tests.kafka.fixtures import USERS, Fresh, MakeTopic
from tests.kafka.racer import IDS, RACERS
from tests.kafka.stores import (
    a_kafka_store,
    back,
    configure,
    lines_in,
    opened,
    refusal,
    refusal_of_news,
    run,
    settings_of,
    taken,
    until,
)
from tests.kafka.tap import readiness
from tests.kafka.tenants import POLICY, QUIET, eventually
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
    with Kafka(properties={"log.cleaner.backoff.ms": 100}) as kafka:
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


def changing(store: KafkaStore, number: int) -> dict[str, Callable[[], Awaitable[object]]]:
    return {
        "take": lambda: store.take(a_step("b")),
        "told": lambda: store.told([number]),
        "forget": lambda: store.forget([Key(Kind.TEMPORARY_POLICY, "a")]),
    }


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
                refusal(one.take(a_step("b"))),
                refusal(one.told([number])),
                refusal(one.forget([Key(Kind.TEMPORARY_POLICY, "a")])),
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


# ---- topics


def test_the_topic_is_made_so_that_nothing_is_lost(kafka: Kafka, topic: str) -> None:
    async def scenario() -> None:
        async with opened(kafka.bootstrap, topic):
            pass

    run(scenario())

    settings = settings_of(kafka.bootstrap, topic)
    names = ("cleanup.policy", "retention.ms", "retention.bytes", "unclean.leader.election.enable")
    assert [settings[name] for name in names] == ["compact", "-1", "-1", "false"]
    assert settings["min.insync.replicas"] == "1"


def test_with_three_copies_what_is_acknowledged_is_on_two(three_nodes: Kafka, topic: str) -> None:
    async def scenario() -> None:
        store = KafkaStore(
            Place(topic=topic, cluster="prod", replication=3),
            lambda _: {"bootstrap_servers": three_nodes.bootstrap},
            "one",
        )
        await store.open()
        await store.close()

    run(scenario())

    assert settings_of(three_nodes.bootstrap, topic)["min.insync.replicas"] == "2"


UNFIT: Final = {
    "deleted": (
        {"cleanup.policy": "delete"},
        1,
        "its cleanup.policy is delete, so Kafka would delete what is in it; set",
    ),
    "both": ({"cleanup.policy": "compact,delete"}, 1, "its cleanup.policy is compact,delete, so Kafka would"),
    "parted": (
        {"cleanup.policy": "compact"},
        2,
        "it has 2 partitions, and the order of changes needs a single one; del",
    ),
}


@pytest.mark.parametrize("what", UNFIT)
def test_a_topic_that_would_lose_something_is_not_used(kafka: Kafka, new_topic: MakeTopic, what: str) -> None:
    config, partitions, reason = UNFIT[what]
    topic = new_topic("__kordon_store", config=config, partitions=partitions)

    async def scenario() -> None:
        told = await refusal(a_kafka_store(kafka.bootstrap, topic).open())
        assert told.startswith(f"the store {topic} at prod cannot be used: {reason}")
        assert "name another topic in `store.topic`" in told

    run(scenario())

    assert lines_in(kafka.bootstrap, topic) == []


@pytest.mark.parametrize("what", ["min.insync.replicas", "unclean.leader.election.enable", "delete.retention.ms"])
def test_of_settings_that_may_lose_something_the_log_warns(three_nodes: Kafka, new_topic: MakeTopic, what: str) -> None:
    good = {
        "cleanup.policy": "compact",
        "min.insync.replicas": "2",
        "unclean.leader.election.enable": "false",
        "delete.retention.ms": "86400000",
    }
    bad = {"min.insync.replicas": "1", "unclean.leader.election.enable": "true", "delete.retention.ms": "1000"}
    topic = new_topic("__kordon_store", config={**good, what: bad[what]}, replicas=3, at=three_nodes)

    async def scenario() -> None:
        with capture_logs() as logs:
            async with opened(three_nodes.bootstrap, topic):
                pass
        assert [line["setting"] for line in logs if line["event"] == "store_topic_doubtful"] == [f"{what}={bad[what]}"]

    run(scenario())


def test_a_topic_of_which_something_was_deleted_is_not_used(kafka: Kafka, new_topic: MakeTopic) -> None:
    topic = new_topic("__kordon_store", config={"cleanup.policy": "delete"})
    append(kafka, topic, *(Line(b"key", b"value") for _ in range(5)))
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap, **QUIET})
    for deleted in admin.delete_records([Partition(topic, 0, 3)]).values():
        deleted.result(30)
    configure(kafka.bootstrap, topic, cleanup_policy="compact")

    async def scenario() -> None:
        assert await refusal(a_kafka_store(kafka.bootstrap, topic).open()) == (
            f"the store {topic} at prod cannot be used: the first 3 records of the topic have been deleted; "
            "name another one in `store.topic`"
        )

    run(scenario())


def append(kafka: Kafka, topic: str, *lines: Line) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap, **QUIET})
    for key, value in lines:
        producer.produce(topic, key=key, value=value, partition=0)
    assert producer.flush(30) == 0


def test_what_nobody_understands_stops_the_store_until_it_is_taken_out(kafka: Kafka, topic: str) -> None:
    async def scenario() -> None:
        async with opened(kafka.bootstrap, topic) as one:
            reason = f"the store {topic} at prod cannot be used: it holds what this Kordon cannot read, at offset 1: "
            await asyncio.to_thread(append, kafka, topic, Line(b"theirs", b"{}"))
            assert (await refusal_of_news(one)).startswith(reason)
            for work in changing(one, 1).values():
                assert (await refusal(work())).startswith(reason)
            assert (await refusal(a_kafka_store(kafka.bootstrap, topic, "two").open())).startswith(reason)

            await asyncio.to_thread(append, kafka, topic, Line(b"theirs", None))
            await back(Reader(one))
            assert await one.take(a_step())
            async with opened(kafka.bootstrap, topic, "two") as two:
                assert not await two.take(a_step())

    run(scenario())


def delete(kafka: Kafka, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap, **QUIET})
    admin.delete_topics([topic])[topic].result(30)
    eventually(lambda: topic not in admin.list_topics(timeout=30).topics)


def test_a_topic_that_was_deleted_is_not_made_anew_by_who_used_it(kafka: Kafka, topic: str) -> None:
    async def scenario() -> None:
        async with opened(kafka.bootstrap, topic) as one:
            assert await one.take(a_step())
            await asyncio.to_thread(delete, kafka, topic)
            assert await refusal_of_news(one, "the topic is not there any more")
            assert "the topic is not there any more" in await refusal(one.take(a_step("b")))

            async with opened(kafka.bootstrap, topic, "two") as two:
                assert await two.take(a_step("c"))
                assert await refusal_of_news(one, "it is another store than the one that is in use")
                assert (await refusal(one.take(a_step("b")))).endswith("; start Kordon again to use it")

    run(scenario())


def test_an_older_state_of_the_topic_is_not_used(kafka: Kafka, topic: str) -> None:
    async def scenario() -> None:
        async with opened(kafka.bootstrap, topic) as one:
            assert await one.take(a_step())
            backup = await asyncio.to_thread(lines_in, kafka.bootstrap, topic)
            assert await one.take(a_step(before=1))

            await asyncio.to_thread(delete, kafka, topic)
            make(kafka, topic)
            await asyncio.to_thread(append, kafka, topic, *backup)

            assert await refusal_of_news(one, "it is an older state of the store than the one that is in use")
        async with opened(kafka.bootstrap, topic, "later") as later:
            assert await later.take(a_step(before=1))

    run(scenario())


def make(kafka: Kafka, topic: str) -> None:
    new = NewTopic(topic, 1, 1, config={"cleanup.policy": "compact"})
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap, **QUIET})
    admin.create_topics([new])[topic].result(30)


# ---- accounts


def credentials(kafka: Kafka, name: str, mechanism: str = "SCRAM-SHA-512") -> dict[str, str]:
    return {
        "bootstrap_servers": kafka.listener("SASL_PLAINTEXT"),
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": mechanism,
        "sasl_plain_username": name,
        "sasl_plain_password": USERS[name],
    }


def give(kafka: Kafka, topic: str, *operations: AclOperation) -> None:
    bindings = [
        AclBinding(
            Resource.TOPIC, topic, ResourcePatternType.LITERAL, "User:kordon", "*", operation, AclPermissionType.ALLOW
        )
        for operation in operations
    ]
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap, **QUIET})
    for created in admin.create_acls(bindings).values():
        created.result(30)


RIGHTS: Final = (AclOperation.READ, AclOperation.WRITE, AclOperation.DESCRIBE_CONFIGS)


def test_an_account_needs_no_more_rights_than_the_documents_say(kafka_with_acls: Kafka, topic: str) -> None:
    def store() -> KafkaStore:
        return KafkaStore(Place(topic=topic, cluster="prod"), lambda _: credentials(kafka_with_acls, "kordon"), "one")

    async def scenario() -> None:
        assert await refusal(store().open()) == (
            f"the store {topic} at prod cannot be used: there is no such topic that Kordon's account may see, "
            "and it may not create one; give it the right to, or create the topic: "
            f"kafka-topics.sh --create --topic {topic} --partitions 1 --config cleanup.policy=compact"
        )
        give(kafka_with_acls, topic, *RIGHTS)
        assert "give it the right to" in await refusal(store().open())
        give(kafka_with_acls, topic, AclOperation.CREATE)
        for before in range(2):
            one = store()
            await one.open()
            assert await one.take(a_step(before=before))
            await one.close()

    run(scenario())


@pytest.mark.parametrize("missing", RIGHTS)
def test_a_right_that_an_account_lacks_is_named(
    kafka_with_acls: Kafka, new_topic: MakeTopic, missing: AclOperation
) -> None:
    topic = new_topic("__kordon_store", config={"cleanup.policy": "compact"}, at=kafka_with_acls)
    give(kafka_with_acls, topic, *(set(RIGHTS) - {missing}))

    async def scenario() -> None:
        store = KafkaStore(Place(topic=topic, cluster="prod"), lambda _: credentials(kafka_with_acls, "kordon"), "one")
        told = await refusal(store.open())
        assert missing.name in told.partition("cannot be used: ")[2]
        assert told.startswith(f"the store {topic} at prod cannot be used: ")

    run(scenario())


def test_while_a_password_is_changed_the_next_account_is_tried(kafka: Kafka, topic: str) -> None:
    async def scenario() -> None:
        tried = []

        def settings(number: int) -> dict[str, str]:
            tried.append(number)
            found = credentials(kafka, "kordon", "PLAIN")
            return {**found, "sasl_plain_password": "outdated"} if number % 2 == 0 else found

        store = KafkaStore(Place(topic=topic, cluster="prod"), settings, "one")
        assert "no broker can be reached; the log says why" in await refusal(store.open())
        await store.open()
        assert await store.take(a_step())
        await store.close()
        assert tried == [0, 1]

    run(scenario())


def test_kordon_uses_its_own_login_for_its_store(kafka: Kafka, topic: str) -> None:
    login = {"mechanism": "SCRAM-SHA-256", "username": "kordon", "password": USERS["kordon"]}
    cluster = {"bootstrap": kafka.listener("SASL_PLAINTEXT"), "own_login": login}
    store = {"type": "kafka", "topic": topic}

    with Kordon(clusters={"prod": cluster}, policy=POLICY, settings={"store": store}) as kordon:
        assert readiness(kordon)["store"] == (True, "")

    assert len(lines_in(kafka.bootstrap, topic)) == 1
