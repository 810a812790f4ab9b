"""Which topics of a real Kafka a store is kept in, which not, and what Kordon's account needs for that."""

import asyncio
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
from kordon_proxy.identity.tls import TlsFault
from kordon_proxy.store.entries import Line
from kordon_proxy.store.kafka import KafkaStore
from kordon_proxy.store.kafka_topic import Place
from tests.kafka.fixtures import USERS, Fresh, MakeTopic
from tests.kafka.stores import (
    a_kafka_store,
    back,
    changing,
    configure,
    lines_in,
    opened,
    refusal,
    refusal_of_news,
    run,
    settings_of,
)
from tests.kafka.tap import readiness
from tests.kafka.tenants import POLICY, QUIET, eventually
from tests.proxy.store.given import Reader, a_step


@pytest.fixture
def topic(fresh: Fresh) -> str:
    return fresh("__kordon_store")


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
            for work in changing(one, 1):
                assert (await refusal(work)).startswith(reason)
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


def test_files_of_tls_that_cannot_be_used_are_named_as_they_are(topic: str) -> None:
    def settings(_: int) -> dict[str, str]:
        raise TlsFault("cannot use the authorities in /etc/Kordon/CA.pem: no certificate or crl found")

    async def scenario() -> None:
        store = KafkaStore(Place(topic=topic, cluster="prod"), settings, "one")
        assert await refusal(store.open()) == (
            f"the store {topic} at prod cannot be used: "
            "cannot use the authorities in /etc/Kordon/CA.pem: no certificate or crl found"
        )

    run(scenario())
