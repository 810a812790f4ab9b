"""Messages as a newer Kafka writes them: with tagged fields and error codes that kio does not know."""

from collections.abc import Callable
from datetime import datetime, timedelta
from io import BytesIO
from typing import Any

from hypothesis import strategies as st
from kio.serial._serialize import get_writer

from kordon_protocol.odd_times import milliseconds_of, milliseconds_since_1970
from kordon_protocol.shapes import Entity, Field, Shape, shape_of, zero_of
from kordon_protocol.varints import encode_varint

UNKNOWN_TAGS = st.dictionaries(st.integers(100, 2**31 - 1), st.binary(max_size=150), max_size=2)
UNKNOWN_CODES = st.sampled_from([134, 135, 136, 9_999, -2])


class NewerWriter:
    """Writes a message slowly, field by field. `added` says whether anything unknown was put in."""

    def __init__(self, data: st.DataObject, *, tags: bool = True, codes: bool = False) -> None:
        self.added = False
        self._draw: Callable[[Any], Any] = data.draw
        self._with_tags = tags
        self._with_codes = codes

    def write(self, message: Any) -> bytes:
        entity: Entity = type(message)
        return self._struct(message, shape_of(entity))

    def _struct(self, value: Any, shape: Shape) -> bytes:
        fields = b"".join(self._field(field, getattr(value, field.name), shape.flexible) for field in shape.fields)
        return fields + self._tags(value, shape) if shape.flexible else fields

    def _tags(self, value: Any, shape: Shape) -> bytes:
        section = {
            field.tag or 0: self._field(field, getattr(value, field.name), flexible=True)
            for field in shape.tagged
            if getattr(value, field.name) != zero_of(field)
        }
        unknown = self._draw(UNKNOWN_TAGS) if self._with_tags else {}
        self.added |= bool(unknown)
        section |= unknown
        written = [encode_varint(tag) + encode_varint(len(section[tag])) + section[tag] for tag in sorted(section)]
        return encode_varint(len(section)) + b"".join(written)

    def _field(self, field: Field, value: Any, flexible: bool) -> bytes:
        if field.array:
            count = -1 if value is None else len(value)
            length = encode_varint(count + 1) if flexible else count.to_bytes(4, "big", signed=True)
            return length + b"".join(self._element(field, entry, flexible, False) for entry in value or ())
        if field.struct is not None and field.nullable:
            return b"\xff" if value is None else b"\x01" + self._struct(value, field.struct)
        return self._element(field, value, flexible, field.nullable)

    def _element(self, field: Field, value: Any, flexible: bool, nullable: bool) -> bytes:
        if field.struct is not None:
            return self._struct(value, field.struct)
        if field.wire == "error_code" and self._with_codes and self._draw(st.booleans()):
            self.added = True
            code: int = self._draw(UNKNOWN_CODES)
            return code.to_bytes(2, "big", signed=True)
        if field.wire in {"datetime_i64", "timedelta_i64"}:  # kio's writer does not take all of them
            milliseconds = -1 if value is None else _milliseconds(value)
            return milliseconds.to_bytes(8, "big", signed=True)
        buffer = BytesIO()
        get_writer(field.wire, flexible, nullable)(buffer, value)
        return buffer.getvalue()


def _milliseconds(value: datetime | timedelta) -> int:
    return milliseconds_since_1970(value) if isinstance(value, datetime) else milliseconds_of(value)
