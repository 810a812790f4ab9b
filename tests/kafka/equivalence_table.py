"""All differences between Kafka's own authorizer and Kordon that are meant: what the test expects and users read."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from kordon_protocol.keys import ApiKey
from kordon_proxy.table import APIS
from tests.kafka.equivalence_answers import ABSENT, AFTERWARDS, ORDER, THERE, Found

Matches = Callable[[Found], bool]

TAF, GAF, CAF = (f"{kind}_AUTHORIZATION_FAILED" for kind in ("TOPIC", "GROUP", "CLUSTER"))
UTI, UTP, NONE = "UNKNOWN_TOPIC_ID", "UNKNOWN_TOPIC_OR_PARTITION", "NONE"
UNREADABLE: Final = ("writable", "deletable", "alterable", "visible", "mixed, the denied first")
"""Cases about topics that Alice sees and may not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """At which APIs, since which version, and how it is told.

    `always`: in each of these versions; else in one at least, as where a hash decides.
    """

    apis: tuple[ApiKey, ...]
    meets: Matches
    since: int = 0
    until: int = 99
    always: bool = True
    by_chance: bool = False
    """Whether it can be as with Kafka in all versions."""

    def versions(self, key: ApiKey) -> range:
        admitted = APIS[key].versions
        return range(max(self.since, admitted.start), min(self.until, admitted.stop))


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One difference in the words of who comes from Kafka's ACLs."""

    title: str
    kafka: str
    kordon: str
    why: str
    where: tuple[Where, ...]


def at(*apis: ApiKey, meets: Matches, since: int = 0, until: int = 99, always: bool = True) -> Where:
    return Where(apis=apis, meets=meets, since=since, until=until, always=always)


def ordered(it: Found) -> bool:
    return it.place == ORDER


def codes(kafka: str, kordon: str, *cases: str) -> Matches:
    """These two codes, in one of these cases where any are named (by how they begin)."""
    return lambda it: (it.kafka, it.kordon) == (kafka, kordon) and begins(it.case, cases)


def begins(case: str, cases: Iterable[str]) -> bool:
    return case.startswith(tuple(cases) or "")


def field(name: str, *cases: str) -> Matches:
    """Another value of this field."""
    return lambda it: it.place.rpartition(".")[2] == name and begins(it.case, cases)


def entries(path: str, *cases: str) -> Matches:
    """Entries in this array that only one of the two has."""
    return lambda it: (
        {it.kafka, it.kordon} == {ABSENT, THERE} and it.place.startswith(f"{path}[") and begins(it.case, cases)
    )


def either(*matches: Matches) -> Matches:
    return lambda it: any(one(it) for one in matches)


def state(aspect: str) -> Matches:
    """What happened to this, beside what a case names as its own."""
    return lambda it: it.place.startswith(f"{AFTERWARDS}: {aspect}")


DESCRIBED: Final = (
    ApiKey.DESCRIBE_GROUPS,
    ApiKey.CONSUMER_GROUP_DESCRIBE,
    ApiKey.SHARE_GROUP_DESCRIBE,
    ApiKey.STREAMS_GROUP_DESCRIBE,
)

DIFFERENCES: Final = (
    Difference(
        title="An id says nothing of a topic outside the view",
        kafka="TOPIC_AUTHORIZATION_FAILED for the id of a topic that is there, UNKNOWN_TOPIC_ID for any other",
        kordon="UNKNOWN_TOPIC_ID for both, also with `outside_view: denied`",
        why="By the difference one could find out which ids there are.",
        where=(
            at(ApiKey.PRODUCE, meets=codes(TAF, UTI), since=13),
            at(ApiKey.FETCH, meets=codes(TAF, UTI), since=13),
            at(ApiKey.METADATA, meets=codes(TAF, UTI), since=12),
            at(ApiKey.OFFSET_COMMIT, meets=codes(TAF, UTI), since=10),
            at(ApiKey.OFFSET_FETCH, meets=codes(TAF, UTI), since=10),
            at(ApiKey.DELETE_TOPICS, meets=codes(TAF, UTI), since=6),
            at(ApiKey.SHARE_FETCH, ApiKey.SHARE_ACKNOWLEDGE, meets=codes(TAF, UTI)),
        ),
    ),
    Difference(
        title="Entries of an answer may stand in another order",
        kafka="the order of its hash tables, or what is refused before or behind the rest",
        kordon="mostly that of the request",
        why="Kafka promises no order, and clients look for the names.",
        where=(
            at(
                *(ApiKey.PRODUCE, ApiKey.FETCH, ApiKey.LIST_OFFSETS, ApiKey.METADATA, ApiKey.OFFSET_COMMIT),
                *(ApiKey.OFFSET_FETCH, ApiKey.DESCRIBE_GROUPS, ApiKey.CREATE_PARTITIONS, ApiKey.DELETE_TOPICS),
                *(ApiKey.DELETE_RECORDS, ApiKey.OFFSET_FOR_LEADER_EPOCH, ApiKey.ADD_PARTITIONS_TO_TXN),
                *(ApiKey.WRITE_TXN_MARKERS, ApiKey.TXN_OFFSET_COMMIT, ApiKey.DESCRIBE_ACLS),
                *(ApiKey.LIST_CONFIG_RESOURCES, ApiKey.DELETE_GROUPS, ApiKey.ELECT_LEADERS, ApiKey.OFFSET_DELETE),
                *(ApiKey.ALTER_USER_SCRAM_CREDENTIALS, ApiKey.LIST_TRANSACTIONS, ApiKey.CONSUMER_GROUP_DESCRIBE),
                *(ApiKey.DESCRIBE_TOPIC_PARTITIONS, ApiKey.SHARE_GROUP_DESCRIBE, ApiKey.STREAMS_GROUP_DESCRIBE),
                meets=ordered,
                always=False,
            ),
            Where(
                apis=(
                    *(ApiKey.SHARE_FETCH, ApiKey.SHARE_ACKNOWLEDGE, ApiKey.DESCRIBE_SHARE_GROUP_OFFSETS),
                    *(ApiKey.ALTER_SHARE_GROUP_OFFSETS, ApiKey.DELETE_SHARE_GROUP_OFFSETS),
                ),
                meets=ordered,
                always=False,
                by_chance=True,  # the hashes of the topics' ids decide, and these are random
            ),
        ),
    ),
    Difference(
        title="Whoever sees a topic or a group sees its settings",
        kafka="DESCRIBE and DESCRIBE_CONFIGS are given one by one",
        kordon="both come with the view, and so do the bits of permissions that say so",
        why="There is no action for seeing: only tenants hide things.",
        where=(
            at(ApiKey.METADATA, meets=field("topic_authorized_operations"), since=8),
            at(ApiKey.DESCRIBE_TOPIC_PARTITIONS, meets=field("topic_authorized_operations")),
            at(ApiKey.DESCRIBE_GROUPS, meets=field("authorized_operations"), since=3),
            at(*DESCRIBED[1:], meets=field("authorized_operations")),
            at(ApiKey.DESCRIBE_CONFIGS, meets=either(codes(TAF, NONE), codes(GAF, NONE))),
        ),
    ),
    Difference(
        title="Of the settings of topics and groups only their own are shown",
        kafka="each setting with those of the broker that it falls back to",
        kordon="without these; who has BROKER_EDIT on every broker gets them",
        why="They are the broker's, and the same for all tenants.",
        where=(at(ApiKey.DESCRIBE_CONFIGS, meets=lambda it: it.place.endswith("synonyms[]")),),
    ),
    Difference(
        title="The bits of permissions on the cluster are those of Kordon's actions",
        kafka="none without DESCRIBE on the cluster; with ALL also CREATE and CLUSTER_ACTION",
        kordon="IDEMPOTENT_WRITE for whoever may produce to some topic; never CREATE and CLUSTER_ACTION",
        why="To create is a right to names, and to act as a broker is nobody's.",
        where=(
            at(ApiKey.METADATA, meets=field("cluster_authorized_operations"), since=8, until=11),
            at(ApiKey.DESCRIBE_CLUSTER, meets=field("cluster_authorized_operations")),
        ),
    ),
    Difference(
        title="Nobody reads as a broker",
        kafka="TOPIC_AUTHORIZATION_FAILED to who says to be a replica and has no CLUSTER_ACTION",
        kordon="the claim is dropped, and he reads as a consumer",
        why="What a consumer may read he may read either way, and no more.",
        where=(at(ApiKey.FETCH, meets=codes(TAF, NONE, "as a broker"), until=15),),
    ),
    Difference(
        title="A fetch that is refused in part begins no session",
        kafka="a session also of what is refused",
        kordon="no session as long as something in it is refused",
        why="A session holds only what is allowed. The client sends full requests meanwhile.",
        where=(at(ApiKey.FETCH, meets=field("session_id", "in a session, mixed"), since=7),),
    ),
    Difference(
        title="To move a group's offsets from outside takes GROUP_EDIT",
        kafka="READ on the group, as for its members; READ on the topics",
        kordon="GROUP_EDIT on the group, and the topics in the view; members commit by GROUP_CONSUME and TOPIC_INSPECT",
        why="Consuming is one right and moving others' offsets is another, which goes with the group.",
        where=(
            at(
                *(ApiKey.OFFSET_COMMIT, ApiKey.ALTER_SHARE_GROUP_OFFSETS),
                meets=either(
                    codes(NONE, GAF, "group: readable"),
                    codes(GAF, NONE, "group: alterable"),
                    codes(TAF, NONE, *UNREADABLE),
                    state("share offsets: groups[readable-unshared]"),
                    state("share offsets: groups[alterable-unshared]"),
                ),
            ),
            at(
                ApiKey.TXN_OFFSET_COMMIT,
                meets=lambda it: (
                    (it.kafka == TAF and begins(it.case, UNREADABLE))
                    or (GAF in (it.kafka, it.kordon) and begins(it.case, ("group: ", "group, as a member: ")))
                ),
            ),
        ),
    ),
    Difference(
        title="To delete a group's offsets takes GROUP_EDIT",
        kafka="DELETE on the group and READ on the topics",
        kordon="GROUP_EDIT on the group, and the topics in the view",
        why="It is the same as moving them. GROUP_DELETE is for the group as a whole.",
        where=(
            at(
                ApiKey.OFFSET_DELETE,
                meets=either(
                    codes(NONE, GAF, "group: deletable"),
                    codes(GAF, NONE, "group: alterable"),
                    codes(TAF, NONE, *UNREADABLE),
                ),
            ),
            at(
                ApiKey.DELETE_SHARE_GROUP_OFFSETS,
                meets=either(
                    codes(NONE, GAF, "group: deletable"),
                    codes(GAF, NONE, "group: alterable"),
                    lambda it: it.kafka == TAF and begins(it.case, UNREADABLE),
                    state("share offsets: groups[deletable-unshared]"),
                    state("share offsets: groups[alterable-unshared]"),
                ),
            ),
        ),
    ),
    Difference(
        title="GROUP_DELETE removes members, too",
        kafka="READ on the group lets any member be removed; DELETE lets none",
        kordon="with either GROUP_CONSUME or GROUP_DELETE, by who knows the member's id",
        why="Whoever may delete a group may empty it first.",
        where=(at(ApiKey.LEAVE_GROUP, meets=codes(GAF, NONE, "group: deletable")),),
    ),
    Difference(
        title="Ids of members are shown whole to who may remove them",
        kafka="to everybody with DESCRIBE on the group",
        kordon="with GROUP_DELETE; to others their ends are hidden",
        why="Whoever knows a member's id can act for that member.",
        where=(at(*DESCRIBED, meets=field("member_id")),),
    ),
    Difference(
        title="Of what members tell each other only known parts are shown",
        kafka="all bytes as the members sent them",
        kordon="subscriptions and assignments, cut to the view, without user data",
        why="User data can have any name in it.",
        where=(
            at(ApiKey.DESCRIBE_GROUPS, meets=either(field("member_metadata"), field("member_assignment"))),
            at(ApiKey.JOIN_GROUP, meets=field("metadata", "topics: mixed"), until=4),
        ),
    ),
    Difference(
        title="A group that also reads topics outside the view is described without these",
        kafka="TOPIC_AUTHORIZATION_FAILED for the whole group",
        kordon="the group, its subscriptions and assignments cut to the view",
        why="The group is the tenant's own.",
        where=(
            at(
                *(ApiKey.CONSUMER_GROUP_DESCRIBE, ApiKey.SHARE_GROUP_DESCRIBE),
                meets=codes(TAF, NONE, "one that reads denied topics"),
            ),
        ),
    ),
    Difference(
        title="A member needs the right to read what it subscribes to",
        kafka="DESCRIBE on the topics that a heartbeat names",
        kordon="TOPIC_INSPECT",
        why="Who may not read a topic would hold partitions of it and keep them from those who may.",
        where=(
            at(
                *(ApiKey.CONSUMER_GROUP_HEARTBEAT, ApiKey.SHARE_GROUP_HEARTBEAT),
                meets=codes(NONE, TAF, "topics: "),
            ),
            at(ApiKey.STREAMS_GROUP_HEARTBEAT, meets=codes(NONE, TAF, "sources: ")),
        ),
    ),
    Difference(
        title="A subscription to a topic outside the view is one to a topic that is not there",
        kafka="TOPIC_AUTHORIZATION_FAILED for the whole heartbeat",
        kordon="the member joins and is assigned nothing of it, also with `outside_view: denied`",
        why="A topic may leave the view while members run. Clients ask for its metadata, too, and are told there.",
        where=(
            at(
                *(ApiKey.CONSUMER_GROUP_HEARTBEAT, ApiKey.SHARE_GROUP_HEARTBEAT),
                meets=codes(TAF, NONE, "topics: "),
            ),
        ),
    ),
    Difference(
        title="A member that comes by another connection says its subscription again",
        kafka="goes on where it was",
        kordon="NOT_COORDINATOR, once: the client looks for the coordinator, finds it where it was, and says all again",
        why="Kordon judges the subscription at each heartbeat, and on this connection it has not heard it.",
        where=(
            at(
                ApiKey.CONSUMER_GROUP_HEARTBEAT,
                meets=either(
                    codes(NONE, "NOT_COORDINATOR", "by another connection"),
                    state("new members: groups[second-consumer]"),
                ),
                since=1,
            ),
            at(
                ApiKey.SHARE_GROUP_HEARTBEAT,
                meets=either(
                    codes(NONE, "NOT_COORDINATOR", "by another connection"), state("sharers: groups[second-shared]")
                ),
            ),
        ),
    ),
    Difference(
        title="A Streams application needs all rights to its internal topics when it joins",
        kafka="DESCRIBE on them; where CREATE is missing, the status of a heartbeat says so",
        kordon="TOPIC_INSPECT and TOPIC_PRODUCE, and TOPIC_CREATE where they are missing, at each heartbeat",
        why="Brokers make these topics in Kordon's name.",
        where=(
            at(
                ApiKey.STREAMS_GROUP_HEARTBEAT,
                meets=either(
                    codes(NONE, TAF, "repartitioned", "with a new changelog", "group, as a member: readable"),
                    state("flows: groups[readable-flow]"),
                ),
            ),
        ),
    ),
    Difference(
        title="Ids that are unknown do not spoil a request of a share consumer",
        kafka="UNKNOWN_SERVER_ERROR for the whole request (4.3.1)",
        kordon="UNKNOWN_TOPIC_ID for these, and the rest as it is",
        why="So it is specified, and Kordon does not send ids on that are not in the view.",
        where=(
            at(*(ApiKey.SHARE_FETCH, ApiKey.SHARE_ACKNOWLEDGE), meets=lambda it: it.kafka == "UNKNOWN_SERVER_ERROR"),
        ),
    ),
    Difference(
        title="A refusal does not say the topic's id",
        kafka="TOPIC_AUTHORIZATION_FAILED together with the id of the topic",
        kordon="without it",
        why="It tells that the topic is there.",
        where=(
            at(
                *(ApiKey.ALTER_SHARE_GROUP_OFFSETS,),
                meets=field("topic_id"),
            ),
        ),
    ),
    Difference(
        title="Where data lies is for who may edit brokers",
        kafka="CREATE, ALTER or ALTER_CONFIGS on the topic",
        kordon="BROKER_EDIT on every broker besides, or TOPIC_AUTHORIZATION_FAILED",
        why="Brokers are shared by all tenants.",
        where=(
            at(ApiKey.CREATE_TOPICS, ApiKey.CREATE_PARTITIONS, meets=codes(NONE, TAF, "placed by hand")),
            at(ApiKey.INCREMENTAL_ALTER_CONFIGS, meets=codes(NONE, TAF, "a replica throttle")),
        ),
    ),
    Difference(
        title="What one may create one sees",
        kafka="with CREATE alone a topic is made whose settings are kept back, and asking for it does not make it",
        kordon="its settings are told, and asking for it makes it where the brokers do so",
        why="Only what is in the view can be created.",
        where=(
            at(
                ApiKey.CREATE_TOPICS,
                meets=lambda it: begins(it.case, ("new: creatable",)) and not it.place.startswith(AFTERWARDS),
                since=5,
            ),
            at(ApiKey.METADATA, meets=codes(TAF, UTP, "to be created: creatable"), since=13),
        ),
    ),
    Difference(
        title="To ask for a topic that is not there is no denied creation",
        kafka="TOPIC_AUTHORIZATION_FAILED where the brokers would make it and CREATE is missing",
        kordon="UNKNOWN_TOPIC_OR_PARTITION: it is not made, nor another one that the same request asks for",
        why="Clients ask for topics without meaning to make them.",
        where=(at(ApiKey.METADATA, meets=codes(TAF, UTP, "to be created: visible")),),
    ),
    Difference(
        title="A page of topics has what is refused in its place",
        kafka="each page has all that is refused, besides as many partitions as were asked for",
        kordon="what is refused stands where its name does",
        why="So each is told once.",
        where=(at(ApiKey.DESCRIBE_TOPIC_PARTITIONS, meets=entries("topics", "in pages")),),
    ),
    Difference(
        title="Lists of the whole cluster are cut to the view",
        kafka="CLUSTER_AUTHORIZATION_FAILED without DESCRIBE, or DESCRIBE_CONFIGS, on the cluster",
        kordon="what of it is in the view, which may be nothing",
        why="Each tenant is a cluster of its own.",
        where=(
            at(ApiKey.LIST_CONFIG_RESOURCES, meets=codes(CAF, NONE), since=1),
            at(
                *(ApiKey.LIST_PARTITION_REASSIGNMENTS, ApiKey.DESCRIBE_CLIENT_QUOTAS, ApiKey.DESCRIBE_ACLS),
                meets=codes(CAF, NONE),
            ),
        ),
    ),
    Difference(
        title="That credentials of a user are not shown is said of the user",
        kafka="CLUSTER_AUTHORIZATION_FAILED of the whole answer",
        kordon="CLUSTER_AUTHORIZATION_FAILED of each user that is outside the view",
        why="Others in the same request may be in it.",
        where=(at(ApiKey.DESCRIBE_USER_SCRAM_CREDENTIALS, meets=codes(CAF, NONE)),),
    ),
    Difference(
        title="ACLs on all names are for administrators",
        kafka="to everybody with DESCRIBE on the cluster",
        kordon="to who has an admin role",
        why="An ACL for `*` takes in what is Kordon's own.",
        where=(at(ApiKey.DESCRIBE_ACLS, meets=entries("resources", "all, by Olga")),),
    ),
)


def explained(found: Found) -> tuple[Difference, Where] | None:
    """By which entry a difference is meant."""
    for difference in DIFFERENCES:
        for where in difference.where:
            if found.key in where.apis and found.version in where.versions(found.key) and where.meets(found):
                return difference, where
    return None


def unexplained(found: Iterable[Found]) -> list[Found]:
    """The differences that are not meant.

    What has happened at one of the two alone is explained by its answer, where that is meant to differ.
    """
    all_found = list(found)
    meant = {(one.key, one.version, one.case) for one in all_found if _is_code(one) and explained(one) is not None}
    return [one for one in all_found if explained(one) is None and not _follows(one, meant)]


def _is_code(found: Found) -> bool:
    return found.kafka.isupper() and found.kordon.isupper()


def _follows(found: Found, meant: set[tuple[ApiKey, int, str]]) -> bool:
    return found.place.startswith(AFTERWARDS) and (found.key, found.version, found.case) in meant
