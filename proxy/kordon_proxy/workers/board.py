"""How many connections each worker has at each listener, in memory that all of them share.

Every worker writes its own numbers and reads those of the others, when a connection comes or goes: 8 bytes that are
written at once, so that there is no lock. Two that let somebody in at the same instant may both be the last: a limit
may be exceeded by as many as there are other workers.
"""

import mmap
import os
from typing import Final

_SIZE: Final = 8


class Board:
    """The numbers, by worker and listener. `descriptor` is what a worker gets."""

    def __init__(self, descriptor: int, *, workers: int, listeners: int) -> None:
        self.descriptor = descriptor
        self._workers, self._listeners = workers, listeners
        self._counts = memoryview(mmap.mmap(descriptor, _SIZE * workers * listeners)).cast("q")

    @classmethod
    def new(cls, *, workers: int, listeners: int) -> "Board":
        """One on which all is 0, for as long as somebody has it."""
        descriptor = os.memfd_create("kordon-workers")
        os.ftruncate(descriptor, _SIZE * workers * listeners)
        return cls(descriptor, workers=workers, listeners=listeners)

    def clear(self, worker: int) -> None:
        """A worker has ended, and its connections with it."""
        for listener in range(self._listeners):
            self._counts[self._at(worker, listener)] = 0

    def of(self, worker: int, listener: int) -> "Places":
        """What a worker has to do with it for one of its listeners, in their order."""
        return Places(self, worker, listener)

    def set(self, worker: int, listener: int, count: int) -> None:
        """Say how many connections a worker has."""
        self._counts[self._at(worker, listener)] = count

    def others(self, worker: int, listener: int) -> int:
        """How many connections the other workers have."""
        return sum(self._counts[listener :: self._listeners]) - self._counts[self._at(worker, listener)]

    def _at(self, worker: int, listener: int) -> int:
        return (worker - 1) * self._listeners + listener


class Places:
    """The connections of one listener at all workers, as one of them sees them."""

    __slots__ = ("_board", "_listener", "_worker")

    def __init__(self, board: Board, worker: int, listener: int) -> None:
        self._board, self._worker, self._listener = board, worker, listener

    @property
    def others(self) -> int:
        """How many the other workers have."""
        return self._board.others(self._worker, self._listener)

    def have(self, count: int) -> None:
        """Say how many there are here now."""
        self._board.set(self._worker, self._listener, count)
