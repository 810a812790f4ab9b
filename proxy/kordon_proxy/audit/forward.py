"""Hands a journal to other places, at least once and in order.

A forwarder reads what is durable, gives it to its sink until the sink has it, and then notes how far it got. A crash
in between repeats some events; `writer` and `sequence` tell the reader which. The journal waits for the slowest sink
before it deletes anything.

A sink that need not have everything has a `Queue`: what it wants, and how many events may wait for it. When more do,
or when it will never take one, events are given up: counted, logged, and told in an event of the audit. How far such a
sink got is noted only when that event is on disk, so that a crash cannot hide it.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from kordon_proxy.cluster.backoff import Backoff
from kordon_proxy.metrics import Metrics
from kordon_proxy.reasons import reason_of

from .cursor import find_cursor, save_cursor
from .given_up import GivenUp, Losses
from .journal import Callback, Journal
from .tail import Line, Tail

log = structlog.get_logger()

AUDIT_TOPIC: Final = "kafka"
"""The name of the sink that is the audit topic."""
_SAVE_EVERY: Final = 1.0  # seconds: a save flushes to the same disk that answers wait for
_WHILE_IT_TAKES_THEM: Final = 10
"""How much longer a queue is while the sink takes events: nothing may be lost only because many come at once."""
_LOOK_EVERY: Final = 5.0
"""Seconds between two looks at how many events wait, while a sink is given time."""


class NotNow(Exception):
    """The sink asks to be left alone for so many seconds."""

    def __init__(self, reason: str, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(reason)


class NeverTaken(Exception):
    """The sink will not take the first of the lines, however often it is given."""


class Sink(Protocol):
    """A place that events are handed to."""

    name: str
    """Lower-case word: label of metrics, and name of the cursor."""

    async def deliver(self, lines: Sequence[Line]) -> int | None:
        """Return once the sink has lines for good: how many, from the first on; None: all of them.

        Raises whatever went wrong: all of them are given again. NotNow and NeverTaken say more.
        """

    async def close(self) -> None:
        """Let go of what is held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """For a sink that need not have everything. It begins with what is new when it is."""

    wants: Callable[[Line], bool]
    """Called in another thread."""
    most: int
    """Events of the journal that may wait for it while it fails."""
    tell: Callable[[GivenUp, Callback], None]
    """Records that events were given up; the callback is for when that is on disk."""


class Forwarder:
    """Feeds one sink. `run` goes on until it is cancelled; `close` then notes how far it got."""

    def __init__(
        self,
        journal: Journal,
        sink: Sink,
        metrics: Metrics,
        *,
        backlog_warning: int,
        queue: Queue | None = None,
        backoff: Backoff | None = None,
        patience: float = 30.0,
    ) -> None:
        """patience: for how many seconds a sink may take before it is told; aiokafka tries again without an end."""
        self.sink = sink
        self.failure: str | None = None
        """Why the sink does not take events, None while it does."""
        self._journal = journal
        self._metrics = metrics
        self._backlog_warning = backlog_warning
        self._queue = queue
        self._backoff = backoff or Backoff(most=30.0)
        self._patience = patience
        self._lines: Sequence[Line] = ()
        self._untold = 0
        known = self._known()
        is_new = known is None and queue is not None
        self._after = journal.durable if is_new else known or 0
        self._saved = self._after
        self._save_due = 0.0
        self._tail = Tail(journal.directory, self._after)
        self._more = asyncio.Event()
        self._is_behind = False
        if is_new:
            self._save_cursor()  # or it would begin with what is new again after a crash
        journal.keep_for(sink.name, self._after)  # and no more: the sinks that come after this one are not known yet
        journal.listeners.append(self._see_more)
        metrics.audit_sink_up[sink.name].set(1)
        self._show_backlog()

    def _known(self) -> int | None:
        """How far the sink got before; None: it is new. What cannot be read is no reason to leave anything out."""
        try:
            return find_cursor(self._journal.directory, self.sink.name, self._journal.writer)
        except (OSError, ValueError) as error:
            reason = reason_of(error) if isinstance(error, OSError) else str(error)
            log.error("audit_cursor_unreadable", sink=self.sink.name, reason=reason)
            return 0

    @property
    def backlog(self) -> int:
        """How many durable events the sink has not got yet."""
        return max(0, self._journal.durable - self._after)

    async def run(self) -> None:
        """Forward for ever."""
        while True:
            self._more.clear()
            await self._give_up_oldest()
            if not self._lines:
                await self._read()
            if self._lines:
                await self._deliver()
            else:
                await self._wait_for_more()
            await self._save_if_due()

    async def catch_up(self) -> None:
        """Wait until the sink has all that is durable, or does without for now. `run` must be running."""
        while self.backlog and not (self._queue is not None and self.failure):  # noqa: ASYNC110 (only at the end)
            await asyncio.sleep(0.02)

    async def close(self) -> None:
        """Note how far the sink has got, and let it go."""
        self._journal.listeners.remove(self._see_more)
        if not self._untold:
            await asyncio.to_thread(self._save)
        await self.sink.close()

    async def _read(self) -> None:
        while True:
            try:
                self._lines = await asyncio.to_thread(self._next)
            except Exception as error:  # whatever it is, nothing is lost: the journal waits for this sink
                await self._fail(error)
            else:
                break
        if not self._lines and self._tail.after != self._after:
            self._note(self._tail.after)

    def _next(self) -> Sequence[Line]:
        """Return the next lines that the sink wants. Blocks, and raises OSError."""
        while lines := self._tail.read(self._journal.durable):
            if wanted := lines if self._queue is None else [line for line in lines if self._queue.wants(line)]:
                return wanted
        return ()

    async def _deliver(self) -> None:
        overdue = asyncio.get_running_loop().call_later(
            self._patience, self._tell_failing, f"silent for {self._patience:g} s"
        )
        try:
            count = await self.sink.deliver(self._lines)
        except NeverTaken as refusal:
            losses = Losses()
            losses.add(self._lines[0])
            self._tell(losses, str(refusal))
            self._drop(1)
        except Exception as error:  # whatever it is, nothing is lost: all of them are given again
            await self._fail(error)
        else:
            self._recover()
            count = len(self._lines) if count is None else count
            self._metrics.audit_forwarded[self.sink.name].inc(count)
            self._drop(count)
        finally:
            overdue.cancel()

    def _drop(self, count: int) -> None:
        """Go on after so many of the lines. What nobody wanted behind the last one is done with it."""
        last, self._lines = self._lines[count - 1], self._lines[count:]
        self._note(last.sequence if self._lines else self._tail.after)

    # ---- what is given up

    async def _give_up_oldest(self) -> None:
        """Make room when more events wait than may; a tenth more, so that telling of it needs no room anew."""
        if self._queue is None:
            return
        most = self._queue.most if self.failure is not None else _WHILE_IT_TAKES_THEM * self._queue.most
        if self.backlog <= most:
            return
        losses = Losses()
        with suppress(OSError):  # they stay a little longer
            await asyncio.to_thread(self._skip, self._journal.durable - most + max(1, most // 10), losses)
        reason = f"more than {most} events waited for it"
        self._tell(losses, reason if self.failure is None else f"{reason}: {self.failure}")
        self._note(self._lines[0].sequence - 1 if self._lines else self._tail.after)

    def _skip(self, until: int, losses: Losses) -> None:
        """Take the lines up to that number for lost. Blocks, and raises OSError."""
        while True:
            for place, line in enumerate(self._lines):
                if line.sequence > until:
                    self._lines = self._lines[place:]
                    return
                losses.add(line)
            self._lines = ()
            if self._tail.after >= until:
                return
            self._lines = self._next()
            if not self._lines:
                return

    def _tell(self, losses: Losses, reason: str) -> None:
        if not losses.count:
            return
        assert self._queue is not None
        self._metrics.audit_given_up[self.sink.name].inc(losses.count)
        log.error("audit_events_given_up", sink=self.sink.name, count=losses.count, reason=reason)
        if (told := losses.told(self.sink.name, reason)) is not None:
            self._untold += 1
            self._queue.tell(told, self._is_told)

    def _is_told(self) -> None:
        self._untold -= 1
        self._more.set()

    # ---- how it goes

    async def _wait_for_more(self) -> None:
        # A crash while idle should repeat nothing, so the wait ends once, to save the cursor.
        timeout = max(0.0, self._save_due - time.monotonic()) if self._is_to_save else None
        with suppress(TimeoutError):
            await asyncio.wait_for(self._more.wait(), timeout)

    async def _fail(self, error: Exception) -> None:
        self._tell_failing(str(error) or type(error).__name__)
        asked = error.seconds if isinstance(error, NotNow) else 0.0
        until = time.monotonic() + max(self._backoff.fail(), asked)
        while (left := until - time.monotonic()) > 0:
            await asyncio.sleep(min(left, _LOOK_EVERY))
            await self._give_up_oldest()
            await self._save_if_due()

    def _tell_failing(self, reason: str) -> None:
        if self.failure is None:
            log.error("audit_sink_failing", sink=self.sink.name, reason=reason, backlog=self.backlog)
            self._metrics.audit_sink_up[self.sink.name].set(0)
        self.failure = reason

    def _recover(self) -> None:
        self._backoff.succeed()
        if self.failure is not None:
            self.failure = None
            self._metrics.audit_sink_up[self.sink.name].set(1)
            log.info("audit_sink_recovered", sink=self.sink.name, backlog=self.backlog)

    def _note(self, after: int) -> None:
        """Note that the sink is done with everything up to that number."""
        if self._saved == self._after:
            self._save_due = time.monotonic() + _SAVE_EVERY
        self._after = after
        self._show_backlog()

    @property
    def _is_to_save(self) -> bool:
        return self._saved != self._after and not self._untold

    async def _save_if_due(self) -> None:
        if self._is_to_save and time.monotonic() >= self._save_due:
            await asyncio.to_thread(self._save)

    def _save(self) -> None:
        self._journal.forwarded(self.sink.name, self._save_cursor())

    def _save_cursor(self) -> int:
        """Return the number that was noted."""
        after = self._after
        try:
            save_cursor(self._journal.directory, self.sink.name, self._journal.writer, after)
        except OSError as error:
            # Most likely the disk is full. The sink has the events, so go on: that is what makes room on the disk.
            log.warning("audit_cursor_not_saved", sink=self.sink.name, reason=reason_of(error))
        self._saved = after
        return after

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
