"""What becomes of offsets: each partition's move, and what is left of it when somebody looks again."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kordon_policy.offset_moves import Aim, Found, Move, Operation, Point, To, TopicPartition, compare, hopeless, plan

TX_3 = TopicPartition("tx", 3)


def found_at(committed: int | None) -> Found:
    """A partition with records from 5 to 19."""
    return Found(committed=committed, earliest=5, latest=20)


def skip(count: int = 1, topic: str | None = "tx", partition: int | None = 3) -> Aim:
    return Aim(group="g", operation=Operation.SKIP, topic=topic, partition=partition, count=count)


def reset(point: Point, value: int = 0, topic: str | None = "tx", partition: int | None = 3) -> Aim:
    to = To(point=point, value=value)
    return Aim(group="g", operation=Operation.RESET, topic=topic, partition=partition, to=to)


def clear(topic: str | None = "tx", partition: int | None = 3) -> Aim:
    return Aim(group="g", operation=Operation.CLEAR, topic=topic, partition=partition)


def a_move(old: int | None, new: int | None, *, note: str = "", error: str = "") -> Move:
    return Move(topic="tx", partition=3, old=old, new=new, note=note, error=error)


@pytest.mark.parametrize(
    ("aim", "committed", "expected"),
    [
        (skip(), 10, a_move(10, 11)),
        (skip(5), 10, a_move(10, 15)),
        (skip(), 19, a_move(19, 20)),
        (skip(5), 18, a_move(18, 20, note="23 is after its last record; the next one will be at 20")),
        (skip(), 3, a_move(3, 5, note="4 is before its first record, which is at 5")),
        (skip(), 20, a_move(20, 20, error="there is no record to skip: the next one will be at 20")),
        (skip(), 25, a_move(25, 25, error="there is no record to skip: the next one will be at 20")),
        (skip(), None, a_move(None, None, error="it has no offset to skip from")),
        (reset(Point.EARLIEST), 10, a_move(10, 5)),
        (reset(Point.EARLIEST), None, a_move(None, 5)),
        (reset(Point.LATEST), 10, a_move(10, 20)),
        (reset(Point.OFFSET, 7), 10, a_move(10, 7)),
        (reset(Point.OFFSET, 5), 10, a_move(10, 5)),
        (reset(Point.OFFSET, 20), 10, a_move(10, 20)),
        (reset(Point.OFFSET, 4), 10, a_move(10, 5, note="4 is before its first record, which is at 5")),
        (
            reset(Point.OFFSET, 21),
            10,
            a_move(10, 20, note="21 is after its last record; the next one will be at 20"),
        ),
        (reset(Point.TIME, 1), 10, a_move(10, 8)),
        (clear(), 10, a_move(10, None)),
        (clear(), None, a_move(None, None, note="it had no offset")),
    ],
)
def test_a_partition_is_moved_where_kafkas_own_tool_would_move_it(
    aim: Aim, committed: int | None, expected: Move
) -> None:
    assert plan(aim, {TX_3: found_at(committed)}, {TX_3: 8}) == (expected,)


def errors(moves: tuple[Move, ...]) -> Mapping[str, str]:
    return {str(move.at): move.error for move in moves}


def test_what_cannot_be_moved_says_why_and_leaves_the_offset_as_it_is() -> None:
    gone = Found(committed=10, error="topic tx is no more")
    unknown = Found(committed=10)
    assert plan(skip(), {TX_3: gone}, {}) == (a_move(10, 10, error="topic tx is no more"),)
    assert errors(plan(skip(), {TX_3: unknown}, {})) == {"tx-3": "it is not known where its records begin and end"}
    late = plan(reset(Point.TIME, 1), {TX_3: found_at(10)}, {})
    assert errors(late) == {"tx-3": "it was not there when the time was looked up"}
    assert errors(plan(skip(), {}, {})) == {"tx-3": "topic tx has no such partition"}
    assert plan(skip(topic=None, partition=None), {}, {}) == ()


GONE = Found(committed=None, error="its leader answers NOT_LEADER_OR_FOLLOWER")
WHOLE: dict[str, Any] = {"topic": None, "partition": None}


@pytest.mark.parametrize(
    ("aim", "found", "why"),
    [
        (skip(), {}, "there is no topic tx"),
        (skip(partition=None), {}, "there is no topic tx"),
        (reset(Point.LATEST), {}, "there is no topic tx"),
        (clear(partition=4), {TX_3: found_at(1)}, "topic tx has no partition 4: it has partitions 0 to 3"),
        (
            skip(partition=1),
            {TopicPartition("tx", 0): found_at(1)},
            "topic tx has no partition 1: it has partition 0 alone",
        ),
        (skip(), {TX_3: found_at(None)}, "group g has no offset of tx-3 to skip from"),
        (skip(partition=None), {TX_3: found_at(None)}, "group g has no offset of tx to skip from"),
        (skip(**WHOLE), {}, "group g has no offsets"),
        (clear(**WHOLE), {}, "group g has no offsets"),
        (reset(Point.LATEST, **WHOLE), {}, "group g has no offsets"),
        # What may be possible, or is as it should be already.
        (skip(), {TX_3: found_at(20)}, ""),
        (skip(), {TX_3: GONE}, ""),
        (skip(partition=None), {TX_3: found_at(None), TopicPartition("tx", 2): found_at(7)}, ""),
        (clear(), {TX_3: found_at(None)}, ""),
        (reset(Point.LATEST), {TX_3: found_at(None)}, ""),
    ],
)
def test_what_could_only_fail_is_known_before(aim: Aim, found: Mapping[TopicPartition, Found], why: str) -> None:
    assert hopeless(aim, found, is_there=True, may_commit=False) == why


@pytest.mark.parametrize("aim", [skip(), skip(**WHOLE), clear(), reset(Point.LATEST, **WHOLE)])
def test_a_group_that_is_not_there_has_nothing_to_be_moved_unless_something_comes_first(aim: Aim) -> None:
    found = {} if aim.topic is None else {TX_3: found_at(None)}

    assert hopeless(aim, found, is_there=False, may_commit=False) == "there is no group g"
    assert hopeless(aim, found, is_there=False, may_commit=True) == ""


def test_a_group_that_is_not_there_may_be_given_offsets() -> None:
    assert hopeless(reset(Point.LATEST), {TX_3: found_at(None)}, is_there=False, may_commit=False) == ""


def test_only_what_is_aimed_at_is_moved() -> None:
    found = {
        TopicPartition(topic, partition): found_at(committed)
        for topic, partition, committed in (("tx", 0, 10), ("tx", 3, 11), ("ry", 3, 12), ("ry", 4, None))
    }

    def moved(aim: Aim) -> list[str]:
        return [str(move.at) for move in plan(aim, found, {})]

    assert moved(skip()) == ["tx-3"]
    assert moved(skip(partition=None)) == ["tx-0", "tx-3"]
    # Of a whole group those partitions are meant that it reads, of a topic all of them.
    assert moved(skip(topic=None, partition=None)) == ["ry-3", "tx-0", "tx-3"]
    assert moved(reset(Point.LATEST, topic="ry", partition=None)) == ["ry-3", "ry-4"]


def test_of_a_topic_those_partitions_are_skipped_that_have_a_record_to_skip_but_one_must() -> None:
    def skipped(first: int, second: int) -> list[tuple[int | None, str, str]]:
        found = {TopicPartition("tx", at): found_at(old) for at, old in enumerate((first, second))}
        return [(move.new, move.note, move.error) for move in plan(skip(partition=None), found, {})]

    nothing = "there is no record to skip: the next one will be at 20"
    assert skipped(10, 20) == [(11, "", ""), (20, nothing, "")]
    assert skipped(20, 20) == [(20, "", nothing), (20, "", nothing)]


def test_aims_overlap_where_one_partition_is_meant_by_both() -> None:
    whole, topic, one = skip(topic=None, partition=None), skip(partition=None), skip()
    assert whole.overlaps(one)
    assert one.overlaps(whole)
    assert topic.overlaps(one)
    assert one.overlaps(clear())
    assert not one.overlaps(skip(partition=4))
    assert not topic.overlaps(skip(topic="ry", partition=None))
    assert not whole.overlaps(Aim(group="h", operation=Operation.CLEAR))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"operation": Operation.RESET}, "reset without an offset to reset to"),
        ({"operation": Operation.SKIP, "to": To(point=Point.LATEST)}, "skip with an offset to reset to"),
        ({"operation": Operation.CLEAR, "partition": 3}, "partition 3 of no topic"),
    ],
)
def test_an_aim_that_contradicts_itself_is_none(wrong: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Aim(group="g", **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("move", "now", "begun", "relative", "left"),
    [
        (a_move(10, 11), 10, False, True, "to set"),
        (a_move(10, 11), 10, True, True, "to set"),
        (a_move(10, 11), 11, True, True, "done"),
        # Somebody else has moved it by one, so that nothing was skipped.
        (a_move(10, 11), 11, False, True, "somebody has moved it to 11 meanwhile"),
        # But who wants it at an offset has it there, whoever brought it.
        (a_move(10, 11), 11, False, False, "done"),
        (a_move(10, 11), 12, True, True, "somebody has moved it to 12 meanwhile"),
        (a_move(10, 11), 12, False, False, "somebody has moved it to 12 meanwhile"),
        (a_move(10, 11), None, True, True, "somebody has deleted it meanwhile"),
        (a_move(10, None), None, True, False, "done"),
        (a_move(10, None), 10, True, False, "to set"),
        (a_move(None, 5), None, False, False, "to set"),
        (a_move(None, 5), 7, False, False, "somebody has moved it to 7 meanwhile"),
        (a_move(20, 20), 20, False, True, "done"),
        (a_move(20, 20), 21, False, True, "somebody has moved it to 21 meanwhile"),
        (a_move(10, 10, error="no"), 11, True, True, "no"),
    ],
)
def test_what_is_left_to_do_is_found_by_comparing(
    move: Move, now: int | None, begun: bool, relative: bool, left: str
) -> None:
    rest = compare([move], {TX_3: now}, begun=begun, relative=relative)
    assert ["to set" for _ in rest.to_set] + [one.error or "done" for one in rest.settled] == [left]


def test_an_offset_that_cannot_be_read_is_not_set() -> None:
    rest = compare([a_move(10, 11)], {}, begun=False, relative=True)
    assert rest.to_set == ()
    assert rest.settled == (a_move(10, 11, error="its offset cannot be read"),)


def test_what_is_given_up_is_told_for_each_move_that_was_left() -> None:
    moves = [a_move(10, 11), Move(topic="tx", partition=1, old=4, new=5)]
    rest = compare(moves, {TX_3: 10, TopicPartition("tx", 1): 5}, begun=True, relative=True)
    assert [(move.partition, move.error) for move in rest.given_up("no rights any more")] == [
        (1, ""),
        (3, "no rights any more"),
    ]


offsets = st.integers(0, 12)
aims = st.one_of(
    st.builds(skip, st.integers(1, 4), partition=st.none()),
    st.builds(reset, st.just(Point.OFFSET), offsets, partition=st.none()),
    st.sampled_from(
        [reset(Point.EARLIEST, partition=None), reset(Point.LATEST, partition=None), clear(partition=None)]
    ),
)
partitions = st.builds(
    lambda committed, earliest, length: Found(committed=committed, earliest=earliest, latest=earliest + length),
    st.none() | offsets,
    st.integers(0, 6),
    st.integers(0, 6),
)


@settings(max_examples=300, deadline=None)
@given(aim=aims, found=st.dictionaries(st.integers(0, 3), partitions, max_size=4), cut=st.integers(0, 4))
def test_whoever_goes_on_after_any_part_was_set_ends_where_it_was_planned(
    aim: Aim, found: dict[int, Found], cut: int
) -> None:
    moves = plan(aim, {TopicPartition("tx", at): one for at, one in found.items()}, {})
    offsets = {move.at: move.old for move in moves}
    for move in moves:
        records = found[move.partition]
        assert records.earliest is not None
        assert records.latest is not None
        # A consumer finds a record there, or waits for the next one.
        assert move.error or move.new is None or move.new == move.old or records.earliest <= move.new <= records.latest

    first = compare(moves, offsets, begun=False, relative=aim.operation is Operation.SKIP)
    for move in first.to_set[:cut]:  # and then whoever set them dies
        offsets[move.at] = move.new
    rest = compare(moves, offsets, begun=True, relative=aim.operation is Operation.SKIP)
    for move in rest.to_set:
        offsets[move.at] = move.new

    assert offsets == {move.at: move.old if move.error else move.new for move in moves}
    last = compare(moves, offsets, begun=True, relative=aim.operation is Operation.SKIP)
    assert last.to_set == ()
    assert {move.at for move in last.settled if move.error} == {move.at for move in moves if move.error}
