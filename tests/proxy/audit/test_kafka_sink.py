"""The audit topic, in a real Kafka."""

import asyncio
import json
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from kordon_proxy.audit.forward import Forwarder
from kordon_proxy.audit.kafka_sink import _MOST_BYTES, KafkaSink, _abridged
from kordon_proxy.audit.tail import Line
from kordon_proxy.cluster.backoff import Backoff
from kordon_proxy.config.audit import KafkaTopic
from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.metrics import Metrics
from tests.kafka.fixtures import Fresh
from tests.proxy.audit.events import DEV, a_denial, a_journal, a_mutation, as_json, durable, sealed
from tests.proxy.cluster.loops import until

PATIENCE = 90.0  # a cluster that was ended takes its time to begin again


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, PATIENCE))


def some_lines(count: int) -> list[Line]:
    lines = sealed(a_denial(id=f"e{number}") for number in range(1, count + 1))
    return [Line(number, line.rstrip()) for number, line in enumerate(lines, start=1)]


async def read(bootstrap: str, topic: str, last: int) -> list[Any]:
    """Return the records of the topic up to the event with that number."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        records = []
        while True:
            records.append(await consumer.getone())
            if int(json.loads(records[-1].value)["sequence"]) >= last:
                return records
    finally:
        await consumer.stop()


async def config_of(bootstrap: str, topic: str) -> Mapping[str, str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
        return {entry[0]: entry[1] for entry in answer.resources[0][4]}
    finally:
        await admin.close()


def test_events_arrive_in_order_as_cloud_events_with_the_tenant_as_key(kafka: Kafka, fresh: Fresh) -> None:
    topic = fresh("__kordon_audit")

    async def scenario() -> None:
        sink = KafkaSink(KafkaTopic(topic=topic), {"bootstrap_servers": kafka.bootstrap})
        lines = some_lines(300)
        await sink.deliver(lines[:100])
        await sink.deliver(lines[100:])
        await sink.close()

        records = await read(kafka.bootstrap, topic, 300)
        assert [record.value for record in records] == [line.text for line in lines]
        assert {record.key for record in records} == {b"Trading"}
        assert dict(records[0].headers) == {"content-type": b"application/cloudevents+json; charset=UTF-8"}
        JSONFormat().read(CloudEvent, records[0].value)

    run(scenario())


def test_the_topic_is_made_to_last_for_ever(kafka: Kafka, fresh: Fresh) -> None:
    topic = fresh("__kordon_audit")

    async def scenario() -> None:
        sink = KafkaSink(KafkaTopic(topic=topic, partitions=3), {"bootstrap_servers": kafka.bootstrap})
        await sink.deliver(some_lines(1))
        await sink.close()
        config = await config_of(kafka.bootstrap, topic)
        kept = {name: config[name] for name in ("retention.ms", "retention.bytes", "cleanup.policy")}
        assert kept == {"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete"}

    run(scenario())


def test_a_topic_that_is_there_is_taken_as_it_is(kafka: Kafka, fresh: Fresh) -> None:
    topic = fresh("__kordon_audit")

    async def scenario() -> None:
        for number in (1, 2):
            sink = KafkaSink(KafkaTopic(topic=topic, replication=1), {"bootstrap_servers": kafka.bootstrap})
            await sink.deliver(some_lines(number)[-1:])
            await sink.close()
        assert len(await read(kafka.bootstrap, topic, 2)) == 2

    run(scenario())


def test_a_topic_that_cannot_be_made_is_an_error_that_names_it(kafka: Kafka, fresh: Fresh) -> None:
    topic = fresh("__kordon_audit")

    async def scenario() -> None:
        sink = KafkaSink(KafkaTopic(topic=topic, replication=7), {"bootstrap_servers": kafka.bootstrap})
        with pytest.raises(KafkaError, match=f"cannot create {topic}: .*eplication factor"):
            await sink.deliver(some_lines(1))

    run(scenario())


def test_it_logs_in_as_it_is_told(kafka: Kafka, fresh: Fresh) -> None:
    topic = fresh("__kordon_audit")
    settings = {
        "bootstrap_servers": kafka.listener("SASL_PLAINTEXT"),
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-256",
        "sasl_plain_username": "kordon",
        "sasl_plain_password": "kordon-secret",
    }

    async def scenario() -> None:
        sink = KafkaSink(KafkaTopic(topic=topic), settings)
        await sink.deliver(some_lines(1))
        await sink.close()
        assert len(await read(kafka.bootstrap, topic, 1)) == 1

    run(scenario())


def test_an_event_too_large_for_a_record_is_abridged_and_stops_nothing(kafka: Kafka, fresh: Fresh) -> None:
    topic = fresh("__kordon_audit")
    large = a_mutation(what=a_mutation().what.__class__(action="TOPIC_EDIT", parameters={"x": "y" * 2_000_000}))
    nearly = a_mutation(what=a_mutation().what.__class__(action="TOPIC_EDIT", parameters={"x": "y" * 990_000}))

    async def scenario() -> None:
        sink = KafkaSink(KafkaTopic(topic=topic), {"bootstrap_servers": kafka.bootstrap})
        texts = [line.rstrip() for line in sealed([large, nearly])]
        await sink.deliver([Line(1, texts[0]), Line(2, texts[1])])
        await sink.close()

        first, second = await read(kafka.bootstrap, topic, 2)
        event = json.loads(first.value)
        assert (event["id"], event["sequence"]) == (large.id, f"{1:020}")
        assert event["data"]["what"]["action"] == "TOPIC_EDIT"
        assert event["data"]["who"] == json.loads(texts[0])["data"]["who"]
        assert event["data"]["what"]["parameters"] == {"abridged": f"{len(texts[0])} bytes, whole in the journal"}
        assert second.value == texts[1]

    run(scenario())


WIDE: Final = {
    "rules, as journals have them": ("why", "rules", [f"policies[{number}]" for number in range(80_000)]),
    "resources": ("what", "resources", [["cluster", "prod", "topic", f"tx_{number}"] for number in range(40_000)]),
    "parts that failed": ("outcome", "failed", {f"topics[{number}]": "INVALID_REQUEST" for number in range(40_000)}),
    "a reason": ("why", "reason", 2_000_000 * "\u202e"),
    "who": ("who", "principal", 2_000_000 * "d"),
}


@pytest.mark.parametrize("facts", [[fact] for fact in WIDE.values()] + [[*WIDE.values()]], ids=[*WIDE, "all of them"])
def test_whatever_is_large_of_an_event_it_is_cut_until_it_fits(facts: list[tuple[str, str, Any]]) -> None:
    whole = as_json(a_mutation()) | {"sequence": f"{1:020}"}
    for part, name, value in facts:
        whole["data"][part][name] = value

    text = _abridged(deepcopy(whole), 3_000_000)

    assert len(text) <= _MOST_BYTES
    event = json.loads(text)
    assert event["data"]["what"]["parameters"]["abridged"] == "3000000 bytes, whole in the journal"
    assert event["data"]["what"]["parameters"].items() >= whole["data"]["what"]["parameters"].items()
    for part, name, value in facts:
        left = event["data"][part].pop(name)
        assert type(left) is type(value)
        assert len(left) < 1_000
        del whole["data"][part][name]
    del event["data"]["what"]["parameters"], whole["data"]["what"]["parameters"]
    assert event == whole


def test_while_kafka_is_away_the_journal_keeps_everything_and_it_arrives_afterwards(
    three_nodes: Kafka, fresh: Fresh, tmp_path: Path
) -> None:
    topic = fresh("__kordon_audit")
    settings = {"bootstrap_servers": three_nodes.bootstrap, "request_timeout_ms": 2000}

    async def scenario() -> None:
        # Given a forwarder that has handed over something
        journal, metrics = a_journal(tmp_path), Metrics()
        sink = KafkaSink(KafkaTopic(topic=topic, replication=3), settings)
        forwarder = Forwarder(journal, sink, metrics, backlog_warning=1000, backoff=Backoff(first=0.05, most=0.2))
        task = asyncio.create_task(forwarder.run())
        await durable(journal, a_mutation(), a_denial())
        await forwarder.catch_up()

        # When Kafka goes, events come, and Kafka comes back
        for node in three_nodes.nodes.values():
            node.kill()
        for _ in range(50):
            await durable(journal, a_mutation())
        await until(lambda: forwarder.backlog == 50)
        await asyncio.sleep(0.5)
        assert metrics.registry.get_sample_value("kordon_audit_backlog", {"sink": "kafka"}) == 50
        for node in three_nodes.nodes.values():
            await asyncio.to_thread(node.launch)
        await forwarder.catch_up()

        # Then all of them are there, in order, some perhaps twice
        records = await read(three_nodes.bootstrap, topic, 52)
        numbers = [int(json.loads(record.value)["sequence"]) for record in records]
        assert list(dict.fromkeys(numbers)) == list(range(1, 53))
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await forwarder.close()
        journal.close(5)

    run(scenario())


def test_who_has_no_tenant_is_the_key_himself(kafka: Kafka, fresh: Fresh) -> None:
    topic = fresh("__kordon_audit")
    who = DEV.__class__(principal="dee")

    async def scenario() -> None:
        sink = KafkaSink(KafkaTopic(topic=topic), {"bootstrap_servers": kafka.bootstrap})
        await sink.deliver([Line(1, line.rstrip()) for line in sealed([a_denial(who)])])
        await sink.close()
        (record,) = await read(kafka.bootstrap, topic, 1)
        assert record.key == b"dee"

    run(scenario())
