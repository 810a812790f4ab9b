"""Write messages, five to ten times as fast as kio does it.

kio decodes natively but encodes field by field in Python, through a buffer. Here one function is compiled for each
schema, in which runs of fixed-size fields are packed at once. A test compares it with kio's writer on every schema.
"""

import struct
from collections.abc import Callable
from functools import cache
from typing import Any, Final, TypeAlias
from uuid import UUID

from kordon_protocol.odd_times import milliseconds_of, milliseconds_since_1970
from kordon_protocol.shapes import Entity, Field, Shape, shape_of, zero_of
from kordon_protocol.varints import encode_varint

Write: TypeAlias = Callable[[Any, bytearray], None]
"""Appends a message or a value. Raises `TypeError`, `AttributeError` or `struct.error` on one that does not fit."""

_LAYOUTS: Final = {
    "bool": "?",
    "int8": "b",
    "uint8": "B",
    "int16": "h",
    "uint16": "H",
    "error_code": "h",
    "int32": "i",
    "uint32": "I",
    "timedelta_i32": "i",
    "int64": "q",
    "uint64": "Q",
    "float64": "d",
    "timedelta_i64": "q",
    "datetime_i64": "q",
    "uuid": "16s",
}


@cache
def writer_of(entity: Entity) -> Write:
    """Return the writer of a message or struct of kio."""
    source = _Source()
    source.struct(shape_of(entity), "value", indent=1)
    return source.compile()


@cache
def _writer_of_tagged(field: Field) -> Write:
    source = _Source()
    source.field(field, "value", flexible=True, nullable=False, indent=1)
    return source.compile()


class _Source:
    """The text of one writer, and the objects that it names. Values are written as Python expressions."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._names: dict[str, Any] = dict(_NAMES)
        self._run: list[tuple[str, str]] = []  # layout and value of the fixed-size fields since the last line

    def compile(self) -> Write:
        self._end_run(indent=1)
        text = "\n".join(("def write(value, out):", *self._lines, "    return None"))
        exec(compile(text, "<writer>", "exec"), self._names)  # noqa: S102 -- nothing in it comes from outside
        write: Write = self._names["write"]
        return write

    def struct(self, shape: Shape, value: str, indent: int) -> None:
        for field in shape.fields:
            self.field(field, f"{value}.{field.name}", shape.flexible, field.nullable, indent)
        if shape.tagged:
            name = self._name(tuple((f, zero_of(f), _writer_of_tagged(f)) for f in shape.tagged))
            self._line(indent, f"write_tags({value}, {name}, out)")
        elif shape.flexible:
            self._run.append(("B", "0"))
        self._end_run(indent)

    def field(self, field: Field, value: str, flexible: bool, nullable: bool, indent: int) -> None:
        if field.array:
            self._array(field, value, flexible, nullable, indent)
        elif field.struct is not None and nullable:
            self._line(indent, f"if {value} is None: out.append(255)")  # KIP-893
            self._line(indent, "else:")
            self._line(indent + 1, "out.append(1)")
            self.struct(field.struct, value, indent + 1)
        else:
            self._element(field, value, flexible, nullable, indent)

    def _element(self, field: Field, value: str, flexible: bool, nullable: bool, indent: int) -> None:
        if field.struct is not None:
            self.struct(field.struct, value, indent)
        elif field.wire in _LAYOUTS:
            self._run.append((_LAYOUTS[field.wire], _CONVERSIONS.get(field.wire, "{}").format(value)))
        else:
            self._sized(field.wire, value, flexible, nullable, indent)

    def _sized(self, wire: str, value: str, flexible: bool, nullable: bool, indent: int) -> None:
        length = "int16" if wire == "string" else "int32"
        self._line(indent, f"v = {value}")
        if nullable:
            self._line(indent, f"if v is None: out += {'zero' if flexible else f'null_{length}'}")
            self._line(indent, "else:")
            indent += 1
        if wire == "string":
            self._line(indent, "v = v.encode()")
        self._length(length, flexible, indent)
        self._line(indent, "out += v")

    def _array(self, field: Field, value: str, flexible: bool, nullable: bool, indent: int) -> None:
        self._line(indent, f"v = {value}")
        if nullable:
            self._line(indent, f"if v is None: out += {'zero' if flexible else 'null_int32'}")
            self._line(indent, "else:")
            indent += 1
        self._length("int32", flexible, indent)
        if field.wire in _LAYOUTS and field.wire not in _CONVERSIONS:
            self._line(indent, f"out += pack('>%d{_LAYOUTS[field.wire]}' % len(v), *v)")
            return
        element = f"e{indent}"
        self._line(indent, f"for {element} in v:")
        self._element(field, element, flexible, nullable=False, indent=indent + 1)
        self._end_run(indent + 1)

    def _length(self, wire: str, flexible: bool, indent: int) -> None:
        if flexible:
            self._line(indent, "n = len(v) + 1")
            self._line(indent, "if n < 128: out.append(n)")
            self._line(indent, "else: out += varint(n)")
        else:
            self._line(indent, f"out += {wire}(len(v))")

    def _line(self, indent: int, text: str) -> None:
        self._end_run(indent)
        self._lines.append("    " * indent + text)

    def _end_run(self, indent: int) -> None:
        run, self._run = self._run, []
        if run:
            layout = ">" + "".join(layout for layout, _ in run)
            name = self._name(struct.Struct(layout).pack)
            values = ", ".join(value for _, value in run)
            self._lines.append("    " * indent + f"out += {name}({values})")

    def _name(self, named: object) -> str:
        name = f"named{len(self._names)}"
        self._names[name] = named
        return name


def _write_tags(value: Any, tagged: tuple[tuple[Field, Any, Write], ...], out: bytearray) -> None:
    said = []
    for field, default, write in tagged:
        inner = getattr(value, field.name)
        # What has its default is not written (KIP-482).
        if inner is not default and inner != default:
            said.append((field.tag or 0, _encoded(write, inner)))
    out += encode_varint(len(said))
    for tag, encoded in said:
        out += encode_varint(tag) + encode_varint(len(encoded)) + encoded


def _encoded(write: Write, value: Any) -> bytearray:
    out = bytearray()
    write(value, out)
    return out


def _uuid(value: UUID | None) -> bytes:
    return bytes(16) if value is None else value.bytes


def _nullable_time(value: Any) -> int:
    return -1 if value is None else milliseconds_since_1970(value)


_CONVERSIONS: Final = {
    "timedelta_i32": "duration({})",
    "timedelta_i64": "duration({})",
    "datetime_i64": "time({})",
    "uuid": "uuid({})",
}

_NAMES: Final = {
    "duration": milliseconds_of,
    "int16": struct.Struct(">h").pack,
    "int32": struct.Struct(">i").pack,
    "null_int16": b"\xff\xff",
    "null_int32": b"\xff\xff\xff\xff",
    "pack": struct.pack,
    "time": _nullable_time,
    "uuid": _uuid,
    "varint": encode_varint,
    "write_tags": _write_tags,
    "zero": b"\x00",
}
