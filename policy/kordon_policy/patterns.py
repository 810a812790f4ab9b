"""The names of a path: exact, `prefix*`, `*suffix`, `*`, and a star anywhere else. Only the star is special."""

import re
from dataclasses import dataclass

STAR = "*"
# A letter that no pattern contains (control letters are refused in files), to stand for what a star may match.
SPARE = "\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A pattern, cut at its stars. Without a star it is a literal, all of it in `head`."""

    text: str
    head: str  # before the first star
    middle: tuple[str, ...]  # between stars, empty ones left out
    tail: str  # after the last star
    exact: bool

    @property
    def everything(self) -> bool:
        """Does it match any name, the empty one too?"""
        return not (self.exact or self.head or self.middle or self.tail)

    @property
    def word(self) -> str:
        """A name that this pattern matches, and no other pattern that does not cover it whole."""
        return self.text.replace(STAR, SPARE)

    def matches(self, name: str) -> bool:
        """Match in one pass: taking each middle piece where it first appears leaves the most room for the rest."""
        if self.exact:
            return name == self.head
        if len(name) < len(self.head) + len(self.tail):
            return False
        if not (name.startswith(self.head) and name.endswith(self.tail)):
            return False
        start, end = len(self.head), len(name) - len(self.tail)
        for piece in self.middle:
            found = name.find(piece, start, end)
            if found < 0:
                return False
            start = found + len(piece)
        return True


def pattern(text: str) -> Pattern:
    """Read a pattern as it is written in a file."""
    if STAR not in text:
        return literal(text)
    head, *middle, tail = text.split(STAR)
    return Pattern(text=text, head=head, middle=tuple(piece for piece in middle if piece), tail=tail, exact=False)


def literal(name: str) -> Pattern:
    """A pattern that matches this very name, whatever letters it has: what an identity brings is no pattern."""
    return Pattern(text=name, head=name, middle=(), tail="", exact=True)


def covers(one: Pattern | None, other: Pattern | None) -> bool:
    """Does the one match every name that the other matches? `None` is any name.

    What matches a pattern's word has a star wherever the pattern has one. So several patterns cover another together
    only if one of them does so alone.
    """
    if one is None:
        return True
    if other is None:
        return one.matches(SPARE)
    return one.matches(other.head if other.exact else other.word)


def meet(one: Pattern | None, other: Pattern | None) -> bool:
    """Is there a name that both match? `None` is any name."""
    if one is None or other is None:
        return True
    if one.exact:
        return other.matches(one.head)
    if other.exact:
        return one.matches(other.head)
    # The longer head, the pieces of the one, those of the other, the longer tail: a name that both match.
    begin_alike = one.head.startswith(other.head) or other.head.startswith(one.head)
    return begin_alike and (one.tail.endswith(other.tail) or other.tail.endswith(one.tail))


def beginning(one: Pattern | None, letters: str) -> list[Pattern]:
    """Patterns of those names among a pattern's that begin with these letters. `None` is any name."""
    if one is not None and one.exact:
        return [one] if one.head.startswith(letters) else []
    # Stars in a row are one star, and would each be taken for a place where the letters may begin.
    texts = _beginning(STAR if one is None else re.sub(r"\*+", STAR, one.text), letters)
    return [pattern(text) for text in dict.fromkeys(texts)]


def _beginning(text: str, letters: str) -> list[str]:
    if not letters:
        return [text]
    if not text:
        return []
    if text[0] == STAR:
        # Either the star stands for all of the letters and may go on, or it ends after some of them.
        ends = [letters[:at] + rest for at in range(len(letters)) for rest in _beginning(text[1:], letters[at:])]
        return [letters + text, *ends]
    return [text[0] + rest for rest in _beginning(text[1:], letters[1:])] if text[0] == letters[0] else []
