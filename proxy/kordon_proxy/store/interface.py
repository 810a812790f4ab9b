"""What every store can do, wherever it keeps things.

A store holds records of several kinds (temporary policies, scheduled and staged mutations), each with a revision that
grows by its changes, and an *outbox*: the audit events of changes that are not known to be in an audit log yet. A
change and its events are kept together or not at all, and of two processes that change the same revision one succeeds.
So every transition happens once, and has its event.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from kordon_proxy.audit.event import Event

Record = dict[str, Any]
"""What is kept of one thing, for `json.dumps`; `id` and `revision` are among its fields."""


class StoreUnavailable(Exception):
    """The store cannot be read or written; the text is a sentence without its end, and says which and why."""


class Kind(StrEnum):
    """What a record is about."""

    TEMPORARY_POLICY = "temporary_policy"
    SCHEDULED = "scheduled"
    STAGED = "staged"

    @property
    def words(self) -> str:
        """In a sentence."""
        return self.value.replace("_", " ") if self is Kind.TEMPORARY_POLICY else f"{self.value} mutation"


class Key(NamedTuple):
    """What a record is found by."""

    kind: Kind
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change of one record: `before` is the revision that it was made from, 0 for one that does not exist yet."""

    kind: Kind
    record: Record
    before: int
    events: tuple[Event, ...]

    @property
    def key(self) -> Key:
        """Which record it is."""
        return Key(self.kind, self.record["id"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Untold:
    """An event in the outbox. number: its place there. writer: the process that made the change."""

    number: int
    writer: str
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """The records that have changed since the last time, each as it is now, and the whole outbox.

    gone: records that are not there any more, among them all that were there the last time. They are over, though
    nobody may have been told.
    """

    records: tuple[tuple[Kind, Record], ...]
    untold: tuple[Untold, ...]
    gone: tuple[Key, ...] = ()


class Store(Protocol):
    """Used by one process, in one event loop. Every method but `close` may raise StoreUnavailable, and be tried again.

    What `take` has acknowledged is there after a crash of the process or of the machine.
    """

    async def open(self) -> None:
        """Make it, or bring it to the newest schema, or raise StoreUnavailable. Only at the start."""

    async def news(self) -> News | None:
        """What is new, also by other processes; None where nothing is. The first time: everything."""

    async def take(self, step: Step) -> bool:
        """Keep a change with its events, if the record is still at the revision before; whether it was."""

    async def told(self, numbers: Collection[int]) -> None:
        """Take events out of the outbox: they are in an audit log, on disk."""

    async def forget(self, keys: Collection[Key]) -> None:
        """Take records out that are over for long. Whoever has not seen their end is told that they are gone.

        Their ids are not used again.
        """

    async def close(self) -> None:
        """Let go of it. Never raises."""
