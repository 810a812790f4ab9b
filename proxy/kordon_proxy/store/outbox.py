"""Brings the events of the store's outbox into the audit log of this process, each at least once."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final, Protocol

from kordon_proxy.audit.event import Event

from .interface import Store, Untold

TAKE_OVER: Final = 3_000
"""After so many ms another process's event is told here: that process is gone, or cannot write its log."""


class Audit(Protocol):
    """The part of `AuditLog` that is used."""

    @property
    def healthy(self) -> bool: ...

    def record(self, event: Event, on_durable: Callable[[], None] | None = None) -> None: ...


class Outbox:
    """What of the outbox is still to be told, is on its way to the disk, or is on it and may be taken out."""

    def __init__(self, store: Store, audit: Audit, writer: str, monotonic: Callable[[], int]) -> None:
        self._store = store
        self._audit = audit
        self._writer = writer
        self._monotonic = monotonic
        self._untold: dict[int, tuple[Untold, int]] = {}  # with the instant when it was first seen
        self._under_way: set[int] = set()
        self._durable: set[int] = set()

    @property
    def is_being_told(self) -> bool:
        """Is an event of this process in it, that can be told now?"""
        return self._audit.healthy and any(one.writer == self._writer for one, _ in self._untold.values())

    def see(self, untold: Iterable[Untold]) -> None:
        """Take over what the store says is in it."""
        now = self._monotonic()
        self._untold = {one.number: self._untold.get(one.number, (one, now)) for one in untold}
        self._under_way.intersection_update(self._untold)
        self._durable.intersection_update(self._untold)

    async def drain(self) -> None:
        """Record what is to be told here, and take out what is on disk. Raises StoreUnavailable."""
        for one in list(self._due()):
            self._under_way.add(one.number)
            self._audit.record(one.event, partial(self._durable.add, one.number))
        if durable := frozenset(self._durable):
            await self._store.told(durable)
            self._durable.difference_update(durable)

    def _due(self) -> Iterator[Untold]:
        # With `on_failure: continue`, "durable" is said at once while the log cannot be written.
        if self._audit.healthy:
            before = self._monotonic() - TAKE_OVER
            for one, seen in self._untold.values():
                if one.number not in self._under_way and (one.writer == self._writer or seen <= before):
                    yield one
