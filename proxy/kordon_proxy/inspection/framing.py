"""Where records name the schema that they are written by: Confluent's wire format, and headers of newer clients.

https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple
from uuid import UUID

_ID_MAGIC: Final = 0
_GUID_MAGIC: Final = 1
_ID_END: Final = 5
_GUID_END: Final = 17
_MOST_INDEXES: Final = 100

KEY_HEADER: Final = b"__key_schema_id"
VALUE_HEADER: Final = b"__value_schema_id"


class SchemaRef(NamedTuple):
    """How a record names its schema: by a number of the registry, or by an id that is the same in all registries."""

    id: int | None
    guid: str | None

    def __str__(self) -> str:
        return f"schema {self.guid if self.id is None else self.id}"


class Framed(NamedTuple):
    """A schema, and what was written by it. `indexes`, which only Protobuf has, may stand before either."""

    schema: SchemaRef
    payload: bytes
    prefix: bytes | None
    """What follows the schema's id in a header; None where the id stands before the payload, with all that follows."""


class Misframed(ValueError):
    """Indexes of a message that cannot be read."""


def framed(data: bytes, headers: Iterable[tuple[bytes, bytes | None]] = (), name: bytes = b"") -> Framed | None:
    """Return the schema that a header of this name or the first bytes name; None where neither does."""
    for header, value in headers:
        if header == name and value is not None and (found := _guid(value) or _id(value)):
            return Framed(found[0], data, found[1])
    found = _id(data)
    return None if found is None else Framed(found[0], found[1], None)


def message_indexes(frame: Framed) -> tuple[Sequence[int], bytes]:
    """Return which message of a Protobuf file it is, from the outermost one inwards, and the message's bytes."""
    indexes, rest = _indexes(frame.payload if frame.prefix is None else frame.prefix)
    return indexes, rest if frame.prefix is None else frame.payload


def _id(data: bytes) -> tuple[SchemaRef, bytes] | None:
    number = int.from_bytes(data[1:_ID_END], "big")
    if len(data) < _ID_END or data[0] != _ID_MAGIC or not 0 < number < 2**31:
        return None
    return SchemaRef(number, None), data[_ID_END:]


def _guid(data: bytes) -> tuple[SchemaRef, bytes] | None:
    if len(data) < _GUID_END or data[0] != _GUID_MAGIC:
        return None
    return SchemaRef(None, str(UUID(bytes=data[1:_GUID_END]))), data[_GUID_END:]


def _indexes(data: bytes) -> tuple[Sequence[int], bytes]:
    count, position = _number(data, 0)
    if count == 0:  # the first message, which nearly all are, is written so
        return (0,), data[position:]
    if not 0 < count <= _MOST_INDEXES:
        raise Misframed(f"a message within {count} others")
    indexes = []
    for _ in range(count):
        index, position = _number(data, position)
        indexes.append(index)
    return indexes, data[position:]


def _number(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 35, 7):
        if position == len(data):
            raise Misframed("the indexes of the message are cut off")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), position
    raise Misframed("an index of more than 32 bits")
