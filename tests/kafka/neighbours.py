"""One real cluster that two tenants cut apart, full of things that the one has and the other must not find.

Acme has `acme.…` and `acme-…` without `acme.vault.…`; Globex has what stands before it in the alphabet, in its midst
and behind it. Policies allow everybody everything, so that the view alone stands between them. Between Kordon and
Kafka there is a tap, and Kafka creates topics that are asked for.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from kordon_protocol.keys import ApiKey
from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from tests.kafka.requests import (
    GROUP,
    LONG,
    TOPIC,
    Things,
    alter_settings,
    beat,
    commit,
    create_topics,
    describe_consumers,
    describe_groups,
    describe_producers,
    describe_settings,
    describe_transactions,
    end_transaction,
    errors_of,
    fetch_many_offsets,
    find_all_topics,
    find_coordinator,
    init_producer,
    join,
    list_groups,
    list_offsets,
    produce,
    sync,
)
from tests.kafka.tenants import eventually
from tests.kafka.wire import Tap, Wire, a_batch
from tests.proxy.apis.exchanges import asked

POLICY: Final = """\
policies:
  - resource: [cluster, prod]
    effect: Allow
    actions: [TOPIC_INSPECT, TOPIC_PRODUCE, TOPIC_CREATE, TOPIC_EDIT, TOPIC_DELETE, TOPIC_TRUNCATE, GROUP_CONSUME,
              GROUP_EDIT, GROUP_DELETE, TRANSACTION_PRODUCE, BROKER_EDIT]
    role: "*"
tenants:
  - name: Acme
    resources: &acme
      - include:
          - [cluster, prod, topic, "acme.*"]
          - [cluster, prod, group, "acme-*"]
          - [cluster, prod, transactional-id, "acme-*"]
      - exclude:
          - [cluster, prod, topic, "acme.vault.*"]
          - [cluster, prod, group, "acme-vault-*"]
          - [cluster, prod, transactional-id, "acme-vault-*"]
    roles: [acme]
  - name: Strict
    resources: *acme
    roles: [strict]
    outside_view: denied
  - name: Globex
    resources:
      - include:
          - [cluster, prod, topic, "abba.*"]
          - [cluster, prod, group, "abba-*"]
          - [cluster, prod, transactional-id, "abba-*"]
      - include:
          - [cluster, prod, topic, "acme.vault.*"]
          - [cluster, prod, group, "acme-vault-*"]
          - [cluster, prod, transactional-id, "acme-vault-*"]
      - include:
          - [cluster, prod, topic, "globex.*"]
          - [cluster, prod, group, "globex-*"]
          - [cluster, prod, transactional-id, "globex-*"]
    roles: [globex]
"""
LISTENERS: Final = {
    "acme": {"identity": {"principal": "alice", "roles": ["acme"]}},
    "strict": {"identity": {"principal": "sue", "roles": ["strict"]}},
    "globex": {"identity": {"principal": "gus", "roles": ["globex"]}},
}

SESSION: Final = int(LONG.total_seconds() * 1000)
RECORDS: Final = (b"one", b"two", b"three")


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """The cluster, and who has what in it."""

    kafka: Kafka
    tap: Tap
    kordon: Kordon
    foreign: tuple[Things, ...]
    """What Globex has, and one topic that is Kafka's own."""
    missing: tuple[Things, ...]
    """Their counterparts that do not exist, in the same order."""
    own: Things
    """Acme's, with a consumer in the middle of its work."""
    idle: Things
    """Acme's too, and nobody is at it."""

    @property
    def marks(self) -> tuple[bytes, ...]:
        """What Acme must never get to see: names and ids of others, the real addresses, the real cluster id."""
        (node,) = self.kafka.nodes.values()
        ports = (node.listeners["PLAINTEXT"], self.tap.port)
        addresses = (mark for port in ports for mark in (port.to_bytes(4, "big"), f":{port}".encode()))
        names = {mark for things in self.foreign for mark in things.marks}
        return (self.kafka.cluster_id.encode(), *addresses, *names)

    def direct(self) -> Wire:
        """A connection to Kafka that nobody overhears."""
        (node,) = self.kafka.nodes.values()
        return Wire(node.address("PLAINTEXT"), "direct")

    def through(self, listener: str = "acme", client_id: str = "client") -> Wire:
        """A connection through Kordon; Acme's unless another listener is named."""
        return Wire(self.kordon.listener(listener), client_id)

    def state(self) -> tuple[Any, ...]:
        """All that there is of what Acme must not touch, and of what must not come into being."""
        things = (*self.foreign, *self.missing)
        topics = tuple({one.topic: one for one in self.foreign if not one.topic.startswith("__")}.values())
        groups = tuple({one.group: None for one in things})
        settings = (*((TOPIC, one.topic) for one in topics), *((GROUP, group) for group in groups))
        with self.direct() as wire:
            everything, listed, *rest = (
                reply.message
                for reply in wire.ask_all(
                    [
                        find_all_topics(12),
                        list_groups(5),
                        describe_groups(6, *groups),
                        describe_consumers(1, *groups),
                        fetch_many_offsets(9, *((one, None) for one in topics)),
                        *(list_offsets(11, *topics, timestamp=timestamp) for timestamp in (-1, -2)),
                        describe_settings(4, *settings),
                        describe_transactions(*{one.transactional_id: None for one in things}),
                        describe_producers(*topics),
                    ]
                )
            )
        names = {topic.name: (topic.topic_id, len(topic.partitions)) for topic in everything.topics}
        outside = {name: found for name, found in names.items() if not is_acmes(name)}
        groups_outside = {group.group_id: group for group in listed.groups if not is_acmes(group.group_id)}
        return outside, groups_outside, *rest


def is_acmes(name: str) -> bool:
    """Whether Acme sees what has this name."""
    return name.startswith(("acme.", "acme-")) and not name.startswith(("acme.vault.", "acme-vault-"))


@pytest.fixture(scope="session")
def neighbours() -> Iterator[Neighbours]:
    """The cluster with everything in it, and Kordon in front of it."""
    with ExitStack() as stack:
        tap = Tap(lambda: ("127.0.0.1", next(iter(kafka.nodes.values())).listeners["PLAINTEXT"]))
        stack.enter_context(tap)
        kafka = Kafka(
            auto_create_topics=True,
            properties={
                "advertised.listeners": f"PLAINTEXT://127.0.0.1:{tap.port}",
                "group.consumer.max.session.timeout.ms": SESSION,
                "group.consumer.session.timeout.ms": SESSION,
            },
        )
        stack.enter_context(kafka)
        (node,) = kafka.nodes.values()
        with Wire(node.address("PLAINTEXT"), "direct") as wire:
            settled = Settlers(wire)
            foreign, own, idle = settled.globex(), settled.own(), settled.idle()
        kordon = Kordon(
            clusters={"prod": f"127.0.0.1:{tap.port}"},
            policy=POLICY,
            listeners=LISTENERS,
            settings={"inference": {"interval": "1s"}},
        )
        stack.enter_context(kordon)
        yield Neighbours(
            kafka=kafka,
            tap=tap,
            kordon=kordon,
            foreign=foreign,
            missing=tuple(things.without_trace() for things in foreign),
            own=own,
            idle=idle,
        )


class Settlers:
    """Fill the cluster, at the broker itself."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    def globex(self) -> tuple[Things, ...]:
        """A transaction that is open, ended, or has only its producer id; groups of both protocols, live and empty."""
        abba = self._transaction(self._classic(self._topic("abba")), ended=None)
        vault = self._transaction(self._idle(self._topic("acme.vault")), ended=True)
        globex = self._consumer(self._producer(self._topic("globex")), leaves=False)
        last = self._consumer(self._transaction(self._topic("globex.z"), ended=False), leaves=True)
        internal = replace(last, topic="__consumer_offsets", topic_id=self._topic_ids()["__consumer_offsets"])
        return abba, vault, globex, last, internal

    def own(self) -> Things:
        """With a live group."""
        return self._producer(self._classic(self._topic("acme")))

    def idle(self) -> Things:
        """With a group that nobody is in."""
        return self._producer(self._idle(self._topic("acme.z")))

    def _topic_ids(self) -> Mapping[str, UUID]:
        return {topic.name: topic.topic_id for topic in self.wire.ask(find_all_topics(12)).message.topics}

    def _topic(self, owner: str) -> Things:
        """A topic with records and a setting of its own."""
        other = f"{owner.replace('.', '-')}-pay"
        things = Things(topic=f"{owner}.pay", topic_id=UUID(int=0), group=other, transactional_id=other)
        setting = asked(ApiKey.CREATE_TOPICS, 7, "topics", "configs", name="retention.ms", value="123456789")
        made = self._ask(create_topics(7, things, num_partitions=2, configs=(setting,)))
        self._ask(produce(12, things, batch=a_batch(*RECORDS)))
        for key_type in (0, 1):  # so that there are coordinators
            self._ask(find_coordinator(4, other, key_type=key_type))
        return replace(things, topic_id=made.topics[0].topic_id)

    def _idle(self, things: Things) -> Things:
        """A classic group that nobody is in, with an offset."""
        self._ask(commit(9, things, things))
        return things

    def _classic(self, things: Things) -> Things:
        """A group of the classic protocol with one static member, an assignment and an offset."""
        things = replace(things, instance_id="static-member")
        joined = self._ask(join(9, things, things.topic))
        things = replace(things, member_id=joined.member_id, generation=joined.generation_id)
        self._ask(sync(5, things, things.topic))
        self._ask(commit(9, things, things, member=True))
        return things

    def _consumer(self, things: Things, *, leaves: bool) -> Things:
        """A group of the new protocol with one member and an offset; the member stays, or leaves."""
        things = replace(things, member_id=str(uuid4()))
        answer = self._ask(beat(1, things, things.topic))
        while answer.assignment is None or not answer.assignment.topic_partitions:
            time.sleep(0.02)
            answer = self._ask(beat(1, things, things.topic, epoch=answer.member_epoch))
        owned = asked(
            ApiKey.CONSUMER_GROUP_HEARTBEAT, 1, "topic_partitions", topic_id=things.topic_id, partitions=(0, 1)
        )
        self._ask(beat(1, things, things.topic, epoch=answer.member_epoch, topic_partitions=(owned,)))
        things = replace(things, generation=answer.member_epoch)
        self._ask(commit(9, things, things, member=True))
        self._ask(alter_settings(1, (GROUP, things.group), setting=("consumer.heartbeat.interval.ms", "5555")))
        if leaves:
            self._ask(beat(1, things, epoch=-1))
        return things

    def _producer(self, things: Things) -> Things:
        """A transactional id that has got its producer id."""
        answer = self._ask(init_producer(5, things))
        return replace(things, producer_id=answer.producer_id, producer_epoch=answer.producer_epoch)

    def _transaction(self, things: Things, *, ended: bool | None) -> Things:
        """A transaction with a record: committed, aborted, or open (None)."""
        things = self._producer(things)
        batch = a_batch(
            b"in a transaction",
            producer_id=things.producer_id,
            producer_epoch=things.producer_epoch,
            sequence=0,
            transactional=True,
        )
        self._ask(produce(12, things, by=things, batch=batch, partition=1))
        if ended is not None:
            answer = self._ask(end_transaction(5, things, committed=ended))
            eventually(lambda: self._has_ended(things.transactional_id))
            things = replace(things, producer_id=answer.producer_id, producer_epoch=answer.producer_epoch)
        return things

    def _has_ended(self, transactional_id: str) -> bool:
        """Whether the markers are written, which takes a moment longer than the answer."""
        (state,) = self._ask(describe_transactions(transactional_id)).transaction_states
        return bool(state.transaction_state.startswith("Complete"))

    def _ask(self, request: Any) -> Any:
        """Ask until it works: leaders are chosen, coordinators load, transactions end."""
        deadline = time.monotonic() + 30
        while errors_of(answer := self.wire.ask(request).message):
            assert time.monotonic() < deadline, answer
            time.sleep(0.02)
        return answer
