"""A line of a journal: the text of an event, its place, and its link to the line before.

An event's text gets two CloudEvents attributes when it gets its place, `writer` and `sequence`, and a third that chains
it to what stands before: `chain` is the SHA-256, in lower-case hexadecimal, of the `chain` of the line before followed
by all of this line up to the comma before `chain`. The first line of a chain follows 64 zeros. A line that begins a
file, or a chain, says what it follows in a fourth one, `previous`: it can be checked where nothing is left of the file
before. So a line that is changed, deleted, added or moved does not follow from the one before it any more, and what
stands at the end stands for all that there ever was.

All of them stand last and in this order, so that a reader finds them without parsing the line.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

BEGINNING: Final = b"0" * 64
"""What the first line of a chain follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a line says that it belongs. Journals of before the chain have neither `chain` nor `previous`."""

    writer: str
    sequence: int
    chain: bytes | None = None
    previous: bytes | None = None
    linked: int = 0
    """How many bytes of the line, from its beginning, its chain value is made of."""


def link(previous: bytes, text: bytes) -> bytes:
    """Return the chain value of a line with this text that follows a line with that chain value."""
    digest = hashlib.sha256(previous)
    digest.update(text)
    return digest.hexdigest().encode("ascii")


def seal(
    body: bytes, writer: str, sequence: int, previous: bytes | None = None, *, says_previous: bool = False
) -> tuple[bytes, bytes]:
    """Return a whole line and its chain value. `previous`: that of the line before; None: the chain begins here.

    CloudEvents' integers have 32 bits, hence `sequence` is a text, padded to sort as the number does.
    """
    text = b'%b,"writer":"%b","sequence":"%020d"' % (body, writer.encode("ascii"), sequence)
    before = previous or BEGINNING
    chain = link(before, text)
    said = b',"previous":"%b"' % before if says_previous or previous is None else b""
    return b'%b,"chain":"%b"%b}\n' % (text, chain, said), chain


_SEALED: Final = re.compile(
    rb'(\{.*,"writer":"([^"]+)","sequence":"(\d{20})")(?:,"chain":"([0-9a-f]{64})"(?:,"previous":"([0-9a-f]{64})")?)?\}',
    re.DOTALL,
)


def place_of(line: bytes) -> Place | None:
    """Return what a whole line says of its place, None when the line is damaged. Its end may be left out."""
    match = _SEALED.fullmatch(line.removesuffix(b"\n"))
    if match is None or not match[2].isascii():
        return None
    return Place(
        writer=match[2].decode("ascii"),
        sequence=int(match[3]),
        chain=match[4],
        previous=match[5],
        linked=match.end(1),
    )


def sealed_part(text: bytes) -> int | None:
    """Return how many bytes of a text are a whole line without its end, None when it does not begin with one."""
    match = _SEALED.match(text)
    return None if match is None else match.end()
