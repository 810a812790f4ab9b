"""What is asked of both: each API by name of what is allowed, of what is denied, of both at once, and of all.

The first word of a case is what Alice may do with what she asks for; where nobody else is named, it is she who asks.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from kordon_protocol.keys import ApiKey
from kordon_proxy.apis.bindings import PREFIXED
from tests.kafka import requests as ask
from tests.kafka import share_requests as share
from tests.kafka.equivalence_worlds import ALICE, BOB, OLGA, World
from tests.kafka.requests import GROUP, LONG, SOON, TOPIC, Things
from tests.kafka.wire import a_batch
from tests.proxy.apis import acl_messages as acl
from tests.proxy.apis import user_messages as user
from tests.proxy.apis.messages import a_request, asked

Build = Callable[[int, World], Any]
Over = Callable[..., Any]
"""A request in a version, in a world, about things."""

Names = dict[str, tuple[str, ...]]
"""What a case is called, and of what standing that is which it is about; behind a blank, that it is missing."""
BROKER, LOGGER, METRICS, NO_TYPE = 4, 8, 16, 64
"""Types of resources that have settings."""


class Case:
    """One request, or several in turn; `since` a version, `until` another (not included).

    `outcome`: only codes are compared, since the clusters have nothing else there in common.
    """

    def __init__(
        self, name: str, build: Build, *, who: str = ALICE, since: int = 0, until: int = 99, outcome: bool = False
    ) -> None:
        self.name = name if who == ALICE else f"{name}, by {who.capitalize()}"
        self.build = build
        self.who = who
        self.versions = range(since, until)
        self.outcome = outcome


STANDINGS: Final = ("allowed", "readable", "writable", "deletable", "alterable", "visible", "denied")
USERS: Final = ("allowed", "writable", "visible", "denied")
FEW: Final[Names] = {one: (one,) for one in ("allowed", "readable", "visible", "denied")}
"""Enough where much has to be made."""
EDITORS: Final = ("allowed", "readable", "deletable", "alterable", "denied")
MIXED_THERE: Final[Names] = {"mixed, all there": ("denied", "visible", "allowed")}
SOME: Final = ("allowed", "deletable", "denied")
ALONE: Final[Names] = {one: (one,) for one in STANDINGS}
MISSING: Final[Names] = {f"{one}, missing": (f"{one} missing",) for one in ("allowed", "denied")}
MIXED: Final[Names] = {
    "mixed": ("allowed", "denied", "second"),
    "mixed, the denied first": ("denied", "denied missing", "visible", "allowed"),
}
MIXED_WITH_MISSING: Final[Names] = {
    "mixed, with a missing one": ("second", "allowed missing", "denied", "allowed", "denied missing"),
}
EACH: Final[Names] = {**ALONE, **MISSING, **MIXED, **MIXED_WITH_MISSING}


def about(
    over: Over,
    kind: str = "idle",
    *,
    new: str | None = None,
    names: Mapping[str, Iterable[str]] = EACH,
    of: str = "",
    **where: Any,
) -> tuple[Case, ...]:
    """About things of every standing, alone and together; `new`: made for each request."""

    def get(w: World, token: str) -> Things:
        standing, _, missing = token.partition(" ")
        return w.missing(standing) if missing else w(standing, kind) if new is None else w.new(standing, new)

    def case(name: str, tokens: Iterable[str]) -> Case:
        return Case(f"{of}{name}", lambda v, w: over(v, w, *(get(w, one) for one in tokens)), **where)

    return tuple(case(name, tokens) for name, tokens in names.items())


def one(over: Over, kind: str = "idle", *, of: str, names: Iterable[str] = STANDINGS, **where: Any) -> tuple[Case, ...]:
    """About one thing of every standing, which is there or missing."""
    single = {name: (name,) for name in names} | MISSING
    return about(over, kind, names=single, of=f"{of}: ", **where)


def absent(over: Over, *, of: str, **where: Any) -> tuple[Case, ...]:
    """About one thing of every standing, which comes into being by that."""
    return about(over, names={name: (f"{name} missing",) for name in STANDINGS}, of=f"{of}: ", **where)


def by_everybody(name: str, build: Build, **where: Any) -> tuple[Case, ...]:
    """What concerns the cluster: by who may do so, and by who may not."""
    return Case(name, build, **where), Case(name, build, who=OLGA, **where)


def names_of(all_things: Iterable[Things]) -> tuple[str, ...]:
    return tuple(things.group for things in all_things)


def with_group(things: Iterable[Things], group: str) -> Things:
    return replace(next(iter(things)), group=group)


# ---- requests that are no one-liners


def in_transaction(v: int, w: World, by: str, *standings: str) -> Any:
    """Produce in a transaction."""
    it = w(by, "producer")
    batch = a_batch(
        b"in it", producer_id=it.producer_id, producer_epoch=it.producer_epoch, sequence=0, transactional=True
    )
    return ask.produce(v, *(w(one) for one in standings), by=it, batch=batch)


def init_without_id(v: int, _: World) -> Any:
    return a_request(ApiKey.INIT_PRODUCER_ID, v, transactional_id=None, transaction_timeout=LONG, producer_id=-1)


def placed_by_hand(v: int, it: Things) -> Any:
    """A new topic that says where it lies."""
    key = ApiKey.CREATE_TOPICS
    place = asked(key, v, "topics", "assignments", partition_index=0, broker_ids=(1,))
    return ask.create_topics(v, it, num_partitions=-1, replication_factor=-1, assignments=(place,))


def grown_by_hand(v: int, it: Things) -> Any:
    key = ApiKey.CREATE_PARTITIONS
    place = asked(key, v, "topics", "assignments", broker_ids=(1,))
    entry = asked(key, v, "topics", name=it.topic, count=3, assignments=(place,))
    return a_request(key, v, topics=(entry,), timeout=SOON)


def quota_of(v: int, name: str) -> Any:
    return user.describe_quotas(v, ("user", user.EXACT, name))


def acl_of(w: World, number: int = 1) -> Any:
    """An ACL that nobody else makes."""
    return acl.binding(f"acl-{w.case}-{number}", "User:somebody", host=w.host)


def standing_of(things: Things) -> str:
    return things.topic.split("-")[0]


def reading(v: int, w: World, group: Things, *them: Things) -> Any:
    """One record of each topic, by a member of its own, which begins a session."""
    reader = replace(group, member_id=f"reader-{w.case}")
    there = [it for it in them if standing_of(it) in w.shared_topics and "-missing" not in it.topic]
    w.write(*there)
    return share.fetch(v, reader, *them, max_wait=SOON if there else timedelta(), max_records=1)


def acknowledging(v: int, w: World, group: Things, *them: Things) -> tuple[Any, ...]:
    """In a session that has been begun."""
    return reading(v, w, group, w("allowed")), share.acknowledge(v, replace(group, member_id=f"reader-{w.case}"), *them)


MEMBER: Final = "classic"
SETTING: Final = ("retention.ms", "98765432")
GROUP_SETTING: Final = ("consumer.heartbeat.interval.ms", "6666")


def flow_with(v: int, w: World, it: Things, **parts: Iterable[Things]) -> Any:
    """An application that reads what is allowed, and names other topics in other places."""
    named = {place: [things.topic for things in them] for place, them in parts.items()}
    return ask.flow(v, it, topology=ask.a_topology({"sources": [w("allowed").topic]} | named))


# ---- all of it; what only looks comes first

CASES: Final[dict[ApiKey, tuple[Case, ...]]] = {
    ApiKey.LIST_GROUPS: (
        Case("all", lambda v, w: ask.list_groups(v)),
        Case("all", lambda v, w: ask.list_groups(v), who=BOB),
        Case("all", lambda v, w: ask.list_groups(v), who=OLGA),
    ),
    ApiKey.DESCRIBE_TOPIC_PARTITIONS: (
        *about(lambda v, w, *them: ask.describe_topics(v, *them)),
        Case("all", lambda v, w: ask.describe_topics(v)),
        Case("all", lambda v, w: ask.describe_topics(v), who=BOB),
        Case("in pages", lambda v, w: ask.describe_topics(v, w("allowed"), w("denied"), w("second"), limit=1)),
    ),
    ApiKey.LIST_OFFSETS: (
        *about(lambda v, w, *them: ask.list_offsets(v, *them)),
        Case("none", lambda v, w: ask.list_offsets(v)),
        Case("named twice", lambda v, w: ask.list_offsets(v, w("allowed"), w("denied"), w("allowed"))),
    ),
    ApiKey.OFFSET_FOR_LEADER_EPOCH: (
        *about(lambda v, w, *them: ask.find_epochs(v, *them)),
        Case("none", lambda v, w: ask.find_epochs(v)),
        Case("denied, missing", lambda v, w: ask.find_epochs(v, w("denied"), w.missing("denied")), who=OLGA),
    ),
    ApiKey.DESCRIBE_PRODUCERS: (
        *about(lambda v, w, *them: ask.describe_producers(*them)),
        Case("none", lambda v, w: ask.describe_producers()),
    ),
    ApiKey.OFFSET_FETCH: (
        *one(lambda v, w, it: ask.fetch_offsets(v, it, w("allowed"), it), of="group"),
        *about(lambda v, w, *them: ask.fetch_offsets(v, with_group(them, w("allowed").group), *them)),
        Case("all of an allowed group", lambda v, w: ask.fetch_all_offsets(v, w("allowed")), since=2),
        Case("all of a visible group", lambda v, w: ask.fetch_all_offsets(v, w("visible")), since=2),
        Case("all of a denied group", lambda v, w: ask.fetch_all_offsets(v, w("denied")), since=2),
        Case(
            "all of an allowed group that reads denied topics",
            lambda v, w: ask.fetch_all_offsets(v, w("allowed", "idle, mixed")),
            since=2,
        ),
        Case("none of an allowed group", lambda v, w: ask.fetch_offsets(v, w("allowed"))),
        Case(
            "many groups",
            lambda v, w: ask.fetch_many_offsets(
                v,
                (w("denied"), None),
                (w("allowed"), (w("allowed"), w("denied"))),
                (w("denied"), (w("allowed"), w("denied"))),
                (w("second"), None),
            ),
            since=8,
        ),
    ),
    ApiKey.FIND_COORDINATOR: (
        *about(lambda v, w, *them: ask.find_coordinator(v, *names_of(them)), of="groups: ", since=4),
        *about(lambda v, w, *them: ask.find_coordinator(v, *names_of(them), key_type=1), of="transactions: ", since=4),
        *one(lambda v, w, it: ask.find_coordinator(v, it.group), of="group"),
        *one(lambda v, w, it: ask.find_coordinator(v, it.group, key_type=1), of="transaction", since=1),
        Case(
            "a partition of a share group",
            lambda v, w: ask.find_coordinator(v, f"{w('allowed').group}:{w('allowed').topic_id}:0", key_type=2),
        ),
        Case("none", lambda v, w: ask.find_coordinator(v), since=4),
    ),
    ApiKey.DESCRIBE_GROUPS: (
        *about(lambda v, w, *them: ask.describe_groups(v, *names_of(them))),
        *about(lambda v, w, *them: ask.describe_groups(v, *names_of(them)), MEMBER, of="with members: "),
        Case(
            "one that reads denied topics",
            lambda v, w: ask.describe_groups(v, w("allowed", "classic, mixed").group),
        ),
        Case("none", lambda v, w: ask.describe_groups(v)),
        Case("named twice", lambda v, w: ask.describe_groups(v, *(w(one).group for one in ("allowed", "denied") * 2))),
    ),
    ApiKey.CONSUMER_GROUP_DESCRIBE: (
        *about(lambda v, w, *them: ask.describe_consumers(v, *names_of(them)), "consumer"),
        Case(
            "one that reads denied topics",
            lambda v, w: ask.describe_consumers(v, w("allowed", "consumer, mixed").group),
        ),
        Case("none", lambda v, w: ask.describe_consumers(v)),
    ),
    ApiKey.SHARE_GROUP_DESCRIBE: (
        *about(lambda v, w, *them: share.describe(v, *names_of(them)), "shared", names=FEW | MISSING | MIXED),
        Case("one that reads denied topics", lambda v, w: share.describe(v, w("allowed", "shared, mixed").group)),
        Case("none", lambda v, w: share.describe(v)),
    ),
    ApiKey.STREAMS_GROUP_DESCRIBE: (
        *about(lambda v, w, *them: ask.describe_flows(v, *names_of(them)), "flow", names=FEW | MISSING | MIXED),
        Case("none", lambda v, w: ask.describe_flows(v)),
    ),
    ApiKey.DESCRIBE_SHARE_GROUP_OFFSETS: (
        *one(
            lambda v, w, it: share.describe_offsets(v, (it, (w(standing_of(it), "shared"),))),
            "shared",
            of="group",
            names=FEW,
        ),
        *about(
            lambda v, w, *them: share.describe_offsets(v, (w("allowed", "shared"), them)),
            names={**ALONE, **MIXED},
        ),
        Case("all of an allowed group", lambda v, w: share.describe_offsets(v, (w("allowed", "shared"), None))),
        Case("all of a denied group", lambda v, w: share.describe_offsets(v, (w("denied", "shared"), None))),
        Case(
            "all of an allowed group that reads denied topics",
            lambda v, w: share.describe_offsets(v, (w("allowed", "shared, mixed"), None)),
        ),
        Case("none", lambda v, w: share.describe_offsets(v)),
    ),
    ApiKey.DESCRIBE_TRANSACTIONS: (
        *about(lambda v, w, *them: ask.describe_transactions(*names_of(them)), "producer"),
        *about(
            lambda v, w, *them: ask.describe_transactions(*names_of(them)), "open", names=ALONE, of="that are open: "
        ),
        Case("none", lambda v, w: ask.describe_transactions()),
    ),
    ApiKey.LIST_TRANSACTIONS: (
        Case("all", lambda v, w: ask.list_transactions(v)),
        Case("all", lambda v, w: ask.list_transactions(v), who=BOB),
        Case("all", lambda v, w: ask.list_transactions(v), who=OLGA),
        Case("those that are open", lambda v, w: ask.list_transactions(v, states=("Ongoing",))),
        Case("by a pattern", lambda v, w: ask.list_transactions(v, pattern="(allowed|denied).*"), since=2),
        Case("by no pattern", lambda v, w: ask.list_transactions(v, pattern="("), since=2),
    ),
    ApiKey.DESCRIBE_CONFIGS: (
        *about(lambda v, w, *them: ask.describe_settings(v, *((TOPIC, it.topic) for it in them))),
        *about(lambda v, w, *them: ask.describe_settings(v, *((GROUP, it.group) for it in them)), of="groups: "),
        Case("one key", lambda v, w: ask.describe_settings(v, (TOPIC, w("allowed").topic), keys=("retention.ms",))),
        Case("none", lambda v, w: ask.describe_settings(v)),
        Case(
            "topics and groups",
            lambda v, w: ask.describe_settings(
                v, (GROUP, w("denied").group), (TOPIC, w("allowed").topic), (TOPIC, w("denied").topic)
            ),
        ),
        *by_everybody("a broker", lambda v, w: ask.describe_settings(v, (BROKER, "1")), outcome=True),
        *by_everybody("all brokers", lambda v, w: ask.describe_settings(v, (BROKER, "")), outcome=True),
        *by_everybody("a broker's loggers", lambda v, w: ask.describe_settings(v, (LOGGER, "1")), outcome=True),
        *by_everybody("client metrics", lambda v, w: ask.describe_settings(v, (METRICS, "some"))),
        *by_everybody("a type that is none", lambda v, w: ask.describe_settings(v, (NO_TYPE, "some"))),
    ),
    ApiKey.LIST_CONFIG_RESOURCES: (
        *by_everybody("all", lambda v, w: ask.list_settings(v)),
        *by_everybody("topics", lambda v, w: ask.list_settings(v, TOPIC), since=1),
    ),
    ApiKey.DESCRIBE_CLUSTER: by_everybody(
        "all", lambda v, w: a_request(ApiKey.DESCRIBE_CLUSTER, v, include_cluster_authorized_operations=True)
    ),
    ApiKey.LIST_PARTITION_REASSIGNMENTS: (
        *by_everybody("all", lambda v, w: ask.list_all_moves(v)),
        *by_everybody("mixed", lambda v, w: ask.list_moves(v, w("allowed"), w("denied"))),
    ),
    ApiKey.DESCRIBE_LOG_DIRS: (
        *by_everybody("all", lambda v, w: ask.describe_all_disks(v), outcome=True),
        *by_everybody("mixed", lambda v, w: ask.describe_disks(v, w("allowed"), w("denied")), outcome=True),
    ),
    ApiKey.DESCRIBE_QUORUM: (
        *by_everybody("all", lambda v, w: ask.describe_quorum(v), outcome=True),
        *by_everybody("an ordinary topic", lambda v, w: ask.describe_quorum(v, w("allowed").topic), outcome=True),
    ),
    ApiKey.DESCRIBE_CLIENT_QUOTAS: (
        *by_everybody("all", lambda v, w: user.describe_quotas(v)),
        *by_everybody("one user", lambda v, w: quota_of(v, "somebody")),
    ),
    ApiKey.DESCRIBE_USER_SCRAM_CREDENTIALS: (
        *by_everybody("one user", lambda v, w: user.describe_credentials("somebody")),
        *by_everybody("one user twice", lambda v, w: user.describe_credentials("somebody", "somebody")),
    ),
    ApiKey.DESCRIBE_ACLS: (
        *by_everybody("all", lambda v, w: acl.describe(v)),
        *by_everybody("of one user", lambda v, w: acl.describe(v, principal_filter="User:alice")),
    ),
    ApiKey.ELECT_LEADERS: (
        *by_everybody("all", lambda v, w: ask.elect_all_leaders(v)),
        *by_everybody("mixed", lambda v, w: ask.elect_leaders(v, w("allowed"), w("denied"), w.missing("denied"))),
    ),
    ApiKey.METADATA: (
        *about(lambda v, w, *them: ask.find_topics(v, *them, creating=False, bits=True), since=4),
        *about(lambda v, w, *them: ask.find_topics(v, *them), names={**ALONE, **MIXED}, until=4),
        *about(lambda v, w, *them: ask.find_topics_by_id(v, *them), of="by id: ", since=12),
        Case("all", lambda v, w: ask.find_all_topics(v)),
        Case("all", lambda v, w: ask.find_all_topics(v), who=BOB),
        Case("all", lambda v, w: ask.find_all_topics(v), who=OLGA),
        Case("none", lambda v, w: ask.find_topics(v), since=1),
        Case("to be created: allowed", lambda v, w: ask.find_topics(v, w.missing("allowed"))),
        Case("to be created: creatable", lambda v, w: ask.find_topics(v, w.missing("creatable")), since=13),
        Case("to be created: visible", lambda v, w: ask.find_topics(v, w.missing("visible"))),
        Case("to be created: denied", lambda v, w: ask.find_topics(v, w.missing("denied"))),
        Case("to be created: mixed", lambda v, w: ask.find_topics(v, w.missing("denied"), w.missing("allowed"))),
    ),
    # What changes something
    ApiKey.FETCH: (
        *about(lambda v, w, *them: ask.fetch(v, *them)),
        Case("none", lambda v, w: ask.fetch(v)),
        Case("in a session", lambda v, w: ask.fetch(v, w("allowed"), w("second"), session=(0, 0)), since=7),
        Case("in a session, mixed", lambda v, w: ask.fetch(v, w("allowed"), w("denied"), session=(0, 0)), since=7),
        Case("as a broker", lambda v, w: ask.fetch(v, w("allowed"), replica_id=1), until=15),
    ),
    ApiKey.PRODUCE: (
        *about(lambda v, w, *them: ask.produce(v, *them)),
        Case("none", lambda v, w: ask.produce(v)),
        *(
            Case(f"transaction: {by}", lambda v, w, by=by: in_transaction(v, w, by, "allowed", "denied"))  # type: ignore[misc]
            for by in ("allowed", "readable", "writable", "visible", "denied")
        ),
    ),
    ApiKey.OFFSET_COMMIT: (
        *one(lambda v, w, it: ask.commit(v, it, w("allowed")), of="group", new="topic"),
        *about(lambda v, w, *them: ask.commit(v, with_group(them, w.missing("allowed").group), *them)),
        *(
            Case(
                f"member of a group: {standing}",
                lambda v, w, standing=standing: ask.commit(  # type: ignore[misc]
                    v, w(standing, MEMBER), w("denied"), w("allowed"), w("visible"), member=True
                ),
            )
            for standing in STANDINGS
        ),
        Case("none", lambda v, w: ask.commit(v, w("allowed"))),
    ),
    ApiKey.OFFSET_DELETE: (
        *one(lambda v, w, it: ask.delete_offsets(v, it, it), of="group", new="idle"),
        *about(lambda v, w, *them: ask.delete_offsets(v, with_group(them, w("allowed").group), *them)),
        Case("none", lambda v, w: ask.delete_offsets(v, w("allowed"))),
    ),
    ApiKey.JOIN_GROUP: (
        *absent(lambda v, w, it: ask.join(v, it, w("allowed").topic), of="group"),
        Case("topics: mixed", lambda v, w: ask.join(v, w.missing("allowed"), w("allowed").topic, w("denied").topic)),
    ),
    ApiKey.SYNC_GROUP: one(lambda v, w, it: ask.sync(v, it, it.topic), MEMBER, of="group"),
    ApiKey.HEARTBEAT: one(lambda v, w, it: ask.heartbeat(v, it), MEMBER, of="group"),
    ApiKey.LEAVE_GROUP: (
        *one(lambda v, w, it: ask.leave(v, it, it.member_id), of="group", new=MEMBER),
        Case("a member that is not there", lambda v, w: ask.leave(v, w("allowed", MEMBER), "nobody")),
    ),
    ApiKey.CONSUMER_GROUP_HEARTBEAT: (
        *absent(lambda v, w, it: ask.beat(v, it, w("allowed").topic), of="group, to be joined"),
        *one(lambda v, w, it: ask.beat(v, it, it.topic, epoch=it.generation), "consumer", of="group, as a member"),
        Case(
            "by another connection",
            lambda v, w: ask.beat(v, it := w("second", "consumer"), epoch=it.generation, subscribed_topic_names=None),
            since=1,
        ),
        *one(lambda v, w, it: ask.beat(v, it, epoch=-1), of="group, to be left", new="consumer", names=SOME),
        *about(
            lambda v, w, *them: ask.beat(v, w.missing("allowed"), *(it.topic for it in them)),
            of="topics: ",
        ),
        Case("no pattern", lambda v, w: ask.beat(v, w.missing("allowed"), subscribed_topic_regex="("), since=1),
    ),
    ApiKey.SHARE_GROUP_HEARTBEAT: (
        *absent(lambda v, w, it: share.beat(v, it, w("allowed").topic), of="group, to be joined"),
        *one(
            lambda v, w, it: share.beat(v, it, it.topic, epoch=it.generation),
            "shared",
            of="group, as a member",
            names=FEW,
        ),
        Case("by another connection", lambda v, w: share.beat(v, it := w("second", "shared"), epoch=it.generation)),
        *one(lambda v, w, it: share.beat(v, it, epoch=-1), of="group, to be left", new="shared", names=SOME),
        *about(
            lambda v, w, *them: share.beat(v, w.missing("allowed"), *(it.topic for it in them)),
            of="topics: ",
        ),
    ),
    ApiKey.STREAMS_GROUP_HEARTBEAT: (
        *absent(lambda v, w, it: ask.flow_from(v, it, w("allowed")), of="group, to be joined"),
        *one(lambda v, w, it: ask.flow(v, it, epoch=it.generation), "flow", of="group, as a member", names=FEW),
        *one(lambda v, w, it: ask.flow(v, it, epoch=-1), of="group, to be left", new="flow", names=SOME),
        *about(lambda v, w, *them: ask.flow_from(v, w.missing("allowed"), *them), of="sources: "),
        *about(
            lambda v, w, it: flow_with(v, w, w.missing("allowed"), sinks=(it,), repartitions=(it,)),
            names=ALONE,
            of="repartitioned through: ",
        ),
        *about(
            lambda v, w, it: flow_with(v, w, w.missing("allowed"), changelogs=(it,)),
            names={name: (f"{name} missing",) for name in (*STANDINGS, "creatable")},
            of="with a new changelog: ",
        ),
    ),
    ApiKey.SHARE_FETCH: (
        *about(lambda v, w, it: reading(v, w, it, w("allowed")), "sharing", names=FEW, of="group: "),
        *about(lambda v, w, *them: reading(v, w, w("allowed", "sharing"), *them), names=EACH | MIXED_THERE),
    ),
    ApiKey.SHARE_ACKNOWLEDGE: (
        *about(lambda v, w, it: acknowledging(v, w, it, w("allowed")), "sharing", names=FEW, of="group: "),
        *about(lambda v, w, *them: acknowledging(v, w, w("allowed", "sharing"), *them), names=EACH | MIXED_THERE),
    ),
    ApiKey.ALTER_SHARE_GROUP_OFFSETS: (
        *one(lambda v, w, it: share.alter_offsets(v, it, it), "unshared", of="group", names=EDITORS),
        *about(lambda v, w, *them: share.alter_offsets(v, w.missing("allowed"), *them)),
    ),
    ApiKey.DELETE_SHARE_GROUP_OFFSETS: (
        *one(lambda v, w, it: share.delete_offsets(v, it, it), "unshared", of="group", names=EDITORS),
        *about(lambda v, w, *them: share.delete_offsets(v, w("second", "unshared"), *them)),
    ),
    ApiKey.INIT_PRODUCER_ID: (
        *absent(lambda v, w, it: ask.init_producer(v, it), of="transaction"),
        *one(lambda v, w, it: ask.init_producer(v, it, again=True), of="transaction, again", new="producer", since=3),
        Case("no transaction", init_without_id),
        Case("no transaction", init_without_id, who=BOB),
    ),
    ApiKey.ADD_PARTITIONS_TO_TXN: (
        *one(lambda v, w, it: ask.add_partitions(v, it, w("allowed")), of="transaction", new="producer"),
        *about(lambda v, w, *them: ask.add_partitions(v, w.new("allowed", "producer"), *them)),
    ),
    ApiKey.ADD_OFFSETS_TO_TXN: (
        *one(lambda v, w, it: ask.add_offsets(v, it, w("allowed").group), of="transaction", new="producer"),
        *one(lambda v, w, it: ask.add_offsets(v, w.new("allowed", "producer"), it.group), of="group"),
    ),
    ApiKey.TXN_OFFSET_COMMIT: (
        *one(
            lambda v, w, it: ask.commit_in_transaction(v, it, w("allowed"), w("allowed"), member=False),
            of="transaction",
            new="producer",
        ),
        *one(
            lambda v, w, it: ask.commit_in_transaction(v, w("second", "producer"), it, w("allowed"), member=False),
            of="group",
        ),
        *one(
            lambda v, w, it: ask.commit_in_transaction(v, w("second", "producer"), it, w("allowed")),
            MEMBER,
            of="group, as a member",
        ),
        *about(
            lambda v, w, *them: ask.commit_in_transaction(
                v, w("second", "producer"), w("allowed"), *them, member=False
            ),
        ),
    ),
    ApiKey.END_TXN: (
        *one(
            lambda v, w, it: ask.end_transaction(v, it, committed=True),
            of="transaction, to be committed",
            new="open",
            names=USERS,
        ),
        Case("to be aborted", lambda v, w: ask.end_transaction(v, w.new("allowed", "open"), committed=False)),
        Case("ended already", lambda v, w: ask.end_transaction(v, w("allowed", "producer"), committed=True)),
    ),
    ApiKey.WRITE_TXN_MARKERS: (
        *by_everybody("mixed", lambda v, w: ask.write_markers(v, *(w("allowed"), w("denied")), of=w("allowed"))),
        Case("allowed", lambda v, w: ask.write_markers(v, it := w.new("allowed", "open"), of=it, partitions=(1,))),
        Case(
            "allowed",
            lambda v, w: ask.write_markers(v, it := w.new("allowed", "open"), of=it, partitions=(1,)),
            who=OLGA,
        ),
    ),
    ApiKey.DELETE_GROUPS: (
        *about(lambda v, w, *them: ask.delete_groups(v, *names_of(them)), new="idle"),
        Case("one in use", lambda v, w: ask.delete_groups(v, w("allowed", MEMBER).group)),
        Case("none", lambda v, w: ask.delete_groups(v)),
    ),
    ApiKey.CREATE_TOPICS: (
        *about(
            lambda v, w, *them: ask.create_topics(v, *them),
            names={name: (f"{name} missing",) for name in (*STANDINGS, "creatable")},
            of="new: ",
        ),
        *about(lambda v, w, *them: ask.create_topics(v, *them), names={**ALONE}, of="there: "),
        Case("mixed", lambda v, w: ask.create_topics(v, w.missing("denied"), w.missing("allowed"), w("allowed"))),
        Case("mixed, twice", lambda v, w: ask.create_topics(v, *[w.missing("denied"), w.missing("allowed")] * 2)),
        Case(
            "only to see, mixed",
            lambda v, w: ask.create_topics(v, w.missing("denied"), w.missing("allowed"), only_validate=True),
        ),
        Case("placed by hand", lambda v, w: placed_by_hand(v, w.missing("allowed"))),
        Case("placed by hand", lambda v, w: placed_by_hand(v, w.missing("allowed")), who=OLGA),
        Case("with a name that is none", lambda v, w: ask.create_topics(v, replace(w("allowed"), topic="allowed ?"))),
        Case("none", lambda v, w: ask.create_topics(v)),
    ),
    ApiKey.DELETE_TOPICS: (
        *about(lambda v, w, *them: ask.delete_topics(v, *them), new="topic"),
        *about(lambda v, w, *them: ask.delete_topics_by_id(v, *them), new="topic", of="by id: ", since=6),
        Case("twice", lambda v, w: ask.delete_topics(v, *[w.new("allowed")] * 2)),
        Case("by id and name", lambda v, w: ask.delete_topics_by_id(v, w("allowed"), named=True), since=6),
        Case("none", lambda v, w: ask.delete_topics(v)),
    ),
    ApiKey.DELETE_RECORDS: about(lambda v, w, *them: ask.truncate(v, *them), new="records"),
    ApiKey.CREATE_PARTITIONS: (
        *about(lambda v, w, *them: ask.grow_topics(v, *them, count=3), new="topic"),
        Case("only to see", lambda v, w: ask.grow_topics(v, w("allowed"), w("denied"), only_validate=True)),
        Case("not growing", lambda v, w: ask.grow_topics(v, w("allowed"), w("denied"), count=1)),
        Case("twice", lambda v, w: ask.grow_topics(v, *[w("allowed"), w("denied")] * 2)),
        Case("placed by hand", lambda v, w: grown_by_hand(v, w.new("allowed"))),
        Case("placed by hand", lambda v, w: grown_by_hand(v, w.new("allowed")), who=OLGA),
    ),
    ApiKey.INCREMENTAL_ALTER_CONFIGS: (
        *about(
            lambda v, w, *them: ask.alter_settings(v, *((TOPIC, it.topic) for it in them), setting=SETTING),
            new="topic",
        ),
        *about(
            lambda v, w, *them: ask.alter_settings(v, *((GROUP, it.group) for it in them), setting=GROUP_SETTING),
            names=ALONE | MISSING | MIXED,
            new="topic",
            of="groups: ",
        ),
        Case(
            "only to see",
            lambda v, w: ask.alter_settings(
                v, (TOPIC, w("allowed").topic), (TOPIC, w("denied").topic), setting=SETTING, only_validate=True
            ),
        ),
        Case(
            "a setting that is none",
            lambda v, w: ask.alter_settings(v, (TOPIC, w("allowed").topic), setting=("no.such", "1")),
        ),
        Case(
            "a replica throttle",
            lambda v, w: ask.alter_settings(
                v, (TOPIC, w.new("allowed").topic), setting=("leader.replication.throttled.replicas", "0:1")
            ),
        ),
        *by_everybody(
            "a broker", lambda v, w: ask.alter_settings(v, (BROKER, "1"), setting=("log.cleaner.threads", "1"))
        ),
        *by_everybody(
            "all brokers", lambda v, w: ask.alter_settings(v, (BROKER, ""), setting=("log.cleaner.threads", "1"))
        ),
        *by_everybody(
            "a broker's loggers", lambda v, w: ask.alter_settings(v, (LOGGER, "1"), setting=("kafka", "ERROR"))
        ),
        *by_everybody(
            "client metrics", lambda v, w: ask.alter_settings(v, (METRICS, "some"), setting=("interval.ms", "60000"))
        ),
    ),
    ApiKey.ALTER_CONFIGS: (
        *about(
            lambda v, w, *them: ask.replace_settings(v, *((TOPIC, it.topic) for it in them), setting=SETTING),
            new="topic",
        ),
        *about(
            lambda v, w, *them: ask.replace_settings(v, *((GROUP, it.group) for it in them), setting=GROUP_SETTING),
            names=ALONE | MISSING | MIXED,
            new="topic",
            of="groups: ",
        ),
        *by_everybody(
            "all brokers", lambda v, w: ask.replace_settings(v, (BROKER, ""), setting=("log.cleaner.threads", "1"))
        ),
    ),
    ApiKey.ALTER_PARTITION_REASSIGNMENTS: (
        *by_everybody(
            "mixed", lambda v, w: ask.move_replicas(v, w("allowed"), w("denied"), w.missing("denied"), to=(1,))
        ),
        *by_everybody("to no broker", lambda v, w: ask.move_replicas(v, w("allowed"), to=(99,))),
        *by_everybody("given up", lambda v, w: ask.move_replicas(v, w("allowed"), to=None)),
    ),
    ApiKey.ALTER_REPLICA_LOG_DIRS: by_everybody(
        "mixed", lambda v, w: ask.move_between_disks(v, w("allowed"), w("denied"), path="/nowhere")
    ),
    ApiKey.ALTER_CLIENT_QUOTAS: (
        *by_everybody("of a user", lambda v, w: user.alter_quotas(v, (("user", f"user-{w.case}"),))),
        *by_everybody("of a client", lambda v, w: user.alter_quotas(v, (("client-id", f"client-{w.case}"),))),
        *by_everybody("of everybody", lambda v, w: user.alter_quotas(v, (("user", None),), validate=True)),
    ),
    ApiKey.ALTER_USER_SCRAM_CREDENTIALS: (
        *by_everybody("set", lambda v, w: user.alter_credentials(write=[f"user-{w.case}", f"other-{w.case}"])),
        *by_everybody("deleted", lambda v, w: user.alter_credentials(delete=["somebody"])),
    ),
    ApiKey.CREATE_ACLS: by_everybody("two", lambda v, w: acl.create(v, acl_of(w), acl_of(w, 2))),
    ApiKey.DELETE_ACLS: (
        *by_everybody(
            "by filters", lambda v, w: acl.delete(v, acl.exact(w.guarded(acl_of(w))), acl.exact(acl_of(w, 2)))
        ),
        *by_everybody(
            "by prefix",
            lambda v, w: acl.delete(v, {"resource_name_filter": f"acl-{w.case}", "pattern_type_filter": PREFIXED}),
        ),
    ),
    ApiKey.UPDATE_FEATURES: by_everybody("one that is none", lambda v, w: ask.update_feature(v, "no.such", 1)),
    ApiKey.UNREGISTER_BROKER: by_everybody("one that is not there", lambda v, w: ask.unregister_broker(v, 99)),
    ApiKey.ADD_RAFT_VOTER: by_everybody("one that is not there", lambda v, w: ask.add_voter(v, 99)),
    ApiKey.REMOVE_RAFT_VOTER: by_everybody("one that is not there", lambda v, w: ask.remove_voter(v, 99)),
}
"""Everything that is asked, by API, in this order."""
LOOKING: Final = frozenset(list(CASES)[: list(CASES).index(ApiKey.METADATA)])
"""APIs that change nothing: what is there is looked at once, behind the last version."""
ABOUT_ACLS: Final = frozenset({ApiKey.DESCRIBE_ACLS, ApiKey.CREATE_ACLS, ApiKey.DELETE_ACLS})
"""What needs an authorizer at the brokers: both ask the same cluster, one after the other."""
ABOUT_SETTINGS: Final = frozenset({ApiKey.INCREMENTAL_ALTER_CONFIGS, ApiKey.ALTER_CONFIGS, ApiKey.CREATE_TOPICS})
ABOUT_ACCESS: Final = frozenset({*ABOUT_ACLS, ApiKey.ALTER_CLIENT_QUOTAS, ApiKey.ALTER_USER_SCRAM_CREDENTIALS})
