"""Two teams and an admin on one real cluster, behind one real Kordon."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.cimpl import NewTopic

from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from tests.kafka.fixtures import Fresh

POLICY: Final = """\
admin_roles: [admin]
policies:
  - resources:
      - [cluster, prod, topic, "tx_*"]
    effect: Allow
    actions: [TOPIC_INSPECT, TOPIC_PRODUCE, TOPIC_CREATE, TOPIC_EDIT, TOPIC_DELETE, TOPIC_TRUNCATE]
    role: traders
  - resource: [cluster, prod, group, "trade_*"]
    effect: Allow
    actions: [GROUP_CONSUME, GROUP_EDIT, GROUP_DELETE]
    role: traders
  - resource: [cluster, prod, transactional-id, "trade_*"]
    effect: Allow
    actions: [TRANSACTION_PRODUCE]
    role: traders
  - resource: [cluster, prod, topic, "tx_secret*"]
    effect: Deny
    actions: [TOPIC_INSPECT, TOPIC_PRODUCE, TOPIC_CREATE, TOPIC_EDIT, TOPIC_DELETE, TOPIC_TRUNCATE]
    role: traders
  - resource: [cluster, prod, group, "trade_secret*"]
    effect: Deny
    actions: [GROUP_CONSUME, GROUP_EDIT, GROUP_DELETE]
    role: traders
  - resource: [cluster, prod, transactional-id, "trade_secret*"]
    effect: Deny
    actions: [TRANSACTION_PRODUCE]
    role: traders
  - resource: [cluster, prod, topic, "pay_*"]
    effect: Allow
    actions: [TOPIC_INSPECT, TOPIC_PRODUCE, TOPIC_CREATE]
    role: payers
  - resource: [cluster, prod, group, "pay_*"]
    effect: Allow
    actions: [GROUP_CONSUME]
    role: payers
  - resource: [cluster, prod]
    effect: Allow
    actions: [TOPIC_INSPECT, TOPIC_PRODUCE, TOPIC_CREATE, TOPIC_EDIT, TOPIC_DELETE, TOPIC_TRUNCATE, GROUP_CONSUME,
              GROUP_EDIT, GROUP_DELETE, TRANSACTION_PRODUCE, BROKER_EDIT, PRODUCER_EDIT]
    role: admin
tenants:
  - name: Trading
    resources:
      - include:
          - [cluster, prod, topic, "tx_*"]
          - [cluster, prod, group, "trade_*"]
          - [cluster, prod, transactional-id, "trade_*"]
    roles: [traders]
  - name: Payments
    resources:
      - include:
          - [cluster, prod, topic, "pay_*"]
          - [cluster, prod, group, "pay_*"]
          - [cluster, prod, transactional-id, "pay_*"]
    roles: [payers]
  - name: Everything
    resources:
      - include: ["*"]
    roles: [admin]
"""

LISTENERS: Final = {
    "trading": {"identity": {"principal": "tina", "roles": ["traders"]}},
    "payments": {"identity": {"principal": "paul", "roles": ["payers"]}},
    "admin": {"identity": {"principal": "ada", "roles": ["admin"]}},
}

EARLIEST: Final = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
LATEST: Final = OffsetSpec.latest()  # type: ignore[no-untyped-call]
QUIET: Final = {"log_level": 2}
"""Keeps librdkafka from writing what it thinks of refusals to standard error."""
CHANGING: Final = (
    "create topics",
    "delete topics",
    "create partitions",
    "alter configs",
    "delete records",
    "delete groups",
)
"""What admin clients can change, in the words of their suites."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """A topic, a group and a transactional id."""

    topic: str
    group: str
    transactional_id: str


class MakeTenantTopic(Protocol):
    """Creates a topic with a fresh name through Kordon, which so knows of it at once, and returns the name."""

    def __call__(
        self,
        beginning: str = "tx_test",
        *,
        partitions: int = 1,
        config: Mapping[str, str] | None = None,
        at: Kordon | None = None,
    ) -> str: ...


@pytest.fixture(scope="session")
def kordon(kafka: Kafka) -> Iterator[Kordon]:
    """Kordon in front of the shared Kafka; listeners `trading`, `payments` and `admin`, each with its own identity."""
    with a_kordon(kafka) as kordon:
        yield kordon


@pytest.fixture(scope="session")
def kordon_on_asyncio(kafka: Kafka) -> Iterator[Kordon]:
    """The same on the event loop of the standard library, as where uvloop is missing."""
    with a_kordon(kafka, KORDON_EVENT_LOOP="asyncio") as kordon:
        yield kordon


@pytest.fixture(params=["kordon", "kordon_on_asyncio"])
def kordon_on_each_loop(request: pytest.FixtureRequest) -> Kordon:
    """First the one, then the other."""
    found: Kordon = request.getfixturevalue(request.param)
    return found


def a_kordon(kafka: Kafka, *, settings: Mapping[str, Any] | None = None, **environment: str) -> Kordon:
    return Kordon(
        clusters={"prod": kafka.bootstrap},
        policy=POLICY,
        listeners=LISTENERS,
        settings=settings,
        environment=environment,
    )


@pytest.fixture(scope="session")
def tenant_topic(kordon: Kordon, fresh: Fresh) -> MakeTenantTopic:
    def create(
        beginning: str = "tx_test",
        *,
        partitions: int = 1,
        config: Mapping[str, str] | None = None,
        at: Kordon | None = None,
    ) -> str:
        name = fresh(beginning)
        admin = AdminClient({"bootstrap.servers": (at or kordon).listener("admin"), **QUIET})
        admin.create_topics([NewTopic(name, partitions, 1, config=dict(config or {}))])[name].result(30)
        eventually(lambda: name in admin.list_topics(timeout=30).topics)
        eventually(lambda: has_leaders(admin, name, partitions))
        return name

    return create


def has_leaders(admin: AdminClient, topic: str, partitions: int) -> bool:
    """Whether the broker knows that it leads them. Until then it drops what is produced with acks=0."""
    asked = {TopicPartition(topic, partition): LATEST for partition in range(partitions)}
    return all(not future.exception(30) for future in admin.list_offsets(asked).values())


@pytest.fixture(scope="session")
def foreign(kordon: Kordon, tenant_topic: MakeTenantTopic, fresh: Fresh) -> Names:
    """What Payments has and Trading must not find: a topic with records, a group with an offset, a transactional id."""
    names = Names(topic=tenant_topic("pay_foreign"), group=fresh("pay_foreign"), transactional_id=fresh("pay_foreign"))
    address = kordon.listener("admin")
    producer = Producer({"bootstrap.servers": address, "transactional.id": names.transactional_id, **QUIET})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(names.topic, b"foreign")
    producer.commit_transaction(30)
    consumer = Consumer({"bootstrap.servers": address, "group.id": names.group, **QUIET})
    consumer.commit(offsets=[TopicPartition(names.topic, 0, 1)], asynchronous=False)
    consumer.close()
    return names


@pytest.fixture(scope="session")
def missing(fresh: Fresh) -> Names:
    """Names that nothing has."""
    return Names(topic=fresh("pay_missing"), group=fresh("pay_missing"), transactional_id=fresh("pay_missing"))


@pytest.fixture(scope="session")
def denied(tenant_topic: MakeTenantTopic, fresh: Fresh) -> Names:
    """What the tenant Trading sees and may do nothing with."""
    return Names(topic=tenant_topic("tx_secret"), group=fresh("trade_secret"), transactional_id=fresh("trade_secret"))


def eventually(condition: Callable[[], object], *, within: float = 30, instead: object = "") -> None:
    """Return as soon as the condition holds. Raises AssertionError when it does not within so many seconds.

    `instead` is shown then, as it is at that time: a list of lines, say.
    """
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"{condition} did not come true within {within} s: {instead}"
        time.sleep(0.02)
