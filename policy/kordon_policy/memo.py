"""Remembered answers, bounded."""

from collections.abc import Callable, Hashable
from types import MethodType
from typing import Final, TypeVar
from weakref import WeakMethod

LONGEST_NAME: Final = 255  # letters; Kafka's topics have at most 249, and what is longer is worked out each time

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Bounded(dict[K, V]):
    """A dictionary that starts afresh when it is full.

    Clients choose the names that are asked about, and could choose many and long ones: whoever floods it makes others
    work out their answers again, but takes no memory.
    """

    def __init__(self, bound: int) -> None:
        super().__init__()
        self._bound = bound

    def keep(self, key: K, value: V) -> None:
        """Remember a value."""
        if len(self) >= self._bound:
            self.clear()
        self[key] = value


class Memo(Bounded[K, V]):
    """A dictionary that works out what it lacks. A hit is one look-up.

    It is kept by whom it asks, and does not keep him in turn: what is out of force is gone when nobody uses it any
    more, and need not be looked for by the garbage collector.
    """

    def __init__(
        self, answer: Callable[[K], V], *, bound: int = 16_384, keeps: Callable[[K], bool] = lambda _: True
    ) -> None:
        super().__init__(bound)
        self._answer = WeakMethod(answer) if isinstance(answer, MethodType) else lambda: answer
        self._keeps = keeps

    def __missing__(self, key: K) -> V:
        answer = self._answer()
        if answer is None:
            raise ReferenceError("whom this memo asks is gone")
        value = answer(key)
        if self._keeps(key):
            self.keep(key, value)
        return value


def has_short_name(question: tuple[*tuple[Hashable, ...], str | None]) -> bool:
    """Is the name that a question ends with short enough to be remembered?"""
    name = question[-1]
    return name is None or len(name) <= LONGEST_NAME
