"""Of which groups it has to be known what they read."""

import pytest

from kordon_proxy.standings import WantedGroups
from tests.proxy.sessions import a_snapshot

NAMES = frozenset({"prod", "real-cluster"})
TENANTS = """
policies: []
tenants:
  - {name: All, roles: [all], resources: [{include: ["*"]}]}
  - {name: One, roles: [one], resources: [{include: [cluster, prod, group, "g_*"]}]}
  - {name: Two, roles: [two], resources: [{include: [cluster, prod, group, h]}]}
"""


@pytest.mark.parametrize(
    ("group", "is_wanted"), [("g_one", True), ("h", True), ("other", False), ("g_" + "x" * 999, True)]
)
def test_those_are_wanted_that_a_tenant_includes_which_does_not_see_everything(group: str, is_wanted: bool) -> None:
    wanted, snapshot = WantedGroups(), a_snapshot(TENANTS)
    assert [wanted(snapshot, NAMES, group) for _ in range(2)] == [is_wanted, is_wanted]


def test_another_file_and_other_names_of_the_cluster_are_asked_anew() -> None:
    wanted = WantedGroups()
    first, second = a_snapshot(TENANTS), a_snapshot(TENANTS.replace("group, h]", "group, k]"), epoch=2)
    assert [wanted(first, NAMES, name) for name in ("h", "k")] == [True, False]
    assert [wanted(second, NAMES, name) for name in ("h", "k")] == [False, True]
    assert not wanted(second, frozenset({"other"}), "k")


def test_a_group_is_looked_for_once_however_many_tenants_there_are() -> None:
    snapshot = a_snapshot(TENANTS)
    wanted = WantedGroups()
    wanted(snapshot, NAMES, "g_one")
    asked: list[str] = []

    class Noting(dict[str, bool]):
        def __missing__(self, group: str) -> bool:
            asked.append(group)
            return True

    wanted._known = Noting(wanted._known)  # type: ignore[assignment]
    assert wanted(snapshot, NAMES, "g_one")
    assert wanted(snapshot, NAMES, "g_two")
    assert asked == ["g_two"]
