"""Read and write the head of a Metadata response (MetadataResponse.json, versions 0 to 13): all that stands before the
topics, so that it can be replaced while the topics run through.

Versions: rack and controller from 1 on, cluster id from 2 on, throttle time from 3 on, compact from 9 on.
"""

from collections.abc import Iterable
from struct import Struct
from typing import Final, NamedTuple

from kordon_protocol.errors import MalformedBody
from kordon_protocol.scan.pieces import (
    COMPACT,
    CUT_OFF,
    LEGACY,
    Endpoint,
    count_of,
    encode_endpoint,
    encode_text,
    endpoint,
    text,
)
from kordon_protocol.varints import Buffer, encode_varint

_FIRST_FLEXIBLE: Final = 9
_INT32: Final = Struct(">i")
_MOST_BROKERS: Final = 100_000
"""More than that is no cluster; a head is held back until it is complete, so its size must have an end."""


class MetadataHead(NamedTuple):
    """What stands before the topics. Offsets count from the body's start. What a version lacks is 0, None or -1."""

    throttle_ms: int
    brokers: tuple[Endpoint, ...]
    cluster_id: str | None
    controller_id: int
    topics_count: int
    count_start: int
    topics_start: int


def metadata_response_head(version: int, data: Buffer) -> MetadataHead | None:
    """Read the head from the first bytes of a body, or return None when more bytes are needed.

    Tagged fields of brokers are dropped. Raises `MalformedBody`.
    """
    try:
        return _head(version, data)
    except CUT_OFF:
        return None


def encode_metadata_head(
    version: int,
    *,
    throttle_ms: int,
    brokers: Iterable[tuple[int, str, int, str | None]],
    cluster_id: str | None,
    controller_id: int,
) -> bytes:
    """Write a head up to the count of the topics. What a version lacks is left out."""
    flexible = version >= _FIRST_FLEXIBLE
    brokers = tuple(brokers)
    parts = [_INT32.pack(throttle_ms) if version >= 3 else b"", _count(len(brokers), flexible)]
    parts += (encode_endpoint(broker, flexible=flexible, has_rack=version >= 1) for broker in brokers)
    if version >= 2:
        parts.append(encode_text(cluster_id, flexible))
    if version >= 1:
        parts.append(_INT32.pack(controller_id))
    return b"".join(parts)


def encode_topics_count(version: int, count: int) -> bytes:
    """Write the count of the topics, which ends a head."""
    return _count(count, version >= _FIRST_FLEXIBLE)


def read_topics_count(version: int, data: Buffer, offset: int) -> tuple[int, int] | None:
    """Read the count of the topics and where they begin, or return None when more bytes are needed.

    Raises `MalformedBody`.
    """
    try:
        return count_of((COMPACT if version >= _FIRST_FLEXIBLE else LEGACY).other, data, offset)
    except CUT_OFF:
        return None


def _head(version: int, data: Buffer) -> MetadataHead:
    flexible = version >= _FIRST_FLEXIBLE
    string, length = COMPACT if flexible else LEGACY
    offset, throttle_ms, cluster_id, controller_id = 0, 0, None, -1
    if version >= 3:
        (throttle_ms,) = _INT32.unpack_from(data)
        offset = 4
    count, offset = count_of(length, data, offset)
    if count > _MOST_BROKERS:
        raise MalformedBody(f"metadata of {count} brokers")
    brokers = []
    for _ in range(count):
        broker, offset = endpoint(data, offset, flexible=flexible, has_rack=version >= 1)
        brokers.append(broker)
    if version >= 2:
        cluster_id, offset = text(string, data, offset)
    if version >= 1:
        (controller_id,) = _INT32.unpack_from(data, offset)
        offset += 4
    topics_count, topics_start = count_of(length, data, offset)
    return MetadataHead(throttle_ms, tuple(brokers), cluster_id, controller_id, topics_count, offset, topics_start)


def _count(count: int, flexible: bool) -> bytes:
    return encode_varint(count + 1) if flexible else _INT32.pack(count)
