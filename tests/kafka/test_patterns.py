"""Patterns of the new group protocol (KIP-848) under a tenant: the broker never gets to evaluate them."""

import time
from collections.abc import Callable

from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from tests.kafka.fixtures import Fresh


def polled_until(consumer: Consumer, done: Callable[[set[str]], bool], seconds: float = 60) -> set[str]:
    """Poll until the assigned topics are as wanted; give them anyway when time is up."""
    end = time.monotonic() + seconds
    assigned: set[str] = set()
    while not done(assigned) and time.monotonic() < end:
        consumer.poll(0.2)
        assigned = {partition.topic for partition in consumer.assignment()}
    return assigned


def create(address: str, *names: str) -> None:
    client = AdminClient({"bootstrap.servers": address})
    for future in client.create_topics([NewTopic(name, 1, 1) for name in names]).values():
        future.result(30)


def test_a_pattern_is_assigned_topics_of_the_view_old_and_new(kordon: Kordon, kafka: Kafka, fresh: Fresh) -> None:
    tag = fresh("c6")
    old, foreign = f"tx_{tag}_old", f"pay_{tag}_old"
    create(kordon.listener("admin"), old, foreign)
    consumer = Consumer(
        {
            "bootstrap.servers": kordon.listener("trading"),
            "group.id": f"trade_{tag}",
            "group.protocol": "consumer",
            "auto.offset.reset": "earliest",
        }
    )
    try:
        consumer.subscribe([f"^(tx|pay)_{tag}_.*"])
        assert polled_until(consumer, lambda topics: bool(topics)) == {old}

        new = f"tx_{tag}_new"
        create(kordon.listener("admin"), new, f"pay_{tag}_new")
        assert polled_until(consumer, lambda topics: new in topics) == {old, new}

        client = AdminClient({"bootstrap.servers": kafka.bootstrap})
        (member,) = client.describe_consumer_groups([f"trade_{tag}"])[f"trade_{tag}"].result(30).members
        assert {partition.topic for partition in member.assignment.topic_partitions} == {old, new}
    finally:
        consumer.close()
