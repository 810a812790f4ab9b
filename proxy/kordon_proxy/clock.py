"""What time it is."""

import time


def wall_ms() -> int:
    """Milliseconds since the epoch, by a clock that people set."""
    return time.time_ns() // 1_000_000
