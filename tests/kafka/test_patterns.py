"""Patterns of the new group protocol (KIP-848) under a tenant: the broker never gets to evaluate them."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from kio.schema.errors import ErrorCode

from kordon_protocol.codec import read_request
from kordon_protocol.header import peek_request
from kordon_protocol.keys import ApiKey
from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from tests.kafka import requests as ask
from tests.kafka.changing import Changing, hiding
from tests.kafka.fixtures import Fresh
from tests.kafka.java_consumers import JavaConsumer, a_pattern_consumer, compile_pattern_consumer
from tests.kafka.neighbours import Neighbours
from tests.kafka.requests import Things
from tests.kafka.tenants import POLICY, QUIET, MakeTenantTopic, a_kordon, eventually
from tests.kafka.wire import Wire


def polled_until(consumer: Consumer, done: Callable[[set[str]], bool], seconds: float = 60) -> set[str]:
    """Poll until the assigned topics are as wanted; give them anyway when time is up."""
    end = time.monotonic() + seconds
    assigned: set[str] = set()
    while not done(assigned) and time.monotonic() < end:
        consumer.poll(0.2)
        assigned = {partition.topic for partition in consumer.assignment()}
    return assigned


def create(address: str, *names: str) -> None:
    client = AdminClient({"bootstrap.servers": address, **QUIET})
    for future in client.create_topics([NewTopic(name, 1, 1) for name in names]).values():
        future.result(30)


def produce(address: str, topic: str, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": address, **QUIET})
    producer.produce(topic, value)
    assert producer.flush(30) == 0


@pytest.mark.known_fault(11)
def test_a_pattern_is_assigned_topics_of_the_view_old_and_new(kordon: Kordon, kafka: Kafka, fresh: Fresh) -> None:
    tag = fresh("c6")
    old, foreign = f"tx_{tag}_old", f"pay_{tag}_old"
    create(kordon.listener("admin"), old, foreign)
    consumer = Consumer(
        {
            "bootstrap.servers": kordon.listener("trading"),
            "group.id": f"trade_{tag}",
            "group.protocol": "consumer",
            "auto.offset.reset": "earliest",
        }
    )
    try:
        consumer.subscribe([f"^(tx|pay)_{tag}_.*"])
        assert polled_until(consumer, lambda topics: bool(topics)) == {old}

        new = f"tx_{tag}_new"
        create(kordon.listener("admin"), new, f"pay_{tag}_new")
        assert polled_until(consumer, lambda topics: new in topics) == {old, new}

        client = AdminClient({"bootstrap.servers": kafka.bootstrap})
        (member,) = client.describe_consumer_groups([f"trade_{tag}"])[f"trade_{tag}"].result(30).members
        assert {partition.topic for partition in member.assignment.topic_partitions} == {old, new}
    finally:
        consumer.close()


@pytest.mark.parametrize("pattern", ["^.*", "^[^y]*_.*TAG.*", "^tx_TAG|^pay_TAG"])
def test_a_pattern_of_the_classic_protocol_finds_topics_of_the_view_and_follows_it(
    changing: Changing, tenant_topic: MakeTenantTopic, fresh: Fresh, pattern: str
) -> None:
    """The client evaluates it over the names that it is told."""
    tag = fresh("classic").replace("-", "")
    stays, leaves = (tenant_topic(f"tx_{tag}", at=changing.kordon) for _ in range(2))
    foreign = tenant_topic(f"pay_{tag}", at=changing.kordon)
    consumer = Consumer(
        {
            "bootstrap.servers": changing.trading,
            "group.id": fresh("trade_classic"),
            "topic.metadata.refresh.interval.ms": 500,
            "heartbeat.interval.ms": 500,
            **QUIET,
        }
    )
    try:
        consumer.subscribe([pattern.replace("TAG", tag)])
        before = polled_until(consumer, lambda topics: {stays, leaves} <= topics)
        changing.put_in_force(hiding(leaves))
        after = polled_until(consumer, lambda topics: topics != set() and leaves not in topics)
    finally:
        consumer.close()

    assert {stays, leaves} <= before
    assert (stays in after, leaves in after) == (True, False)
    assert not [name for name in before | after if name == foreign or not name.startswith("tx_")]


# Over a bare socket


class Member:
    """One member of the new protocol."""

    def __init__(self, wire: Wire, group: str) -> None:
        self.wire = wire
        self.things = Things(topic="", topic_id=uuid4(), group=group, transactional_id="", member_id=str(uuid4()))
        self.epoch = 0
        self.assigned: set[UUID] = set()

    def beat(self, **said: Any) -> ErrorCode:
        """Say something, or nothing new. The assignment is taken and owned."""
        told: dict[str, Any] = {"subscribed_topic_names": None, **said}
        answer = self.wire.ask(ask.beat(1, self.things, epoch=self.epoch, **told)).message
        code: ErrorCode = answer.error_code
        if code is ErrorCode.none:
            self.epoch = answer.member_epoch
            if answer.assignment is not None:
                self.assigned = {part.topic_id for part in answer.assignment.topic_partitions}
        return code

    def own(self) -> ErrorCode:
        """Say that it has what it was assigned, so that what it has not is free."""
        owned = (replace(self.things, topic_id=topic_id) for topic_id in self.assigned)
        return self.beat(topic_partitions=ask.owned(1, *owned))


def subscriptions_heard(neighbours: Neighbours, since: int) -> list[tuple[tuple[str, ...] | None, str | None]]:
    """Names and pattern of each heartbeat that the broker has got from a tenant."""
    heard = []
    for frame in neighbours.tap.heard[since:]:
        head = peek_request(frame)
        if head.api_key == ApiKey.CONSUMER_GROUP_HEARTBEAT and head.client_id == "client":
            message: Any = read_request(head.api_key, head.api_version, frame, head.body_offset).message
            heard.append((message.subscribed_topic_names, message.subscribed_topic_regex))
    return heard


def test_the_broker_hears_names_of_the_view_and_no_pattern(neighbours: Neighbours, fresh: Fresh) -> None:
    group, new = fresh("acme-pattern"), fresh("acme.pattern")
    since = len(neighbours.tap.heard)
    with neighbours.through() as wire, neighbours.through("globex") as globex:
        visible = {topic.topic_id: topic.name for topic in wire.ask(ask.find_all_topics(12)).message.topics}
        member = Member(wire, group)
        assert member.beat(subscribed_topic_regex="[a-g].*") is ErrorCode.none
        eventually(lambda: member.beat() is ErrorCode.none and member.assigned == visible.keys())

        # One that comes into the view joins the subscription with the next heartbeat, and one that does not never
        for through, name in ((wire, new), (globex, fresh("globex.pattern"))):
            made = Things(topic=name, topic_id=uuid4(), group="", transactional_id="")
            assert ask.errors_of(through.ask(ask.create_topics(7, made)).message) == []
        assert member.own() is ErrorCode.none
        eventually(lambda: member.beat() is ErrorCode.none and len(member.assigned) == len(visible) + 1)

        # It is told what has changed, and the pattern is over when the client says so
        assert member.beat(subscribed_topic_regex="") is ErrorCode.none

    names = tuple(sorted(visible.values()))
    said = [(heard, pattern) for heard, pattern in subscriptions_heard(neighbours, since) if heard is not None]
    assert said == [(names, ""), (tuple(sorted((*names, new))), None), ((), "")]
    assert {pattern for _, pattern in subscriptions_heard(neighbours, since)} == {"", None}


def test_a_member_on_another_connection_is_asked_once_for_its_pattern(neighbours: Neighbours, fresh: Fresh) -> None:
    with neighbours.through() as first, neighbours.through() as second:
        member = Member(first, fresh("acme-pattern"))
        assert member.beat(subscribed_topic_regex="acme.*") is ErrorCode.none
        eventually(lambda: member.beat() is ErrorCode.none and member.assigned)
        since = len(neighbours.tap.heard)
        member.wire = second

        codes = [member.beat(), member.beat(subscribed_topic_regex="acme.*"), member.beat()]

    assert codes == [ErrorCode.not_coordinator, ErrorCode.none, ErrorCode.none]
    (names, pattern), quiet = subscriptions_heard(neighbours, since)
    assert (names is not None, pattern, quiet) == (True, "", (None, None))


@pytest.mark.parametrize("pattern", ["(", "acme.(?=a)", "x" * 5000, "[^\\pL]" * 600])
def test_a_pattern_that_is_none_is_told_so_and_the_broker_hears_nothing(
    neighbours: Neighbours, fresh: Fresh, pattern: str
) -> None:
    since = len(neighbours.tap.heard)
    with neighbours.through() as wire:
        member = Member(wire, fresh("acme-pattern"))
        assert member.beat(subscribed_topic_regex=pattern) is ErrorCode.invalid_regular_expression
        assert subscriptions_heard(neighbours, since) == []
        assert member.beat(subscribed_topic_regex="acme.*") is ErrorCode.none


def test_what_leaves_the_view_leaves_subscription_and_assignment_and_comes_back_with_it(
    changing: Changing, kafka: Kafka, tenant_topic: MakeTenantTopic, fresh: Fresh
) -> None:
    tag, group = fresh("tx_leaves"), fresh("trade_leaves")
    topics = [tenant_topic(tag, at=changing.kordon) for _ in range(2)]
    with Wire(changing.trading) as wire, Wire(kafka.bootstrap, "direct") as direct:
        ids = {topic.name: topic.topic_id for topic in direct.ask(ask.find_all_topics(12)).message.topics}
        stays, leaves = (ids[topic] for topic in topics)
        member = Member(wire, group)

        def subscribed() -> set[str]:
            """What the coordinator knows of it."""
            (found,) = direct.ask(ask.describe_consumers(1, group)).message.groups[0].members
            assert not found.subscribed_topic_regex
            return set(found.subscribed_topic_names)

        assert member.beat(subscribed_topic_regex=f"{tag}.*") is ErrorCode.none
        eventually(lambda: member.beat() is ErrorCode.none and member.assigned == {stays, leaves})
        assert subscribed() == set(topics)

        changing.put_in_force(hiding(topics[1]))
        assert member.beat() is ErrorCode.none
        assert member.assigned == {stays}
        assert subscribed() == {topics[0]}
        assert member.own() is ErrorCode.none

        changing.put_in_force(POLICY)
        assert member.beat() is ErrorCode.none
        assert subscribed() == set(topics)
        eventually(lambda: member.beat() is ErrorCode.none and member.assigned == {stays, leaves})


# Java's consumer


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_pattern_consumer(tmp_path_factory.mktemp("classes"))


def assigned(*topics: str) -> str:
    """How the consumer prints it."""
    return " ".join(("assigned", *sorted(topics)))


def await_line(consumer: JavaConsumer, line: str) -> None:
    eventually(lambda: line in consumer.lines, within=60, instead=consumer.lines)


def test_a_pattern_of_javas_consumer_outlives_the_kordon_that_it_was_said_to(
    kafka: Kafka, fresh: Fresh, classes: Path
) -> None:
    tag = fresh("java")
    topics = [f"tx_{tag}_{number}" for number in range(3)]
    with a_kordon(kafka) as kordon:
        admin, trading = kordon.listener("admin"), kordon.listener("trading")
        create(admin, topics[0], f"pay_{tag}_0")
        for team in ("tx", "pay"):
            produce(admin, f"{team}_{tag}_0", team.encode())
        with a_pattern_consumer(trading, fresh("trade_java"), f"(tx|pay)_{tag}_.*", classes) as consumer:
            await_line(consumer, f"record {topics[0]} tx")

            create(admin, topics[1], f"pay_{tag}_1")
            await_line(consumer, assigned(*topics[:2]))

            kordon.terminate()
            kordon.start()
            create(admin, topics[2], f"pay_{tag}_2")
            await_line(consumer, assigned(*topics))
            produce(admin, topics[2], b"last")
            await_line(consumer, f"record {topics[2]} last")

    assert not [line for line in consumer.lines if "pay_" in line or "error" in line]


def test_javas_consumer_loses_a_topic_with_the_view_and_goes_on_with_the_others(
    changing: Changing, kafka: Kafka, tenant_topic: MakeTenantTopic, fresh: Fresh, classes: Path
) -> None:
    tag = fresh("tx_javas")
    stays, leaves = (tenant_topic(tag, at=changing.kordon) for _ in range(2))
    with a_pattern_consumer(changing.trading, fresh("trade_javas"), f"{tag}.*", classes) as consumer:
        await_line(consumer, assigned(stays, leaves))

        changing.put_in_force(hiding(leaves))
        for topic in (leaves, stays):
            produce(kafka.bootstrap, topic, b"meanwhile")
        await_line(consumer, f"record {stays} meanwhile")
        await_line(consumer, assigned(stays))
        assert f"record {leaves} meanwhile" not in consumer.lines

        changing.put_in_force(POLICY)
        await_line(consumer, f"record {leaves} meanwhile")

    assert not [line for line in consumer.lines if line.startswith("error")]


def test_javas_consumer_is_told_that_its_pattern_is_none(kordon: Kordon, fresh: Fresh, classes: Path) -> None:
    with a_pattern_consumer(kordon.listener("trading"), fresh("trade_java"), "tx_(", classes) as consumer:
        eventually(lambda: consumer.lines, within=60)
    (line,) = consumer.lines
    assert line.startswith("error InvalidRegularExpression ")
    assert "missing )" in line
