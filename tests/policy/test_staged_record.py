"""What a store keeps of a staged mutation, and what it makes of it again."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kordon_policy.actions import Action, Kind
from kordon_policy.lifecycle import LAST_INSTANT, Ended
from kordon_policy.mutation_rights import Demand
from kordon_policy.own_rights import Author
from kordon_policy.records import UnreadableRecord
from kordon_policy.staged import LARGEST, Approval, Call, Claim, Outcome, StagedMutation, State
from kordon_policy.staged_record import from_record, to_answer, to_record

RECORD: dict[str, Any] = {
    "schema": 1,
    "id": "9b1c",
    "revision": 4,
    "state": "failed",
    "cluster": "prod",
    "call": {"api": "DeleteTopics", "version": 6, "request": "AAH/", "broker": None},
    "demands": [
        {"action": "TOPIC_DELETE", "kind": "topic", "name": "tx_1", "explicit": False},
        {"action": None, "kind": None, "name": None, "explicit": False},
    ],
    "told": {"topics": ["tx_1"], "timeout": None},
    "rules": ["policies[3] (rbac.yaml:26)"],
    "author": {"principal": "ann", "roles": ["devs"], "tenant": "Trading"},
    "client": {"client_id": "admin-1", "address": "127.0.0.1"},
    "created_ts": 100,
    "expires_ts": 900,
    "approval": {
        "author": {"principal": "olga", "roles": ["owners"], "tenant": "Trading"},
        "ts": 500,
        "until_ts": 600,
        "reason": "OPS-7",
    },
    "claim": {"by": "replica-1", "ts": 501},
    "outcome": {"errors": ["topic tx_1: TOPIC_DELETION_DISABLED"], "unknown": False},
    "ended": {"ts": 502, "by": "", "reason": "topic tx_1: TOPIC_DELETION_DISABLED"},
}
PENDING: dict[str, Any] = {
    **RECORD,
    "revision": 1,
    "state": "pending",
    "approval": None,
    "claim": None,
    "outcome": None,
    "ended": None,
}


def test_a_record_of_the_first_schema_is_read_for_ever() -> None:
    for record in (RECORD, PENDING):
        assert to_record(from_record(json.loads(json.dumps(record)))) == record
    mutation = from_record(RECORD)
    assert mutation.call == Call(api="DeleteTopics", version=6, request=b"\x00\x01\xff")
    assert mutation.demands[0] == Demand(action=Action.TOPIC_DELETE, kind=Kind.TOPIC, name="tx_1")


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
instants = st.integers(0, LAST_INSTANT)
authors = st.builds(Author, principal=texts, roles=st.frozensets(texts), tenant=st.none() | texts)
approvals = st.builds(Approval, author=authors, ts=instants, until_ts=instants, reason=texts)
claims = st.builds(Claim, by=texts, ts=instants)
endings = st.builds(Ended, ts=instants, by=texts, reason=texts)
demands = st.builds(
    Demand,
    action=st.none() | st.sampled_from(Action),
    kind=st.none() | st.sampled_from(Kind),
    name=st.none() | texts,
    explicit=st.booleans(),
    beginning=st.booleans(),
)
common: dict[str, Any] = {
    "id": texts,
    "revision": instants,
    "cluster": texts,
    "call": st.builds(
        Call,
        api=texts,
        version=st.integers(0, 99),
        request=st.binary(max_size=20),
        broker=st.none() | st.integers(0, 99),
    ),
    "demands": st.lists(demands, max_size=3).map(tuple),
    "told": st.dictionaries(texts, st.none() | texts | st.lists(texts, max_size=2), max_size=2),
    "rules": st.lists(texts, max_size=2).map(tuple),
    "author": authors,
    "client": st.dictionaries(texts, texts, max_size=2).map(lambda client: tuple(client.items())),
    "created_ts": instants,
    "expires_ts": instants,
}
outcomes = st.builds(Outcome, errors=st.lists(texts, max_size=2).map(tuple), unknown=st.booleans())
mutations = st.one_of(
    st.builds(StagedMutation, **common),
    st.builds(StagedMutation, **common, state=st.just(State.APPROVED), approval=approvals),
    st.builds(StagedMutation, **common, state=st.just(State.EXECUTING), approval=approvals, claim=claims),
    st.builds(
        StagedMutation,
        **common,
        state=st.sampled_from([State.SUCCEEDED, State.FAILED]),
        approval=approvals,
        claim=claims,
        outcome=outcomes,
        ended=endings,
    ),
    st.builds(
        StagedMutation,
        **common,
        state=st.sampled_from([State.DENIED, State.WITHDRAWN, State.EXPIRED]),
        approval=st.none() | approvals,
        ended=endings,
    ),
)


@settings(max_examples=200, deadline=None)
@given(mutation=mutations)
def test_what_is_kept_is_what_is_read(mutation: StagedMutation) -> None:
    assert from_record(json.loads(json.dumps(to_record(mutation)))) == mutation


def test_the_record_of_the_largest_request_fits_into_a_message_of_kafka() -> None:
    mutation = from_record(PENDING)
    largest = to_record(
        StagedMutation(
            id=mutation.id,
            cluster="prod",
            call=Call(api="CreateTopics", version=7, request=bytes(LARGEST)),
            demands=tuple(
                Demand(action=Action.TOPIC_CREATE, kind=Kind.TOPIC, name=f"tx_{at:0100}", explicit=True)
                for at in range(1_000)
            ),
            author=mutation.author,
            created_ts=1,
            expires_ts=2,
        )
    )
    assert len(json.dumps(largest)) < 1_000_000


def a_record(**changed: Any) -> dict[str, Any]:
    return {**RECORD, **changed}


def a_call(**changed: Any) -> dict[str, Any]:
    return a_record(call={**RECORD["call"], **changed})


def a_demand(**changed: Any) -> dict[str, Any]:
    return a_record(demands=[{**RECORD["demands"][0], **changed}])


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ([], "it is no mapping"),
        (a_record(schema=2), "it was written by a newer Kordon (schema 2, known are those up to 1)"),
        (a_record(state="dead"), "`state` is 'dead', which is none"),
        (a_record(state="expired"), "it is expired, and `claim` says otherwise"),
        (a_record(state="pending"), "it is pending, and `claim` says otherwise"),
        (a_record(state="executing", claim=None), "it is executing, and `claim` says otherwise"),
        (a_record(approval=None), "it is failed, and `approval` says nobody approved it"),
        (a_record(state="approved", approval=None), "it is approved, and `approval` says nobody approved it"),
        (a_record(ended=None), "it is failed, and `ended` says otherwise"),
        (a_call(request="AAH"), "`call.request` is no base64"),
        (a_call(request="A!=="), "`call.request` is no base64"),
        (a_call(request="ä"), "`call.request` is no base64"),
        (a_call(version="6"), "`call.version` is no whole number"),
        (a_demand(action="TOPIC_MERGE"), "`demands[0].action` is 'TOPIC_MERGE', which is none"),
        (a_demand(kind="heap"), "`demands[0].kind` is 'heap', which is none"),
        (a_demand(explicit=0), "`demands[0].explicit` is neither true nor false"),
        (a_record(demands="x"), "`demands` is no list"),
        (a_record(demands=["x"]), "`demands[0]` is no mapping"),
        (a_record(told=["x"]), "`told` is no mapping"),
        (a_record(client={"a": 1}), "`client.a` is no text"),
        (a_record(client=None), "`client` is no mapping"),
        (a_record(outcome={"errors": [1], "unknown": False}), "`outcome.errors` is no list of texts"),
        (a_record(approval={**RECORD["approval"], "author": None}), "`approval.author` is no mapping"),
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


def test_the_api_tells_all_of_it_but_the_request_itself() -> None:
    assert to_answer(from_record(RECORD)) == {
        "id": "9b1c",
        "state": "failed",
        "cluster": "prod",
        "api": "DeleteTopics",
        "api_version": 6,
        "broker": None,
        "demands": RECORD["demands"],
        "request": RECORD["told"],
        "rules": RECORD["rules"],
        "created_ts": 100,
        "created_by": "ann",
        "tenant": "Trading",
        "client": RECORD["client"],
        "expires_ts": 900,
        "approved_by": "olga",
        "approved_ts": 500,
        "approval_reason": "OPS-7",
        "started_ts": 501,
        "errors": ["topic tx_1: TOPIC_DELETION_DISABLED"],
        "outcome_unknown": False,
        "ended": RECORD["ended"],
    }
    waiting = to_answer(from_record(PENDING))
    assert (waiting["approved_by"], waiting["started_ts"], waiting["errors"]) == (None, None, [])
