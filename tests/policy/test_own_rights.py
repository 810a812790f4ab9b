"""Nobody gives more than he may do himself."""

import json
from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kordon_policy.actions import Domain
from kordon_policy.model import Compat, Rule, RuleRef, TemporaryRule
from kordon_policy.own_rights import Author, Judgement, Known, judge_author, judge_view, known_to
from kordon_policy.snapshot import compile_snapshot
from tests.policy import naive
from tests.policy.given import a_document, a_snapshot

KNOWN: Known = {
    Domain.CLUSTER: (frozenset({"prod", "lkc-1", "live"}), frozenset({"spare", "lkc-2", "live"})),
    Domain.SCHEMA: (frozenset({"registry"}),),
}
ANN = Author(principal="ann", roles=frozenset({"owners"}), tenant="T")
ALL = {"name": "T", "resources": [{"include": [["cluster", "*"], ["schema", "*"], ["cluster", "*", "topic", "__*"]]}]}


def a_file(*rules: Any, tenant: Any = ALL) -> dict[str, Any]:
    return {"admin_roles": ["owners"], "policies": list(rules), "tenants": [{"roles": ["owners"], **tenant}]}


def a_rule(effect: str, actions: Collection[str], *path: str, **more: Any) -> dict[str, Any]:
    return {"effect": effect, "actions": list(actions), "resources": [list(path)], "roles": ["owners"], **more}


def as_rule(written: Any) -> Rule:
    """A policy as it is written, as a rule that stands in no file."""
    (rule,) = a_document(json.dumps({"policies": [written]})).policies
    return rule


def lent(*written: Any, principal: str | None = None) -> list[TemporaryRule]:
    return [
        TemporaryRule(
            id=str(at),
            rule=replace(as_rule(one), ref=RuleRef(place=f"temporary policy {at}")),
            starts_ts=0,
            expires_ts=None,
            principal=principal,
        )
        for at, one in enumerate(written)
    ]


def judged(
    file: Any,
    asked: Any,
    *,
    author: Author = ANN,
    temporary: Collection[TemporaryRule] = (),
    compat: Compat | None = None,
) -> Judgement:
    document = a_document(json.dumps(file), compat)
    return judge_author(as_rule(asked), author, compile_snapshot(document, epoch=1, temporary=temporary), KNOWN)


TRADE = ("cluster", "prod", "group", "trade_*")
EDIT = a_rule("Allow", ["GROUP_EDIT"], *TRADE)


def test_what_an_administrator_holds_he_may_give_in_part() -> None:
    for name in ("trade_*", "trade_b2", "trade_b*", "trade_*x"):
        given = judged(a_file(EDIT), a_rule("Allow", ["GROUP_EDIT"], "cluster", "prod", "group", name))
        assert given.granted
        assert given.reason == "ann holds it by policies[0] (rbac.yaml:1)"
        assert [rule.place for rule in given.rules] == ["policies[0]"]


@pytest.mark.parametrize(
    ("rules", "asked", "reason"),
    [
        (
            [],
            EDIT,
            "ann does not hold GROUP_EDIT on all of group trade_* in cluster prod: no policy allows it to role owners",
        ),
        (
            [a_rule("Allow", ["GROUP_EDIT"], "cluster", "prod", "group", "trade_b2")],
            EDIT,
            "ann does not hold GROUP_EDIT on all of group trade_* in cluster prod: "
            "policies[0] (rbac.yaml:1) allows it on a part of that alone",
        ),
        (
            [EDIT, a_rule("Deny", ["GROUP_EDIT"], "cluster", "*", "group", "*_x")],
            EDIT,
            "ann does not hold GROUP_EDIT on all of group trade_* in cluster prod: policies[1] (rbac.yaml:1) denies it",
        ),
        (
            [EDIT, a_rule("Stage", ["GROUP_EDIT"], "cluster", "lkc-1", "group", "t*x")],
            EDIT,
            "ann does not hold GROUP_EDIT on all of group trade_* in cluster prod: policies[1] (rbac.yaml:1) stages it",
        ),
        (
            [a_rule("Allow", ["TOPIC_DATA_QUERY"], "cluster", "prod")],
            a_rule("Allow", ["TOPIC_INSPECT"], "cluster", "prod", "topic", "a"),
            "ann does not hold TOPIC_DATA_DOWNLOAD on all of topic a in cluster prod: "
            "no policy allows it to role owners",
        ),
        (
            [a_rule("Allow", ["GROUP_EDIT"], "cluster", "prod")],
            a_rule("Stage", ["GROUP_EDIT"], "cluster", "*"),
            "ann does not hold GROUP_EDIT on all of every group: "
            "policies[0] (rbac.yaml:1) allows it on a part of that alone",
        ),
        (
            [EDIT],
            a_rule("Allow", ["GROUP_EDIT"], "cluster", "prdo", "group", "trade_b2"),
            "no cluster is known as prdo",
        ),
    ],
)
def test_what_he_does_not_hold_whole_he_may_not_give_and_is_told_why(rules: Any, asked: Any, reason: str) -> None:
    given = judged(a_file(*rules), asked)
    assert (given.granted, given.reason) == (False, reason)


def test_a_deny_takes_no_right_but_a_view() -> None:
    deny = a_rule("Deny", ["GROUP_EDIT"], *TRADE)
    assert judged(a_file(), deny).granted
    hidden = judged(a_file(tenant={**ALL, "resources": [{"include": ["schema", "*"]}]}), deny)
    assert (hidden.granted, hidden.reason) == (
        False,
        "not all of group trade_* in cluster prod is in tenant T: no include covers it",
    )


@pytest.mark.parametrize("effect", ["Allow", "Deny", "Stage"])
def test_nobody_else_makes_any(effect: str) -> None:
    dee = Author(principal="dee", roles=frozenset({"devs"}), tenant="T")
    given = judged(a_file(EDIT), {**EDIT, "effect": effect}, author=dee)
    assert (given.granted, given.reason) == (False, "dee is no administrator: role devs is not in admin_roles")
    assert not judged(a_file(EDIT), EDIT, author=replace(dee, roles=frozenset({"*"}))).granted


@pytest.mark.parametrize("tenant", [None, "gone", "Theirs"])
def test_an_administrator_without_a_tenant_of_his_own_makes_none(tenant: str | None) -> None:
    file = a_file(EDIT)
    file["tenants"].append({**ALL, "name": "Theirs", "roles": ["devs"]})
    given = judged(file, EDIT, author=replace(ANN, tenant=tenant))
    assert (given.granted, given.reason) == (
        False,
        "ann is in no tenant, and sees nothing that a policy could be about",
    )


def test_what_is_excluded_is_told_with_its_place() -> None:
    tenant = {"name": "T", "resources": [{"include": ["*"]}, {"exclude": ["cluster", "*", "group", "*_secret"]}]}
    given = judged(a_file(EDIT, tenant=tenant), EDIT)
    assert given.reason == (
        "not all of group trade_* in cluster prod is in tenant T: excluded by tenants[0].resources[1] (rbac.yaml:1)"
    )
    beside = a_rule("Allow", ["GROUP_EDIT"], "cluster", "prod", "group", "trade_b2")
    assert judged(a_file(EDIT, tenant=tenant), beside).granted


def test_internal_topics_are_given_only_by_whom_they_are_shown_to() -> None:
    tenant = {"name": "T", "resources": [{"include": ["*"]}]}
    everything = a_rule("Allow", ["TOPIC_EDIT"], "*")
    given = judged(a_file(everything, tenant=tenant), everything)
    assert given.reason.endswith("no include that begins with __ covers the internal topics among them")
    assert judged(a_file(everything), everything).granted
    beside = a_rule("Allow", ["TOPIC_EDIT"], "cluster", "*", "topic", "a*")
    assert judged(a_file(everything, tenant=tenant), beside).granted


def test_the_built_in_tenants_show_their_administrators_what_they_say() -> None:
    everything = a_rule("Allow", ["TOPIC_EDIT", "BROKER_EDIT"], "*")
    file = {"admin_roles": ["owners"], "policies": [everything]}
    assert judged(file, everything, author=replace(ANN, tenant="Global")).granted
    given = judged(file, everything, author=replace(ANN, tenant="Kordon Hidden"))
    assert given.reason == "not all of every topic is in tenant Kordon Hidden: excluded by built in"


def test_what_is_lent_cannot_be_lent_on() -> None:
    given = judged(a_file(), EDIT, temporary=lent(EDIT))
    assert given.reason == (
        "ann does not hold GROUP_EDIT on all of group trade_* in cluster prod: "
        "temporary policy 0 allows it, and what is lent cannot be lent on"
    )


@pytest.mark.parametrize("effect", ["Deny", "Stage"])
def test_what_holds_him_back_for_a_time_holds_him_back(effect: str) -> None:
    against = {**EDIT, "effect": effect}
    assert not judged(a_file(EDIT), EDIT, temporary=lent(against)).granted
    assert not judged(a_file(EDIT), EDIT, temporary=lent(against, principal="ann")).granted
    assert not judged(a_file(EDIT), EDIT, temporary=lent({**against, "roles": ["*"]})).granted
    assert judged(a_file(EDIT), EDIT, temporary=lent(against, principal="bob")).granted
    assert judged(a_file(EDIT), EDIT, temporary=lent({**against, "roles": ["devs"]})).granted


def test_a_cluster_is_judged_by_all_its_names_and_an_environment_by_all_its_clusters() -> None:
    in_one = a_rule("Allow", ["GROUP_EDIT"], "cluster", "lkc-1", "group", "*")
    in_other = a_rule("Allow", ["GROUP_EDIT"], "cluster", "spare")
    asked = a_rule("Allow", ["GROUP_EDIT"], "cluster", "live", "group", "*")
    assert not judged(a_file(in_one), asked).granted
    assert judged(a_file(in_one, in_other), asked).granted
    assert not judged(
        a_file(in_one, in_other, a_rule("Deny", ["GROUP_EDIT"], "cluster", "lkc-2", "group", "a")), asked
    ).granted


def test_every_cluster_is_those_too_that_only_a_policy_speaks_of() -> None:
    everywhere = a_rule("Allow", ["GROUP_EDIT"], "cluster", "*", "group", "a*")
    for name, granted in (("a", False), ("b*", True)):
        deny = a_rule("Deny", ["GROUP_EDIT"], "cluster", "unheard", "group", name)
        assert judged(a_file(everywhere, deny), everywhere).granted is granted


def test_shadow_policies_neither_give_nor_take() -> None:
    shadow = {"mode": "shadow", "shadow_until": "2030-01-31"}
    assert not judged(a_file({**EDIT, **shadow}), EDIT).granted
    assert judged(a_file(EDIT, {**EDIT, **shadow, "effect": "Deny"}), EDIT).granted


def test_a_stand_in_is_a_right_unless_it_is_lent() -> None:
    join = a_rule("Allow", ["GROUP_CONSUME"], *TRADE)
    inspect = a_rule("Allow", ["TOPIC_INSPECT"], "cluster", "prod", "topic", "tx")
    compat = Compat(members_by_inspect=True)
    assert not judged(a_file(inspect), join).granted
    assert judged(a_file(inspect), join, compat=compat).granted
    assert not judged(a_file(), join, compat=compat, temporary=lent(inspect)).granted
    assert not judged(a_file(inspect, {**join, "effect": "Deny"}), join, compat=compat).granted
    assert not judged(a_file(inspect, {**inspect, "effect": "Deny"}), join, compat=compat).granted


@pytest.mark.parametrize("cluster", ["prod", "live", "unheard"])
def test_a_stand_in_for_every_cluster_stands_in_each(cluster: str) -> None:
    join = a_rule("Allow", ["GROUP_CONSUME"], "cluster", "*", "group", "g")
    inspect = a_rule("Allow", ["TOPIC_INSPECT"], "cluster", "*", "topic", "tx")
    compat = Compat(members_by_inspect=True)
    assert judged(a_file(inspect), join, compat=compat).granted
    against = a_rule("Deny", ["TOPIC_INSPECT"], "cluster", cluster, "topic", "t*")
    assert not judged(a_file(inspect, against), join, compat=compat).granted


def test_the_view_is_asked_alone_by_whoever_lists_or_revokes() -> None:
    snapshot = compile_snapshot(a_document(json.dumps(a_file())), epoch=1)
    assert judge_view(as_rule(EDIT), ANN, snapshot, KNOWN).granted
    assert not judge_view(as_rule(EDIT), replace(ANN, tenant=None), snapshot, KNOWN).granted


# Short patterns, so that what two have in common is among the names below.
patterns = st.one_of(
    st.text("ab*", min_size=1, max_size=3),
    st.text("a_*", min_size=1, max_size=3),
    st.text("a*", max_size=2).map(lambda text: f"__{text}"),
    st.sampled_from(["*", "__*"]),
)
LETTERS = "ab_\0"
NAMES = [
    *("".join(some) for size in range(5) for some in product(LETTERS, repeat=size)),
    *("__" + "".join(some) for size in (3, 4) for some in product("a\0", repeat=size)),
]
IDS = ("*", "*", "prod", "lkc-1", "live", "spare", "unheard")


@st.composite
def paths(draw: st.DrawFn, ids: Collection[str] = IDS) -> list[str]:
    path = ["cluster", draw(st.sampled_from(list(ids))), draw(st.sampled_from(["topic", "topic", "group"])), ""]
    path[3] = draw(patterns)
    return path[: draw(st.sampled_from([1, 2, 3, 4, 4, 4, 4, 4, 4]))] if draw(st.integers(0, 9)) else ["*"]


some_actions = st.lists(
    st.sampled_from(["TOPIC_INSPECT", "TOPIC_DATA_QUERY", "TOPIC_EDIT", "GROUP_EDIT", "PRODUCER_EDIT", "BULK_ACTION"]),
    min_size=1,
    max_size=3,
)


def rules(effects: Collection[str], ids: Collection[str] = IDS) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(
        {
            "effect": st.sampled_from(list(effects)),
            "actions": some_actions,
            "resources": st.lists(paths(ids), min_size=1, max_size=2),
            "roles": st.lists(st.sampled_from(["owners", "*", "devs"]), min_size=1, max_size=2),
        }
    )


asked_rules = rules(["Allow", "Allow", "Allow", "Stage", "Deny"], [one for one in IDS if one != "unheard"])
# What an administrator has: mostly a lot, as otherwise nearly every answer is no.
files = st.builds(
    lambda asked, more, wide: (asked, [*more, *([{**asked, "effect": "Allow", "roles": ["owners"]}] if wide else [])]),
    asked_rules,
    st.lists(rules(["Allow", "Allow", "Deny", "Stage"]), max_size=3),
    st.booleans(),
)
wide_include = {"include": [["*"], ["cluster", "*", "topic", "__*"]]}
tenants = st.builds(
    lambda items, wide: {
        "name": "T",
        "resources": [*items, *([wide_include] if wide else [{"include": [["schema"]]}])],
    },
    st.lists(
        st.one_of(
            st.fixed_dictionaries({"include": st.lists(paths(), min_size=1, max_size=2)}),
            st.fixed_dictionaries({"exclude": st.lists(paths(), min_size=1, max_size=1)}),
        ),
        max_size=3,
    ),
    st.booleans(),
)


@settings(max_examples=400, deadline=None)
@given(drawn=files, tenant=tenants, temporary=st.lists(rules(["Allow", "Deny", "Stage"]), max_size=1))
@example(
    drawn=(
        a_rule("Allow", ["TOPIC_EDIT"], "cluster", "*", "topic", "*_a"),
        [a_rule("Allow", ["TOPIC_EDIT"], "*")],
    ),
    tenant={"name": "T", "resources": [{"include": [["*"], ["cluster", "*", "topic", "__*_a"]]}]},
    temporary=[],
)
def test_the_answer_is_that_of_asking_for_every_name(drawn: Any, tenant: Any, temporary: Any) -> None:
    asked, held = drawn
    given = judged(a_file(*held, tenant=tenant), asked, temporary=lent(*temporary))
    own = {"policies": [*held, *(one for one in temporary if one["effect"] != "Allow")]}
    assert given.granted == all(may(own, tenant, asked["effect"], *thing) for thing in things(asked))
    assert given.reason


def things(asked: Any) -> Iterator[tuple[str, frozenset[str], str | None, str]]:
    """Everything that a rule is about: parts of actions, clusters (one that is unheard of, too), TYPEs and names."""
    clusters = [*KNOWN[Domain.CLUSTER], frozenset({"unheard"}), frozenset({"another"})]
    for written, names, path in product(asked["actions"], clusters, asked["resources"]):
        for part in sorted(as_rule({**asked, "actions": [written]}).actions):
            for kind in naive.types_of(part):
                for name in NAMES if kind else [""]:
                    if naive.path_covers(path, names, "cluster", kind, name):
                        yield part, names, kind, name


def may(own: Any, tenant: Any, effect: str, part: str, names: frozenset[str], kind: str | None, name: str) -> bool:
    if not (naive.sees_explicitly(tenant, names, kind, name, admin=True) if kind else naive.whole(tenant, names)):
        return False
    return effect == "Deny" or naive.decide(own, {"owners"}, names, part, kind, name)[0] == "allowed"


def test_clusters_are_told_to_administrators_and_to_whoever_has_something_there() -> None:
    file = {
        "admin_roles": ["owners"],
        "policies": [],
        "tenants": [
            {
                "name": "Trading",
                "roles": ["devs", "owners"],
                "resources": [{"include": [["cluster", "prod", "topic", "tx_*"]]}],
            },
            {"name": "All", "roles": ["ops"], "resources": [{"include": [["*"]]}]},
        ],
    }
    snapshot = a_snapshot(json.dumps(file))
    prod, hush = frozenset({"prod", "lkc-1"}), frozenset({"hush"})
    known = {Domain.CLUSTER: [prod, hush], Domain.SCHEMA: [frozenset({"registry"})]}

    def told(role: str, tenant: str | None) -> list[frozenset[str]]:
        author = Author(principal="dee", roles=frozenset({role}), tenant=tenant)
        return [names for every in known_to(author, snapshot, known).values() for names in every]

    assert told("owners", "Trading") == told("ops", "All") == [prod, hush, frozenset({"registry"})]
    assert told("devs", "Trading") == [prod]
    assert told("devs", "All") == told("devs", None) == []
