"""What tests of a cluster of three have in common: a Kordon behind a tap, leaders that move, clients that go on."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import pytest
from confluent_kafka import Consumer, TopicPartition
from kio.schema.errors import ErrorCode

from kordon_protocol.codec import request_type
from kordon_protocol.keys import ApiKey
from kordon_proxy.demo import ports
from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from kordon_proxy.judging.entries import make, struct_type
from tests.kafka.tap import TAP_HOST, FrontTap
from tests.kafka.tenants import LISTENERS, POLICY, QUIET, eventually
from tests.kafka.traffic import Traffic
from tests.kafka.wire import Wire
from tests.proxy.apis.messages import a_request

STEP: Final = 30
"""Records that every client has to move after each event."""
MOVED: Final = (ErrorCode.not_leader_or_follower, ErrorCode.fenced_leader_epoch)


def a_kordon(kafka: Kafka, **settings: Any) -> Kordon:
    """Kordon with a listener whose clients are told TAP_HOST."""
    trading = {**LISTENERS["trading"], "ports": {"advertise": TAP_HOST}}
    return Kordon(clusters={"prod": kafka.bootstrap}, policy=POLICY, listeners={"trading": trading, **settings})


def assert_nothing_real(tap: FrontTap) -> None:
    """Real brokers call themselves `localhost`, and Kordon binds and connects to 127.0.0.1. Clients know neither."""
    received = tap.received()
    assert any(TAP_HOST.encode() in data for data in received)
    for secret in (b"localhost", ports.HOST.encode()):
        assert not [data for data in received if secret in data], secret


@pytest.fixture(scope="module")
def moving_kordon(shared_cluster: Kafka) -> Iterator[Kordon]:
    with a_kordon(shared_cluster) as kordon:
        yield kordon


@pytest.fixture
def tap(moving_kordon: Kordon, three_nodes: Kafka) -> Iterator[FrontTap]:
    """Through it nothing may come that tells a real address."""
    with FrontTap(moving_kordon, "trading") as tap:
        yield tap
        assert_nothing_real(tap)


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


def has_moved(kafka: Kafka, name: str) -> bool:
    """Whether node 2 leads partition 0, which it is the first to do; if not, let it."""
    elect(kafka, name, [0])
    return leaders(kafka, name, 1) == leaders(kafka, name, 2) == [2]


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


# ---- clients


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
