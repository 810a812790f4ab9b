"""Sets of names that can be computed with and read: "one pattern, except some patterns", and unions of these.

All of it is exact over every name that there is or can be, whatever its letters, because one letter decides: put a
letter that no pattern contains for each star of a pattern. Whatever matches that word has a star wherever the pattern
has one. So several patterns cover another together only if one of them does so alone, and a cell is empty only if one
of its exceptions covers its pattern; if none does, the word is a name in the cell.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Final

from kordon_policy.patterns import STAR, Pattern, covers, meet, pattern

ANY: Final = pattern(STAR)
MOST: Final = 200
"""Patterns that it may take to say what two have in common. Many pieces between stars can be merged in many ways."""
CELLS: Final = 500
"""Cells that a region may be cut into."""
_WORK: Final = 20_000
"""Pairs of places in two patterns that are looked at."""
_STARS: Final = re.compile(r"\*\*+")
_LETTERS: Final = "xyzabcdefghijklmnopqrstuvw0123456789XYZABCDEFGHIJKLMNOPQRSTUVW-_."


class TooComplex(Exception):
    """It would take too many patterns to say what two have in common, or too many cells to say what is left."""


_left: ContextVar[list[int] | None] = ContextVar("steps that are left", default=None)


@contextmanager
def at_most(steps: int | None) -> Iterator[None]:
    """Let what is worked out in here take so many steps, a few microseconds each; `None`: as many as it takes.

    When they are used up everything raises TooComplex, so that whoever waits gets what has been found.
    """
    token = _left.set(None if steps is None else [steps])
    try:
        yield
    finally:
        _left.reset(token)


def _spend(steps: int) -> None:
    left = _left.get()
    if left is not None:
        left[0] -= steps
        if left[0] < 0:
            raise TooComplex("it would take too long to work out")


def _too_much_in_common(one: Pattern, other: Pattern) -> TooComplex:
    return TooComplex(f"{one.text} and {other.text} have too much in common to be told")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The names that one pattern matches, except those that others match."""

    pattern: Pattern
    but: tuple[Pattern, ...] = ()

    @property
    def empty(self) -> bool:
        """Is there no name in it?"""
        return any(covers(one, self.pattern) for one in self.but)

    def matches(self, name: str) -> bool:
        """Is this name in it?"""
        return self.pattern.matches(name) and not any(one.matches(name) for one in self.but)

    def example(self) -> str:
        """A name in it, of ordinary letters if possible. Raises ValueError if it is empty."""
        if self.empty:
            raise ValueError(f"there is no name in {self}")
        if self.pattern.exact:
            return self.pattern.head
        return self.pattern.text.replace(STAR, _letter_in_none((self.pattern, *self.but)))

    def __str__(self) -> str:
        what = "any name" if self.pattern.everything else self.pattern.text
        return f"{what} except {', '.join(one.text for one in self.but)}" if self.but else what


Region = tuple[Cell, ...]
"""The names that are in one of the cells, at least. None of them is empty."""

EMPTY: Final[Region] = ()
EVERY_NAME: Final[Region] = (Cell(pattern=ANY),)


def matches(region: Region, name: str) -> bool:
    """Is this name in the region?"""
    return any(cell.matches(name) for cell in region)


def region_of(patterns: Iterable[Pattern | None], but: Iterable[Pattern | None] = ()) -> Region:
    """The names that one of these patterns matches and none of the others. `None` is any name."""
    wanted = _fewest(map(_plain, patterns))
    exceptions = _fewest(one for one in map(_plain, but) if any(meet(one, each) for each in wanted))
    return tuple(cell for one in wanted if not (cell := _excepting(one, exceptions)).empty)


def union(*regions: Region) -> Region:
    """The names in any of these regions."""
    return _reduced(chain.from_iterable(regions))


def intersect(one: Region, other: Region) -> Region:
    """The names in both regions. Raises TooComplex."""
    return _reduced(chain.from_iterable(_both(first, second) for first in one for second in other))


def subtract(one: Region, other: Region) -> Region:
    """The names in the one region and not in the other. Raises TooComplex."""
    for taken in other:
        one = _reduced(chain.from_iterable(_without(cell, taken) for cell in one))
        if len(one) > CELLS:
            raise TooComplex(f"what is left without {taken} takes more than {CELLS} patterns to be told")
    return one


def contains(one: Region, other: Region) -> bool:
    """Is every name of the other region in the one? Raises TooComplex."""
    doubtful = tuple(cell for cell in other if not any(_is_within(cell, each) for each in one))
    return not subtract(doubtful, one)


def plainly_contains(one: Region, other: Region) -> bool:
    """Is each cell of the other region in one cell of the one? Quickly answered; a no may be wrong."""
    return all(any(_is_within(cell, each) for each in one) for cell in other)


def common(one: Pattern, other: Pattern) -> tuple[Pattern, ...]:
    """What both patterns match, as few patterns that match it together. Raises TooComplex.

    `ab*` and `*ba` have `ab*ba` and `aba` in common.
    """
    if not meet(one, other):
        return ()
    if covers(one, other):
        return (other,)
    if covers(other, one):
        return (one,)
    return _common(one, other)


@lru_cache(maxsize=4_096)
def _common(one: Pattern, other: Pattern) -> tuple[Pattern, ...]:
    """Of two that meet and of which neither covers the other, so that both have a star."""
    first, second = _shape(one), _shape(other)
    if {first, second} == {"prefix", "suffix"}:
        before, after = (one, other) if first == "prefix" else (other, one)
        return tuple(pattern(text) for text in _prefix_and_suffix(before.head, after.tail))
    return _fewest(pattern(text) for text in _Merge(one, other).texts())


def _shape(one: Pattern) -> str:
    if one.middle or bool(one.head) == bool(one.tail):
        return "other"
    return "prefix" if one.head else "suffix"


def _prefix_and_suffix(head: str, tail: str) -> Iterator[str]:
    """The one, anything, the other; and each way in which the end of the one is the beginning of the other."""
    yield f"{head}{STAR}{tail}"
    for length in range(1, min(len(head), len(tail)) + 1):
        if head.endswith(tail[:length]):
            yield head + tail[length:]


class _Merge:
    """Merges the texts of two patterns letter by letter, from behind, remembering what each two endings have in common.

    A star meets a star: one of the two goes on for longer, and what follows the other meets it there.
    """

    def __init__(self, one: Pattern, other: Pattern) -> None:
        head, tail = min(len(one.head), len(other.head)), min(len(one.tail), len(other.tail))
        self._one, self._other = (each.text[head : len(each.text) - tail] for each in (one, other))
        self._head, self._tail = one.text[:head], one.text[len(one.text) - tail :]
        self._asked = (one, other)
        if len(self._one) * len(self._other) > _WORK:
            raise _too_much_in_common(one, other)
        _spend(len(self._one) * len(self._other))

    def texts(self) -> Iterator[str]:
        """What they have in common."""
        row: list[list[str]] = []
        for i in range(len(self._one), -1, -1):
            below, row = row, [[] for _ in range(len(self._other) + 1)]
            for j in range(len(self._other), -1, -1):
                row[j] = self._fewest(self._endings(i, j, below, row))
        return (f"{self._head}{text}{self._tail}" for text in row[0])

    def _endings(self, i: int, j: int, below: list[list[str]], row: list[list[str]]) -> Iterator[str]:
        one, other = self._one[i : i + 1], self._other[j : j + 1]
        if one == other == "":
            yield ""
        elif one == other == STAR:
            yield from (text if text[:1] == STAR else STAR + text for text in (*below[j], *row[j + 1]))
        elif STAR in (one, other):
            # The star stands for nothing more, or for the letter on the other side and maybe for more.
            (over, more), letter = ((below[j], row[j + 1 :]), other) if one == STAR else ((row[j + 1], below[j:]), one)
            yield from over
            if letter:
                yield from (letter + text for text in more[0])
        elif one == other:
            yield from (one + text for text in below[j + 1])

    def _fewest(self, texts: Iterator[str]) -> list[str]:
        found = list(dict.fromkeys(texts))
        if len(found) > 1:
            found = [one.text for one in _fewest(map(pattern, found))]
        if len(found) > MOST:
            raise _too_much_in_common(*self._asked)
        return found


def _plain(one: Pattern | None) -> Pattern:
    """The same names by a pattern in which no star follows another."""
    if one is None:
        return ANY
    return one if one.exact or STAR + STAR not in one.text else pattern(_STARS.sub(STAR, one.text))


def _fewest(patterns: Iterable[Pattern]) -> tuple[Pattern, ...]:
    """These patterns without those that another covers, in their order."""
    distinct = tuple(dict.fromkeys(patterns))
    if len(distinct) < 2:
        return distinct
    kept: list[Pattern] = []
    # One that covers another has no letter more.
    for one in sorted(distinct, key=_letters):
        _spend(len(kept) * (1 + len(one.middle)))
        word = one.head if one.exact else one.word
        for other in kept:
            if other.matches(word):
                break
        else:
            kept.append(one)
    return distinct if len(kept) == len(distinct) else tuple(one for one in distinct if one in kept)


def _letters(one: Pattern) -> tuple[int, bool]:
    return len(one.text) if one.exact else len(one.text) - one.text.count(STAR), one.exact


def _excepting(one: Pattern, exceptions: Iterable[Pattern]) -> Cell:
    """The cell with those exceptions alone that matter. None of them covers another."""
    return Cell(pattern=one, but=tuple([other for other in exceptions if meet(other, one)]))


def _both(one: Cell, other: Cell) -> Iterator[Cell]:
    for pattern_ in common(one.pattern, other.pattern):
        yield Cell(pattern=pattern_, but=(*one.but, *other.but))


def _without(cell: Cell, taken: Cell) -> Iterator[Cell]:
    """What the taken cell does not match, and what it leaves out."""
    if not meet(cell.pattern, taken.pattern):
        yield cell
        return
    yield Cell(pattern=cell.pattern, but=(*cell.but, taken.pattern))
    for left in taken.but:
        for both in common(cell.pattern, left):
            for pattern_ in common(both, taken.pattern):
                yield Cell(pattern=pattern_, but=cell.but)


def _reduced(cells: Iterable[Cell]) -> Region:
    """The same names in fewer cells, with exceptions that matter alone."""
    kept: list[Cell] = []
    for cell in cells:
        _spend(1 + len(kept))
        slim = _excepting(cell.pattern, _fewest(cell.but))
        if slim.empty or any(_is_within(slim, other) for other in kept):
            continue
        kept = [other for other in kept if not _is_within(other, slim)]
        kept.append(slim)
    return tuple(kept)


def _is_within(cell: Cell, other: Cell) -> bool:
    """Is every name of the cell certainly in the other? Where it would take long to find out, the answer is no."""
    if not covers(other.pattern, cell.pattern):
        return False
    return all(not meet(one, cell.pattern) or any(covers(own, one) for own in cell.but) for one in other.but)


def _letter_in_none(patterns: Iterable[Pattern]) -> str:
    """A letter that stands in none of them. There are more letters than a pattern has."""
    used = set(chain.from_iterable(one.text for one in patterns))
    ordinary = next((letter for letter in _LETTERS if letter not in used), None)
    return ordinary or next(
        letter for at in range(ord("à"), 0x10FFFF) if (letter := chr(at)).isalpha() and letter not in used
    )
