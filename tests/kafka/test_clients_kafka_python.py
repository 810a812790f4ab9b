"""kafka-python 3, unmodified, does its work in a tenant and finds nothing of another one."""

import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import pytest

from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from tests.kafka.fixtures import Fresh
from tests.kafka.tenants import CHANGING, MakeTenantTopic, Names, eventually

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it reads its message schemas by a function of old
    from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
    from kafka.admin import ConfigResource, ConfigResourceType, OffsetSpec
    from kafka.errors import KafkaError
    from kafka.structs import OffsetAndMetadata

pytestmark = pytest.mark.filterwarnings("ignore:read_text is deprecated:DeprecationWarning")

SECONDS: Final = 30


@pytest.fixture
def trading(kordon: Kordon) -> str:
    return kordon.listener("trading")


@contextmanager
def producer_at(address: str, **settings: Any) -> Iterator[Any]:
    producer = KafkaProducer(bootstrap_servers=address, **settings)
    try:
        yield producer
    finally:
        producer.close(SECONDS)


@contextmanager
def consumer_at(address: str, group: str | None = None, **settings: Any) -> Iterator[Any]:
    told = {"auto_offset_reset": "earliest", "enable_auto_commit": False} | settings
    consumer = KafkaConsumer(bootstrap_servers=address, group_id=group, **told)
    try:
        yield consumer
    finally:
        consumer.close(autocommit=False)


@contextmanager
def admin_at(address: str) -> Iterator[Any]:
    admin = KafkaAdminClient(bootstrap_servers=address)
    try:
        yield admin
    finally:
        admin.close()


def produce(address: str, topic: str, values: Iterable[bytes], partition: int = 0, **settings: Any) -> None:
    """Produce. Raises KafkaError for the first that fails."""
    with producer_at(address, **settings) as producer:
        sent = [producer.send(topic, value, partition=partition) for value in values]
        producer.flush(SECONDS)
        for one in sent:
            one.get(SECONDS)


def read(consumer: Any, count: int) -> list[bytes]:
    """The values of the next records. Raises KafkaError for an error that comes instead."""
    got: list[bytes] = []

    def enough() -> bool:
        # A poll that ends while the group rebalances can lose the assignment, so it gets time.
        for records in consumer.poll(5_000, max_records=count - len(got)).values():
            got.extend(record.value for record in records)
        return len(got) >= count

    eventually(enough)
    return got


def outcome(step: Callable[[], object]) -> object:
    """What a step gives, or the name of the error that it fails with."""
    try:
        return step()
    except KafkaError as error:
        return type(error).__name__


def test_what_is_produced_with_any_acks_is_read_back(trading: str, tenant_topic: MakeTenantTopic) -> None:
    # Given
    topic = tenant_topic(partitions=4)
    plain = {"enable_idempotence": False}
    ways: list[dict[str, Any]] = [plain | {"acks": 0}, plain | {"acks": 1}, plain | {"acks": "all"}, {}]

    # When
    for partition, way in enumerate(ways):
        produce(trading, topic, [b"%d" % number for number in range(100)], partition, **way)

    # Then
    for partition in range(len(ways)):
        with consumer_at(trading) as consumer:
            consumer.assign([TopicPartition(topic, partition)])
            assert read(consumer, 100) == [b"%d" % number for number in range(100)]


def test_a_transaction_is_read_when_it_is_committed_and_never_when_it_is_aborted(
    trading: str, tenant_topic: MakeTenantTopic, fresh: Fresh
) -> None:
    # Given
    topic = tenant_topic()

    # When
    with producer_at(trading, transactional_id=fresh("trade_t")) as producer:
        producer.init_transactions()
        for value, end in (
            (b"one", producer.commit_transaction),
            (b"aborted", producer.abort_transaction),
            (b"two", producer.commit_transaction),
        ):
            producer.begin_transaction()
            producer.send(topic, value).get(SECONDS)
            end()

    # Then
    for isolation, values in (
        ("read_committed", [b"one", b"two"]),
        ("read_uncommitted", [b"one", b"aborted", b"two"]),
    ):
        with consumer_at(trading, isolation_level=isolation) as consumer:
            consumer.assign([TopicPartition(topic, 0)])
            assert read(consumer, len(values)) == values


def test_a_transaction_moves_records_and_offsets_at_once(
    trading: str, tenant_topic: MakeTenantTopic, fresh: Fresh
) -> None:
    # Given
    source, target = tenant_topic(), tenant_topic()
    produce(trading, source, [b"one", b"two"])
    with (
        consumer_at(trading, fresh("trade_move")) as consumer,
        producer_at(trading, transactional_id=fresh("trade_move")) as producer,
    ):
        consumer.subscribe([source])
        producer.init_transactions()

        # When
        values = read(consumer, 2)
        producer.begin_transaction()
        for value in values:
            producer.send(target, value)
        moved = {TopicPartition(source, 0): OffsetAndMetadata(2, "", -1)}
        producer.send_offsets_to_transaction(moved, consumer.group_metadata())
        producer.commit_transaction()

        # Then
        # The broker says that it has committed before the group's coordinator has written its marker.
        eventually(lambda: consumer.committed(TopicPartition(source, 0)) == 2)


def test_a_group_goes_on_where_it_stopped_and_seeks_where_it_wants(
    trading: str, tenant_topic: MakeTenantTopic, fresh: Fresh
) -> None:
    # Given
    topic, group = tenant_topic(partitions=2), fresh("trade_group")
    for partition in range(2):
        produce(trading, topic, [b"%d" % partition] * 5, partition)

    # When
    with consumer_at(trading, group) as first:
        first.subscribe([topic])
        before = read(first, 10)
        first.commit()
    produce(trading, topic, [b"later"])
    with consumer_at(trading, group) as second:
        second.subscribe([topic])
        after = read(second, 1)
        second.seek(TopicPartition(topic, 1), 2)
        sought = read(second, 3)

    # Then
    assert sorted(before) == [b"0"] * 5 + [b"1"] * 5
    assert after == [b"later"]
    assert sought == [b"1"] * 3


def test_a_pattern_meets_the_tenants_topics_alone(
    trading: str, tenant_topic: MakeTenantTopic, foreign: Names, fresh: Fresh
) -> None:
    topic = tenant_topic("tx_pattern")
    with consumer_at(trading, fresh("trade_pattern"), auto_offset_reset="latest") as consumer:
        # When
        consumer.subscribe(pattern=".*(pattern|foreign).*")
        eventually(lambda: consumer.poll(100) or consumer.assignment())

        # Then
        assigned = {partition.topic for partition in consumer.assignment()}
        assert topic in assigned
        assert not [name for name in assigned if not name.startswith("tx_")]


def test_topics_are_administered(trading: str, fresh: Fresh) -> None:
    topic = fresh("tx_admin")
    partition, resource = TopicPartition(topic, 0), ConfigResource(ConfigResourceType.TOPIC, topic)
    with admin_at(trading) as admin:
        # Created and described
        options = {"num_partitions": 2, "replication_factor": 1, "configs": {"retention.ms": "60000"}}
        admin.create_topics({topic: options}, wait_for_metadata=True)
        assert [len(described["partitions"]) for described in admin.describe_topics([topic])] == [2]

        # Grown
        admin.create_partitions({topic: 3})
        eventually(lambda: len(admin.describe_topics([topic])[0]["partitions"]) == 3)

        # Its settings shown and altered
        assert setting(admin, resource, "retention.ms") == "60000"
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "70000"})])
        eventually(lambda: setting(admin, resource, "retention.ms") == "70000")

        # Its records counted and deleted
        produce(trading, topic, [b"x"] * 5)
        assert admin.list_partition_offsets({partition: OffsetSpec.LATEST})[partition].offset == 5
        admin.delete_records({partition: 3})
        assert admin.list_partition_offsets({partition: OffsetSpec.EARLIEST})[partition].offset == 3

        # Deleted
        admin.delete_topics([topic])
        eventually(lambda: topic not in admin.list_topics())


def setting(admin: Any, resource: Any, name: str) -> object:
    return admin.describe_configs([resource])["topic"][resource.name][name]["value"]


def test_groups_are_administered(trading: str, tenant_topic: MakeTenantTopic, foreign: Names, fresh: Fresh) -> None:
    topic, group = tenant_topic(), fresh("trade_admin")
    partition = TopicPartition(topic, 0)
    produce(trading, topic, [b"x"] * 5)
    with admin_at(trading) as admin:
        # Listed and described while it has a member
        with consumer_at(trading, group) as consumer:
            consumer.subscribe([topic])
            read(consumer, 5)
            consumer.commit()
            listed = {found["group_id"] for found in admin.list_groups()}
            described = admin.describe_groups([group])[group]
            assert group in listed
            assert not [name for name in listed if not name.startswith("trade_")]
            assert described["group_state"] == "Stable"
            assert admin.list_group_offsets([group])[group][partition].offset == 5

        # Its offsets moved and deleted, and the group too, when it has none
        admin.reset_group_offsets(group, {partition: OffsetSpec.EARLIEST})
        assert admin.list_group_offsets([group])[group][partition].offset == 0
        admin.alter_group_offsets(group, {partition: OffsetAndMetadata(2, "", -1)})
        assert admin.list_group_offsets([group])[group][partition].offset == 2
        admin.delete_group_offsets(group, [partition])
        assert admin.list_group_offsets([group])[group] == {}
        assert admin.delete_groups([group]) == {group: "OK"}


ADMIN_ASKS: Final[dict[str, Callable[[Any, Names], object]]] = {
    "create topics": lambda admin, names: admin.create_topics({names.topic: {}}),
    "describe topics": lambda admin, names: admin.describe_topics([names.topic])[0]["error_code"],
    "delete topics": lambda admin, names: admin.delete_topics([names.topic]),
    "create partitions": lambda admin, names: admin.create_partitions({names.topic: 9}),
    "describe configs": lambda admin, names: admin.describe_configs(
        [ConfigResource(ConfigResourceType.TOPIC, names.topic)]
    ),
    "alter configs": lambda admin, names: admin.alter_configs(
        [ConfigResource(ConfigResourceType.TOPIC, names.topic, {"retention.ms": "1"})], raise_on_unknown=False
    ),
    "list offsets": lambda admin, names: admin.list_partition_offsets({TopicPartition(names.topic, 0): -1}),
    "delete records": lambda admin, names: admin.delete_records({TopicPartition(names.topic, 0): 1}),
    "describe groups": lambda admin, names: admin.describe_groups([names.group])[names.group],
    "list group offsets": lambda admin, names: admin.list_group_offsets(
        {names.group: [TopicPartition(names.topic, 0)]}
    ),
    "committed offsets": lambda admin, names: admin.list_group_offsets([names.group]),
    "delete groups": lambda admin, names: admin.delete_groups([names.group]),
}
FINDING: Final = tuple(what for what in ADMIN_ASKS if what != "create topics")


def answers(address: str, names: Names, asked: Iterable[str]) -> dict[str, object]:
    """What an admin client is told, without the names and the texts behind error codes."""
    with admin_at(address) as admin:
        return {what: plain(outcome(partial(ADMIN_ASKS[what], admin, names)), names) for what in asked}


def plain(told: object, names: Names) -> object:
    if isinstance(told, dict):
        return {plain(key, names): plain(value, names) for key, value in told.items()}
    text = str(told).replace(names.topic, "TOPIC").replace(names.group, "GROUP")
    return re.sub(r"^\[Error \d+\] (\w+).*", r"\1", text)


def test_an_admin_finds_what_another_tenant_has_as_little_as_what_nobody_has(
    trading: str, kafka: Kafka, foreign: Names, missing: Names
) -> None:
    of_foreign = answers(trading, foreign, FINDING)

    assert of_foreign == answers(trading, missing, FINDING) == answers(kafka.bootstrap, missing, FINDING)
    with admin_at(trading) as admin:
        assert foreign.topic not in admin.list_topics()
        assert foreign.group not in {group["group_id"] for group in admin.list_groups()}


def produce_to(address: str, names: Names) -> object:
    return outcome(partial(produce, address, names.topic, [b"x"], max_block_ms=500))


def read_subscribed(address: str, names: Names, topic: str | None = None) -> object:
    with consumer_at(address, names.group) as consumer:
        consumer.subscribe([topic or names.topic])
        return outcome(partial(read, consumer, 1))


def read_assigned(address: str, names: Names) -> object:
    with consumer_at(address) as consumer:
        consumer.assign([TopicPartition(names.topic, 0)])
        return outcome(partial(read, consumer, 1))


def look(address: str, names: Names) -> object:
    with consumer_at(address) as consumer:
        return consumer.partitions_for_topic(names.topic), names.topic in consumer.topics()


def transact(address: str, names: Names) -> object:
    with producer_at(address, transactional_id=names.transactional_id, max_block_ms=5_000) as producer:
        return outcome(producer.init_transactions)


def test_topics_of_another_tenant_are_as_unknown_to_clients_as_those_that_nobody_has(
    trading: str, kafka: Kafka, foreign: Names, missing: Names
) -> None:
    for use in (produce_to, look):
        from_kafka = use(kafka.bootstrap, missing)
        assert use(trading, foreign) == use(trading, missing) == from_kafka


def test_nothing_is_brought_into_being_outside_the_tenant(
    trading: str, tenant_topic: MakeTenantTopic, foreign: Names, missing: Names
) -> None:
    topic = tenant_topic()
    for names in (foreign, missing):
        assert read_subscribed(trading, names, topic) == "GroupAuthorizationFailedError"
        assert transact(trading, names) == "TransactionalIdAuthorizationFailedError"
        assert answers(trading, names, ["create topics"]) == {"create topics": "TopicAuthorizationFailedError"}


def test_what_is_denied_gives_kafkas_authorization_errors(
    trading: str, tenant_topic: MakeTenantTopic, denied: Names, fresh: Fresh
) -> None:
    topic, group = "TopicAuthorizationFailedError", "GroupAuthorizationFailedError"

    assert produce_to(trading, denied) == topic
    assert read_assigned(trading, denied) == topic
    assert read_subscribed(trading, denied, tenant_topic()) == group
    assert transact(trading, denied) == "TransactionalIdAuthorizationFailedError"
    refused = answers(trading, denied, CHANGING)
    each = {"alter configs": {"topic": {"TOPIC": topic}}, "delete groups": {"GROUP": group}}
    assert refused == dict.fromkeys(CHANGING, topic) | each
