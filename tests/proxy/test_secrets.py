"""A secret never shows itself."""

import copy
import json
import pickle
from pathlib import Path

import pytest

from kordon_proxy.secrets import Secret, SecretMissing, resolve

CANARY = "hunter2-canary"


@pytest.mark.parametrize(
    "show", [str, repr, "{}".format, "{0:>20}".format, "%s".__mod__, lambda s: f"{s!r}", lambda s: repr([s])]
)
def test_a_secret_shows_as_stars(show: object) -> None:
    assert callable(show)
    shown = show(Secret(CANARY))

    assert CANARY not in shown
    assert "***" in shown


def test_only_reveal_gives_it() -> None:
    assert Secret(CANARY).reveal() == CANARY


def test_two_secrets_are_not_compared_by_what_they_hold() -> None:
    assert Secret(CANARY) != Secret(CANARY)
    assert {Secret(CANARY)} & {Secret(CANARY)} == set()


@pytest.mark.parametrize("leak", [pickle.dumps, copy.copy, json.dumps, vars])
def test_a_secret_leaves_by_no_other_way(leak: object) -> None:
    assert callable(leak)
    with pytest.raises(TypeError) as caught:
        leak(Secret(CANARY))

    assert CANARY not in str(caught.value)


def test_a_secret_comes_from_the_environment() -> None:
    assert resolve("${env:PASSWORD}", Path(), {"PASSWORD": CANARY}).reveal() == CANARY


@pytest.mark.parametrize("content", [CANARY, f"{CANARY}\n", f"{CANARY}\r\n"])
def test_a_secret_comes_from_a_file_without_its_line_feed(tmp_path: Path, content: str) -> None:
    (tmp_path / "kafka").write_bytes(content.encode())

    assert resolve("${file:kafka}", tmp_path).reveal() == CANARY
    assert resolve(f"${{file:{tmp_path / 'kafka'}}}", Path("/elsewhere")).reveal() == CANARY


def test_spaces_belong_to_the_secret(tmp_path: Path) -> None:
    (tmp_path / "kafka").write_text(f" {CANARY} \n\n")

    assert resolve("${file:kafka}", tmp_path).reveal() == f" {CANARY} \n"


def test_text_that_is_no_reference_is_the_secret() -> None:
    assert resolve("pa$$word{}", Path()).reveal() == "pa$$word{}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("${env:MISSING}", "the environment variable MISSING is not set"),
        ("${env:EMPTY}", "env EMPTY holds an empty secret"),
        ("${file:missing}", "no such file"),
        ("${file:empty}", "file empty holds an empty secret"),
        ("${file:large}", "larger than 65536 bytes"),
        ("${file:binary}", "not UTF-8"),
        ("${file:.}", "cannot read"),
        (f"{CANARY}${{env:EMPTY}}", "nothing around it"),
        (f"${{{CANARY}}}", "nothing around it"),
    ],
)
def test_a_secret_that_is_not_there_says_so_without_any_of_it(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "large").write_bytes(CANARY.encode() * 10_000)
    (tmp_path / "binary").write_bytes(CANARY.encode() + b"\xff")

    with pytest.raises(SecretMissing) as caught:
        resolve(text, tmp_path, {"EMPTY": ""})

    assert reason in str(caught.value)
    assert CANARY not in str(caught.value)
