"""The files of a journal: their names, what is whole in them, and which of them may go.

A segment is named after its writer and the first sequence number in it, as Kafka names its own. So the directory
alone says who writes here and which number comes next, even when the newest segment is empty.
"""

import json
import mmap
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import structlog

from .line import Place, place_of

log = structlog.get_logger()

_NAME: Final = re.compile(r"audit\.(?P<writer>[A-Za-z0-9-]+)\.(?P<first>\d{20})\.jsonl")


class AuditError(Exception):
    """The audit cannot be started as configured. The message says what to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One file of a journal. `first` is the sequence number of its first line, written or yet to come."""

    path: Path
    writer: str
    first: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WholePart:
    """How far a segment is whole: `size` bytes, of which the last line is number `last`. `chain`: see `line`."""

    size: int
    last: int
    chain: bytes | None = None


def segment_path(directory: Path, writer: str, first: int) -> Path:
    """Return where the segment that begins with that number is kept."""
    return directory / f"audit.{writer}.{first:020d}.jsonl"


def list_segments(directory: Path) -> list[Segment]:
    """Return the segments of a journal, the oldest first. Raises AuditError when two writers left theirs here."""
    found = [
        Segment(path=path, writer=match["writer"], first=int(match["first"]))
        for path in directory.iterdir()
        if (match := _NAME.fullmatch(path.name))
    ]
    if len(writers := {segment.writer for segment in found}) > 1:
        names = ", ".join(sorted(writers))
        raise AuditError(f"audit directory {directory} holds journals of several writers ({names}): keep one of them")
    return sorted(found, key=lambda segment: segment.first)


def whole_part(segment: Segment) -> WholePart:
    """Return how much of a segment a crash has left whole. Whatever follows the last whole line is not.

    Damage before that line is left alone: readers see the gap, which is better than to write those numbers again.
    """
    with segment.path.open("rb") as file:
        if file.seek(0, 2) == 0:
            return WholePart(size=0, last=segment.first - 1)
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            end = data.rfind(b"\n") + 1
            while end > 0:
                start = data.rfind(b"\n", 0, end - 1) + 1
                if (last := _whole(data[start:end])) is not None:
                    return WholePart(size=end, last=last.sequence, chain=last.chain)
                end = start
    return WholePart(size=0, last=segment.first - 1)


def drop_old_segments(directory: Path, *, keep: int | Literal["all"], forwarded: float) -> None:
    """Delete closed segments beyond the newest `keep` (or `all`) of which everything has been forwarded.

    While nothing is in the newest one yet, the one before is what it goes on from, and stays.
    """
    if keep == "all":
        return
    segments = list_segments(directory)
    while segments and not segments[-1].path.stat().st_size:
        segments.pop()
    closed = segments[:-1]
    for segment, following in zip(closed[: max(0, len(closed) - keep)], segments[1:], strict=False):
        if following.first - 1 > forwarded:
            return
        segment.path.unlink(missing_ok=True)
        log.info("audit_segment_deleted", path=str(segment.path), last_sequence=following.first - 1)


def _whole(line: bytes) -> Place | None:
    try:
        json.loads(line)  # the end may have reached the disk, and the middle not
    except ValueError:
        return None
    return place_of(line)
