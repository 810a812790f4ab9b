"""What a verification of a journal says: breaks, and a summary; and what it may be held against."""

from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """What is wrong with a line, in a word."""

    CHANGED = "changed"
    UNREADABLE = "unreadable"
    MISSING = "missing"
    MOVED = "moved"
    FOREIGN = "foreign"
    UNCHAINED = "unchained"
    MISNAMED = "misnamed"
    ENDS_EARLY = "ends-early"
    NOT_AS_NOTED = "not-as-noted"
    UNCONFIRMED = "unconfirmed"
    NOT_FORWARDED = "not-forwarded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """One place where the journal is not what was written, and what that means. `line` counts from 1."""

    fault: Fault
    meaning: str
    file: str
    line: int | None = None
    writer: str | None = None
    sequence: int | None = None

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        event = "" if self.sequence is None else f" event {self.writer}/{self.sequence}:"
        return f"{place}:{event} {self.fault}: {self.meaning}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """An event that somebody knows of: `by` whom, and which chain value it has; None: he does not know."""

    by: str
    writer: str
    sequence: int
    chain: bytes | None = None


@dataclass(slots=True, kw_only=True)
class Summary:
    """What was verified. Of a journal without lines there is no `first`."""

    writer: str | None = None
    files: int = 0
    events: int = 0
    first: int | None = None
    last: int | None = None
    chain: bytes | None = None
    """That of the last event."""
    chained_from: int | None = None
    follows: bytes | None = None
    """What the first chained event follows; `BEGINNING`: nothing."""
    lost: int = 0
    """Events that found no room while the journal could not be written (`on_failure: continue`), as it says itself."""
    half_written: int = 0
    """Bytes at the end that are no line yet: it is being written, or a process was killed while it wrote."""
    breaks: int = 0
