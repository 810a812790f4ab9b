"""What a store keeps of a scheduled mutation, and what it makes of it again."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kordon_policy.lifecycle import LAST_INSTANT, Ended
from kordon_policy.offset_moves import Aim, Move, Operation, Point, To, TopicPartition, in_order
from kordon_policy.own_rights import Author
from kordon_policy.records import UnreadableRecord
from kordon_policy.scheduled import MOST_PARTITIONS, Claim, ScheduledMutation, State
from kordon_policy.scheduled_record import from_record, to_answer, to_record

RECORD: dict[str, Any] = {
    "schema": 1,
    "id": "7f3a",
    "revision": 2,
    "state": "executing",
    "cluster": "prod",
    "aim": {
        "group": "trade_b2",
        "operation": "reset",
        "topic": "tx",
        "partition": None,
        "to": {"point": "time", "value": 50},
        "count": 1,
    },
    "resolved": [{"topic": "tx", "partitions": [[0, 7], [3, 41908]]}],
    "author": {"principal": "ann", "roles": ["devs"], "tenant": "Trading"},
    "created_ts": 100,
    "until_ts": 900,
    "reason": "poison message",
    "ticket": "OPS-7",
    "staged_id": None,
    "claim": {
        "by": "replica-1",
        "ts": 200,
        "attempts": 1,
        "moves": [{"topic": "tx", "partitions": [[0, None, 7, "", ""], [3, 41907, 41908, "", ""]]}],
    },
    "results": [],
    "ended": None,
}
DONE: dict[str, Any] = {
    **RECORD,
    "revision": 3,
    "state": "failed",
    "claim": {**RECORD["claim"], "moves": []},
    "results": [{"topic": "tx", "partitions": [[0, None, 7, "", "no"], [3, 41907, 41908, "a note", ""]]}],
    "ended": {"ts": 300, "by": "", "reason": "1 of 2 not done"},
}


def test_a_record_of_the_first_schema_is_read_for_ever() -> None:
    for record in (RECORD, DONE):
        assert to_record(from_record(json.loads(json.dumps(record)))) == record
    mutation = from_record(RECORD)
    assert mutation.aim.to == To(point=Point.TIME, value=50)
    assert mutation.resolved == {TopicPartition("tx", 0): 7, TopicPartition("tx", 3): 41908}
    assert mutation.claim is not None
    assert mutation.claim.moves[1] == Move(topic="tx", partition=3, old=41907, new=41908)


def test_a_record_with_an_approver_is_one_that_older_kordons_do_not_read() -> None:
    # They would move what he does not see.
    record = {**RECORD, "schema": 2, "approver": {"principal": "olga", "roles": ["owners"], "tenant": "Trading"}}

    mutation = from_record(json.loads(json.dumps(record)))

    assert mutation.approver == Author(principal="olga", roles=frozenset({"owners"}), tenant="Trading")
    assert to_record(mutation) == record


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
authors = st.builds(Author, principal=texts, roles=st.frozensets(texts), tenant=st.none() | texts)
instants = st.integers(0, LAST_INSTANT)
offsets = st.integers(0, 2**63 - 1)
partitions = st.integers(0, 2**31 - 1)
moves = st.lists(
    st.builds(
        Move,
        topic=st.sampled_from(["tx", "ry"]),
        partition=partitions,
        old=st.none() | offsets,
        new=st.none() | offsets,
        note=texts,
        error=texts,
    ),
    max_size=4,
    unique_by=lambda move: move.at,
).map(in_order)
aims = st.builds(
    Aim,
    group=texts,
    operation=st.sampled_from([Operation.SKIP, Operation.CLEAR]),
    topic=texts,
    partition=st.none() | partitions,
    count=offsets,
) | st.builds(
    Aim,
    group=texts,
    operation=st.just(Operation.RESET),
    topic=st.none() | texts,
    to=st.builds(To, point=st.sampled_from(Point), value=offsets),
)
claims = st.builds(Claim, by=texts, ts=instants, moves=moves, attempts=st.integers(1, 9))
common: dict[str, Any] = {
    "id": texts,
    "revision": instants,
    "cluster": texts,
    "aim": aims,
    "resolved": st.none() | st.dictionaries(st.builds(TopicPartition, texts, partitions), offsets, max_size=3),
    "author": authors,
    "created_ts": instants,
    "until_ts": instants,
    "reason": texts,
    "ticket": texts,
    "staged_id": st.none() | texts,
    "approver": st.none() | authors,
    "results": moves,
}
mutations = st.one_of(
    st.builds(ScheduledMutation, **common),
    st.builds(ScheduledMutation, **common, state=st.just(State.EXECUTING), claim=claims),
    st.builds(
        ScheduledMutation,
        **common,
        state=st.sampled_from([state for state in State if state.final]),
        claim=st.none() | claims,
        ended=st.builds(Ended, ts=instants, by=texts, reason=texts),
    ),
)


@settings(max_examples=200, deadline=None)
@given(mutation=mutations)
def test_what_is_kept_is_what_is_read(mutation: ScheduledMutation) -> None:
    assert from_record(json.loads(json.dumps(to_record(mutation)))) == mutation


def test_the_record_of_the_most_partitions_fits_into_a_message_of_kafka() -> None:
    moves = tuple(
        Move(topic="tx_trade1", partition=at, old=10**12, new=10**12 + 1, note="11 is before its first record, at 50")
        for at in range(MOST_PARTITIONS)
    )
    mutation = ScheduledMutation(
        id="7f3a",
        state=State.EXECUTING,
        cluster="prod",
        aim=Aim(group="g", operation=Operation.SKIP, topic="tx_trade1"),
        author=Author(principal="ann", roles=frozenset(), tenant=None),
        created_ts=1,
        until_ts=2,
        claim=Claim(by="a", ts=1, moves=moves),
    )
    assert len(json.dumps(to_record(mutation))) < 1_000_000


def a_record(**changed: Any) -> dict[str, Any]:
    return {**RECORD, **changed}


def an_aim(**changed: Any) -> dict[str, Any]:
    return a_record(aim={**RECORD["aim"], **changed})


def with_moves(*rows: Any) -> dict[str, Any]:
    return a_record(results=[{"topic": "tx", "partitions": list(rows)}])


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ([], "it is no mapping"),
        ({}, "it has no `schema`"),
        (a_record(schema=3), "it was written by a newer Kordon (schema 3, known are those up to 2)"),
        (a_record(schema=2), "it has no `approver`"),
        (a_record(schema=2, approver=None), "`approver` is no mapping"),
        (a_record(schema=0), "there is no schema 0"),
        (a_record(revision=True), "`revision` is no whole number"),
        (a_record(state="dead"), "`state` is 'dead', which is none"),
        (a_record(state="expired"), "it is expired, and `ended` says otherwise"),
        (a_record(ended={"ts": 1, "by": "", "reason": ""}), "it is executing, and `ended` says otherwise"),
        (a_record(claim=None), "it is executing, and `claim` says nobody does it"),
        (a_record(until_ts=LAST_INSTANT + 1), "`until_ts` is after the year 9999"),
        (a_record(created_ts=-1), "`created_ts` is negative"),
        (a_record(cluster=None), "`cluster` is no text"),
        (an_aim(operation="skp"), "`aim.operation` is 'skp', which is none"),
        (an_aim(operation="skip"), "`aim` contradicts itself: skip with an offset to reset to"),
        (an_aim(topic=None, partition=3), "`aim` contradicts itself: partition 3 of no topic"),
        (an_aim(partition="3"), "`aim.partition` is no whole number"),
        (an_aim(to={"point": "soon", "value": 0}), "`aim.to.point` is 'soon', which is none"),
        (a_record(resolved={}), "`resolved` is no list"),
        (a_record(resolved=[{"topic": "tx", "partitions": [[0]]}]), "a row of `resolved[0].partitions` is not made"),
        (a_record(results=None), "`results` is no list"),
        (a_record(results=[{"partitions": []}]), "it has no `results[0].topic`"),
        (with_moves("x"), "`results[0].partitions` has a row that is no list"),
        (with_moves([1, 2, 3, ""]), "a row of `results[0].partitions` is no move of a partition"),
        (with_moves([1, 2, 3, "", None]), "a row of `results[0].partitions` is no move of a partition"),
        (with_moves([None, 2, 3, "", ""]), "a row of `results[0].partitions` is not made of whole numbers"),
        (with_moves([1, -2, 3, "", ""]), "a row of `results[0].partitions` is not made of whole numbers"),
        (with_moves([1, 2, True, "", ""]), "a row of `results[0].partitions` is not made of whole numbers"),
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


def test_the_api_tells_it_in_the_words_of_the_request() -> None:
    assert to_answer(from_record(DONE)) == {
        "id": "7f3a",
        "state": "failed",
        "cluster": "prod",
        "group": "trade_b2",
        "operation": "reset",
        "to": {"time": 50},
        "topic": "tx",
        "partition": None,
        "count": None,
        "created_ts": 100,
        "created_by": "ann",
        "tenant": "Trading",
        "until_ts": 900,
        "duration_ms": 800,
        "reason": "poison message",
        "ticket": "OPS-7",
        "staged_id": None,
        "started_ts": 200,
        "offsets": [
            {"topic": "tx", "partition": 0, "old_offset": None, "new_offset": 7, "note": "", "error": "no"},
            {"topic": "tx", "partition": 3, "old_offset": 41907, "new_offset": 41908, "note": "a note", "error": ""},
        ],
        "ended": DONE["ended"],
    }
    running = to_answer(from_record(RECORD))
    assert [one["new_offset"] for one in running["offsets"]] == [7, 41908]
    assert to_answer(from_record(an_aim(to={"point": "latest", "value": 0})))["to"] == "latest"
    skip = to_answer(from_record(an_aim(operation="skip", to=None, count=7)))
    assert (skip["to"], skip["count"]) == (None, 7)
