"""A journal that is searched: events that are wanted, as they are stored, and then those that come."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kordon_proxy.audit.line import place_of
from kordon_proxy.audit.reading import journal_segments, lines_of
from kordon_proxy.audit.segments import Segment
from kordon_proxy.audit.tail import Tail


@dataclass(frozen=True, slots=True)
class Found:
    """An event that is wanted, as it is stored, without the end of the line, and as a value."""

    text: bytes
    event: dict[str, Any]


class SearchedJournal:
    """One journal, which another process may be writing. `wanted` makes of a line what is to be shown of it."""

    def __init__(self, directory: Path, wanted: Callable[[bytes], Found | None]) -> None:
        """Raises OSError, and AuditError where there is none."""
        self.directory = directory
        self._wanted = wanted
        self._segments = journal_segments(directory)
        self._last = b""
        self._tail: Tail | None = None

    def all(self) -> Iterator[Found]:
        """What there is."""
        for segment in self._segments:
            yield from self._of(segment)

    def newest(self, limit: int) -> list[Found]:
        """The newest so many of what there is."""
        newest: list[Found] = []
        for segment in reversed(self._segments):
            last = self._last
            newest = [*deque(self._of(segment), maxlen=limit - len(newest)), *newest]
            self._last = last or self._last
            if len(newest) == limit:
                break
        return newest

    def more(self) -> Iterator[Found]:
        """What has come since; where nothing has been read, some of all that there is."""
        if self._tail is None:
            place = place_of(self._last)
            self._tail = Tail(self.directory, self._segments[-1].first - 1 if place is None else place.sequence)
        for line in self._tail.read(float("inf")):
            if (found := self._wanted(line.text)) is not None:
                yield found

    def _of(self, segment: Segment) -> Iterator[Found]:
        for line in lines_of(segment):
            if line.endswith(b"\n"):
                self._last = line
                if (found := self._wanted(line[:-1])) is not None:
                    yield found
