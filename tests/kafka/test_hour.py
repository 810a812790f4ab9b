"""The picture of one hour, step by step, with two Kordons on one store, one of which is killed in the middle."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from kio.schema.errors import ErrorCode

from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from tests.kafka import requests as ask
from tests.kafka.administration import things
from tests.kafka.fixtures import Fresh, MakeTopic, RunTool
from tests.kafka.tenants import eventually
from tests.kafka.wire import Wire

POLICY: Final = """\
admin_roles: [owners]
policies:
  - {resource: [cluster, prod, topic, "tx_*"], effect: Allow, actions: [TOPIC_INSPECT], roles: [owners, devs]}
  - {resource: [cluster, prod, group, "trade_*"], effect: Allow, actions: [GROUP_CONSUME], role: devs}
  - {resource: [cluster, prod, group, "trade_*"], effect: Allow, actions: [GROUP_EDIT], role: owners}
tenants:
  - name: Trading
    resources: [{include: [cluster, prod, group, "trade_*"]}, {include: [cluster, prod, topic, "tx_*"]}]
    roles: [owners, devs, guests]
"""
LISTENERS: Final = {
    "devs": {"identity": {"principal": "dana", "roles": ["devs"]}},
    "guests": {"identity": {"principal": "gus", "roles": ["guests"]}},
}
POISON: Final = 4
RECORDS: Final = 6


def a_kordon(kafka: Kafka, store: dict[str, Any]) -> Kordon:
    return Kordon(
        clusters={"prod": kafka.bootstrap},
        policy=POLICY,
        listeners=LISTENERS,
        settings={"store": store},
        tokens={"ann": ["owners"], "dana": ["devs"]},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two Kordons that share a store."""

    one: Kordon
    two: Kordon

    def events(self) -> list[dict[str, Any]]:
        """What both have told the audit, in the order of time, each once."""
        found = {event["id"]: event for kordon in (self.one, self.two) for event in kordon.audit()}
        return sorted(found.values(), key=lambda event: (str(event["time"]), str(event["id"])))


@pytest.fixture(params=["sqlite", "kafka"])
def pair(request: pytest.FixtureRequest, kafka: Kafka, fresh: Fresh) -> Iterator[Pair]:
    with ExitStack() as stack:
        if request.param == "kafka":
            store = {"type": "kafka", "topic": fresh("__kordon_store")}
            one = stack.enter_context(a_kordon(kafka, store))
        else:
            one = stack.enter_context(a_kordon(kafka, {}))
            store = {"file": str(one.folder / "kordon.db")}
        yield Pair(one=one, two=stack.enter_context(a_kordon(kafka, store)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck:
    """A group that does not get past a record."""

    topic: str
    group: str

    @property
    def path(self) -> str:
        return f"cluster/prod/group/{self.group}"


@pytest.fixture
def stuck(kafka: Kafka, fresh: Fresh, new_topic: MakeTopic) -> Stuck:
    topic, group = new_topic("tx_trade"), fresh("trade_b2")
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for number in range(RECORDS):
        producer.produce(topic, b"poison" if number == POISON else b"%d" % number)
    producer.flush(30)
    return Stuck(topic=topic, group=group)


def served(kordon: Kordon, stuck: Stuck) -> list[int]:
    """What the service reads until it stops, at the poison or at the end: offsets of what it has processed."""
    consumer = Consumer(
        {
            "bootstrap.servers": kordon.listener("devs"),
            "group.id": stuck.group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([stuck.topic])
    done: list[int] = []
    try:
        while True:
            record = consumer.poll(30)
            assert record is not None, "nothing comes any more"
            assert record.error() is None
            if record.value() == b"poison":
                return done
            consumer.commit(message=record, asynchronous=False)
            done.append(int(record.offset() or 0))
            if done[-1] == RECORDS - 1:
                return done
    finally:
        consumer.close()


def may_edit(wire: Wire, stuck: Stuck) -> bool:
    """Whether an open connection of dana's is let move offsets now."""
    request = ask.delete_offsets(0, replace(things("tx_none"), group=stuck.group))
    return wire.ask(request).message.error_code is not ErrorCode.group_authorization_failed


def told(kordon: Kordon, *words: str, by: str) -> dict[str, Any]:
    ran = kordon.command(*words, "--output", "json", by=by)
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def skip(kafka_tools: RunTool, kordon: Kordon, stuck: Stuck) -> str:
    words = ("--group", stuck.group, "--topic", f"{stuck.topic}:0", "--reset-offsets", "--shift-by", "1", "--execute")
    return kafka_tools("kafka-consumer-groups", *words, at=kordon.listener("devs")).output


def test_the_hour(pair: Pair, stuck: Stuck, kafka_tools: RunTool) -> None:
    one, two = pair.one, pair.two
    with Wire(two.listener("devs")) as at_two:
        # A poison message stops the group, and who is on call may not skip it.
        assert served(one, stuck) == list(range(POISON))
        assert served(two, stuck) == []
        assert "GroupAuthorizationException" in skip(kafka_tools, two, stuck)
        assert not may_edit(at_two, stuck)
        shown = told(two, "inspect", stuck.topic, "--partition", "0", "--offset", str(POISON), "-n", "1", by="dana")
        assert shown["inspected"]["records"][0]["value"]["data"] == "poison"

        why = two.command("explain", "GROUP_EDIT", stuck.path, "--live", "-o", "json", by="dana")
        assert (why.returncode, json.loads(why.stdout)["answer"]) == (1, "denied"), why.stderr

        # An owner grants the right at one Kordon, which is killed at once. It holds at the other, on open connections.
        made = told(one, "grant", "devs", "GROUP_EDIT", "--on", stuck.path, "--reason", "poison", by="ann")
        one.kill()
        eventually(partial(may_edit, at_two, stuck), within=10)

        why = two.command("explain", "GROUP_EDIT", stuck.path, "--live", "-o", "json", by="dana")
        assert (why.returncode, made["temporary_policy"]["id"] in why.stdout) == (0, True), why.stderr

        # Kafka's own tool does it, and the service goes on.
        assert "NEW-OFFSET" in skip(kafka_tools, two, stuck)
        assert served(two, stuck) == [RECORDS - 1]

        # The Kordon that was killed comes back with what is granted, and is as good as the other.
        one.start()
        with Wire(one.listener("devs")) as at_one:
            assert may_edit(at_one, stuck)

            # The hour ends by itself, on the same open connections.
            told(one, "renew", made["temporary_policy"]["id"], "--for", "2s", by="ann")
            for wire in (at_one, at_two):
                eventually(lambda wire=wire: not may_edit(wire, stuck))  # type: ignore[misc]

    # The auditor reads all of it, each once, and that nobody has changed anything since.
    eventually(lambda: {*happened(pair, stuck)[5:]} == {"EXPIRED", "refused"})
    first, last = happened(pair, stuck)[:5], happened(pair, stuck)[5:]
    assert first == ["refused", "CREATED", "STARTED", "4 to 5", "RENEWED"]
    # It is over before that is written down, so that a refusal may stand before it and another one behind it.
    assert (set(last), last.count("EXPIRED")) == ({"EXPIRED", "refused"}, 1)
    for kordon in (one, two):
        verified = kordon.command("audit", "verify", "--config", str(kordon.config_file), by="ann")
        assert verified.returncode == 0, verified.stdout


def happened(pair: Pair, stuck: Stuck) -> list[str]:
    """What the audit has of the group's offsets and of who may move them: refusals in a row are one."""
    words: list[str] = []
    for event in pair.events():
        what, why, outcome = (event["data"][part] for part in ("what", "why", "outcome"))
        action = what.get("action") or ""
        if not any(path[-1] == stuck.group for path in what.get("resources", ())):
            continue
        if action.startswith("TEMPORARY_POLICY_"):
            words.append(action.removeprefix("TEMPORARY_POLICY_"))
        elif action == "GROUP_EDIT" and why["effect"] == "Deny":
            words += [] if words[-1:] == ["refused"] else ["refused"]
        elif what.get("api") == "OffsetCommit" and outcome.get("error_name") == "NONE" and action == "GROUP_EDIT":
            place = f"{stuck.topic}-0"
            words.append(f"{what['parameters']['old_offsets'][place]} to {what['parameters']['offsets'][place]}")
    return words


def test_a_skip_that_is_scheduled_is_done_once_though_its_kordon_dies(pair: Pair, kafka: Kafka, stuck: Stuck) -> None:
    assert served(pair.one, stuck) == list(range(POISON))
    told(pair.one, "grant", "devs", "GROUP_EDIT", "--on", stuck.path, by="ann")
    member = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": stuck.group, "enable.auto.commit": False})
    member.subscribe([stuck.topic])
    eventually(lambda: member.poll(0.2) is not None)
    scheduled = told(pair.one, "groups", "skip", stuck.group, by="dana")["scheduled_mutation"]["id"]

    pair.one.kill()
    member.close()

    eventually(partial(is_done, pair.two, scheduled), within=90)
    pair.one.start()
    assert served(pair.one, stuck) == [RECORDS - 1]
    reader = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": stuck.group})
    (committed,) = reader.committed([TopicPartition(stuck.topic, 0)], timeout=30)
    reader.close()
    assert committed.offset == RECORDS


def is_done(kordon: Kordon, mutation_id: str) -> bool:
    return bool(told(kordon, "scheduled", "show", mutation_id, by="dana")["scheduled_mutation"]["state"] == "succeeded")


def test_nothing_that_was_written_after_a_revocation_reaches_who_polls_in_a_tight_loop(
    pair: Pair, kafka: Kafka, new_topic: MakeTopic
) -> None:
    topic = new_topic("tx_trade")
    path = f"cluster/prod/topic/{topic}"
    made = told(pair.one, "grant", "guests", "TOPIC_INSPECT", "--on", path, by="ann")["temporary_policy"]["id"]
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "linger.ms": 0})
    consumers = [
        Consumer({"bootstrap.servers": kordon.listener("guests"), "group.id": "none", "fetch.wait.max.ms": 50})
        for kordon in (pair.one, pair.two)
    ]
    try:
        for consumer in consumers:
            consumer.assign([TopicPartition(topic, 0, 0)])
        producer.produce(topic, b"before")
        producer.flush(30)
        for consumer in consumers:
            eventually(partial(reads, consumer, b"before"))

        told(pair.two, "revoke", made, by="ann")
        eventually(lambda: not is_live(pair.one, made))  # within a second there, too
        for _ in range(50):
            producer.produce(topic, b"after")
        producer.flush(30)

        for consumer in consumers:
            heard = [consumer.poll(0.01) for _ in range(200)]
            assert [one for one in heard if one is not None and one.error() is None and one.value() == b"after"] == []
    finally:
        for consumer in consumers:
            consumer.close()


def reads(consumer: Consumer, value: bytes) -> bool:
    record = consumer.poll(0.05)
    return record is not None and record.error() is None and record.value() == value


def is_live(kordon: Kordon, policy_id: str) -> bool:
    shown = told(kordon, "grants", "--ended", by="ann")["temporary_policies"]
    return any(one["id"] == policy_id and one["state"] == "live" for one in shown)
