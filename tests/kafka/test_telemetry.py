"""Client telemetry (KIP-714) with a broker that collects it: relayed or refused as the listener says.

The broker has a plugin, `TelemetryReporter.java`, which is compiled here and writes down what it is given.
"""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from confluent_kafka import KafkaError, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from kio.schema.errors import ErrorCode

from kordon_protocol.keys import ApiKey
from kordon_proxy.demo import prerequisites
from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from tests.kafka.fixtures import Fresh, RunTool
from tests.kafka.requests import errors_of
from tests.kafka.tenants import LISTENERS, POLICY, QUIET, eventually
from tests.kafka.wire import Tap, Wire
from tests.proxy.apis.messages import a_request

SUBSCRIPTIONS, PUSH = ApiKey.GET_TELEMETRY_SUBSCRIPTIONS, ApiKey.PUSH_TELEMETRY
METRICS: Final = ("org.apache.kafka.consumer.", "org.apache.kafka.producer.")
MOST: Final = 1 << 20
"""Bytes that a broker takes at once (`telemetry.max.bytes`)."""
TOPIC: Final = "tx_watched"


@dataclass(frozen=True, slots=True)
class Pushed:
    """What the plugin was given of one push."""

    client_id: str
    instance: UUID
    metrics: bytes


@dataclass(frozen=True, slots=True)
class Collecting:
    """A broker that collects, and Kordon in front of it; listeners `trading` (relay), `payments` (relay), `admin`."""

    kafka: Kafka
    tap: Tap
    kordon: Kordon
    file: Path

    def pushed(self, client_id: str) -> list[Pushed]:
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        found = [line.split(" ") for line in lines]
        return [Pushed(one, UUID(hex=two), bytes.fromhex(data)) for one, two, data in found if one == client_id]

    def through(self, listener: str, client_id: str = "wire") -> Wire:
        return Wire(self.kordon.listener(listener), client_id)

    def heard(self, since: int) -> list[int]:
        """The keys of what the broker was asked over clients' connections."""
        return [int.from_bytes(frame[:2], "big") for frame in self.tap.heard[since:]]


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the plugin's class."""
    folder = tmp_path_factory.mktemp("plugin")
    source = Path(__file__).with_name("TelemetryReporter.java")
    release = ("--release", str(prerequisites.OLDEST_JAVA))
    classpath = ("-cp", f"{prerequisites.jars()}/*")
    subprocess.run([prerequisites.javac(), *release, *classpath, "-d", str(folder), str(source)], check=True)
    return folder


@pytest.fixture(scope="module")
def collecting(plugin: Path, tmp_path_factory: pytest.TempPathFactory, kafka_tools: RunTool) -> Iterator[Collecting]:
    file = tmp_path_factory.mktemp("telemetry") / "pushed"
    tap = Tap(lambda: ("127.0.0.1", next(iter(kafka.nodes.values())).listeners["PLAINTEXT"]))
    with tap:
        kafka = Kafka(
            plugins=(plugin,),
            properties={
                "metric.reporters": "TelemetryReporter",
                "telemetry.file": file,
                "advertised.listeners": f"PLAINTEXT://127.0.0.1:{tap.port}",
            },
        )
        relaying = {"client_telemetry": "relay"}
        kordon = Kordon(
            clusters={"prod": f"127.0.0.1:{tap.port}"},
            policy=POLICY,
            listeners={
                "trading": LISTENERS["trading"] | relaying,
                "payments": LISTENERS["payments"] | relaying,
                "refusing": LISTENERS["trading"],
                "admin": LISTENERS["admin"],
            },
        )
        with kafka:
            subscription = ("--name", "all", "--metrics", ",".join(METRICS), "--interval", "100")
            done = kafka_tools("kafka-client-metrics", "--alter", *subscription, at=kafka.bootstrap)
            assert done.code == 0, done.output
            with kordon:
                admin = AdminClient({"bootstrap.servers": kordon.listener("admin"), **QUIET})
                admin.create_topics([NewTopic(TOPIC, 1, 1)])[TOPIC].result(30)
                yield Collecting(kafka, tap, kordon, file)


def subscriptions(instance: UUID | None = None) -> Any:
    return a_request(SUBSCRIPTIONS, 0, client_instance_id=instance)


def push(told: Any, metrics: bytes, **values: Any) -> Any:
    """What the client pushes that was told this."""
    said = {"client_instance_id": told.client_instance_id, "subscription_id": told.subscription_id, "metrics": metrics}
    return a_request(PUSH, 0, **(said | values))


def offered(wire: Wire) -> set[int]:
    asked = a_request(ApiKey.API_VERSIONS, 3, client_software_name="a", client_software_version="1")
    return {api.api_key for api in wire.ask(asked).message.api_keys}


def test_telemetry_is_offered_where_the_listener_relays_it_and_the_broker_collects(
    collecting: Collecting, kafka: Kafka
) -> None:
    with collecting.through("trading") as wire:
        assert offered(wire) >= {SUBSCRIPTIONS, PUSH}
    with collecting.through("refusing") as wire:
        assert not offered(wire) & {SUBSCRIPTIONS, PUSH}
    relaying = {"main": {"client_telemetry": "relay"}}
    elsewhere = Kordon(clusters={"prod": kafka.bootstrap}, policy="admin_roles: [admin]", listeners=relaying)
    with elsewhere, Wire(elsewhere.bootstrap) as wire:
        assert not offered(wire) & {SUBSCRIPTIONS, PUSH}
        assert errors_of(wire.ask(subscriptions()).message) == [ErrorCode.unsupported_version]


def test_a_client_is_told_its_own_id_and_what_the_platform_wants(collecting: Collecting) -> None:
    with collecting.through("trading") as ours, collecting.through("payments") as theirs:
        told, other = ours.ask(subscriptions()).message, theirs.ask(subscriptions()).message
        ids = {told.client_instance_id, other.client_instance_id}

    assert sorted(told.requested_metrics) == sorted(METRICS)
    assert told.telemetry_max_bytes == MOST
    assert None not in ids
    assert len(ids) == 2


def test_what_is_pushed_reaches_the_plugin_as_it_is_and_under_the_client_s_id(
    collecting: Collecting, fresh: Fresh
) -> None:
    client, metrics = fresh("wire"), b"metrics that nobody reads on the way"
    with collecting.through("trading", client) as wire:
        told = wire.ask(subscriptions()).message
        answer = wire.ask(push(told, metrics)).message

    assert errors_of(answer) == []
    assert collecting.pushed(client) == [Pushed(client, told.client_instance_id, metrics)]


def test_answers_are_the_broker_s_own(collecting: Collecting) -> None:
    """The same conversation with the broker and through Kordon, with ids that nobody has."""

    def answers(wire: Wire) -> list[Any]:
        told = wire.ask(subscriptions(uuid4())).message
        again = wire.ask(subscriptions(told.client_instance_id))
        wrong = wire.ask(push(told, b"x", subscription_id=told.subscription_id + 1))
        nobody = wire.ask(push(told, b"x", client_instance_id=None))
        large = wire.ask(push(told, bytes(MOST + 1), terminating=True))
        last = wire.ask(push(told, b"x", terminating=True))
        return [reply.body for reply in (again, wrong, nobody, large, last)]

    (node,) = collecting.kafka.nodes.values()
    with collecting.through("trading") as wire, Wire(node.address("PLAINTEXT")) as direct:
        through, straight = answers(wire), answers(direct)

    assert through == straight
    codes = [int.from_bytes(body[5:7], "big") for body in straight]
    assert codes == [89, 117, 42, 118, 42]


def test_where_telemetry_is_refused_the_broker_hears_nothing_and_the_connection_goes_on(
    collecting: Collecting, fresh: Fresh
) -> None:
    client, since = fresh("wire"), len(collecting.tap.heard)
    with collecting.through("refusing", client) as wire:
        asked = wire.ask(subscriptions()).message
        pushed = wire.ask(push(asked, b"metrics", client_instance_id=uuid4())).message
        found = wire.ask(a_request(ApiKey.METADATA, 12, topics=None)).message

    assert asked.client_instance_id is None
    assert errors_of(asked) == errors_of(pushed) == [ErrorCode.unsupported_version]
    assert [topic.name for topic in found.topics] == [TOPIC]
    assert not {SUBSCRIPTIONS, PUSH} & set(collecting.heard(since))
    assert collecting.pushed(client) == []


def test_a_java_client_pushes_names_of_its_own_where_that_is_relayed_and_works_where_it_is_not(
    collecting: Collecting, kafka_tools: RunTool, fresh: Fresh
) -> None:
    clients = {listener: fresh(listener) for listener in ("trading", "refusing")}
    work = ("--topic", TOPIC, "--num-records", "60", "--record-size", "10", "--throughput", "30")
    for listener, client in clients.items():
        told = ("--command-property", f"client.id={client}", *work)
        done = kafka_tools("kafka-producer-perf-test", *told, at=collecting.kordon.listener(listener))
        assert "60 records sent" in done.output
        assert "WARN" not in done.output

    eventually(lambda: collecting.pushed(clients["trading"]))
    pushed = collecting.pushed(clients["trading"])
    assert len({one.instance for one in pushed}) == 1
    assert any(TOPIC.encode() in one.metrics for one in pushed)
    assert collecting.pushed(clients["refusing"]) == []


def test_librdkafka_pushes_where_that_is_relayed_and_works_where_it_is_not(
    collecting: Collecting, fresh: Fresh
) -> None:
    clients = {listener: fresh(listener) for listener in ("trading", "refusing")}
    errors: list[KafkaError] = []
    producers: dict[str, Producer] = {}

    def note(error: KafkaError | None, _: object = None) -> None:
        if error is not None:
            errors.append(error)

    for listener, client in clients.items():
        told = {"bootstrap.servers": collecting.kordon.listener(listener), "client.id": client, **QUIET}
        producers[listener] = Producer({**told, "enable.metrics.push": True, "error_cb": note})
        producers[listener].produce(TOPIC, b"value", on_delivery=note)
        assert producers[listener].flush(30) == 0
    eventually(lambda: producers["trading"].poll(0.05) or collecting.pushed(clients["trading"]))

    assert errors == []
    assert collecting.pushed(clients["trading"])
    assert collecting.pushed(clients["refusing"]) == []
