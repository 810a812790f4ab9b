"""Standard output, to which a journal is forwarded, by several processes perhaps."""

import asyncio
import fcntl
import os
import select
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from .tail import Line

_PIPE_TAKES: Final = 4096  # PIPE_BUF of Linux; POSIX only promises 512
_LOOK_EVERY: Final = 0.01
_MODE: Final = 0o640


class Stdout:
    """Lines on a file descriptor, standard output by default.

    lock: a file that all open who write there; who has begun a line has it until the line is whole. Meanwhile there is
    a byte in it: whoever has the lock and finds one comes after somebody who was killed, within a line perhaps.
    """

    name = "stdout"

    def __init__(self, descriptor: int = 1, patience: float = 1.0, lock: Path | None = None) -> None:
        self._descriptor = descriptor
        self._patience = patience
        self._lock = lock
        self._locked = -1
        self._begun = b""

    async def deliver(self, lines: Sequence[Line]) -> None:
        """Write the lines. Raises OSError, also when nobody takes them for `patience` seconds."""
        await asyncio.to_thread(self._write, b"".join(line.text + b"\n" for line in lines))

    async def close(self) -> None:
        """Leave the descriptor open: it is not ours."""
        self._let_others()

    def _write(self, lines: bytes) -> None:
        self._wait_for_others()
        # A line that was begun is finished first, so that what is given again begins on a line of its own.
        data, is_within_a_line = self._begun + lines, bool(self._begun)
        done = 0
        try:
            while done < len(data):
                self._wait_for_room()
                done += os.write(self._descriptor, data[done : done + _PIPE_TAKES])
        finally:
            is_between_lines = done == 0 or data[done - 1 : done] == b"\n"
            self._begun = b"" if is_between_lines and done else data[done : data.find(b"\n", done) + 1]
            if is_between_lines and (done or not is_within_a_line):
                self._mark(0)
                self._let_others()

    def _wait_for_others(self) -> None:
        if self._lock is None or self._locked >= 0:
            return
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
        deadline = time.monotonic() + self._patience
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() < deadline:
                    time.sleep(_LOOK_EVERY)
                    continue
                os.close(descriptor)
                raise TimeoutError("nobody reads standard output, where another process has begun a line") from None
            self._locked = descriptor
            if os.fstat(descriptor).st_size:
                self._begun = b"\n" + self._begun
            self._mark(1)
            return

    def _mark(self, size: int) -> None:
        # By the size alone, which needs no room on a disk that is full.
        if self._locked >= 0:
            os.ftruncate(self._locked, size)

    def _let_others(self) -> None:
        if self._locked >= 0:
            os.close(self._locked)
            self._locked = -1

    def _wait_for_room(self) -> None:
        # It may be a pipe that nobody reads. The thread must not be stuck in there when Kordon wants to stop, and the
        # descriptor must not be switched to non-blocking, as other processes share it.
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        if not poll.poll(self._patience * 1000):
            raise TimeoutError("nobody reads standard output")
