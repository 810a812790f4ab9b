"""What offsets there were before they are edited, for the audit: what Kordon asks the broker, and what it tells.

Offsets are told by partition, as in `tx_trade1-3`. None: none was committed; `unknown`: the broker did not say in time.
Between the question and the edit is a moment in which others may commit.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from kio.schema.errors import ErrorCode

from kordon_protocol.codec import request_type
from kordon_protocol.keys import ApiKey
from kordon_proxy.judging.entries import make, struct_type
from kordon_proxy.judging.parts import name_or_id, place_of
from kordon_proxy.judging.table import Learns

UNKNOWN: Final = "unknown"
NO_OFFSET: Final = -1
FETCH: Final = 5
"""The version of OffsetFetch in which Kordon asks for topics by name: every broker has it."""
FETCH_BY_ID: Final = 10
"""That by topic id, which a broker has that takes a commit by id."""
LIST: Final = 1
"""The version of ListOffsets in which Kordon asks."""
EARLIEST: Final = -2

Offsets = Mapping[str, int | str | None]


def _indexes(topic: Any) -> tuple[int, ...]:
    return tuple(partition.partition_index for partition in topic.partitions)


def _places(topics: Iterable[Any]) -> Iterator[tuple[Any, int]]:
    """Each partition that a request names: its topic's name or id, and its index."""
    return ((_name(topic), index) for topic in topics for index in _indexes(topic))


def _name(topic: Any) -> Any:
    return getattr(topic, "topic_name", None) or name_or_id(topic)


def _told(places: Iterable[tuple[Any, int]], known: Mapping[tuple[Any, int], int | None] | None) -> Offsets | str:
    """`known` None: nobody answered. What was asked and not answered is unknown as well."""
    if known is None:
        return UNKNOWN
    return {place_of(name, index): known.get((name, index), UNKNOWN) for name, index in places}


# Groups of consumers


def ask_committed(request: Any) -> Any:
    """The question for an OffsetCommit or OffsetDelete: what is committed for the same partitions."""
    by_id = request.__api_key__ == ApiKey.OFFSET_COMMIT and request.__version__ >= FETCH_BY_ID
    kind = request_type(ApiKey.OFFSET_FETCH, FETCH_BY_ID if by_id else FETCH)
    if not by_id:
        entry = struct_type(kind, "topics")
        topics = (make(entry, name=topic.name, partition_indexes=_indexes(topic)) for topic in request.topics)
        return make(kind, group_id=request.group_id, topics=tuple(topics))
    entry = struct_type(kind, "groups", "topics")
    topics = (make(entry, topic_id=topic.topic_id, partition_indexes=_indexes(topic)) for topic in request.topics)
    group = make(
        struct_type(kind, "groups"),
        group_id=request.group_id,
        member_id=None,
        member_epoch=NO_OFFSET,
        topics=tuple(topics),
    )
    return make(kind, groups=(group,), require_stable=False)


def _committed(answer: Any) -> dict[tuple[Any, int], int | None] | None:
    if answer is None:
        return None
    (group,) = getattr(answer, "groups", (answer,))
    if group.error_code is not ErrorCode.none:
        return None
    return {
        (name_or_id(topic), part.partition_index): _offset(part.committed_offset)
        for topic in group.topics
        for part in topic.partitions
        if part.error_code is ErrorCode.none
    }


def _offset(offset: int) -> int | None:
    return None if offset == NO_OFFSET else offset


def _tell_committed(request: Any, answer: Any) -> dict[str, object]:
    new = {
        place_of(name_or_id(topic), part.partition_index): part.committed_offset
        for topic in request.topics
        for part in topic.partitions
    }
    return {"offsets": new} | _tell_deleted(request, answer)


def _tell_deleted(request: Any, answer: Any) -> dict[str, object]:
    return {"old_offsets": _told(_places(request.topics), _committed(answer))}


COMMITTED: Final = Learns(question=ask_committed, tell=_tell_committed)
DELETED: Final = Learns(question=ask_committed, tell=_tell_deleted)


# Share groups


def ask_share(request: Any) -> Any:
    """The question for an AlterShareGroupOffsets or DeleteShareGroupOffsets. The latter names no partitions."""
    kind = request_type(ApiKey.DESCRIBE_SHARE_GROUP_OFFSETS, 0)
    entry = struct_type(kind, "groups", "topics")
    named = request.__api_key__ == ApiKey.ALTER_SHARE_GROUP_OFFSETS
    topics = (make(entry, topic_name=topic.topic_name, partitions=_indexes(topic)) for topic in request.topics if named)
    group = make(
        struct_type(kind, "groups"),
        group_id=request.group_id,
        topics=tuple(topics) if named else None,
    )
    return make(kind, groups=(group,))


def _started(answer: Any) -> dict[tuple[Any, int], int | None] | None:
    if answer is None:
        return None
    (group,) = answer.groups
    if group.error_code is not ErrorCode.none:
        return None
    return {
        (topic.topic_name, part.partition_index): _offset(part.start_offset)
        for topic in group.topics
        for part in topic.partitions
        if part.error_code is ErrorCode.none
    }


def _tell_altered_share(request: Any, answer: Any) -> dict[str, object]:
    new = {
        place_of(topic.topic_name, part.partition_index): part.start_offset
        for topic in request.topics
        for part in topic.partitions
    }
    return {"offsets": new, "old_offsets": _told(_places(request.topics), _started(answer))}


def _tell_deleted_share(request: Any, answer: Any) -> dict[str, object]:
    known, names = _started(answer), {topic.topic_name for topic in request.topics}
    return {"old_offsets": _told((place for place in known or () if place[0] in names), known)}


SHARE_ALTERED: Final = Learns(question=ask_share, tell=_tell_altered_share)
SHARE_DELETED: Final = Learns(question=ask_share, tell=_tell_deleted_share)


# Records


def ask_earliest(request: Any) -> Any:
    """The question for a DeleteRecords: where the partitions begin."""
    kind = request_type(ApiKey.LIST_OFFSETS, LIST)
    entry = struct_type(kind, "topics")
    part = struct_type(entry, "partitions")
    topics = (
        make(
            entry,
            name=topic.name,
            partitions=tuple(make(part, partition_index=index, timestamp=EARLIEST) for index in _indexes(topic)),
        )
        for topic in request.topics
    )
    return make(kind, replica_id=NO_OFFSET, topics=tuple(topics))


def _tell_earliest(request: Any, answer: Any) -> dict[str, object]:
    known = (
        None
        if answer is None
        else {
            (topic.name, part.partition_index): part.offset
            for topic in answer.topics
            for part in topic.partitions
            if part.error_code is ErrorCode.none
        }
    )
    return {"old_low_watermarks": _told(_places(request.topics), known)}


RECORDS_DELETED: Final = Learns(question=ask_earliest, tell=_tell_earliest)
