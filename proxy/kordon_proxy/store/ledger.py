"""What this process and its store tell each other: what others have changed, what is changed here, what is due.

Several processes may use one store. Each of them looks for news a few times a second, takes the transitions that are
due (of each, the store lets one process through), and tells the audit. Of each kind of record there is a *book*; what
is in it means something to its *keeper*.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Protocol

import structlog

from kordon_policy.records import UnreadableRecord
from kordon_proxy.audit.durable import until_on_disk
from kordon_proxy.audit.event import Event
from kordon_proxy.clock import CLOCK, Clock

from .book import Book, T
from .interface import Key, Kind, Record, Store, StoreUnavailable
from .outbox import Audit, Outbox

log = structlog.get_logger()

EVERY: Final = 0.25
"""Seconds between two looks: others' changes are in force within a second."""
SILENT: Final = 5.0
"""Seconds after which a store that does not answer is said to be away."""
STALE: Final = 30.0
"""Seconds behind the store after which no more clients are to be sent here."""
KEPT: Final = 30 * 86_400_000
"""Ms for which what is over stays in the store. The audit has it for as long as the audit is kept."""
_ATTEMPTS: Final = 10
"""How often a change is made anew, as somebody else has just changed the same thing."""


class Keeper(Protocol):
    """Whoever knows what the records in a book mean, and what becomes of them."""

    def refresh(self) -> None:
        """Do what time asks for and needs no store. Called at each beat, also while the store is away."""

    async def do_what_is_due(self) -> None:
        """Take what is due into the store, by `Ledger.take`. Raises StoreUnavailable."""


class Ledger:
    """One process's side of its store. Belongs to the event loop; `problem` and `stale` are for any thread.

    writer: names this process in the store.
    """

    def __init__(self, store: Store, audit: Audit, *, writer: str, clock: Clock = CLOCK) -> None:
        self.writer = writer
        self.clock = clock
        self._store = store
        self._audit = audit
        self._outbox = Outbox(store, audit, writer, clock.monotonic)
        self._books: dict[Kind, Book[Any]] = {}
        self._keepers: list[Keeper] = []
        self._unreadable: dict[Key, str] = {}
        self._one_at_a_time = asyncio.Lock()
        self._failure: str | None = None
        self._answered = clock.monotonic()

    def keep(self, book: Book[Any], keeper: Keeper) -> None:
        """Have this book know what there is of its kind. Before the start."""
        self._books[book.kind] = book
        self._keepers.append(keeper)

    @property
    def problem(self) -> str | None:
        """Why the store cannot be relied on; None while it can."""
        if self._failure is not None:
            return self._failure
        if self._behind > SILENT:
            return f"the store has not answered for {self._behind:.0f} s"
        return next(iter(tuple(self._unreadable.values())), None)

    @property
    def stale(self) -> bool:
        """Whether so much may have happened without us that clients should go to another process."""
        return bool(self._unreadable) or self._behind > STALE

    @property
    def _behind(self) -> float:
        return (self.clock.monotonic() - self._answered) / 1000

    # ---- from start to end

    async def start(self) -> None:
        """Open the store and read all that is in it. Raises StoreUnavailable."""
        await self._store.open()
        await self.look()
        for problem in self._unreadable.values():
            raise StoreUnavailable(problem)
        self._refresh()

    async def run(self) -> None:
        """Follow store and clock for ever."""
        step = asyncio.create_task(self.step())
        try:
            while True:
                await asyncio.sleep(EVERY)
                self._refresh()  # the step before may still wait for the store
                if step.done():
                    step = asyncio.create_task(self.step())
        finally:
            step.cancel()

    async def step(self) -> None:
        """Look once at what others have changed, what is due, and what the audit has not been told. Never raises."""
        self._refresh()  # whether or not the store can be reached
        try:
            async with self._one_at_a_time:
                await self.look()
                self._refresh()
                for keeper in self._keepers:
                    await keeper.do_what_is_due()
                self._refresh()
                await self._outbox.drain()
                await self._forget()
            self._answered = self.clock.monotonic()
            self._has_failed(None)
        except StoreUnavailable as error:
            self._has_failed(str(error))
        except Exception as error:
            log.exception("store_step_failed")
            self._has_failed(f"an error that nobody foresaw: {error!r}")

    async def close(self, within: float = 2.0) -> None:
        """Tell the audit what there is to tell, for so many seconds at most, and let go of the store."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self.step()
                while self._outbox.is_being_told and self._failure is None:
                    await asyncio.sleep(0.02)
                    await self.step()
        await self._store.close()

    # ---- for the keepers

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[None]:
        """Nothing else changes meanwhile. Nobody waits for a store that has not answered for long.

        Raises StoreUnavailable.
        """
        self._must_be_usable()
        async with self._one_at_a_time:
            self._must_be_usable()
            yield

    async def change(self, book: Book[T], make: Callable[[], tuple[T, Event]]) -> T:
        """Change something, by what is known just before, and return it as it is then. Not while `changing`.

        make: the thing after the change, and the event; called anew if somebody was quicker. Raises StoreUnavailable,
        and what `make` raises.
        """
        async with self.changing():
            for _ in range(_ATTEMPTS):
                await self.look()
                after, event = make()
                if await self.take(book, after, event):
                    return after
        raise StoreUnavailable(f"others change the same {book.kind.words} all the time; try again")

    async def add(self, book: Book[T], new: T, *events: Event) -> None:
        """Bring something new into the store. Only while `changing`. Raises StoreUnavailable."""
        if not await self.take(book, new, *events):
            raise StoreUnavailable(f"the store has {book.kind.words} {new.id} already")

    async def take(self, book: Book[T], after: T, *events: Event) -> bool:
        """Bring changes of one thing into the store, and let its book know. False if somebody was quicker.

        events: of each change one. Only while `changing`, or in what is due. Raises StoreUnavailable.
        """
        step = book.step(after, events)
        if not await self._store.take(step):
            return False
        self._read(step.kind, step.record)
        self._refresh()
        return True

    async def look(self) -> None:
        """Learn what is new. Only while `changing`. Raises StoreUnavailable."""
        news = await self._store.news()
        if news is not None:
            for kind, record in news.records:
                self._read(kind, record)
            for key in news.gone:
                self._books[key.kind].forget([key.id])
                self._unreadable.pop(key, None)
            self._outbox.see(news.untold)

    async def tell(self, event: Event) -> None:
        """Record what is not kept, and return when it is on disk. Not while `changing`: nothing is to wait for that."""
        await until_on_disk(self._audit.record, event)

    def _must_be_usable(self) -> None:
        if self.problem is not None:
            raise StoreUnavailable(self.problem)

    def _read(self, kind: Kind, record: Record) -> None:
        key = Key(kind, str(record.get("id")))
        try:
            self._books[kind].read(record)
        except UnreadableRecord as error:
            self._unreadable[key] = f"{kind.words} {key.id} in the store cannot be read: {error}"
        else:
            self._unreadable.pop(key, None)

    def _refresh(self) -> None:
        for keeper in self._keepers:
            keeper.refresh()

    async def _forget(self) -> None:
        before = self.clock.wall() - KEPT
        for kind, book in self._books.items():
            if ids := book.over(before):
                await self._store.forget([Key(kind, one) for one in ids])
                book.forget(ids)

    def _has_failed(self, problem: str | None) -> None:
        if problem != self._failure:
            if problem is None:
                log.info("store_restored")
            else:
                log.error("store_unavailable", reason=problem)
        self._failure = problem
