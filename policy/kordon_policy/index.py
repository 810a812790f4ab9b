"""Patterns that are found by the name they match, whatever the number of those that they don't."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from kordon_policy.patterns import SPARE, Pattern

T = TypeVar("T")


class Trie(Generic[T]):
    """Values under keys, found by every text that begins with the key. Nodes hold as many letters as they can."""

    __slots__ = ("_root",)

    def __init__(self) -> None:
        self._root: _Node[T] = _Node("", [])

    def __bool__(self) -> bool:
        return bool(self._root.children)

    def add(self, key: str, value: T) -> None:
        """Put a value under a key, which is not empty."""
        node, at = self._root, 0
        while at < len(key):
            child = node.children.get(key[at])
            if child is None:
                child = node.children[key[at]] = _Node(key[at:], [])
            elif not key.startswith(child.label, at):
                child = node.children[key[at]] = child.split(_shared(child.label, key, at))
            node, at = child, at + len(child.label)
        node.values.append(value)

    def beginning(self, text: str, at: int = 0) -> list[T]:
        """All values whose key stands in the text at this place."""
        found: list[T] = []
        node, end = self._root, len(text)
        while at < end:
            child = node.children.get(text[at])
            if child is None or not text.startswith(child.label, at):
                break
            found += child.values
            node, at = child, at + len(child.label)
        return found

    def within(self, text: str) -> list[T]:
        """All values whose key stands anywhere in the text; more than once if the key does."""
        first = self._root.children
        return [value for at, letter in enumerate(text) if letter in first for value in self.beginning(text, at)]


class _Node(Generic[T]):
    __slots__ = ("children", "label", "values")

    def __init__(self, label: str, values: list[T]) -> None:
        self.label = label
        self.values = values
        self.children: dict[str, _Node[T]] = {}

    def split(self, length: int) -> "_Node[T]":
        """Cut the label, and return the new node that holds its first letters and this node below."""
        above: _Node[T] = _Node(self.label[:length], [])
        self.label = self.label[length:]
        above.children[self.label[0]] = self
        return above


class PatternIndex(Generic[T]):
    """Patterns with a value each. A pattern is filed under its longest literal piece and found by names that have it.

    Exact names are one look-up; `prefix*` and `*suffix` one walk along the name. Only patterns with a star at both
    ends of their longest piece make each place of the name a start.
    """

    __slots__ = ("_any", "_beginnings", "_exact", "_heads", "_middles", "_patterns", "_tails")

    def __init__(self) -> None:
        self._beginnings: Beginnings | None = None
        self._patterns: list[tuple[Pattern | None, T]] = []
        self._any: list[T] = []
        self._exact: dict[str, list[T]] = {}
        # With each value, the pattern if more than the piece must be looked at.
        self._heads: Trie[tuple[Pattern | None, T]] = Trie()
        self._tails: Trie[tuple[Pattern | None, T]] = Trie()  # written backwards
        self._middles: Trie[tuple[Pattern | None, T]] = Trie()

    def add(self, pattern: Pattern | None, value: T) -> None:
        """File a value under a pattern; `None` matches every name."""
        self._patterns.append((pattern, value))
        self._beginnings = None
        if pattern is None or pattern.everything:
            self._any.append(value)
        elif pattern.exact:
            self._exact.setdefault(pattern.head, []).append(value)
        else:
            self._add_starred(pattern, value)

    def __iter__(self) -> Iterator[tuple[Pattern | None, T]]:
        return iter(self._patterns)

    def _add_starred(self, pattern: Pattern, value: T) -> None:
        piece = max(pattern.head, pattern.tail, *pattern.middle, key=len)
        bare = sum(map(len, (pattern.head, pattern.tail, *pattern.middle))) == len(piece)
        if piece == pattern.head:
            self._heads.add(piece, (None if bare else pattern, value))
        elif piece == pattern.tail:
            self._tails.add(piece[::-1], (None if bare else pattern, value))
        else:
            self._middles.add(piece, (pattern, value))

    def matching(self, name: str) -> list[T]:
        """The values of all patterns that match this name, in no particular order."""
        found = [*self._any, *self._exact.get(name, ())]
        if self._heads:
            found += _confirmed(self._heads.beginning(name), name)
        if self._tails:
            found += _confirmed(self._tails.beginning(name[::-1]), name)
        if self._middles:
            # A piece may stand in a name more than once; its patterns are looked at and returned once.
            entries = {id(entry): entry for entry in self._middles.within(name)}
            found += _confirmed(entries.values(), name)
        return found

    def covering(self, beginning: str) -> list[T]:
        """The values of all patterns that match whatever begins like this.

        They match the generic name that does: no pattern has its last letter, so nothing but a star stands for it.
        """
        return self.matching(beginning + SPARE)

    def meets(self, beginning: str) -> bool:
        """Does any pattern match some name that begins like this?"""
        if self._beginnings is None:
            self._beginnings = Beginnings(pattern for pattern, _ in self._patterns)
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


def _confirmed(entries: Iterable[tuple[Pattern | None, T]], name: str) -> list[T]:
    return [value for pattern, value in entries if pattern is None or pattern.matches(name)]


def _shared(label: str, key: str, at: int) -> int:
    """How many letters the label and the key from this place on begin with together."""
    pairs = enumerate(zip(label, key[at : at + len(label)], strict=False))
    return next((length for length, (one, other) in pairs if one != other), min(len(label), len(key) - at))
