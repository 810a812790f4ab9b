"""What stands in the store's topic: how facts become records of Kafka, and are read again.

Keys and values are JSON. A key is never used for two facts: which of them compaction left would be a matter of luck.

| key | value |
| --- | --- |
| `["store", ID]` | `{"format": 1, "writer": …}` |
| `["change", KIND, ID OF THE RECORD, ATTEMPT]` | `{"format": 1, "store": …, "writer": …, "before": …, "record": {…}}` |
| `["event", ATTEMPT, NUMBER]` | `{"format": 1, "writer": …, "event": {…}}` |

A change whose record is `null` forgets it. A line without a value takes out the one that had its key (a *tombstone*).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from kordon_proxy.audit.event import Event
from kordon_proxy.audit.kept import from_kept, to_kept

from .interface import Key, Kind, Record, Step

FORMAT: Final = 1
"""Of the values. A Kordon that meets a higher one leaves the store alone."""


class UnreadableEntry(ValueError):
    """A line that this Kordon does not understand; the text says why."""


class Line(NamedTuple):
    """Key and value of a record of Kafka; None for a tombstone."""

    key: bytes
    value: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Which store it is: the first in the topic counts. Every change says to which store it belongs."""

    id: str
    writer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A try to bring a record from the revision `before` to another one, or out of the store (None)."""

    key: Key
    attempt: str
    store: str
    writer: str
    before: int
    record: Record | None

    @property
    def revision(self) -> int:
        """What the next change has to begin with; 0 for a record that is not there any more."""
        return 0 if self.record is None else int(self.record["revision"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Tale:
    """An event of a change. It is to be told if the change of that attempt was made."""

    attempt: str
    writer: str
    event: Event


Entry = Identity | Change | Tale


def identity_line(store: str, writer: str) -> Line:
    """What makes a topic a store."""
    return Line(_text(["store", store]), _text({"format": FORMAT, "writer": writer}))


def change_lines(store: str, writer: str, attempt: str, step: Step) -> Sequence[Line]:
    """A change and its events. They have to be appended as one batch, so that all of them are there or none."""
    return (
        _change(store, writer, attempt, step.key, step.before, step.record),
        *(
            Line(
                _text(["event", attempt, number]),
                _text({"format": FORMAT, "writer": writer, "event": to_kept(event)}),
            )
            for number, event in enumerate(step.events)
        ),
    )


def forget_line(store: str, writer: str, attempt: str, key: Key, before: int) -> Line:
    """The change that takes a record out."""
    return _change(store, writer, attempt, key, before, None)


def read_entry(key: bytes, value: bytes) -> Entry:
    """Read a line that has a value. Raises UnreadableEntry."""
    try:
        name, facts = json.loads(key), json.loads(value)
        if facts["format"] > FORMAT:
            raise UnreadableEntry(f"a newer Kordon has written it, in format {facts['format']}")
        return _entry(name, facts)
    except UnreadableEntry:
        raise
    except (LookupError, TypeError, ValueError) as error:
        raise UnreadableEntry(f"{type(error).__name__}: {error}") from None


def _entry(name: Any, facts: Any) -> Entry:
    writer = str(facts["writer"])
    match name:
        case ["store", str(store)]:
            return Identity(id=store, writer=writer)
        case ["change", kind, str(record_id), str(attempt)]:
            change = Change(
                key=Key(Kind(kind), record_id),
                attempt=attempt,
                store=str(facts["store"]),
                writer=writer,
                before=int(facts["before"]),
                record=facts["record"],
            )
            if change.record is not None and change.revision <= change.before:
                raise UnreadableEntry(f"it leads from revision {change.before} to {change.revision}")
            return change
        case ["event", str(attempt), int()]:
            return Tale(attempt=attempt, writer=writer, event=from_kept(facts["event"]))
    raise UnreadableEntry("its key is none of Kordon's")


def _change(store: str, writer: str, attempt: str, key: Key, before: int, record: Record | None) -> Line:
    facts = {"format": FORMAT, "store": store, "writer": writer, "before": before, "record": record}
    return Line(_text(["change", key.kind.value, key.id, attempt]), _text(facts))


def _text(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii")
