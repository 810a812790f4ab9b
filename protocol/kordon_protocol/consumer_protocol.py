"""What consumers tell each other through the group coordinator: subscriptions and assignments, as opaque bytes of
JoinGroup, SyncGroup and DescribeGroups with the protocol type `consumer`.

Schemas: ConsumerProtocolSubscription.json, ConsumerProtocolAssignment.json, with the version as an int16 before them. A
version that is newer than ours is read as the newest that we know, as Kafka does; what follows is kept. Empty bytes are
legal and name nothing. Clients are known that announce a version and end before its last fields, so bytes that are
exactly an older version are read as that.
"""

import struct
from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from typing import Any, Final, NamedTuple

from kio.index import load_entity_schema
from kio.schema.index import schema_name_map
from kio.static.constants import EntityType

from kordon_protocol.codec import Reader, encode, reader_of
from kordon_protocol.errors import MalformedBody

_VERSION: Final = struct.Struct(">h")
_VERSION_AND_COUNT: Final = struct.Struct(">hi")
_INT16: Final = struct.Struct(">h")
_INT32: Final = struct.Struct(">i")
_LEAST_PART: Final = _INT16.size + _INT32.size
"""Bytes of a topic without a name and without partitions."""


def subscribed_topics(data: bytes) -> tuple[str, ...]:
    """Return the topics that a subscription asks for. Raises `MalformedBody`."""
    read = _read(_SUBSCRIPTIONS, data)
    return () if read is None else tuple(read.message.topics)


def assigned_topics(data: bytes) -> tuple[str, ...]:
    """Return the topics of which an assignment gives partitions. Raises `MalformedBody`."""
    read = _read(_ASSIGNMENTS, data)
    return () if read is None else tuple(part.topic for part in read.message.assigned_partitions)


class UserData(Enum):
    """What becomes of the user data, and of fields of a newer version behind all that we know.

    They are an assignor's own, in a format of its own, and may name topics too: sticky ones keep the last assignment in
    them, Kafka Streams who serves which partition.
    """

    STAYS = "stays"
    GOES_WITH_TOPICS = "goes as soon as a topic is cut"
    GOES = "goes"


def keep_topics(data: bytes, keep: Callable[[str], bool], user_data: UserData = UserData.STAYS) -> bytes:
    """Return a subscription without the topics that keep does not want, nor the partitions owned of them.

    Returns data itself when nothing is cut. Raises `MalformedBody`.
    """
    read = _read(_SUBSCRIPTIONS, data)
    if read is None:
        return data
    topics = tuple(topic for topic in read.message.topics if keep(topic))
    changes: dict[str, Any] = {} if len(topics) == len(read.message.topics) else {"topics": topics}
    return _cut(data, read, _PARTITIONS_OWNED, keep, changes, user_data)


def keep_assigned_topics(data: bytes, keep: Callable[[str], bool], user_data: UserData = UserData.STAYS) -> bytes:
    """Return an assignment without the partitions of topics that keep does not want.

    Returns data itself when nothing is cut. Raises `MalformedBody`.
    """
    read = _read(_ASSIGNMENTS, data)
    return data if read is None else _cut(data, read, _PARTITIONS_ASSIGNED, keep, {}, user_data)


def could_assign(data: bytes) -> bool:
    """Tell whether a reader that forgives more than this one could find topics in these bytes.

    Kafka's own does, and acts on it when a group moves to the new protocol: it takes a name that is not UTF-8, and any
    negative length for null. All versions have the same layout up to the topics.
    """
    try:
        version, count = _VERSION_AND_COUNT.unpack_from(data)
        offset = _VERSION_AND_COUNT.size
        if version < 0 or not 0 < count <= len(data) // _LEAST_PART:
            return False
        for _ in range(count):
            (length,) = _INT16.unpack_from(data, offset)
            if length < 0:
                return False
            (partitions,) = _INT32.unpack_from(data, offset + _INT16.size + length)
            if partitions < 0:
                return False
            offset += _LEAST_PART + length + _INT32.size * partitions
    except struct.error:
        return False
    return offset <= len(data)


class _Read(NamedTuple):
    """A message, and where it ends in its bytes."""

    message: Any
    end: int


def _read(readers: list[Reader], data: bytes) -> _Read | None:
    if not data:
        return None
    if len(data) < _VERSION.size:
        raise MalformedBody("consumer protocol without a version")
    (version,) = _VERSION.unpack_from(data)
    if version < 0:
        raise MalformedBody(f"consumer protocol of version {version}")
    newest = min(version, len(readers) - 1)
    try:
        reading, end = readers[newest](data, _VERSION.size)
    except MalformedBody:
        return _read_as_older(readers[:newest], data)
    return _Read(reading.message, end)


def _read_as_older(readers: list[Reader], data: bytes) -> _Read:
    for reader in reversed(readers):
        try:
            reading, end = reader(data, _VERSION.size)
        except MalformedBody:
            continue
        if end == len(data):
            return _Read(reading.message, end)
    raise MalformedBody("consumer protocol that no version explains")


def _cut(
    data: bytes,
    read: _Read,
    field: str,
    keep: Callable[[str], bool],
    changes: dict[str, Any],
    user_data: UserData,
) -> bytes:
    partitions = getattr(read.message, field, ())
    kept = tuple(part for part in partitions if keep(part.topic))
    if len(kept) < len(partitions):
        changes[field] = kept
    if user_data is UserData.GOES or (changes and user_data is UserData.GOES_WITH_TOPICS):
        bare = replace(read.message, **changes, user_data=None)
        return _VERSION.pack(bare.__version__) + encode(bare)
    if not changes:
        return data
    return data[: _VERSION.size] + encode(replace(read.message, **changes)) + data[read.end :]


def _readers(schema: str) -> list[Reader]:
    """The readers of a schema, by version."""
    return [
        reader_of(load_entity_schema(schema, version, EntityType.data)) for version in sorted(schema_name_map[schema])
    ]


_PARTITIONS_OWNED: Final = "owned_partitions"
_PARTITIONS_ASSIGNED: Final = "assigned_partitions"
_SUBSCRIPTIONS: Final = _readers("consumer_protocol_subscription")
_ASSIGNMENTS: Final = _readers("consumer_protocol_assignment")
