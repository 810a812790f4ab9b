"""Hands a journal to other places, at least once and in order.

A forwarder reads what is durable, gives it to its sink until the sink has it, and then notes how far it got. A crash
in between repeats some events; `writer` and `sequence` tell the reader which. The journal waits for the slowest sink
before it deletes anything.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Protocol

import structlog

from kordon_proxy.cluster.backoff import Backoff
from kordon_proxy.metrics import Metrics
from kordon_proxy.reasons import reason_of

from .cursor import load_cursor, save_cursor
from .journal import Journal
from .tail import Line, Tail

log = structlog.get_logger()

_SAVE_EVERY: Final = 1.0  # seconds: a save flushes to the same disk that answers wait for


class Sink(Protocol):
    """A place that events are handed to."""

    name: str
    """Lower-case word: label of metrics, and name of the cursor."""

    async def deliver(self, lines: Sequence[Line]) -> None:
        """Return once the sink has all of them for good. Raises whatever went wrong: all of them are given again."""

    async def close(self) -> None:
        """Let go of what is held."""


class Forwarder:
    """Feeds one sink. `run` goes on until it is cancelled; `close` then notes how far it got."""

    def __init__(
        self,
        journal: Journal,
        sink: Sink,
        metrics: Metrics,
        *,
        backlog_warning: int,
        backoff: Backoff | None = None,
        patience: float = 30.0,
    ) -> None:
        """patience: for how many seconds a sink may take before it is told; aiokafka tries again without an end."""
        self.sink = sink
        self._journal = journal
        self._metrics = metrics
        self._backlog_warning = backlog_warning
        self._backoff = backoff or Backoff(most=30.0)
        self._patience = patience
        self._after = self._where_it_was()
        self._saved = self._after
        self._save_due = 0.0
        self._tail = Tail(journal.directory, self._after)
        self._more = asyncio.Event()
        self._is_behind = False
        self._is_failing = False
        journal.forwarded(sink.name, self._after)
        journal.listeners.append(self._see_more)
        self._show_backlog()

    def _where_it_was(self) -> int:
        after, last = load_cursor(self._journal.directory, self.sink.name, self._journal.writer), self._journal.durable
        if after > last:
            # Somebody cut the journal's end off, or brought an old copy of it back. Its numbers are given once more.
            log.error("audit_journal_ends_early", sink=self.sink.name, forwarded=after, last_sequence=last)
        return min(after, last)

    @property
    def backlog(self) -> int:
        """How many durable events the sink has not got yet."""
        return max(0, self._journal.durable - self._after)

    async def run(self) -> None:
        """Forward for ever."""
        while True:
            self._more.clear()
            if lines := await self._read():
                await self._deliver(lines)
                self._note(lines)
            else:
                await self._wait_for_more()
            if self._saved != self._after and time.monotonic() >= self._save_due:
                await asyncio.to_thread(self._save)

    async def catch_up(self) -> None:
        """Wait until the sink has all that is durable. `run` must be running."""
        while self.backlog:  # noqa: ASYNC110 (only at the end of the process)
            await asyncio.sleep(0.02)

    async def close(self) -> None:
        """Note how far the sink has got, and let it go."""
        self._journal.listeners.remove(self._see_more)
        await asyncio.to_thread(self._save)
        await self.sink.close()

    async def _read(self) -> list[Line]:
        while True:
            try:
                return await asyncio.to_thread(self._tail.read, self._journal.durable)
            except Exception as error:  # whatever it is, nothing is lost: the journal waits for this sink
                await self._fail(error)

    async def _deliver(self, lines: Sequence[Line]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            overdue = loop.call_later(self._patience, self._tell_failing, f"silent for {self._patience:g} s")
            try:
                await self.sink.deliver(lines)
            except Exception as error:  # whatever it is, nothing is lost: all of them are given again
                await self._fail(error)
            else:
                self._recover()
                return
            finally:
                overdue.cancel()

    async def _wait_for_more(self) -> None:
        # A crash while idle should repeat nothing, so the wait ends once, to save the cursor.
        timeout = None if self._saved == self._after else max(0.0, self._save_due - time.monotonic())
        with suppress(TimeoutError):
            await asyncio.wait_for(self._more.wait(), timeout)

    async def _fail(self, error: Exception) -> None:
        self._tell_failing(str(error) or type(error).__name__)
        await asyncio.sleep(self._backoff.fail())

    def _tell_failing(self, reason: str) -> None:
        if not self._is_failing:
            self._is_failing = True
            log.error("audit_sink_failing", sink=self.sink.name, reason=reason, backlog=self.backlog)

    def _recover(self) -> None:
        self._backoff.succeed()
        if self._is_failing:
            self._is_failing = False
            log.info("audit_sink_recovered", sink=self.sink.name, backlog=self.backlog)

    def _note(self, lines: Sequence[Line]) -> None:
        if self._saved == self._after:
            self._save_due = time.monotonic() + _SAVE_EVERY
        self._after = lines[-1].sequence
        self._metrics.audit_forwarded[self.sink.name].inc(len(lines))
        self._show_backlog()

    def _save(self) -> None:
        after = self._after
        try:
            save_cursor(self._journal.directory, self.sink.name, self._journal.writer, after)
        except OSError as error:
            # Most likely the disk is full. The sink has the events, so go on: that is what makes room on the disk.
            log.warning("audit_cursor_not_saved", sink=self.sink.name, reason=reason_of(error))
        self._saved = after
        self._journal.forwarded(self.sink.name, after)

    def _see_more(self) -> None:
        self._more.set()
        self._show_backlog()

    def _show_backlog(self) -> None:
        backlog = self.backlog
        self._metrics.audit_backlog[self.sink.name].set(backlog)
        # Back under half of the limit, so that a backlog around the limit does not fill the log.
        limit = self._backlog_warning // 2 if self._is_behind else self._backlog_warning
        if (backlog >= limit) != self._is_behind:
            self._is_behind = not self._is_behind
            event = "audit_sink_behind" if self._is_behind else "audit_sink_not_behind_any_more"
            log.warning(event, sink=self.sink.name, backlog=backlog, limit=self._backlog_warning)
