"""A cluster of three: leaders move, brokers restart and come anew. Clients go on, and never see a real address."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from kio.schema.errors import ErrorCode

from kordon_protocol.codec import request_type
from kordon_protocol.keys import ApiKey
from kordon_proxy.demo import ports
from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from kordon_proxy.judging.entries import make, struct_type
from tests.kafka.fixtures import Fresh
from tests.kafka.tap import TAP_HOST, FrontTap, ended, log_lines, metric
from tests.kafka.tenants import LISTENERS, POLICY, QUIET, eventually
from tests.kafka.traffic import (
    AioConsumer,
    AioProducer,
    ConfluentConsumer,
    ConfluentProducer,
    JavaConsumer,
    JavaProducer,
    Traffic,
)
from tests.kafka.wire import Wire, a_batch
from tests.proxy.apis.messages import a_request

STEP: Final = 30
"""Records that every client has to move after each event."""
MOVED: Final = (ErrorCode.not_leader_or_follower, ErrorCode.fenced_leader_epoch)


def a_kordon(kafka: Kafka, **settings: Any) -> Kordon:
    """Kordon with a listener whose clients are told TAP_HOST."""
    trading = {**LISTENERS["trading"], "ports": {"advertise": TAP_HOST}}
    return Kordon(clusters={"prod": kafka.bootstrap}, policy=POLICY, listeners={"trading": trading, **settings})


@pytest.fixture(scope="module")
def kordon(shared_cluster: Kafka) -> Iterator[Kordon]:
    with a_kordon(shared_cluster) as kordon:
        yield kordon


@pytest.fixture
def tap(kordon: Kordon, three_nodes: Kafka) -> Iterator[FrontTap]:
    """Through it nothing may come that tells a real address."""
    with FrontTap(kordon, "trading") as tap:
        yield tap
        assert_nothing_real(tap)


def assert_nothing_real(tap: FrontTap) -> None:
    """Real brokers call themselves `localhost`, and Kordon binds and connects to 127.0.0.1. Clients know neither."""
    received = tap.received()
    assert any(TAP_HOST.encode() in data for data in received)
    for secret in (b"localhost", ports.HOST.encode()):
        assert not [data for data in received if secret in data], secret


# ---- the cluster, asked and changed directly


def directly(kafka: Kafka, message: Any, node: int | None = None) -> Any:
    """Ask a node, or the first that lives."""
    living = [one for one in kafka.nodes.values() if one.pid and node in (None, one.node_id)]
    with Wire(living[0].address()) as wire:
        return wire.ask(message).message


def create(kafka: Kafka, name: str, assignments: Sequence[Sequence[int]]) -> None:
    """A topic whose partitions are on these nodes, the leaders first."""
    kind = struct_type(request_type(ApiKey.CREATE_TOPICS, 5), "topics")
    place = struct_type(kind, "assignments")
    places = tuple(make(place, partition_index=i, broker_ids=tuple(nodes)) for i, nodes in enumerate(assignments))
    topic = make(kind, name=name, num_partitions=-1, replication_factor=-1, assignments=places)
    (answer,) = directly(kafka, a_request(ApiKey.CREATE_TOPICS, 5, topics=(topic,))).topics
    assert answer.error_code is ErrorCode.none, answer


def leaders(kafka: Kafka, name: str, node: int | None = None) -> list[int]:
    """Who leads each partition, in the eyes of a node; -1 where nobody does."""
    kind = struct_type(request_type(ApiKey.METADATA, 7), "topics")
    (topic,) = directly(kafka, a_request(ApiKey.METADATA, 7, topics=(make(kind, name=name),)), node).topics
    return [one.leader_id for one in sorted(topic.partitions, key=lambda one: one.partition_index)]


def elect(kafka: Kafka, name: str, partitions: Iterable[int]) -> None:
    """Let the first of each partition's nodes lead it."""
    kind = struct_type(request_type(ApiKey.ELECT_LEADERS, 2), "topic_partitions")
    asked = make(kind, topic=name, partitions=tuple(partitions))
    directly(kafka, a_request(ApiKey.ELECT_LEADERS, 2, election_type=0, topic_partitions=(asked,)))


def reassign(kafka: Kafka, name: str, nodes: Sequence[int]) -> None:
    """Put partition 0 on these nodes."""
    kind = struct_type(request_type(ApiKey.ALTER_PARTITION_REASSIGNMENTS, 0), "topics")
    partition = make(struct_type(kind, "partitions"), partition_index=0, replicas=tuple(nodes))
    topic = make(kind, name=name, partitions=(partition,))
    answer = directly(kafka, a_request(ApiKey.ALTER_PARTITION_REASSIGNMENTS, 0, topics=(topic,)))
    assert answer.error_code is ErrorCode.none


def content(kafka: Kafka, name: str, partitions: int) -> Counter[str]:
    """Every record of a topic, straight from the brokers."""
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "unused", **QUIET})
    try:
        places = [TopicPartition(name, partition, 0) for partition in range(partitions)]
        count = sum(consumer.get_watermark_offsets(place, 30)[1] for place in places)
        consumer.assign(places)
        found: Counter[str] = Counter()
        while found.total() < count:
            some = consumer.consume(count - found.total(), 30)
            assert some
            found.update((message.value() or b"").decode() for message in some)
        return found
    finally:
        consumer.close()


# ---- what is shown


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


@contextmanager
def at_work(*make: Callable[[], Traffic]) -> Iterator[list[Traffic]]:
    """Clients that are ended with the test, whatever happens."""
    clients: list[Traffic] = []
    with ExitStack() as stack:
        for one in make:
            clients.append(one())
            stack.callback(clients[-1].stop)
        yield clients


def go_on(clients: Sequence[Traffic]) -> None:
    """Return when every client has moved some more records."""
    before = [len(client.done) for client in clients]

    def behind() -> list[str]:
        return [client.name for client, count in zip(clients, before, strict=True) if len(client.done) < count + STEP]

    eventually(lambda: not behind(), within=60)


def lead_again(kafka: Kafka, name: str) -> bool:
    """Let every node lead its share; whether it does."""
    elect(kafka, name, range(6))
    return leaders(kafka, name) == [1, 2, 3] * 2


@pytest.fixture
def moved(three_nodes: Kafka, kordon: Kordon, fresh: Fresh) -> str:
    """A topic that node 1 has led, and node 2 does now."""
    name = fresh("tx_hints")
    create(three_nodes, name, [(1, 2)])
    eventually(lambda: leaders(three_nodes, name, 1) == [1])
    reassign(three_nodes, name, (2, 1))

    def elected() -> bool:
        elect(three_nodes, name, [0])
        return leaders(three_nodes, name, 1) == leaders(three_nodes, name, 2) == [2]

    eventually(elected)
    return name


def the_id(wire: Wire, name: str) -> Any:
    kind = struct_type(request_type(ApiKey.METADATA, 12), "topics")
    (topic,) = wire.ask(a_request(ApiKey.METADATA, 12, topics=(make(kind, name=name),))).message.topics
    assert topic.error_code is ErrorCode.none
    return topic.topic_id


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
        topic_id = the_id(wire, moved)
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
