"""The policy in force: one immutable snapshot at a time, replaced as a whole or not at all."""

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import structlog

from kordon_policy.findings import Finding, Severity
from kordon_policy.model import Compat, TemporaryRule
from kordon_policy.snapshot import Asked, Compiled, Snapshot, compile_snapshot

from .clock import wall_ms
from .config.findings import Refused
from .policy_file import Job, Reader
from .watched import WatchedFile

log = structlog.get_logger()

MOST_WARNINGS: Final = 20
"""How many are told each time that a file is read; `kordon check` tells all."""


class Policies:
    """Keeps the snapshot that every request is judged by. The last good one stays in force when a reload fails."""

    def __init__(self, path: Path, compat: Compat, *, clock: Callable[[], int] = wall_ms) -> None:
        """clock: what time it is, in ms since the epoch."""
        self._clock = clock
        self._path = path
        self._compat = compat
        self._file: WatchedFile[Compiled] | None = None
        self._reader = Reader()
        self._snapshot: Snapshot | None = None
        self._temporary: tuple[TemporaryRule, ...] = ()
        self._listeners: list[Callable[[Snapshot], None]] = []
        self.loaded = 0.0
        """When the file in force was loaded, in seconds since the epoch."""
        self.failures = 0

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @property
    def last_failure(self) -> str | None:
        """Why the file as it is now is not in force; None while it is."""
        return None if self._file is None else self._file.problem

    @property
    def snapshot(self) -> Snapshot:
        """The snapshot in force. Raises RuntimeError before the first load."""
        if self._snapshot is None:
            raise RuntimeError("no policy has been loaded yet")
        return self._snapshot

    def current(self) -> Snapshot:
        """The snapshot that holds now. Without temporary policies the clock is not asked."""
        snapshot = self._snapshot
        if snapshot is not None and snapshot.valid_until is None:
            return snapshot
        return self.at(self._clock())

    def at(self, now: int) -> Snapshot:
        """The snapshot that holds at an instant (ms since the epoch). One that has run out is made anew, without a
        timer."""
        snapshot = self.snapshot
        if snapshot.valid_until is not None and now >= snapshot.valid_until:
            snapshot = self._take(snapshot.compiled, snapshot.epoch + 1, now)
        return snapshot

    def subscribe(self, listener: Callable[[Snapshot], None]) -> None:
        """Be told of every new snapshot."""
        self._listeners.append(listener)

    def load(self) -> Snapshot:
        """Read the file and put it in force. Raises Refused or OSError."""
        self._file = WatchedFile(self._path, self._read)
        return self._put_in_force(self._file.value)

    @property
    def lent(self) -> tuple[TemporaryRule, ...]:
        """The temporary policies in force."""
        return self._temporary

    def lend(self, temporary: Iterable[TemporaryRule]) -> Snapshot:
        """Put these temporary policies in force in place of those before, from the next request on."""
        self._temporary = tuple(temporary)
        snapshot = self.snapshot
        return self._take(snapshot.compiled, snapshot.epoch + 1, self._clock())

    async def reload(self) -> bool:
        """Take the file over if it has changed and is good; whether a new snapshot is in force. Never raises."""
        assert self._file is not None, "nothing has been loaded"
        before = self._file.value
        if not await self._file.poll():
            return False
        if self._file.problem is not None:
            self.failures += 1
            log.error("policy_reload_failed", reason=self._file.problem, **self._where())
        elif self._file.value is before:
            log.info("policy_restored", **self._where())
        else:
            self._put_in_force(self._file.value)
            log.info("policy_reloaded", epoch=self.snapshot.epoch, file=str(self._path))
            return True
        return False

    def close(self) -> None:
        """Give up reading the file, if it is being read."""
        self._reader.close()

    def _where(self) -> dict[str, object]:
        return {"file": str(self._path), "in_force": self.snapshot.epoch}

    def _read(self, text: bytes) -> Compiled:
        before = self._snapshot
        compiled, findings = self._reader.read(
            Job(
                text=text,
                source=str(self._path),
                compat=self._compat,
                now=self._clock(),
                asked=Asked() if before is None else before.compiled.asked,
                aside=before is not None,
            )
        )
        if compiled is None:
            raise Refused(finding for finding in findings if finding.severity is Severity.ERROR)
        self._warn([finding for finding in findings if finding.severity is Severity.WARNING])
        return compiled

    def _warn(self, warnings: Sequence[Finding]) -> None:
        """Tell what has no effect: a Deny with a slip in it denies nothing, and nobody else would notice."""
        for warning in warnings[:MOST_WARNINGS]:
            place = f"{warning.source}:{warning.line}:{warning.column}"
            log.warning("policy_warning", place=place, reason=warning.message, hint=warning.hint)
        if (more := len(warnings) - MOST_WARNINGS) > 0:
            log.warning("policy_warnings_left_out", file=str(self._path), count=more)

    def _put_in_force(self, compiled: Compiled) -> Snapshot:
        self.loaded = time.time()
        epoch = 1 if self._snapshot is None else self._snapshot.epoch + 1
        return self._take(compiled, epoch, self._clock())

    def _take(self, compiled: Compiled, epoch: int, now: int) -> Snapshot:
        # What is over stays over here, too, though the clock may be set back before somebody says so.
        self._temporary = tuple(one for one in self._temporary if not one.is_over(now))
        self._snapshot = compile_snapshot(compiled, epoch=epoch, temporary=self._temporary, now=now)
        for listener in self._listeners:
            listener(self._snapshot)
        return self._snapshot
