"""A cluster of three: leaders move, brokers restart and come anew. Clients go on, and never see a real address."""

from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

from kordon_protocol.codec import request_type
from kordon_protocol.keys import ApiKey
from kordon_proxy.demo import ports
from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from kordon_proxy.judging.entries import make, struct_type
from tests.kafka.fetching import topic_id_of
from tests.kafka.fixtures import Fresh
from tests.kafka.moving import (
    MOVED,
    a_kordon,
    assert_nothing_real,
    at_work,
    content,
    create,
    elect,
    go_on,
    has_moved,
    leaders,
    reassign,
)
from tests.kafka.tap import TAP_HOST, FrontTap, ended, log_lines, metric
from tests.kafka.tenants import LISTENERS, POLICY, QUIET, eventually
from tests.kafka.traffic import (
    AioConsumer,
    AioProducer,
    ConfluentConsumer,
    ConfluentProducer,
    JavaConsumer,
    JavaProducer,
)
from tests.kafka.wire import Wire, a_batch
from tests.proxy.apis.messages import a_request


@pytest.mark.known_fault(2)
def test_producers_and_consumers_go_on_while_leaders_move_and_brokers_restart(
    three_nodes: Kafka, tap: FrontTap, fresh: Fresh, tmp_path: Path
) -> None:
    # Given a topic that three producers write to and three groups read
    name, where = fresh("tx_moving"), tap.bootstrap
    create(three_nodes, name, [(1, 2, 3), (2, 3, 1), (3, 1, 2)] * 2)
    with at_work(
        lambda: ConfluentProducer("confluent", where, name),
        lambda: AioProducer("aiokafka", where, name),
        lambda: JavaProducer("java", where, name, tmp_path),
        lambda: ConfluentConsumer(fresh("trade_confluent"), where, name),
        lambda: AioConsumer(fresh("trade_aiokafka"), where, name),
        lambda: JavaConsumer(fresh("trade_java"), where, name),
    ) as clients:
        go_on(clients)

        # When a leader dies
        three_nodes.nodes[1].kill()
        eventually(lambda: not {1, -1} & set(leaders(three_nodes, name)))
        go_on(clients)

        # When it comes back at another port, and leads again
        three_nodes.nodes[1].move("PLAINTEXT", ports.free_port())
        three_nodes.nodes[1].start()
        eventually(lambda: lead_again(three_nodes, name))
        go_on(clients)

        # When another one restarts in order, at its port
        three_nodes.nodes[2].restart()
        eventually(lambda: lead_again(three_nodes, name))
        go_on(clients)

        # Then everything that was acknowledged is read
        producers, consumers = clients[:3], clients[3:]
        for producer in producers:
            producer.stop()
        acked = set().union(*(producer.done for producer in producers))
        eventually(lambda: all(acked <= consumer.done for consumer in consumers), within=60)

    # And it is there once
    found = content(three_nodes, name, 6)
    assert acked <= found.keys(), "something that was acknowledged is lost"
    assert not [value for value, count in found.items() if count > 1], "something is there twice"
    # And they have used the versions that tell addresses of leaders (the tap has seen that none was real)
    assert max(version for key, version in tap.asked if key == ApiKey.PRODUCE) >= 10
    assert max(version for key, version in tap.asked if key == ApiKey.FETCH) >= 16


@pytest.mark.known_fault(10)
def test_an_admin_client_sees_kordons_addresses_only(tap: FrontTap) -> None:
    admin = AdminClient({"bootstrap.servers": tap.bootstrap, **QUIET})
    described = admin.describe_cluster().result(30)

    base = int(tap.bootstrap.rpartition(":")[2]) + 1
    told = {(node.id, node.host, node.port) for node in described.nodes}
    assert told == {(node, TAP_HOST, base + node) for node in (1, 2, 3)}
    assert described.controller.host == TAP_HOST


def lead_again(kafka: Kafka, name: str) -> bool:
    """Let every node lead its share; whether it does."""
    elect(kafka, name, range(6))
    return leaders(kafka, name) == [1, 2, 3] * 2


@pytest.fixture
def moved(three_nodes: Kafka, fresh: Fresh) -> str:
    """A topic that node 1 has led, and node 2 does now."""
    name = fresh("tx_hints")
    create(three_nodes, name, [(1, 2)])
    eventually(lambda: leaders(three_nodes, name, 1) == [1])
    reassign(three_nodes, name, (2, 1))
    eventually(lambda: has_moved(three_nodes, name))
    return name


def produce(version: int, name: str, topic_id: Any) -> Any:
    kind = request_type(ApiKey.PRODUCE, version)
    partition = make(struct_type(kind, "topic_data", "partition_data"), index=0, records=a_batch(b"astray"))
    topic = make(struct_type(kind, "topic_data"), name=name, topic_id=topic_id, partition_data=(partition,))
    return a_request(ApiKey.PRODUCE, version, acks=1, topic_data=(topic,))


def fetch(version: int, name: str, topic_id: Any) -> Any:
    """As one who has heard of the first leader only."""
    kind = request_type(ApiKey.FETCH, version)
    partition = make(
        struct_type(kind, "topics", "partitions"), partition=0, current_leader_epoch=0, partition_max_bytes=1 << 20
    )
    topic = make(struct_type(kind, "topics"), topic_id=topic_id, partitions=(partition,))
    return a_request(ApiKey.FETCH, version, session_epoch=-1, max_bytes=1 << 20, topics=(topic,))


@pytest.mark.known_fault(2)
@pytest.mark.parametrize(
    ("make_request", "version"),
    [*((produce, version) for version in range(10, 14)), *((fetch, version) for version in (16, 17, 18))],
)
def test_whoever_asks_the_old_leader_is_told_the_new_one_at_kordons_address(
    three_nodes: Kafka, tap: FrontTap, moved: str, make_request: Any, version: int
) -> None:
    host, _, bootstrap = tap.bootstrap.rpartition(":")
    base = int(bootstrap) + 1
    with Wire(three_nodes.nodes[1].address()) as real, Wire(f"{host}:{base + 1}") as wire:
        topic_id = topic_id_of(wire, moved)
        request = make_request(version, moved, topic_id)
        answers = real.ask(request).message, wire.ask(request).message

    for answer in answers:
        (topic,) = answer.responses
        (partition,) = topic.partitions if hasattr(topic, "partitions") else topic.partition_responses
        assert partition.error_code in MOVED
        assert partition.current_leader.leader_id == 2
    ((by_kafka,), (by_kordon,)) = (answer.node_endpoints for answer in answers)
    assert f"{by_kafka.node_id} {by_kafka.host}:{by_kafka.port}" == f"2 {three_nodes.nodes[2].address()}"
    assert f"{by_kordon.node_id} {by_kordon.host}:{by_kordon.port}" == f"2 {TAP_HOST}:{base + 2}"


def test_a_broker_that_joins_gets_its_port_without_a_restart(three_nodes: Kafka) -> None:
    three_nodes.nodes[3].shut_down()
    eventually(lambda: ports.brokers(three_nodes.nodes[1].listeners["PLAINTEXT"]).keys() == {1, 2})
    with a_kordon(three_nodes) as kordon, FrontTap(kordon, "trading") as tap:
        base = int(tap.bootstrap.rpartition(":")[2]) + 1
        with Wire(tap.bootstrap) as wire:
            assert set(brokers(wire)) == {1, 2}
            with Wire(f"{TAP_HOST}:{base + 3}") as nobody:
                assert ended(nobody)

            three_nodes.nodes[3].start()

            eventually(lambda: set(brokers(wire)) == {1, 2, 3})
            assert brokers(wire)[3] == (TAP_HOST, base + 3)
        with Wire(f"{TAP_HOST}:{base + 3}") as wire:
            assert set(brokers(wire)) == {1, 2, 3}
        assert_nothing_real(tap)


def brokers(wire: Wire) -> dict[int, tuple[str, int]]:
    answer = wire.ask(a_request(ApiKey.METADATA, 12, topics=None)).message
    return {one.node_id: (one.host, one.port) for one in answer.brokers}


def test_a_broker_without_a_port_is_said_and_nobody_is_sent_to_it(three_nodes: Kafka) -> None:
    trading = {**LISTENERS["trading"], "ports": {"ids": "1-2", "advertise": TAP_HOST}}
    kordon = Kordon(clusters={"prod": three_nodes.bootstrap}, policy=POLICY, listeners={"trading": trading})
    kordon.start(wait=False)
    try:
        eventually(lambda: log_lines(kordon, "brokers_without_a_port"))
        eventually(lambda: "no port for brokers [3]" in kordon.get("/readyz")[1])
        assert kordon.get("/readyz")[0] == 503
        (line,) = log_lines(kordon, "brokers_without_a_port")
        assert (line["listener"], line["brokers"], line["level"]) == ("trading", [3], "error")
        assert metric(kordon, "kordon_unmapped_brokers", cluster="prod") == 1
        with FrontTap(kordon, "trading") as tap:
            with Wire(tap.bootstrap) as wire:
                assert brokers(wire)[3] == ("", -1)
            assert_nothing_real(tap)
    finally:
        kordon.stop()
