"""A users file is changed by one writer at a time, as a whole or not at all."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kordon_proxy.identity import scrypt, users_edit
from kordon_proxy.identity.users import Users, load_users
from tests.proxy.identity.test_users import GOOD

NAMES = [f"user-{number}" for number in range(8)]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrypt, "LOG_N", scrypt.ACCEPTED[0])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "users.yaml"
    path.write_text(GOOD)
    return path


def users_in(path: Path) -> Users:
    loaded = load_users(path)
    assert loaded.users is not None, loaded.findings
    return loaded.users


def add(path: Path, name: str) -> None:
    with users_edit.edit(path) as content:
        users_edit.add_user(content, name, users_edit.new_password())


def test_writers_at_the_same_time_lose_nothing(path: Path) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda name: add(path, name), NAMES))

    assert set(users_in(path).by_name) == {"alice", *NAMES}


def test_a_change_that_fails_half_way_changes_nothing(path: Path) -> None:
    def half_way() -> None:
        with users_edit.edit(path) as content:
            users_edit.remove_user(content, "alice")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half_way()

    assert path.read_text() == GOOD


def test_a_disk_that_fails_changes_nothing_and_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(OSError, match="No space"):
        add(path, "bob")

    assert path.read_text() == GOOD
    assert [entry.name for entry in path.parent.iterdir()] == ["users.yaml"]


def test_what_was_open_to_others_is_closed_when_it_is_written(path: Path) -> None:
    path.chmod(0o644)

    add(path, "bob")

    assert path.stat().st_mode & 0o777 == 0o600


def test_a_rotation_keeps_salt_and_cost_and_a_new_password_does_not(path: Path) -> None:
    with users_edit.edit(path) as content:
        users_edit.retire(content, "alice")
        users_edit.rotate(content, "alice", users_edit.new_password())
    old, new = (credential.scrypt for credential in users_in(path).by_name["alice"].credentials)
    assert (old.salt, old.log_n) == (new.salt, new.log_n)

    with users_edit.edit(path) as content:
        users_edit.set_password(content, "alice", users_edit.new_password())

    assert users_in(path).by_name["alice"].credentials[0].scrypt.salt != old.salt


def test_an_end_survives_being_written(path: Path) -> None:
    with users_edit.edit(path) as content:
        users_edit.add_user(content, "bob", users_edit.new_password(), expires=1_800_000_000.0)
    add(path, "carol")

    assert users_in(path).by_name["bob"].credentials[0].expires == 1_800_000_000.0
    assert users_in(path).by_name["alice"].credentials[1].expires == 1_801_396_800.0


def test_new_passwords_are_long_and_never_the_same() -> None:
    made = {users_edit.new_password() for _ in range(100)}

    assert len(made) == 100
    assert all(len(password) == 32 and password.isascii() for password in made)
