"""The evaluator against one that looks at every rule, over random files whose names collide."""

import json
import pickle
from itertools import product
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kordon_policy.actions import Action, Kind
from kordon_policy.decision import Decision
from kordon_policy.model import Document
from kordon_policy.rights import Staging
from kordon_policy.snapshot import Asked, Compiled, compile_snapshot
from tests.policy import naive
from tests.policy.drawing import CLUSTERS, names, policies, questions, tenants
from tests.policy.given import a_document


def verdict(decision: Decision) -> str:
    assert decision.allowed + decision.staged < 2
    return "allowed" if decision.allowed else "staged" if decision.staged else "denied"


PAY = {
    "policies": [
        {
            "effect": "Allow",
            "actions": ["TOPIC_PRODUCE"],
            "resources": [["cluster", "*", "topic", name]],
            "roles": ["devs"],
        }
        for name in ("pay*", "payments-internal-*")
    ]
}


@pytest.mark.known_fault(20)
@settings(max_examples=120, deadline=None)
@given(
    file=st.fixed_dictionaries({"policies": st.lists(policies, max_size=8)}), asked=st.lists(questions(), max_size=30)
)
@example(
    file=PAY, asked=[(Action.TOPIC_PRODUCE, Kind.TOPIC, "payments-public", frozenset({"devs"}), frozenset({"prod"}))]
)
def test_decisions_and_their_rules_are_those_of_the_naive_evaluator(file: Any, asked: list[Any]) -> None:
    document = a_document(json.dumps(file))
    snapshot = compile_snapshot(document, epoch=7)
    packed = compile_snapshot(from_another_process(document), epoch=7)
    for action, kind, name, roles, clusters in asked:
        decision = snapshot.rights(roles, clusters, "someone").decide(action, kind, name if kind else None)
        expected, by = naive.decide(file, roles, clusters, action, kind, name)
        assert verdict(decision) == expected
        assert [rule.place for rule in decision.rules] == [f"policies[{at}]" for at in sorted(by)]
        assert decision.epoch == 7
        assert decision.reason
        assert packed.rights(roles, clusters, "someone").decide(action, kind, name if kind else None) == decision


def from_another_process(document: Document) -> Compiled:
    """The document compiled, its policies packed and half of its roles indexed, as it comes from who has read it."""
    compiled = Compiled(document)
    compiled.prepare(Asked(roles=tuple(sorted(compiled.roles)[::2])))
    taken: Compiled = pickle.loads(pickle.dumps(compiled.packed()))
    return taken


@settings(max_examples=120, deadline=None)
@given(
    file=st.fixed_dictionaries({"policies": st.lists(policies, max_size=8)}), asked=st.lists(questions(), max_size=20)
)
def test_a_shadow_decision_is_what_the_file_would_decide_if_it_were_enforced(file: Any, asked: list[Any]) -> None:
    snapshot = compile_snapshot(a_document(json.dumps(file)), epoch=1)
    enforced = {"policies": [{key: rule[key] for key in rule if key != "mode"} for rule in file["policies"]]}
    for action, kind, name, roles, clusters in asked:
        decision = snapshot.rights(roles, clusters, "someone").decide(action, kind, name if kind else None)
        now, _ = naive.decide(file, roles, clusters, action, kind, name)
        would, _ = naive.decide(enforced, roles, clusters, action, kind, name)
        assert verdict(decision) == now
        assert (verdict(decision.shadow) if decision.shadow else now) == would


def without_stages(file: Any) -> Any:
    """A file of which Deny and Allow are left. A Stage on what is never staged is a Deny, and stays."""
    rules = []
    for rule in file["policies"]:
        never = [action for action in rule["actions"] if set(naive.parts(action)) <= set(naive.NEVER_STAGED)]
        rules.append({**rule, "actions": never} if rule["effect"] == "Stage" else rule)
    return {"policies": rules}


@settings(max_examples=120, deadline=None)
@given(
    file=st.fixed_dictionaries({"policies": st.lists(policies, max_size=8)}), asked=st.lists(questions(), max_size=20)
)
def test_an_approval_allows_what_is_staged_alone_and_what_is_set_aside_is_as_if_it_were_not_written(
    file: Any, asked: list[Any]
) -> None:
    snapshot = compile_snapshot(a_document(json.dumps(file)), epoch=1)
    for action, kind, name, roles, clusters in asked:
        thing = name if kind else None
        now, by = naive.decide(file, roles, clusters, action, kind, name)
        approved = snapshot.rights(roles, clusters, staging=Staging.APPROVED).decide(action, kind, thing)
        assert verdict(approved) == {"staged": "allowed"}.get(now, now)
        assert [rule.place for rule in approved.rules] == [f"policies[{at}]" for at in sorted(by)]
        aside = snapshot.rights(roles, clusters, staging=Staging.SET_ASIDE).decide(action, kind, thing)
        assert verdict(aside) == naive.decide(without_stages(file), roles, clusters, action, kind, name)[0]


@settings(max_examples=120, deadline=None)
@given(
    tenant=tenants,
    inferred=st.dictionaries(names, st.frozensets(names, max_size=4), max_size=4),
    asked=st.lists(st.tuples(st.sampled_from([Kind.TOPIC, Kind.GROUP, *Kind]), names, names), max_size=30),
    clusters=st.frozensets(st.sampled_from(CLUSTERS), min_size=1),
    admin=st.booleans(),
)
def test_views_are_those_of_the_naive_evaluator(
    tenant: Any, inferred: Any, asked: list[Any], clusters: frozenset[str], admin: bool
) -> None:
    snapshot = compile_snapshot(a_document(json.dumps({"tenants": [tenant]})), epoch=1)
    view = snapshot.view("Trading", clusters, inferred, admin=admin)
    known = [name for topics in inferred.values() for name in topics]
    for kind, name, group in [*asked, *((Kind.TOPIC, name, group) for name in known for group in inferred)]:
        explicit = naive.sees_explicitly(tenant, clusters, kind, name, admin)
        assert view.sees_explicitly(kind, name) == explicit
        assert view.sees(kind, name) == naive.sees(tenant, clusters, kind, name, admin, inferred)
        alone = {group: inferred.get(group, ())}
        assert view.topic_for_group(name, group) == naive.sees(tenant, clusters, "topic", name, admin, alone)
        assert view.reason(kind, name)


# What can follow a beginning: all that patterns of few letters tell apart, and a letter that no pattern has.
ENDINGS = [*("".join(some) for size in range(5) for some in product("ab_", repeat=size)), "c", "c__a", "__kordon"]


@settings(max_examples=300, deadline=None)
@given(
    tenant=tenants,
    kind=st.sampled_from([Kind.TOPIC, Kind.TOPIC, Kind.GROUP, Kind.PRINCIPAL]),
    beginning=names | st.sampled_from(["", "_", "__", "a", "b"]),
    clusters=st.frozensets(st.sampled_from(CLUSTERS), min_size=1),
    admin=st.booleans(),
)
@example(
    tenant={"name": "Trading", "resources": [{"include": [["*"]]}], "roles": ["devs"]},
    kind=Kind.TOPIC,
    beginning="",
    clusters=frozenset({"prod"}),
    admin=True,
)
def test_what_is_covered_has_no_name_that_is_not_shown(
    tenant: Any, kind: Kind, beginning: str, clusters: frozenset[str], admin: bool
) -> None:
    snapshot = compile_snapshot(a_document(json.dumps({"tenants": [tenant]})), epoch=1)
    if not snapshot.view("Trading", clusters, admin=admin).covers(kind, beginning):
        return
    # Only a pattern that is about other topics too reaches internal ones that no path names, where all of the cluster
    # is shown; and Kordon's own if it is an administrator's.
    reaches_internal = naive.whole(tenant, clusters) and kind is Kind.TOPIC and not beginning.startswith("__")
    for ending in ENDINGS:
        name = beginning + ending
        spared = reaches_internal and name.startswith("__") and (admin or not name.startswith("__kordon"))
        assert spared or naive.sees_explicitly(tenant, clusters, kind, name, admin)


@settings(max_examples=120, deadline=None)
@given(file=st.fixed_dictionaries({"policies": st.lists(policies, max_size=6)}), question=questions())
def test_what_is_allowed_somewhere_is_allowed_on_some_name(file: Any, question: Any) -> None:
    action, kind, name, roles, clusters = question
    if kind is None:
        return
    snapshot = compile_snapshot(a_document(json.dumps(file)), epoch=1)
    texts = [path[3] for rule in file["policies"] for path in rule["resources"] if len(path) == 4]
    words = [text.replace("*", "\0") for text in [*texts, "*"]]
    on_each = {naive.decide(file, roles, clusters, action, kind, word)[0] for word in words}
    for staging, enough in ((Staging.WAITS, {"allowed"}), (Staging.APPROVED, {"allowed", "staged"})):
        rights = snapshot.rights(roles, clusters, "someone", staging=staging)
        if rights.decide(action, kind, name).allowed and len(action.parts) == 1:
            assert rights.decide_somewhere(action, kind).allowed
        if rights.decide_somewhere(action, kind).allowed:
            assert on_each & enough


@settings(max_examples=120, deadline=None)
@given(file=st.fixed_dictionaries({"policies": st.lists(policies, max_size=6)}), question=questions())
@example(
    file={
        "policies": [
            {"effect": "Allow", "actions": ["BROKER_EDIT"], "resources": [["cluster", "*"]], "roles": ["*"]},
            {
                "effect": "Deny",
                "actions": ["BROKER_EDIT"],
                "resources": [["cluster", "*", "broker", "a"]],
                "roles": ["*"],
            },
        ]
    },
    question=(Action.BROKER_EDIT, Kind.BROKER, "a", frozenset(), frozenset({"prod"})),
)
def test_what_is_allowed_everywhere_is_denied_on_no_name(file: Any, question: Any) -> None:
    action, kind, name, roles, clusters = question
    if kind is None or name.startswith("__kordon"):
        return
    snapshot = compile_snapshot(a_document(json.dumps(file)), epoch=1)
    texts = [path[3] for rule in file["policies"] for path in rule["resources"] if len(path) == 4]
    words = [text.replace("*", "\0") for text in [*texts, "*"]]
    on_each = {naive.decide(file, roles, clusters, action, kind, word)[0] for word in ("", name, *words)}
    own = kind in naive.OWNABLE and any(word.startswith("__kordon") for word in words)
    for staging, enough in ((Staging.WAITS, {"allowed"}), (Staging.APPROVED, {"allowed", "staged"})):
        rights = snapshot.rights(roles, clusters, "someone", staging=staging)
        assert own or rights.decide_everywhere(action, kind).allowed == (on_each <= enough)
