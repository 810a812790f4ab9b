"""What sentences are made of: words of ours, and what others chose.

Only the latter can be hostile, and whoever shows a sentence has to see to it that they are taken for nothing but text.
Here they are bounded, and letters that nobody sees, or that reorder others, are spelt out.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, Final

from kordon_policy.actions import Domain, Kind
from kordon_policy.patterns import STAR

LONGEST_NAME: Final = 80
LONGEST_TEXT: Final = 300
"""Letters of a reason or a ticket."""
MOST_NAMED: Final = 3
"""Resources or offsets that a sentence names; of the others it says how many they are."""

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Quoted:
    """Text that somebody else chose, fit to be shown: it has no control character and is not long."""

    text: str


Run = str | Quoted
Sentence = tuple[Run, ...]


def plain(runs: Iterable[Run]) -> str:
    """Return the text of it without any form."""
    return "".join(run if isinstance(run, str) else run.text for run in runs)


def joined(runs: Iterable[Run]) -> Sentence:
    """Return the runs with those of ours that follow each other in one."""
    grouped = groupby(runs, key=lambda run: isinstance(run, str))
    return tuple(run for ours, some in grouped for run in ([plain(some)] if ours else some))


def quoted(value: object, most: int = LONGEST_NAME) -> Quoted:
    """Return what others chose so that it can be shown."""
    text = str(value)
    cut = text if len(text) <= most else f"{text[: most - 1]}…"
    return Quoted("".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in cut))


def some_of(names: Iterable[Run | Sentence]) -> Iterator[Run]:
    """Name some, and say how many others there are."""
    every = list(names)
    for place, name in enumerate(every[:MOST_NAMED]):
        if place:
            yield ", "
        yield from name if isinstance(name, tuple) else (name,)
    if len(every) > MOST_NAMED:
        yield f" and {len(every) - MOST_NAMED:,} more"


def quoted_text(value: object) -> Quoted:
    """Return a reason or a ticket so that it can be shown."""
    return quoted(value, LONGEST_TEXT)


def who_of(event: Fields) -> Quoted:
    """Name who did it."""
    return quoted(event["data"]["who"]["principal"])


def because(why: Fields) -> Iterator[Run]:
    """Add the reason, if there is one."""
    if reason := why.get("reason"):
        yield from (": ", quoted_text(reason))


def resources_of(what: Fields) -> Iterator[Run]:
    """Name what it was done to."""
    paths = [tuple(path) for path in what.get("resources") or ()]
    if not paths:
        yield from ("cluster ", quoted(what.get("cluster"))) if what.get("cluster") else ("what it named",)
        return
    yield from some_of(map(_resource, paths))


def _resource(path: Sequence[str]) -> Sentence:
    match path:
        case [_, home, kind, name, *_]:
            return f"{Kind(kind).words} ", quoted(name), *_home(home)
        case [_, home, kind]:
            return f"every {Kind(kind).words}", *_home(home)
        case [domain, home]:
            return (f"every {domain}",) if home == STAR else (f"{Domain(domain)} ", quoted(home))
        case _:
            return ("everything",)


def _home(home: str) -> Sentence:
    return (" everywhere",) if home == STAR else (" of ", quoted(home))


def times(count: int, *, again: bool) -> str:
    """Say how often; `again`: besides what was told already."""
    return f"{count:,}{' more' if again else ''} {'time' if count == 1 else 'times'}"


def instant_of(text: str) -> datetime:
    """Read a time of an event. Raises ValueError."""
    return datetime.fromisoformat(text).astimezone(UTC)


def clock(text: str, event: Fields) -> str:
    """Say when it is, and the day as well if it is another one than that of the event."""
    instant = instant_of(text)
    day = "" if instant.date() == instant_of(event["time"]).date() else f"{instant:%Y-%m-%d} "
    return f"{day}{instant:%H:%M}{f':{instant:%S}' if instant.second else ''} UTC"


def duration(length: timedelta) -> str:
    """Say how long it is: `1 h 30 min`."""
    seconds = round(length.total_seconds())
    parts = [
        (seconds // 86_400, "d"),
        (seconds // 3_600 % 24, "h"),
        (seconds // 60 % 60, "min"),
        (seconds % 60, "s"),
    ]
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"
