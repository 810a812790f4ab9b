"""What is left of a request when a part of it has been forwarded."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from kordon_protocol.shapes import Entity, Field, shape_of

Head = tuple[Any, ...]


def rest_of(request: Any, forwarded: Any) -> Any | None:
    """The request without what another one of its type has in it already; None where nothing is left.

    Entries are told apart by all that they say beside lists. Of an entry that has such lists, a part may be left.
    """
    return _rest(request, [forwarded])


def head_of(entry: Any) -> Head:
    """All that a request or an entry says beside lists."""
    return tuple(getattr(entry, field.name) for field in _fields(entry) if not field.array)


def _rest(entry: Any, alike: list[Any]) -> Any | None:
    """What is left of an entry when these are taken out, which say the same beside their lists."""
    lists = [field for field in _fields(entry) if field.array and getattr(entry, field.name) is not None]
    if not lists or entry in alike:
        return None
    left = {field.name: tuple(_left(field, entry, alike)) for field in lists}
    return replace(entry, **left) if any(left.values()) else None


def _left(field: Field, entry: Any, alike: list[Any]) -> Iterable[Any]:
    taken = [inner for other in alike for inner in getattr(other, field.name) or ()]
    if field.struct is None:
        gone = frozenset(taken)
        yield from (inner for inner in getattr(entry, field.name) if inner not in gone)
        return
    by_head: dict[Head, list[Any]] = {}
    for inner in taken:
        by_head.setdefault(head_of(inner), []).append(inner)
    for inner in getattr(entry, field.name):
        others = by_head.get(head_of(inner))
        rest = inner if others is None else _rest(inner, others)
        if rest is not None:
            yield rest


def _fields(entry: Any) -> tuple[Field, ...]:
    entity: Entity = type(entry)
    shape = shape_of(entity)
    return (*shape.fields, *shape.tagged)
