"""What a response says about success, for the audit: every error code in it, with the place where it stands."""

from collections.abc import Iterator
from functools import cache
from typing import Any, TypeAlias
from uuid import UUID

from kio.schema.errors import ErrorCode

from kordon_protocol.shapes import IDENTIFYING, Entity, Field, Shape, shape_of

Code: TypeAlias = int
"""A member of `ErrorCode`; a bare number where the schema types an error code as one (CreateTopics, ShareFetch)."""


def body_error_codes(message: Any) -> Iterator[tuple[str, Code]]:
    """Yield every error code of a response, also those that mean success, with its place.

    Places look like "topics[orders].partitions[3]"; the top of the response is "". An entry is named by what it is
    about, or by its position where it does not say. A second code of an entry has its name behind the place:
    "topics[orders].topic_config_error_code".
    """
    entity: Entity = type(message)
    return _codes(message, shape_of(entity), "")


def error_name(code: Code) -> str:
    """Return Kafka's own name of an error code, as in its class `Errors`; `error 9999` for one from a newer broker."""
    try:
        return ErrorCode(code).name.upper()
    except ValueError:
        return f"error {code}"


def _codes(struct: Any, shape: Shape, place: str) -> Iterator[tuple[str, Code]]:
    for field in (*shape.fields, *shape.tagged):
        if _is_code(field):
            yield _place(place, field), getattr(struct, field.name)
        elif field.struct is not None and _has_codes(field.struct):
            inner = getattr(struct, field.name)
            at = f"{place}.{field.name}" if place else field.name
            if not field.array:
                inner = () if inner is None else (inner,)
            for position, entry in enumerate(inner or ()):
                where = f"{at}[{_label(entry, field.struct, position)}]" if field.array else at
                yield from _codes(entry, field.struct, where)


def _is_code(field: Field) -> bool:
    return field.wire == "error_code" or (field.wire == "int16" and field.name.endswith("error_code"))


def _place(place: str, field: Field) -> str:
    if field.wire == "error_code":
        return place
    return f"{place}.{field.name}" if place else field.name


@cache
def _has_codes(shape: Shape) -> bool:
    fields = (*shape.fields, *shape.tagged)
    return any(_is_code(field) or (field.struct is not None and _has_codes(field.struct)) for field in fields)


def _label(entry: Any, shape: Shape, position: int) -> Any:
    """What an entry is about: its name or id, else its number, else its position."""
    number = position
    for field in shape.fields:
        value = getattr(entry, field.name) if field.name in IDENTIFYING and not field.array else None
        if isinstance(value, str | UUID):
            return value
        if value is not None and number is position:
            number = value
    return number
