"""aiokafka, unmodified, does its work in a tenant and finds nothing of another one."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata

from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from tests.kafka.fixtures import Fresh
from tests.kafka.tenants import MakeTenantTopic, Names

SECONDS: Final = 30


@pytest.fixture
def trading(kordon: Kordon) -> str:
    return kordon.listener("trading")


@asynccontextmanager
async def consumer_at(address: str, *topics: str, **settings: Any) -> AsyncIterator[Any]:
    told = {"auto_offset_reset": "earliest", "enable_auto_commit": False} | settings
    consumer = AIOKafkaConsumer(*topics, bootstrap_servers=address, **told)
    try:
        await consumer.start()
        yield consumer
    finally:
        await consumer.stop()


@asynccontextmanager
async def admin_at(address: str) -> AsyncIterator[Any]:
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


async def produce(address: str, topic: str, values: Iterable[bytes], partition: int = 0, **settings: Any) -> None:
    """Produce. Raises KafkaError for the first that fails."""
    async with AIOKafkaProducer(bootstrap_servers=address, **settings) as producer:
        for sent in [await producer.send(topic, value, partition=partition) for value in values]:
            await sent


async def read(consumer: Any, count: int) -> list[bytes]:
    """The values of the next records. Raises KafkaError for an error that comes instead."""
    async with asyncio.timeout(SECONDS):
        return [(await consumer.getone()).value for _ in range(count)]


async def outcome(step: Awaitable[object]) -> object:
    """What a step gives, or the name of the error that it fails with."""
    try:
        return await step
    except KafkaError as error:
        return type(error).__name__


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(SECONDS):
        while not await condition():  # noqa: ASYNC110 -- only the cluster knows when
            await asyncio.sleep(0.02)


def test_what_is_produced_with_any_acks_is_read_back(trading: str, tenant_topic: MakeTenantTopic) -> None:
    topic, hundred = tenant_topic(partitions=4), [b"%d" % number for number in range(100)]
    ways: list[dict[str, Any]] = [{"acks": 0}, {"acks": 1}, {"acks": "all"}, {"enable_idempotence": True}]

    async def work() -> None:
        for partition, way in enumerate(ways):
            await produce(trading, topic, hundred, partition, **way)
        for partition in range(len(ways)):
            async with consumer_at(trading) as consumer:
                consumer.assign([TopicPartition(topic, partition)])
                assert await read(consumer, 100) == hundred

    asyncio.run(work())


def test_a_transaction_is_read_when_it_is_committed_and_never_when_it_is_aborted(
    trading: str, tenant_topic: MakeTenantTopic, fresh: Fresh
) -> None:
    topic = tenant_topic()

    async def work() -> None:
        # When
        async with AIOKafkaProducer(bootstrap_servers=trading, transactional_id=fresh("trade_t")) as producer:
            for value, end in (
                (b"one", producer.commit_transaction),
                (b"aborted", producer.abort_transaction),
                (b"two", producer.commit_transaction),
            ):
                await producer.begin_transaction()
                await producer.send_and_wait(topic, value)
                await end()

        # Then
        for isolation, values in (
            ("read_committed", [b"one", b"two"]),
            ("read_uncommitted", [b"one", b"aborted", b"two"]),
        ):
            async with consumer_at(trading, isolation_level=isolation) as consumer:
                consumer.assign([TopicPartition(topic, 0)])
                assert await read(consumer, len(values)) == values

    asyncio.run(work())


def test_a_transaction_moves_records_and_offsets_at_once(
    trading: str, tenant_topic: MakeTenantTopic, fresh: Fresh
) -> None:
    source, target, group = tenant_topic(), tenant_topic(), fresh("trade_move")

    async def work() -> None:
        await produce(trading, source, [b"one", b"two"])
        async with (
            consumer_at(trading, source, group_id=group) as consumer,
            AIOKafkaProducer(bootstrap_servers=trading, transactional_id=fresh("trade_move")) as producer,
        ):
            values = await read(consumer, 2)
            async with producer.transaction():
                for value in values:
                    await producer.send(target, value)
                await producer.send_offsets_to_transaction({TopicPartition(source, 0): 2}, group)
            # The broker says that it has committed before the group's coordinator has written its marker.
            for _ in range(1_500):
                if await consumer.committed(TopicPartition(source, 0)) == 2:
                    return
                await asyncio.sleep(0.02)
            raise AssertionError("the offset did not move")

    asyncio.run(work())


def test_a_group_goes_on_where_it_stopped_and_seeks_where_it_wants(
    trading: str, tenant_topic: MakeTenantTopic, fresh: Fresh
) -> None:
    topic, group = tenant_topic(partitions=2), fresh("trade_group")

    async def work() -> None:
        for partition in range(2):
            await produce(trading, topic, [b"%d" % partition] * 5, partition)

        async with consumer_at(trading, topic, group_id=group) as first:
            assert sorted(await read(first, 10)) == [b"0"] * 5 + [b"1"] * 5
            await first.commit()
        await produce(trading, topic, [b"later"])

        async with consumer_at(trading, topic, group_id=group) as second:
            assert await read(second, 1) == [b"later"]
            second.seek(TopicPartition(topic, 1), 2)
            assert await read(second, 3) == [b"1"] * 3
            await second.seek_to_beginning(TopicPartition(topic, 1))
            assert await read(second, 5) == [b"1"] * 5

    asyncio.run(work())


def test_a_pattern_meets_the_tenants_topics_alone(
    trading: str, tenant_topic: MakeTenantTopic, foreign: Names, fresh: Fresh
) -> None:
    topic, group = tenant_topic("tx_pattern"), fresh("trade_pattern")

    async def work() -> set[str]:
        async with consumer_at(trading, group_id=group, auto_offset_reset="latest") as consumer:
            consumer.subscribe(pattern=".*(pattern|foreign).*")

            async def is_assigned() -> bool:
                await consumer.getmany(timeout_ms=10)
                return bool(consumer.assignment())

            await until(is_assigned)
            return {partition.topic for partition in consumer.assignment()}

    assigned = asyncio.run(work())
    assert topic in assigned
    assert not [name for name in assigned if not name.startswith("tx_")]


def test_topics_are_administered(trading: str, fresh: Fresh) -> None:
    topic = fresh("tx_admin")
    partition, resource = TopicPartition(topic, 0), ConfigResource(ConfigResourceType.TOPIC, topic)

    async def work() -> None:
        async with admin_at(trading) as admin:
            # Created and described
            created = await admin.create_topics([NewTopic(topic, 2, 1, topic_configs={"retention.ms": "60000"})])
            assert codes(created) == [0]
            await until(lambda: has_partitions(admin, topic, 2))
            ((described,),) = [answer.to_object()["resources"] for answer in await admin.describe_configs([resource])]
            settings = {entry["config_names"]: entry["config_value"] for entry in described["config_entries"]}
            assert settings["retention.ms"] == "60000"

            # Grown
            await admin.create_partitions({topic: NewPartitions(3)})
            await until(lambda: has_partitions(admin, topic, 3))

            # Its records counted and deleted
            await produce(trading, topic, [b"x"] * 5)
            async with consumer_at(trading) as consumer:
                assert await consumer.end_offsets([partition]) == {partition: 5}
                assert await admin.delete_records({partition: RecordsToDelete(3)}) == {partition: 3}
                assert await consumer.beginning_offsets([partition]) == {partition: 3}

            # Deleted
            assert codes(await admin.delete_topics([topic])) == [0]
            await until(lambda: is_gone(admin, topic))

    asyncio.run(work())


async def has_partitions(admin: Any, topic: str, count: int) -> bool:
    (described,) = await admin.describe_topics([topic])
    return len(described["partitions"]) == count


async def is_gone(admin: Any, topic: str) -> bool:
    return topic not in await admin.list_topics()


def codes(answer: Any) -> list[int]:
    """The error codes of an answer about topics."""
    return [
        entry["error_code"]
        for key in ("topic_errors", "topic_error_codes")
        for entry in answer.to_object().get(key, [])
    ]


def test_groups_are_administered(trading: str, tenant_topic: MakeTenantTopic, foreign: Names, fresh: Fresh) -> None:
    topic, group = tenant_topic(), fresh("trade_admin")
    partition = TopicPartition(topic, 0)

    async def work() -> None:
        await produce(trading, topic, [b"x"] * 5)
        async with admin_at(trading) as admin, consumer_at(trading, topic, group_id=group) as consumer:
            await read(consumer, 5)
            await consumer.commit()

            listed = {name for name, *_ in await admin.list_consumer_groups()}
            (described,) = [answer.to_object()["groups"][0] for answer in await admin.describe_consumer_groups([group])]
            assert group in listed
            assert not [name for name in listed if not name.startswith("trade_")]
            assert (described["state"], len(described["members"])) == ("Stable", 1)
            kept = await admin.list_consumer_group_offsets(group)
            assert kept == {partition: OffsetAndMetadata(5, "")}

    asyncio.run(work())


async def delete_records(admin: Any, names: Names) -> object:
    return await admin.delete_records({TopicPartition(names.topic, 0): RecordsToDelete(1)})


async def describe_configs(admin: Any, names: Names) -> object:
    return await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, names.topic)])


async def list_group_offsets(admin: Any, names: Names) -> object:
    return await admin.list_consumer_group_offsets(names.group, partitions=[TopicPartition(names.topic, 0)])


ADMIN_ASKS: Final[dict[str, Callable[[Any, Names], Awaitable[object]]]] = {
    "create topics": lambda admin, names: admin.create_topics([NewTopic(names.topic, 1, 1)]),
    "describe topics": lambda admin, names: admin.describe_topics([names.topic]),
    "delete topics": lambda admin, names: admin.delete_topics([names.topic]),
    "create partitions": lambda admin, names: admin.create_partitions({names.topic: NewPartitions(9)}),
    "describe configs": describe_configs,
    "delete records": delete_records,
    "describe groups": lambda admin, names: admin.describe_consumer_groups([names.group]),
    "list group offsets": list_group_offsets,
    "committed offsets": lambda admin, names: admin.list_consumer_group_offsets(names.group),
}
FINDING: Final = tuple(what for what in ADMIN_ASKS if what != "create topics")


def answers(address: str, names: Names, asked: Iterable[str] = FINDING) -> dict[str, str]:
    """What an admin client is told, in a form that can be compared."""

    async def ask_all() -> dict[str, object]:
        async with admin_at(address) as admin:
            return {what: await outcome(ADMIN_ASKS[what](admin, names)) for what in asked}

    return {what: plain(told, names) for what, told in asyncio.run(ask_all()).items()}


def plain(told: object, names: Names) -> str:
    """Without the names, the texts behind error codes and what else differs from answer to answer."""
    text = repr(told).replace(names.topic, "TOPIC").replace(names.group, "GROUP")
    return re.sub(r"(error_message|throttle_time_ms|correlation_id)=('[^']*'|\"[^\"]*\"|\d+)", r"\1", text)


def test_an_admin_finds_what_another_tenant_has_as_little_as_what_nobody_has(
    trading: str, kafka: Kafka, foreign: Names, missing: Names
) -> None:
    of_foreign = answers(trading, foreign)

    assert of_foreign == answers(trading, missing) == answers(kafka.bootstrap, missing)

    async def lists() -> tuple[list[str], list[tuple[str, ...]]]:
        async with admin_at(trading) as admin:
            return await admin.list_topics(), await admin.list_consumer_groups()

    topics, groups = asyncio.run(lists())
    assert foreign.topic not in topics
    assert foreign.group not in {name for name, *_ in groups}


async def produce_to(address: str, names: Names) -> object:
    return await outcome(produce(address, names.topic, [b"x"], request_timeout_ms=1_000))


async def read_assigned(address: str, names: Names) -> object:
    async with consumer_at(address) as consumer:
        consumer.assign([TopicPartition(names.topic, 0)])
        return await outcome(read(consumer, 1))


async def look(address: str, names: Names) -> object:
    async with consumer_at(address) as consumer:
        return names.topic in await consumer.topics(), consumer.partitions_for_topic(names.topic)


async def subscribe(address: str, names: Names) -> object:
    async def work() -> None:
        async with consumer_at(address, names.topic, request_timeout_ms=1_000):
            pass

    return await outcome(work())


async def join(address: str, names: Names, topic: str) -> object:
    async def work() -> object:
        async with consumer_at(address, topic, group_id=names.group) as consumer:
            return await read(consumer, 1)

    return await outcome(work())


async def commit(address: str, names: Names, topic: str) -> object:
    async def work() -> object:
        async with consumer_at(address, group_id=names.group) as consumer:
            partition = TopicPartition(topic, 0)
            consumer.assign([partition])
            return await consumer.commit({partition: 0})

    return await outcome(work())


async def transact(address: str, names: Names) -> object:
    producer = AIOKafkaProducer(bootstrap_servers=address, transactional_id=names.transactional_id)
    try:
        return await outcome(producer.start())
    finally:
        await producer.stop()


def test_topics_of_another_tenant_are_as_unknown_to_clients_as_those_that_nobody_has(
    trading: str, kafka: Kafka, foreign: Names, missing: Names
) -> None:
    async def ask(use: Callable[[str, Names], Awaitable[object]]) -> list[object]:
        asked = ((trading, foreign), (trading, missing), (kafka.bootstrap, missing))
        return await asyncio.gather(*(use(address, names) for address, names in asked))

    for use in (produce_to, look, subscribe):
        of_foreign, of_missing, from_kafka = asyncio.run(ask(use))
        assert of_foreign == of_missing == from_kafka


def test_nothing_is_brought_into_being_outside_the_tenant(
    trading: str, tenant_topic: MakeTenantTopic, foreign: Names, missing: Names
) -> None:
    topic = tenant_topic()
    for names in (foreign, missing):
        assert asyncio.run(join(trading, names, topic)) == "GroupAuthorizationFailedError"
        assert asyncio.run(commit(trading, names, topic)) == "GroupAuthorizationFailedError"
        assert asyncio.run(transact(trading, names)) == "TransactionalIdAuthorizationFailed"
        assert "error_code=29" in str(answers(trading, names, ["create topics"]))


def test_what_is_denied_gives_kafkas_authorization_errors(
    trading: str, tenant_topic: MakeTenantTopic, denied: Names
) -> None:
    topic, group = "TopicAuthorizationFailedError", "GroupAuthorizationFailedError"
    allowed = tenant_topic()

    assert asyncio.run(outcome(produce(trading, denied.topic, [b"x"]))) == topic
    assert asyncio.run(read_assigned(trading, denied)) == topic
    assert asyncio.run(join(trading, denied, allowed)) == group
    assert asyncio.run(commit(trading, denied, allowed)) == group
    assert asyncio.run(transact(trading, denied)) == "TransactionalIdAuthorizationFailed"
    refused = answers(trading, denied, ["create topics", "delete topics", "create partitions", "delete records"])
    assert all("error_code=29" in said or said == repr(topic) for said in refused.values())
