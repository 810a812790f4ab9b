"""Kafka's own console tools, unmodified, do their work in a tenant and find nothing of another one.

Each run of a tool is a JVM, so one test does with a few what belongs together.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from kordon_proxy.demo.kordon import Kordon
from kordon_proxy.demo.tools import Finished
from tests.kafka.fixtures import Fresh, RunTool, two_at_a_time
from tests.kafka.tenants import MakeTenantTopic, Names

Run = Callable[..., str]


@pytest.fixture
def run(kordon: Kordon, kafka_tools: RunTool) -> Run:
    """Runs a tool as a trader, and returns what it printed; it has to succeed."""

    def run(name: str, *arguments: str, stdin: str = "") -> str:
        done = kafka_tools(name, *arguments, at=kordon.listener("trading"), stdin=stdin)
        assert done.code == 0, done.output
        return done.output

    return run


def test_topics_are_created_grown_configured_truncated_and_deleted(run: Run, fresh: Fresh, tmp_path: Path) -> None:
    topic = fresh("tx_java")
    entity = ("--entity-type", "topics", "--entity-name", topic)

    # Created, grown and configured
    run("kafka-topics", "--create", "--topic", topic, "--partitions", "2", "--config", "retention.ms=60000")
    run("kafka-topics", "--alter", "--topic", topic, "--partitions", "3")
    run("kafka-configs", *entity, "--alter", "--add-config", "retention.ms=70000")
    assert "retention.ms=70000" in run("kafka-configs", *entity, "--describe")
    described = run("kafka-topics", "--describe", "--topic", topic)
    assert "PartitionCount: 3" in described
    assert "retention.ms=70000" in described

    # Filled and truncated
    run("kafka-console-producer", "--topic", topic, stdin="a\nb\n")
    ends = offsets_in(run("kafka-get-offsets", "--topic", topic))
    assert sum(ends.values()) == 2
    truncated = run("kafka-delete-records", "--offset-json-file", records_file(tmp_path, topic, ends))
    assert all(f"partition: {topic}-{number}\tlow_watermark: {end}" in truncated for number, end in ends.items())

    # Deleted
    run("kafka-topics", "--delete", "--topic", topic)
    listed = run("kafka-topics", "--list").split()
    assert topic not in listed
    assert not [name for name in listed if not name.startswith("tx_")]


def offsets_in(printed: str) -> dict[int, int]:
    """Partition to offset, from what kafka-get-offsets prints."""
    return {int(line.split(":")[1]): int(line.split(":")[2]) for line in printed.split()}


def records_file(folder: Path, topic: str, offsets: dict[int, int]) -> str:
    """What kafka-delete-records is to delete, in a file as it reads them."""
    partitions = [{"topic": topic, "partition": number, "offset": offset} for number, offset in offsets.items()]
    file = folder / f"{topic}.json"
    file.write_text(json.dumps({"version": 1, "partitions": partitions}))
    return str(file)


def test_a_group_consumes_is_reset_consumes_again_and_is_deleted(
    run: Run, tenant_topic: MakeTenantTopic, foreign: Names, fresh: Fresh
) -> None:
    topic, group = tenant_topic(), fresh("trade_java")
    consume = ("kafka-console-consumer", "--topic", topic, "--group", group, "--from-beginning", "--max-messages")

    # Produced and consumed
    run("kafka-console-producer", "--topic", topic, stdin="one\ntwo\nthree\n")
    assert {"one", "two", "three"} < set(run(*consume, "3").split())
    assert re.search(rf"{topic}\s+0\s+(-\s+)?3\s+3\s+0", run("kafka-consumer-groups", "--describe", "--group", group))

    # Reset and consumed again
    reset = ("--reset-offsets", "--group", group, "--topic", topic, "--to-offset", "1", "--execute")
    assert re.search(rf"{topic}\s+0\s+1", run("kafka-consumer-groups", *reset))
    assert {"two", "three"} == {"one", "two", "three"} & set(run(*consume, "2").split())

    # Deleted, offsets first
    listed = run("kafka-consumer-groups", "--list").split()
    assert group in listed
    assert not [name for name in listed if not name.startswith("trade_")]
    run("kafka-consumer-groups", "--delete-offsets", "--group", group, "--topic", topic)
    assert "successful" in run("kafka-consumer-groups", "--delete", "--group", group)


def test_a_console_consumer_without_a_group_is_told_so_and_reads_a_partition_without_one(
    run: Run, kordon: Kordon, kafka_tools: RunTool, tenant_topic: MakeTenantTopic
) -> None:
    topic = tenant_topic()
    run("kafka-console-producer", "--topic", topic, stdin="one\n")
    consume = ("kafka-console-consumer", "--topic", topic, "--max-messages", "1", "--timeout-ms", "15000")

    refused = kafka_tools(*consume, "--from-beginning", at=kordon.listener("trading"))
    read = run(*consume, "--partition", "0", "--offset", "earliest")

    assert re.search(r"Not authorized to access group: console-consumer-\d+", refused.output)
    assert "one" not in refused.output.split()
    assert "one" in read.split()


def test_a_group_of_the_new_protocol_consumes_by_names_and_by_a_pattern(
    run: Run, tenant_topic: MakeTenantTopic, foreign: Names, fresh: Fresh
) -> None:
    topic, group = tenant_topic("tx_foreign"), fresh("trade_848")
    run("kafka-console-producer", "--topic", topic, stdin="one\ntwo\n")
    consume = ("kafka-console-consumer", "--group", group, "--from-beginning", "--timeout-ms", "15000")
    new = ("--command-property", "group.protocol=consumer")

    by_name = run(*consume, *new, "--topic", topic, "--max-messages", "1")
    by_pattern = run(*consume, *new, "--include", ".*foreign.*", "--max-messages", "1")

    assert "one" in by_name.split()
    assert "two" in by_pattern.split()
    assert re.search(rf"{topic}\s+0\s+(-\s+)?2\s+2\s+0", run("kafka-consumer-groups", "--describe", "--group", group))


def test_a_transactional_producer_commits(run: Run, tenant_topic: MakeTenantTopic, fresh: Fresh) -> None:
    topic = tenant_topic()
    perf = ("--topic", topic, "--num-records", "500", "--record-size", "100", "--throughput", "-1")
    transactions = ("--transactional-id", fresh("trade_perf"), "--transaction-duration-ms", "50")

    assert "500 records sent" in run("kafka-producer-perf-test", *perf, *transactions)

    consume = ("--topic", topic, "--group", fresh("trade_perf"), "--from-beginning", "--max-messages", "500")
    committed = run("kafka-console-consumer", *consume, "--isolation-level", "read_committed")
    assert "Processed a total of 500 messages" in committed


def test_the_tools_find_what_another_tenant_has_as_little_as_what_nobody_has(
    kordon: Kordon, kafka_tools: RunTool, foreign: Names, missing: Names, tmp_path: Path
) -> None:
    impatient = tmp_path / "client.properties"
    impatient.write_text("default.api.timeout.ms=1500\nrequest.timeout.ms=1400\n")
    patience = ("--command-config", str(impatient))
    consume = ("--group", "trade_none", "--from-beginning", "--timeout-ms", "2000")

    def asked(names: Names) -> dict[str, tuple[str, ...]]:
        topic, group = ("--topic", names.topic), ("--group", names.group)
        records = ("--offset-json-file", records_file(tmp_path, names.topic, {0: 1}))
        return {
            "describe topic": ("kafka-topics", "--describe", *topic),
            "get offsets": ("kafka-get-offsets", *topic),
            "delete records": ("kafka-delete-records", *records, *patience),
            "describe group": ("kafka-consumer-groups", "--describe", *group),
            "consume": ("kafka-console-consumer", *topic, *consume),
        }

    def answers(names: Names) -> dict[str, tuple[int, str]]:
        commands = asked(names)
        ends = two_at_a_time(kafka_tools, commands.values(), at=kordon.listener("trading"))
        return {what: plain(done, names) for what, done in zip(commands, ends, strict=True)}

    assert answers(foreign) == answers(missing)


def plain(done: Finished, names: Names) -> tuple[int, str]:
    """How a tool ended, without names, times and what it was doing when its time was over."""
    output = done.output.replace(names.topic, "TOPIC").replace(names.group, "GROUP")
    output = "".join(line for line in output.splitlines(keepends=True) if " WARN " not in line)
    return done.code, re.sub(r"(TimeoutException): .*|\d\d:\d\d:\d\d.\d\d\d", r"\1", output)


def test_what_is_denied_is_told_in_kafkas_words(
    kordon: Kordon, kafka_tools: RunTool, tenant_topic: MakeTenantTopic, denied: Names, foreign: Names, fresh: Fresh
) -> None:
    allowed, group, topic = tenant_topic(), "GroupAuthorizationException", "TopicAuthorizationException"
    consume = ("kafka-console-consumer", "--from-beginning", "--timeout-ms", "9000")
    reset = ("--reset-offsets", "--topic", allowed, "--to-earliest", "--execute")
    perf = ("kafka-producer-perf-test", "--num-records", "1", "--record-size", "1", "--throughput", "-1")
    transactions = ("--transactional-id", denied.transactional_id, "--transaction-duration-ms", "50")
    asked = {
        ("kafka-topics", "--create", "--topic", fresh("pay_new")): topic,
        ("kafka-topics", "--delete", "--topic", denied.topic): topic,
        ("kafka-console-producer", "--topic", denied.topic): topic,
        (*consume, "--topic", denied.topic, "--group", fresh("trade_java")): topic,
        (*consume, "--topic", allowed, "--group", foreign.group): group,
        ("kafka-consumer-groups", "--group", denied.group, *reset): group,
        (*perf, "--topic", allowed, *transactions): "TransactionalIdAuthorizationException",
    }

    ends = two_at_a_time(kafka_tools, asked, at=kordon.listener("trading"), stdin="one\n")

    for error, done in zip(asked.values(), ends, strict=True):
        assert error in done.output
