"""What holds of every explanation, over random files and questions."""

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from itertools import product
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from kordon_policy.access import Access
from kordon_policy.actions import KINDS, Action, Kind
from kordon_policy.answers import to_answer
from kordon_policy.decision import outside
from kordon_policy.draft import Means
from kordon_policy.explain import Explanation, Stage, Step, explain
from kordon_policy.model import RuleRef, TemporaryRule
from kordon_policy.opens import Opened
from kordon_policy.question import Question, judge
from kordon_policy.regions import matches
from tests.policy.applying import Situation, apply
from tests.policy.drawing import CLUSTERS, ROLES, actions, items, names, patterns, policies, questions, some_roles
from tests.policy.given import a_document

NAMES: Final = ("Trading", "Ops")
OFTEN: Final = (Action.TOPIC_DATA_QUERY, Action.TOPIC_EDIT, Action.GROUP_EDIT, Action.PRODUCER_EDIT)


@st.composite
def related(draw: st.DrawFn, asked: Question) -> Any:
    """A policy about what is asked, but for a thing or two."""
    path = [*asked.path[:3], asked.name] if asked.kind and asked.name else list(asked.path)
    changed = draw(
        st.lists(st.sampled_from(["role", "action", "cluster", "type", "name", "short", "shadow"]), max_size=2)
    )
    if "cluster" in changed:
        path[1] = draw(st.sampled_from(["*", "dev", "prdo", "a*"]))
    if "type" in changed and len(path) > 2:
        path[2] = draw(st.sampled_from([kind.value for kind in KINDS[asked.domain]]))
    if "name" in changed and len(path) > 3:
        path[3] = draw(patterns)
    rule = {
        "effect": draw(st.sampled_from(["Allow", "Allow", "Allow", "Deny", "Stage"])),
        "actions": [draw(actions) if "action" in changed else str(asked.action)],
        "resources": [path[:2] if "short" in changed else path],
        "roles": [draw(st.sampled_from(ROLES)) if "role" in changed else next(iter(sorted(asked.roles)), "*")],
    }
    return {**rule, "mode": "shadow", "shadow_until": "2026-01-31"} if "shadow" in changed else rule


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    """Somebody asks for something in a world of a few policies, tenants and temporary policies."""
    action, kind, name, roles, clusters = draw(questions())
    question = Question(
        principal="dee",
        roles=roles,
        tenant=draw(st.none() | st.sampled_from(NAMES)),
        action=action,
        domain=action.domain,
        cluster=min(clusters),
        kind=kind,
        name=(name or "a") if kind else None,
    )
    shown = {"include": [draw(st.sampled_from([["*"], [str(action.domain), "*"], list(question.path)[:4]]))]}
    some_policies = st.lists(st.one_of(policies, related(question), related(question)), max_size=6)
    some_items = st.lists(st.one_of(items, st.just(shown), st.just(shown)), min_size=1, max_size=3)
    file: dict[str, Any] = {
        "admin_roles": ["owners"],
        "policies": draw(some_policies),
        "tenants": [
            {"name": one, "resources": draw(some_items), "roles": draw(some_roles)}
            for one in NAMES[: draw(st.integers(1, 2))]
        ],
    }
    if draw(st.integers(0, 3)) == 0:
        file["authorized_roles"] = draw(st.lists(st.sampled_from(ROLES), max_size=2))
    lent = [_lent(at, rule) for at, rule in enumerate(draw(st.lists(policies | related(question), max_size=2)))]
    inferred = draw(st.dictionaries(names, st.frozensets(names, max_size=3), max_size=2))
    return Situation(file=file, question=question, temporary=tuple(lent), inferred=inferred)


def _lent(at: int, written: Any) -> TemporaryRule:
    plain = {key: value for key, value in written.items() if key not in ("mode", "shadow_until")}
    (rule,) = a_document(json.dumps({"policies": [plain]})).policies
    rule = replace(rule, ref=RuleRef(place=f"temporary policy {at}"))
    return TemporaryRule(id=str(at), rule=rule, starts_ts=0, expires_ts=None, principal="dee" if at else None)


def step(explanation: Explanation, wanted: Stage) -> Step:
    return next(one for one in explanation.steps if one.step is wanted)


@settings(max_examples=100, deadline=None)
@given(situation=situations())
def test_the_answer_is_the_evaluators_and_the_steps_say_why(situation: Situation) -> None:
    question = situation.question
    ruled = judge(question, situation.world)

    told = explain(question, situation.world)

    assert (told.access, told.reason) == (ruled.access, ruled.reason)
    passed = {one.step: one.passed for one in told.steps}
    assert (told.access is Access.ALLOWED) == all(passed.values())
    assert (told.access is Access.HIDDEN) == (passed[Stage.LOGIN] is True and passed[Stage.VIEW] is False)
    if ruled.decision is not None and ruled.decision.rules and not ruled.decision.because:
        deciding = {"Deny": Stage.DENY, "Stage": Stage.STAGE, "Allow": Stage.ALLOW}[str(ruled.decision.effect)]
        assert set(ruled.decision.rules) <= set(step(told, deciding).rules)
    assert json.loads(json.dumps(to_answer(told)))["answer"] == told.access


@settings(max_examples=100, deadline=None)
@given(situation=situations())
def test_each_way_leads_to_a_yes_if_its_words_are_followed(situation: Situation) -> None:
    told = explain(situation.question, situation.world)

    assert told.access is not Access.ALLOWED or not told.fixes.ways
    for fix in told.fixes.ways:
        near = step(told, Stage.ALLOW).near
        assert apply(fix, near, situation).access is Access.ALLOWED, [change.text for change in fix.changes]


@settings(max_examples=100, deadline=None)
@given(situation=situations())
def test_what_a_way_opens_besides_was_closed_before_and_is_open_after(situation: Situation) -> None:
    told = explain(situation.question, situation.world)

    for fix in told.fixes.ways:
        if fix.opens.at_most or {Means.LOGIN, Means.TENANT} & {one.means for one in fix.changes}:
            continue
        after = apply(fix, step(told, Stage.ALLOW).near, situation)
        for row in fix.opens.rows:
            for cell in row.region:
                assert not may(situation, row, cell.example(), situation.question.roles)
                assert may(after, row, cell.example(), after.question.roles)


def may(situation: Situation, row: Opened, name: str, held: Iterable[str]) -> bool:
    """Do the policies alone let one of those whom a row is about do all that it says, in its first cluster?"""
    who = row.who[0]
    roles = frozenset(held if who == "dee" else {who} - {"*"})
    names = frozenset({row.clusters[0]} - {"any other"})
    rights = situation.snapshot.rights(roles, names, "dee" if who == "dee" else "somebody else")
    return all(rights.decide(action, row.kind, name if row.kind else None).allowed for action in row.actions)


@settings(max_examples=100, deadline=None)
@given(situation=situations(), drawn=st.lists(names, max_size=4))
def test_what_a_way_opens_besides_is_told_whole(situation: Situation, drawn: list[str]) -> None:
    told, question = explain(situation.question, situation.world), situation.question

    for fix in told.fixes.ways:
        if {change.means for change in fix.changes} - {Means.GRANT, Means.RULE, Means.MEND, Means.ROLE}:
            continue
        after = apply(fix, step(told, Stage.ALLOW).near, situation)
        people = [("dee", question.roles, after.question.roles)]
        people += [(role, frozenset({role}), frozenset({role})) for role in ROLES if fix.means is not Means.ROLE]
        near = {cell.example() for row in fix.opens.rows for cell in row.region}
        for who, before_roles, after_roles in people:
            for cluster, action in product(CLUSTERS, {*OFTEN, *question.parts}):
                for kind, name in product(action.kinds, {*drawn, *near, question.name or "a", "zz"}):
                    asked = question.path == (action.domain, cluster, *((kind.value, name) if kind else ()))
                    if (asked and action in question.parts) or decided(
                        situation, before_roles, cluster, who, action, kind, name
                    ):
                        continue
                    told_of = any(
                        is_told(row, who, question.roles, action, kind, name, cluster) for row in fix.opens.rows
                    )
                    assert told_of or not decided(after, after_roles, cluster, who, action, kind, name)


def decided(
    situation: Situation, roles: frozenset[str], cluster: str, who: str, action: Action, kind: Kind | None, name: str
) -> bool:
    rights = situation.snapshot.rights(roles, frozenset({cluster}), who)
    return rights.decide(action, kind, name if kind else None).allowed


def is_told(
    row: Opened, who: str, held: frozenset[str], action: Action, kind: Kind | None, name: str, cluster: str
) -> bool:
    """Does a row tell of it, in one of the ways in which it is about this person?"""
    parts = {part for one in row.actions for part in one.parts}
    people = {who, "*"} if who != "dee" else {"dee", "*", *held}
    here = cluster in row.clusters or ("any other" in row.clusters)
    return (
        bool(people & {*row.who})
        and parts >= {*action.parts}
        and kind is row.kind
        and here
        and matches(row.region, name)
    )


@settings(max_examples=100, deadline=None)
@given(situation=situations())
def test_an_exact_grant_opens_one_name_and_nothing_else(situation: Situation) -> None:
    told = explain(situation.question, situation.world)

    exact = [fix for fix in told.fixes.ways if fix.means in (Means.GRANT, Means.RULE) and not fix.opens.at_most]
    for fix in exact:
        assert situation.question.kind is None or not fix.opens.rows


@settings(max_examples=100, deadline=None)
@given(situation=situations())
def test_without_the_only_policy_that_allows_it_it_is_not_allowed(situation: Situation) -> None:
    told = explain(situation.question, situation.world)

    if len(told.rests_on) == 1 and not told.rests_on[0].place.startswith("temporary"):
        at = int(told.rests_on[0].place.removeprefix("policies[").removesuffix("]"))
        situation.file["policies"][at]["roles"] = []
        assert replace(situation).access is not Access.ALLOWED


@settings(max_examples=100, deadline=None)
@given(situation=situations())
def test_who_is_no_administrator_is_told_of_all_that_is_hidden_the_same(situation: Situation) -> None:
    question = situation.question
    told = explain(question, situation.world, openly=False)

    if told.access is Access.HIDDEN:
        answer = to_answer(told)
        reason = outside(question.kind, question.name, told.tenant)
        assert answer["reason"] == reason
        assert [(each["step"], each["pass"], each["rules"], each["near"]) for each in answer["steps"][1:]] == [
            ("view", False, [], []),
            ("deny", None, [], []),
            ("stage", None, [], []),
            ("allow", None, [], []),
        ]
        assert {each["text"] for each in answer["steps"][1:]} == {reason, "not told"}
        assert [answer[key] for key in ("fixes", "changes_at", "no_grant", "rests_on")] == [[], None, None, []]


@settings(max_examples=100, deadline=None)
@given(situation=situations())
def test_who_is_no_administrator_is_told_of_his_own_roles_alone(situation: Situation) -> None:
    told = to_answer(explain(situation.question, situation.world, openly=False))

    del told["question"]
    words = set(re.findall(r"\w+", json.dumps(told)))
    assert not words & ({*ROLES} - situation.question.roles)
