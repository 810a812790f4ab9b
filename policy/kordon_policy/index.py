"""Patterns that are found by the name they match, whatever the number of those that they don't."""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Final, Generic, TypeVar

from kordon_policy.patterns import SPARE, Pattern, literal, pattern

T = TypeVar("T")


class Values(Generic[T]):
    """Values under texts. None of them is a list.

    However many texts there are, they are few objects to the garbage collector, and quickly read from another process:
    nearly all have one value, which stands in the dictionary itself.
    """

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: dict[str, T | list[T]] = {}

    def add(self, text: str, value: T) -> None:
        """Put one more value under a text."""
        known = self._values.get(text, _NONE)
        if known is _NONE:
            self._values[text] = value
        elif isinstance(known, list):
            known.append(value)
        else:
            self._values[text] = [known, value]

    def __bool__(self) -> bool:
        return bool(self._values)

    def __contains__(self, text: str) -> bool:
        return text in self._values

    def __iter__(self) -> Iterator[tuple[str, T]]:
        return ((text, value) for text in self._values for value in self.of(text))

    def of(self, text: str) -> Sequence[T]:
        """All values under a text."""
        known = self._values.get(text, _NONE)
        if known is _NONE:
            return ()
        return known if isinstance(known, list) else (known,)

    def under(self, texts: Collection[str]) -> list[T]:
        """All values under some texts."""
        values = self._values
        return [value for text in texts if text in values for value in self.of(text)]


_NONE: Final[Any] = object()
_HINT: Final = 2
"""Letters of a key that tell whether it can stand in a place. Few keys are shorter, and those tell by their first."""


class Pieces(Generic[T]):
    """Values under keys that are not empty, found by each text that has the key in the right place.

    A look-up takes a step for each length that keys have, if one of them begins (or ends) with the letters of the text
    there. No name is longer than 249.
    """

    __slots__ = ("_backwards", "_hints", "_values", "lengths")

    def __init__(self, *, backwards: bool = False) -> None:
        """backwards: they are looked for at the end of a text."""
        self._values: Values[T] = Values()
        self.lengths: tuple[int, ...] = ()
        self._hints: set[str] = set()
        self._backwards = backwards

    def add(self, key: str, value: T) -> None:
        """Put a value under a key."""
        self._values.add(key, value)
        self._hints.add(key[-_HINT:] if self._backwards else key[:_HINT])
        if len(key) not in self.lengths:
            self.lengths = tuple(sorted((*self.lengths, len(key))))

    def __iter__(self) -> Iterator[tuple[str, T]]:
        return iter(self._values)

    def beginning(self, text: str) -> list[T]:
        """All values whose key the text begins with."""
        if text[:_HINT] not in self._hints and text[:1] not in self._hints:
            return []
        return self._values.under([text[:length] for length in self._lengths_up_to(len(text))])

    def ending(self, text: str) -> list[T]:
        """All values whose key the text ends with."""
        if text[-_HINT:] not in self._hints and text[-1:] not in self._hints:
            return []
        return self._values.under([text[-length:] for length in self._lengths_up_to(len(text))])

    def within(self, text: str) -> list[T]:
        """All values whose key stands anywhere in the text."""
        hints = self._hints
        if not hints:
            return []
        starts = [at for at in range(len(text)) if text[at : at + _HINT] in hints or text[at] in hints]
        keys = {text[at : at + length] for at in starts for length in self._lengths_up_to(len(text) - at)}
        return self._values.under(keys)

    def _lengths_up_to(self, longest: int) -> tuple[int, ...]:
        return self.lengths[: bisect_right(self.lengths, longest)]


class PatternIndex(Generic[T]):
    """Patterns with a value each. A pattern is filed under its longest literal piece and found by names that have it.

    Only patterns with a star at both ends of their longest piece make each place of the name a start.
    """

    __slots__ = (
        "_any",
        "_beginnings",
        "_exact",
        "_heads",
        "_longer_heads",
        "_longer_tails",
        "_middles",
        "_tails",
        "_texts",
    )

    def __init__(self, patterns: Iterable[tuple[Pattern | None, T]] = ()) -> None:
        self._beginnings: Beginnings | None = None
        self._any: list[T] = []
        self._exact: Values[T] = Values()
        self._heads: Pieces[T] = Pieces()
        self._tails: Pieces[T] = Pieces(backwards=True)
        # Patterns of which the piece is not all, by the piece; and what they are filed for, by their text.
        self._longer_heads: Pieces[str] = Pieces()
        self._longer_tails: Pieces[str] = Pieces(backwards=True)
        self._middles: Pieces[str] = Pieces()
        self._texts: Values[T] = Values()
        for names, value in patterns:
            self.add(names, value)

    def add(self, names: Pattern | None, value: T) -> None:
        """File a value under a pattern; `None` matches every name."""
        self._beginnings = None
        if names is None or names.everything:
            self._any.append(value)
        elif names.exact:
            self._exact.add(names.head, value)
        else:
            self._add_starred(names, value)

    def _add_starred(self, names: Pattern, value: T) -> None:
        piece = max(names.head, names.tail, *names.middle, key=len)
        bare = sum(map(len, (names.head, names.tail, *names.middle))) == len(piece)
        if bare and piece == names.head:
            self._heads.add(piece, value)
        elif bare and piece == names.tail:
            self._tails.add(piece, value)
        else:
            if names.text not in self._texts:
                self._longer(names, piece).add(piece, names.text)
            self._texts.add(names.text, value)

    def _longer(self, names: Pattern, piece: str) -> Pieces[str]:
        if piece == names.head:
            return self._longer_heads
        return self._longer_tails if piece == names.tail else self._middles

    def __iter__(self) -> Iterator[tuple[Pattern | None, T]]:
        """All values with a pattern that matches the same names as theirs, in no particular order."""
        yield from ((None, value) for value in self._any)
        yield from ((literal(name), value) for name, value in self._exact)
        yield from ((pattern(f"{piece}*"), value) for piece, value in self._heads)
        yield from ((pattern(f"*{piece}"), value) for piece, value in self._tails)
        yield from ((pattern(text), value) for text, value in self._texts)

    def matching(self, name: str) -> list[T]:
        """The values of all patterns that match this name, in no particular order."""
        # Most indexes have patterns of one or two shapes, and those of the others are not even asked.
        found = [*self._any, *self._exact.of(name)]
        if self._heads.lengths:
            found += self._heads.beginning(name)
        if self._tails.lengths:
            found += self._tails.ending(name)
        if self._texts:
            longer = (
                *self._longer_heads.beginning(name),
                *self._longer_tails.ending(name),
                *self._middles.within(name),
            )
            found += self._texts.under([text for text in longer if pattern(text).matches(name)])
        return found

    def covering(self, beginning: str) -> list[T]:
        """The values of all patterns that match whatever begins like this.

        They match the generic name that does: no pattern has its last letter, so nothing but a star stands for it.
        """
        return self.matching(beginning + SPARE)

    def meets(self, beginning: str) -> bool:
        """Does any pattern match some name that begins like this?"""
        if self._beginnings is None:
            self._beginnings = Beginnings(names for names, _ in self)
        return self._beginnings.meet(beginning)


class Beginnings:
    """How the names begin that patterns match, in order, so that looking for one walks no others."""

    __slots__ = ("_longest", "_sorted", "_starred")

    def __init__(self, patterns: Iterable[Pattern | None]) -> None:
        heads = [("", False) if pattern is None else (pattern.head, pattern.exact) for pattern in patterns]
        self._sorted = sorted({head for head, _ in heads})
        self._starred = frozenset(head for head, exact in heads if not exact)
        self._longest = max(map(len, self._starred), default=-1)

    def meet(self, beginning: str) -> bool:
        """Is one of them longer than this, or does a star go on where one of them ends?"""
        at = bisect_left(self._sorted, beginning)
        if at < len(self._sorted) and self._sorted[at].startswith(beginning):
            return True
        return any(beginning[:end] in self._starred for end in range(min(len(beginning), self._longest) + 1))
