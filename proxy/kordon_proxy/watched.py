"""Files that are read again when they change, and of which the last good version stays in use."""

import asyncio
import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, NamedTuple, TypeVar

from .config.findings import Refused
from .reasons import reason_of

T = TypeVar("T")

RESTS: Final = 4
"""How many times as long as a reading took that came to nothing, until the same version is read again."""

LEAST_REST: Final = 5.0
"""Seconds until then at least."""

_SETTLED: Final = 2_000_000_000
"""Nanoseconds after which a change shows in a file's times: two within one tick of a file system's clock do not."""


class Version(NamedTuple):
    """What makes a file another one: its mode, where it matters, and its contents, by their hash."""

    mode: int | None
    contents: bytes


Touched = tuple[int, ...]
"""What the file system says of a file. While it says the same, nobody has written to it."""


class Failed(NamedTuple):
    """A version that could not be read for no fault of its own, and is read again from `again` on (monotonic)."""

    version: Version
    again: float


class WatchedFile(Generic[T]):
    """The value of one file. `read` makes it of the contents; it raises `Refused`, or `OSError`, after which
    it is tried again.

    mode_matters: that others may read it can be its mistake, and to change that leaves the contents alone.
    """

    def __init__(self, path: Path, read: Callable[[bytes], T], *, mode_matters: bool = False) -> None:
        """Read it. Raises Refused and OSError: at the start there is no older version to keep."""
        self.path = path
        self.problem: str | None = None
        """Why the file as it is now is not in use, in one line; None while it is."""
        self._read = read
        self._mode_matters = mode_matters
        self._in_use, contents = self._contents()
        self._refused: Version | None = None
        self._failed: Failed | None = None
        self._touched: Touched | None = None
        self._polling = asyncio.Lock()
        self.value = read(contents)

    async def poll(self) -> bool:
        """Read the file again if it has changed. Says whether the value, or the problem, is another one now.

        Never raises. A large file takes its time, and no connection waits for that: it is read in another thread.
        """
        async with self._polling:
            try:
                touched = self._touch()
                if touched is not None and touched == self._touched:
                    return False
                is_another = await self._look()
            except OSError as error:
                self._refused = self._touched = None  # so that whatever is in its place later is read
                return self._has_problem(f"cannot read {self.path}: {reason_of(error)}")
            self._touched = touched if self._failed is None else None
            return is_another

    async def _look(self) -> bool:
        version, contents = await asyncio.to_thread(self._contents)
        if version == self._refused:
            return False
        if self._failed is not None and version == self._failed.version and time.monotonic() < self._failed.again:
            return False
        self._failed = None
        if version == self._in_use:  # nothing has changed, or a mistake has been taken back
            self._refused = None
            return self._has_problem(None)
        began = time.monotonic()
        try:
            self.value = await asyncio.to_thread(self._read, contents)
        except OSError:
            ended = time.monotonic()
            self._failed = Failed(version, ended + max(LEAST_REST, RESTS * (ended - began)))
            raise
        except Refused as refused:
            self._refused = version
            return self._has_problem(refused.brief)
        self._in_use, self._refused, self.problem = version, None, None
        return True

    def _touch(self) -> Touched | None:
        """What tells that the file has been touched; None while that could be missed. Raises OSError."""
        of = self.path.stat()
        if time.time_ns() - of.st_ctime_ns < _SETTLED:
            return None
        return of.st_dev, of.st_ino, of.st_size, of.st_mtime_ns, of.st_ctime_ns

    def _contents(self) -> tuple[Version, bytes]:
        """Raises OSError."""
        mode = self.path.stat().st_mode if self._mode_matters else None
        contents = self.path.read_bytes()
        return Version(mode, hashlib.blake2b(contents).digest()), contents

    def _has_problem(self, problem: str | None) -> bool:
        """Remember it; whether it is another one than before."""
        before, self.problem = self.problem, problem
        return problem != before
