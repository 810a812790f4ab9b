"""Reads a journal from any number on, line by line, while it is being written."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog

from .line import place_of
from .segments import Segment, list_segments

log = structlog.get_logger()

_CHUNK: Final = 256 << 10


@dataclass(frozen=True, slots=True)
class Line:
    """One event as it stands in the journal, without the end of the line."""

    sequence: int
    text: bytes


class Tail:
    """Gives the lines after a number, each once. Lines that are not durable yet are left for later."""

    def __init__(self, directory: Path, after: int = 0) -> None:
        self.after = after
        self._directory = directory
        self._segment: Segment | None = None
        self._offset = 0

    def read(self, durable: float) -> list[Line]:
        """Return some of the lines up to the number `durable`, none when there are no more. Raises OSError."""
        while self._segment is not None or self._begin():
            chunk, offset = self._chunk(), self._offset
            if lines := list(self._take(chunk, durable)):
                return lines
            if chunk and self._offset == offset:
                break  # whole lines are left, but not durable ones
            if not chunk and not self._move_on():
                break
        return []

    def _begin(self) -> bool:
        """Open the segment that holds the next number, or else the first one after it."""
        segments = list_segments(self._directory)
        before = [segment for segment in segments if segment.first <= self.after + 1]
        candidates = before[-1:] or segments[:1]
        if not candidates:
            return False
        self._segment, self._offset = candidates[0], 0
        return True

    def _chunk(self) -> bytes:
        """Return whole lines from where the last read ended: about a chunk, or one line that is longer than that."""
        assert self._segment is not None
        with self._segment.path.open("rb") as file:
            file.seek(self._offset)
            chunk = file.read(_CHUNK)
            while chunk and b"\n" not in chunk and (more := file.read(_CHUNK)):
                chunk += more
        return chunk[: chunk.rfind(b"\n") + 1]

    def _take(self, chunk: bytes, durable: float) -> Iterator[Line]:
        for text in chunk.splitlines(keepends=True):
            place = place_of(text)
            if place is None:
                log.error("audit_line_damaged", after=self.after, bytes=len(text))
            elif place.sequence > durable:
                return
            self._offset += len(text)
            if place is not None and place.sequence > self.after:
                self._pass_over(place.sequence)
                self.after = place.sequence
                yield Line(place.sequence, text.rstrip(b"\n"))

    def _move_on(self) -> bool:
        """Go to the next segment, if there is one and nothing more is to come in this one."""
        assert self._segment is not None
        later = [segment for segment in list_segments(self._directory) if segment.first > self._segment.first]
        if not later:
            return False
        # It may have grown between the last read and the look at the directory; once there is a next one, no more.
        if not self._chunk():
            self._segment, self._offset = later[0], 0
            self._pass_over(later[0].first)
        return True

    def _pass_over(self, first: int) -> None:
        """Wait no more for what is missing before that number."""
        if first > self.after + 1:
            log.error("audit_gap", first=self.after + 1, last=first - 1)
            self.after = first - 1


def read_events(directory: Path, after: int = 0) -> Iterator[dict[str, Any]]:
    """Return the events of a journal after that number, as CloudEvents. Another process may be writing it."""
    tail = Tail(directory, after)
    while lines := tail.read(float("inf")):
        for line in lines:
            yield json.loads(line.text)
