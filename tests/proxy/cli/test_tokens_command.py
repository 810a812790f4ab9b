"""`kordon tokens`, as people type it."""

import json
from pathlib import Path

from kordon_proxy.identity.tokens import load_tokens
from tests.proxy.cli.command import Run


def test_a_token_is_made_shown_once_listed_and_taken_away(kordon: Run, tmp_path: Path) -> None:
    file = tmp_path / "tokens.yaml"
    added = kordon("tokens", "add", "ann", "-r", "owners", "--expires", "90d", "-f", file)

    assert added.code == 0
    text = added.out.strip()
    tokens = load_tokens(file).tokens
    assert tokens is not None
    found = tokens.find(text, 0)
    assert found is not None
    assert found.id in added.err

    listed = kordon("tokens", "list", "-f", file)
    assert ("owners" in listed.out, text.rpartition("_")[2] in listed.out) == (True, False)
    (one,) = json.loads(kordon("tokens", "list", "-f", file, "--output", "json").out)
    assert (one["id"], one["principal"], one["roles"]) == (found.id, "ann", ["owners"])

    assert kordon("tokens", "remove", found.id, "-f", file).code == 0
    assert kordon("tokens", "remove", found.id, "-f", file).code == 1
    assert json.loads(kordon("tokens", "list", "-f", file, "--output", "json").out) == []


def test_what_cannot_be_made_says_why(kordon: Run, tmp_path: Path) -> None:
    file = tmp_path / "tokens.yaml"

    over = kordon("tokens", "add", "ann", "--expires", "2020-01-01T00:00:00Z", "-f", file)
    assert (over.code, "would have ended already" in over.err, file.exists()) == (1, True, False)
    assert kordon("tokens", "add", "*", "-f", file).code == 1
    missing = kordon("tokens", "list", "-f", file)
    assert (missing.code, "no such file" in missing.err) == (2, True)


def test_a_tokens_file_is_checked(kordon: Run, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("tokens:\n  a: {principal: ann, sha256: short}\n")

    checked = kordon("check", file)

    assert (checked.code, "mine.yaml:2:" in checked.out) == (1, True)
