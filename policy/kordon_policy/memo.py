"""Remembered answers, bounded."""

from collections.abc import Callable, Hashable
from typing import TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Memo(dict[K, V]):
    """A dictionary that works out what it lacks. A hit is one look-up.

    Clients choose the names that are asked about, so it starts afresh when it is full: whoever floods it with random
    names makes others work out their answers again, but takes no memory.
    """

    def __init__(self, answer: Callable[[K], V], bound: int = 16_384) -> None:
        super().__init__()
        self._answer = answer
        self._bound = bound

    def __missing__(self, key: K) -> V:
        value = self._answer(key)
        if len(self) >= self._bound:
            self.clear()
        self[key] = value
        return value
