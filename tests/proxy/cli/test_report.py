"""What is printed for programs is read by people as well, at terminals that obey some of it."""

import json

import pytest

from kordon_proxy.cli.client import print_json


@pytest.mark.parametrize(
    "text", ["\x9b31m", "\x1b]0;owned\x07", "\u202erotide", "\u2028", "\ud800", "\U000e0041", "ünlü 😀 price"]
)
def test_no_letter_of_json_moves_the_cursor_or_turns_others_round(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    print_json({"records": [{"value": text, text: 1}]})

    printed = capsys.readouterr().out
    assert all(letter.isprintable() or letter == "\n" for letter in printed)
    assert json.loads(printed) == {"records": [{"value": text, text: 1}]}
    assert (text in printed) is text.isprintable()
