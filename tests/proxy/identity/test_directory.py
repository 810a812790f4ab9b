"""Users and groups are followed while Kordon runs; a bad file changes nothing."""

import asyncio
import os
from pathlib import Path

import pytest

from kordon_proxy.config.findings import Refused
from kordon_proxy.config.load import load_config
from kordon_proxy.config.model import Config
from kordon_proxy.identity.directory import DirectoryFiles, anonymous
from kordon_proxy.identity.values import NO_LOGIN, Facts
from tests.proxy.identity.test_users import GOOD, KEY, user

CONFIG = """
clusters: [{name: prod, bootstrap: ["127.0.0.1:9092"]}]
providers: {staff: {type: users, file: users.yaml}}
listeners:
  - {name: apps, bind: "127.0.0.1:19092", cluster: prod, sasl: {PLAIN: staff}, tenant_suffix: "@", tenant: Trading}
  - {name: side, bind: "127.0.0.1:29092", cluster: prod, identity: {principal: svc-trade, roles: [svc]}}
groups_file: groups.yaml
"""


class Place:
    """A folder with a configuration, whose files can be replaced."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writes = 0
        self.write("kordon.yaml", CONFIG)
        self.write("rbac.yaml", "policies: []\n")
        self.write("users.yaml", GOOD)
        self.write("groups.yaml", "devs: [alice, bob]\nowners: [alice]\n")

    def write(self, name: str, text: str, mode: int = 0o600) -> None:
        self._writes += 1
        path = self.folder / name
        path.write_text(text)
        path.chmod(mode)
        # File systems have coarse clocks, and the test does not wait for the next tick.
        os.utime(path, ns=(self._writes, self._writes))

    @property
    def config(self) -> Config:
        return load_config(self.folder / "kordon.yaml")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def poll(files: DirectoryFiles) -> bool:
    return asyncio.run(files.poll())


def facts(name: str = "alice") -> Facts:
    return Facts(mechanism="PLAIN", provider="staff", name=name, credential="a1")


def test_a_directory_holds_users_groups_and_what_listeners_say(place: Place) -> None:
    directory = DirectoryFiles(place.config).current

    found = directory.user(facts())
    assert found is not None
    assert found.roles == {"owners", "devs"}
    assert directory.groups == {"alice": {"devs", "owners"}, "bob": {"devs"}}
    assert directory.doors["apps"].tenant == "Trading"
    assert directory.doors["side"].roles == {"svc"}


def test_a_listener_without_login_says_who_everybody_is(place: Place) -> None:
    apps, side = place.config.listeners

    assert anonymous(side) == Facts(mechanism=NO_LOGIN, name="svc-trade")
    with pytest.raises(ValueError, match="apps"):
        anonymous(apps)


def test_nothing_new_is_nothing_new(place: Place) -> None:
    files = DirectoryFiles(place.config)
    before = files.current

    assert not poll(files)
    assert files.current is before


@pytest.mark.parametrize(
    ("name", "text"), [("users.yaml", user("bob")), ("groups.yaml", "devs: [carol]\n"), ("users.yaml", KEY)]
)
def test_a_changed_file_makes_a_new_directory(place: Place, name: str, text: str) -> None:
    files = DirectoryFiles(place.config)
    before = files.current
    place.write(name, text)

    assert poll(files)
    assert files.current.revision == before.revision + 1
    assert (files.current.users, files.current.groups) != (before.users, before.groups)
    assert files.problems == ()


@pytest.mark.parametrize(
    ("name", "text", "mode", "problem"),
    [
        ("users.yaml", "users: [", 0o600, "not YAML"),
        ("users.yaml", KEY + "users: {alice: {}}\n", 0o600, "`credentials` is missing"),
        ("users.yaml", user("a@b"), 0o600, "expects a tenant"),
        ("users.yaml", user("bob"), 0o640, "others may read this file"),
        ("groups.yaml", "devs: bob\n", 0o644, "expected a list here"),
        ("groups.yaml", "'*': [bob]\n", 0o644, "is no role"),
    ],
)
def test_a_bad_file_keeps_the_last_good_one_and_says_why(
    place: Place, name: str, text: str, mode: int, problem: str
) -> None:
    files = DirectoryFiles(place.config)
    before = files.current
    place.write(name, text, mode)

    assert poll(files)
    assert files.current is before
    assert len(files.problems) == 1
    assert problem in files.problems[0]
    assert not poll(files)


def test_a_file_that_others_may_read_is_taken_when_they_may_not_any_more(place: Place) -> None:
    files = DirectoryFiles(place.config)
    place.write("users.yaml", user("bob"), 0o640)
    assert poll(files)

    (place.folder / "users.yaml").chmod(0o600)

    assert poll(files)
    assert files.problems == ()
    assert files.current.user(facts("bob")) is not None


def test_a_file_that_is_gone_keeps_the_last_good_one_and_one_that_comes_back_is_taken(place: Place) -> None:
    files = DirectoryFiles(place.config)
    (place.folder / "users.yaml").unlink()
    assert poll(files)
    assert "no such file" in files.problems[0]
    assert files.current.user(facts()) is not None

    place.write("users.yaml", user("bob"))

    assert poll(files)
    assert files.problems == ()
    assert files.current.user(facts()) is None
    assert files.current.user(facts("bob")) is not None


def test_a_link_that_is_swapped_is_a_changed_file(place: Place) -> None:
    """As Kubernetes does it, with files of the same size and time."""
    for name in ("first", "second"):
        place.write(name, GOOD if name == "first" else GOOD.replace("alice", "carol"))
        os.utime(place.folder / name, ns=(1, 1))
    (place.folder / "users.yaml").unlink()
    (place.folder / "users.yaml").symlink_to("first")
    files = DirectoryFiles(place.config)

    (place.folder / "link").symlink_to("second")
    (place.folder / "link").rename(place.folder / "users.yaml")

    assert poll(files)
    assert files.current.user(facts("carol")) is not None


def test_a_bad_file_at_the_start_is_refused(place: Place) -> None:
    config = place.config
    place.write("users.yaml", "users: [")

    with pytest.raises(Refused):
        DirectoryFiles(config)
