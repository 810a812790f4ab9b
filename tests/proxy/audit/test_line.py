"""Lines of a journal: their place, and what chains them."""

import hashlib
import json

import pytest

from kordon_proxy.audit.event import What, encode
from kordon_proxy.audit.line import BEGINNING, Place, place_of, seal
from tests.proxy.audit.events import SOURCE, a_denial, sealed, unchained

BODY = encode(a_denial(), SOURCE)
LINE, CHAIN = seal(BODY, "w1", 42, b"5" * 64)


def test_a_chain_can_be_checked_with_nothing_but_sha256() -> None:
    lines = sealed([a_denial(), a_denial(), a_denial()])

    previous = b"0" * 64
    for line in lines:
        text = line[: line.rindex(b',"chain":"')]
        assert json.loads(line)["chain"] == hashlib.sha256(previous + text).hexdigest()
        previous = json.loads(line)["chain"].encode()


def test_the_first_line_of_a_chain_says_that_it_is() -> None:
    line, _ = seal(BODY, "w1", 42)

    assert json.loads(line)["previous"] == BEGINNING.decode()


@pytest.mark.parametrize("says", [False, True])
def test_a_line_says_where_it_belongs(says: bool) -> None:
    line, chain = seal(BODY, "w1", 42, b"5" * 64, says_previous=says)

    place = place_of(line)

    assert place is not None
    assert (place.writer, place.sequence, place.chain) == ("w1", 42, chain)
    assert place.previous == (b"5" * 64 if says else None)
    assert place_of(line.rstrip()) == place


def test_a_line_of_before_the_chain_has_a_place_and_no_chain() -> None:
    (line,) = unchained([a_denial()], first=42)

    assert place_of(line) == Place(writer="w1", sequence=42, linked=len(line) - 2)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"{}\n",
        LINE[:-3],
        LINE[1:],
        LINE + LINE[:9],
        LINE + b"\n",
        LINE.replace(CHAIN, CHAIN.upper()),
        LINE.replace(CHAIN, CHAIN[1:]),
        LINE.replace(b"w1", b""),
        LINE.replace(b"w1", b"\xff"),
        bytes(500),
    ],
    ids=range(12),
)
def test_a_damaged_line_has_no_place(line: bytes) -> None:
    assert place_of(line) is None


def test_a_name_that_looks_like_the_end_of_a_line_does_not_change_its_place() -> None:
    ending = f'x","writer":"w9","sequence":"{9:020}","chain":"{"9" * 64}"}}'

    (line,) = sealed([a_denial(what=What(action=ending))], first=42)

    place = place_of(line)
    assert place is not None
    assert (place.writer, place.sequence) == ("w1", 42)
