"""Everything that can become of a staged mutation."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product

import pytest

from kordon_policy.actions import Action, Kind
from kordon_policy.lifecycle import NotPossible
from kordon_policy.mutation_rights import Demand
from kordon_policy.own_rights import Author, Judgement
from kordon_policy.staged import (
    EXECUTES_WITHIN_MS,
    LARGEST,
    LEASE_MS,
    Call,
    Change,
    Due,
    Event,
    Outcome,
    StagedMutation,
    State,
    abandon,
    approve,
    claim,
    create,
    deny,
    due,
    expire,
    fail,
    finish,
    withdraw,
)

ANN = Author(principal="ann", roles=frozenset({"devs"}), tenant="Trading")
OLGA = Author(principal="olga", roles=frozenset({"owners"}), tenant="Trading")
YES = Judgement(granted=True, reason="olga holds it")
NO = Judgement(granted=False, reason="olga does not hold it")
CREATED, EXPIRES = 100, 900
APPROVED = 500
WITHIN = 100
ENDS = APPROVED + WITHIN
DONE, NOT_DONE = Outcome(), Outcome(errors=("topic a: TOPIC_DELETION_DISABLED",))
CALL = Call(api="DeleteTopics", version=6, request=b"\x00\x01")


def a_request(call: Call = CALL) -> StagedMutation:
    return StagedMutation(
        id="9b1c",
        cluster="prod",
        call=call,
        demands=(Demand(action=Action.TOPIC_DELETE, kind=Kind.TOPIC, name="a"),),
        author=ANN,
        created_ts=CREATED,
        expires_ts=EXPIRES,
    )


def pending() -> StagedMutation:
    return create(a_request(), CREATED).mutation


def approved() -> StagedMutation:
    return approve(pending(), OLGA, YES, APPROVED, within_ms=WITHIN).mutation


def executing() -> StagedMutation:
    return claim(approved(), YES, APPROVED + 1, by="replica-1").mutation


def test_what_is_staged_waits_with_its_author() -> None:
    change = create(a_request(), CREATED)
    assert (change.event, change.mutation.state, change.id) == (Event.STAGED, State.PENDING, "9b1c/1")
    assert (change.by, change.ts) == ("ann", CREATED)


def test_what_exists_is_over_is_too_large_or_takes_nothing_is_not_created() -> None:
    with pytest.raises(NotPossible, match="staged mutation 9b1c exists already"):
        create(pending(), CREATED)
    with pytest.raises(NotPossible, match="would have expired at 1970-01-01T00:00:00Z"):
        create(a_request(), EXPIRES)
    with pytest.raises(NotPossible, match="a request of 524289 bytes cannot be staged, only one of 524288 at most"):
        create(a_request(Call(api="X", version=1, request=bytes(LARGEST + 1))), CREATED)
    with pytest.raises(NotPossible, match="takes no action that somebody could approve"):
        create(replace(a_request(), demands=(Demand(action=None, kind=Kind.TOPIC, name="a"),)), CREATED)


@pytest.mark.parametrize(
    ("mutation", "now", "watched_ms", "asked"),
    [
        (a_request(), 10**12, LEASE_MS, None),
        (pending(), CREATED - 50, LEASE_MS, None),
        (pending(), EXPIRES - 1, LEASE_MS, None),
        (pending(), EXPIRES, 0, Due.EXPIRE),
        (approved(), ENDS - 1, 0, Due.EXECUTE),
        (approved(), 0, 0, Due.EXECUTE),
        (approved(), ENDS, 0, Due.EXPIRE),
        (executing(), 10**12, LEASE_MS - 1, None),
        (executing(), 0, LEASE_MS, Due.ABANDON),
        (finish(executing(), DONE, 1, by="replica-1").mutation, 10**12, LEASE_MS, None),
        (expire(pending(), EXPIRES).mutation, 0, LEASE_MS, None),
    ],
)
def test_what_time_asks_for(mutation: StagedMutation, now: int, watched_ms: int, asked: Due | None) -> None:
    assert due(mutation, now, watched_ms=watched_ms) is asked


def test_an_approval_names_who_gave_it_and_until_when_it_holds() -> None:
    change = approve(pending(), OLGA, YES, APPROVED, reason="OPS-7")
    assert (change.event, change.mutation.state, change.by, change.reason) == (
        Event.APPROVED,
        State.APPROVED,
        "olga",
        "OPS-7",
    )
    approval = change.mutation.approval
    assert approval is not None
    assert (approval.author, approval.ts, approval.until_ts) == (OLGA, APPROVED, APPROVED + EXECUTES_WITHIN_MS)
    # Who approves in time is not hurried by an end that was meant for those who never look.
    assert due(change.mutation, EXPIRES + 50) is Due.EXECUTE


def test_it_takes_a_second_person_who_may() -> None:
    told = "staged mutation 9b1c cannot be approved by ann, who has asked for it: it takes a second person"
    with pytest.raises(NotPossible, match=told):
        approve(pending(), ANN, YES, APPROVED)
    with pytest.raises(NotPossible, match=NO.reason):
        approve(pending(), OLGA, NO, APPROVED)
    with pytest.raises(NotPossible, match="cannot be denied by ann, who has asked for it"):
        deny(pending(), APPROVED, by="ann")
    with pytest.raises(NotPossible, match="cannot be withdrawn by olga: its author is somebody else"):
        withdraw(pending(), APPROVED, by="olga")


def test_it_is_denied_or_withdrawn_until_it_is_executed() -> None:
    for mutation in (pending(), approved()):
        change = deny(mutation, APPROVED, by="olga", reason="not now")
        assert (change.event, change.mutation.state, change.by) == (Event.DENIED, State.DENIED, "olga")
        assert change.mutation.ended is not None
        assert change.mutation.ended.reason == "not now"
        change = withdraw(mutation, APPROVED, by="ann", reason="my mistake")
        assert (change.event, change.mutation.state, change.by) == (Event.WITHDRAWN, State.WITHDRAWN, "ann")


def test_an_end_is_at_its_instant_and_says_what_was_missing() -> None:
    for mutation, at, waits_for, told in (
        (pending(), EXPIRES, "", "nobody approved it"),
        (pending(), EXPIRES, "broker 1 away", "nobody approved it"),
        (approved(), ENDS, "", "it was approved, and not executed"),
        (approved(), ENDS, "cluster prod cannot be reached", "cluster prod cannot be reached"),
    ):
        change = expire(mutation, at + 50, waits_for=waits_for)
        assert (change.event, change.mutation.state, change.reason) == (Event.EXPIRED, State.EXPIRED, told)
        assert change.mutation.ended is not None
        assert (change.mutation.ended.ts, change.ts) == (at, at + 50)


def test_a_claim_names_who_executes_it() -> None:
    change = claim(approved(), YES, APPROVED + 1, by="replica-1")
    assert (change.event, change.mutation.state, change.id) == (Event.STARTED, State.EXECUTING, "9b1c/3")
    assert change.mutation.claim is not None
    assert (change.mutation.claim.by, change.mutation.claim.ts) == ("replica-1", APPROVED + 1)


def test_what_is_not_allowed_any_more_is_not_executed() -> None:
    change = claim(approved(), NO, APPROVED + 1, by="replica-1")
    assert (change.event, change.mutation.state, change.reason) == (Event.FAILED, State.FAILED, NO.reason)
    assert (change.mutation.claim, change.mutation.outcome) == (None, None)


def test_it_has_succeeded_if_the_broker_told_of_no_error() -> None:
    change = finish(executing(), DONE, 510, by="replica-1")
    assert (change.event, change.mutation.state, change.mutation.outcome) == (Event.SUCCEEDED, State.SUCCEEDED, DONE)
    change = finish(executing(), NOT_DONE, 510, by="replica-1")
    assert (change.event, change.mutation.state) == (Event.FAILED, State.FAILED)
    assert change.reason == "topic a: TOPIC_DELETION_DISABLED"
    lost = Outcome(errors=("the connection broke",), unknown=True)
    change = finish(executing(), lost, 510, by="replica-1")
    assert change.reason == "nobody knows whether it was done: the connection broke"
    with pytest.raises(NotPossible, match="cannot be finished: replica-1 executes it"):
        finish(executing(), DONE, 510, by="replica-2")


def test_what_has_become_of_it_is_unknown_when_whoever_executed_it_is_gone() -> None:
    change = abandon(executing(), 510, watched_ms=LEASE_MS)
    assert (change.event, change.mutation.state) == (Event.FAILED, State.FAILED)
    assert change.reason == "nobody knows whether it was done: replica-1 has not finished it"
    assert change.mutation.outcome is not None
    assert change.mutation.outcome.unknown


def test_what_cannot_be_done_says_why() -> None:
    over = deny(pending(), APPROVED, by="olga").mutation
    wrongs: list[tuple[Callable[[], Change], str]] = [
        (lambda: approve(over, OLGA, YES, APPROVED), "be approved: it is over since 1970-01-01T00:00:00Z, denied"),
        (lambda: approve(approved(), OLGA, YES, APPROVED), "cannot be approved: it is approved"),
        (lambda: approve(pending(), OLGA, YES, EXPIRES), "cannot be approved: its time ended at 1970-01-01T00:00:00Z"),
        (lambda: approve(a_request(), OLGA, YES, APPROVED), "cannot be approved: it does not exist yet"),
        (lambda: deny(a_request(), APPROVED, by="olga"), "cannot be denied: it does not exist yet"),
        (lambda: deny(executing(), APPROVED, by="olga"), "cannot be denied: it is being executed"),
        (lambda: withdraw(executing(), APPROVED, by="ann"), "cannot be withdrawn: it is being executed"),
        (lambda: withdraw(approved(), ENDS, by="ann"), "cannot be withdrawn: its time ended at"),
        (lambda: claim(pending(), YES, APPROVED, by="a"), "cannot be executed: it is pending"),
        (lambda: claim(executing(), YES, APPROVED, by="a"), "cannot be executed: it is being executed"),
        (lambda: fail(pending(), "no", APPROVED), "cannot be given up: it is pending"),
        (lambda: expire(approved(), ENDS - 1), "cannot expire: it is approved"),
        (lambda: expire(executing(), 10**12), "cannot expire: it is being executed"),
        (lambda: abandon(executing(), 10**12, watched_ms=0), "cannot be abandoned: it is being executed"),
        (lambda: finish(approved(), DONE, APPROVED, by="a"), "cannot be finished: it is approved"),
    ]
    for wrong, told in wrongs:
        with pytest.raises(NotPossible, match=told):
            wrong()


def test_what_was_asked_for_is_not_shown_by_accident() -> None:
    assert "request" not in repr(pending().call)


Step = Callable[[StagedMutation, int], Change]
STEPS: dict[str, Step] = {
    "create": create,
    "approve": lambda mutation, now: approve(mutation, OLGA, YES, now, within_ms=WITHIN),
    "approve, no right": lambda mutation, now: approve(mutation, OLGA, NO, now),
    "approve, its author": lambda mutation, now: approve(mutation, ANN, YES, now),
    "deny": lambda mutation, now: deny(mutation, now, by="olga"),
    "deny, its author": lambda mutation, now: deny(mutation, now, by="ann"),
    "withdraw": lambda mutation, now: withdraw(mutation, now, by="ann"),
    "withdraw, another": lambda mutation, now: withdraw(mutation, now, by="olga"),
    "expire": expire,
    "claim": lambda mutation, now: claim(mutation, YES, now, by="a"),
    "claim, no right": lambda mutation, now: claim(mutation, NO, now, by="a"),
    "fail": lambda mutation, now: fail(mutation, "no such version", now),
    "finish": lambda mutation, now: finish(mutation, DONE, now, by="a"),
    "finish, not done": lambda mutation, now: finish(mutation, NOT_DONE, now, by="a"),
    "finish, by another": lambda mutation, now: finish(mutation, DONE, now, by="b"),
    "abandon": lambda mutation, now: abandon(mutation, now, watched_ms=LEASE_MS),
    "abandon, too early": lambda mutation, now: abandon(mutation, now, watched_ms=LEASE_MS - 1),
}
# All that there is: from where, by which step, with which event, to where. Whatever is not here is not possible.
TABLE = {
    (State.PENDING, "approve", Event.APPROVED, State.APPROVED),
    (State.PENDING, "deny", Event.DENIED, State.DENIED),
    (State.PENDING, "withdraw", Event.WITHDRAWN, State.WITHDRAWN),
    (State.PENDING, "expire", Event.EXPIRED, State.EXPIRED),
    (State.APPROVED, "deny", Event.DENIED, State.DENIED),
    (State.APPROVED, "withdraw", Event.WITHDRAWN, State.WITHDRAWN),
    (State.APPROVED, "expire", Event.EXPIRED, State.EXPIRED),
    (State.APPROVED, "claim", Event.STARTED, State.EXECUTING),
    (State.APPROVED, "claim, no right", Event.FAILED, State.FAILED),
    (State.APPROVED, "fail", Event.FAILED, State.FAILED),
    (State.EXECUTING, "finish", Event.SUCCEEDED, State.SUCCEEDED),
    (State.EXECUTING, "finish, not done", Event.FAILED, State.FAILED),
    (State.EXECUTING, "abandon", Event.FAILED, State.FAILED),
}
POSSIBLE = {(state, step) for state, step, _, _ in TABLE}
# Before its beginning, around each end, and long after, in any order: a clock may be set.
INSTANTS = (0, CREATED, APPROVED, ENDS - 1, ENDS, EXPIRES - 1, EXPIRES, 10**12)
DEPTH = 4


def walks(mutation: StagedMutation, depth: int) -> Iterator[tuple[StagedMutation, str, int, Change | None]]:
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


def in_time(mutation: StagedMutation, step: str, now: int) -> bool:
    if mutation.due_ts is None:
        return True
    return (now >= mutation.due_ts) == (step == "expire")


def test_every_walk_keeps_to_the_table_whichever_way_the_clock_goes() -> None:
    taken = set()
    for mutation, step, now, change in walks(pending(), DEPTH):
        if change is None:
            assert (mutation.state, step) not in POSSIBLE or not in_time(mutation, step, now)
            continue
        after = change.mutation
        taken.add((mutation.state, step, change.event, after.state))
        assert in_time(mutation, step, now)
        assert change.id == f"9b1c/{mutation.revision + 1}"
        assert after.state.final == (after.ended is not None)
        # What is executed is what was asked for, and it is not kept any longer.
        call = replace(CALL, request=b"") if after.state.final else CALL
        assert (after.call, after.demands, after.author) == (call, pending().demands, ANN)
        if after.state in (State.EXECUTING, State.SUCCEEDED):
            assert after.approval is not None
            assert after.approval.author.principal != after.author.principal
        assert after.state is not State.SUCCEEDED or mutation.state is State.EXECUTING
        assert (after.claim is None) == (step not in CLAIMED)
    assert taken == TABLE


CLAIMED = ("claim", "finish", "finish, not done", "abandon")


def test_what_does_not_exist_yet_can_only_be_created() -> None:
    for (name, step), now in product(STEPS.items(), INSTANTS):
        if name == "create" and now < EXPIRES:
            assert step(a_request(), now).event is Event.STAGED
        else:
            with pytest.raises(NotPossible):
                step(a_request(), now)
