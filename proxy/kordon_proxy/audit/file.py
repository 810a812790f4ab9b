"""The end of a journal: gives events their place, appends them to the newest segment, and makes them durable.

Used by one thread. An error leaves the file in doubt; the next append mends that first: what is not known to be durable
is cut off and written again. That holds for a failed `fdatasync` too, after which the kernel may have forgotten the
data while it says that the next one succeeded.
"""

import errno
import fcntl
import os
import re
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import uuid4

import structlog

from kordon_proxy.config.audit import Rotation
from kordon_proxy.reasons import reason_of

from .cursor import load_cursors
from .line import seal
from .segments import AuditError, Segment, list_segments, segment_path, whole_part

log = structlog.get_logger()

_sync_data: Final = getattr(os, "fdatasync", os.fsync)  # macOS has only the latter
_DIRECTORY_MODE: Final = 0o750
_FILE_MODE: Final = 0o640
_MOST_ONE_WRITE: Final = 1 << 20


class JournalFile:
    """The newest segment, and the change to the next one."""

    def __init__(self, directory: Path, rotation: Rotation, now: Callable[[], float] = time.time) -> None:
        self.directory = directory
        self.writer = ""
        self.chain: bytes | None = None
        """That of the last durable line; None: there is none that has one."""
        self._rotation = rotation
        self._now = now
        self._lock = -1
        self._file = -1
        self._size = 0
        self._begun = 0.0
        self._in_doubt = False

    def open(self) -> int:
        """Lock the directory, cut off what a crash left half-written, and return the last number that was given.

        Raises AuditError when the directory cannot be used.
        """
        try:
            self.directory.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
            self._lock_directory()
            segments = list_segments(self.directory)
            if segments:
                return self._leave_out_forwarded(self._go_on(segments))
            self.writer = uuid4().hex[:16]
            self._begin(1)
            return 0
        except OSError as error:
            self.close()
            raise AuditError(f"audit directory {self.directory} cannot be written: {reason_of(error)}") from error
        except AuditError:
            self.close()
            raise

    def append(self, bodies: Sequence[bytes], first: int) -> bool:
        """Write encoded events, the first of which gets that number, and return once they are durable.

        Says whether a new segment was begun. Raises OSError; nothing counts as written then, and the same events are
        to be given again.
        """
        if self._in_doubt:
            self._mend()
        begins = self._file < 0 or self._is_due() or self._is_disturbed()
        if begins:
            self._begin(first)
        lines, chain = self._seal(bodies, first)
        self._in_doubt = True
        self._write(lines)
        _sync_data(self._file)
        self._size += len(lines)
        self.chain = chain
        self._in_doubt = False
        return begins

    def close(self) -> None:
        """Close the segment and unlock the directory. What is in doubt is cut off at the next start."""
        for descriptor in (self._file, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._file = self._lock = -1

    def _seal(self, bodies: Sequence[bytes], first: int) -> tuple[bytes, bytes | None]:
        """Return whole lines, and the chain value of the last."""
        lines: list[bytes] = []
        chain = self.chain
        for number, body in enumerate(bodies, start=first):
            line, chain = seal(body, self.writer, number, chain, says_previous=not (self._size or lines))
            lines.append(line)
        return b"".join(lines), chain

    def _lock_directory(self) -> None:
        self._lock = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _FILE_MODE)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = f"audit directory {self.directory} is in use by another process: give each process its own"
            raise AuditError(message) from None

    def _go_on(self, segments: Sequence[Segment]) -> int:
        segment = segments[-1]
        whole = whole_part(segment)
        self.writer = segment.writer
        self.chain = whole.chain if whole.size else _last_chain(segments[:-1])
        self._file = os.open(segment.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        self._size = whole.size
        self._begun = _begun(segment.path, self._now())
        if excess := os.fstat(self._file).st_size - whole.size:
            log.warning("audit_half_written_line_cut", path=str(segment.path), bytes=excess, last_sequence=whole.last)
            os.ftruncate(self._file, whole.size)
        os.fsync(self._file)  # a process that was killed may have left whole lines which are not durable yet
        return whole.last

    def _leave_out_forwarded(self, last: int) -> int:
        """Go on behind all that a sink has got, and return the number before.

        The journal ends early when its disk lost something, or somebody cut it off. A number of those that are gone
        must not be given again: readers would take what is new for repeated, and an auditor would see no gap.
        """
        cursors = load_cursors(self.directory, self.writer)
        ahead = {sink: number for sink, number in cursors.items() if number > last}
        if not ahead:
            return last
        for sink, number in ahead.items():
            log.error("audit_journal_ends_early", sink=sink, forwarded=number, last_sequence=last)
        number = max(ahead.values())
        self._begin(number + 1)  # its name keeps the gap, whatever becomes of the cursors
        return number

    def _begin(self, first: int) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        self.directory.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
        path = segment_path(self.directory, self.writer, first)
        # A file of that name holds nothing that counts: its first number has never been durable.
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(path, flags, _FILE_MODE)
        try:
            _sync_directory(self.directory)
        except OSError:
            os.close(descriptor)
            raise
        self._file, self._size, self._begun = descriptor, 0, self._now()

    def _is_due(self) -> bool:
        return self._size > 0 and (self._size >= self._rotation.size or self._now() - self._begun >= self._rotation.age)

    def _is_disturbed(self) -> bool:
        """Whether somebody deleted, cut or wrote to the segment: then another is begun, and theirs is left alone."""
        status = os.fstat(self._file)
        if status.st_nlink > 0 and status.st_size == self._size:
            return False
        log.error("audit_segment_disturbed", deleted=status.st_nlink == 0, bytes=status.st_size, expected=self._size)
        return True

    def _mend(self) -> None:
        if os.fstat(self._file).st_size > self._size:
            os.ftruncate(self._file, self._size)
        self._in_doubt = False

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            written = os.write(self._file, rest[:_MOST_ONE_WRITE])
            if written == 0:  # POSIX allows it; without this line it would be an endless loop
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            rest = rest[written:]


def _last_chain(segments: Sequence[Segment]) -> bytes | None:
    for segment in reversed(segments):
        if (whole := whole_part(segment)).size:
            return whole.chain
    return None


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_FIRST_TIME: Final = re.compile(rb'"time":"([^"]+)"')


def _begun(path: Path, otherwise: float) -> float:
    """Return when a segment was begun: the time of its first event, since no file system keeps that for us."""
    with path.open("rb") as file:
        match = _FIRST_TIME.search(file.readline(4096))
    return datetime.fromisoformat(match[1].decode("ascii")).timestamp() if match else otherwise
