"""Everything that can become of a temporary policy."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product

import pytest

from kordon_policy.actions import Action, Kind
from kordon_policy.lifecycle import NotPossible, Sighting
from kordon_policy.model import RuleRef
from kordon_policy.own_rights import Author, Judgement
from kordon_policy.snapshot import Snapshot, compile_snapshot
from kordon_policy.temporary import (
    Change,
    Due,
    Event,
    State,
    TemporaryPolicy,
    create,
    due,
    enforced,
    expected,
    expire,
    renew,
    revoke,
    start,
)
from kordon_policy.temporary_request import read_request
from tests.policy.given import a_document, a_snapshot, rights_of

ANN = Author(principal="ann", roles=frozenset({"owners"}), tenant=None)
YES = Judgement(granted=True, reason="ann holds it", rules=(RuleRef(place="policies[0]"),))
NO = Judgement(granted=False, reason="ann does not hold it")
FILE = '{"admin_roles": ["owners"], "authorized_roles": ["devs"], "policies": []}'
STARTS, EXPIRES = 100, 200


def a_request(starts_ts: int = STARTS, expires_ts: int | None = EXPIRES, effect: str = "Allow") -> TemporaryPolicy:
    policy = {"role": "devs", "actions": ["GROUP_EDIT"], "effect": effect, "resource": ["cluster", "*", "group", "g"]}
    end = {"duration_ms": "unlimited"} if expires_ts is None else {"expires_ts": expires_ts}
    read = read_request(
        {"starts_ts": starts_ts, **end, "policy": policy, "reason": "poison"},
        policy_id="7f3a",
        author=ANN,
        snapshot=a_snapshot(FILE),
        known={},
        now=1,
        max_duration=None,
    )
    assert read.policy is not None, read.findings
    return read.policy


def scheduled(expires_ts: int | None = EXPIRES) -> TemporaryPolicy:
    (change,) = create(a_request(expires_ts=expires_ts), YES, 50)
    return change.policy


def live(expires_ts: int | None = EXPIRES) -> TemporaryPolicy:
    return create(a_request(expires_ts=expires_ts), YES, STARTS)[-1].policy


def events(changes: tuple[Change, ...]) -> list[tuple[Event, State, int]]:
    return [(change.event, change.policy.state, change.policy.revision) for change in changes]


def test_what_starts_later_is_only_created() -> None:
    changes = create(a_request(), YES, STARTS - 1)
    assert events(changes) == [(Event.CREATED, State.SCHEDULED, 1)]
    assert (changes[0].by, changes[0].reason, changes[0].ts, changes[0].id) == ("ann", "poison", 99, "7f3a/1")


def test_what_starts_at_once_is_created_and_started() -> None:
    changes = create(a_request(), YES, STARTS)
    assert events(changes) == [(Event.CREATED, State.SCHEDULED, 1), (Event.STARTED, State.LIVE, 2)]
    assert [change.id for change in changes] == ["7f3a/1", "7f3a/2"]


def test_what_its_author_may_not_do_is_refused_with_the_reason() -> None:
    (change,) = create(a_request(), NO, STARTS)
    assert (change.event, change.policy.state, change.by) == (Event.REFUSED, State.REFUSED, "ann")
    assert change.reason == "ann does not hold it"
    assert change.policy.ended is not None
    assert change.policy.ended.reason == "ann does not hold it"


def test_what_is_over_or_exists_is_not_created() -> None:
    with pytest.raises(NotPossible, match=r"temporary policy 7f3a cannot be started: it ended at 1970-01-01T00:00:00Z"):
        create(a_request(), YES, EXPIRES)
    with pytest.raises(NotPossible, match=r"temporary policy 7f3a exists already"):
        create(scheduled(), YES, STARTS)


def test_a_start_is_judged_again() -> None:
    refused = start(scheduled(), NO, STARTS)
    assert (refused.event, refused.policy.state, refused.reason) == (Event.REFUSED, State.REFUSED, NO.reason)
    started = start(scheduled(), YES, STARTS)
    assert (started.event, started.policy.state, started.by) == (Event.STARTED, State.LIVE, "")


@pytest.mark.parametrize(
    ("policy", "now", "asked"),
    [
        (scheduled(), STARTS - 1, None),
        (scheduled(), STARTS, Due.START),
        (scheduled(), EXPIRES - 1, Due.START),
        (scheduled(), EXPIRES, Due.EXPIRE),
        (live(), STARTS - 1, None),
        (live(), EXPIRES - 1, None),
        (live(), EXPIRES, Due.EXPIRE),
        (live(), 10**15, Due.EXPIRE),
        (live(None), 10**15, None),
        (scheduled(None), 10**15, Due.START),
        (a_request(), 10**15, None),
    ],
)
def test_what_time_asks_for(policy: TemporaryPolicy, now: int, asked: Due | None) -> None:
    assert due(policy, now) is asked


def test_an_end_is_at_its_instant_and_not_when_somebody_looks() -> None:
    change = expire(live(), EXPIRES + 50)
    assert change.policy.ended is not None
    assert (change.policy.ended.ts, change.ts, change.by) == (EXPIRES, EXPIRES + 50, "")


def test_what_was_missed_whole_expires_and_is_said_never_to_have_been_in_force() -> None:
    change = expire(scheduled(), EXPIRES)
    assert (change.event, change.policy.state, change.reason) == (
        Event.EXPIRED,
        State.EXPIRED,
        "it never came into force",
    )
    assert expire(live(), EXPIRES).reason == ""


def test_who_revokes_is_kept() -> None:
    for policy in (scheduled(), live()):
        change = revoke(policy, 150, by="bob", reason="done")
        assert (change.event, change.policy.state, change.by) == (Event.REVOKED, State.REVOKED, "bob")
        ended = change.policy.ended
        assert ended is not None
        assert (ended.ts, ended.by, ended.reason) == (150, "bob", "done")


def test_a_renewal_gives_another_end_and_no_other_state() -> None:
    for policy in (scheduled(), live()):
        for expires_ts in (EXPIRES + 50, EXPIRES - 10, None):
            change = renew(policy, expires_ts, YES, 150, by="bob", reason="more")
            assert (change.event, change.by, change.reason) == (Event.RENEWED, "bob", "more")
            assert change.policy == replace(policy, expires_ts=expires_ts, revision=policy.revision + 1, renewed_ts=150)


def test_an_end_is_counted_from_the_start_or_from_the_last_renewal() -> None:
    assert live().counted_ts == STARTS
    assert renew(scheduled(), EXPIRES + 50, YES, STARTS - 1, by="bob").policy.counted_ts == STARTS
    assert renew(live(), EXPIRES + 50, YES, STARTS + 1, by="bob").policy.counted_ts == STARTS + 1


def test_a_renewal_takes_the_right_and_an_end_to_come() -> None:
    with pytest.raises(NotPossible, match=NO.reason):
        renew(live(), EXPIRES + 50, NO, 150, by="bob")
    with pytest.raises(NotPossible, match=r"that is no later than its start or now"):
        renew(live(), 150, YES, 150, by="bob")
    with pytest.raises(NotPossible, match=r"that is no later than its start or now"):
        renew(scheduled(), STARTS, YES, 50, by="bob")


def test_what_is_no_more_is_said_with_its_instant() -> None:
    over = expire(live(), EXPIRES).policy
    with pytest.raises(NotPossible, match=r"cannot be revoked: it was expired at 1970-01-01T00:00:00Z"):
        revoke(over, 1, by="bob")
    with pytest.raises(NotPossible, match=r"cannot be renewed: it ended at"):
        renew(live(), 999, YES, EXPIRES, by="bob")
    with pytest.raises(NotPossible, match=r"cannot expire: it is in force until"):
        expire(live(), STARTS)
    with pytest.raises(NotPossible, match=r"cannot be started: it starts at"):
        start(scheduled(), YES, STARTS - 1)
    with pytest.raises(NotPossible, match=r"cannot expire: it is live"):
        expire(live(None), STARTS)
    with pytest.raises(NotPossible, match=r"cannot be revoked: it does not exist yet"):
        revoke(a_request(), 1, by="bob")


Step = Callable[[TemporaryPolicy, int], Change]
STEPS: dict[str, Step] = {
    "start": lambda policy, now: start(policy, YES, now),
    "start, refused": lambda policy, now: start(policy, NO, now),
    "expire": expire,
    "revoke": lambda policy, now: revoke(policy, now, by="bob"),
    "renew": lambda policy, now: renew(policy, now + 100, YES, now, by="bob"),
    "renew, refused": lambda policy, now: renew(policy, now + 100, NO, now, by="bob"),
    "create": lambda policy, now: create(policy, YES, now)[-1],
}
# All that there is: from where, by which step, with which event, to where. Whatever is not here is not possible.
TABLE = {
    (State.SCHEDULED, "start", Event.STARTED, State.LIVE),
    (State.SCHEDULED, "start, refused", Event.REFUSED, State.REFUSED),
    (State.SCHEDULED, "expire", Event.EXPIRED, State.EXPIRED),
    (State.SCHEDULED, "revoke", Event.REVOKED, State.REVOKED),
    (State.SCHEDULED, "renew", Event.RENEWED, State.SCHEDULED),
    (State.LIVE, "expire", Event.EXPIRED, State.EXPIRED),
    (State.LIVE, "revoke", Event.REVOKED, State.REVOKED),
    (State.LIVE, "renew", Event.RENEWED, State.LIVE),
}
# Before, at and after the start and every end that renewing makes of it. In any order: a clock may be set.
INSTANTS = (0, STARTS - 1, STARTS, 150, EXPIRES - 1, EXPIRES, 250, 10**6)
DEPTH = 4


def walks(policy: TemporaryPolicy, depth: int) -> Iterator[tuple[TemporaryPolicy, str, int, Change | None]]:
    """Every step at every instant from here on, whichever way the clock goes."""
    for (name, step), now in product(STEPS.items(), INSTANTS):
        try:
            change = step(policy, now)
        except NotPossible:
            yield policy, name, now, None
            continue
        yield policy, name, now, change
        if depth > 1:
            yield from walks(change.policy, depth - 1)


def test_every_walk_keeps_to_the_table_whichever_way_the_clock_goes() -> None:
    taken = set()
    for policy, step, now, change in (one for first in (scheduled(), live()) for one in walks(first, DEPTH)):
        if change is None:
            # What can be done is refused only for its time or its right.
            assert policy.state.final or refused_for_a_reason(policy, step, now)
            continue
        after = change.policy
        taken.add((policy.state, step, change.event, after.state))
        assert after.revision == policy.revision + 1
        assert after.state.final == (after.ended is not None)
        assert (after.rule, after.wording, after.author) == (policy.rule, policy.wording, policy.author)
        assert not enforced([after]) or after.state is State.LIVE
        assert policy.expires_ts is None or now < policy.expires_ts or change.event is Event.EXPIRED
        assert after.state is not State.LIVE or policy.state is State.LIVE or now >= policy.starts_ts
    assert taken == TABLE


def refused_for_a_reason(policy: TemporaryPolicy, step: str, now: int) -> bool:
    over = policy.expires_ts is not None and now >= policy.expires_ts
    begun = policy.state is State.LIVE
    return {
        "start": begun or over or now < policy.starts_ts,
        "start, refused": begun or over or now < policy.starts_ts,
        "expire": not over,
        "revoke": over,
        "renew": over or now + 100 <= policy.starts_ts,
        "renew, refused": True,
        "create": True,
    }[step]


def test_each_change_of_a_walk_has_an_id_of_its_own() -> None:
    policy, ids = scheduled(), {"7f3a/1"}
    for now in range(STARTS, STARTS + 40):
        change = renew(policy, now + 100, YES, now, by="bob") if now > STARTS else start(policy, YES, now)
        ids.add(change.id)
        policy = change.policy
    assert len(ids) == 41


def snapshot_of(*policies: TemporaryPolicy, now: int) -> Snapshot:
    return compile_snapshot(a_document(FILE), epoch=1, temporary=enforced(policies), now=now)


def allowed(snapshot: Snapshot) -> bool:
    return rights_of(snapshot, "devs").decide(Action.GROUP_EDIT, Kind.GROUP, "g").allowed


def test_only_what_is_live_is_in_force_and_only_to_its_end() -> None:
    assert not allowed(snapshot_of(scheduled(), now=STARTS))
    assert allowed(snapshot_of(live(), now=EXPIRES - 1))
    assert not allowed(snapshot_of(live(), now=EXPIRES))
    assert snapshot_of(live(), now=STARTS).valid_until == EXPIRES
    for over in (expire(live(), EXPIRES), revoke(live(), 150, by="bob"), start(scheduled(), NO, STARTS)):
        assert not allowed(snapshot_of(over.policy, now=150))


def test_questions_about_the_future_are_asked_with_what_is_to_start_too() -> None:
    over = expire(live(), EXPIRES).policy

    known = expected([live(None), scheduled(), over])

    assert [(one.starts_ts, one.expires_ts) for one in known] == [(0, None), (STARTS, EXPIRES)]
    future = expected([scheduled()])
    at = [
        compile_snapshot(a_document(FILE), epoch=1, temporary=future, now=now) for now in (STARTS - 1, STARTS, EXPIRES)
    ]
    assert [allowed(snapshot) for snapshot in at] == [False, True, False]


def test_what_has_started_holds_although_the_clock_is_set_before_its_start() -> None:
    assert allowed(snapshot_of(live(), now=STARTS - 99))
    assert due(live(), STARTS - 99) is None


def test_what_has_expired_stays_over_when_the_clock_is_set_back() -> None:
    over = expire(live(), EXPIRES).policy
    assert not allowed(snapshot_of(over, now=STARTS))
    assert due(over, STARTS) is None


def test_an_hour_is_over_when_an_hour_has_gone_by_although_the_clock_was_set_back() -> None:
    seen = Sighting(wall=STARTS, monotonic=7_000)
    assert seen.reached(STARTS + 30, 7_030) == STARTS + 30
    assert seen.reached(STARTS - 60, 7_099) == STARTS + 99
    assert due(live(), seen.reached(STARTS - 60, 7_099)) is None
    assert due(live(), seen.reached(STARTS - 60, 7_100)) is Due.EXPIRE
    assert seen.reached(STARTS + 5_000, 7_001) == STARTS + 5_000
