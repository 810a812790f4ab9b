"""`kordon users` changes a users file, and shows a password only where it made one."""

import json
from pathlib import Path

import pytest

from kordon_proxy.identity.scrypt import matches
from kordon_proxy.identity.users import load_users
from tests.proxy.cli.command import Run

pytestmark = pytest.mark.usefixtures("quick_hashes")

CANARY = "hunter2-canary"


def passwords_of(folder: Path, name: str, *passwords: str) -> list[str]:
    """Which of the passwords open which credential."""
    users = load_users(folder / "users.yaml").users
    assert users is not None
    hashes = tuple(credential.scrypt for credential in users.by_name[name].credentials)
    return [password for password in passwords if matches(password, hashes)]


def test_a_user_is_added_with_a_password_from_standard_input(kordon: Run, folder: Path) -> None:
    ran = kordon("users", "add", "bob", "-r", "devs", "-r", "owners", "--stdin", stdin=f"{CANARY}\n")

    assert (ran.code, ran.out) == (0, "")
    assert passwords_of(folder, "bob", CANARY, "other-password") == [CANARY]
    users = load_users(folder / "users.yaml").users
    assert users is not None
    assert users.by_name["bob"].roles == {"devs", "owners"}


def test_a_password_that_was_made_is_the_only_thing_on_standard_output(kordon: Run, folder: Path) -> None:
    ran = kordon("users", "add", "bob", "--generate")

    password = ran.out.removesuffix("\n")
    assert len(password) == 32
    assert passwords_of(folder, "bob", password) == [password]
    assert password not in ran.err


@pytest.mark.parametrize(("words", "told"), [((), ", who has no role"), (("--role", "devs"), "")])
def test_who_has_no_role_is_said_to_need_one(kordon: Run, folder: Path, words: tuple[str, ...], told: str) -> None:
    ran = kordon("users", "add", "bob", "--generate", *words)

    assert ran.err.startswith(f"added bob{told}")
    assert ("role" in ran.err) == bool(told)


def test_a_file_is_made_where_there_is_none_and_only_its_owner_may_read_it(kordon: Run, tmp_path: Path) -> None:
    path = tmp_path / "new.yaml"

    assert kordon("users", "add", "bob", "--generate", "--file", path).code == 0

    assert path.stat().st_mode & 0o777 == 0o600
    assert load_users(path).users is not None
    assert [entry.name for entry in tmp_path.iterdir()] == ["new.yaml"]


def test_a_rotation_has_two_passwords_until_the_older_is_retired(kordon: Run, folder: Path) -> None:
    kordon("users", "passwd", "alice", "--stdin", stdin="old-password\n")

    kordon("users", "rotate", "alice", "--stdin", stdin="new-password\n")
    during = passwords_of(folder, "alice", "old-password", "new-password")
    kordon("users", "retire", "alice")

    assert during == ["old-password", "new-password"]
    assert passwords_of(folder, "alice", "old-password", "new-password") == ["new-password"]


def test_a_rotation_can_be_taken_back(kordon: Run, folder: Path) -> None:
    kordon("users", "passwd", "alice", "--stdin", stdin="old-password\n")
    kordon("users", "rotate", "alice", "--stdin", stdin="new-password\n")
    (alice,) = json.loads(kordon("users", "list", "--output", "json").out)

    kordon("users", "retire", "alice", "--id", alice["credentials"][1]["id"])

    assert passwords_of(folder, "alice", "old-password", "new-password") == ["old-password"]


def test_a_new_password_replaces_both(kordon: Run, folder: Path) -> None:
    kordon("users", "rotate", "alice", "--generate")

    kordon("users", "passwd", "alice", "--stdin", stdin="new-password\n")

    assert passwords_of(folder, "alice", "new-password") == ["new-password"]
    (alice,) = json.loads(kordon("users", "list", "--output", "json").out)
    assert len(alice["credentials"]) == 1


def test_users_are_listed_without_their_hashes(kordon: Run, folder: Path) -> None:
    kordon("users", "rotate", "alice", "--generate", "--expires", "2027-01-31T12:00:00Z")

    table, listed = kordon("users", "list").out, kordon("users", "list", "--output", "json").out

    assert "alice" in table
    assert "until 2027-01-31T12:00:00Z" in table
    assert "ln=" not in table + listed
    assert json.loads(listed)[0]["roles"] == ["owners"]
    assert json.loads(listed)[0]["default_tenant"] == "Trading"


def test_a_user_is_removed(kordon: Run, folder: Path) -> None:
    assert kordon("users", "remove", "alice").code == 0

    users = load_users(folder / "users.yaml").users
    assert users is not None
    assert users.by_name == {}


@pytest.mark.parametrize(
    ("words", "stdin", "code", "told"),
    [
        (("add", "alice", "--generate"), "", 1, "there is a user alice already"),
        (("add", "*", "--generate"), "", 1, "stands for others"),
        (("add", "a" * 256, "--generate"), "", 1, "over 255 bytes"),
        (("add", "bob", "--stdin"), "short\n", 1, "8 to 256 characters"),
        (("add", "bob", "--stdin"), "", 1, "8 to 256 characters"),
        (("add", "bob", "--stdin"), f"{CANARY}-\u00fc\n", 1, "printable ASCII"),
        (("add", "bob", "--generate", "--stdin"), "", 2, "either --generate or --stdin"),
        (("add", "bob"), "", 2, "no terminal to ask for a password on"),
        (("add", "bob", "--generate", "--role", "*"), "", 1, "no role that somebody can have"),
        (("add", "bob", "--generate", "--expires", "soon"), "", 1, "`soon` is no time and no date, as in 90d or"),
        (("add", "bob", "--generate", "--expires", "2020-01-31"), "", 1, "until 2020-01-31 would have ended already"),
        (("add", "bob", "--generate", "--expires", "9999999d"), "", 1, "would end after the year 9999"),
        (("passwd", "alice", "--generate", "--expires", "0"), "", 1, "would have ended already"),
        (("add", "bob", "--generate", "--role", ""), "", 1, "a role has no name"),
        (("remove", "bob"), "", 1, "there is no user bob"),
        (("passwd", "bob", "--generate"), "", 1, "there is no user bob"),
        (("rotate", "bob", "--generate"), "", 1, "there is no user bob"),
        (("retire", "alice"), "", 1, "one password only"),
        (("retire", "alice", "--id", "x"), "", 1, "no credential x; there is a1"),
        (("list", "--file", "missing.yaml"), "", 2, "cannot use missing.yaml: no such file or directory"),
        (("remove", "bob", "--file", "missing.yaml"), "", 2, "no such file or directory"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_changes_nothing(
    kordon: Run, folder: Path, words: tuple[str, ...], stdin: str, code: int, told: str
) -> None:
    before = (folder / "users.yaml").read_text()

    ran = kordon("users", *words, stdin=stdin)

    assert (ran.code, ran.out) == (code, "")
    assert ran.err.startswith("kordon: ")
    assert ran.err.count("\n") == 1
    assert told in ran.err
    assert CANARY not in ran.err
    assert (folder / "users.yaml").read_text() == before


def test_a_file_with_mistakes_is_not_touched(kordon: Run, folder: Path) -> None:
    (folder / "users.yaml").write_text("users: {}\n")

    ran = kordon("users", "add", "bob", "--generate")

    assert ran.code == 1
    assert "`fake_salt_key` is missing" in ran.err
    assert (folder / "users.yaml").read_text() == "users: {}\n"


def test_a_third_password_is_refused(kordon: Run, folder: Path) -> None:
    kordon("users", "rotate", "alice", "--generate")

    assert "two passwords already" in kordon("users", "rotate", "alice", "--generate").err


def test_a_link_stays_a_link(kordon: Run, folder: Path) -> None:
    (folder / "users.yaml").rename(folder / "real.yaml")
    (folder / "users.yaml").symlink_to("real.yaml")

    kordon("users", "remove", "alice")

    assert (folder / "users.yaml").is_symlink()
    users = load_users(folder / "real.yaml").users
    assert users is not None
    assert users.by_name == {}


def test_names_that_yaml_would_misread_stay_what_they_are(kordon: Run, folder: Path) -> None:
    for name in ("007", "on", "~x", "a: b", "#1"):
        assert kordon("users", "add", name, "--generate").code == 0

    listed = json.loads(kordon("users", "list", "--output", "json").out)

    assert [user["name"] for user in listed] == ["alice", "007", "on", "~x", "a: b", "#1"]
