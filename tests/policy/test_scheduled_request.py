"""What is asked to be scheduled becomes a scheduled mutation, or every reason why not."""

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kordon_policy import scheduled_request
from kordon_policy.actions import Domain
from kordon_policy.findings import Severity
from kordon_policy.offset_moves import Aim, Operation, Point, To
from kordon_policy.own_rights import Author, Known
from kordon_policy.scheduled import ScheduledMutation, State
from kordon_policy.scheduled_request import LONGEST_TRIES_MS, TRIES_MS, Asked, read_request

NOW = 1_771_978_189_708
ANN = Author(principal="ann", roles=frozenset({"devs"}), tenant="Trading")
KNOWN: Known = {Domain.CLUSTER: (frozenset({"prod", "lkc-1"}), frozenset({"test"}))}
BODY: dict[str, Any] = {
    "cluster": "prod",
    "group": "trade_b2",
    "operation": "skip",
    "topic": "tx_trade1",
    "partition": 3,
}
TO_HINT = 'write "earliest", "latest", {"offset": 41907} or {"time": "2026-01-31T18:00:00Z"}'


def asked(body: object, *, max_duration: int | None = LONGEST_TRIES_MS) -> Asked:
    return read_request(body, mutation_id="7f3a", author=ANN, known=KNOWN, now=NOW, max_duration=max_duration)


def accepted(body: object, **more: Any) -> ScheduledMutation:
    read = asked(body, **more)
    assert read.mutation is not None, read.findings
    return read.mutation


def refused(body: object, **more: Any) -> list[str]:
    """Each mistake as `place: message (hint)`."""
    read = asked(body, **more)
    assert read.mutation is None
    return [f"{one.path}: {one.message} ({one.hint})" for one in read.findings if one.severity is Severity.ERROR]


def without(*keys: str, **changed: Any) -> dict[str, Any]:
    return {key: value for key, value in {**BODY, **changed}.items() if key not in keys}


def test_a_skip_waits_for_fifteen_minutes_from_now_on() -> None:
    mutation = accepted(BODY)
    assert mutation.aim == Aim(
        group="trade_b2", operation=Operation.SKIP, topic="tx_trade1", partition=3, to=None, count=1
    )
    assert (mutation.id, mutation.cluster, mutation.author, mutation.state) == ("7f3a", "prod", ANN, State.SCHEDULED)
    assert (mutation.created_ts, mutation.until_ts) == (NOW, NOW + TRIES_MS)


def test_all_that_can_be_said_is_kept() -> None:
    mutation = accepted({**BODY, "count": 7, "duration_ms": 60_000, "reason": "poison\nmessage", "ticket": "OPS-7"})
    assert (mutation.aim.count, mutation.until_ts - NOW) == (7, 60_000)
    assert (mutation.reason, mutation.ticket) == ("poison\nmessage", "OPS-7")


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ("earliest", To(point=Point.EARLIEST)),
        ("latest", To(point=Point.LATEST)),
        ({"offset": 0}, To(point=Point.OFFSET, value=0)),
        ({"offset": 2**63 - 1}, To(point=Point.OFFSET, value=2**63 - 1)),
        ({"time": NOW}, To(point=Point.TIME, value=NOW)),
        ({"time": "2026-02-25T00:00:00Z"}, To(point=Point.TIME, value=1_771_977_600_000)),
        ({"time": "2026-02-25T01:00:00+01:00"}, To(point=Point.TIME, value=1_771_977_600_000)),
    ],
)
def test_offsets_are_reset_to_a_word_an_offset_or_a_time(to: object, expected: To) -> None:
    assert accepted(without(operation="reset", to=to)).aim.to == expected


def test_a_topic_or_the_whole_group_may_be_meant() -> None:
    assert accepted(without("partition", operation="clear")).aim == Aim(
        group="trade_b2", operation=Operation.CLEAR, topic="tx_trade1"
    )
    assert accepted(without("partition", "topic", operation="clear")).aim == Aim(
        group="trade_b2", operation=Operation.CLEAR
    )


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (without("cluster"), ": a scheduled mutation without `cluster` (write `cluster:`)"),
        (without("group"), ": a scheduled mutation without `group` (write `group:`)"),
        (without("operation"), ": a scheduled mutation without `operation` (one of reset, skip, clear)"),
        (without(cluster="prdo"), 'cluster: no cluster is known as "prdo" (did you mean "prod"?)'),
        (without(cluster="else"), 'cluster: no cluster is known as "else" (known are lkc-1, prod, test)'),
        (without(group=""), "group: `group` is empty (write a name)"),
        (without(group=["a"]), "group: `group` is one text (write it without brackets or dashes)"),
        (without(operation="skp"), 'operation: "skp" is no value of `operation` (did you mean "skip"?)'),
        (
            without(operation="delete"),
            'operation: "delete" is no value of `operation` (one of reset, skip, clear)',
        ),
        (without("topic"), "partition: `partition` without `topic` (name the topic that it is of)"),
        (without(partition="3"), "partition: `partition` is a whole number (write it without quotes)"),
        (without(partition=True), "partition: `partition` is a whole number (write it without quotes)"),
        (without(partition=-1), "partition: `partition` is below 0 ()"),
        (without(partition=2**31), "partition: `partition` is too large ()"),
        (without(count=0), "count: `count` is below 1 ()"),
        (without(count=1.5), "count: `count` is a whole number (write it without quotes)"),
        (
            without(operation="clear", count=2),
            "count: `count` with `operation` clear (only what is skipped is counted)",
        ),
        (without(to="latest"), 'to: `to` with `operation` skip (write `"operation": "reset"`)'),
        (without(operation="reset"), f": a reset without `to` ({TO_HINT})"),
        (
            without(operation="reset", to="latestt"),
            'to: "latestt" is no place to reset to (did you mean "latest"?)',
        ),
        (without(operation="reset", to="41907"), f'to: "41907" is no place to reset to ({TO_HINT})'),
        (without(operation="reset", to=41907), 'to: `to` is a word or a mapping (write {"offset": 41907})'),
        (without(operation="reset", to=["latest"]), f"to: `to` is a word or a mapping ({TO_HINT})"),
        (without(operation="reset", to={}), f"to: `to` has one key, `offset` or `time` ({TO_HINT})"),
        (
            without(operation="reset", to={"offset": 1, "time": 2}),
            f"to: `to` has one key, `offset` or `time` ({TO_HINT})",
        ),
        (
            without(operation="reset", to={"ofset": 1}),
            'to.ofset: "ofset" is no key of `to` (did you mean "offset"?)',
        ),
        (without(operation="reset", to={"offset": -1}), "to.offset: `offset` is below 0 ()"),
        (
            without(operation="reset", to={"offset": "5"}),
            "to.offset: `offset` is a whole number (write it without quotes)",
        ),
        (
            without(operation="reset", to={"time": "yesterday"}),
            'to.time: "yesterday" is no instant '
            "(write 2026-01-31 (midnight UTC) or 2026-01-31T18:00:00Z)",
        ),
        (
            without(operation="reset", to={"time": "2026-02-25T00:00:00"}),
            'to.time: "2026-02-25T00:00:00" is no instant '
            "(write 2026-01-31 (midnight UTC) or 2026-01-31T18:00:00Z)",
        ),
        (
            without(operation="reset", to={"time": 0}),
            "to.time: `time` is not above 0 (it is in milliseconds)",
        ),
        (
            without(operation="reset", to={"time": 1.5}),
            "to.time: `time` is a whole number of milliseconds "
            '(write it like 1767225600000, or "2026-01-01T00:00:00Z")',
        ),
        (
            without(operation="reset", to={"time": NOW // 1000}),
            "to.time: 1970-01-21T12:12:58Z is before there was Kafka (instants are in milliseconds since the epoch)",
        ),
        (
            without(operation="reset", to={"time": NOW + 1}),
            "to.time: 2026-02-25T00:09:49Z is still to come (now it is 2026-02-25T00:09:49Z)",
        ),
        (
            without(duration_ms="15m"),
            "duration_ms: `duration_ms` is a whole number of milliseconds (write it like 900000)",
        ),
        (without(duration_ms=0), "duration_ms: `duration_ms` is not above 0 (it is in milliseconds)"),
        (
            without(duration_ms=LONGEST_TRIES_MS + 1),
            "duration_ms: it would try for 86400001 ms (1 day, 0:00:00.001000) (at most 86400000 ms (1 day, 0:00:00))",
        ),
        (without(reason="x" * 1_001), "reason: `reason` is longer than 1000 letters (say it in fewer)"),
        (without(ticket=7), "ticket: `ticket` is one text (put it in quotes)"),
        (without(topik="a"), 'topik: "topik" is no key of a scheduled mutation (did you mean "topic"?)'),
        (
            without(topic=None),
            "topic: a null, which could mean nothing or everything (write a value, or leave the key out)",
        ),
        (
            [],
            ": a scheduled mutation is a mapping with the keys cluster, group, operation, to, topic, partition, "
            "count, duration_ms, reason, ticket (write key: value)",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place_and_a_way_out(body: object, told: str) -> None:
    assert refused(body) == [told]


def test_every_mistake_is_told_at_once() -> None:
    body = {"cluster": "prdo", "operation": "rest", "to": "soon", "partition": "3", "duration_ms": -1, "tikcet": "a"}
    assert [told.partition(":")[0] for told in refused(body)] == [
        "",  # no group
        "cluster",
        "operation",
        "to",
        "partition",
        "partition",  # of no topic
        "duration_ms",
        "tikcet",
    ]


def test_how_long_it_tries_is_bounded_by_what_is_set() -> None:
    assert accepted(BODY, max_duration=60_000).until_ts == NOW + 60_000
    assert accepted({**BODY, "duration_ms": 9 * LONGEST_TRIES_MS}, max_duration=None).until_ts > NOW + LONGEST_TRIES_MS
    assert refused({**BODY, "duration_ms": 60_001}, max_duration=60_000)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (without("partition", count=2), 'it skips 2 in every partition of topic "tx_trade1"'),
        (without("partition", "topic"), "it skips 1 in every partition that the group reads"),
        (
            without("partition", operation="reset", to={"offset": 7}),
            'it sets every partition of topic "tx_trade1" to the same offset',
        ),
    ],
)
def test_what_may_be_wider_than_it_was_meant_is_told_and_done(body: object, told: str) -> None:
    read = asked(body)
    assert read.mutation is not None
    (notice,) = read.findings
    assert (notice.severity, notice.message) == (Severity.NOTICE, told)


def test_the_requests_in_the_documentation_are_accepted() -> None:
    written = re.findall(r"^\{.*\}$", scheduled_request.__doc__ or "", re.MULTILINE)
    assert len(written) == 6
    for line in written:
        accepted(json.loads(line))


words = st.sampled_from(["prod", "skip", "reset", "clear", "latest", "tx", "2026-02-25T00:00:00Z", "", "\0", "\ud83d"])
scalars = st.none() | st.booleans() | st.integers() | st.floats() | words | st.text(max_size=3)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["offset", "time"]) | st.text(max_size=2), inner, max_size=2)
    ),
    max_leaves=5,
)
bodies = st.fixed_dictionaries({}, optional=dict.fromkeys(scheduled_request.KEYS, values))


@settings(max_examples=500, deadline=None)
@given(body=values | bodies | bodies.map(lambda some: {**BODY, **some}))
def test_whatever_is_asked_is_answered(body: object) -> None:
    read = asked(body)
    assert (read.mutation is None) == any(one.severity is Severity.ERROR for one in read.findings)
