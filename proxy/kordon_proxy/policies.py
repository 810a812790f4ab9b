"""The policy in force: one immutable snapshot at a time, replaced as a whole or not at all."""

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import structlog

from kordon_policy.findings import Finding, Severity
from kordon_policy.load import load
from kordon_policy.model import Compat
from kordon_policy.snapshot import Compiled, Snapshot, compile_snapshot

from .config.findings import Finding as Shown
from .reasons import reason_of

log = structlog.get_logger()

MOST_WARNINGS: Final = 20
"""How many are told each time that a file is read; `kordon check` tells all."""


class PolicyRefused(Exception):
    """The policy file has mistakes; nothing of it is in force."""

    def __init__(self, path: Path, findings: tuple[Finding, ...]) -> None:
        super().__init__(f"{path} is refused: {len(findings)} mistakes")
        self.path = path
        self.findings = findings


class Policies:
    """Keeps the snapshot that every request is judged by. The last good one stays in force when a reload fails."""

    def __init__(self, path: Path, compat: Compat) -> None:
        self._path = path
        self._compat = compat
        self._text = b""
        self._refused: bytes | None = None
        """What stands in the file, if that is known to be no policy."""
        self._snapshot: Snapshot | None = None
        self._listeners: list[Callable[[Snapshot], None]] = []
        self._reloading = asyncio.Lock()
        self.loaded = 0.0
        """When the file in force was loaded, in seconds since the epoch."""
        self.failures = 0
        self.last_failure: str | None = None

    @property
    def snapshot(self) -> Snapshot:
        """The snapshot in force. Raises RuntimeError before the first load."""
        if self._snapshot is None:
            raise RuntimeError("no policy has been loaded yet")
        return self._snapshot

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
        """Read the file and put it in force. Raises PolicyRefused or OSError."""
        text = self._path.read_bytes()
        return self._put_in_force(text, self._read(text))

    async def reload(self) -> bool:
        """Take the file over if it has changed and is good; whether a new snapshot is in force. Never raises.

        A large file takes its time to be read, and no connection waits for that: it is read in another thread.
        """
        async with self._reloading:
            try:
                text = self._path.read_bytes()
                if text in (self._text, self._refused):
                    self._is_known(text)
                    return False
                snapshot = self._put_in_force(text, await asyncio.to_thread(self._read, text))
            except PolicyRefused as refused:
                self._refused = text
                self._failed(str(Shown.of(refused.findings[0])), len(refused.findings))
                return False
            except OSError as error:
                self._refused = None  # so that whatever is in its place later is read
                self._failed(f"cannot read it: {reason_of(error)}", 1)
                return False
            log.info("policy_reloaded", epoch=snapshot.epoch, file=str(self._path))
            return True

    def _read(self, text: bytes) -> Compiled:
        loaded = load(text, str(self._path), compat=self._compat)
        if loaded.document is None:
            errors = (finding for finding in loaded.findings if finding.severity is Severity.ERROR)
            raise PolicyRefused(self._path, tuple(errors))
        self._warn([finding for finding in loaded.findings if finding.severity is Severity.WARNING])
        compiled = Compiled(loaded.document)
        if self._snapshot is not None:
            compiled.prepare_like(self._snapshot.compiled)
        return compiled

    def _warn(self, warnings: Sequence[Finding]) -> None:
        """Tell what has no effect: a Deny with a slip in it denies nothing, and nobody else would notice."""
        for warning in warnings[:MOST_WARNINGS]:
            place = f"{warning.source}:{warning.line}:{warning.column}"
            log.warning("policy_warning", place=place, reason=warning.message, hint=warning.hint)
        if (more := len(warnings) - MOST_WARNINGS) > 0:
            log.warning("policy_warnings_left_out", file=str(self._path), count=more)

    def _put_in_force(self, text: bytes, compiled: Compiled) -> Snapshot:
        self._text, self._refused = text, None
        self.loaded, self.last_failure = time.time(), None
        epoch = 1 if self._snapshot is None else self._snapshot.epoch + 1
        return self._take(compiled, epoch, time.time_ns() // 1_000_000)

    def _is_known(self, text: bytes) -> None:
        """The file has not changed; or what is in force stands in it again, and a mistake has been taken back."""
        if text == self._text and self.last_failure is not None:
            self._refused = self.last_failure = None
            log.info("policy_restored", file=str(self._path), in_force=self.snapshot.epoch)

    def _failed(self, reason: str, mistakes: int) -> None:
        if self.last_failure == reason:
            return  # told already; the file has not become better
        self.failures += 1
        self.last_failure = reason
        log.error(
            "policy_reload_failed", file=str(self._path), reason=reason, mistakes=mistakes, in_force=self.snapshot.epoch
        )

    def _take(self, compiled: Compiled, epoch: int, now: int) -> Snapshot:
        self._snapshot = compile_snapshot(compiled, epoch=epoch, now=now)
        for listener in self._listeners:
            listener(self._snapshot)
        return self._snapshot
