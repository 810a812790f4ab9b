"""Tell a Produce response that says nothing but success (ProduceResponse.json, versions 3 to 13).

Versions: log start offset from 5 on, error texts from 8 on, compact from 9 on, leader hints in tagged fields from 10 on
(KIP-951), topic ids in place of names from 13 on.
"""

from struct import Struct, error
from typing import Final

from kordon_protocol.errors import MalformedBody
from kordon_protocol.varints import Buffer, read_varint

_FIRST_WITH_LOG_START: Final = 5
_FIRST_WITH_TEXTS: Final = 8
_FIRST_FLEXIBLE: Final = 9
_FIRST_WITH_IDS: Final = 13
_INDEX_AND_CODE: Final = Struct(">ih")
_INT16: Final = Struct(">h")
_INT32: Final = Struct(">i")
_ONE_BYTE: Final = 0x80
"""Entries at one level that a length of one byte can say. More are for the codec."""
_HEADER: Final = 8
"""Length prefix and correlation id."""
_NO_TEXTS: Final = b"\x00\x00\x00\x00\xff\xff"
"""No record errors, and null for the message."""


def is_plain_produce_response(version: int, frame: Buffer) -> bool:
    """Whether a frame, from its length prefix on, is a well-formed success in every partition, and says nothing else.

    No error, no text, no tagged field: nothing that could name a broker's address or would have to be read.
    """
    try:
        return _flexible(version, frame) if version >= _FIRST_FLEXIBLE else _legacy(version, frame)
    except (IndexError, error, MalformedBody):
        return False


def _flexible(version: int, frame: Buffer) -> bool:
    if frame[_HEADER]:  # tagged fields of the header
        return False
    topics, at = frame[_HEADER + 1], _HEADER + 2
    if not 0 < topics < _ONE_BYTE:
        return False
    for _ in range(topics - 1):
        if version >= _FIRST_WITH_IDS:
            at += 16
        else:
            length, at = read_varint(frame, at)
            if not length:
                return False
            at += length - 1
        partitions = frame[at]
        at += 1
        if not 0 < partitions < _ONE_BYTE:
            return False
        for _ in range(partitions - 1):
            _, code = _INDEX_AND_CODE.unpack_from(frame, at)
            at += 33  # also base offset, append time, log start offset; a count of 1 byte, a length, a count
            if code or frame[at - 3] != 1 or frame[at - 2] or frame[at - 1]:
                return False
        if frame[at]:
            return False
        at += 1
    return frame[at + 4] == 0 and at + 5 == len(frame)  # throttle time, tagged fields


def _legacy(version: int, frame: Buffer) -> bool:
    (topics,) = _INT32.unpack_from(frame, _HEADER)
    at = _HEADER + 4
    for _ in range(topics):
        (length,) = _INT16.unpack_from(frame, at)
        if length < 0:
            return False
        (partitions,) = _INT32.unpack_from(frame, at + 2 + length)
        if partitions < 0:
            return False
        at += 6 + length
        for _ in range(partitions):
            _, code = _INDEX_AND_CODE.unpack_from(frame, at)
            at += 30 if version >= _FIRST_WITH_LOG_START else 22
            if code:
                return False
            if version >= _FIRST_WITH_TEXTS:
                if frame[at : at + 6] != _NO_TEXTS:
                    return False
                at += 6
    return topics >= 0 and at + 4 == len(frame)  # throttle time
