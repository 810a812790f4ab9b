"""Standard output, to which a journal is forwarded."""

import asyncio
import os
import select
from collections.abc import Sequence
from typing import Final

from .tail import Line

_PIPE_TAKES: Final = 4096  # PIPE_BUF of Linux; POSIX only promises 512


class Stdout:
    """Lines on a file descriptor, standard output by default."""

    name = "stdout"

    def __init__(self, descriptor: int = 1, patience: float = 1.0) -> None:
        self._descriptor = descriptor
        self._patience = patience
        self._begun = b""

    async def deliver(self, lines: Sequence[Line]) -> None:
        """Write the lines. Raises OSError, also when nobody takes them for `patience` seconds."""
        await asyncio.to_thread(self._write, b"".join(line.text + b"\n" for line in lines))

    async def close(self) -> None:
        """Leave the descriptor open: it is not ours."""

    def _write(self, lines: bytes) -> None:
        # A line that was begun is finished first, so that what is given again begins on a line of its own.
        data = self._begun + lines
        done = 0
        try:
            while done < len(data):
                self._wait_for_room()
                done += os.write(self._descriptor, data[done : done + _PIPE_TAKES])
        finally:
            is_between_lines = done == 0 or data[done - 1 : done] == b"\n"
            self._begun = b"" if is_between_lines and done else data[done : data.find(b"\n", done) + 1]

    def _wait_for_room(self) -> None:
        # It may be a pipe that nobody reads. The thread must not be stuck in there when Kordon wants to stop, and the
        # descriptor must not be switched to non-blocking, as other processes share it.
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        if not poll.poll(self._patience * 1000):
            raise TimeoutError("nobody reads standard output")
