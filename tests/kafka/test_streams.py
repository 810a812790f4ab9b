"""Kafka Streams applications, unmodified, do their work in a tenant by either protocol and find nothing of another one.

Each run is a JVM that takes its time, so one test does with it what belongs together.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from tests.kafka.fixtures import Fresh, RunTool
from tests.kafka.tenants import QUIET, eventually
from tests.kafka.word_count import COUNTS, LINES, WordCount, internal_topics

POLICY: Final = """\
policies:
  - resource: [cluster, prod]
    effect: Allow
    actions: [TOPIC_INSPECT, TOPIC_PRODUCE, GROUP_CONSUME, TRANSACTION_PRODUCE]
    roles: [writers, readers]
  - resource: [cluster, prod]
    effect: Allow
    actions: [TOPIC_CREATE, TOPIC_TRUNCATE, GROUP_EDIT, GROUP_DELETE]
    role: writers
tenants:
  - name: Words
    resources:
      - include:
          - [cluster, prod, topic, "streams-*"]
          - [cluster, prod, topic, "words-*"]
          - [cluster, prod, group, "words-*"]
          - [cluster, prod, transactional-id, "words-*"]
    roles: [writers, readers]
  - name: Elsewhere
    resources:
      - include:
          - [cluster, prod, topic, "else-*"]
          - [cluster, prod, group, "else-*"]
    roles: [writers]
"""
LISTENERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "words": {"identity": {"principal": "wanda", "roles": ["writers"]}},
    "readers": {"identity": {"principal": "rita", "roles": ["readers"]}},
    "elsewhere": {"identity": {"principal": "elsa", "roles": ["writers"]}, "tenant": "Elsewhere"},
}
PROTOCOLS: Final = [
    pytest.param("classic", "at_least_once", id="classic"),
    pytest.param("classic", "exactly_once_v2", id="classic-exactly-once"),
    pytest.param("streams", "at_least_once", id="streams"),
    pytest.param("streams", "exactly_once_v2", id="streams-exactly-once"),
]


@pytest.fixture(scope="module")
def words(kafka: Kafka) -> Iterator[Kordon]:
    """Kordon with a tenant for the word count, and one that has neither of its ends."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap, **QUIET})
    for made in admin.create_topics([NewTopic(name, 2, 1) for name in (LINES, COUNTS)]).values():
        made.result(30)
    with Kordon(clusters={"prod": kafka.bootstrap}, policy=POLICY, listeners=LISTENERS) as kordon:
        yield kordon
    for gone in admin.delete_topics([LINES, COUNTS]).values():
        gone.result(30)


def write(kordon: Kordon, line: str, *, partition: int = -1) -> None:
    """Into this partition; -1: into any."""
    producer = Producer({"bootstrap.servers": kordon.listener("words"), **QUIET})
    producer.produce(LINES, line.encode(), partition=partition)
    assert producer.flush(30) == 0


def counted(kordon: Kordon, group: str, words: set[str]) -> dict[str, int]:
    """The counts of these words, when there is one of each."""
    consumer = Consumer(
        {
            "bootstrap.servers": kordon.listener("words"),
            "group.id": group,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            **QUIET,
        }
    )
    consumer.subscribe([COUNTS])
    found: dict[str, int] = {}

    def all_there() -> bool:
        for message in consumer.consume(100, 0.5):
            assert not message.error(), message.error()
            word, count = (message.key() or b"").decode(), message.value()
            if word in words and count is not None:
                found[word] = int.from_bytes(count, "big")
        return found.keys() == words

    try:
        eventually(all_there, within=120)
    finally:
        consumer.close()
    return found


def events(kordon: Kordon, application: str) -> list[dict[str, Any]]:
    """What the audit says of the application's clients."""
    found = [event["data"] for event in kordon.audit()]
    return [data for data in found if str(data["who"].get("client_id")).startswith(application)]


def of(found: list[dict[str, Any]], api: str) -> list[dict[str, Any]]:
    return [data for data in found if data["what"]["api"] == api and data["why"]["effect"] == "Allow"]


@pytest.mark.parametrize(("protocol", "guarantee"), PROTOCOLS)
def test_a_word_count_runs_in_a_tenant(
    words: Kordon, kafka: Kafka, fresh: Fresh, tmp_path: Path, protocol: str, guarantee: str
) -> None:
    application, once, twice = fresh("words-app"), fresh("once"), fresh("twice")
    once, twice = once.replace("-", ""), twice.replace("-", "")
    write(words, f"{twice} {once} {twice}")
    settings = {"group_protocol": protocol, "processing_guarantee": guarantee}

    with WordCount(application, words.listener("words"), tmp_path, **settings) as app:
        counts = counted(words, fresh("words-reader"), {once, twice})
        purged = "DeleteRecords"
        eventually(lambda: of(events(words, application), purged), within=60)
        app.close()

    assert counts == {once: 1, twice: 2}
    changelog, repartition = internal_topics(application)
    listed = AdminClient({"bootstrap.servers": kafka.bootstrap, **QUIET}).list_topics(timeout=30).topics
    assert {changelog, repartition} <= listed.keys()
    found = events(words, application)
    assert [data for data in found if data["why"]["effect"] == "Deny"] == []
    creating = "CreateTopics" if protocol == "classic" else "StreamsGroupHeartbeat"
    resources = {tuple(path) for data in of(found, creating) for path in data["what"]["resources"]}
    assert {("cluster", "prod", "topic", name) for name in (changelog, repartition)} <= resources
    assert {path for data in of(found, purged) for path in map(tuple, data["what"]["resources"])} == {
        ("cluster", "prod", "topic", repartition)
    }


def test_the_tool_for_streams_groups_does_its_work(
    words: Kordon, kafka_tools: RunTool, fresh: Fresh, tmp_path: Path
) -> None:
    application, word = fresh("words-app"), fresh("word").replace("-", "")
    _, repartition = internal_topics(application)

    def groups(*arguments: str) -> str:
        done = kafka_tools("kafka-streams-groups", *arguments, at=words.listener("words"))
        assert done.code == 0, done.output
        return done.output

    for partition in (0, 1):  # the tool resets what has been committed, and a task commits where it has read something
        write(words, word if partition else fresh("other"), partition=partition)
    with WordCount(application, words.listener("words"), tmp_path, group_protocol="streams") as app:
        counted(words, fresh("words-reader"), {word})
        listed = groups("--list", "--state")
        members = groups("--describe", "--group", application, "--members")
        offsets = groups("--describe", "--group", application)
        app.close()

    assert re.search(rf"{application}\s+Stable", listed)
    assert f"{application}-" in members
    assert re.search(r"ACTIVE: 0:\[0,1\]; 1:\[0,1\]", members)
    assert re.search(rf"{application}\s+{repartition}\s+[01]\s+0", offsets)
    eventually(lambda: re.search(rf"{application}\s+Empty", groups("--list", "--state")))
    reset = groups("--reset-offsets", "--group", application, "--input-topic", LINES, "--to-earliest", "--execute")
    assert re.search(rf"{LINES}\s+0\s+0", reset)
    assert "successful" in groups("--delete", "--group", application)
    assert application not in groups("--list")


@pytest.mark.parametrize("protocol", ["classic", "streams"])
def test_an_application_that_may_not_create_topics_is_told_so_and_runs_where_they_are_there(
    words: Kordon, kafka: Kafka, fresh: Fresh, tmp_path: Path, protocol: str
) -> None:
    refused, prepared, word = fresh("words-app"), fresh("words-app"), fresh("word").replace("-", "")
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap, **QUIET})
    for made in admin.create_topics([NewTopic(name, 2, 1) for name in internal_topics(prepared)]).values():
        made.result(30)
    write(words, word)

    with WordCount(refused, words.listener("readers"), tmp_path, group_protocol=protocol) as app:
        app.says("TopicAuthorizationException")
    with WordCount(prepared, words.listener("readers"), tmp_path, group_protocol=protocol):
        counts = counted(words, fresh("words-reader"), {word})

    assert counts == {word: 1}
    assert not {*internal_topics(refused)} & admin.list_topics(timeout=30).topics.keys()


@pytest.mark.parametrize("protocol", ["classic", "streams"])
def test_a_source_outside_the_view_is_missing_for_an_application(
    words: Kordon, kafka: Kafka, fresh: Fresh, tmp_path: Path, protocol: str
) -> None:
    application = fresh("else-app")

    with WordCount(application, words.listener("elsewhere"), tmp_path, group_protocol=protocol) as app:
        app.says("MissingSourceTopicException")

    admin = AdminClient({"bootstrap.servers": kafka.bootstrap, **QUIET})
    assert not {*internal_topics(application)} & admin.list_topics(timeout=30).topics.keys()
