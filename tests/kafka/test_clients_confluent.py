"""confluent-kafka (librdkafka), unmodified, does its work in a tenant and finds nothing of another one."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, Final

import pytest
from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewPartitions, NewTopic

from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from tests.kafka.fixtures import Fresh
from tests.kafka.tenants import CHANGING, EARLIEST, LATEST, QUIET, MakeTenantTopic, Names, eventually

IMPATIENT: Final = {"topic.metadata.propagation.max.ms": 100, "topic.metadata.refresh.interval.ms": 200}
"""How soon a topic that is not there is one that does not exist."""
PROTOCOLS: Final = ("classic", "consumer")
SECONDS: Final = 30


@pytest.fixture
def trading(kordon: Kordon) -> str:
    return kordon.listener("trading")


def admin_at(address: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": address, **QUIET})


def consumer_at(address: str, group: str, **settings: Any) -> Consumer:
    told = {"auto.offset.reset": "earliest", "enable.auto.commit": False, **IMPATIENT} | settings
    return Consumer({"bootstrap.servers": address, "group.id": group, **told, **QUIET})


def produce(address: str, topic: str, values: Iterable[bytes], partition: int = 0, **settings: Any) -> list[str | None]:
    """Produce, and return the name of the error of each that failed."""
    producer = Producer({"bootstrap.servers": address, **settings, **QUIET})
    errors: list[str | None] = []
    for value in values:
        producer.produce(
            topic,
            value,
            partition=partition,
            on_delivery=lambda error, _: errors.append(error.name() if error else None),
        )
    assert producer.flush(SECONDS) == 0
    return errors


def read(consumer: Consumer, count: int) -> list[bytes]:
    """The values of the next records. Raises KafkaException for an error that comes instead."""
    got: list[bytes] = []

    def enough() -> bool:
        for message in consumer.consume(count - len(got), 0.2):
            if (error := message.error()) is not None:
                raise KafkaException(error)
            got.append(message.value() or b"")
        return len(got) >= count

    eventually(enough)
    return got


def outcome(step: Callable[[], object]) -> object:
    """What a step gives, or the name of the error that it fails with (for a fatal one, what caused it)."""
    try:
        return step()
    except KafkaException as failed:
        error = failed.args[0]
        return error.str().rpartition(": ")[2] if error.code() == KafkaError._FATAL else error.name()


def test_what_is_produced_with_any_acks_is_read_back(trading: str, tenant_topic: MakeTenantTopic) -> None:
    # Given
    topic = tenant_topic(partitions=4)
    ways: Sequence[dict[str, Any]] = ({"acks": 0}, {"acks": 1}, {"acks": "all"}, {"enable.idempotence": True})

    # When
    for partition, way in enumerate(ways):
        produced = produce(trading, topic, [b"%d" % number for number in range(100)], partition, **way)
        assert produced == [None] * 100

    # Then
    for partition in range(len(ways)):
        consumer = consumer_at(trading, "trade_none")
        consumer.assign([TopicPartition(topic, partition, 0)])
        assert read(consumer, 100) == [b"%d" % number for number in range(100)]
        consumer.close()


def test_a_transaction_is_read_when_it_is_committed_and_never_when_it_is_aborted(
    trading: str, tenant_topic: MakeTenantTopic, fresh: Fresh
) -> None:
    # Given
    topic = tenant_topic()
    producer = Producer({"bootstrap.servers": trading, "transactional.id": fresh("trade_t"), **QUIET})
    producer.init_transactions(SECONDS)

    # When
    for value, end in (
        (b"one", producer.commit_transaction),
        (b"aborted", producer.abort_transaction),
        (b"two", producer.commit_transaction),
    ):
        producer.begin_transaction()
        producer.produce(topic, value)
        producer.flush(SECONDS)
        end(SECONDS)

    # Then
    for isolation, values in (
        ("read_committed", [b"one", b"two"]),
        ("read_uncommitted", [b"one", b"aborted", b"two"]),
    ):
        consumer = consumer_at(trading, "trade_none", **{"isolation.level": isolation})
        consumer.assign([TopicPartition(topic, 0, 0)])
        assert read(consumer, len(values)) == values
        consumer.close()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_transaction_moves_records_and_offsets_at_once(
    trading: str, tenant_topic: MakeTenantTopic, fresh: Fresh, protocol: str
) -> None:
    # Given
    source, target, group = tenant_topic(), tenant_topic(), fresh("trade_move")
    produce(trading, source, [b"one", b"two"])
    consumer = consumer_at(trading, group, **{"group.protocol": protocol})
    consumer.subscribe([source])
    producer = Producer({"bootstrap.servers": trading, "transactional.id": fresh("trade_move"), **QUIET})
    producer.init_transactions(SECONDS)

    # When
    values = read(consumer, 2)
    producer.begin_transaction()
    for value in values:
        producer.produce(target, value)
    producer.send_offsets_to_transaction(
        consumer.position(consumer.assignment()), consumer.consumer_group_metadata(), SECONDS
    )
    producer.commit_transaction(SECONDS)

    # Then
    (committed,) = consumer.committed([TopicPartition(source, 0)], SECONDS)
    consumer.close()
    assert committed.offset == 2


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_group_goes_on_where_it_stopped_and_seeks_where_it_wants(
    trading: str, tenant_topic: MakeTenantTopic, fresh: Fresh, protocol: str
) -> None:
    # Given
    topic, group = tenant_topic(partitions=3), fresh("trade_group")
    for partition in range(3):
        produce(trading, topic, [b"%d" % partition] * 5, partition)

    # When
    first = consumer_at(trading, group, **{"group.protocol": protocol})
    first.subscribe([topic])
    before = read(first, 15)
    first.commit(asynchronous=False)
    first.close()
    for partition in range(3):
        produce(trading, topic, [b"later"], partition)
    second = consumer_at(trading, group, **{"group.protocol": protocol})
    second.subscribe([topic])
    after = read(second, 3)
    second.seek(TopicPartition(topic, 1, 2))
    sought = read(second, 4)
    second.close()

    # Then
    assert sorted(before) == [b"0"] * 5 + [b"1"] * 5 + [b"2"] * 5
    assert after == [b"later"] * 3
    assert sought == [b"1"] * 3 + [b"later"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_pattern_meets_the_tenants_topics_alone(
    trading: str, tenant_topic: MakeTenantTopic, foreign: Names, fresh: Fresh, protocol: str
) -> None:
    # Given
    topic = tenant_topic("tx_pattern")
    consumer = consumer_at(
        trading, fresh("trade_pattern"), **{"group.protocol": protocol, "auto.offset.reset": "latest"}
    )

    # When
    consumer.subscribe(["^.*(pattern|foreign).*"])

    # Then
    eventually(lambda: consumer.poll(0.1) or consumer.assignment())
    assigned = {partition.topic for partition in consumer.assignment()}
    later = tenant_topic("tx_pattern_later")
    if protocol == "consumer":  # the classic consumer looks at the topics again every five minutes
        eventually(lambda: consumer.poll(0.1) or later in {found.topic for found in consumer.assignment()})
    consumer.close()
    assert topic in assigned
    assert not [name for name in assigned if not name.startswith("tx_")]


def test_topics_are_administered(trading: str, fresh: Fresh) -> None:
    admin, topic = admin_at(trading), fresh("tx_admin")

    # Created and described
    admin.create_topics([NewTopic(topic, 2, 1, config={"retention.ms": "60000"})])[topic].result(SECONDS)
    described = admin.describe_topics(TopicCollection([topic]))[topic].result(SECONDS)
    assert (described.name, len(described.partitions)) == (topic, 2)

    # Grown
    admin.create_partitions([NewPartitions(topic, 3)])[topic].result(SECONDS)
    eventually(lambda: len(admin.list_topics(topic, SECONDS).topics[topic].partitions) == 3)

    # Its settings shown and altered
    resource = ConfigResource(ResourceType.TOPIC, topic)
    assert the(admin.describe_configs([resource]))["retention.ms"].value == "60000"
    change = ConfigEntry("retention.ms", "70000", incremental_operation=AlterConfigOpType.SET)
    the(admin.incremental_alter_configs([ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[change])]))
    eventually(lambda: the(admin.describe_configs([resource]))["retention.ms"].value == "70000")

    # Its records counted and deleted
    produce(trading, topic, [b"x"] * 5)
    partition = TopicPartition(topic, 0)
    assert the(admin.list_offsets({partition: LATEST})).offset == 5
    assert the(admin.delete_records([TopicPartition(topic, 0, 3)])).low_watermark == 3
    assert the(admin.list_offsets({partition: EARLIEST})).offset == 3

    # Deleted
    admin.delete_topics([topic])[topic].result(SECONDS)
    eventually(lambda: topic not in admin.list_topics(timeout=SECONDS).topics)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_groups_are_administered(
    trading: str, tenant_topic: MakeTenantTopic, foreign: Names, fresh: Fresh, protocol: str
) -> None:
    # Given
    admin, topic, group = admin_at(trading), tenant_topic(), fresh("trade_admin")
    produce(trading, topic, [b"x"] * 5)
    consumer = consumer_at(trading, group, **{"group.protocol": protocol})
    consumer.subscribe([topic])
    read(consumer, 5)
    consumer.commit(asynchronous=False)

    # Listed and described while it has a member
    listed = {one.group_id for one in admin.list_consumer_groups().result(SECONDS).valid}
    described = admin.describe_consumer_groups([group])[group].result(SECONDS)
    assert group in listed
    assert not [name for name in listed if not name.startswith("trade_")]
    assert [member.assignment.topic_partitions[0].topic for member in described.members] == [topic]
    assert kept_offset(admin, group) == 5

    # Its offsets moved and the group deleted when it has none
    consumer.close()
    reset = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, 2)])
    the(admin.alter_consumer_group_offsets([reset]))
    assert kept_offset(admin, group) == 2
    admin.delete_consumer_groups([group])[group].result(SECONDS)
    assert group not in {one.group_id for one in admin.list_consumer_groups().result(SECONDS).valid}


def the(futures: dict[Any, Future[Any]]) -> Any:
    """The result of the only one of these."""
    (future,) = futures.values()
    return future.result(SECONDS)


def kept_offset(admin: AdminClient, group: str) -> int:
    (partition,) = the(admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])).topic_partitions
    offset: int = partition.offset
    return offset


def describe_group(admin: AdminClient, names: Names) -> object:
    group = the(admin.describe_consumer_groups([names.group]))
    return group.state, group.members, group.is_simple_consumer_group


def list_group_offsets(admin: AdminClient, names: Names) -> object:
    asked = [TopicPartition(names.topic, 0)]
    found = the(admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(names.group, asked)]))
    return [(partition.partition, partition.offset, partition.error) for partition in found.topic_partitions]


def alter_configs(admin: AdminClient, names: Names) -> object:
    change = ConfigEntry("retention.ms", "1", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, names.topic, incremental_configs=[change])
    return the(admin.incremental_alter_configs([resource]))


def alter_group_offsets(admin: AdminClient, topic: str, group: str) -> object:
    found = the(
        admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, 0)])])
    )
    return [partition.error and partition.error.name() for partition in found.topic_partitions]


def committed_topics(admin: AdminClient, group: str) -> object:
    return [
        partition.topic
        for partition in the(admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])).topic_partitions
    ]


ADMIN_ASKS: Final[dict[str, Callable[[AdminClient, Names], object]]] = {
    "metadata": lambda admin, names: str(admin.list_topics(names.topic, SECONDS).topics[names.topic].error),
    "create topics": lambda admin, names: the(admin.create_topics([NewTopic(names.topic, 1, 1)])),
    "describe topics": lambda admin, names: the(admin.describe_topics(TopicCollection([names.topic]))),
    "delete topics": lambda admin, names: the(admin.delete_topics([names.topic])),
    "create partitions": lambda admin, names: the(admin.create_partitions([NewPartitions(names.topic, 9)])),
    "describe configs": lambda admin, names: the(
        admin.describe_configs([ConfigResource(ResourceType.TOPIC, names.topic)])
    ),
    "alter configs": alter_configs,
    "list offsets": lambda admin, names: the(admin.list_offsets({TopicPartition(names.topic, 0): LATEST})),
    "delete records": lambda admin, names: the(admin.delete_records([TopicPartition(names.topic, 0, 1)])),
    "describe groups": describe_group,
    "list group offsets": list_group_offsets,
    "committed topics": lambda admin, names: committed_topics(admin, names.group),
    "delete groups": lambda admin, names: the(admin.delete_consumer_groups([names.group])),
    "commit a foreign topic": lambda admin, names: alter_group_offsets(admin, names.topic, "trade_commit"),
}
FINDING: Final = tuple(what for what in ADMIN_ASKS if what != "create topics")


def answers(admin: AdminClient, names: Names, asked: Iterable[str]) -> dict[str, object]:
    return {what: outcome(partial(ADMIN_ASKS[what], admin, names)) for what in asked}


def test_an_admin_finds_what_another_tenant_has_as_little_as_what_nobody_has(
    kordon: Kordon, kafka: Kafka, foreign: Names, missing: Names
) -> None:
    # Given
    direct, tenant = admin_at(kafka.bootstrap), admin_at(kordon.listener("trading"))
    for admin in (direct, tenant):
        admin.list_topics(timeout=SECONDS)  # the first request of a client that knows no broker yet may time out

    # When
    from_kafka, of_missing = answers(direct, missing, FINDING), answers(tenant, missing, FINDING)
    of_foreign = answers(tenant, foreign, FINDING)

    # Then
    assert of_foreign == of_missing == from_kafka
    listed = tenant.list_topics(timeout=SECONDS).topics
    groups = {group.group_id for group in the({"": tenant.list_consumer_groups()}).valid}
    assert foreign.topic not in listed
    assert foreign.group not in groups


def produce_to(address: str, names: Names) -> object:
    return produce(address, names.topic, [b"x"], -1, **IMPATIENT)


def read_assigned(address: str, names: Names) -> object:
    consumer = consumer_at(address, "trade_none")
    consumer.assign([TopicPartition(names.topic, 0, 0)])
    return read_and_close(consumer)


def read_subscribed(address: str, names: Names) -> object:
    consumer = consumer_at(address, "trade_names")
    consumer.subscribe([names.topic])
    return read_and_close(consumer)


def read_and_close(consumer: Consumer) -> object:
    found = outcome(lambda: read(consumer, 1))
    consumer.close()
    return found


def join(address: str, names: Names, topic: str, protocol: str) -> object:
    consumer = consumer_at(address, names.group, **{"group.protocol": protocol})
    consumer.subscribe([topic])
    return read_and_close(consumer)


def commit(address: str, names: Names, topic: str) -> object:
    consumer = consumer_at(address, names.group)
    found = outcome(lambda: consumer.commit(offsets=[TopicPartition(topic, 0, 0)], asynchronous=False))
    consumer.close()
    return found


def transact(address: str, names: Names) -> object:
    producer = Producer({"bootstrap.servers": address, "transactional.id": names.transactional_id, **QUIET})
    return outcome(lambda: producer.init_transactions(SECONDS))


def test_names_of_another_tenant_are_as_unknown_to_producers_and_consumers_as_those_that_nobody_has(
    trading: str, kafka: Kafka, foreign: Names, missing: Names
) -> None:
    for use in (produce_to, read_subscribed):
        from_kafka = use(kafka.bootstrap, missing)
        assert use(trading, foreign) == use(trading, missing) == from_kafka
        assert from_kafka in ("UNKNOWN_TOPIC_OR_PART", ["UNKNOWN_TOPIC_OR_PART"])


def test_nothing_is_brought_into_being_outside_the_tenant(
    trading: str, tenant_topic: MakeTenantTopic, foreign: Names, missing: Names
) -> None:
    admin, topic = admin_at(trading), tenant_topic()
    for names in (foreign, missing):
        assert join(trading, names, topic, "classic") == "GROUP_AUTHORIZATION_FAILED"
        assert join(trading, names, topic, "consumer") == "Group authorization failed"
        assert commit(trading, names, topic) == "GROUP_AUTHORIZATION_FAILED"
        assert transact(trading, names) == "TRANSACTIONAL_ID_AUTHORIZATION_FAILED"
        assert answers(admin, names, ["create topics"]) == {"create topics": "TOPIC_AUTHORIZATION_FAILED"}


def test_what_is_denied_gives_kafkas_authorization_errors(
    trading: str, tenant_topic: MakeTenantTopic, denied: Names
) -> None:
    admin, topic, group = admin_at(trading), "TOPIC_AUTHORIZATION_FAILED", "GROUP_AUTHORIZATION_FAILED"
    admin.list_topics(timeout=SECONDS)
    allowed = tenant_topic()

    assert produce_to(trading, denied) == [topic]
    assert read_assigned(trading, denied) == topic
    assert read_subscribed(trading, denied) == topic
    assert join(trading, denied, allowed, "classic") == group
    assert join(trading, denied, allowed, "consumer") == "Group authorization failed"
    assert commit(trading, denied, allowed) == group
    assert transact(trading, denied) == "TRANSACTIONAL_ID_AUTHORIZATION_FAILED"
    refused = answers(admin, denied, CHANGING)
    assert refused == dict.fromkeys(refused, topic) | {"delete groups": group}
