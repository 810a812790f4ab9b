"""What a store keeps of a temporary policy, and what it makes of it again."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kordon_policy.actions import Action
from kordon_policy.lifecycle import LAST_INSTANT, Ended
from kordon_policy.model import Compat, Effect, Rule, RuleRef
from kordon_policy.own_rights import Author
from kordon_policy.records import UnreadableRecord
from kordon_policy.temporary import State, TemporaryPolicy, Wording
from kordon_policy.temporary_record import from_record, to_answer, to_record

A_RULE = Rule(
    ref=RuleRef(place="temporary policy 7f3a"), effect=Effect.ALLOW, actions=frozenset(), paths=(), roles=frozenset()
)
RECORD: dict[str, Any] = {
    "schema": 1,
    "id": "7f3a",
    "revision": 2,
    "state": "live",
    "created_ts": 100,
    "starts_ts": 150,
    "expires_ts": 250,
    "author": {"principal": "ann", "roles": ["owners", "sre"], "tenant": "Trading"},
    "principal": None,
    "reason": "poison message",
    "ticket": "OPS-7",
    "ended": None,
    "policy": {
        "role": "devs",
        "actions": ["GROUP_EDIT"],
        "effect": "Allow",
        "resource": ["cluster", "prod", "group", "trade_b2"],
    },
}


def test_a_record_of_the_first_schema_is_read_for_ever() -> None:
    policy = from_record(json.loads(json.dumps(RECORD)))
    assert to_record(policy) == {**RECORD, "renewed_ts": None}
    assert policy.state is State.LIVE
    assert policy.author == Author(principal="ann", roles=frozenset({"owners", "sre"}), tenant="Trading")
    assert str(policy.rule.ref) == "temporary policy 7f3a"
    assert set(policy.rule.actions) == {Action.GROUP_EDIT}
    assert policy.rule.paths[0].domain_id == "prod"


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
instants = st.integers(0, LAST_INSTANT)
wordings = st.builds(
    Wording,
    role=texts.filter(bool).filter(lambda text: min(text) >= " "),
    actions=st.lists(
        st.sampled_from(["GROUP_EDIT", "TOPIC_INSPECT", "KPOW_ADMIN"]), min_size=1, max_size=3, unique=True
    ).map(tuple),
    effect=st.sampled_from(Effect),
    resource=st.sampled_from([("*",), ("cluster", "*"), ("cluster", "prod", "group", "a*")]),
)
policies = st.builds(
    TemporaryPolicy,
    id=texts,
    revision=instants,
    state=st.sampled_from([state for state in State if not state.final]),
    wording=wordings,
    rule=st.just(A_RULE),
    author=st.builds(Author, principal=texts, roles=st.frozensets(texts), tenant=st.none() | texts),
    created_ts=instants,
    starts_ts=instants,
    expires_ts=st.none() | instants,
    renewed_ts=st.none() | instants,
    principal=st.none() | texts,
    reason=texts,
    ticket=texts,
    ended=st.none(),
) | st.builds(
    TemporaryPolicy,
    id=texts,
    state=st.sampled_from([state for state in State if state.final]),
    wording=wordings,
    rule=st.just(A_RULE),
    author=st.just(Author(principal="ann", roles=frozenset(), tenant=None)),
    created_ts=instants,
    starts_ts=instants,
    expires_ts=instants,
    ended=st.builds(Ended, ts=instants, by=texts, reason=texts),
)


@settings(max_examples=200, deadline=None)
@given(policy=policies)
def test_what_is_kept_is_what_is_read(policy: TemporaryPolicy) -> None:
    again = from_record(json.loads(json.dumps(to_record(policy))))
    assert again == policy
    assert again.rule.effect is policy.wording.effect
    assert again.rule.roles == {policy.wording.role}


def test_a_rule_is_read_as_the_file_in_force_reads_it() -> None:
    policy = from_record(RECORD, compat=Compat(group_edit_deletes=True))
    assert set(policy.rule.actions) == {Action.GROUP_EDIT, Action.GROUP_DELETE}


def a_record(**changed: Any) -> dict[str, Any]:
    return {**RECORD, **changed}


def a_rule(**changed: Any) -> dict[str, Any]:
    return a_record(policy={**RECORD["policy"], **changed})


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ([], "it is no mapping"),
        ({}, "it has no `schema`"),
        (a_record(schema=2), "it was written by a newer Kordon (schema 2, known are those up to 1)"),
        (a_record(schema=0), "there is no schema 0"),
        (a_record(schema="1"), "`schema` is no whole number"),
        (a_record(revision=True), "`revision` is no whole number"),
        (a_record(state="dead"), "`state` is 'dead', which is none"),
        (a_record(state="expired"), "it is expired, and `ended` says otherwise"),
        (a_record(ended={"ts": 1, "by": "", "reason": ""}), "it is live, and `ended` says otherwise"),
        (a_record(state="expired", ended={"ts": 1, "by": ""}), "it has no `ended.reason`"),
        (a_record(renewed_ts="150"), "`renewed_ts` is no whole number"),
        (a_record(expires_ts="250"), "`expires_ts` is no whole number"),
        (a_record(expires_ts=LAST_INSTANT + 1), "`expires_ts` is after the year 9999"),
        (a_record(starts_ts=-1), "`starts_ts` is negative"),
        (a_record(author=None), "`author` is no mapping"),
        (a_record(author={**RECORD["author"], "roles": "owners"}), "`author.roles` is no list of texts"),
        (a_record(author={**RECORD["author"], "roles": [7]}), "`author.roles` is no list of texts"),
        (a_record(principal=7), "`principal` is no text"),
        (a_record(policy=None), "`policy`: a null, which could mean nothing or everything"),
        (a_record(policy=[]), "`policy`: the policy is a mapping with the keys role, actions, effect, resource"),
        (a_rule(effect="Permit"), '`policy.effect`: "Permit" is no effect'),
        (a_rule(resource=["cluster", "prod", "heap", "a"]), "`policy` has actions or a path that mean nothing here: "),
        (a_rule(actions=["GROUP_EDIT", "GROUP_MERGE"]), "`policy` has actions or a path that mean nothing here: "),
        (a_rule(actions=[]), "`policy` has actions or a path that mean nothing here: "),
    ],
)
def test_what_is_not_understood_is_said_and_never_passed_over(record: object, told: str) -> None:
    with pytest.raises(UnreadableRecord) as raised:
        from_record(record)
    assert str(raised.value).startswith(told)


@pytest.mark.parametrize("key", RECORD)
def test_each_field_must_be_there(key: str) -> None:
    with pytest.raises(UnreadableRecord, match=f"^it has no `{key}`"):
        from_record({name: value for name, value in RECORD.items() if name != key})


def test_the_api_tells_it_in_kpows_shape() -> None:
    assert to_answer(from_record(RECORD)) == {
        "id": "7f3a",
        "created_ts": 100,
        "duration_ms": 100,
        "policy": RECORD["policy"],
        "created_by": "ann",
        "tenant": "Trading",
        "state": "live",
        "starts_ts": 150,
        "expires_ts": 250,
        "principal": None,
        "reason": "poison message",
        "ticket": "OPS-7",
        "ended": None,
    }
    assert to_answer(from_record(a_record(expires_ts=None)))["duration_ms"] is None
