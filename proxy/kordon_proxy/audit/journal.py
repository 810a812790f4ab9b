"""The one durable path of the audit: events wait here, in order, until they are on disk.

A thread takes whatever waits, writes it at once and makes it durable once (group commit), so that the event loop never
waits for a disk, and a burst of events costs as many flushes as the disk can do meanwhile. Those who wait for their
event are told on the loop, a whole batch at a time.

While the disk refuses, everything stays in memory, in order, and is tried again. Nothing is lost: `full` asks the
sessions to stop reading from their clients, so what waits is bounded by `waiting` and what was under way then. Unless
nobody wants to wait for the disk (`on_failure: continue`): there, what does not fit is counted, and that is recorded.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

import structlog

from kordon_proxy.cluster.backoff import Backoff
from kordon_proxy.config.audit import AuditConfig
from kordon_proxy.reasons import reason_of

from .event import Event, encode, parts
from .file import JournalFile
from .segments import AuditError, drop_old_segments

log = structlog.get_logger()

Callback = Callable[[], None]

_MOST_LINES: Final = 2_000
_MOST_BYTES: Final = 64 << 20


@dataclass(slots=True)
class _Waiting:
    body: bytes
    on_durable: list[Callback] = field(default_factory=list)


class Journal:
    """An append-only log of events in a directory. `append` may be called from any thread.

    `on_change` is called on the loop when the journal begins to fail, with the reason, and with None when it recovers.
    """

    def __init__(
        self,
        config: AuditConfig,
        *,
        source: str,
        loop: asyncio.AbstractEventLoop,
        file: JournalFile | None = None,
        backoff: Backoff | None = None,
        on_change: Callable[[str | None], None] | None = None,
    ) -> None:
        self.directory: Path = config.directory
        self.listeners: list[Callback] = []
        """Called on the loop whenever more has become durable."""
        self._config = config
        self._holds = config.on_failure == "refuse"
        self._source = source
        self._loop = loop
        self._file = file or JournalFile(config.directory, config.rotation)
        self._backoff = backoff or Backoff()
        self._on_change = on_change
        self._condition = threading.Condition()
        self._queue: deque[_Waiting] = deque()
        self._queued_bytes = 0
        self._durable = 0
        self._lost = 0
        self._failure: str | None = None
        self._closing = False
        self._forwarded: dict[str, int] = {}
        self._thread = threading.Thread(target=self._run, name="kordon-audit", daemon=True)

    def start(self) -> None:
        """Open the directory and begin to write. Raises AuditError when it cannot be used."""
        self._durable = self._file.open()
        self._log_place("audit_journal_opened")
        self._thread.start()

    def close(self, timeout: float) -> int:
        """Write what waits, for so many seconds at most, and return how many events are left. Blocks."""
        with self._condition:
            self._closing = True
            self._condition.notify_all()
        self._thread.join(timeout)
        return len(self._queue)

    @property
    def writer(self) -> str:
        """Who numbers these events: an id made for the directory when it was empty."""
        return self._file.writer

    @property
    def durable(self) -> int:
        """Number of the last event that is on disk."""
        return self._durable

    @property
    def waiting(self) -> int:
        """How many events are not on disk yet."""
        return len(self._queue)

    @property
    def healthy(self) -> bool:
        """Whether the last try to write succeeded."""
        return self._failure is None

    @property
    def failure(self) -> str | None:
        """Why it cannot be written, None while it can."""
        return self._failure

    @property
    def full(self) -> bool:
        """Whether as much waits as memory should hold. Nothing more is to be begun then that would be recorded."""
        return len(self._queue) >= self._config.waiting or self._queued_bytes >= _MOST_BYTES

    def append(self, event: Event, on_durable: Callback | None = None) -> bool:
        """Give the event its place in the order. `on_durable` is called on the loop once it is on disk.

        With `on_failure: continue`, it is called at once while the journal fails, and False says that there was no
        room for the event.
        """
        bodies = [encode(part, self._source) for part in parts(event)]
        with self._condition:
            if not self._holds and self._failure is not None:
                self._tell(on_durable)
                on_durable = None
                if self.full:
                    self._lost += 1
                    return False
            for body in bodies:
                self._queue.append(_Waiting(body))
                self._queued_bytes += len(body)
            if on_durable is not None:
                self._queue[-1].on_durable.append(on_durable)
            self._condition.notify()
        return True

    def when_durable(self, callback: Callback) -> None:
        """Call back on the loop once all that has been appended is on disk: at once when it is.

        With `on_failure: continue`, it is called at once while the journal fails, as that of `append`.
        """
        with self._condition:
            if not self._queue or not (self._holds or self._failure is None):
                self._tell(callback)
            else:
                self._queue[-1].on_durable.append(callback)

    def take_lost(self) -> int:
        """Return how many events found no room since the last call. Always 0 with `on_failure: refuse`."""
        with self._condition:
            lost, self._lost = self._lost, 0
        return lost

    def keep_for(self, sink: str, number: int) -> None:
        """Keep what comes after that number until `forwarded` says that the sink has it. Deletes nothing.

        All sinks have to be named by this before the first of them goes on: what one has got, another may wait for.
        """
        with self._condition:
            self._forwarded[sink] = number

    def forwarded(self, sink: str, number: int) -> None:
        """Note that a sink has everything up to that number (0: nothing yet), and delete what nobody needs. Blocks."""
        self.keep_for(sink, number)
        self._drop_old()

    # What follows runs in the journal's own thread.

    def _run(self) -> None:
        try:
            while batch := self._next_batch():
                if not self._commit(batch):
                    break
            self._file.close()
            self._log_place("audit_journal_closed")
        except Exception as error:
            # A mistake of ours: nothing can be recorded any more, and the sessions must see that.
            log.exception("audit_journal_stopped")
            self._fail(f"stopped by an unexpected error: {error}")

    def _next_batch(self) -> list[_Waiting]:
        with self._condition:
            self._condition.wait_for(lambda: self._queue or self._closing)
            return list(islice(self._queue, _MOST_LINES))

    def _commit(self, batch: Sequence[_Waiting]) -> bool:
        bodies = [waiting.body for waiting in batch]
        while True:
            gives_up = self._closing  # read first, so that one more try is made after the end was called for
            try:
                begun = self._file.append(bodies, self._durable + 1)
            except OSError as error:
                self._fail(reason_of(error))
                if gives_up:
                    return False
                self._pause()
            else:
                self._succeed(len(batch), sum(map(len, bodies)))
                if begun:
                    self._log_place("audit_segment_begun")
                    self._drop_old()
                return True

    def _pause(self) -> None:
        with self._condition:
            self._condition.wait_for(lambda: self._closing, timeout=self._backoff.fail())

    def _fail(self, reason: str) -> None:
        with self._condition:
            changed = self._failure is None
            self._failure = reason
            told = [] if self._holds else self._release(len(self._queue))
        if changed:
            log.error("audit_journal_failing", directory=str(self.directory), reason=reason, waiting=self.waiting)
            told.append(self._changed)
        self._tell(*told)

    def _succeed(self, count: int, size: int) -> None:
        self._backoff.succeed()
        with self._condition:
            told = self._release(count)
            for _ in range(count):
                self._queue.popleft()
            self._queued_bytes -= size
            self._durable += count
            recovered = self._failure is not None
            self._failure = None
        if recovered:
            log.info("audit_journal_recovered", directory=str(self.directory), waiting=self.waiting)
            told.append(self._changed)
        self._tell(*told, *self.listeners)

    def _release(self, count: int) -> list[Callback]:
        """Take the callbacks of the first so many events."""
        told: list[Callback] = []
        for waiting in islice(self._queue, count):
            told += waiting.on_durable
            waiting.on_durable.clear()
        return told

    def _log_place(self, event: str) -> None:
        """What is said here is kept where the log is: by it an auditor sees whether the journal's end was cut off."""
        chain = None if self._file.chain is None else self._file.chain.decode("ascii")
        log.info(event, directory=str(self.directory), writer=self.writer, sequence=self._durable, chain=chain)

    def _drop_old(self) -> None:
        try:
            drop_old_segments(
                self.directory,
                keep=self._config.rotation.keep,
                forwarded=min(self._forwarded.values(), default=float("inf")),
            )
        except (OSError, AuditError) as error:  # they stay a little longer; a full disk shows elsewhere
            log.warning("audit_segments_not_deleted", reason=str(error))

    def _tell(self, *callbacks: Callback | None) -> None:
        if wanted := [callback for callback in callbacks if callback is not None]:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._call, wanted)

    def _changed(self) -> None:
        if self._on_change is not None:
            self._on_change(self._failure)

    def _call(self, callbacks: Sequence[Callback]) -> None:
        for callback in callbacks:
            try:
                callback()
            except Exception as error:  # one session's mistake must not cost another its answer
                message = "a callback of the audit journal failed"
                self._loop.call_exception_handler({"message": message, "exception": error})
