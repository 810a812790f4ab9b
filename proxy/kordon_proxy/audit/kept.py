"""Audit events as a store keeps them until they are in an audit log: values that `json.dumps` takes."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, Final, TypeVar

from .event import Event, EventType, Outcome, What, Who, Why

Kept = dict[str, Any]
Part = TypeVar("Part", Who, What, Why, Outcome)

_OPEN: Final = ("parameters",)
"""Fields whose lists stay lists: what is in them is nobody's shape."""


class UnreadableEvent(ValueError):
    """A kept event that this Kordon does not understand; the text says why."""


def to_kept(event: Event) -> Kept:
    """What is kept of an event of its own (not of one that stands for others, which has a window)."""
    kept = asdict(event)
    del kept["window"], kept["who"]["key"]
    return kept


def from_kept(kept: object) -> Event:
    """Read what `to_kept` wrote, also after `json`. A fact that only a newer Kordon knows is left out.

    Raises UnreadableEvent.
    """
    try:
        assert isinstance(kept, Mapping), "it is no mapping"
        return Event(
            id=str(kept["id"]),
            type=EventType(kept["type"]),
            time=int(kept["time"]),
            who=_part(Who, kept["who"]),
            what=_part(What, kept["what"]),
            why=_part(Why, kept["why"]),
            outcome=_part(Outcome, kept["outcome"]),
        )
    except (AssertionError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise UnreadableEvent(f"{type(error).__name__}: {error}") from None


def _part(kind: type[Part], facts: Mapping[str, Any]) -> Part:
    known = {one.name for one in fields(kind) if one.init}
    return kind(**{key: value if key in _OPEN else _frozen(value) for key, value in facts.items() if key in known})


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
