"""Whatever the store in Kafka has acknowledged is there after kill -9, and each change is told, under one id."""

from pathlib import Path

from kordon_proxy.demo.kafka import Kafka
from tests.kafka.fixtures import Fresh
from tests.kafka.stores import a_shared_topic
from tests.proxy.store.killing import kill_and_compare


def test_nothing_acknowledged_is_lost_and_every_change_is_told(kafka: Kafka, fresh: Fresh, tmp_path: Path) -> None:
    topic = fresh("__kordon_store")

    kill_and_compare(tmp_path, a_shared_topic(kafka, topic), kafka.bootstrap, topic, cluster=kafka.bootstrap)
