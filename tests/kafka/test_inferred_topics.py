"""A group that a tenant includes brings the topics that it reads, as Kordon knows them from the cluster itself."""

from collections.abc import Callable
from typing import Final

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from tests.kafka.fixtures import Fresh, MakeTopic
from tests.kafka.tap import metric
from tests.kafka.tenants import LISTENERS, POLICY, eventually


def commit(address: str, group: str, topic: str) -> None:
    consumer = Consumer({"bootstrap.servers": address, "group.id": group, "enable.auto.commit": False})
    try:
        consumer.commit(offsets=[TopicPartition(topic, 0, 0)], asynchronous=False)
    finally:
        consumer.close()


def test_topics_come_and_go_with_the_group_that_reads_them(
    kafka: Kafka, passing_topic: Callable[[str], str], fresh: Fresh
) -> None:
    group, topic = fresh("trade_infer"), passing_topic("pay_infer")
    settings = {"inference": {"interval": "1s"}}
    with Kordon(clusters={"prod": kafka.bootstrap}, policy=POLICY, listeners=LISTENERS, settings=settings) as kordon:
        admin = AdminClient({"bootstrap.servers": kordon.listener("trading")})

        def sees() -> bool:
            return topic in admin.list_topics(timeout=10).topics

        assert not sees()

        commit(kafka.bootstrap, group, topic)
        eventually(sees)

        direct = AdminClient({"bootstrap.servers": kafka.bootstrap})
        direct.delete_consumer_groups([group])[group].result(20)
        eventually(lambda: not sees())


def test_nobody_infers_himself_into_a_topic(kordon: Kordon, new_topic: MakeTopic, fresh: Fresh) -> None:
    group, topic = fresh("trade_claim"), new_topic("pay_claim")

    with pytest.raises(KafkaException, match="UNKNOWN_TOPIC_OR_PART"):
        commit(kordon.listener("trading"), group, topic)

    admin = AdminClient({"bootstrap.servers": kordon.listener("trading")})
    assert topic not in admin.list_topics(timeout=10).topics


INCLUDED: Final = """\
      - include:
          - [cluster, prod, topic, "tx_*"]
          - [cluster, prod, group, "trade_*"]
"""
NARROWER: Final = INCLUDED.replace("tx_*", "tx_other*")
EXCLUDED: Final = '      - exclude: [cluster, prod, topic, "tx_*"]\n' + INCLUDED


def test_a_narrower_include_leaves_what_a_group_reads_and_an_exclude_takes_it_back(
    kafka: Kafka, new_topic: MakeTopic, fresh: Fresh
) -> None:
    group, topic = fresh("trade_stays"), new_topic("tx_stays")
    with Kordon(clusters={"prod": kafka.bootstrap}, policy=POLICY, listeners=LISTENERS) as kordon:
        address = kordon.listener("trading")
        admin = AdminClient({"bootstrap.servers": address})

        def sees() -> bool:
            return topic in admin.list_topics(timeout=10).topics

        def in_force(rules: str, epoch: int) -> None:
            kordon.policy_file.write_text(POLICY.replace(INCLUDED, rules))
            eventually(lambda: metric(kordon, "kordon_policy_epoch") == epoch)

        commit(address, group, topic)
        in_force(NARROWER, 2)
        eventually(sees)
        commit(address, group, topic)
        assert sees()

        in_force(EXCLUDED, 3)
        assert not sees()
        with pytest.raises(KafkaException, match="UNKNOWN_TOPIC_OR_PART"):
            commit(address, group, topic)
