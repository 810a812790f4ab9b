"""The names of a path: exact, `prefix*`, `*suffix`, `*`, and a star anywhere else. Only the star is special."""

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
