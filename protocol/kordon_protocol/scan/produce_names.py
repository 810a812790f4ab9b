"""Look through a Produce request (ProduceRequest.json, versions 3 to 13) for what it names, and for nothing else.

Strategy: nearly every Produce is allowed as a whole and leaves as it came, so nobody needs to know where its topics
stand. This is one function without calls for each field, over the chunks as they came: records, most of the bytes, are
jumped over from one chunk into another. What is rare (a field that two chunks share, unknown tagged fields, anything
that is not right) makes it give up, and `scan_produce_request` has its say.
"""

from collections.abc import Sequence
from struct import Struct, error
from typing import Final, NamedTuple
from uuid import UUID

from kordon_protocol.errors import MalformedBody
from kordon_protocol.scan.pieces import topic_id
from kordon_protocol.varints import LONGEST_STRING, Buffer, read_varint

_FIRST_FLEXIBLE: Final = 9
_FIRST_WITH_IDS: Final = 13
_INT16: Final = Struct(">h")
_INT32: Final = Struct(">i")
_ACKS_TIMEOUT_COUNT: Final = Struct(">hii")
_INDEX_AND_SIZE: Final = Struct(">ii")
_NULL: Final = -1
_NO_TAGS: Final = b"\x00\x00\x00"
"""Of the partition, the topic and the request."""
_ONE_BYTE: Final = 0x80
"""Entries at one level for which this is the right way: as many as a length of one byte can say. More are scanned."""


class ProduceNames(NamedTuple):
    """What a Produce request names. It is exact: no tagged fields, nothing behind it."""

    transactional_id: str | None
    acks: int
    topics: tuple[str | UUID | None, ...]
    """In the order of the request: names up to version 12, ids from 13 on (None for the zero id)."""
    only: int = 0
    """Where in the first chunk the only partition of the only topic begins; 0 where there are more, or none."""


def produce_names(version: int, chunks: Sequence[Buffer], offset: int) -> ProduceNames | None:
    """Return what the request names whose body begins at offset of the first chunk; None where that takes a scan.

    Whatever this returns, `scan_produce_request` finds the same in the joined chunks.
    """
    try:
        if version >= _FIRST_FLEXIBLE:
            return _flexible(version, chunks, offset)
        return _legacy(chunks, offset)
    except (IndexError, error, MalformedBody, UnicodeDecodeError):
        return None


def is_only_partition(version: int, chunks: Sequence[Buffer], at: int) -> bool:
    """Whether from `at` of the first chunk on there is one partition of the only topic, and the request ends with it.

    Then a request that begins with the same bytes, but for its length and correlation id, as one of which
    `produce_names` told `only` names the same, and `produce_names` would say so. False also where that takes more than
    a look.
    """
    first = chunks[0]
    size = len(first) if len(chunks) == 1 else sum(map(len, chunks))
    try:
        if version < _FIRST_FLEXIBLE:
            length: int = _INDEX_AND_SIZE.unpack_from(first, at)[1]
            return length >= _NULL and at + _INDEX_AND_SIZE.size + max(length, 0) == size
        length, at = read_varint(first, at + 4)  # behind the index
    except (IndexError, error, MalformedBody):
        return False
    return at + max(length - 1, 0) + len(_NO_TAGS) == size and chunks[-1][-len(_NO_TAGS) :] == _NO_TAGS


def _flexible(version: int, chunks: Sequence[Buffer], at: int) -> ProduceNames | None:
    number, chunk = 0, chunks[0]
    size = len(chunk)
    transactional_id = None
    if chunk[at]:
        length, at = read_varint(chunk, at)
        transactional_id, at = _text(chunk, at, length - 1)
    else:
        at += 1
    (acks,) = _INT16.unpack_from(chunk, at)
    count = chunk[at + 6]  # behind the timeout
    at += 7
    if not 0 < count < _ONE_BYTE:
        return None
    only = 0
    topics: list[str | UUID | None] = []
    tags = 0  # whatever follows a section that is not empty is misread, and that is found out in the end
    for _ in range(count - 1):
        topic: str | UUID | None
        if version >= _FIRST_WITH_IDS:
            topic, at = topic_id(chunk, at)
        else:
            length, at = read_varint(chunk, at)
            topic, at = _text(chunk, at, length - 1)
        topics.append(topic)
        partitions = chunk[at]
        at += 1
        if not 0 < partitions < _ONE_BYTE:
            return None
        if count == partitions == 2:  # one of each
            only = at
        for _ in range(partitions - 1):
            length, at = read_varint(chunk, at + 4)  # behind the index
            if length:
                at += length - 1
            while at >= size and number + 1 < len(chunks):
                at -= size
                number += 1
                chunk = chunks[number]
                size = len(chunk)
            tags |= chunk[at]
            at += 1
        tags |= chunk[at]
        at += 1
    if tags or chunk[at] or at + 1 != size or number + 1 != len(chunks):
        return None
    return ProduceNames(transactional_id, acks, tuple(topics), only)


def _legacy(chunks: Sequence[Buffer], at: int) -> ProduceNames | None:
    number, chunk = 0, chunks[0]
    size = len(chunk)
    transactional_id = None
    (length,) = _INT16.unpack_from(chunk, at)
    at += 2
    if length != _NULL:
        transactional_id, at = _text(chunk, at, length)
    acks, _, count = _ACKS_TIMEOUT_COUNT.unpack_from(chunk, at)
    at += _ACKS_TIMEOUT_COUNT.size
    if not 0 <= count < _ONE_BYTE:
        return None
    only, topics = 0, []
    for _ in range(count):
        (length,) = _INT16.unpack_from(chunk, at)
        topic, at = _text(chunk, at + 2, length)
        topics.append(topic)
        (partitions,) = _INT32.unpack_from(chunk, at)
        at += 4
        if not 0 <= partitions < _ONE_BYTE:
            return None
        if count == partitions == 1:
            only = at
        for _ in range(partitions):
            _, length = _INDEX_AND_SIZE.unpack_from(chunk, at)
            at += _INDEX_AND_SIZE.size
            if length > 0:
                at += length
            elif length < _NULL:
                return None
            while at >= size and number + 1 < len(chunks):
                at -= size
                number += 1
                chunk = chunks[number]
                size = len(chunk)
    if at != size or number + 1 != len(chunks):
        return None
    return ProduceNames(transactional_id, acks, tuple(topics), only)


def _text(chunk: Buffer, at: int, length: int) -> tuple[str, int]:
    end = at + length
    if not 0 <= length <= LONGEST_STRING or end > len(chunk):
        raise IndexError
    return str(chunk[at:end], "utf-8"), end
