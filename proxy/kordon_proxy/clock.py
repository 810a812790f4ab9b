"""What time it is."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final


def wall_ms() -> int:
    """Milliseconds since the epoch, by a clock that people set."""
    return time.time_ns() // 1_000_000


def monotonic_ms() -> int:
    """Milliseconds since some instant, by a clock that nobody sets."""
    return time.monotonic_ns() // 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """What time it is, in ms: since the epoch, and by a clock that nobody sets."""

    wall: Callable[[], int] = wall_ms
    monotonic: Callable[[], int] = monotonic_ms


CLOCK: Final = Clock()
"""The machine's."""
