"""What clients did is in the journal, on standard output and in a Kafka topic, with its outcome."""

import json
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined]
from confluent_kafka.cimpl import NewTopic

from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from tests.kafka.fixtures import Fresh, MakeTopic
from tests.kafka.tenants import LISTENERS, POLICY, eventually


def consume(address: str, topic: str, wanted: str) -> list[dict[str, Any]]:
    """All events of the topic up to the one with this id."""
    consumer = Consumer({"bootstrap.servers": address, "group.id": "auditor", "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    events: list[dict[str, Any]] = []
    try:
        for _ in range(200):
            message = consumer.poll(0.2)
            if message is not None and message.error() is None:
                events.append(json.loads(message.value() or b""))
                if events[-1]["id"] == wanted:
                    return events
    finally:
        consumer.close()
    raise AssertionError(f"event {wanted} did not come; {len(events)} others did")


def test_a_mutation_and_a_denial_reach_every_sink_with_their_outcome(kafka: Kafka, fresh: Fresh) -> None:
    topic, audit_topic = fresh("tx_audited"), fresh("__kordon_audit_log")
    settings = {"audit": {"stdout": True, "kafka": {"topic": audit_topic}}}
    with Kordon(clusters={"prod": kafka.bootstrap}, policy=POLICY, listeners=LISTENERS, settings=settings) as kordon:
        admin = AdminClient({"bootstrap.servers": kordon.listener("trading")})
        admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(20)
        with pytest.raises(KafkaException, match="TOPIC_AUTHORIZATION_FAILED"):
            admin.create_topics([NewTopic("pay_not_mine", 1, 1)])["pay_not_mine"].result(20)

        created, refused = (event for event in kordon.audit() if event["data"]["what"].get("api") == "CreateTopics")
        in_kafka = consume(kafka.bootstrap, audit_topic, refused["id"])
        own = AdminClient({"bootstrap.servers": kafka.bootstrap})
        resource = ConfigResource(ConfigResource.Type.TOPIC, audit_topic)
        settings_of_topic = own.describe_configs([resource])[resource].result(20)
        log = kordon.log
        seen = admin.list_topics(timeout=10).topics

    assert created["data"]["who"]["principal"] == "tina"
    assert created["data"]["why"]["effect"] == "Allow"
    assert created["data"]["why"]["rules"]
    assert created["data"]["outcome"]["error_code"] == 0
    assert created["data"]["what"]["resources"] == [["cluster", "prod", "topic", topic]]
    assert refused["data"]["why"]["effect"] == "Deny"
    assert "pay_not_mine is not in tenant Trading" in refused["data"]["why"]["reason"]
    assert refused["data"]["what"]["parameters"]["topics"][0]["name"] == "pay_not_mine"
    assert refused["data"]["outcome"]["error_name"] == "TOPIC_AUTHORIZATION_FAILED"
    assert [event["id"] for event in in_kafka if event["id"] in {created["id"], refused["id"]}] == [
        created["id"],
        refused["id"],
    ]
    assert created["id"] in log
    assert settings_of_topic["retention.ms"].value == "-1"
    assert audit_topic not in seen


def test_reads_and_produces_are_counted_once_a_window(kafka: Kafka, new_topic: MakeTopic) -> None:
    topic = new_topic("tx_counted")
    with Kordon(clusters={"prod": kafka.bootstrap}, policy=POLICY, listeners=LISTENERS) as kordon:
        producer = Producer({"bootstrap.servers": kordon.listener("trading"), "linger.ms": 0})
        for number in range(200):
            producer.produce(topic, b"%d" % number)
            producer.flush(10)
        kordon.terminate()
        counted = [
            event["data"]
            for event in kordon.audit()
            if event["type"].startswith("kordon.audit.aggregate") and event["subject"].endswith(topic)
        ]

    assert [data["what"]["action"] for data in counted] == ["TOPIC_PRODUCE"]
    assert counted[0]["window"]["count"] == 200


def test_every_policy_that_comes_into_force_is_written_down_and_every_one_that_is_refused(kafka: Kafka) -> None:
    def loads(kordon: Kordon) -> list[tuple[str, int]]:
        events = [event["data"] for event in kordon.audit() if event["type"] == "kordon.audit.configuration.v1"]
        return [(data["why"]["effect"], data["why"]["epoch"]) for data in events]

    with Kordon(clusters={"prod": kafka.bootstrap}, policy=POLICY, listeners=LISTENERS) as kordon:
        assert loads(kordon) == [("Allow", 1)]

        kordon.policy_file.write_text(POLICY.replace("tx_secret", "tx_top_secret"))
        eventually(lambda: loads(kordon) == [("Allow", 1), ("Allow", 2)])

        kordon.policy_file.write_text("policies: nonsense")
        eventually(lambda: loads(kordon) == [("Allow", 1), ("Allow", 2), ("Deny", 2)])
