"""The committed offsets of one group: asked and set over Kordon's own connections, with its own credentials.

What is asked is loaded when it is asked: offsets are moved now and then, and schemas take their time to load.

What a broker answers as a whole with an error (it is not the coordinator any more, it is still loading) is raised and
may be tried again; what it answers for one partition is told for that partition.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from kio.schema.errors import ErrorCode
from kio.schema.types import BrokerId, GroupId, TopicName
from kio.static.primitive import i8, i32, i64

from kordon_policy.decision import printable
from kordon_policy.offset_moves import Found, Move, TopicPartition
from kordon_protocol.codec import request_type
from kordon_protocol.keys import ApiKey
from kordon_protocol.outcomes import error_name

from .connection import BrokerConnection
from .errors import UpstreamRefused
from .watch import Cluster
from .whereabouts import NOBODY, coordinator_of, leaders_of

if TYPE_CHECKING:
    from kio.schema.offset_commit.v8 import request as offset_commit
    from kio.schema.offset_delete.v0 import request as offset_delete

EARLIEST: Final = -2
LATEST: Final = -1
EMPTY: Final = "Empty"
DEAD: Final = "Dead"
"""States of a group, as brokers name them; the second one is that of a group that is not there."""
_LIST_GROUPS: Final = range(4, 6)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupState:
    """What a coordinator says of a group. type: `classic`, `consumer`, ...; "" where brokers do not tell."""

    state: str
    type: str = ""


class GroupOffsets:
    """Asks and sets. Every method may raise UpstreamError."""

    def __init__(self, cluster: Cluster, *, timeout: float = 10.0) -> None:
        self._cluster = cluster
        self._timeout = timeout

    async def state(self, group: str) -> GroupState:
        """The state of a group; `Dead` if there is none."""
        listed = await self._listed(await self._coordinator(group))
        return listed.get(group, GroupState(state=DEAD))

    async def states(self) -> dict[str, GroupState]:
        """All groups of the cluster. Each of its brokers is asked, as each knows those that it coordinates."""
        picture = await self._cluster.refresh(float("inf"))
        connections = [await self._cluster.connection(broker) for broker in sorted(picture.brokers)]
        found: dict[str, GroupState] = {}
        for answer in await asyncio.gather(*map(self._listed, connections)):
            found |= answer
        return found

    async def committed(self, group: str) -> dict[TopicPartition, int]:
        """All offsets that the group has committed. While a transaction may still change one, the whole is refused."""
        from kio.schema.offset_fetch.v8 import request as offset_fetch

        asked = offset_fetch.OffsetFetchRequestGroup(group_id=GroupId(group), topics=None)
        connection = await self._coordinator(group)
        answer = await self._ask(connection, offset_fetch.OffsetFetchRequest(groups=(asked,), require_stable=True))
        found = {}
        for one in answer.groups:
            _check(one.error_code, f"{connection} tells no offsets of group {printable(group)}")
            for topic in one.topics:
                for partition in topic.partitions:
                    at = TopicPartition(str(topic.name), int(partition.partition_index))
                    # Which partition it is is nobody's business in whose tenant the topic is not.
                    what = f"group {printable(group)} has an offset that the coordinator does not tell now"
                    _check(partition.error_code, what)
                    if partition.committed_offset >= 0:
                        found[at] = int(partition.committed_offset)
        return found

    async def found(self, group: str, topic: str | None) -> dict[TopicPartition, Found]:
        """Each partition that has an offset, of a topic all of them: what is committed, and where its records are."""
        committed = await self.committed(group)
        names = {at.topic for at in committed} if topic is None else {topic}
        leaders = await leaders_of(self._cluster, names)
        wanted = {at for at in committed if topic in (None, at.topic)}
        wanted |= {at for at in leaders if at.topic == topic}
        earliest, latest = await asyncio.gather(
            self._positions(leaders, wanted, EARLIEST), self._positions(leaders, wanted, LATEST)
        )
        return {
            at: Found(
                committed=committed.get(at),
                earliest=_offset(earliest.get(at)),
                latest=_offset(latest.get(at)),
                error=_why_not(at, leaders, earliest.get(at), latest.get(at)),
            )
            for at in sorted(wanted)
        }

    async def at_time(self, partitions: Iterable[TopicPartition], ts: int) -> dict[TopicPartition, int]:
        """For each partition the offset of its first record at that instant (ms since the epoch) or later.

        Where there is none it is the offset of the next one that will come. What cannot be told is left out.
        """
        wanted = set(partitions)
        leaders = await leaders_of(self._cluster, {at.topic for at in wanted})
        found = await self._positions(leaders, wanted, ts)
        beyond = {at for at, position in found.items() if not isinstance(position, ErrorCode) and position < 0}
        ends = await self._positions(leaders, beyond, LATEST)
        offsets = {at: _offset(ends.get(at) if at in beyond else position) for at, position in found.items()}
        return {at: offset for at, offset in offsets.items() if offset is not None}

    async def make(self, group: str, moves: Iterable[Move]) -> dict[TopicPartition, ErrorCode]:
        """Make these moves, and return what the coordinator says of each. It refuses them unless the group is Empty."""
        all_moves = sorted(moves, key=lambda move: move.at)
        connection = await self._coordinator(group)
        answers: dict[TopicPartition, ErrorCode] = {}
        if sets := [move for move in all_moves if move.new is not None]:
            answers |= _codes(await self._ask(connection, _commit(group, sets)))
        if clears := [move for move in all_moves if move.new is None]:
            answer = await self._ask(connection, _delete(group, clears))
            _check(answer.error_code, f"{connection} deletes no offsets of group {printable(group)}")
            answers |= _codes(answer)
        return answers

    async def _listed(self, connection: BrokerConnection) -> dict[str, GroupState]:
        version = connection.version(ApiKey.LIST_GROUPS, _LIST_GROUPS)
        filters: dict[str, Any] = {"states_filter": ()} | ({"types_filter": ()} if version >= 5 else {})
        answer = await self._ask(connection, request_type(ApiKey.LIST_GROUPS, version)(**filters))
        _check(answer.error_code, f"{connection} lists no groups")
        return {
            str(one.group_id): GroupState(state=one.group_state, type=getattr(one, "group_type", "").lower())
            for one in answer.groups
        }

    # ---- who is asked

    async def _coordinator(self, group: str) -> BrokerConnection:
        return await self._cluster.connection(await coordinator_of(self._cluster, group))

    async def _positions(
        self, leaders: Mapping[TopicPartition, int], wanted: Iterable[TopicPartition], ts: int
    ) -> dict[TopicPartition, int | ErrorCode]:
        """For each partition that has a leader its offset at that time, or the error instead."""
        by_leader: dict[int, list[TopicPartition]] = {}
        for at in wanted:
            if leaders.get(at, NOBODY) != NOBODY:
                by_leader.setdefault(leaders[at], []).append(at)
        answers = await asyncio.gather(*(self._ask_leader(leader, some, ts) for leader, some in by_leader.items()))
        return {at: position for answer in answers for at, position in answer.items()}

    async def _ask_leader(
        self, leader: int, partitions: Iterable[TopicPartition], ts: int
    ) -> dict[TopicPartition, int | ErrorCode]:
        from kio.schema.list_offsets.v7 import request as list_offsets

        topics = tuple(
            list_offsets.ListOffsetsTopic(
                name=TopicName(name),
                partitions=tuple(
                    list_offsets.ListOffsetsPartition(
                        partition_index=i32(at.partition), current_leader_epoch=i32(-1), timestamp=i64(ts)
                    )
                    for at in some
                ),
            )
            for name, some in groupby(sorted(partitions), key=lambda at: at.topic)
        )
        question = list_offsets.ListOffsetsRequest(replica_id=BrokerId(-1), isolation_level=i8(0), topics=topics)
        answer = await self._cluster.ask(question, leader)
        return {
            TopicPartition(str(topic.name), int(one.partition_index)): (
                int(one.offset) if one.error_code is ErrorCode.none else one.error_code
            )
            for topic in answer.topics
            for one in topic.partitions
        }

    async def _ask(self, connection: BrokerConnection, question: Any) -> Any:
        return await connection.request(question, self._timeout)


def _check(code: ErrorCode, what: str) -> None:
    if code is not ErrorCode.none:
        raise UpstreamRefused(f"{what}: {error_name(code)}", code)


def _offset(position: int | ErrorCode | None) -> int | None:
    return None if position is None or isinstance(position, ErrorCode) or position < 0 else int(position)


def _why_not(at: TopicPartition, leaders: Mapping[TopicPartition, int], *positions: int | ErrorCode | None) -> str:
    if at not in leaders:
        return f"partition {at} is no more"
    code = next((one for one in positions if isinstance(one, ErrorCode)), None)
    if code is not None:
        return f"its leader answers {error_name(code)}"
    return "it has no leader" if leaders[at] == NOBODY else ""


def _commit(group: str, moves: Iterable[Move]) -> "offset_commit.OffsetCommitRequest":
    """As Kafka's tools do: by nobody of the group, so that it is refused where the group has members."""
    from kio.schema.offset_commit.v8 import request as offset_commit

    return offset_commit.OffsetCommitRequest(
        group_id=GroupId(group),
        generation_id_or_member_epoch=i32(-1),
        member_id="",
        group_instance_id=None,
        topics=tuple(
            offset_commit.OffsetCommitRequestTopic(
                name=TopicName(topic),
                partitions=tuple(
                    offset_commit.OffsetCommitRequestPartition(
                        partition_index=i32(move.partition),
                        committed_offset=i64(move.new or 0),
                        committed_leader_epoch=i32(-1),
                        committed_metadata="",
                    )
                    for move in some
                ),
            )
            for topic, some in groupby(moves, key=lambda move: move.topic)
        ),
    )


def _delete(group: str, moves: Iterable[Move]) -> "offset_delete.OffsetDeleteRequest":
    from kio.schema.offset_delete.v0 import request as offset_delete

    return offset_delete.OffsetDeleteRequest(
        group_id=GroupId(group),
        topics=tuple(
            offset_delete.OffsetDeleteRequestTopic(
                name=TopicName(topic),
                partitions=tuple(
                    offset_delete.OffsetDeleteRequestPartition(partition_index=i32(move.partition)) for move in some
                ),
            )
            for topic, some in groupby(moves, key=lambda move: move.topic)
        ),
    )


def _codes(answer: Any) -> dict[TopicPartition, ErrorCode]:
    return {
        TopicPartition(str(topic.name), int(one.partition_index)): one.error_code
        for topic in answer.topics
        for one in topic.partitions
    }
