"""Fills a cluster with things of all kinds: topics with records, groups of both protocols, transactions."""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from uuid import UUID, uuid4

from kordon_protocol.keys import ApiKey
from tests.kafka import share_requests as share
from tests.kafka.requests import (
    GROUP,
    SOON,
    Things,
    a_topology,
    alter_settings,
    beat,
    commit,
    create_topics,
    delete_groups,
    delete_topics,
    describe_transactions,
    end_transaction,
    errors_of,
    find_all_topics,
    find_coordinator,
    flow,
    init_producer,
    join,
    list_offsets,
    owned,
    produce,
    sync,
)
from tests.kafka.tenants import eventually
from tests.kafka.wire import Wire, a_batch
from tests.proxy.apis.messages import asked

HEARTBEAT: Final = ("consumer.heartbeat.interval.ms", "5555")
RECORDS: Final = (b"one", b"two", b"three")


class Settlers:
    """Fill the cluster, at the broker itself."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    def globex(self) -> tuple[Things, ...]:
        """A transaction that is open, ended, or has only its producer id; groups of both protocols, live and empty."""
        abba = self._transaction(self._classic(self.topic("abba")), ended=None)
        vault = self._transaction(self._idle(self.topic("acme.vault")), ended=True)
        globex = self._consumer(self._producer(self.topic("globex")))
        streams = self._flow(self._producer(self.topic("globex.s")))
        last = self._consumer(self._transaction(self.topic("globex.z"), ended=False), leaves=True)
        shared = self.shared(self.topic("globex.sh"))
        internal = replace(last, topic="__consumer_offsets", topic_id=self._topic_ids()["__consumer_offsets"])
        return abba, vault, globex, streams, last, shared, internal

    def own(self) -> Things:
        """With a live group."""
        return self._producer(self._classic(self.topic("acme")))

    def idle(self) -> Things:
        """With a group that nobody is in."""
        return self._producer(self._idle(self.topic("acme.z")))

    def acme(self) -> tuple[Things, ...]:
        """All that Acme has: its own, the idle one, a secret topic, then groups and transactions of each kind."""
        own, idle, secret = self.own(), self.idle(), self.topic("acme.secret")
        self.shared(replace(own, group="acme-share"), own)
        is_open = self._consumer(self._transaction(self.topic("acme.t"), ended=None))
        ended = self._consumer(self._transaction(self.topic("acme.u"), ended=True), leaves=True)
        return own, idle, secret, is_open, ended, self._flow(self.spare("acme.s"))

    def many(self, owner: str, count: int) -> tuple[Things, ...]:
        """So many topics, each with a record, a group with an offset and a setting, and a transactional id."""
        named = [
            Things(topic=f"{owner}.{number}", topic_id=UUID(int=0), group=name, transactional_id=name)
            for number in range(count)
            for name in [f"{owner.replace('.', '-')}-{number}"]
        ]
        made = self._ask(create_topics(7, *named, num_partitions=2)).topics
        things = [replace(one, topic_id=topic.topic_id) for one, topic in zip(named, made, strict=True)]
        self._ask(list_offsets(11, *things))  # which is answered when all are led by somebody
        self._ask(produce(12, *things))
        self._ask(alter_settings(1, *((GROUP, one.group) for one in things), setting=HEARTBEAT))
        return tuple(self._producer(self._idle(one)) for one in things)

    def namesake(self, things: Things, other: Things) -> None:
        """A member of a group on its own, and a producer, with the ids that those of the other have."""
        member = replace(things, group=f"{things.group}-{other.group}", member_id=other.member_id)
        batch = a_batch(b"by a namesake", producer_id=other.producer_id, producer_epoch=0, sequence=0)
        self._ask(beat(1, member, things.topic))
        self._ask(produce(12, things, batch=batch))

    def come_and_go(self, owner: str) -> None:
        """A topic, a transaction in it, a group with a member; then nothing of them is left."""
        things = self._consumer(self._transaction(self.topic(owner), ended=False), leaves=True)
        self._ask(delete_groups(2, things.group))
        self._ask(delete_topics(6, things))

    def spare(self, owner: str) -> Things:
        """A topic, a group without members, a producer: to be used up."""
        return self._producer(self._idle(self.topic(owner)))

    def mixed(self, ours: Things, theirs: Things) -> tuple[Things, ...]:
        """Groups of ours that work on both topics: without a member, with one of the old and one of the new protocol.

        The latter has a second member, which subscribes by pattern.
        """
        idle, classic, new = (replace(ours, group=f"acme-{name}", instance_id=None) for name in ("idle", "jam", "kip"))
        self._ask(commit(9, idle, ours, theirs))
        classic = self._classic(classic, ours, theirs)
        new = self._consumer(new, ours, theirs)
        pattern = replace(new, member_id=str(uuid4()))
        self._ask(beat(1, pattern, subscribed_topic_names=None, subscribed_topic_regex="acme.vault.p.*"))
        return idle, classic, new

    def _topic_ids(self) -> Mapping[str, UUID]:
        return {topic.name: topic.topic_id for topic in self.wire.ask(find_all_topics(12)).message.topics}

    def topic(self, owner: str) -> Things:
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

    def _classic(self, things: Things, *topics: Things) -> Things:
        """A group of the classic protocol with one static member, an assignment and offsets."""
        names = [one.topic for one in topics or (things,)]
        things = replace(things, instance_id="static-member")
        joined = self._ask(join(9, things, *names))
        things = replace(things, member_id=joined.member_id, generation=joined.generation_id)
        self._ask(sync(5, things, *names))
        self._ask(commit(9, things, *(topics or (things,)), member=True))
        return things

    def _consumer(self, things: Things, *topics: Things, leaves: bool = False) -> Things:
        """A group of the new protocol with one member and offsets; the member stays, or leaves."""
        topics = topics or (things,)
        things = replace(things, member_id=str(uuid4()))
        names = [one.topic for one in topics]
        answer = self._ask(beat(1, things, *names))
        while answer.assignment is None or len(answer.assignment.topic_partitions) < len(topics):
            time.sleep(0.02)
            answer = self._ask(beat(1, things, *names, epoch=answer.member_epoch))
        held = owned(1, *topics)
        self._ask(beat(1, things, *names, epoch=answer.member_epoch, topic_partitions=held))
        things = replace(things, generation=answer.member_epoch)
        self._ask(commit(9, things, *topics, member=True))
        self._ask(alter_settings(1, (GROUP, things.group), setting=HEARTBEAT))
        if leaves:
            self._ask(beat(1, things, epoch=-1))
        return things

    def _flow(self, things: Things) -> Things:
        """A Streams application with a changelog and one member that works, and offsets."""
        things = replace(things, member_id=str(uuid4()))
        topology = a_topology({"sources": [things.topic], "changelogs": [f"{things.topic}-changelog"]})
        endpoint = asked(ApiKey.STREAMS_GROUP_HEARTBEAT, 0, "user_endpoint", host=things.topic, port=7070)
        answer = self._ask(flow(0, things, topology=topology, user_endpoint=endpoint))
        while not answer.active_tasks:
            time.sleep(0.02)
            answer = self._ask(flow(0, things, epoch=answer.member_epoch))
        owned_tasks = {"active_tasks": _tasks(answer), "standby_tasks": (), "warmup_tasks": ()}
        self._ask(flow(0, things, epoch=answer.member_epoch, **owned_tasks))
        things = replace(things, generation=answer.member_epoch)
        self._ask(commit(9, things, things, member=True))
        return things

    def shared(self, things: Things, *topics: Things) -> Things:
        """A share group with one member, which stays, and offsets: it has read and accepted the first record."""
        topics = topics or (things,)
        things = replace(things, member_id=str(uuid4()), instance_id=None)
        self._ask(alter_settings(1, (GROUP, things.group), setting=("share.auto.offset.reset", "earliest")))
        names = [one.topic for one in topics]
        answer = self._ask(share.beat(1, things, *names))
        while len(answer.assignment.topic_partitions) < len(topics):
            time.sleep(0.02)
            answer = self._ask(share.beat(1, things, *names, epoch=answer.member_epoch))
        self._read_one(things, topics[0])
        return replace(things, generation=answer.member_epoch)

    def _read_one(self, things: Things, topic: Things) -> None:
        """Take the first record, once the share partition is there, and accept it."""
        while not self._ask(share.fetch(2, things, topic, max_records=1, max_wait=SOON)).responses:
            time.sleep(0.02)
        self._ask(share.acknowledge(2, things, topic))

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


def _tasks(answer: Any) -> tuple[Any, ...]:
    """What a member of a Streams application owns when it owns all that it was assigned."""
    return tuple(
        asked(
            ApiKey.STREAMS_GROUP_HEARTBEAT,
            0,
            "active_tasks",
            subtopology_id=task.subtopology_id,
            partitions=task.partitions,
        )
        for task in answer.active_tasks
    )
