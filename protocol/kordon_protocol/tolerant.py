"""Read what is legal on the wire although kio refuses it. Slow, and only used where kio's native reader gave up.

* Unknown tagged fields are dropped: they are meant to be skipped (KIP-482), and a field that we do not know could name
  anything.
* Unknown error codes become UNKNOWN_SERVER_ERROR, as in Kafka's own clients.
* Times out of Python's range are kept as the classes of `odd_times`.
* A boolean is true when it is not zero.
* The value of a nullable tagged field may be null.
"""

import struct
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from kio.schema.errors import ErrorCode

from kordon_protocol.errors import MalformedBody
from kordon_protocol.odd_times import duration_from, timestamp_from
from kordon_protocol.shapes import Entity, Field, Shape, least_size_of_element, shape_of, zero_of
from kordon_protocol.tagged import tagged_fields
from kordon_protocol.varints import Buffer, read_varint

_ZERO_UUID: Final = bytes(16)


class TolerantReader:
    """Reads one message or struct.

    After it, `offset` is behind what was read, and `exact` is False when the message does not hold all that the bytes
    say, so that who passes on the bytes would pass on something unseen. Raises `MalformedBody` only.
    """

    def __init__(self, buffer: Buffer, offset: int = 0) -> None:
        self.offset = offset
        self.exact = True
        self._buffer = buffer

    def read(self, entity: Entity) -> Any:
        """Return the message or struct that begins at `offset`."""
        try:
            return self._struct(shape_of(entity))
        except (IndexError, struct.error):
            raise MalformedBody(f"body cut off at byte {len(self._buffer)}") from None
        except UnicodeDecodeError:
            raise MalformedBody(f"string before byte {self.offset} is not valid UTF-8") from None

    def _struct(self, shape: Shape) -> Any:
        values = {field.name: self._field(field, shape.flexible) for field in shape.fields}
        if shape.flexible:
            values.update(self._tagged(shape))
        return shape.entity(**values)

    def _tagged(self, shape: Shape) -> dict[str, Any]:
        values = {field.name: zero_of(field) for field in shape.tagged}
        known = {field.tag: field for field in shape.tagged}
        fields, end_of_section = tagged_fields(self._buffer, self.offset)
        for tag, (start, end) in fields.items():
            if tag not in known:
                self.exact = False
                continue
            self.offset = start
            values[known[tag].name] = self._field(known[tag], flexible=True)
            if self.offset != end:
                raise MalformedBody(f"tagged field {tag} does not take the {end - start} bytes that it announces")
        self.offset = end_of_section
        return values

    def _field(self, field: Field, flexible: bool) -> Any:
        if field.array:
            return self._array(field, flexible)
        if field.struct is not None and field.nullable:
            return self._struct(field.struct) if self._number("int8") >= 0 else None  # KIP-893
        return self._element(field, flexible, nullable=field.nullable)

    def _array(self, field: Field, flexible: bool) -> tuple[Any, ...] | None:
        count = self._length("int32", flexible, field.nullable)
        if count is None:
            return None
        if count > (len(self._buffer) - self.offset) // least_size_of_element(field, flexible):
            raise MalformedBody(f"array of {count} elements in a body that cannot hold them")
        return tuple(self._element(field, flexible, nullable=False) for _ in range(count))

    def _element(self, field: Field, flexible: bool, nullable: bool) -> Any:
        if field.struct is not None:
            return self._struct(field.struct)
        match field.wire:
            case "string":
                encoded = self._bytes("int16", flexible, nullable)
                return None if encoded is None else encoded.decode()
            case "bytes" | "records":
                return self._bytes("int32", flexible, nullable)
            case "uuid":
                return self._uuid()
            case "error_code":
                return self._error_code()
            case "bool":
                return self._bool()
            case "datetime_i64":
                milliseconds = self._number("int64")
                return None if nullable and milliseconds == -1 else timestamp_from(milliseconds)
            case "timedelta_i32" | "timedelta_i64":
                return duration_from(self._number("int32" if field.wire.endswith("32") else "int64"))
            case number:
                return self._number(number)

    def _number(self, wire: str) -> Any:
        unpack, size = _NUMBERS[wire]
        (value,) = unpack(self._buffer, self.offset)
        self.offset += size
        return value

    def _varint(self) -> int:
        value, self.offset = read_varint(self._buffer, self.offset)
        return value

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[self.offset : self.offset + size])
        if len(taken) < size:
            raise IndexError
        self.offset += size
        return taken

    def _length(self, wire: str, flexible: bool, nullable: bool) -> int | None:
        length: int = self._varint() - 1 if flexible else self._number(wire)
        if length >= 0:
            return length
        if length < -1 or not nullable:
            raise MalformedBody(f"length {length} before byte {self.offset}")
        return None

    def _bytes(self, wire: str, flexible: bool, nullable: bool) -> bytes | None:
        length = self._length(wire, flexible, nullable)
        return None if length is None else self._take(length)

    def _uuid(self) -> UUID | None:
        encoded = self._take(16)
        return None if encoded == _ZERO_UUID else UUID(bytes=encoded)

    def _error_code(self) -> ErrorCode:
        code = self._number("int16")
        try:
            return ErrorCode(code)
        except ValueError:
            self.exact = False
            return ErrorCode.unknown_server_error

    def _bool(self) -> bool:
        byte = self._number("uint8")
        self.exact &= byte <= 1
        return bool(byte)


def _number(layout: str) -> tuple[Callable[..., tuple[Any, ...]], int]:
    packed = struct.Struct(layout)
    return packed.unpack_from, packed.size


_NUMBERS: Final = {
    "int8": _number(">b"),
    "uint8": _number(">B"),
    "int16": _number(">h"),
    "uint16": _number(">H"),
    "int32": _number(">i"),
    "uint32": _number(">I"),
    "int64": _number(">q"),
    "uint64": _number(">Q"),
    "float64": _number(">d"),
}
