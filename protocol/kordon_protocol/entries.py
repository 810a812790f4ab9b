"""How many entries a message has, in all of its lists together."""

from functools import cache
from typing import Any

from kordon_protocol.shapes import Entity, shape_of


def has_more_entries(message: Any, most: int) -> bool:
    """Whether there are more than that. It is not counted on beyond."""
    count, rest = 0, [message]
    while rest:
        one = rest.pop()
        kind: Entity = type(one)
        for name, is_list, goes_on in _lists_of(kind):
            value = getattr(one, name)
            if value is None:
                continue
            entries = value if is_list else (value,)
            if is_list:
                count += len(entries)
            if count > most:
                return True
            if goes_on:
                rest += entries
    return False


@cache
def _lists_of(entity: Entity) -> tuple[tuple[str, bool, bool], ...]:
    """The fields that are lists or have some: name, whether it is one itself, and whether there are more inside."""
    shape = shape_of(entity)
    found = (
        (field.name, field.array, field.struct is not None and bool(_lists_of(field.struct.entity)))
        for field in (*shape.fields, *shape.tagged)
    )
    return tuple(one for one in found if one[1] or one[2])
