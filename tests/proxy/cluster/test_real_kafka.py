"""The picture of a real Kafka."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from kio.schema.errors import ErrorCode

from kordon_protocol.codec import request_type
from kordon_protocol.keys import ApiKey
from kordon_proxy.cluster.addresses import Address
from kordon_proxy.cluster.connection import BrokerConnection, LoginFactory
from kordon_proxy.cluster.errors import UpstreamLoginRefused, UpstreamUnavailable
from kordon_proxy.cluster.pool import DIRECT, Reach
from kordon_proxy.cluster.watch import Cluster, Settings
from kordon_proxy.config.clusters import OwnLogin
from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.identity.upstream import UpstreamLogin
from kordon_proxy.secrets import Secret
from tests.kafka.fixtures import USERS, Fresh, MakeTopic
from tests.proxy.cluster.loops import on_both_loops, scenario, until

ANY_AGE: Final = float("inf")


def addresses(listener: str) -> tuple[Address, ...]:
    return tuple((host, int(port)) for host, port in (one.split(":") for one in listener.split(",")))


def a_watch(kafka: Kafka, *groups: str, reach: Reach = DIRECT, **times: float) -> Cluster:
    """Looks often, and at these groups only: others use the same Kafka."""
    often = {"topics_every": 0.2, "groups_every": 0.2, "request_timeout": 5.0, **times}
    bootstrap = addresses(kafka.bootstrap)
    return Cluster(Settings(name="prod", bootstrap=bootstrap, reach=reach, **often), wanted=lambda name: name in groups)


@contextmanager
def a_member(kafka: Kafka, group: str, topic: str, protocol: str) -> Iterator[None]:
    """A consumer that has its assignment and commits nothing."""
    assigned, done = threading.Event(), threading.Event()
    consumer = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap,
            "group.id": group,
            "group.protocol": protocol,
            "enable.auto.commit": False,
        }
    )

    def consume() -> None:
        consumer.subscribe([topic], on_assign=lambda *_: assigned.set())
        while not done.is_set():
            consumer.poll(0.05)
        consumer.close()

    thread = threading.Thread(target=consume)
    thread.start()
    try:
        assert assigned.wait(30)
        yield
    finally:
        done.set()
        thread.join()


def commit(kafka: Kafka, group: str, topic: str) -> None:
    """Commit an offset without being a member."""
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": group})
    consumer.commit(offsets=[TopicPartition(topic, 0, 5)], asynchronous=False)
    consumer.close()


def reads(cluster: Cluster, group: str) -> set[str]:
    """What is inferred of the group; nothing if it is unknown."""
    return set(cluster.picture.inferred.get(group, ())) if cluster.picture else set()


@on_both_loops
def test_topics_appear_and_disappear(kafka: Kafka, new_topic: MakeTopic, loop: str) -> None:
    @scenario
    async def watch(loop: str) -> None:
        async with a_watch(kafka) as cluster:
            first = await cluster.refresh(ANY_AGE)
            assert first.cluster_id == kafka.cluster_id
            assert set(first.brokers) == {1}

            name = await asyncio.to_thread(new_topic, "orders", partitions=3)
            await until(lambda: cluster.picture and name in cluster.picture.topics)
            assert cluster.picture
            topic = cluster.picture.topics[name]
            assert (topic.partitions, topic.internal) == (3, False)
            assert topic.id is not None
            assert cluster.picture.ids[topic.id] == name
            assert cluster.picture.version > first.version

            admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
            await asyncio.to_thread(admin.delete_topics([name])[name].result, 30)
            await until(lambda: cluster.picture and name not in cluster.picture.topics)
            assert topic.id not in cluster.picture.ids

    watch(loop=loop)


def test_a_cluster_in_which_nothing_changes_keeps_its_picture(three_nodes: Kafka, new_topic: MakeTopic) -> None:
    """The random controller that each KRaft broker names included."""
    new_topic("orders", at=three_nodes)

    @scenario
    async def watch() -> None:
        async with a_watch(three_nodes, topics_every=3_600.0) as cluster:
            await until(lambda: cluster.picture and len(cluster.picture.brokers) == 3)
            await asyncio.sleep(0.5)
            picture = await cluster.refresh(0.0)

            for _ in range(20):
                assert await cluster.refresh(0.0) is picture

    watch()


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_group_brings_the_topics_that_its_members_are_assigned(
    kafka: Kafka, new_topic: MakeTopic, fresh: Fresh, protocol: str
) -> None:
    group, topic = fresh("billing"), new_topic("orders")

    @scenario
    async def watch() -> None:
        async with a_watch(kafka, group) as cluster:
            await until(lambda: reads(cluster, group) == {topic})

    with a_member(kafka, group, topic, protocol):
        watch()


def test_a_group_brings_the_topics_with_its_offsets_until_it_is_deleted(
    kafka: Kafka, new_topic: MakeTopic, fresh: Fresh
) -> None:
    group, topic, later = fresh("billing"), new_topic("orders"), new_topic("refunds")
    commit(kafka, group, topic)

    @scenario
    async def watch() -> None:
        async with a_watch(kafka, group) as cluster:
            await until(lambda: reads(cluster, group) == {topic})

            await asyncio.to_thread(commit, kafka, group, later)
            await until(lambda: reads(cluster, group) == {topic, later})

            admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
            await asyncio.to_thread(admin.delete_consumer_groups([group])[group].result, 30)
            await until(lambda: not reads(cluster, group))

    watch()


def test_a_hint_finds_a_group_that_was_just_made(three_nodes: Kafka, new_topic: MakeTopic, fresh: Fresh) -> None:
    group, topic = fresh("billing"), new_topic("orders", at=three_nodes)

    @scenario
    async def watch() -> None:
        async with a_watch(three_nodes, group, groups_every=3_600.0) as cluster:
            await until(lambda: cluster.state.surveyed)
            assert not reads(cluster, group)
            await asyncio.to_thread(commit, three_nodes, group, topic)

            cluster.hint_group(group, [topic])

            await until(lambda: reads(cluster, group) == {topic})

    watch()


def test_a_share_group_brings_its_topics(kafka: Kafka, new_topic: MakeTopic, fresh: Fresh) -> None:
    group, topic = fresh("workers"), new_topic("jobs")

    @scenario
    async def watch() -> None:
        async with a_watch(kafka, group) as cluster:
            await until(lambda: cluster.state.surveyed)
            connection = await cluster.connection()
            await join_share_group(connection, group, topic)

            await until(lambda: reads(cluster, group) == {topic})

    watch()


async def join_share_group(connection: BrokerConnection, group: str, topic: str) -> None:
    """Send heartbeats until the member has its assignment. The first group of all has to wait for its coordinator."""
    find = request_type(ApiKey.FIND_COORDINATOR, 6)(coordinator_keys=(group,))
    heartbeat = request_type(ApiKey.SHARE_GROUP_HEARTBEAT, 1)
    member: Any = {"group_id": group, "member_id": "member-of-a-test-00000", "subscribed_topic_names": (topic,)}
    epoch, assigned = 0, False
    while not assigned:
        await connection.request(find, 5)
        answer = await connection.request(heartbeat(**member, member_epoch=epoch), 5)
        epoch = answer.member_epoch if answer.error_code is ErrorCode.none else 0
        assigned = bool(answer.assignment and answer.assignment.topic_partitions)


def test_a_broker_that_dies_is_replaced_by_another_until_it_is_back(
    three_nodes: Kafka, new_topic: MakeTopic, fresh: Fresh
) -> None:
    group, topic = fresh("billing"), new_topic("orders", at=three_nodes)
    commit(three_nodes, group, topic)

    @scenario
    async def watch() -> None:
        async with a_watch(three_nodes, group) as cluster:
            await until(lambda: reads(cluster, group) == {topic})
            asked = (await cluster.connection()).address
            node = next(node for node in three_nodes.nodes.values() if addresses(node.address()) == (asked,))
            try:
                await asyncio.to_thread(node.kill)
                assert (await cluster.refresh(0.0)).topics[topic].partitions == 1
                await until(lambda: cluster.picture and node.node_id not in cluster.picture.brokers)
                assert reads(cluster, group) == {topic}
                assert cluster.state.reachable
            finally:
                await asyncio.to_thread(node.start)

            await until(lambda: cluster.picture and node.node_id in cluster.picture.brokers)
            await until(lambda: not cluster.state.unreachable)
            assert reads(cluster, group) == {topic}

    watch()


def test_a_broker_that_freezes_is_passed_over(three_nodes: Kafka) -> None:
    @scenario
    async def watch() -> None:
        async with a_watch(three_nodes, request_timeout=2.0) as cluster:
            await cluster.refresh(ANY_AGE)
            asked = (await cluster.connection()).address
            node = next(node for node in three_nodes.nodes.values() if addresses(node.address()) == (asked,))
            node.pause()
            try:
                while (await cluster.connection()).address == asked:  # a process takes a moment to freeze
                    await cluster.refresh(0.0)
                assert cluster.state.reachable
            finally:
                node.resume()

    watch()


def a_login(user: str, password: str, mechanism: str = "SCRAM-SHA-512") -> LoginFactory:
    login = OwnLogin.model_construct(mechanism=mechanism, username=user, password=Secret(password))
    return lambda: UpstreamLogin(login)


@on_both_loops
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_it_logs_in_with_credentials_of_its_own(kafka: Kafka, mechanism: str, loop: str) -> None:
    (address,) = addresses(kafka.listener("SASL_PLAINTEXT"))

    @scenario
    async def log_in(loop: str) -> None:
        connection = await BrokerConnection.open(address, login=a_login("kordon", USERS["kordon"], mechanism))

        assert connection.spoken.features.finalized["metadata.version"] > 0
        await connection.close()

    log_in(loop=loop)


def test_wrong_credentials_are_told_from_a_broker_that_is_not_there(kafka: Kafka) -> None:
    (address,) = addresses(kafka.listener("SASL_PLAINTEXT"))

    @scenario
    async def log_in() -> None:
        with pytest.raises(UpstreamLoginRefused, match="refuses kordon"):
            await BrokerConnection.open(address, login=a_login("kordon", "wrong"))

    log_in()


def test_credentials_can_be_rotated(kafka: Kafka) -> None:
    logins = (a_login("kordon", "the-new-one"), a_login("kordon", USERS["kordon"]))
    settings = Settings(name="prod", bootstrap=addresses(kafka.listener("SASL_PLAINTEXT")), reach=Reach(logins=logins))

    @scenario
    async def watch() -> None:
        async with Cluster(settings) as cluster:
            assert (await cluster.refresh(ANY_AGE)).cluster_id == kafka.cluster_id

    watch()


@on_both_loops
def test_it_verifies_the_brokers_certificate(kafka_with_acls: Kafka, loop: str) -> None:
    ((host, port),) = addresses(kafka_with_acls.listener("SASL_SSL"))
    trusting = ssl.create_default_context(cafile=str(kafka_with_acls.authority.certificate))
    login = a_login("admin", USERS["admin"])

    @scenario
    async def connect(loop: str) -> None:
        connection = await BrokerConnection.open((host, port), tls=trusting, login=login)
        assert connection.usable
        await connection.close()

        with pytest.raises(UpstreamUnavailable, match="TLS failed"):
            await BrokerConnection.open((host, port), tls=ssl.create_default_context(), login=login)

    connect(loop=loop)
