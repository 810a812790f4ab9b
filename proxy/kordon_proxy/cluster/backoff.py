"""How long to wait before the next try: doubling and jittered, so that many processes do not come back in step."""

import random
from collections.abc import Callable
from typing import Final

FIRST: Final = 0.1
"""Seconds after the first failure."""
MOST: Final = 5.0
"""Seconds at most, however often it failed."""


class Backoff:
    """Counts failures in a row. `jitter` gives a number from 0 up to 1."""

    def __init__(self, first: float = FIRST, most: float = MOST, jitter: Callable[[], float] = random.random) -> None:
        self._first = first
        self._most = most
        self._jitter = jitter
        self._failures = 0

    def fail(self) -> float:
        """Count one more failure; give the seconds to wait: between half of the doubled time and all of it."""
        # The exponent is bounded as well: 2.0 ** 1024 is an error, and a broker may be away for days.
        full = min(self._most, self._first * 2.0 ** min(self._failures, 32))
        self._failures += 1
        return full * (0.5 + 0.5 * self._jitter())

    def succeed(self) -> None:
        """Forget the failures."""
        self._failures = 0
