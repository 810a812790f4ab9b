"""Times that are legal on the wire but that Python's types cannot hold.

Kafka writes -1 for "none" into some fields that are not nullable, and clients ask for lifetimes of 2^63 - 1
milliseconds. These classes stand where kio has a `datetime` or a `timedelta`, carry the number, and are written back
as it. As a date or a duration they are the nearest one that can be held.
"""

from datetime import UTC, datetime, timedelta
from typing import Final, Self

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)
LATEST: Final = (datetime.max.replace(tzinfo=UTC) - EPOCH) // MILLISECOND
LONGEST: Final = timedelta.max // MILLISECOND
SHORTEST: Final = timedelta.min // MILLISECOND


class _Odd:
    """The number, and nothing but it, is what such a value is compared by."""

    milliseconds: int

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self.milliseconds == other.milliseconds

    def __ne__(self, other: object) -> bool:  # datetime and timedelta have one of their own
        return not self == other

    def __hash__(self) -> int:
        return hash(self.milliseconds)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.milliseconds})"


class OddTimestamp(_Odd, datetime):
    """Milliseconds since 1970 that are negative or past the year 9999."""

    def __new__(cls, milliseconds: int) -> Self:
        near = EPOCH if milliseconds < 0 else datetime.max.replace(tzinfo=UTC)
        made = super().__new__(
            cls, near.year, near.month, near.day, near.hour, near.minute, near.second, near.microsecond, UTC
        )
        made.milliseconds = milliseconds
        return made


class OddDuration(_Odd, timedelta):
    """Milliseconds that are more than 2.7 million years, either way."""

    def __new__(cls, milliseconds: int) -> Self:
        near = timedelta.min if milliseconds < 0 else timedelta.max
        made = super().__new__(cls, near.days, near.seconds, near.microseconds)
        made.milliseconds = milliseconds
        return made


def timestamp_from(milliseconds: int) -> datetime:
    """Return the time so many milliseconds after 1970 began."""
    if 0 <= milliseconds <= LATEST:
        return EPOCH + timedelta(milliseconds=milliseconds)
    return OddTimestamp(milliseconds)


def duration_from(milliseconds: int) -> timedelta:
    """Return a duration of so many milliseconds."""
    if SHORTEST <= milliseconds <= LONGEST:
        return timedelta(milliseconds=milliseconds)
    return OddDuration(milliseconds)


def milliseconds_since_1970(time: datetime) -> int:
    """Return what stands on the wire for a timestamp."""
    # kio's native reader is up to half a millisecond off for dates far in the future, hence rounded.
    return time.milliseconds if isinstance(time, OddTimestamp) else _rounded(time - EPOCH)


def milliseconds_of(duration: timedelta) -> int:
    """Return what stands on the wire for a duration."""
    return duration.milliseconds if isinstance(duration, OddDuration) else _rounded(duration)


def _rounded(duration: timedelta) -> int:
    return (duration.days * 86_400 + duration.seconds) * 1_000 + (duration.microseconds + 500) // 1_000
