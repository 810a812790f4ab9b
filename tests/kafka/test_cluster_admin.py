"""What is about brokers and the cluster as a whole is for who administers all of it.

A broker that is outside the view is an address that clients reach, and nothing more.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest
from confluent_kafka import Consumer, Producer
from kio.schema.errors import ErrorCode

from kordon_protocol.keys import ApiKey
from kordon_proxy.demo import tools
from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from kordon_proxy.demo.tools import Finished
from kordon_proxy.table import APIS
from tests.kafka import requests as ask
from tests.kafka.administration import (
    BROKER,
    CAF,
    LOGGER,
    METRICS,
    TAF,
    UTP,
    MakePlaced,
    ToolAt,
    at_broker,
    direct,
    say,
    things,
)
from tests.kafka.requests import GROUP, TOPIC, Things, errors_of
from tests.kafka.tenants import QUIET, eventually
from tests.kafka.wire import Reply, Wire
from tests.proxy.apis.messages import a_request

# The cluster as a whole


WHOLE: Final[list[Any]] = [
    pytest.param(lambda: ask.describe_quorum(2), id="DescribeQuorum"),
    pytest.param(lambda: ask.update_feature(2, "group.version", 1), id="UpdateFeatures"),
    pytest.param(lambda: ask.unregister_broker(0, 99), id="UnregisterBroker"),
    pytest.param(lambda: ask.unregister_broker(0, 3), id="UnregisterBroker-3"),
    pytest.param(lambda: ask.add_voter(1, 4), id="AddRaftVoter"),
    pytest.param(lambda: ask.remove_voter(0, 3), id="RemoveRaftVoter"),
]


@pytest.mark.parametrize("message", WHOLE)
@pytest.mark.parametrize("listener", ["team", "movers", "kpow"])
def test_a_tenant_that_is_not_the_whole_cluster_with_its_brokers_does_nothing_to_it(
    quiet_cluster: Kafka, administered: Kordon, message: Callable[[], Any], listener: str
) -> None:
    answer = say(administered, listener, message())

    assert int(answer.error_code) == CAF
    assert len(direct(quiet_cluster, ask.find_topics(12))[0].brokers) == 3


def test_who_administers_the_whole_cluster_looks_at_its_quorum_and_finds_no_address(
    quiet_cluster: Kafka, administered: Kordon, tool_at: ToolAt
) -> None:
    status = tool_at("ops", "kafka-metadata-quorum", "describe", "--status")
    replication = tool_at("ops", "kafka-metadata-quorum", "describe", "--replication")
    refused = tool_at("team", "kafka-metadata-quorum", "describe", "--status")

    assert status.code == replication.code == 0, status.output + replication.output
    assert "CurrentVoters:" in status.output
    assert {"Leader", "Follower"} <= set(replication.output.split())
    assert not mentions_addresses(quiet_cluster, status.output + replication.output)
    assert "ClusterAuthorizationException" in refused.output


def mentions_addresses(kafka: Kafka, text: str) -> list[str]:
    ports = [str(port) for node in kafka.nodes.values() for port in node.listeners.values()]
    return [mark for mark in ("localhost", *ports) if mark in text]


@pytest.mark.parametrize("version", APIS[ApiKey.DESCRIBE_QUORUM].versions)
def test_no_version_tells_where_controllers_are(quiet_cluster: Kafka, administered: Kordon, version: int) -> None:
    with Wire(administered.listener("ops")) as wire:
        reply = wire.ask(ask.describe_quorum(version))

    assert errors_of(reply.message) == []
    assert len(reply.message.topics[0].partitions[0].current_voters) == 3
    assert not [node for node in getattr(reply.message, "nodes", ()) if node.listeners]
    assert not real_marks(quiet_cluster, reply)


def real_marks(kafka: Kafka, reply: Reply) -> list[bytes]:
    """Real hosts and cluster id in the bytes of an answer, and ports in its texts."""
    ports = [str(port) for node in kafka.nodes.values() for port in node.listeners.values()]
    marks = (b"localhost", kafka.cluster_id.encode(), *map(str.encode, ports))
    return [mark for mark in marks if mark in reply.frame]


def test_features_are_shown_to_everybody_and_altered_by_administrators(administered: Kordon, tool_at: ToolAt) -> None:
    described = tool_at("team", "kafka-features", "describe")
    tried = tool_at("ops", "kafka-features", "upgrade", "--feature", "group.version=1", "--dry-run")
    impossible = tool_at("ops", "kafka-features", "upgrade", "--feature", "metadata.version=99")
    refused = tool_at("team", "kafka-features", "upgrade", "--feature", "group.version=1")

    assert "metadata.version" in described.output
    assert "group.version can be upgraded to 1" in tried.output
    assert "Local controller" in impossible.output
    assert "the cluster as a whole is outside the tenant Team" in refused.output


@pytest.mark.parametrize("version", APIS[ApiKey.ADD_RAFT_VOTER].versions)
def test_a_voter_is_added_by_the_id_of_the_cluster_that_the_tenant_shows(
    quiet_cluster: Kafka, administered: Kordon, version: int
) -> None:
    """A quorum whose voters stand in the configuration takes none, and says so once the id is right."""
    with Wire(administered.listener("ops")) as wire:
        shown = wire.ask(ask.find_topics(12)).message.cluster_id
        replies = wire.ask_all(
            request
            for cluster_id in (None, shown, quiet_cluster.cluster_id, "another")
            for request in (
                ask.add_voter(version, 4, cluster_id=cluster_id),
                ask.remove_voter(0, 4, cluster_id=cluster_id),
            )
        )

    unsupported, inconsistent = int(ErrorCode.unsupported_version), int(ErrorCode.inconsistent_cluster_id)
    assert [int(reply.message.error_code) for reply in replies] == [unsupported] * 4 + [inconsistent] * 4
    assert all("kraft.version" in reply.message.error_message for reply in replies[:4])
    assert not [reply for reply in replies if real_marks(quiet_cluster, reply)]


def test_a_broker_that_has_gone_is_unregistered_by_who_may_do_so(quiet_cluster: Kafka, administered: Kordon) -> None:
    node = quiet_cluster.nodes[3]
    node.shut_down()
    try:

        def unregister(listener: str, broker: int) -> Finished:
            where = ("--bootstrap-server", administered.listener(listener))
            return tools.tool("kafka-cluster", "unregister", *where, "--id", str(broker))

        refused = unregister("kpow", 3)
        assert fenced(quiet_cluster) == {3}
        missing = unregister("ops", 77)
        done = unregister("ops", 3)

        assert "outside" in refused.output or "ClusterAuthorization" in refused.output, refused.output
        assert "77" in missing.output
        assert "no longer registered" in done.output
        eventually(lambda: fenced(quiet_cluster) == set())
    finally:
        node.launch()
        for one in quiet_cluster.nodes.values():
            one.wait_until_it_sees({1, 2, 3})


def fenced(kafka: Kafka) -> set[int]:
    """Brokers that are registered and not there."""
    (answer,) = direct(kafka, ALL_BROKERS)
    return {broker.broker_id for broker in answer.brokers if broker.is_fenced}


ALL_BROKERS: Final = a_request(ApiKey.DESCRIBE_CLUSTER, 2, endpoint_type=1, include_fenced_brokers=True)


# What is hidden, and what is missing

NAMED: Final[tuple[tuple[ApiKey, str, Callable[[int, Things], Any]], ...]] = (
    (ApiKey.ELECT_LEADERS, "team", ask.elect_leaders),
    (ApiKey.ALTER_PARTITION_REASSIGNMENTS, "movers", lambda version, it: ask.move_replicas(version, it, to=(1,))),
    (ApiKey.ALTER_PARTITION_REASSIGNMENTS, "team", lambda version, it: ask.move_replicas(version, it, to=None)),
    (ApiKey.LIST_PARTITION_REASSIGNMENTS, "team", ask.list_moves),
    (ApiKey.DESCRIBE_LOG_DIRS, "movers", ask.describe_disks),
    (
        ApiKey.ALTER_CONFIGS,
        "team",
        lambda version, it: ask.replace_settings(version, (TOPIC, it.topic), setting=("retention.ms", "99999")),
    ),
    (
        ApiKey.INCREMENTAL_ALTER_CONFIGS,
        "team",
        lambda version, it: ask.alter_settings(version, (TOPIC, it.topic), setting=("retention.ms", "99999")),
    ),
    (ApiKey.CREATE_PARTITIONS, "team", ask.grow_topics),
)


@pytest.mark.parametrize(
    ("listener", "build", "version"),
    [
        pytest.param(listener, build, version, id=f"{key.name}-{version}-{listener}")
        for key, listener, build in NAMED
        for version in APIS[key].versions
    ],
)
def test_kordon_says_of_a_hidden_topic_what_the_broker_says_of_a_missing_one(
    administered: Kordon, make_placed: MakePlaced, listener: str, build: Callable[[int, Things], Any], version: int
) -> None:
    hidden = make_placed("pay", 1)
    nowhere, missing = f"{hidden[:-1]}x", f"tx.{hidden[3:]}"  # all of the same length

    with Wire(at_broker(administered, listener, 1)) as wire:
        bodies = [
            wire.ask(build(version, things(name))).body.replace(name.encode(), b"")
            for name in (hidden, nowhere, missing)
        ]

    assert bodies[0] == bodies[1] == bodies[2]


# Settings


def test_brokers_are_configured_by_who_may_edit_them(
    administered: Kordon, quiet_cluster: Kafka, tool_at: ToolAt
) -> None:
    one = ("--entity-type", "brokers", "--entity-name", "2")
    all_of_them = ("--entity-type", "brokers", "--entity-default")
    change = ("--alter", "--add-config", "log.cleaner.threads=2")

    shown = tool_at("ops", "kafka-configs", *one, "--describe", "--all")
    altered = tool_at("ops", "kafka-configs", *one, *change)
    everywhere = tool_at("ops", "kafka-configs", *all_of_them, "--alter", "--add-config", "log.retention.ms=600000000")
    loggers = tool_at("ops", "kafka-configs", "--entity-type", "broker-loggers", "--entity-name", "2", "--describe")
    refused = [
        tool_at(listener, "kafka-configs", *entity, *what)
        for listener in ("team", "kpow")
        for entity, what in ((one, ("--describe",)), (one, change), (all_of_them, change))
    ]

    assert "log.retention.hours" in shown.output
    assert not mentions_addresses(quiet_cluster, shown.output)
    assert "Completed updating config for broker 2" in altered.output
    assert "Completed updating default config for brokers" in everywhere.output
    assert "root=" in loggers.output
    assert all("ClusterAuthorizationException" in done.output for done in refused)
    (told,) = direct(quiet_cluster, ask.describe_settings(4, (BROKER, "2"), keys=("log.cleaner.threads",)), node=2)
    assert told.results[0].configs[0].value == "2"


def test_client_metrics_are_for_who_may_edit_every_broker(administered: Kordon, tool_at: ToolAt) -> None:
    entity = ("--entity-type", "client-metrics", "--entity-name", "all-of-them")

    altered = tool_at("ops", "kafka-configs", *entity, "--alter", "--add-config", "interval.ms=60000")
    described = tool_at("ops", "kafka-configs", *entity, "--describe")
    listed = tool_at("ops", "kafka-client-metrics", "--list")
    refused = [
        tool_at("team", "kafka-client-metrics", "--list"),
        tool_at("kpow", "kafka-configs", *entity, "--describe"),
        tool_at("team", "kafka-configs", *entity, "--alter", "--add-config", "interval.ms=1000"),
    ]

    assert "Completed updating config" in altered.output
    assert "interval.ms=60000" in described.output
    assert "all-of-them" in listed.output
    assert all("ClusterAuthorizationException" in done.output for done in refused)
    assert not [done for done in refused if "60000" in done.output]


def test_whatever_has_settings_is_listed_if_it_is_seen(administered: Kordon, make_placed: MakePlaced) -> None:
    own, foreign, hidden = make_placed("tx", 1), make_placed("pay", 1), make_placed("hr", 1)
    for group in ("tx.group", "pay.group"):
        setting = ("consumer.heartbeat.interval.ms", "5000")
        assert errors_of(say(administered, "ops", ask.alter_settings(1, (GROUP, group), setting=setting))) == []
    metrics = ask.alter_settings(1, (METRICS, "some"), setting=("interval.ms", "60000"))
    assert errors_of(say(administered, "ops", metrics)) == []

    def listed(listener: str, *types: int) -> set[tuple[int, str]]:
        answer = say(administered, listener, ask.list_settings(1, *types))
        assert errors_of(answer) == []
        return {(one.resource_type, one.resource_name) for one in answer.config_resources}

    brokers = {(kind, str(number)) for kind in (BROKER, LOGGER) for number in (1, 2, 3)}
    everything = {
        (TOPIC, own),
        (TOPIC, foreign),
        (TOPIC, hidden),
        (GROUP, "tx.group"),
        (GROUP, "pay.group"),
        (METRICS, "some"),
        *brokers,
    }
    eventually(lambda: (GROUP, "pay.group") in listed("ops"))
    assert listed("team") & everything == {(TOPIC, own), (GROUP, "tx.group")}
    assert {name[:3] for _, name in listed("team")} == {"tx."}
    assert listed("movers") & everything == {(TOPIC, own)}
    assert listed("ops") & everything == everything - {(TOPIC, hidden)}
    assert listed("kpow") & everything == everything - brokers - {(METRICS, "some")}
    assert errors_of(say(administered, "kpow", ask.list_settings(1, BROKER))) == [CAF]
    assert errors_of(say(administered, "team", ask.list_settings(0))) == [CAF]
    assert "some" in {one.resource_name for one in say(administered, "ops", ask.list_settings(0)).config_resources}


def settings_of(kafka: Kafka, topic: str) -> list[dict[str, str]]:
    """What was set on a topic itself, as each node knows it."""
    answers = [direct(kafka, ask.describe_settings(4, (TOPIC, topic)), node=node)[0] for node in kafka.nodes]
    return [
        {config.name: config.value for config in answer.results[0].configs if config.config_source == 1}
        for answer in answers
    ]


def set_on(kafka: Kafka, topic: str, settings: Mapping[str, str]) -> None:
    for setting in settings.items():
        assert errors_of(direct(kafka, ask.alter_settings(1, (TOPIC, topic), setting=setting))[0]) == []
    eventually(lambda: settings_of(kafka, topic) == [settings] * len(kafka.nodes))


@pytest.mark.parametrize("version", APIS[ApiKey.ALTER_CONFIGS].versions)
def test_all_settings_are_replaced_but_not_where_data_lies(
    quiet_cluster: Kafka, administered: Kordon, make_placed: MakePlaced, version: int
) -> None:
    plain, throttled, foreign = make_placed("tx", 1), make_placed("tx", 1), make_placed("pay", 1)
    size = {"max.message.bytes": "99999"}
    before = {plain: size, throttled: size | {"leader.replication.throttled.replicas": "0:1"}, foreign: size}
    for name, settings in before.items():
        set_on(quiet_cluster, name, settings)
    resources = [(TOPIC, name) for name in (foreign, plain, throttled, "pay.none")]
    setting = ("retention.ms", "77777")
    new = dict([setting])

    answer = say(administered, "team", ask.replace_settings(version, *resources, setting=setting))

    assert [one.resource_name for one in answer.responses] == [name for _, name in resources]
    assert [int(one.error_code) for one in answer.responses] == [UTP, 0, TAF, UTP], answer.responses[1].error_message
    assert "IncrementalAlterConfigs" in answer.responses[2].error_message
    eventually(lambda: settings_of(quiet_cluster, plain) == [new] * 3)
    assert {name: settings_of(quiet_cluster, name)[0] for name in (throttled, foreign)} == {
        name: before[name] for name in (throttled, foreign)
    }

    placing = ask.replace_settings(version, (TOPIC, throttled), setting=setting)
    assert errors_of(say(administered, "ops", placing)) == []
    eventually(lambda: settings_of(quiet_cluster, throttled) == [new] * 3)


@pytest.mark.parametrize("version", APIS[ApiKey.ALTER_CONFIGS].versions)
@pytest.mark.parametrize("listener", ["team", "ops"])
def test_a_resource_whose_settings_are_replaced_twice_at_once_gets_an_answer(
    administered: Kordon, make_placed: MakePlaced, version: int, listener: str
) -> None:
    """Kafka 4.3.1 answers nothing at all."""
    own = make_placed("tx", 1)
    request = ask.replace_settings(version, (TOPIC, own), (TOPIC, own), setting=("retention.ms", "77777"))

    answer = say(administered, listener, request)

    assert [int(one.error_code) for one in answer.responses] == [42, 42]
    assert {one.error_message for one in answer.responses} == {"Each resource must appear at most once."}


# Brokers that are excluded from the view


def test_clients_work_where_no_broker_is_in_the_view(
    quiet_cluster: Kafka, administered: Kordon, make_placed: MakePlaced
) -> None:
    names = [make_placed("tx", node) for node in (1, 2, 3)]
    address = administered.listener("kpow")
    producer = Producer({"bootstrap.servers": address, **QUIET})
    for name in names:
        producer.produce(name, name.encode())
    assert producer.flush(30) == 0
    consumer = Consumer({"bootstrap.servers": address, "group.id": "tx.kpow", "auto.offset.reset": "earliest", **QUIET})
    consumer.subscribe(names)
    read: list[bytes | str | None] = []

    def has_read_all() -> bool:
        read.extend(one.value() for one in consumer.consume(3, 1))
        return len(read) == 3

    eventually(has_read_all, within=60)
    consumer.close()
    assert {value for value in read if isinstance(value, bytes)} == {name.encode() for name in names}


def test_a_broker_outside_the_view_is_an_address_and_nothing_more(quiet_cluster: Kafka, administered: Kordon) -> None:
    resources = [(BROKER, "1"), (BROKER, "9"), (BROKER, ""), (LOGGER, "1"), (METRICS, "some")]
    change = ask.alter_settings(1, *resources, setting=("log.cleaner.threads", "3"))
    replacement = ask.replace_settings(2, *resources[:3], setting=("log.cleaner.threads", "3"))
    with Wire(at_broker(administered, "kpow", 1)) as wire:
        found, described, described_log_dirs, altered, replaced, moved, listed = (
            reply.message
            for reply in wire.ask_all(
                [
                    ALL_BROKERS,
                    ask.describe_settings(4, *resources),
                    ask.describe_all_disks(5),
                    change,
                    replacement,
                    ask.move_between_disks(2, things("tx.x"), path="/"),
                    ask.list_settings(1),
                ]
            )
        )

    assert {(one.broker_id, one.host) for one in found.brokers} == {
        (1, "127.0.0.1"),
        (2, "127.0.0.1"),
        (3, "127.0.0.1"),
    }
    assert [int(one.error_code) for one in described.results] == [CAF] * 5
    assert not [one for one in described.results if one.configs]
    assert (int(described_log_dirs.error_code), described_log_dirs.results) == (CAF, ())
    assert [int(one.error_code) for one in altered.responses] == [CAF] * 5
    assert [int(one.error_code) for one in replaced.responses] == [CAF] * 3
    assert errors_of(moved) == [CAF] * 2
    assert {one.resource_type for one in listed.config_resources} <= {TOPIC, GROUP}
