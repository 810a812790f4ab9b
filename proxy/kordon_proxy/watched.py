"""Files that are read again when they change, and of which the last good version stays in use."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from .config.findings import Refused
from .reasons import reason_of

T = TypeVar("T")
Version = tuple[int | None, bytes]
"""Mode, where it matters, and contents."""


class WatchedFile(Generic[T]):
    """The value of one file. `read` makes it of the contents; it raises `Refused`, or `OSError`.

    mode_matters: that others may read it can be its mistake, and to change that leaves the contents alone.
    """

    def __init__(self, path: Path, read: Callable[[bytes], T], *, mode_matters: bool = False) -> None:
        """Read it. Raises Refused and OSError: at the start there is no older version to keep."""
        self.path = path
        self.problem: str | None = None
        """Why the file as it is now is not in use, in one line; None while it is."""
        self._read = read
        self._mode_matters = mode_matters
        self._in_use = self._version()
        self._refused: Version | None = None
        self._polling = asyncio.Lock()
        self.value = read(self._in_use[1])

    async def poll(self) -> bool:
        """Read the file again if it has changed. Says whether the value, or the problem, is another one now.

        Never raises. A large file takes its time, and no connection waits for that: it is read in another thread.
        """
        async with self._polling:
            try:
                return await self._look()
            except OSError as error:
                self._refused = None  # so that whatever is in its place later is read
                return self._has_problem(f"cannot read {self.path}: {reason_of(error)}")

    async def _look(self) -> bool:
        version = self._version()
        if version == self._refused:
            return False
        if version == self._in_use:  # nothing has changed, or a mistake has been taken back
            self._refused = None
            return self._has_problem(None)
        try:
            self.value = await asyncio.to_thread(self._read, version[1])
        except Refused as refused:
            self._refused = version
            return self._has_problem(refused.brief)
        self._in_use, self._refused, self.problem = version, None, None
        return True

    def _version(self) -> Version:
        """What changes with the file. Raises OSError."""
        return self.path.stat().st_mode if self._mode_matters else None, self.path.read_bytes()

    def _has_problem(self, problem: str | None) -> bool:
        """Remember it; whether it is another one than before."""
        before, self.problem = self.problem, problem
        return problem != before
