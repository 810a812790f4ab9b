"""The policy in force: one immutable snapshot at a time, replaced as a whole or not at all."""

import time
from collections.abc import Callable
from pathlib import Path

import structlog

from kordon_policy.findings import Finding, Severity
from kordon_policy.load import load
from kordon_policy.model import Compat, Document
from kordon_policy.snapshot import Snapshot, compile_snapshot

log = structlog.get_logger()


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
        self._document: Document | None = None
        self._snapshot: Snapshot | None = None
        self._listeners: list[Callable[[Snapshot], None]] = []
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
            snapshot = self._take(self._document, snapshot.epoch + 1)
        return snapshot

    def subscribe(self, listener: Callable[[Snapshot], None]) -> None:
        """Be told of every new snapshot."""
        self._listeners.append(listener)

    def load(self) -> Snapshot:
        """Read the file and put it in force. Raises PolicyRefused or OSError, and the last good policy stays."""
        text = self._path.read_bytes()
        loaded = load(text, str(self._path), compat=self._compat)
        mistakes = tuple(finding for finding in loaded.findings if finding.severity is Severity.ERROR)
        if loaded.document is None:
            raise PolicyRefused(self._path, mistakes)
        self._text = text
        epoch = 1 if self._snapshot is None else self._snapshot.epoch + 1
        self.loaded, self.last_failure = time.time(), None
        return self._take(loaded.document, epoch)

    def reload(self) -> bool:
        """Take the file over if it has changed and is good; whether a new snapshot is in force. Never raises."""
        try:
            if self._path.read_bytes() == self._text:
                return False
            snapshot = self.load()
        except PolicyRefused as refused:
            first = refused.findings[0]
            self._failed(str(first), len(refused.findings))
            return False
        except OSError as error:
            self._failed(str(error), 1)
            return False
        log.info("policy_reloaded", epoch=snapshot.epoch, file=str(self._path))
        return True

    def _failed(self, reason: str, mistakes: int) -> None:
        if self.last_failure == reason:
            return  # told already; the file has not become better
        self.failures += 1
        self.last_failure = reason
        log.error(
            "policy_reload_failed", file=str(self._path), reason=reason, mistakes=mistakes, in_force=self.snapshot.epoch
        )

    def _take(self, document: Document | None, epoch: int) -> Snapshot:
        assert document is not None
        self._document = document
        now = time.time_ns() // 1_000_000
        self._snapshot = compile_snapshot(document, epoch=epoch, now=now, previous=self._snapshot)
        for listener in self._listeners:
            listener(self._snapshot)
        return self._snapshot
