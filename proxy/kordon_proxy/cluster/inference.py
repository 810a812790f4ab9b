"""Which topics a group consumes from, read off the cluster's own answers. Pure: decoded answers in, a map out.

Topics with a committed offset and topics in the current assignment of the members; never what a client merely claims
(a subscription, a topology). Internal topics are never inferred, whatever a group reads.

What a group has gained counts at once; what it has lost counts when it is still lost some seconds later. For a healthy
cluster can show too little: while a group rebalances, a topic is assigned to nobody; and a new coordinator answers from
what it knows to be replicated (the high watermark), which for a moment can lack what the old one has acknowledged, with
no error to tell so.

Streams groups (KIP-1071) are inferred from their committed offsets alone: their assignment names subtopologies, and
which topics those are is the clients' own word.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from kio.schema.errors import ErrorCode

from kordon_protocol.consumer_protocol import assigned_topics
from kordon_protocol.errors import MalformedBody

from .picture import Inferred

INTERNAL: Final = "__"
CONSUMER_PROTOCOL: Final = "consumer"
"""The protocol type whose assignments have a public format; other types' bytes mean nothing to us."""
LAPSE: Final = 3.0
"""Seconds until a loss counts. To know what is replicated, a new coordinator needs up to two fetches of its followers,
each of which waits half a second for news (`replica.fetch.wait.max.ms`); 0.95 s were seen."""
DEAD: Final = "Dead"
REBALANCING: Final = frozenset({"preparingrebalance", "completingrebalance", "assigning", "reconciling"})
"""States in lower case, of classic and of consumer groups."""


class GroupType(Enum):
    """Kafka's group types, as ListGroups names them; brokers before 3.8 tell none and have classic ones only."""

    CLASSIC = "classic"
    CONSUMER = "consumer"
    SHARE = "share"
    STREAMS = "streams"
    OTHER = ""


@dataclass(frozen=True, slots=True)
class Learned:
    """The topics that one answer tells for a group; a group may have several answers, which add up.

    `settled` is False while it rebalances: then topics may be missing, however often it is asked.
    """

    topics: frozenset[str]
    settled: bool = True


@dataclass(frozen=True, slots=True)
class Failed:
    """The broker could not tell for this group. What was known of it stays."""

    code: ErrorCode


@dataclass(frozen=True, slots=True)
class Gone:
    """The group's own coordinator says that there is no such group."""


GONE: Final = Gone()
Finding = Learned | Failed | Gone
Findings = Mapping[str, Finding]
"""What was found out in one go, by group. A group that is not in it was not asked about."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of all groups: what they consume from, and which of them seem to have lost something."""

    inferred: Inferred
    doubted: Mapping[str, float]
    """With the time since which they seem so."""


NOTHING: Final = Known({}, {})


def read_listed(response: Any, wanted: Callable[[str], bool]) -> dict[str, GroupType]:
    """The wanted ones among the groups that a broker coordinates (ListGroups v4+), with their types."""
    return {
        str(group.group_id): _type_of(getattr(group, "group_type", GroupType.CLASSIC.value))
        for group in response.groups
        if wanted(group.group_id)
    }


def _type_of(name: str) -> GroupType:
    # Kafka's class names have been written with and without a capital over the releases.
    try:
        return GroupType(name.lower())
    except ValueError:
        return GroupType.OTHER


def read_committed(response: Any) -> dict[str, Finding]:
    """Topics with a committed offset, from OffsetFetch v8 and v9 (v10 has no names)."""
    return {
        str(group.group_id): _learned(topic.name for topic in group.topics if any(map(_is_committed, topic.partitions)))
        if group.error_code is ErrorCode.none
        else Failed(group.error_code)
        for group in response.groups
    }


def _is_committed(partition: Any) -> bool:
    return partition.error_code is ErrorCode.none and partition.committed_offset >= 0


def read_share_offsets(response: Any) -> dict[str, Finding]:
    """Topics in which a share group has a start offset (DescribeShareGroupOffsets)."""
    return {
        str(group.group_id): _learned(
            topic.topic_name for topic in group.topics if any(map(_is_started, topic.partitions))
        )
        if group.error_code is ErrorCode.none
        else Failed(group.error_code)
        for group in response.groups
    }


def _is_started(partition: Any) -> bool:
    return partition.error_code is ErrorCode.none and partition.start_offset >= 0


def read_classic_assigned(response: Any) -> dict[str, Finding]:
    """Topics assigned to the members of classic groups (DescribeGroups v5+)."""
    return {str(group.group_id): _read_classic(group) for group in response.groups}


def _read_classic(group: Any) -> Finding:
    # A missing group is `Dead` without an error up to v5, and this error since v6.
    if group.error_code is ErrorCode.group_id_not_found:
        return GONE
    if group.error_code is not ErrorCode.none:
        return Failed(group.error_code)
    if group.group_state == DEAD:
        return GONE
    if group.protocol_type != CONSUMER_PROTOCOL:
        return Learned(frozenset())
    names = (name for member in group.members for name in _assigned(member.member_assignment))
    return _learned(names, settled=_is_settled(group))


def _is_settled(group: Any) -> bool:
    return group.group_state.lower() not in REBALANCING


def _assigned(assignment: bytes) -> tuple[str, ...]:
    """Bytes that cannot be read name nothing: a member must not be able to freeze what is known of its group."""
    try:
        return assigned_topics(assignment)
    except MalformedBody:
        return ()


def read_assigned(response: Any) -> dict[str, Finding]:
    """Topics assigned to the members of consumer groups (ConsumerGroupDescribe) or share groups (ShareGroupDescribe).

    The current assignment counts; the target assignment is a plan.
    """
    return {
        str(group.group_id): _learned(
            (part.topic_name for member in group.members for part in member.assignment.topic_partitions),
            settled=_is_settled(group),
        )
        if group.error_code is ErrorCode.none
        else Failed(group.error_code)
        for group in response.groups
    }


def _learned(names: Iterable[str], *, settled: bool = True) -> Learned:
    return Learned(frozenset(str(name) for name in names if not name.startswith(INTERNAL)), settled)


def add_up(answers: Iterable[Findings]) -> dict[str, Finding]:
    """All answers about each group as one finding. Half an answer is none: a failure outweighs what the rest tells."""
    summed: dict[str, Finding] = {}
    for findings in answers:
        for group, finding in findings.items():
            before = summed.get(group)
            summed[group] = finding if before is None else _both(before, finding)
    return summed


def _both(one: Finding, other: Finding) -> Finding:
    for finding in (one, other):
        if isinstance(finding, Failed):
            return finding
    if isinstance(one, Learned) and isinstance(other, Learned):
        return Learned(one.topics | other.topics, one.settled and other.settled)
    return GONE


def infer(known: Known, findings: Findings, now: float) -> Known:
    """What is known after these findings. What did not change is the same object: the map, and each set of topics.

    A group that failed, or was not asked about, keeps what it had; a group that consumes from nothing has no entry.
    """
    inferred, doubted = dict(known.inferred), dict(known.doubted)
    for group, finding in findings.items():
        if isinstance(finding, Failed):
            continue
        before = inferred.get(group, frozenset())
        topics, since = _weigh(before, finding, doubted.pop(group, now), now)
        if since is not None:
            doubted[group] = since
        if not topics:
            inferred.pop(group, None)
        elif topics != before:
            inferred[group] = topics
    return Known(known.inferred if inferred == known.inferred else inferred, doubted)


def _weigh(
    before: frozenset[str], finding: Learned | Gone, since: float, now: float
) -> tuple[frozenset[str], float | None]:
    """What a group has after a finding, and since when it seems to have lost something, if it still does."""
    topics = finding.topics if isinstance(finding, Learned) else frozenset()
    if before <= topics:
        return topics, None
    if isinstance(finding, Learned) and not finding.settled:
        return before | topics, None
    if now - since < LAPSE:
        return before | topics, since
    return topics, None


def forget(known: Known, keep: Callable[[str], bool]) -> Known:
    """Without the groups that nobody wants any more; the map is the same object if that is none."""
    kept = {group: topics for group, topics in known.inferred.items() if keep(group)}
    inferred = known.inferred if len(kept) == len(known.inferred) else kept
    return Known(inferred, {group: since for group, since in known.doubted.items() if keep(group)})
