"""What becomes of a scheduled mutation is kept with its event in one piece, for which a topic has a bound."""

from dataclasses import replace
from typing import Final

import pytest

from kordon_policy.offset_moves import Aim, Move, Operation
from kordon_policy.own_rights import Author, Judgement
from kordon_policy.scheduled import MOST_PARTITIONS, Change, ScheduledMutation, State, claim, finish
from kordon_policy.scheduled_record import to_record
from kordon_proxy.audit.scheduled import event_of
from kordon_proxy.store.entries import change_lines
from kordon_proxy.store.interface import Kind, Step
from kordon_proxy.store.kafka_appender import MOST_BYTES

GRANTED: Final = Judgement(granted=True, reason="by policies[0]")
WHY: Final = (
    "ann does not hold GROUP_EDIT on group trade_b2: no policy allows GROUP_EDIT on group trade_b2 to role devs"
)
WAITING: Final = ScheduledMutation(
    id="7f3a",
    revision=1,
    cluster="prod",
    aim=Aim(group="trade_b2", operation=Operation.SKIP),
    author=Author(principal="ann", roles=frozenset({"devs"}), tenant="Trading"),
    created_ts=1,
    until_ts=900,
)


def moves(topics: int, partitions: int, letters: int) -> tuple[Move, ...]:
    return tuple(
        Move(topic=f"tx_{topic:05}".ljust(letters, "x"), partition=partition, old=10**12, new=10**12 + 1)
        for topic in range(topics)
        for partition in range(partitions)
    )


def size(change: Change) -> int:
    """Bytes in a store that is a topic."""
    event = event_of(change, judgement=GRANTED, epoch=1)
    step = Step(kind=Kind.SCHEDULED, record=to_record(change.mutation), before=1, events=(event,))
    return sum(len(line.key) + len(line.value or b"") for line in change_lines("store", "one", "attempt", step))


@pytest.mark.parametrize(
    ("topics", "partitions", "letters"), [(1, MOST_PARTITIONS, 249), (1_000, 5, 200), (1_700, 1, 249), (5_000, 1, 15)]
)
def test_whatever_is_claimed_can_be_noted_when_all_of_it_has_failed(topics: int, partitions: int, letters: int) -> None:
    claimed = claim(WAITING, moves(topics, partitions, letters), GRANTED, 100, by="one")
    assert (claimed.mutation.state, size(claimed) < MOST_BYTES) == (State.EXECUTING, True)
    assert claimed.mutation.claim is not None

    failed = tuple(replace(move, error=WHY) for move in claimed.mutation.claim.moves)
    over = finish(claimed.mutation, failed, 200, by="one")

    assert size(over) < MOST_BYTES
    assert all(move.error for move in over.mutation.results)
    assert over.mutation.results[0].error == WHY


def test_what_takes_more_room_than_there_is_is_not_begun() -> None:
    change = claim(WAITING, moves(MOST_PARTITIONS, 1, 249), GRANTED, 100, by="one")

    assert (change.mutation.state, change.reason) == (
        State.FAILED,
        "its topics and partitions take more room than there is: name one topic",
    )
    assert size(change) < MOST_BYTES
