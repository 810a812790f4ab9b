"""Reads a journal from outside of the process that writes it: whole files, line by line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .breaks import Break, Noted
from .cursor import cursor_path, load_cursors
from .line import place_of
from .segments import AuditError, Segment, list_segments
from .verification import Verifier


def journal_segments(directory: Path) -> list[Segment]:
    """Return the files of a journal, the oldest first.

    Raises OSError, and AuditError where there is none, or several.
    """
    segments = list_segments(directory)
    if not segments:
        raise AuditError(f"there is no journal in {directory}")
    return segments


def lines_of(segment: Segment) -> Iterator[bytes]:
    """Return the lines of a file with their ends; the last may have none, and be half. Raises OSError.

    A file that retention has deleted meanwhile has no lines.
    """
    try:
        with segment.path.open("rb") as file:
            yield from file
    except FileNotFoundError:
        return


def cursors(directory: Path) -> list[Noted]:
    """Return what the sinks of a journal have got of it, as witnesses of where it ends."""
    (segment, *_) = journal_segments(directory)
    return [
        Noted(by=cursor_path(directory, sink).name, writer=segment.writer, sequence=sequence)
        for sink, sequence in load_cursors(directory, segment.writer).items()
        if sequence
    ]


def first_event(directory: Path) -> dict[str, Any] | None:
    """Return the oldest event that can be read."""
    for segment in journal_segments(directory):
        for line in lines_of(segment):
            if place_of(line) is not None:
                event: dict[str, Any] = json.loads(line)
                return event
    return None


def verify(directory: Path, verifier: Verifier) -> Iterator[Break]:
    """Return what is wrong with a journal. Raises OSError and AuditError."""
    segments = journal_segments(directory)
    for segment in segments:
        if not segment.path.exists() and verifier.summary.events == 0:
            continue  # retention has deleted it since
        verifier.begin_file(segment.path.name, segment.writer, segment.first)
        for line in lines_of(segment):
            if line.endswith(b"\n"):
                yield from verifier.line(line[:-1])
            else:
                yield from verifier.half_line(line, is_last=segment is segments[-1])
    yield from verifier.end()
