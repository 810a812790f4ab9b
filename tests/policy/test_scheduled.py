"""Everything that can become of a scheduled mutation."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import product

import pytest

from kordon_policy.lifecycle import NotPossible
from kordon_policy.model import RuleRef
from kordon_policy.offset_moves import Aim, Move, Operation, Point, To, TopicPartition
from kordon_policy.own_rights import Author, Judgement
from kordon_policy.scheduled import (
    GRACE_MS,
    LEASE_MS,
    MOST_PARTITIONS,
    Change,
    Due,
    Event,
    ScheduledMutation,
    State,
    cancel,
    claim,
    create,
    due,
    expire,
    fail,
    finish,
    in_front,
    remaining,
    take_over,
)

ANN = Author(principal="ann", roles=frozenset({"devs"}), tenant="Trading")
YES = Judgement(granted=True, reason="ann holds it", rules=(RuleRef(place="policies[0]"),))
NO = Judgement(granted=False, reason="ann does not hold it")
CREATED, UNTIL = 100, 900
MOVES = (
    Move(topic="tx", partition=1, old=10, new=11),
    Move(topic="tx", partition=3, old=20, new=21),
)
NEITHER = tuple(replace(move, new=move.old, error="it has no offset to skip from") for move in MOVES)
SKIP = Aim(group="g", operation=Operation.SKIP, topic="tx")


def a_request(aim: Aim = SKIP, mutation_id: str = "7f3a", created_ts: int = CREATED) -> ScheduledMutation:
    return ScheduledMutation(
        id=mutation_id,
        cluster="prod",
        aim=aim,
        author=ANN,
        created_ts=created_ts,
        until_ts=UNTIL,
        reason="poison",
    )


def scheduled(aim: Aim = SKIP, mutation_id: str = "7f3a", created_ts: int = CREATED) -> ScheduledMutation:
    return create(a_request(aim, mutation_id, created_ts), YES, CREATED).mutation


def executing(moves: tuple[Move, ...] = MOVES) -> ScheduledMutation:
    return claim(scheduled(), moves, YES, 200, by="replica-1").mutation


def taken_over() -> ScheduledMutation:
    return take_over(executing(), 300, by="replica-2", watched_ms=LEASE_MS).mutation


def at(**offsets: int | None) -> Mapping[TopicPartition, int | None]:
    """Committed offsets of topic tx: p1, p3."""
    return {TopicPartition("tx", int(name[1:])): offset for name, offset in offsets.items()}


def test_what_is_asked_for_waits_with_its_author_and_his_reason() -> None:
    change = create(a_request(), YES, CREATED)
    assert (change.event, change.mutation.state, change.id) == (Event.SCHEDULED, State.SCHEDULED, "7f3a/1")
    assert (change.by, change.reason, change.ts) == ("ann", "poison", CREATED)


def test_what_its_author_may_not_do_is_refused_with_the_reason() -> None:
    change = create(a_request(), NO, CREATED)
    assert (change.event, change.mutation.state, change.by) == (Event.REFUSED, State.FAILED, "ann")
    assert change.reason == NO.reason


def test_what_exists_is_over_or_has_not_been_looked_up_is_not_created() -> None:
    with pytest.raises(NotPossible, match="scheduled mutation 7f3a exists already"):
        create(scheduled(), YES, CREATED)
    with pytest.raises(NotPossible, match="would have ended at 1970-01-01T00:00:00Z"):
        create(a_request(), YES, UNTIL)
    by_time = Aim(group="g", operation=Operation.RESET, to=To(point=Point.TIME, value=50))
    with pytest.raises(NotPossible, match="by a time that has not been looked up"):
        create(a_request(by_time), YES, CREATED)
    assert create(replace(a_request(by_time), resolved={}), YES, CREATED).mutation.state is State.SCHEDULED


@pytest.mark.parametrize(
    ("mutation", "now", "watched_ms", "asked"),
    [
        (a_request(), 150, 0, None),
        (scheduled(), CREATED, 0, Due.TRY),
        (scheduled(), CREATED - 50, 0, Due.TRY),  # the clock was set back
        (scheduled(), UNTIL - 1, LEASE_MS, Due.TRY),
        (scheduled(), UNTIL, 0, Due.EXPIRE),
        (executing(), 250, LEASE_MS - 1, None),
        (executing(), 250, LEASE_MS, Due.TAKE_OVER),
        # Neither a clock that was set nor the end of its time ends what has begun.
        (executing(), 10**12, LEASE_MS - 1, None),
        (executing(), 10**12, LEASE_MS, Due.TAKE_OVER),
        (executing(), 0, LEASE_MS, Due.TAKE_OVER),
        (expire(scheduled(), UNTIL).mutation, 0, LEASE_MS, None),
        (cancel(scheduled(), 150, by="ann").mutation, 10**12, LEASE_MS, None),
    ],
)
def test_what_time_asks_for(mutation: ScheduledMutation, now: int, watched_ms: int, asked: Due | None) -> None:
    assert due(mutation, now, watched_ms=watched_ms) is asked


def test_a_claim_names_who_executes_it_and_both_ends_of_every_move() -> None:
    change = claim(scheduled(), MOVES, YES, 200, by="replica-1")
    assert (change.event, change.mutation.state, change.id) == (Event.STARTED, State.EXECUTING, "7f3a/2")
    assert change.mutation.claim is not None
    assert (change.mutation.claim.by, change.mutation.claim.ts, change.mutation.claim.moves) == (
        "replica-1",
        200,
        MOVES,
    )


def test_who_has_lost_his_right_meanwhile_has_nothing_executed() -> None:
    change = claim(scheduled(), MOVES, NO, 200, by="replica-1")
    assert (change.event, change.mutation.state, change.reason) == (Event.FAILED, State.FAILED, NO.reason)
    assert change.mutation.claim is None


def test_what_no_partition_allows_fails_at_once_with_each_reason() -> None:
    change = claim(scheduled(), NEITHER, YES, 200, by="replica-1")
    assert (change.event, change.mutation.results) == (Event.FAILED, NEITHER)
    assert change.reason == "2 of 2 not done; tx-1: it has no offset to skip from"
    assert claim(scheduled(), (), YES, 200, by="replica-1").reason == "there is no offset that it could move"


def test_more_partitions_than_a_record_can_name_are_not_moved() -> None:
    many = tuple(Move(topic="tx", partition=at, old=1, new=2) for at in range(MOST_PARTITIONS + 1))
    assert claim(scheduled(), many[1:], YES, 200, by="replica-1").event is Event.STARTED
    change = claim(scheduled(), many, YES, 200, by="replica-1")
    assert (change.event, change.reason) == (Event.FAILED, "it is about 5001 partitions, more than 5000")


def test_who_takes_over_goes_on_with_the_same_moves() -> None:
    change = take_over(executing(), 300, by="replica-2", watched_ms=LEASE_MS)
    assert (change.event, change.reason) == (Event.TAKEN_OVER, "replica-1 has not finished it")
    assert change.mutation.claim is not None
    assert (change.mutation.claim.by, change.mutation.claim.moves, change.mutation.claim.attempts) == (
        "replica-2",
        MOVES,
        2,
    )


def test_what_was_set_before_a_crash_is_not_set_again() -> None:
    rest = remaining(taken_over(), at(p1=11, p3=20), YES, 300)
    assert (rest.to_set, rest.settled) == (MOVES[1:], MOVES[:1])
    # Who has not set anything yet knows that it was somebody else.
    (first,) = remaining(executing(), at(p1=11, p3=20), YES, 200).settled
    assert first.error == "somebody has moved it to 11 meanwhile"
    assert remaining(executing(), at(p1=11, p3=20), YES, 200, begun=True).settled == MOVES[:1]


@pytest.mark.parametrize(
    ("judgement", "now", "told"),
    [
        (NO, 300, NO.reason),
        (YES, UNTIL + GRACE_MS, "it was given up at 1970-01-01T00:01:00Z, before this was set"),
    ],
)
def test_what_is_not_allowed_any_more_or_too_late_is_not_set(judgement: Judgement, now: int, told: str) -> None:
    rest = remaining(taken_over(), at(p1=11, p3=20), judgement, now)
    assert rest.to_set == ()
    assert [move.error for move in rest.settled] == ["", told]
    assert remaining(taken_over(), at(p1=11, p3=20), YES, UNTIL + GRACE_MS - 1).to_set


def test_it_has_succeeded_if_every_move_was_made() -> None:
    change = finish(executing(), MOVES, 250, by="replica-1")
    assert (change.event, change.mutation.state, change.mutation.results) == (Event.SUCCEEDED, State.SUCCEEDED, MOVES)
    assert change.mutation.claim is not None
    assert change.mutation.claim.moves == ()
    results = (MOVES[0], replace(MOVES[1], error="COORDINATOR_NOT_AVAILABLE"))
    change = finish(executing(), results, 250, by="replica-1")
    assert (change.event, change.mutation.state, change.mutation.results) == (Event.FAILED, State.FAILED, results)
    assert change.reason == "1 of 2 not done; tx-3: COORDINATOR_NOT_AVAILABLE"


def test_only_who_executes_it_says_what_has_become_of_its_moves_and_of_no_others() -> None:
    with pytest.raises(NotPossible, match="cannot be finished: replica-2 executes it"):
        finish(taken_over(), MOVES, 310, by="replica-1")
    for others in (MOVES[:1], MOVES[::-1], (MOVES[0], replace(MOVES[1], new=22)), ()):
        with pytest.raises(NotPossible, match="these are not its moves"):
            finish(executing(), others, 250, by="replica-1")


def test_an_end_is_at_its_instant_and_says_what_it_waited_for() -> None:
    change = expire(scheduled(), UNTIL + 50, waits_for="group g has 2 members")
    assert (change.event, change.mutation.state, change.reason) == (
        Event.EXPIRED,
        State.EXPIRED,
        "group g has 2 members",
    )
    assert change.mutation.ended is not None
    assert (change.mutation.ended.ts, change.ts, change.by) == (UNTIL, UNTIL + 50, "")


def test_who_cancels_is_kept() -> None:
    change = cancel(scheduled(), 150, by="bob", reason="not needed")
    assert (change.event, change.mutation.state, change.by) == (Event.CANCELLED, State.CANCELLED, "bob")
    assert change.mutation.ended is not None
    assert change.mutation.ended.reason == "not needed"


def test_what_cannot_be_done_says_why() -> None:
    over = expire(scheduled(), UNTIL).mutation
    for wrong, told in (
        (lambda: cancel(over, 1, by="bob"), "cannot be cancelled: it is over since 1970-01-01T00:00:00Z, expired"),
        (lambda: cancel(executing(), 250, by="bob"), "cannot be cancelled: it is being executed"),
        (lambda: cancel(scheduled(), UNTIL, by="bob"), "cannot be cancelled: its time ended at"),
        (lambda: cancel(a_request(), 150, by="bob"), "cannot be cancelled: it does not exist yet"),
        (lambda: expire(scheduled(), 150), "cannot expire: it waits until"),
        (lambda: claim(executing(), MOVES, YES, 250, by="b"), "cannot be executed: it is being executed"),
        (lambda: claim(scheduled(), MOVES, YES, UNTIL, by="b"), "cannot be executed: its time ended at"),
        (lambda: take_over(scheduled(), 250, by="b", watched_ms=LEASE_MS), "cannot be taken over: it waits"),
        (lambda: take_over(executing(), 250, by="b", watched_ms=0), "cannot be taken over: it is being executed"),
        (lambda: remaining(scheduled(), {}, YES, 250), "cannot be gone on with: it waits"),
        (lambda: fail(executing(), "no", 250), "cannot be given up: it is being executed"),
    ):
        with pytest.raises(NotPossible, match=told):
            wrong()


def test_of_two_that_could_move_one_offset_the_older_goes_first_unless_the_other_has_begun() -> None:
    older, newer = scheduled(mutation_id="b"), scheduled(mutation_id="a", created_ts=CREATED + 1)
    assert in_front(older, [older, newer]) is None
    assert in_front(newer, [older, newer]) is older
    begun = claim(newer, MOVES, YES, 200, by="replica-1").mutation
    assert in_front(older, [older, begun]) is begun
    assert in_front(newer, [expire(older, UNTIL).mutation, newer]) is None
    elsewhere = scheduled(Aim(group="g", operation=Operation.CLEAR, topic="ry"), "c")
    assert in_front(newer, [elsewhere, a_request(mutation_id="d", created_ts=0)]) is None
    twin = scheduled(mutation_id="a")
    assert (in_front(twin, [older, twin]), in_front(older, [older, twin])) == (None, twin)


Step = Callable[[ScheduledMutation, int], Change]
SETTLED = tuple(replace(move, error="no") for move in MOVES)
STEPS: dict[str, Step] = {
    "create": lambda mutation, now: create(mutation, YES, now),
    "claim": lambda mutation, now: claim(mutation, MOVES, YES, now, by="a"),
    "claim, no right": lambda mutation, now: claim(mutation, MOVES, NO, now, by="a"),
    "claim, no move": lambda mutation, now: claim(mutation, NEITHER, YES, now, by="a"),
    "take over": lambda mutation, now: take_over(mutation, now, by="a", watched_ms=LEASE_MS),
    "take over, too early": lambda mutation, now: take_over(mutation, now, by="a", watched_ms=LEASE_MS - 1),
    "finish": lambda mutation, now: finish(mutation, MOVES, now, by="a"),
    "finish, not done": lambda mutation, now: finish(mutation, SETTLED, now, by="a"),
    "finish, by another": lambda mutation, now: finish(mutation, MOVES, now, by="b"),
    "fail": lambda mutation, now: fail(mutation, "no such cluster", now),
    "expire": expire,
    "cancel": lambda mutation, now: cancel(mutation, now, by="bob"),
}
# All that there is: from where, by which step, with which event, to where. Whatever is not here is not possible.
TABLE = {
    (State.SCHEDULED, "claim", Event.STARTED, State.EXECUTING),
    (State.SCHEDULED, "claim, no right", Event.FAILED, State.FAILED),
    (State.SCHEDULED, "claim, no move", Event.FAILED, State.FAILED),
    (State.SCHEDULED, "fail", Event.FAILED, State.FAILED),
    (State.SCHEDULED, "expire", Event.EXPIRED, State.EXPIRED),
    (State.SCHEDULED, "cancel", Event.CANCELLED, State.CANCELLED),
    (State.EXECUTING, "take over", Event.TAKEN_OVER, State.EXECUTING),
    (State.EXECUTING, "finish", Event.SUCCEEDED, State.SUCCEEDED),
    (State.EXECUTING, "finish, not done", Event.FAILED, State.FAILED),
}
IN_TIME = {"claim", "claim, no right", "claim, no move", "fail", "cancel"}
# Before its beginning, at and around its end, and long after, in any order: a clock may be set.
INSTANTS = (0, CREATED, UNTIL - 1, UNTIL, UNTIL + GRACE_MS, 10**12)
DEPTH = 3


def walks(mutation: ScheduledMutation, depth: int) -> Iterator[tuple[ScheduledMutation, str, int, Change | None]]:
    """Every step at every instant from here on, whichever way the clock goes."""
    for (name, step), now in product(STEPS.items(), INSTANTS):
        try:
            change = step(mutation, now)
        except NotPossible:
            yield mutation, name, now, None
            continue
        yield mutation, name, now, change
        if depth > 1:
            yield from walks(change.mutation, depth - 1)


def test_every_walk_keeps_to_the_table_whichever_way_the_clock_goes() -> None:
    taken = set()
    for mutation, step, now, change in walks(scheduled(), DEPTH):
        possible = {(state, name) for state, name, _, _ in TABLE}
        if change is None:
            timely = now < UNTIL if step in IN_TIME else now >= UNTIL if step == "expire" else True
            assert (mutation.state, step) not in possible or not timely
            continue
        after = change.mutation
        taken.add((mutation.state, step, change.event, after.state))
        assert change.id == f"7f3a/{mutation.revision + 1}"
        assert after.state.final == (after.ended is not None)
        assert (after.aim, after.author, after.until_ts) == (mutation.aim, mutation.author, mutation.until_ts)
        assert (after.state is State.EXECUTING) == bool(after.claim and after.claim.moves)
        # Whatever time it is, what was claimed once is what is done.
        assert after.state is not State.EXECUTING or (after.claim and after.claim.moves == MOVES)
        assert after.state is not State.SUCCEEDED or mutation.state is State.EXECUTING
    assert taken == TABLE


def test_what_does_not_exist_yet_can_only_be_created() -> None:
    for (name, step), now in product(STEPS.items(), INSTANTS):
        if name == "create" and now < UNTIL:
            assert step(a_request(), now).event is Event.SCHEDULED
        else:
            with pytest.raises(NotPossible):
                step(a_request(), now)
