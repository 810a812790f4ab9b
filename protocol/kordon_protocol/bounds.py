"""Check the counts of a body before kio's native reader sees them.

The reader asks the allocator for as many elements as a count announces before it reads the first of them; where that
fails, the whole process is aborted (kio 0.6.5: five bytes of a Metadata request are enough). So every message is walked
first. No count may announce more elements than the bytes that are left could hold.

The walk also refuses what two readers could understand in two ways, because the broker would then act on something
else than what was judged: tagged fields that are repeated, out of order, or longer or shorter than they say. And it
refuses longer strings than brokers read.

A walk is compiled from the schema. It steps over a run of fixed-size fields, and over an array of them, at once: about
a microsecond for a usual request, a fraction of what reading it in Python would cost.
"""

from collections.abc import Callable, Mapping
from functools import cache, partial
from struct import Struct
from typing import Any, Final, NoReturn, TypeAlias

from kordon_protocol.errors import MalformedBody
from kordon_protocol.shapes import (
    FIXED_SIZES,
    Entity,
    Field,
    Shape,
    fixed_size,
    least_size_of_element,
    shape_of,
)
from kordon_protocol.tagged import tagged_fields
from kordon_protocol.varints import LONGEST_STRING, Buffer, read_varint

Walk: TypeAlias = Callable[[Buffer, int], int]
"""From a buffer and the offset of a message to the offset behind it.

Raises `MalformedBody`, `IndexError` or `struct.error`. Returns an offset behind the end of the buffer where the last
field is cut off.
"""


@cache
def walk_of(entity: Entity) -> Walk:
    """Return the walk over a message or struct of kio."""
    source = _Source()
    source.struct(shape_of(entity), indent=1)
    return source.compile()


@cache
def _walk_of_tagged(field: Field) -> Walk:
    source = _Source()
    source.field(field, flexible=True, indent=1)
    return source.compile()


class _Source:
    """The text of one walk, and the objects that it names."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._names: dict[str, Any] = dict(_NAMES)
        self._run = 0  # bytes of the fixed-size fields since the last line

    def compile(self) -> Walk:
        self._end_run(indent=1)
        text = "\n".join(("def walk(buf, pos):", "    end = len(buf)", *self._lines, "    return pos"))
        exec(compile(text, "<walk>", "exec"), self._names)  # noqa: S102 -- nothing in it comes from outside
        walk: Walk = self._names["walk"]
        return walk

    def struct(self, shape: Shape, indent: int) -> None:
        for field in shape.fields:
            self.field(field, shape.flexible, indent)
        if shape.flexible:
            self._tags(shape, indent)
        self._end_run(indent)

    def field(self, field: Field, flexible: bool, indent: int) -> None:
        if field.array:
            self._array(field, flexible, indent)
        elif field.nullable and field.struct is not None:
            self._nullable_struct(field.struct, indent)
        else:
            self._element(field, flexible, indent)

    def _element(self, field: Field, flexible: bool, indent: int) -> None:
        if field.struct is not None:
            self.struct(field.struct, indent)
        elif field.wire in FIXED_SIZES:
            self._run += FIXED_SIZES[field.wire]
        elif flexible:
            self._count("varint", indent)
            if field.wire == "string":
                self._line(indent, f"if n > {LONGEST_STRING + 1}: too_long(n)")
            self._line(indent, "if n: pos += n - 1")
        else:
            self._count("int16" if field.wire == "string" else "int32", indent)
            self._line(indent, "if n > 0: pos += n")

    def _array(self, field: Field, flexible: bool, indent: int) -> None:
        self._count("varint" if flexible else "int32", indent)
        if flexible:
            self._line(indent, "n -= 1")
        if not field.nullable:
            self._line(indent, "if n < 0: null(n)")  # kio lets it pass, Kafka does not
        self._line(indent, f"if n > (end - pos) // {least_size_of_element(field, flexible)}: too_many(n)")
        size = FIXED_SIZES.get(field.wire) if field.struct is None else fixed_size(field.struct)
        if size is not None:
            self._line(indent, f"if n > 0: pos += n * {size}")
            return
        self._line(indent, "for _ in range(n):")
        self._element(field, flexible, indent + 1)
        self._end_run(indent + 1)

    def _nullable_struct(self, shape: Shape, indent: int) -> None:
        self._line(indent, "pos += 1")
        self._line(indent, "if buf[pos - 1] < 128:")  # -1 is null (KIP-893)
        self.struct(shape, indent + 1)

    def _tags(self, shape: Shape, indent: int) -> None:
        name = f"tags{len(self._names)}"
        self._names[name] = partial(_skip_tags, {f.tag: _walk_of_tagged(f) for f in shape.tagged})
        self._line(indent, "pos += 1")
        self._line(indent, f"if buf[pos - 1]: pos = {name}(buf, pos - 1)")

    def _count(self, wire: str, indent: int) -> None:
        if wire == "varint":
            self._line(indent, "n = buf[pos]; pos += 1")
            self._line(indent, "if n > 127: n, pos = varint(buf, pos - 1)")
        else:
            self._line(indent, f"n = {wire}(buf, pos)[0]; pos += {FIXED_SIZES[wire]}")

    def _line(self, indent: int, text: str) -> None:
        self._end_run(indent)
        self._lines.append("    " * indent + text)

    def _end_run(self, indent: int) -> None:
        run, self._run = self._run, 0
        if run:
            self._lines.append("    " * indent + f"pos += {run}")


def _skip_tags(known: Mapping[int | None, Walk], buffer: Buffer, offset: int) -> int:
    fields, end_of_section = tagged_fields(buffer, offset)
    for tag, (start, end) in fields.items():
        if tag in known and known[tag](buffer, start) != end:
            raise MalformedBody(f"tagged field {tag} does not take the {end - start} bytes that it announces")
    return end_of_section


def _too_many(count: int) -> NoReturn:
    raise MalformedBody(f"array of {count} elements in a body that cannot hold them")


def _too_long(length: int) -> NoReturn:
    raise MalformedBody(f"string of {length - 1} bytes, and none has more than {LONGEST_STRING}")


def _null(count: int) -> NoReturn:
    raise MalformedBody(f"array of {count} elements that must not be null")


_NAMES: Final = {
    "varint": read_varint,
    "int16": Struct(">h").unpack_from,
    "int32": Struct(">i").unpack_from,
    "null": _null,
    "too_long": _too_long,
    "too_many": _too_many,
}
