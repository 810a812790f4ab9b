"""Which of the records that were found in several partitions are shown: pure."""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field

from .found import Found, Stop


@dataclass(slots=True, kw_only=True)
class Progress:
    """How far a partition has been looked through. It grows at one end: upwards from a start, or down from its end."""

    partition: int
    beginning: int
    end: int
    first_offset: int
    next_offset: int
    found: list[Found] = field(default_factory=list)
    """In the order of their offsets."""
    closed: Stop | None = None
    """Why it is not looked through any further: what would be found is not shown."""
    window: int = 0
    """How many offsets the next look down takes in."""
    scanned: int = 0
    problems: list[str] = field(default_factory=list)
    untold: int = 0
    """How many problems there are besides."""

    def is_open(self, *, newest: bool) -> bool:
        """Whether there is more to look at."""
        is_over = self.first_offset <= self.beginning if newest else self.next_offset >= self.end
        return self.closed is None and not is_over


def in_order(partitions: Iterable[Progress], *, newest: bool) -> list[Found]:
    """Put what was found in order: of one partition as it is there, of several by time.

    With `newest` they are compared from the last ones on, else from the first ones: it makes a difference where
    timestamps do not rise with the offsets.
    """
    if newest:
        return list(heapq.merge(*(reversed(one.found) for one in partitions), key=_time, reverse=True))[::-1]
    return list(heapq.merge(*(one.found for one in partitions), key=_time))


def prune(partitions: Iterable[Progress], *, count: int, room: int, newest: bool) -> None:
    """Drop what is not shown: all but the first `count` records, or the last ones, and all but `room` bytes of them.

    A partition that lost something is closed, and accounts for what is left of it only. To be called whenever something
    has been found, so that no more is held than is shown. That is as good as at the end: what will be found in a
    partition lies behind what was found in it, so it never makes room for what was dropped.
    """
    partitions = list(partitions)
    shown: set[tuple[int, int]] = set()
    reason = Stop.COUNT
    last: Found | None = None
    ordered = in_order(partitions, newest=newest)
    for one in reversed(ordered) if newest else ordered:
        if len(shown) == count:
            break
        room -= len(one.answer)
        if room < 0 and shown:
            reason = Stop.BYTES
            break
        shown.add((one.partition, one.offset))
        last = one
    for partition in partitions:
        _keep(partition, shown, reason, newest=newest)
    if last is not None and (len(shown) == count or room <= 0):
        # Whatever comes next in its partition comes behind it, where there is no more room.
        (own,) = (one for one in partitions if one.partition == last.partition)
        own.closed = own.closed or (Stop.COUNT if len(shown) == count else Stop.BYTES)


def _keep(partition: Progress, shown: set[tuple[int, int]], reason: Stop, *, newest: bool) -> None:
    kept = [one for one in partition.found if (one.partition, one.offset) in shown]
    if len(kept) == len(partition.found):
        return
    if newest:
        dropped = partition.found[len(partition.found) - len(kept) - 1]
        partition.first_offset = dropped.offset + 1
    else:
        dropped = partition.found[len(kept)]
        partition.next_offset = dropped.offset
    partition.found = kept
    partition.closed = reason


def _time(one: Found) -> int:
    """Records without a timestamp come first, as the oldest ones are those."""
    timestamp = one.timestamp
    return -1 if timestamp is None else timestamp
