"""The ways in which each API can name what is not the tenant's: alone, and in the midst of what is."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from kordon_protocol.keys import ApiKey
from kordon_proxy.apis.bindings import LITERAL, MATCH, PREFIXED, USER
from kordon_proxy.apis.bindings import TOPIC as ACL_TOPIC
from tests.kafka import requests as ask
from tests.kafka import share_requests as share
from tests.kafka.access import acls_of, quotas_of
from tests.kafka.neighbours import Neighbours
from tests.kafka.requests import GROUP, TOPIC, Things
from tests.proxy.apis import acl_messages as acl
from tests.proxy.apis import user_messages as user

Build = Callable[[int, Things, Neighbours], Any]
"""A request in this version that names these things, of a tenant that has things of its own."""


class Probe:
    """One way to ask about somebody's things; `since` a version, `until` another (not included)."""

    def __init__(self, name: str, build: Build, *, since: int = 0, until: int = 99) -> None:
        self.name = name
        self.build = build
        self.versions = range(since, until)


GROUP_SETTING: Final = ("consumer.heartbeat.interval.ms", "6666")
NOBODY: Final = "acme-nobody"
NOBODYS_PRINCIPAL: Final = f"User:{NOBODY}"
NEW_TOPIC: Final = "acme.new"


def a_new(own: Things) -> Things:
    return ask.Things(topic=NEW_TOPIC, topic_id=own.topic_id, group=NOBODY, transactional_id=NOBODY)


def flow_by(version: int, we: Neighbours, *, pattern: str | None = None, **names: list[str]) -> Any:
    """An application of ours that reads ours, and names other topics in other places."""
    part = {"sources": [we.own.topic]} | names
    return ask.flow(version, a_new(we.own), topology=ask.a_topology(part, pattern=pattern))


def on_topic(it: Things, *, pattern: int = LITERAL) -> dict[str, Any]:
    """The fields of a filter of ACLs."""
    return {"resource_type_filter": ACL_TOPIC, "resource_name_filter": it.topic, "pattern_type_filter": pattern}


SHARER: Final = ask.Things(
    topic=NEW_TOPIC, topic_id=UUID(int=0), group="acme-sharers", transactional_id=NOBODY, member_id="sharer"
)
"""Whoever joins a share group of Acme's."""


PROBES: Final[dict[ApiKey, tuple[Probe, ...]]] = {
    ApiKey.PRODUCE: (
        Probe("alone", lambda v, it, we: ask.produce(v, it)),
        Probe("twice", lambda v, it, we: ask.produce(v, it, it)),
        Probe("to no partition", lambda v, it, we: ask.produce(v, it, partition=-1)),
        Probe("in its transaction", lambda v, it, we: ask.produce(v, it, by=it)),
        Probe("ours in its transaction", lambda v, it, we: ask.produce(v, we.own, by=it)),
        Probe("in ours", lambda v, it, we: ask.produce(v, it, by=we.own)),
        Probe("nothing in its transaction", lambda v, it, we: ask.produce(v, by=it)),
    ),
    ApiKey.FETCH: (
        Probe("alone", lambda v, it, we: ask.fetch(v, it)),
        Probe("alone in a session", lambda v, it, we: ask.fetch(v, it, session=(0, 0))),
        Probe("in a session of others", lambda v, it, we: ask.fetch(v, it, session=(4711, 3)), since=7),
        Probe("ends a session of others", lambda v, it, we: ask.fetch(v, it, session=(4711, 0)), since=7),
        Probe("between ours", lambda v, it, we: ask.fetch(v, we.own, it, we.idle)),
        Probe("between ours in a session", lambda v, it, we: ask.fetch(v, we.own, it, we.idle, session=(0, 0))),
        Probe("forgotten", lambda v, it, we: ask.fetch(v, we.own, forgotten=(it,)), since=7),
        Probe("strange partitions", lambda v, it, we: ask.fetch(v, it, we.own, partitions=(-1, 0, 2**31 - 1))),
        Probe("from the end", lambda v, it, we: ask.fetch(v, it, fetch_offset=2**62)),
    ),
    ApiKey.LIST_OFFSETS: (
        *(
            Probe(f"at {at}", lambda v, it, we, at=at: ask.list_offsets(v, it, timestamp=at))  # type: ignore[misc]
            for at in (-1, -2, -3, -4, -5, 0)
        ),
        Probe("between ours", lambda v, it, we: ask.list_offsets(v, we.own, it, we.idle)),
        Probe("for a broker", lambda v, it, we: ask.list_offsets(v, we.own, it, replica_id=-2)),
        Probe("twice", lambda v, it, we: ask.list_offsets(v, it, it)),
    ),
    ApiKey.OFFSET_FOR_LEADER_EPOCH: (
        Probe("alone", lambda v, it, we: ask.find_epochs(v, it)),
        Probe("between ours", lambda v, it, we: ask.find_epochs(v, we.own, it, we.idle)),
    ),
    ApiKey.METADATA: (
        Probe("alone", lambda v, it, we: ask.find_topics(v, it)),
        Probe("creating nothing", lambda v, it, we: ask.find_topics(v, it, creating=False)),
        Probe("with bits", lambda v, it, we: ask.find_topics(v, it, bits=True)),
        Probe("between ours", lambda v, it, we: ask.find_topics(v, we.own, it, we.idle)),
        Probe("between ours with bits", lambda v, it, we: ask.find_topics(v, we.own, it, we.idle, bits=True)),
        Probe("by id", lambda v, it, we: ask.find_topics_by_id(v, it), since=12),
        Probe("by id where none may be", lambda v, it, we: ask.find_topics_by_id(v, it, named=True), since=10),
        Probe("by id between ours", lambda v, it, we: ask.find_topics_by_id(v, we.own, it, we.idle), since=12),
        Probe("by id and name", lambda v, it, we: ask.find_topics_by_id(v, we.own, it, named=True), since=12),
        Probe(
            "by our id",
            lambda v, it, we: ask.find_topics_by_id(v, replace(we.own, topic=it.topic), named=True),
            since=10,
        ),
    ),
    ApiKey.DESCRIBE_TOPIC_PARTITIONS: (
        Probe("alone", lambda v, it, we: ask.describe_topics(v, it)),
        Probe("between ours", lambda v, it, we: ask.describe_topics(v, we.own, it, we.idle)),
        Probe("in small pages", lambda v, it, we: ask.describe_topics(v, we.own, it, we.idle, limit=1)),
        Probe("from there on", lambda v, it, we: ask.describe_topics(v, we.own, it, we.idle, cursor=(it.topic, 1))),
        Probe("all from there on", lambda v, it, we: ask.describe_topics(v, cursor=(it.topic, 1))),
        Probe("a cursor elsewhere", lambda v, it, we: ask.describe_topics(v, we.own, cursor=(it.topic, 0))),
    ),
    ApiKey.CREATE_TOPICS: (
        Probe("alone", lambda v, it, we: ask.create_topics(v, it)),
        Probe("only to see", lambda v, it, we: ask.create_topics(v, it, only_validate=True)),
        Probe("on too many brokers", lambda v, it, we: ask.create_topics(v, it, replication_factor=99)),
        Probe("twice", lambda v, it, we: ask.create_topics(v, it, it)),
        Probe("with ours", lambda v, it, we: ask.create_topics(v, we.own, it)),
        Probe("with a new one", lambda v, it, we: ask.create_topics(v, a_new(we.own), it, only_validate=True), until=7),
    ),
    ApiKey.DELETE_TOPICS: (
        Probe("alone", lambda v, it, we: ask.delete_topics(v, it)),
        Probe("twice", lambda v, it, we: ask.delete_topics(v, it, it)),
        Probe("with one that is not there", lambda v, it, we: ask.delete_topics(v, a_new(we.own), it)),
        Probe("by id", lambda v, it, we: ask.delete_topics_by_id(v, it), since=6),
        Probe("by id twice", lambda v, it, we: ask.delete_topics_by_id(v, it, it), since=6),
        Probe("by id and name", lambda v, it, we: ask.delete_topics_by_id(v, it, named=True), since=6),
    ),
    ApiKey.DELETE_RECORDS: (
        Probe("alone", lambda v, it, we: ask.truncate(v, it)),
        Probe("between ours", lambda v, it, we: ask.truncate(v, we.own, it, we.idle, offset=0)),
    ),
    ApiKey.CREATE_PARTITIONS: (
        Probe("alone", lambda v, it, we: ask.grow_topics(v, it)),
        Probe("only to see", lambda v, it, we: ask.grow_topics(v, it, only_validate=True)),
        Probe("not growing", lambda v, it, we: ask.grow_topics(v, it, count=1)),
        Probe("between ours", lambda v, it, we: ask.grow_topics(v, we.own, it, we.idle, only_validate=True)),
        Probe("twice", lambda v, it, we: ask.grow_topics(v, it, it)),
    ),
    ApiKey.DESCRIBE_CONFIGS: (
        Probe("topic", lambda v, it, we: ask.describe_settings(v, (TOPIC, it.topic))),
        Probe("group", lambda v, it, we: ask.describe_settings(v, (GROUP, it.group))),
        Probe(
            "between ours",
            lambda v, it, we: ask.describe_settings(
                v, (TOPIC, we.own.topic), (TOPIC, it.topic), (GROUP, it.group), (GROUP, we.own.group)
            ),
        ),
        Probe("no key", lambda v, it, we: ask.describe_settings(v, (TOPIC, it.topic), (GROUP, it.group), keys=())),
    ),
    ApiKey.INCREMENTAL_ALTER_CONFIGS: (
        Probe("topic", lambda v, it, we: ask.alter_settings(v, (TOPIC, it.topic), setting=("retention.ms", "1"))),
        Probe("group", lambda v, it, we: ask.alter_settings(v, (GROUP, it.group), setting=GROUP_SETTING)),
        Probe(
            "only to see",
            lambda v, it, we: ask.alter_settings(
                v, (TOPIC, it.topic), (GROUP, it.group), setting=GROUP_SETTING, only_validate=True
            ),
        ),
        Probe(
            "between ours",
            lambda v, it, we: ask.alter_settings(
                v,
                (TOPIC, we.own.topic),
                (TOPIC, it.topic),
                (TOPIC, we.idle.topic),
                setting=("retention.ms", "99999999"),
            ),
        ),
    ),
    ApiKey.FIND_COORDINATOR: (
        Probe("group", lambda v, it, we: ask.find_coordinator(v, it.group)),
        Probe("transaction", lambda v, it, we: ask.find_coordinator(v, it.transactional_id, key_type=1), since=1),
        Probe("shared partition", lambda v, it, we: ask.find_coordinator(v, f"{it.group}:{it.topic_id}:0", key_type=2)),
        Probe("between ours", lambda v, it, we: ask.find_coordinator(v, we.own.group, it.group, we.idle.group)),
        Probe(
            "a transaction of ours", lambda v, it, we: ask.find_coordinator(v, it.group, NOBODY, key_type=1), since=4
        ),
    ),
    ApiKey.JOIN_GROUP: (
        Probe("as a new member", lambda v, it, we: ask.join(v, it, we.own.topic)),
        Probe("as its member", lambda v, it, we: ask.join(v, it, it.topic, member_id=it.member_id)),
        Probe("in another protocol", lambda v, it, we: ask.join(v, it, protocol_type="connect", metadata=b"x")),
    ),
    ApiKey.SYNC_GROUP: (
        Probe("as its member", lambda v, it, we: ask.sync(v, it, we.own.topic)),
        Probe("in another protocol", lambda v, it, we: ask.sync(v, it, protocol_type="connect", assignment=b"x")),
    ),
    ApiKey.HEARTBEAT: (Probe("as its member", lambda v, it, we: ask.heartbeat(v, it)),),
    ApiKey.LEAVE_GROUP: (
        Probe("as its member", lambda v, it, we: ask.leave(v, it, it.member_id)),
        Probe("a member without an id", lambda v, it, we: ask.leave(v, it, "")),
        Probe("all members", lambda v, it, we: ask.leave(v, it, it.member_id, "another")),
    ),
    ApiKey.DESCRIBE_GROUPS: (
        Probe("alone", lambda v, it, we: ask.describe_groups(v, it.group)),
        Probe("without bits", lambda v, it, we: ask.describe_groups(v, it.group, bits=False)),
        Probe("between ours", lambda v, it, we: ask.describe_groups(v, we.own.group, it.group, we.idle.group)),
        Probe("twice", lambda v, it, we: ask.describe_groups(v, it.group, NOBODY, it.group)),
    ),
    ApiKey.LIST_GROUPS: (),
    ApiKey.DELETE_GROUPS: (
        Probe("alone", lambda v, it, we: ask.delete_groups(v, it.group)),
        Probe("with one that is not there", lambda v, it, we: ask.delete_groups(v, NOBODY, it.group)),
        Probe("with one that is in use", lambda v, it, we: ask.delete_groups(v, it.group, we.own.group, it.group)),
    ),
    ApiKey.OFFSET_COMMIT: (
        Probe("from outside", lambda v, it, we: ask.commit(v, it, we.own)),
        Probe("its topic from outside", lambda v, it, we: ask.commit(v, it, it)),
        Probe("as its member", lambda v, it, we: ask.commit(v, it, it, member=True)),
        Probe("its topic to ours", lambda v, it, we: ask.commit(v, we.idle, it)),
        Probe("between ours", lambda v, it, we: ask.commit(v, we.idle, we.own, it, we.idle)),
        Probe("as our member", lambda v, it, we: ask.commit(v, we.own, we.own, it, member=True)),
    ),
    ApiKey.OFFSET_FETCH: (
        Probe("ours of its group", lambda v, it, we: ask.fetch_offsets(v, it, we.own)),
        Probe("its topic of its group", lambda v, it, we: ask.fetch_offsets(v, it, it)),
        Probe("all of its group", lambda v, it, we: ask.fetch_all_offsets(v, it), since=2),
        Probe("its topic of ours", lambda v, it, we: ask.fetch_offsets(v, we.idle, it)),
        Probe("between ours", lambda v, it, we: ask.fetch_offsets(v, we.idle, we.own, it, we.idle)),
        Probe(
            "many groups",
            lambda v, it, we: ask.fetch_many_offsets(
                v, (it, None), (we.idle, (we.idle, it)), (it, (it, we.own)), (we.own, None)
            ),
            since=8,
        ),
    ),
    ApiKey.OFFSET_DELETE: (
        Probe("ours of its group", lambda v, it, we: ask.delete_offsets(v, it, we.own)),
        Probe("its topic of its group", lambda v, it, we: ask.delete_offsets(v, it, it)),
        Probe("its topic of ours", lambda v, it, we: ask.delete_offsets(v, we.idle, it)),
        Probe("between ours", lambda v, it, we: ask.delete_offsets(v, we.idle, we.own, it, we.idle)),
    ),
    ApiKey.CONSUMER_GROUP_HEARTBEAT: (
        Probe("as a new member", lambda v, it, we: ask.beat(v, it, we.own.topic)),
        Probe("as its member", lambda v, it, we: ask.beat(v, it, it.topic, epoch=it.generation)),
        Probe("leaving", lambda v, it, we: ask.beat(v, it, epoch=-1)),
        Probe("leaving for a while", lambda v, it, we: ask.beat(v, it, epoch=-2, instance_id=it.instance_id)),
        Probe("by pattern", lambda v, it, we: ask.beat(v, it, subscribed_topic_regex=".*"), since=1),
        Probe("by no pattern", lambda v, it, we: ask.beat(v, it, subscribed_topic_regex="("), since=1),
    ),
    ApiKey.CONSUMER_GROUP_DESCRIBE: (
        Probe("alone", lambda v, it, we: ask.describe_consumers(v, it.group)),
        Probe("with others", lambda v, it, we: ask.describe_consumers(v, NOBODY, it.group, we.own.group)),
    ),
    ApiKey.STREAMS_GROUP_HEARTBEAT: (
        Probe("as a new member", lambda v, it, we: ask.flow_from(v, it, we.own)),
        Probe("as its member", lambda v, it, we: ask.flow(v, it, epoch=it.generation)),
        Probe("leaving", lambda v, it, we: ask.flow(v, it, epoch=-1)),
        Probe("ending it all", lambda v, it, we: ask.flow(v, it, epoch=-1, shutdown_application=True)),
        Probe("from its topic", lambda v, it, we: ask.flow_from(v, a_new(we.own), it)),
        Probe("from ours and its", lambda v, it, we: ask.flow_from(v, we.idle, we.own, it, we.idle)),
        Probe("from its topic too late", lambda v, it, we: ask.flow_from(v, a_new(we.own), it, epoch=3)),
        Probe("by pattern too", lambda v, it, we: flow_by(v, we, pattern=".*", sources=[it.topic])),
        Probe("to its topic", lambda v, it, we: flow_by(v, we, sinks=[it.topic])),
        Probe("through its topic", lambda v, it, we: flow_by(v, we, sinks=[it.topic], repartitions=[it.topic])),
        Probe("creating its topic", lambda v, it, we: flow_by(v, we, changelogs=[it.topic])),
    ),
    ApiKey.STREAMS_GROUP_DESCRIBE: (
        Probe("alone", lambda v, it, we: ask.describe_flows(v, it.group)),
        Probe("with others", lambda v, it, we: ask.describe_flows(v, NOBODY, it.group, we.own.group)),
    ),
    ApiKey.SHARE_GROUP_HEARTBEAT: (
        Probe("as a new member", lambda v, it, we: share.beat(v, it, we.own.topic)),
        Probe("as its member", lambda v, it, we: share.beat(v, it, it.topic, epoch=it.generation)),
        Probe("leaving", lambda v, it, we: share.beat(v, it, epoch=-1)),
        Probe("its topic in ours", lambda v, it, we: share.beat(v, SHARER, it.topic)),
        Probe("between ours in ours", lambda v, it, we: share.beat(v, SHARER, we.own.topic, it.topic)),
    ),
    ApiKey.SHARE_GROUP_DESCRIBE: (
        Probe("alone", lambda v, it, we: share.describe(v, it.group)),
        Probe("with others", lambda v, it, we: share.describe(v, NOBODY, it.group, we.shared.group, it.group)),
    ),
    ApiKey.SHARE_FETCH: (
        Probe("in its group", lambda v, it, we: share.fetch(v, it, we.own)),
        Probe("in its session", lambda v, it, we: share.fetch(v, it, it, epoch=it.generation)),
        Probe("ending its session", lambda v, it, we: share.fetch(v, it, epoch=-1)),
        Probe("in a session of nobody", lambda v, it, we: share.fetch(v, replace(it, group=we.idle.group), epoch=1)),
        Probe("in our group", lambda v, it, we: share.fetch(v, we.idle, it, partitions=(0, 1, -1, 2**31 - 1))),
        Probe("acknowledging at once", lambda v, it, we: share.fetch(v, we.idle, it, acks=(0, 1))),
        Probe("forgotten at once", lambda v, it, we: share.fetch(v, we.idle, forgets=(it,))),
        Probe("between ours", lambda v, it, we: share.fetch(v, we.idle, we.own, it, we.idle, max_bytes=0)),
    ),
    ApiKey.SHARE_ACKNOWLEDGE: (
        Probe("in its group", lambda v, it, we: share.acknowledge(v, it, it)),
        Probe("ending its session", lambda v, it, we: share.acknowledge(v, it, epoch=-1)),
        Probe("in a session of nobody", lambda v, it, we: share.acknowledge(v, replace(it, group=we.idle.group), it)),
        Probe("without a session", lambda v, it, we: share.acknowledge(v, we.idle, it, epoch=0)),
    ),
    ApiKey.DESCRIBE_SHARE_GROUP_OFFSETS: (
        Probe("ours of its group", lambda v, it, we: share.describe_offsets(v, (it, (we.own, it)))),
        Probe("all of its group", lambda v, it, we: share.describe_offsets(v, (it, None))),
        Probe("its topic of ours", lambda v, it, we: share.describe_offsets(v, (we.shared, (it, we.own, it)))),
        Probe(
            "many groups",
            lambda v, it, we: share.describe_offsets(v, (it, None), (we.shared, (it,)), (it, (it,)), (we.shared, None)),
        ),
    ),
    ApiKey.ALTER_SHARE_GROUP_OFFSETS: (
        Probe("ours of its group", lambda v, it, we: share.alter_offsets(v, it, we.own)),
        Probe("its topic of its group", lambda v, it, we: share.alter_offsets(v, it, it)),
        Probe("its topic of ours", lambda v, it, we: share.alter_offsets(v, a_new(we.own), it)),
        Probe("its topic of one in use", lambda v, it, we: share.alter_offsets(v, we.shared, it)),
    ),
    ApiKey.DELETE_SHARE_GROUP_OFFSETS: (
        Probe("ours of its group", lambda v, it, we: share.delete_offsets(v, it, we.own)),
        Probe("its topic of its group", lambda v, it, we: share.delete_offsets(v, it, it)),
        Probe("its topic of one in use", lambda v, it, we: share.delete_offsets(v, we.shared, it)),
    ),
    ApiKey.INIT_PRODUCER_ID: (
        Probe("anew", lambda v, it, we: ask.init_producer(v, it)),
        Probe("as its producer", lambda v, it, we: ask.init_producer(v, it, again=True), since=3),
    ),
    ApiKey.ADD_PARTITIONS_TO_TXN: (
        Probe("ours to its", lambda v, it, we: ask.add_partitions(v, it, we.own)),
        Probe("its to ours", lambda v, it, we: ask.add_partitions(v, we.own, it)),
        Probe("between ours", lambda v, it, we: ask.add_partitions(v, we.own, we.own, it, we.idle)),
    ),
    ApiKey.ADD_OFFSETS_TO_TXN: (
        Probe("ours to its", lambda v, it, we: ask.add_offsets(v, it, we.idle.group)),
        Probe("its to ours", lambda v, it, we: ask.add_offsets(v, we.own, it.group)),
        Probe("its to its", lambda v, it, we: ask.add_offsets(v, it, it.group)),
    ),
    ApiKey.END_TXN: (
        Probe("commit", lambda v, it, we: ask.end_transaction(v, it, committed=True)),
        Probe("abort", lambda v, it, we: ask.end_transaction(v, it, committed=False)),
    ),
    ApiKey.TXN_OFFSET_COMMIT: (
        Probe("in its transaction", lambda v, it, we: ask.commit_in_transaction(v, it, we.idle, we.own)),
        Probe("to its group", lambda v, it, we: ask.commit_in_transaction(v, we.own, it, we.own)),
        Probe(
            "to its group from outside", lambda v, it, we: ask.commit_in_transaction(v, we.own, it, it, member=False)
        ),
        Probe("its topic to ours", lambda v, it, we: ask.commit_in_transaction(v, we.own, we.idle, it, member=False)),
    ),
    ApiKey.DESCRIBE_PRODUCERS: (
        Probe("alone", lambda v, it, we: ask.describe_producers(it)),
        Probe("between ours", lambda v, it, we: ask.describe_producers(we.own, it, we.idle)),
    ),
    ApiKey.DESCRIBE_TRANSACTIONS: (
        Probe("alone", lambda v, it, we: ask.describe_transactions(it.transactional_id)),
        Probe(
            "between ours",
            lambda v, it, we: ask.describe_transactions(
                we.own.transactional_id, it.transactional_id, NOBODY, it.transactional_id
            ),
        ),
    ),
    ApiKey.LIST_TRANSACTIONS: (
        Probe("by producer id", lambda v, it, we: ask.list_transactions(v, producer_ids=(it.producer_id,))),
        Probe("by a state", lambda v, it, we: ask.list_transactions(v, states=("Ongoing", "CompleteAbort"))),
        Probe("by pattern", lambda v, it, we: ask.list_transactions(v, pattern=it.transactional_id), since=2),
        Probe(
            "by pattern with ours", lambda v, it, we: ask.list_transactions(v, pattern=f"acme.*|{it.group}"), since=2
        ),
        Probe("by no pattern", lambda v, it, we: ask.list_transactions(v, pattern=f"({it.group}"), since=2),
    ),
    ApiKey.WRITE_TXN_MARKERS: (
        Probe("abort", lambda v, it, we: ask.write_markers(v, it, of=it)),
        Probe("commit", lambda v, it, we: ask.write_markers(v, it, of=it, committed=True)),
        Probe("abort it in ours", lambda v, it, we: ask.write_markers(v, we.own, of=it)),
        Probe("abort ours in it", lambda v, it, we: ask.write_markers(v, we.own, it, of=we.own)),
    ),
    ApiKey.ELECT_LEADERS: (
        Probe("alone", lambda v, it, we: ask.elect_leaders(v, it)),
        Probe("whatever is lost", lambda v, it, we: ask.elect_leaders(v, it, unclean=True)),
        Probe("between ours", lambda v, it, we: ask.elect_leaders(v, we.own, it, we.idle)),
        Probe("twice", lambda v, it, we: ask.elect_leaders(v, it, it, partitions=(0, 0, -1, 99))),
    ),
    ApiKey.ALTER_PARTITION_REASSIGNMENTS: (
        Probe("alone", lambda v, it, we: ask.move_replicas(v, it, to=(1,))),
        Probe("to where no broker is", lambda v, it, we: ask.move_replicas(v, it, to=(99,))),
        Probe("given up", lambda v, it, we: ask.move_replicas(v, it, to=None)),
        Probe("given up between ours", lambda v, it, we: ask.move_replicas(v, we.own, it, we.idle, to=None)),
        Probe("twice", lambda v, it, we: ask.move_replicas(v, it, it, to=(1,), partitions=(0, 0, 99))),
    ),
    ApiKey.LIST_PARTITION_REASSIGNMENTS: (
        Probe("alone", lambda v, it, we: ask.list_moves(v, it)),
        Probe("between ours", lambda v, it, we: ask.list_moves(v, we.own, it, we.idle)),
    ),
    ApiKey.DESCRIBE_LOG_DIRS: (
        Probe("alone", lambda v, it, we: ask.describe_disks(v, it)),
        Probe("between ours", lambda v, it, we: ask.describe_disks(v, we.own, it, we.idle)),
    ),
    ApiKey.ALTER_REPLICA_LOG_DIRS: (
        Probe("alone", lambda v, it, we: ask.move_between_disks(v, it, path="/")),
        Probe("between ours", lambda v, it, we: ask.move_between_disks(v, we.own, it, we.idle, path="/")),
    ),
    ApiKey.DESCRIBE_QUORUM: (Probe("by its topic", lambda v, it, we: ask.describe_quorum(v, it.topic)),),
    ApiKey.ALTER_CONFIGS: (
        Probe("topic", lambda v, it, we: ask.replace_settings(v, (TOPIC, it.topic), setting=("retention.ms", "1"))),
        Probe("group", lambda v, it, we: ask.replace_settings(v, (GROUP, it.group), setting=GROUP_SETTING)),
        Probe(
            "only to see",
            lambda v, it, we: ask.replace_settings(
                v, (TOPIC, it.topic), (GROUP, it.group), setting=GROUP_SETTING, only_validate=True
            ),
        ),
        Probe(
            "between ours",
            lambda v, it, we: ask.replace_settings(
                v, (GROUP, we.own.group), (GROUP, it.group), (GROUP, we.idle.group), setting=GROUP_SETTING
            ),
        ),
        Probe(
            "twice",
            lambda v, it, we: ask.replace_settings(
                v, (GROUP, it.group), (TOPIC, it.topic), (GROUP, it.group), setting=GROUP_SETTING
            ),
        ),
    ),
    ApiKey.UPDATE_FEATURES: (),
    ApiKey.UNREGISTER_BROKER: (),
    ApiKey.ADD_RAFT_VOTER: (),
    ApiKey.REMOVE_RAFT_VOTER: (),
    ApiKey.LIST_CONFIG_RESOURCES: (),
    ApiKey.DESCRIBE_ACLS: (
        Probe("of its principal", lambda v, it, we: acl.describe(v, principal_filter=it.principal)),
        Probe("of its topic", lambda v, it, we: acl.describe(v, **on_topic(it))),
        Probe("of whatever is called like its topic", lambda v, it, we: acl.describe(v, resource_name_filter=it.topic)),
        Probe("that match its topic", lambda v, it, we: acl.describe(v, **on_topic(it, pattern=MATCH))),
        Probe(
            "that match its group",
            lambda v, it, we: acl.describe(v, resource_name_filter=it.group, pattern_type_filter=MATCH),
        ),
        Probe("of its prefix", lambda v, it, we: acl.describe(v, **on_topic(it, pattern=PREFIXED))),
        Probe(
            "of ours on its topic", lambda v, it, we: acl.describe(v, **on_topic(it), principal_filter=we.own.principal)
        ),
        Probe(
            "of its principal on ours",
            lambda v, it, we: acl.describe(v, **on_topic(we.own), principal_filter=it.principal),
        ),
        Probe(
            "for its principal's tokens",
            lambda v, it, we: acl.describe(v, resource_type_filter=USER, resource_name_filter=it.principal),
        ),
    ),
    ApiKey.CREATE_ACLS: (
        Probe("for its principal", lambda v, it, we: acl.create(v, *acls_of(it))),
        Probe(
            "for its principal on our topic", lambda v, it, we: acl.create(v, acl.binding(we.own.topic, it.principal))
        ),
        Probe("for ours on its topic", lambda v, it, we: acl.create(v, acl.binding(it.topic, we.own.principal))),
        Probe("for ours on its prefix", lambda v, it, we: acl.create(v, acl.prefixed(it.topic, we.own.principal))),
        Probe(
            "between ours",
            lambda v, it, we: acl.create(
                v,
                acl.binding(we.own.topic, we.own.principal),
                *acls_of(it),
                acl.binding(we.idle.topic, we.idle.principal),
            ),
        ),
    ),
    ApiKey.DELETE_ACLS: (
        Probe("one of its", lambda v, it, we: acl.delete(v, acl.exact(acls_of(it)[0]))),
        Probe("all of its principal", lambda v, it, we: acl.delete(v, {"principal_filter": it.principal})),
        Probe("all on its topic", lambda v, it, we: acl.delete(v, on_topic(it))),
        Probe("all that match its topic", lambda v, it, we: acl.delete(v, on_topic(it, pattern=MATCH))),
        Probe(
            "of ours on its topic",
            lambda v, it, we: acl.delete(v, {**on_topic(it), "principal_filter": we.own.principal}),
        ),
        Probe(
            "of its principal on ours",
            lambda v, it, we: acl.delete(v, {**on_topic(we.own), "principal_filter": it.principal}),
        ),
        Probe(
            "between ours",
            lambda v, it, we: acl.delete(
                v,
                acl.exact(acl.binding(we.own.topic, we.own.principal, host="10.9.9.9")),
                *(acl.exact(one) for one in acls_of(it)),
                {"principal_filter": NOBODYS_PRINCIPAL},
            ),
        ),
    ),
    ApiKey.DESCRIBE_CLIENT_QUOTAS: (
        Probe("of its user", lambda v, it, we: user.describe_quotas(v, ("user", user.EXACT, it.user))),
        Probe(
            "of its user alone", lambda v, it, we: user.describe_quotas(v, ("user", user.EXACT, it.user), strict=True)
        ),
        Probe(
            "of its user's clients",
            lambda v, it, we: user.describe_quotas(v, ("client-id", user.ANY, None), ("user", user.EXACT, it.user)),
        ),
    ),
    ApiKey.ALTER_CLIENT_QUOTAS: (
        Probe("of its user", lambda v, it, we: user.alter_quotas(v, *quotas_of(it))),
        Probe(
            "taken from its user",
            lambda v, it, we: user.alter_quotas(v, *quotas_of(it), values={"producer_byte_rate": None}),
        ),
        Probe("only to see", lambda v, it, we: user.alter_quotas(v, *quotas_of(it), validate=True)),
        Probe("of a client", lambda v, it, we: user.alter_quotas(v, (("client-id", it.user),))),
        Probe("of an address", lambda v, it, we: user.alter_quotas(v, (("ip", it.user),))),
        Probe(
            "of our user and its",
            lambda v, it, we: user.alter_quotas(v, (("user", we.own.user), ("user", it.user))),
        ),
        Probe(
            "between ours",
            lambda v, it, we: user.alter_quotas(v, *quotas_of(we.own), *quotas_of(it), *quotas_of(we.idle)),
        ),
    ),
    ApiKey.DESCRIBE_USER_SCRAM_CREDENTIALS: (
        Probe("alone", lambda v, it, we: user.describe_credentials(it.user)),
        Probe("between ours", lambda v, it, we: user.describe_credentials(we.own.user, it.user, we.idle.user, NOBODY)),
        Probe("twice", lambda v, it, we: user.describe_credentials(it.user, it.user)),
    ),
    ApiKey.ALTER_USER_SCRAM_CREDENTIALS: (
        Probe("deleted", lambda v, it, we: user.alter_credentials(delete=[it.user])),
        Probe("set", lambda v, it, we: user.alter_credentials(write=[it.user])),
        Probe("deleted and set", lambda v, it, we: user.alter_credentials(delete=[it.user], write=[it.user])),
        Probe(
            "between ours",
            lambda v, it, we: user.alter_credentials(
                delete=[NOBODY, it.user], write=[we.own.user, it.user, we.idle.user]
            ),
        ),
    ),
    ApiKey.DESCRIBE_CLUSTER: (),
}
"""How each API names things. Those without a way to are tested by themselves, with what they tell."""
