"""The pieces that the scans are made of: each reads something at an offset and returns it with the offset behind it.

All raise one of `CUT_OFF` where the buffer ends too early. What is also written has its `encode_…` beside it.
"""

import struct
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias
from uuid import UUID

from kordon_protocol.errors import MalformedBody
from kordon_protocol.tagged import tagged_fields
from kordon_protocol.varints import Buffer, encode_varint, read_varint

Length: TypeAlias = Callable[[Buffer, int], tuple[int, int]]
"""Reads a length or a count; -1 stands for null."""

CUT_OFF: Final = (IndexError, struct.error)

_INT16: Final = struct.Struct(">h")
_INT32: Final = struct.Struct(">i")
_NO_TAGS: Final[Mapping[int, int]] = {}
_ZERO_ID: Final = bytes(16)


def int16_length(buffer: Buffer, offset: int) -> tuple[int, int]:
    """Read the length of a string of the versions that are not flexible."""
    length: int = _INT16.unpack_from(buffer, offset)[0]
    if length < -1:
        raise MalformedBody(f"length {length}")
    return length, offset + 2


def int32_length(buffer: Buffer, offset: int) -> tuple[int, int]:
    """Read the length of an array or of bytes of the versions that are not flexible."""
    length: int = _INT32.unpack_from(buffer, offset)[0]
    if length < -1:
        raise MalformedBody(f"length {length}")
    return length, offset + 4


def compact_length(buffer: Buffer, offset: int) -> tuple[int, int]:
    """Read any length of the flexible versions."""
    byte = buffer[offset]
    if byte < 0x80:
        return byte - 1, offset + 1
    value, offset = read_varint(buffer, offset)
    return value - 1, offset


class Lengths(NamedTuple):
    """How the lengths of a version are written."""

    string: Length
    other: Length


LEGACY: Final = Lengths(int16_length, int32_length)
COMPACT: Final = Lengths(compact_length, compact_length)


def count_of(length: Length, buffer: Buffer, offset: int) -> tuple[int, int]:
    """Read the count of an array that must not be null."""
    count, offset = length(buffer, offset)
    if count < 0:
        raise MalformedBody("null in place of an array")
    return count, offset


def text(length: Length, buffer: Buffer, offset: int) -> tuple[str | None, int]:
    """Read a nullable string."""
    size, offset = length(buffer, offset)
    if size < 0:
        return None, offset
    end = offset + size
    if end > len(buffer):
        raise IndexError
    try:
        return str(buffer[offset:end], "utf-8"), end
    except UnicodeDecodeError:
        raise MalformedBody("string is not valid UTF-8") from None


def name(length: Length, buffer: Buffer, offset: int) -> tuple[str, int]:
    """Read a string that must not be null."""
    value, offset = text(length, buffer, offset)
    if value is None:
        raise MalformedBody("null in place of a name")
    return value, offset


def topic_id(buffer: Buffer, offset: int) -> tuple[UUID | None, int]:
    """Read a topic id; None for the zero id, as in kio."""
    end = offset + 16
    if end > len(buffer):
        raise IndexError
    return _id(bytes(buffer[offset:end])), end


@lru_cache(4_096)
def _id(encoded: bytes) -> UUID | None:
    # Making one costs more than all else that is done with it, and requests name the same few again and again.
    return None if encoded == _ZERO_ID else UUID(bytes=encoded)


def tags(buffer: Buffer, offset: int) -> tuple[Mapping[int, int], int]:
    """Skip a section of tagged fields and return the size of each."""
    if buffer[offset] == 0:
        return _NO_TAGS, offset + 1
    fields, offset = tagged_fields(buffer, offset)
    return {tag: end - start for tag, (start, end) in fields.items()}, offset


def step_over(count: int, size: int, buffer: Buffer, offset: int) -> tuple[int, int]:
    """Step over the structs of a fixed size that are there, each with its tagged fields. Returns how many are left."""
    if count:
        _, offset = tags(buffer, offset + size)
        count -= 1
    while count and len(buffer) > offset + size and buffer[offset + size] == 0:
        offset += size + 1
        count -= 1
    return count, offset


class Endpoint(NamedTuple):
    """Where a broker can be reached."""

    node_id: int
    host: str
    port: int
    rack: str | None


def endpoint(buffer: Buffer, offset: int, *, flexible: bool, has_rack: bool = True) -> tuple[Endpoint, int]:
    """Read a broker of a Metadata response, or a new leader of a Fetch response. Tagged fields are dropped."""
    length = COMPACT.string if flexible else LEGACY.string
    (node_id,) = _INT32.unpack_from(buffer, offset)
    host, offset = name(length, buffer, offset + 4)
    (port,) = _INT32.unpack_from(buffer, offset)
    rack, offset = text(length, buffer, offset + 4) if has_rack else (None, offset + 4)
    if flexible:
        _, offset = tags(buffer, offset)
    return Endpoint(node_id, host, port, rack), offset


def encode_endpoint(endpoint: tuple[int, str, int, str | None], *, flexible: bool, has_rack: bool = True) -> bytes:
    """Write what `endpoint` reads."""
    node_id, host, port, rack = endpoint
    parts = (
        _INT32.pack(node_id),
        encode_text(host, flexible),
        _INT32.pack(port),
        encode_text(rack, flexible) if has_rack else b"",
        b"\x00" if flexible else b"",
    )
    return b"".join(parts)


def encode_text(value: str | None, flexible: bool) -> bytes:
    """Write a nullable string."""
    if value is None:
        return b"\x00" if flexible else b"\xff\xff"
    encoded = value.encode()
    return (encode_varint(len(encoded) + 1) if flexible else _INT16.pack(len(encoded))) + encoded
