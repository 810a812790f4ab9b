"""A cluster that is administered through tenants, and what is there to look at it directly.

Four listeners: `team` sees its topics and no broker; `movers` see their topics and the brokers; `ops` see the whole
cluster but one team's topics, and edit its brokers; `kpow` is the tenant of Kpow's example, which sees everything but
the brokers, whatever rights it has.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final
from uuid import UUID

import pytest
from kio.schema.errors import ErrorCode

from kordon_protocol.keys import ApiKey
from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from kordon_proxy.demo.tools import Finished
from tests.kafka import requests as ask
from tests.kafka.fixtures import Fresh, RunTool
from tests.kafka.requests import TOPIC, Things, errors_of
from tests.kafka.tenants import eventually
from tests.kafka.wire import Wire, a_batch
from tests.proxy.apis.messages import asked

BROKER, LOGGER, METRICS = 4, 8, 16
CAF = int(ErrorCode.cluster_authorization_failed)
TAF = int(ErrorCode.topic_authorization_failed)
UTP = int(ErrorCode.unknown_topic_or_partition)
POLICY: Final = """\
policies:
  - resource: [cluster, prod]
    effect: Allow
    actions: [TOPIC_INSPECT, TOPIC_PRODUCE, TOPIC_CREATE, TOPIC_EDIT, TOPIC_DELETE, TOPIC_TRUNCATE, TOPIC_ELECT_LEADER,
              TOPIC_ALTER_REASSIGNMENTS, GROUP_CONSUME, GROUP_EDIT]
    role: "*"
  - resource: [cluster, prod]
    effect: Allow
    actions: [BROKER_EDIT, BROKER_UNREGISTER]
    roles: [ops, kpow]
  - resource: [cluster, prod, topic, "tx.keep.*"]
    effect: Deny
    actions: [TOPIC_CREATE, TOPIC_EDIT, TOPIC_TRUNCATE, TOPIC_ELECT_LEADER, TOPIC_ALTER_REASSIGNMENTS]
    role: "*"
authorized_roles: [team, movers, ops, kpow]
tenants:
  - name: Team
    resources: [{include: [[cluster, prod, topic, "tx.*"], [cluster, prod, group, "tx.*"]]}]
    roles: [team]
  - name: Movers
    resources: [{include: [[cluster, prod, topic, "tx.*"], [cluster, prod, broker, "*"]]}]
    roles: [movers]
  - name: Ops
    resources: [{include: ["*"]}, {exclude: [cluster, "*", topic, "hr.*"]}]
    roles: [ops]
  - name: Kpow
    resources: [{include: ["*"]}, {exclude: [cluster, "*", broker, "*"]}]
    roles: [kpow]
"""
LISTENERS: Final = {
    name: {"identity": {"principal": name, "roles": [name]}} for name in ("team", "movers", "ops", "kpow")
}
ROLES: Final = ("leader", "follower")
NOBODYS: Final = UUID(int=0)
BIG: Final = 900_000
"""Bytes of a record, of which a few keep a throttled replica busy for long."""


def things(topic: str) -> Things:
    return Things(topic=topic, topic_id=NOBODYS, group=topic, transactional_id=topic)


def a_kordon(kafka: Kafka) -> Kordon:
    return Kordon(clusters={"prod": kafka.bootstrap}, policy=POLICY, listeners=LISTENERS)


def direct(kafka: Kafka, *messages: Any, node: int | None = None) -> list[Any]:
    """Ask a node, or the first that lives."""
    living = [one for one in kafka.nodes.values() if one.pid and node in (None, one.node_id)]
    with Wire(living[0].address()) as wire:
        return [reply.message for reply in wire.ask_all(messages)]


def at_broker(kordon: Kordon, listener: str, broker: int) -> str:
    """Where clients of a listener find a broker."""
    with Wire(kordon.listener(listener)) as wire:
        brokers = wire.ask(ask.find_topics(12)).message.brokers
    (found,) = (one for one in brokers if one.node_id == broker)
    return f"{found.host}:{found.port}"


def say(kordon: Kordon, listener: str, message: Any, *, broker: int | None = None) -> Any:
    """One request on a connection of its own."""
    address = kordon.listener(listener) if broker is None else at_broker(kordon, listener, broker)
    with Wire(address) as wire:
        return wire.ask(message).message


# ---- a cluster of three


@pytest.fixture(scope="module")
def quiet_cluster() -> Iterator[Kafka]:
    """Three nodes; nobody moves leaders but the tests."""
    with Kafka(nodes=3, advertise="localhost", properties={"auto.leader.rebalance.enable": "false"}) as kafka:
        yield kafka


@pytest.fixture(scope="module")
def administered(quiet_cluster: Kafka) -> Iterator[Kordon]:
    """Kordon in front of it."""
    with a_kordon(quiet_cluster) as kordon:
        yield kordon


MakePlaced = Callable[..., str]


@pytest.fixture
def make_placed(quiet_cluster: Kafka, fresh: Fresh) -> MakePlaced:
    """Makes a topic with one partition on these nodes, the leader first, and returns its name; its replicas move
    slowly if it is `slow`."""

    def make(beginning: str, *nodes: int, slow: bool = False) -> str:
        name = fresh(f"{beginning}.").replace("-", "")
        place = asked(ApiKey.CREATE_TOPICS, 7, "topics", "assignments", partition_index=0, broker_ids=nodes)
        topic = ask.create_topics(7, things(name), num_partitions=-1, replication_factor=-1, assignments=(place,))
        (made,) = direct(quiet_cluster, topic)
        assert errors_of(made) == []
        eventually(lambda: leader(quiet_cluster, name) == nodes[0])
        if slow:
            slow_down(quiet_cluster, name)
        return name

    return make


def partition(kafka: Kafka, topic: str, node: int | None = None) -> Any:
    (answer,) = direct(kafka, ask.find_topics(12, things(topic), creating=False), node=node)
    return answer.topics[0].partitions[0] if answer.topics[0].partitions else None


def leader(kafka: Kafka, topic: str) -> int | None:
    found = partition(kafka, topic)
    return None if found is None else int(found.leader_id)


def replicas(kafka: Kafka, topic: str) -> list[int]:
    return list(partition(kafka, topic).replica_nodes)


def moves(kafka: Kafka) -> set[str]:
    """Topics that are being moved."""
    (answer,) = direct(kafka, ask.list_all_moves(0))
    return {topic.name for topic in answer.topics}


def slow_down(kafka: Kafka, topic: str) -> None:
    """Fill it, and let its replicas be copied by a byte a second."""
    for node in kafka.nodes:
        for role in ROLES:
            setting = (f"{role}.replication.throttled.rate", "1")
            direct(kafka, ask.alter_settings(1, (BROKER, str(node)), setting=setting), node=node)
    for role in ROLES:
        setting = (f"{role}.replication.throttled.replicas", "*")
        direct(kafka, ask.alter_settings(1, (TOPIC, topic), setting=setting))
    for _ in range(5):
        big = ask.produce(12, things(topic), batch=a_batch(bytes(BIG)))
        (written,) = direct(kafka, big, node=leader(kafka, topic))
        assert errors_of(written) == []


def reorder(kafka: Kafka, topic: str, *nodes: int) -> None:
    """Let another of its nodes be the one that should lead it; none has to be copied for that."""
    (answer,) = direct(kafka, ask.move_replicas(1, things(topic), to=nodes))
    assert errors_of(answer) == []
    eventually(lambda: replicas(kafka, topic) == list(nodes))


ToolAt = Callable[..., Finished]


@pytest.fixture
def tool_at(administered: Kordon, kafka_tools: RunTool) -> ToolAt:
    """Runs a tool at a listener of Kordon."""

    def run(listener: str, name: str, *arguments: str, stdin: str = "") -> Finished:
        return kafka_tools(name, *arguments, at=administered.listener(listener), stdin=stdin)

    return run
