"""Loops that read, process and write in transactions, through Kordon, while brokers die and restart: exactly once."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

import pytest
from confluent_kafka import Producer

from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from tests.kafka import requests as ask
from tests.kafka.fixtures import Fresh, MakeTopic
from tests.kafka.records import committed
from tests.kafka.tenants import LISTENERS, POLICY, QUIET, eventually
from tests.kafka.traffic import ConfluentCopier, JavaCopier
from tests.kafka.wire import Wire

PARTITIONS: Final = 3
RECORDS: Final = 500
"""In each partition."""
WHOLE: Final = PARTITIONS * RECORDS
STEP: Final = 100
"""Records that every copier has to copy before the next thing happens."""


@pytest.fixture(scope="module")
def kordon(shared_cluster: Kafka) -> Iterator[Kordon]:
    with Kordon(clusters={"prod": shared_cluster.bootstrap}, policy=POLICY, listeners=LISTENERS) as kordon:
        yield kordon


@pytest.mark.timeout(400)  # three brokers and two copiers on a busy machine
def test_copiers_copy_exactly_once_while_brokers_die_and_restart(
    three_nodes: Kafka, kordon: Kordon, new_topic: MakeTopic, fresh: Fresh
) -> None:
    # Given a topic with records, and two that copy it
    source, *targets = (
        new_topic(f"tx_{name}", partitions=PARTITIONS, replicas=3, at=three_nodes) for name in ("source", "java", "c")
    )
    values = [[f"{partition}.{number}" for number in range(RECORDS)] for partition in range(PARTITIONS)]
    fill(three_nodes, source, values)
    where = kordon.listener("trading")
    with ExitStack() as stack:
        java = JavaCopier(fresh("trade_java"), where, source, targets[0])
        stack.callback(java.stop)
        confluent = ConfluentCopier(coordinated_by(3, three_nodes, fresh), where, source, targets[1], WHOLE)
        stack.callback(confluent.stop)
        copiers = (java, confluent)

        def have_copied(count: int) -> None:
            eventually(lambda: all(one.copied >= count for one in copiers), within=90)

        have_copied(STEP)

        # When a broker dies, comes back, and another one restarts in order
        three_nodes.nodes[1].kill()
        have_copied(2 * STEP)
        three_nodes.nodes[1].start()
        have_copied(3 * STEP)
        three_nodes.nodes[2].restart()
        have_copied(WHOLE)

    # Then each record is there once and in its place, for whoever reads what is committed
    for target in targets:
        assert [committed(three_nodes, target, partition) for partition in range(PARTITIONS)] == values


def coordinated_by(node: int, kafka: Kafka, fresh: Fresh) -> str:
    """A name of a group whose coordinator stays alive.

    Where it dies, librdkafka 2.16 may wait for ever for the one that it remembers (in front of Kafka itself, too).
    """
    with Wire(kafka.nodes[node].address()) as wire:
        while True:
            name = fresh("trade_c")
            (found,) = wire.ask(ask.find_coordinator(4, name)).message.coordinators
            if found.node_id == node:
                return name


def fill(kafka: Kafka, topic: str, values: list[list[str]]) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap, **QUIET})
    for partition, some in enumerate(values):
        for value in some:
            producer.produce(topic, value, partition=partition)
    assert producer.flush(30) == 0
