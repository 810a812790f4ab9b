"""How far rights and views reach, against what the evaluator says of one name after the other."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from kordon_policy.access import Access, access_by
from kordon_policy.actions import Action, Kind
from kordon_policy.model import Compat
from kordon_policy.reach import Entry, Slot, entries_of, inferable, inferred_region, reach, shown
from kordon_policy.regions import Cell, Region, matches
from kordon_policy.rights import STAND_INS
from kordon_policy.snapshot import Snapshot, compile_snapshot
from tests.policy.drawing import CLUSTERS, names, policies, questions, tenants
from tests.policy.given import PROD, a_document, a_snapshot
from tests.policy.given import tenants as tenants_file

ORDINARY: Final = ["", "a", "b", "ab", "ba", "aab", "__a", "__b", "__kordon", "__kordon_x", "_", "x"]


def near(region: Region) -> set[str]:
    """Names in the region, and names just outside it."""
    return {name for cell in region for name in (*_in_and_around(cell),)}


def _in_and_around(cell: Cell) -> Iterable[str]:
    yield cell.example()
    for one in (cell.pattern, *cell.but):
        word = one.text.replace("*", "x")
        yield from (word, word[1:], word[:-1], f"{word}z", f"z{word}", one.text.replace("*", ""))


def those_for(snapshot: Snapshot, roles: frozenset[str]) -> list[Entry]:
    return [entry for entry in entries_of(snapshot) if entry.is_for(roles, "someone")]


@settings(max_examples=100, deadline=None)
@given(
    file=st.fixed_dictionaries({"policies": st.lists(policies, max_size=8)}),
    asked=questions(),
    drawn=st.lists(names, max_size=10),
)
def test_rights_reach_the_names_that_the_evaluator_allows(file: Any, asked: Any, drawn: list[str]) -> None:
    action, kind, _, roles, clusters = asked
    snapshot = compile_snapshot(a_document(json.dumps(file)), epoch=1)
    rights = snapshot.rights(roles, clusters, "someone")

    found = reach(those_for(snapshot, roles), Slot(action, kind, clusters))

    for name in {*ORDINARY, *drawn, *near(found.allowed), *near(found.staged)} if kind else [None]:
        access = access_by(rights.decide(action, kind, name))
        assert matches(found.allowed, name or "") == (access is Access.ALLOWED)
        assert matches(found.staged, name or "") == (access is Access.STAGED)


@settings(max_examples=100, deadline=None)
@given(
    file=st.fixed_dictionaries({"policies": st.lists(policies, max_size=8)}),
    action=st.sampled_from(sorted(STAND_INS)),
    roles=st.frozensets(st.sampled_from(["devs", "owners"])),
    drawn=st.lists(names, max_size=10),
)
def test_what_stands_in_for_a_right_reaches_whatever_no_policy_speaks_of(
    file: Any, action: Action, roles: frozenset[str], drawn: list[str]
) -> None:
    document = a_document(json.dumps(file), Compat(members_by_inspect=True))
    snapshot = compile_snapshot(document, epoch=1)
    rights = snapshot.rights(roles, PROD, "someone")
    (kind,) = action.kinds

    stands_in = rights.decide_somewhere(*STAND_INS[action]).allowed
    found = reach(those_for(snapshot, roles), Slot(action, kind, PROD), stands_in=stands_in)

    for name in {*ORDINARY, *drawn, *near(found.allowed)}:
        assert matches(found.allowed, name) == rights.decide(action, kind, name).allowed


@settings(max_examples=200, deadline=None)
@given(
    tenant=tenants,
    kind=st.sampled_from([Kind.TOPIC, Kind.TOPIC, Kind.GROUP, *Kind, None]),
    clusters=st.frozensets(st.sampled_from(CLUSTERS), min_size=1),
    inferred=st.dictionaries(names, st.frozensets(names, max_size=4), max_size=4),
    drawn=st.lists(names, max_size=10),
    admin=st.booleans(),
)
def test_views_reach_the_names_that_they_show(
    tenant: Any,
    kind: Kind | None,
    clusters: frozenset[str],
    inferred: Mapping[str, frozenset[str]],
    drawn: list[str],
    admin: bool,
) -> None:
    snapshot = compile_snapshot(a_document(json.dumps({"tenants": [tenant]})), epoch=1)
    view = snapshot.view("Trading", clusters, inferred, admin=admin)

    explicit = shown(snapshot.tenants[0], kind, clusters, admin=admin)

    if kind is None:
        assert bool(explicit) == view.whole_cluster
        return
    may_come = inferable(snapshot.tenants[0], clusters, admin=admin) if kind is Kind.TOPIC else ()
    came = inferred_region(snapshot.tenants[0], clusters, inferred, admin=admin) if kind is Kind.TOPIC else ()
    known = {topic for topics in inferred.values() for topic in topics}
    for name in {*ORDINARY, *drawn, *known, *near(explicit), *near(may_come)}:
        assert matches(explicit, name) == view.sees_explicitly(kind, name)
        assert (matches(explicit, name) or matches(came, name)) == view.sees(kind, name)
        if kind is Kind.TOPIC:
            assert matches(may_come, name) == _may_be_inferred(snapshot, clusters, name, admin)


def _may_be_inferred(snapshot: Snapshot, clusters: frozenset[str], name: str, admin: bool) -> bool:
    """Is it seen if every group reads it, and not if none does?"""
    groups = {
        name
        for cell in shown(snapshot.tenants[0], Kind.GROUP, clusters, admin=admin)
        for name in (cell.example(), *ORDINARY)
    }
    everything = {group: frozenset({name}) for group in groups}
    without, within = (
        snapshot.view("Trading", clusters, inferred, admin=admin).sees(Kind.TOPIC, name)
        for inferred in ({}, everything)
    )
    return within and not without


def test_the_built_in_tenants_reach_what_they_say() -> None:
    everything, without_internal = a_snapshot("policies: []").tenants

    (cell,) = shown(everything, Kind.TOPIC, PROD, admin=False)
    assert str(cell) == "any name except __kordon*"
    (cell,) = shown(without_internal, Kind.TOPIC, PROD, admin=True)
    assert str(cell) == "any name except oprtr*, __*"
    assert shown(None, Kind.TOPIC, PROD, admin=True) == inferable(None, PROD, admin=True) == ()


def test_topics_are_inferred_where_a_group_is_shown_alone() -> None:
    snapshot = a_snapshot(
        tenants_file(
            {"name": "A", "resources": [{"include": ["cluster", "*", "topic", "a*"]}]},
            {
                "name": "B",
                "resources": [{"include": [["cluster", "*", "topic", "b*"], ["cluster", "*", "group", "g"]]}],
            },
        )
    )
    alone, with_group = snapshot.tenants

    assert inferable(alone, PROD, admin=False) == ()
    assert [str(cell) for cell in inferable(with_group, PROD, admin=False)] == ["any name except __*, b*"]
