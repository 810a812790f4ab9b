"""Find where the only topic of a Fetch request (FetchRequest.json, versions 4 to 18) has its partitions.

A consumer that reads on asks for the same partitions again and again, at other offsets. All before them says who asks
and for which topic, all behind them is mostly empty, and each of them has the same size.

Versions: log start offset from 5 on, sessions and forgotten topics from 7 on, leader epoch from 9 on, rack from 11 on,
compact and last fetched epoch from 12 on, topic ids in place of names from 13 on, no replica id from 15 on.
"""

from struct import Struct, error
from typing import Final

from kordon_protocol.errors import MalformedBody
from kordon_protocol.varints import Buffer, read_varint

_FIRST_FLEXIBLE: Final = 12
_FIRST_WITH_IDS: Final = 13
_INT16: Final = Struct(">h")
_INT32: Final = Struct(">i")
_ONE: Final = (1).to_bytes(4, "big")


def partitions_of_only_topic(version: int, frame: Buffer, offset: int) -> int:
    """Where the array of partitions begins, of a body that begins at offset; 0 where there is more than one topic."""
    at = offset + _size_before_topics(version)
    try:
        if version < _FIRST_FLEXIBLE:
            if frame[at : at + 4] != _ONE:
                return 0
            length: int = _INT16.unpack_from(frame, at + 4)[0]
            at += 6 + length
        elif frame[at] != 2:  # one more than there are
            return 0
        elif version < _FIRST_WITH_IDS:
            length, at = read_varint(frame, at + 1)
            at += length - 1
        else:
            at += 17
    except (IndexError, error, MalformedBody):
        return 0
    return at if at < len(frame) else 0


def behind_partitions(version: int, frame: Buffer, at: int) -> int:
    """Where the array of partitions that begins at `at` ends; 0 where it does not, or where it has tagged fields."""
    size = _size_of_partition(version)
    try:
        if version < _FIRST_FLEXIBLE:
            count: int = _INT32.unpack_from(frame, at)[0]
            at += 4
        else:
            count, at = read_varint(frame, at)
            count -= 1
    except (IndexError, error, MalformedBody):
        return 0
    end = at + count * size
    if count < 0 or end > len(frame):
        return 0
    if version >= _FIRST_FLEXIBLE and any(frame[at + size - 1 : end : size]):
        return 0
    return end


def _size_before_topics(version: int) -> int:
    """Replica id (up to 14), longest wait, least and most bytes, isolation level, session id and epoch (from 7 on)."""
    return (0 if version >= 15 else 4) + 4 + 4 + 4 + 1 + (8 if version >= 7 else 0)


def _size_of_partition(version: int) -> int:
    """Index, leader epoch, offset, last fetched epoch, log start offset, most bytes, and no tagged fields."""
    epochs = 4 * (version >= 9) + 4 * (version >= _FIRST_FLEXIBLE)
    return 4 + epochs + 8 + (8 if version >= 5 else 0) + 4 + (version >= _FIRST_FLEXIBLE)
