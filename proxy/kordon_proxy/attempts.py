"""Attempts to do what mutations ask for. That asks brokers and takes its time, so it happens beside the ledger."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

import structlog

from kordon_policy.lifecycle import NotPossible

from .clock import Clock
from .cluster.errors import UpstreamError, told
from .store.book import Book
from .store.interface import StoreUnavailable

log = structlog.get_logger()

AGAIN: Final = 1.0
"""Seconds between the beginnings of two attempts at the same mutation."""


class NotYet(Exception):
    """It cannot be done now, and may be later; the text says what it waits for, and names nothing that is secret."""


class Attempts:
    """Of each mutation in a book one at a time, in a task of its own. What keeps it from success it is waiting for."""

    def __init__(self, book: Book[Any], clock: Clock) -> None:
        self._book = book
        self._clock = clock
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._not_before: dict[str, int] = {}
        self._waits_for: dict[str, str] = {}
        self._closed = False
        book.subscribe(self._forget)

    def is_at(self, mutation_id: str) -> bool:
        """Is there an attempt under way here?"""
        return mutation_id in self._tasks

    def may_begin(self, mutation_id: str) -> bool:
        """May there be another one now?"""
        soon = self._clock.monotonic() < self._not_before.get(mutation_id, 0)
        return not (self._closed or soon or self.is_at(mutation_id))

    def begin(self, mutation_id: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Make one, if there may be one now."""
        if not self.may_begin(mutation_id):
            return
        self._not_before[mutation_id] = self._clock.monotonic() + round(AGAIN * 1000)
        name = f"{self._book.kind.words} {mutation_id}"
        task = asyncio.create_task(self._guarded(mutation_id, work), name=name)
        self._tasks[mutation_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(mutation_id, None))

    def waits_for(self, mutation_id: str) -> str:
        """Why it has not been executed yet, for people; "" where nobody knows of anything."""
        return self._waits_for.get(mutation_id, "")

    def waits(self, mutation_id: str, reason: str, more: str = "") -> None:
        """Say what keeps a mutation from being executed. `more` is for the log alone."""
        is_over = self._book.get_running(mutation_id) is None
        if not is_over and self._waits_for.get(mutation_id) != reason:
            self._waits_for[mutation_id] = reason
            log.info(self._named("waits"), mutation=mutation_id, reason=more or reason)

    async def close(self, patience: float = 0) -> None:
        """Begin nothing more, and give what is under way so many seconds."""
        self._closed = True
        tasks = tuple(self._tasks.values())
        if tasks and patience:
            await asyncio.wait(tasks, timeout=patience)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _guarded(self, mutation_id: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await work()
        except UpstreamError as error:
            self.waits(mutation_id, told(error), str(error))
        except (NotYet, StoreUnavailable) as error:
            self.waits(mutation_id, str(error))
        except NotPossible as error:  # somebody else was quicker
            log.debug(self._named("changed"), mutation=mutation_id, reason=str(error))
        except Exception as error:
            log.exception(self._named("failed"), mutation=mutation_id)
            self.waits(mutation_id, f"an error that nobody foresaw: {error!r}")

    def _forget(self, mutation_id: str) -> None:
        self._not_before.pop(mutation_id, None)
        self._waits_for.pop(mutation_id, None)

    def _named(self, what: str) -> str:
        """What the log calls it, as `staged_mutation_waits`."""
        return f"{self._book.kind.words.replace(' ', '_')}_{what}"
