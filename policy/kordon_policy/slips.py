"""What was probably meant: a word or a pattern of a rule that a slip keeps from what is asked about."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from kordon_policy.findings import distances, nearest
from kordon_policy.patterns import STAR, Pattern, pattern

CASE: Final = "differs in case alone"
LETTERS: Final = "differs in a letter or two"
PLACE: Final = "stands in the place of the cluster"
_LONGEST: Final = 64
"""Letters of a word that is compared letter by letter."""


class Slip(NamedTuple):
    """What kind of slip it is, and the text that was meant."""

    kind: str
    meant: str


def slip_of_word(word: str, known: Iterable[str]) -> Slip | None:
    """The known word that was meant by one that is none of them."""
    meant = nearest(word, known)
    if meant is None:
        return None
    return Slip(CASE if meant.casefold() == word.casefold() else LETTERS, meant)


def slip_of_name(written: Pattern, name: str) -> Slip | None:
    """The pattern that was meant by one that does not match this name, if it is an exact name, a prefix or a suffix."""
    if written.middle or (written.head and written.tail):
        return None
    if written.exact:
        return slip_of_word(written.head, (name,))
    piece = written.head or written.tail
    backwards = not written.head
    meant = _beginning(piece[::-1] if backwards else piece, name[::-1] if backwards else name)
    if meant is None:
        return None
    text = STAR + meant[::-1] if backwards else meant + STAR
    kind = CASE if meant.casefold() == (piece[::-1] if backwards else piece).casefold() else LETTERS
    return Slip(kind, text)


def slip_of_place(domain_id: str, name: str | None) -> Slip | None:
    """A pattern of names that was written where the cluster belongs, and matches this name."""
    if name is None or STAR not in domain_id or not pattern(domain_id).matches(name):
        return None
    return Slip(PLACE, domain_id)


def _beginning(piece: str, name: str) -> str | None:
    """The beginning of the name that is nearest to a piece, if it is near."""
    if not piece or len(piece) > _LONGEST:
        return None
    found = distances(piece.casefold(), name[: len(piece) + 2].casefold())
    length = min(range(len(found)), key=lambda at: (found[at], abs(at - len(piece))))
    # A short word is not a misspelling of any other short word.
    return name[:length] if length and found[length] <= min(2, len(piece) // 2) else None
