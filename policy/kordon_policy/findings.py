"""What is wrong, doubtful or worth knowing in a file: with a line, a column and a way out."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

MOST: Final = 1_000  # findings of one severity; whoever has that many knows
_HINTED: Final = 200  # findings that get a hint by likeness
_CLOSE: Final = 2  # letters that a typing mistake may change
_LONGEST: Final = 64  # letters of a word for which a near one is looked for


class Severity(StrEnum):
    """An error refuses the file; a warning points at what has no effect; a notice is only good to know."""

    ERROR = "error"
    WARNING = "warning"
    NOTICE = "notice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing found. Lines and columns count from 1; `path` is the way to the key, where it is told."""

    severity: Severity = Severity.ERROR
    message: str
    hint: str = ""
    source: str
    line: int = 1
    column: int = 1
    path: str = ""

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}: {self.severity}: {self.message}"


class Placed(Protocol):
    """Anything that knows where in the file it stands."""

    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...


class TooManyFindings(Exception):
    """A file that has more errors than anybody wants to read is not read to its end."""


class Report:
    """Collects findings, all that there are, up to a bound: a hostile file must not take a minute to describe."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._found: list[Finding] = []
        self._counts = dict.fromkeys(Severity, 0)

    @property
    def has_errors(self) -> bool:
        """Is the file refused?"""
        return self._counts[Severity.ERROR] > 0

    def error(self, at: Placed, message: str, hint: str = "") -> None:
        """Note why the file is refused. Raises TooManyFindings past the bound."""
        self._add(Severity.ERROR, at, message, hint)
        if self._counts[Severity.ERROR] > MOST:
            raise TooManyFindings

    def warning(self, at: Placed, message: str, hint: str = "") -> None:
        """Note what has no effect, or not the one that it seems to have."""
        self._add(Severity.WARNING, at, message, hint)

    def notice(self, at: Placed, message: str, hint: str = "") -> None:
        """Note what is good to know."""
        self._add(Severity.NOTICE, at, message, hint)

    def _add(self, severity: Severity, at: Placed, message: str, hint: str) -> None:
        self._counts[severity] += 1
        if self._counts[severity] <= MOST:
            self._found.append(
                Finding(
                    severity=severity, message=message, hint=hint, source=self.source, line=at.line, column=at.column
                )
            )

    def nearest(self, word: str, known: Collection[str]) -> str:
        """A hint that names the known word that was probably meant, or nothing."""
        # Looking for near words is the one slow step of reading a file, so it ends where nobody reads on.
        if sum(self._counts.values()) > _HINTED:
            return ""
        near = nearest(word, known)
        return f"did you mean {shown(near)}?" if near else ""

    def findings(self) -> tuple[Finding, ...]:
        """All that was found, in the order of the file."""
        found = sorted(self._found, key=lambda one: (one.line, one.column))
        for severity, count in self._counts.items():
            if count > MOST:
                message = f"more than {MOST} findings of this severity; the rest are left out"
                last = max((one for one in found if one.severity is severity), key=lambda one: (one.line, one.column))
                found.append(
                    Finding(
                        severity=severity,
                        message=message,
                        hint="",
                        source=self.source,
                        line=last.line,
                        column=last.column,
                    )
                )
        return tuple(found)


def shown(text: str) -> str:
    """A text of the file in a message: in quotes, cut, and with its control letters visible."""
    short = text if len(text) <= 80 else f"{text[:80]}…"
    return f'"{short}"' if short.isprintable() else repr(short)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that differs only in case, in number, or by at most two letters; the nearest, if there is one."""
    if len(word) > _LONGEST:
        return None
    folded = word.casefold()
    best: tuple[int, str] | None = None
    for candidate in known:
        distance = 0 if _same_but_for_number(folded, candidate.casefold()) else _distance(folded, candidate.casefold())
        # A short word is not a misspelling of any other short word.
        if distance <= min(_CLOSE, len(candidate) // 2) and (best is None or distance < best[0]):
            best = (distance, candidate)
    return best[1] if best else None


def _same_but_for_number(one: str, other: str) -> bool:
    singular, plural = sorted((one, other), key=len)
    return plural in (singular, f"{singular}s") or plural == f"{singular.removesuffix('y')}ies"


def _distance(one: str, other: str) -> int:
    """Letters to add, drop, change or swap with the next; anything above two counts as three."""
    if abs(len(one) - len(other)) > _CLOSE:
        return _CLOSE + 1
    return distances(one, other)[-1]


def distances(one: str, other: str) -> list[int]:
    """The distances of a word to each beginning of another, the empty one too: letters to add, drop, change or swap.

    Anything above two counts as three.
    """
    far = _CLOSE + 1
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, a in enumerate(one, start=1):
        row = [i]
        for j, b in enumerate(other, start=1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        if min(row) >= far:
            return [far] * len(row)
        before, last = last, row
    return [min(cost, far) for cost in last]
