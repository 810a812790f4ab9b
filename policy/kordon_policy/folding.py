"""Rows that differ in one thing alone become one row."""

from collections.abc import Hashable, Iterable
from dataclasses import fields, replace
from typing import Any, TypeVar

Row = TypeVar("Row", bound=Any)


def fold(rows: Iterable[Row], field: str) -> list[Row]:
    """Make one of rows (of a dataclass) that differ in this field alone, which is a tuple: all of its values, in order.

    The order of the rows is that of the first of each.
    """
    folded: dict[Hashable, Row] = {}
    for row in rows:
        key = tuple(getattr(row, one.name) for one in fields(row) if one.name != field)
        known = folded.get(key)
        values = getattr(row, field) if known is None else (*getattr(known, field), *getattr(row, field))
        folded[key] = replace(row, **{field: tuple(dict.fromkeys(values))})
    return list(folded.values())
