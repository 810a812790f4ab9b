"""Remembered answers, bounded."""

from collections.abc import Callable, Hashable
from typing import Final, TypeVar

LONGEST_NAME: Final = 255  # letters; Kafka's topics have at most 249, and what is longer is worked out each time

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Memo(dict[K, V]):
    """A dictionary that works out what it lacks. A hit is one look-up.

    Clients choose the names that are asked about, and could choose many and long ones. So it starts afresh when it is
    full: whoever floods it makes others work out their answers again, but takes no memory.
    """

    def __init__(
        self, answer: Callable[[K], V], *, bound: int = 16_384, keeps: Callable[[K], bool] = lambda _: True
    ) -> None:
        super().__init__()
        self._answer = answer
        self._bound = bound
        self._keeps = keeps

    def __missing__(self, key: K) -> V:
        value = self._answer(key)
        if self._keeps(key):
            if len(self) >= self._bound:
                self.clear()
            self[key] = value
        return value


def has_short_name(question: tuple[*tuple[Hashable, ...], str | None]) -> bool:
    """Is the name that a question ends with short enough to be remembered?"""
    name = question[-1]
    return name is None or len(name) <= LONGEST_NAME
