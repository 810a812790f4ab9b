"""What every store of temporary policies can do, wherever it keeps them.

A store holds records, each with a revision that grows by its changes, and an *outbox*: the audit events of changes
that are not known to be in an audit log yet. A change and its events are kept together or not at all, and of two
processes that change the same revision one succeeds. So every transition happens once, and has its event.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from kordon_policy.temporary_record import Record
from kordon_proxy.audit.event import Event


class StoreUnavailable(Exception):
    """The store cannot be read or written; the text is a sentence without its end, and says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change of one record: `before` is the revision that it was made from, 0 for one that does not exist yet."""

    record: Record
    before: int
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Untold:
    """An event in the outbox. number: its place there. writer: the process that made the change."""

    number: int
    writer: str
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """The records that have changed since the last time, each as it is now, and the whole outbox."""

    records: tuple[Record, ...]
    untold: tuple[Untold, ...]


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

    async def close(self) -> None:
        """Let go of it. Never raises."""
