"""Real Kafkas for all tests, each started when the first test wants it.

`kafka` lasts to the end of the run; the others, which few files want, to the end of each file: a node that
nobody uses takes its share of a processor. They are shared: a test works on topics and groups whose names it got from
`fresh` or `new_topic`.
"""

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.tools import Finished, tool

# Everybody's password is his name and "-secret".
USERS: Final[Mapping[str, str]] = {name: f"{name}-secret" for name in ("admin", "alice", "bob", "kordon")}

NOT_YET: Final = (
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
)

FETCH_SESSIONS: Final = 100_000
"""A broker keeps each for two minutes after its last use, be its connection closed or not; of the default's thousand,
tests would leave none for others."""


class Fresh(Protocol):
    """Returns a name that begins like this and that nobody else uses."""

    def __call__(self, beginning: str = "test") -> str: ...


class MakeTopic(Protocol):
    """Creates a topic with a fresh name (at the shared Kafka unless another is given) and returns the name."""

    def __call__(
        self,
        beginning: str = "test",
        *,
        partitions: int = 1,
        replicas: int = -1,
        config: Mapping[str, str] | None = None,
        at: Kafka | None = None,
    ) -> str: ...


class RunTool(Protocol):
    """Runs one of Kafka's console tools at an address, by default that of the shared Kafka."""

    def __call__(
        self, name: str, *arguments: str, at: str | None = None, stdin: str = "", timeout: float = 60
    ) -> Finished: ...


def two_at_a_time(run: Callable[..., Finished], commands: Iterable[Sequence[str]], **options: Any) -> list[Finished]:
    """Run tools, each of which takes a second of a processor to start. How they ended, in the order of the commands."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda command: run(*command, **options), commands))


@pytest.fixture(scope="session")
def kafka() -> Iterator[Kafka]:
    """One node, no authorizer; PLAINTEXT, and SASL_PLAINTEXT for USERS with PLAIN and SCRAM."""
    with Kafka(users=USERS, properties={"max.incremental.fetch.session.cache.slots": FETCH_SESSIONS}) as kafka:
        wait_for_coordinators(kafka.bootstrap)
        yield kafka


def wait_for_coordinators(bootstrap: str) -> None:
    """Return when the cluster coordinates groups: Kafka makes what that takes when somebody first looks for one."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "first"})
    deadline = time.monotonic() + 60
    try:
        while True:
            try:
                consumer.committed([TopicPartition("none", 0)], timeout=60)
                return
            except KafkaException as error:  # it is found a moment before it has taken its office
                if error.args[0].code() not in NOT_YET or time.monotonic() > deadline:
                    raise
    finally:
        consumer.close()


@pytest.fixture(scope="module")
def kafka_with_acls() -> Iterator[Kafka]:
    """One node with Kafka's own authorizer, to compare answers with: `admin` may do all, the others nothing yet.

    It also has SASL_SSL, and SSL for those who have a certificate (`admin` is `CN=admin` there).
    """
    with Kafka(
        users=USERS,
        tls=True,
        client_certificates="required",
        authorizer=True,
        super_users=("admin", "CN=admin"),
    ) as kafka:
        yield kafka


@pytest.fixture(scope="module")
def shared_cluster() -> Iterator[Kafka]:
    with Kafka(nodes=3, users=USERS, advertise="localhost") as kafka:
        yield kafka


@pytest.fixture
def three_nodes(shared_cluster: Kafka) -> Iterator[Kafka]:
    """A cluster whose nodes a test may end or freeze: afterwards all of them are there again."""
    yield shared_cluster
    nodes = shared_cluster.nodes.values()
    for node in nodes:
        node.resume()
        if not node.pid:
            node.launch()
    for node in nodes:
        node.wait_until_it_sees({1, 2, 3})


@pytest.fixture(scope="session")
def fresh() -> Fresh:
    def name(beginning: str = "test") -> str:
        return f"{beginning}-{uuid.uuid4().hex[:10]}"  # by no seed, so that a later run never meets it

    return name


@pytest.fixture(scope="session")
def new_topic(request: pytest.FixtureRequest, fresh: Fresh) -> MakeTopic:
    def create(
        beginning: str = "test",
        *,
        partitions: int = 1,
        replicas: int = -1,
        config: Mapping[str, str] | None = None,
        at: Kafka | None = None,
    ) -> str:
        name = fresh(beginning)
        where = at or request.getfixturevalue("kafka")
        topic = NewTopic(name, partitions, replicas, config=dict(config or {}))
        admin = AdminClient({"bootstrap.servers": where.bootstrap})
        admin.create_topics([topic])[name].result(30)
        return name

    return create


@pytest.fixture
def passing_topic(kafka: Kafka, new_topic: MakeTopic) -> Iterator[Callable[[str], str]]:
    """Makes topics that are gone when the test is over.

    For those that a group of a tenant reads though the tenant does not include them: it infers them, and every other
    Kordon at the shared Kafka would show them to its tenants of such groups.
    """
    made: list[str] = []

    def create(beginning: str) -> str:
        made.append(new_topic(beginning))
        return made[-1]

    yield create
    if not made:
        return
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    for deleted in admin.delete_topics(made).values():
        deleted.result(30)


@pytest.fixture(scope="session")
def kafka_tools(request: pytest.FixtureRequest) -> RunTool:
    def run(name: str, *arguments: str, at: str | None = None, stdin: str = "", timeout: float = 60) -> Finished:
        where = at or request.getfixturevalue("kafka").bootstrap
        return tool(name, "--bootstrap-server", where, *arguments, stdin=stdin, timeout=timeout)

    return run
