"""What the demonstration is about: three teams that share one Kafka, and the people who use it through Kordon."""

import json
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import for_code

PARTITIONS: Final = 4
RECORDS: Final = 6
"""In each partition of each topic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """What a team has on the shared cluster. `groups` tells which topics each of its groups reads."""

    name: str
    topics: tuple[str, ...]
    groups: Mapping[str, tuple[str, ...]]


TEAMS: Final = (
    Team(
        name="Trading",
        topics=("tx_orders", "tx_trade1", "tx_risk_internal"),
        groups={"trade_b2": ("tx_trade1", "md_prices"), "trade_report": ("tx_orders",)},
    ),
    Team(name="Payments", topics=("pay_invoices", "pay_ledger"), groups={"pay_settle": ("pay_invoices",)}),
    Team(name="Market data", topics=("md_calendar", "md_prices"), groups={"md_check": ("md_calendar",)}),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody with a password. `sees` names the teams whose things are his."""

    name: str
    role: str
    tenant: str
    sees: tuple[str, ...]

    @property
    def password(self) -> str:
        return f"{self.name}-secret"

    @property
    def login(self) -> Mapping[str, str]:
        """The settings by which aiokafka logs in."""
        return {
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "PLAIN",
            "sasl_plain_username": self.name,
            "sasl_plain_password": self.password,
        }

    @property
    def topics(self) -> set[str]:
        """The topics in his tenant."""
        own = {topic for team in self._teams for topic in team.topics}
        hidden = set() if self.role == "owners" else {topic for topic in own if topic.endswith("_internal")}
        return (own | self.inferred) - hidden

    @property
    def inferred(self) -> set[str]:
        """The topics of other teams that are in it because a group that is in it reads them."""
        read = {topic for team in self._teams for topics in team.groups.values() for topic in topics}
        return read - {topic for team in self._teams for topic in team.topics}

    @property
    def groups(self) -> set[str]:
        """The groups in his tenant."""
        return {group for team in self._teams for group in team.groups}

    @property
    def _teams(self) -> tuple[Team, ...]:
        return tuple(team for team in TEAMS if team.name in self.sees)


DANA: Final = Person(name="dana", role="devs", tenant="Trading", sees=("Trading",))
PAUL: Final = Person(name="paul", role="payers", tenant="Payments", sees=("Payments",))
ADA: Final = Person(name="ada", role="owners", tenant="Everything", sees=tuple(team.name for team in TEAMS))
PEOPLE: Final = (DANA, PAUL, ADA)

STUCK: Final = TopicPartition("tx_trade1", 3)
"""Where a record that nobody can read stops the group `trade_b2`."""
STUCK_GROUP: Final = "trade_b2"
STUCK_AT: Final = 4
_POISON: Final = b"\x00\xff not a trade"


async def settle(bootstrap: str) -> None:
    """Create the teams' topics, fill them with records, and let their groups have read them. Raises KafkaError."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it tries again by itself while leaders are elected
    await _create_topics(bootstrap)
    await _produce_records(bootstrap)
    for team in TEAMS:
        for group, topics in team.groups.items():
            await _commit_offsets(bootstrap, group, topics)


def partitions_of(topic: str) -> tuple[TopicPartition, ...]:
    """All partitions of a topic of the teams."""
    return tuple(TopicPartition(topic, number) for number in range(PARTITIONS))


@asynccontextmanager
async def an_admin(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client, closed at the end. Raises KafkaError."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


async def _create_topics(bootstrap: str) -> None:
    topics = [NewTopic(topic, PARTITIONS, 1) for team in TEAMS for topic in team.topics]
    async with an_admin(bootstrap) as admin:
        answer = await admin.create_topics(topics)
    for name, code, *_ in answer.topic_errors:
        if code:
            raise for_code(code)(f"creating topic {name}")


async def _produce_records(bootstrap: str) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=50) as producer:
        for team in TEAMS:
            for partition in (place for topic in team.topics for place in partitions_of(topic)):
                for number in range(RECORDS):
                    value = _value(partition, number)
                    await producer.send(partition.topic, value, partition=partition.partition)


def _value(place: TopicPartition, number: int) -> bytes:
    if (place, number) == (STUCK, STUCK_AT):
        return _POISON
    told: dict[str, Any] = {"number": place.partition * RECORDS + number, "of": place.topic}
    return json.dumps(told).encode()


async def _commit_offsets(bootstrap: str, group: str, topics: tuple[str, ...]) -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    places = [place for topic in topics for place in partitions_of(topic)]
    consumer.assign(places)
    async with consumer:
        stuck = group == STUCK_GROUP
        await consumer.commit({place: STUCK_AT if stuck and place == STUCK else RECORDS for place in places})
