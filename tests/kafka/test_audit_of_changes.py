"""What Kafka's own tools change through Kordon is in the audit as Kafka answered it: what there was, and what is."""

from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from kordon_proxy.demo.kordon import Kordon
from tests.kafka.fixtures import Fresh, RunTool
from tests.kafka.tenants import MakeTenantTopic
from tests.kafka.test_clients_java import records_file


class Tools:
    """Kafka's tools as a member of the tenant Trading runs them, and what the audit has of it."""

    def __init__(self, kordon: Kordon, tools: RunTool) -> None:
        self._kordon = kordon
        self._tools = tools

    def __call__(self, name: str, *arguments: str, stdin: str = "", code: int = 0) -> str:
        done = self._tools(name, *arguments, at=self._kordon.listener("trading"), stdin=stdin)
        assert done.code == code, done.output
        return done.output

    def last(self, api: str, about: str) -> dict[str, Any]:
        """The last event of an API that names something."""
        every = (event["data"] for event in self._kordon.audit())
        found: list[dict[str, Any]] = [data for data in every if data["what"].get("api") == api]
        return [data for data in found if about in str(data["what"])][-1]


@pytest.fixture
def tools(kordon: Kordon, kafka_tools: RunTool) -> Tools:
    return Tools(kordon, kafka_tools)


@pytest.fixture
def topic(kordon: Kordon, tenant_topic: MakeTenantTopic) -> str:
    """Two partitions with three records each."""
    name = tenant_topic(partitions=2)
    producer = Producer({"bootstrap.servers": kordon.listener("trading")})
    for number in range(6):
        producer.produce(name, b"record", partition=number % 2)
    assert producer.flush(30) == 0
    return name


def test_reset_offsets_tells_old_and_new_offset_of_each_partition(tools: Tools, topic: str, fresh: Fresh) -> None:
    group = fresh("trade_reset")
    reset = ("--reset-offsets", "--group", group, "--topic", topic, "--execute")
    tools("kafka-consumer-groups", *reset, "--to-offset", "1")
    first = tools.last("OffsetCommit", group)

    tools("kafka-consumer-groups", *reset, "--shift-by", "1")

    second = tools.last("OffsetCommit", group)
    assert [data["what"]["parameters"] for data in (first, second)] == [
        {
            "group": group,
            "offsets": {f"{topic}-0": 1, f"{topic}-1": 1},
            "old_offsets": {f"{topic}-0": None, f"{topic}-1": None},
        },
        {
            "group": group,
            "offsets": {f"{topic}-0": 2, f"{topic}-1": 2},
            "old_offsets": {f"{topic}-0": 1, f"{topic}-1": 1},
        },
    ]
    assert (second["outcome"]["error_name"], second["outcome"]["unknown"]) == ("NONE", False)


def test_deleted_offsets_are_told(tools: Tools, topic: str, fresh: Fresh) -> None:
    group = fresh("trade_deleted")
    about = ("--group", group, "--topic", topic)
    tools("kafka-consumer-groups", "--reset-offsets", *about, "--execute", "--to-offset", "2")

    tools("kafka-consumer-groups", "--delete-offsets", *about)

    parameters = tools.last("OffsetDelete", group)["what"]["parameters"]
    assert parameters["old_offsets"] == {f"{topic}-0": 2, f"{topic}-1": 2}


def test_the_offsets_of_a_share_group_are_told(tools: Tools, topic: str, fresh: Fresh) -> None:
    group = fresh("trade_share")
    reset = ("--reset-offsets", "--group", group, "--topic", topic, "--execute")
    tools("kafka-share-groups", *reset, "--to-latest")
    first = tools.last("AlterShareGroupOffsets", group)["what"]["parameters"]

    tools("kafka-share-groups", *reset, "--to-earliest")
    second = tools.last("AlterShareGroupOffsets", group)["what"]["parameters"]
    tools("kafka-share-groups", "--delete-offsets", "--group", group, "--topic", topic)
    third = tools.last("DeleteShareGroupOffsets", group)["what"]["parameters"]

    assert second["old_offsets"] == first["offsets"] == {f"{topic}-0": 3, f"{topic}-1": 3}
    assert third["old_offsets"] == second["offsets"] == {f"{topic}-0": 0, f"{topic}-1": 0}


def test_of_deleted_records_it_is_told_where_the_partitions_began(tools: Tools, topic: str, tmp_path: Path) -> None:
    tools("kafka-delete-records", "--offset-json-file", records_file(tmp_path, topic, {0: 2, 1: 1}))

    parameters = tools.last("DeleteRecords", topic)["what"]["parameters"]
    assert parameters["old_low_watermarks"] == {f"{topic}-0": 0, f"{topic}-1": 0}
    assert parameters["low_watermarks"] == {f"{topic}-0": 2, f"{topic}-1": 1}


def test_what_was_created_and_changed_is_told(tools: Tools, fresh: Fresh) -> None:
    topic = fresh("tx_made")
    tools("kafka-topics", "--create", "--topic", topic, "--config", "retention.ms=3600000")
    (made,) = tools.last("CreateTopics", topic)["what"]["parameters"]["topics"]
    tools("kafka-topics", "--alter", "--topic", topic, "--partitions", "4")
    (grown,) = tools.last("CreatePartitions", topic)["what"]["parameters"]["topics"]
    about = ("--entity-type", "topics", "--entity-name", topic)
    tools("kafka-configs", "--alter", *about, "--add-config", "retention.ms=7200000")
    (changed,) = tools.last("IncrementalAlterConfigs", topic)["what"]["parameters"]["resources"]
    tools("kafka-topics", "--delete", "--topic", topic)
    deleted = tools.last("DeleteTopics", topic)["what"]["parameters"]["topics"]

    assert made.pop("id")
    assert made == {
        "name": topic,
        "partitions": 1,
        "replication_factor": 1,
        "configs": {"retention.ms": "3600000"},
    }
    assert grown == {"name": topic, "partitions": 4}
    assert changed["configs"] == [
        {"key": "retention.ms", "operation": "set", "value": "7200000", "old_value": "3600000"}
    ]
    assert deleted == [topic]


def test_which_part_of_a_request_failed_is_told(tools: Tools, topic: str, tmp_path: Path) -> None:
    file = records_file(tmp_path, topic, {0: 1, 1: 100})

    tools("kafka-delete-records", "--offset-json-file", file)

    outcome = tools.last("DeleteRecords", topic)["outcome"]
    assert outcome["error_name"] == "OFFSET_OUT_OF_RANGE"
    assert outcome["failed"] == {f"topics[{topic}].partitions[1]": "OFFSET_OUT_OF_RANGE"}
    assert outcome["items_failed"] == 1
