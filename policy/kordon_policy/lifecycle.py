"""What all that has a life in a store shares: temporary policies, scheduled and staged mutations.

Instants are in ms since the epoch, and nothing here looks at a clock.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

LAST_INSTANT: Final = 253_402_300_799_999  # the end of the year 9999, in ms since the epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """When it was over (ms since the epoch), by whom ("" where it was time), and why."""

    ts: int
    by: str = ""
    reason: str = ""


class NotPossible(ValueError):
    """The state of a thing does not allow it; the text is for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """When a process first saw something as it is: by the clock on the wall and by one that is never set, in ms."""

    wall: int
    monotonic: int

    def reached(self, wall: int, monotonic: int) -> int:
        """The instant that it is for this thing at least, in ms since the epoch.

        What is lent for an hour is over when an hour has gone by, though the clock was set back meanwhile. Take a new
        sighting when its end is changed.
        """
        return max(wall, self.wall + monotonic - self.monotonic)


def instant(ts: int) -> str:
    """An instant (ms since the epoch) in a sentence, to the second."""
    return f"{datetime.fromtimestamp(ts / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
