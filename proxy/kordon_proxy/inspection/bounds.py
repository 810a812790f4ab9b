"""What one inspection may cost."""

from dataclasses import dataclass
from typing import Final

KiB: Final = 1 << 10
MiB: Final = 1 << 20

MOST_RECORDS: Final = 500
"""Records of one answer."""
LONGEST_FILTER: Final = 4096
"""Letters of a filter expression."""
MOST_TOLD: Final = 10
"""Problems that are told of one partition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Where an inspection ends, whatever it was asked for."""

    seconds: float = 10.0
    """All of it, from the first question to the last record."""
    answer: int = 4 * MiB
    """Bytes of all records as JSON. One record is always shown."""
    scanned: int = 100_000
    """Records looked at, whether the filter takes them or not."""
    fetched: int = 64 * MiB
    """Bytes of records that brokers send, as they are compressed."""
    fetch: int = MiB
    """Bytes that one question asks for. A broker sends a whole batch even if it is larger."""
    memory: int = 512 * MiB
    """Address space of the process that decodes and filters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldBounds:
    """How much of one record is shown."""

    field: int = MiB // 2
    """Bytes of a key, a value, or the value of a header."""
    decoded: int = MiB
    """Letters of what a key or value says, as JSON."""
    headers: int = MiB // 4
    """Bytes of all headers of a record, as JSON."""


DEFAULT: Final = Bounds()
