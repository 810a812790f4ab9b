"""Durations, sizes and instants, as a file or an option spells them.

They are read without pydantic, so that the command is there at once.
"""

import re
from datetime import UTC, datetime
from typing import Final

from .findings import Mistake

DURATION_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
SIZE_UNITS: Final = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
QUANTITY: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([A-Za-z]*)", re.ASCII)
UNLIMITED: Final = "unlimited"


def text_of(value: object) -> str:
    """Return what is text already. Raises Mistake for anything else."""
    if not isinstance(value, str):
        raise Mistake("expected text here, found a list or a mapping")
    return value


def parse_duration(value: object) -> float:
    """Return seconds for text such as `30s`, `500ms`, `10min`, `1h`, `7d`; `0` needs no unit."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    text = text_of(value)
    match = QUANTITY.fullmatch(text)
    if match is None or (match[2] not in DURATION_UNITS and not (match[2] == "" and float(match[1]) == 0)):
        raise Mistake(f"`{text}` is no duration", f"a number and one of {', '.join(DURATION_UNITS)}, as in 30s")
    return float(match[1]) * DURATION_UNITS.get(match[2], 1.0)


def parse_bound(value: object) -> float | None:
    """Return seconds for a duration that is not 0, None for `unlimited`."""
    if value is None or value == UNLIMITED:
        return None
    try:
        seconds = parse_duration(value)
    except Mistake as mistake:
        raise Mistake(str(mistake), f"{mistake.hint}, or `{UNLIMITED}`" if mistake.hint else "") from None
    if seconds <= 0:
        raise Mistake("this must be more than 0", f"`{UNLIMITED}` is no bound at all")
    return seconds


def parse_size(value: object) -> int:
    """Return bytes for text such as `64KiB` or `100MiB`; a bare number is bytes."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = text_of(value)
    match = QUANTITY.fullmatch(text)
    if match is None or match[2] not in SIZE_UNITS:
        raise Mistake(f"`{text}` is no size", "a number and one of KiB, MiB, GiB, as in 100MiB")
    return int(float(match[1]) * SIZE_UNITS[match[2]])


def parse_instant(text: str) -> float:
    """Return seconds since the epoch for a date and time of ISO 8601; without a zone it is UTC."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise Mistake(f"`{text}` is no date", "as in 2027-01-31T12:00:00Z") from None
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()


def spell_instant(seconds: float) -> str:
    """Write seconds since the epoch as a file would, to the second and in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def spell_duration(seconds: float) -> str:
    """Write seconds as a file would: `10min`."""
    for unit in ("d", "h", "min", "s"):
        if seconds >= DURATION_UNITS[unit] and seconds % DURATION_UNITS[unit] == 0:
            return f"{round(seconds / DURATION_UNITS[unit])}{unit}"
    return f"{seconds * 1000:g}ms" if seconds else "0"


def spell_bound(seconds: float | None) -> str:
    """Write a bound as a file would."""
    return UNLIMITED if seconds is None else spell_duration(seconds)


def spell_size(size: int) -> str:
    """Write bytes as a file would: `64KiB`."""
    for unit in ("GiB", "MiB", "KiB"):
        if size >= SIZE_UNITS[unit] and size % SIZE_UNITS[unit] == 0:
            return f"{size // SIZE_UNITS[unit]}{unit}"
    return str(size)
