"""Scheduled mutations: offsets of a group that are moved once, as soon as the group is Empty.

```
  created ─▶ SCHEDULED ─ claimed ─▶ EXECUTING ─ finished ─▶ SUCCEEDED, FAILED
      │          │                      └ taken over ┘
      └ refused  └ failed, expired, cancelled ─▶ FAILED, EXPIRED, CANCELLED
```

Any of several processes executes one, and each of them may die at any instant. So whoever is first *claims* it: a
change of its record that names both ends of each move, before anything is set. Of a claim that nothing has become of,
another process takes over the very same moves, and compares before it sets any of them (`offset_moves`).

Nothing here looks at a clock: whoever keeps scheduled mutations says what time it is, in ms since the epoch. That one
is over is a state and no comparison, so it stays over when the clock is set back.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from typing import Final

from kordon_policy.decision import printable
from kordon_policy.lifecycle import Ended, NotPossible, instant
from kordon_policy.offset_moves import Aim, Move, Operation, Point, Rest, TopicPartition, compare
from kordon_policy.own_rights import Author, Judgement

LEASE_MS: Final = 30_000
"""How long a claim is left alone. Whoever claims has to have set everything in half of it, by a clock that is never
set, or must set nothing more: after all of it somebody else compares and sets."""
GRACE_MS: Final = 60_000
"""How long after its end a mutation that has been claimed in time may still set offsets, when it is taken over."""
MOST_PARTITIONS: Final = 5_000
"""More are not moved by one mutation: its record names each of them."""


MOST_LETTERS: Final = 600_000
"""Letters of the moves of one mutation, about. A store keeps them in one piece, later with what has become of each."""
TOLD_IN_FULL: Final = 200
"""Moves that were not made of which it is kept why; of the others, that they were not."""


class State(StrEnum):
    """Where a scheduled mutation is in its life."""

    SCHEDULED = "scheduled"
    EXECUTING = "executing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Is nothing more to come?"""
        return self not in (State.SCHEDULED, State.EXECUTING)


class Event(StrEnum):
    """What happened to a scheduled mutation: one audit event each."""

    SCHEDULED = "scheduled"
    REFUSED = "refused"
    STARTED = "started"
    TAKEN_OVER = "taken_over"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class Due(Enum):
    """What time alone asks for."""

    TRY = "try"  # look whether the group is Empty, and if so judge the author again, then `claim`
    TAKE_OVER = "take over"  # whoever has claimed it is gone: `take_over`, look at the offsets, `remaining`, `finish`
    EXPIRE = "expire"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Who executes it, since when (ms since the epoch), and what he does.

    by: names a process. moves: empty when it is over, as `results` has them. attempts: how many processes have claimed
    it, one after the other.
    """

    by: str
    ts: int
    moves: tuple[Move, ...]
    attempts: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledMutation:
    """One scheduled mutation in one state. Instants are in ms since the epoch.

    revision: counts its changes. A store takes a change only if it still has the revision before, so that each happens
    once, whoever else keeps the same store.
    cluster: one of its names. resolved: where a time leads to, by partition, until it is claimed.
    until_ts: when it is given up.
    staged_id: the staged mutation by whose approval it was made; then a Stage is no obstacle to its author any more.
    approver: who approved that one, and lets nothing be moved that he could not approve by himself.
    """

    id: str
    revision: int = 0
    state: State = State.SCHEDULED
    cluster: str
    aim: Aim
    resolved: Mapping[TopicPartition, int] | None = None
    author: Author
    created_ts: int
    until_ts: int
    reason: str = ""
    ticket: str = ""
    staged_id: str | None = None
    approver: Author | None = None
    claim: Claim | None = None
    results: tuple[Move, ...] = ()
    ended: Ended | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One step of a scheduled mutation: as it is after it, when it was taken (ms since the epoch), by whom and why.

    id: the same on every replica and at every attempt, so that a reader can drop what it has been told twice.
    """

    event: Event
    mutation: ScheduledMutation
    ts: int
    by: str = ""
    reason: str = ""

    @property
    def id(self) -> str:
        """Tells this change of this mutation from every other."""
        return f"{self.mutation.id}/{self.mutation.revision}"


def create(mutation: ScheduledMutation, judgement: Judgement, now: int) -> Change:
    """Bring a mutation that has been asked for into being. One that its author may not make is refused, and not kept.

    Raises NotPossible if it exists already, is over already, or is by a time that nobody has looked up.
    """
    if mutation.revision:
        raise NotPossible(f"{named(mutation)} exists already")
    by = mutation.author.principal
    if not judgement.granted:
        return _ended(mutation, State.FAILED, Event.REFUSED, now, by=by, reason=judgement.reason)
    if now >= mutation.until_ts:
        raise NotPossible(f"{named(mutation)} would have ended at {instant(mutation.until_ts)}")
    if is_by_time(mutation.aim) and mutation.resolved is None:
        raise NotPossible(f"{named(mutation)} is by a time that has not been looked up")
    created = replace(mutation, revision=1)
    return Change(event=Event.SCHEDULED, mutation=created, ts=now, by=by, reason=mutation.reason)


def due(mutation: ScheduledMutation, now: int, *, watched_ms: int = 0, lease_ms: int = LEASE_MS) -> Due | None:
    """What time asks for at this instant.

    watched_ms: how long whoever asks has seen it as it is, by a clock that is never set. A claim is not compared with
    the clock on the wall: two machines may have two.
    """
    if mutation.state.final or not mutation.revision:
        return None
    if mutation.state is State.EXECUTING:
        return Due.TAKE_OVER if watched_ms >= lease_ms else None
    return Due.EXPIRE if now >= mutation.until_ts else Due.TRY


def in_front(mutation: ScheduledMutation, others: Iterable[ScheduledMutation]) -> ScheduledMutation | None:
    """The mutation that has to be over before this one may be claimed, if there is one: two must not compare the same
    offset, or a record that two want to skip would be one.

    others: those of the same cluster, as they are now; look at the store just before.
    """
    ahead = [
        other
        for other in others
        if other.id != mutation.id
        and other.revision
        and not other.state.final
        and other.aim.overlaps(mutation.aim)
        and (other.state is State.EXECUTING or _age(other) < _age(mutation))
    ]
    return min(ahead, key=_age, default=None)


def claim(mutation: ScheduledMutation, moves: tuple[Move, ...], judgement: Judgement, now: int, *, by: str) -> Change:
    """Begin to execute it, as the only one, if its author still may; else, or if no move is possible, it has failed.

    moves: as `plan` made them from what was found when the group was Empty. Nothing may be set before a store has taken
    this. judgement: of its author, as he is allowed to do now what he asked for then.
    Raises NotPossible unless it is due to be tried.
    """
    if due(mutation, now) is not Due.TRY:
        raise NotPossible(_why_not(mutation, now, "be executed"))
    if not judgement.granted:
        return fail(mutation, judgement.reason, now)
    if len(moves) > MOST_PARTITIONS:
        return fail(mutation, f"it is about {len(moves)} partitions, more than {MOST_PARTITIONS}", now)
    if _letters(moves) > MOST_LETTERS:
        return fail(mutation, "its topics and partitions take more room than there is: name one topic", now)
    if all(move.error for move in moves):
        return _settled(mutation, moves, now)
    claimed = Claim(by=by, ts=now, moves=moves)
    # Where a time leads to is in the moves now.
    after = replace(mutation, revision=mutation.revision + 1, state=State.EXECUTING, claim=claimed, resolved=None)
    return Change(event=Event.STARTED, mutation=after, ts=now)


def take_over(mutation: ScheduledMutation, now: int, *, by: str, watched_ms: int, lease_ms: int = LEASE_MS) -> Change:
    """Go on with what another process has claimed and not finished.

    Raises NotPossible unless that is due.
    """
    before = mutation.claim
    if before is None or due(mutation, now, watched_ms=watched_ms, lease_ms=lease_ms) is not Due.TAKE_OVER:
        raise NotPossible(_why_not(mutation, now, "be taken over"))
    claimed = replace(before, by=by, ts=now, attempts=before.attempts + 1)
    after = replace(mutation, revision=mutation.revision + 1, claim=claimed)
    return Change(event=Event.TAKEN_OVER, mutation=after, ts=now, reason=f"{before.by} has not finished it")


def remaining(
    mutation: ScheduledMutation,
    committed: Mapping[TopicPartition, int | None],
    judgement: Judgement,
    now: int,
    *,
    begun: bool = False,
) -> Rest:
    """What whoever has claimed it has still to set, from the offsets as they are now.

    committed: read after the claim was taken by the store, for each of its partitions; `None` where there is none.
    judgement: of its author once more. begun: whether whoever asks may have set something himself already.
    What is too late, or not allowed any more, is not set. Raises NotPossible if it is not being executed.
    """
    if mutation.claim is None or mutation.state is not State.EXECUTING:
        raise NotPossible(_why_not(mutation, now, "be gone on with"))
    claimed = mutation.claim
    relative = mutation.aim.operation is Operation.SKIP
    rest = compare(claimed.moves, committed, begun=begun or claimed.attempts > 1, relative=relative)
    if not judgement.granted:
        return Rest(to_set=(), settled=rest.given_up(judgement.reason))
    if now >= mutation.until_ts + GRACE_MS:
        late = f"it was given up at {instant(mutation.until_ts + GRACE_MS)}, before this was set"
        return Rest(to_set=(), settled=rest.given_up(late))
    return rest


def finish(mutation: ScheduledMutation, results: tuple[Move, ...], now: int, *, by: str) -> Change:
    """Note what has become of each move: it has succeeded if all of them have.

    results: the claim's moves, those with an error that were not made. by: who has claimed it.
    Raises NotPossible if somebody else executes it, or nobody does, or if these are not its moves.
    """
    claimed = mutation.claim
    if claimed is None or mutation.state is not State.EXECUTING:
        raise NotPossible(_why_not(mutation, now, "be finished"))
    if claimed.by != by:
        raise NotPossible(f"{named(mutation)} cannot be finished: {claimed.by} executes it")
    if [_ends(move) for move in results] != [_ends(move) for move in claimed.moves]:
        raise NotPossible(f"{named(mutation)} cannot be finished: these are not its moves")
    return _settled(replace(mutation, claim=replace(claimed, moves=())), results, now)


def fail(mutation: ScheduledMutation, reason: str, now: int) -> Change:
    """Give it up before anything was set, because it cannot be done. Raises NotPossible unless it waits."""
    if due(mutation, now) is not Due.TRY:
        raise NotPossible(_why_not(mutation, now, "be given up"))
    return _ended(mutation, State.FAILED, Event.FAILED, now, reason=reason)


def expire(mutation: ScheduledMutation, now: int, *, waits_for: str = "") -> Change:
    """Note that its time is over. waits_for: what it waited for to the end, for people.

    Raises NotPossible unless its end is due.
    """
    if due(mutation, now) is not Due.EXPIRE:
        raise NotPossible(_why_not(mutation, now, "expire"))
    return _ended(mutation, State.EXPIRED, Event.EXPIRED, now, at=mutation.until_ts, reason=waits_for)


def cancel(mutation: ScheduledMutation, now: int, *, by: str, reason: str = "") -> Change:
    """Call it off. Raises NotPossible if it is being executed, or over."""
    if due(mutation, now) is not Due.TRY:
        raise NotPossible(_why_not(mutation, now, "be cancelled"))
    return _ended(mutation, State.CANCELLED, Event.CANCELLED, now, by=by, reason=reason)


def is_by_time(aim: Aim) -> bool:
    """Has a time to be looked up, when it is scheduled, to know the offsets?"""
    return aim.to is not None and aim.to.point is Point.TIME


def named(mutation: ScheduledMutation) -> str:
    """A scheduled mutation in a sentence."""
    return f"scheduled mutation {printable(mutation.id)}"


def _age(mutation: ScheduledMutation) -> tuple[int, str]:
    return mutation.created_ts, mutation.id


def _ends(move: Move) -> tuple[TopicPartition, int | None, int | None]:
    return move.at, move.old, move.new


def _settled(mutation: ScheduledMutation, results: tuple[Move, ...], now: int) -> Change:
    failed = [move for move in results if move.error]
    after = replace(mutation, results=_short(results, len(failed)))
    if results and not failed:
        return _ended(after, State.SUCCEEDED, Event.SUCCEEDED, now, reason="")
    reason = "there is no offset that it could move"
    if failed:
        reason = f"{len(failed)} of {len(results)} not done; {failed[0].at}: {failed[0].error}"
    return _ended(after, State.FAILED, Event.FAILED, now, reason=reason)


def _short(results: tuple[Move, ...], failed: int) -> tuple[Move, ...]:
    """Results whose errors take no more room than there is. Of thousands, most are the same."""
    if failed <= TOLD_IN_FULL:
        return results
    full = {move.at for move in [move for move in results if move.error][:TOLD_IN_FULL]}
    return tuple(replace(move, error="not done") if move.error and move.at not in full else move for move in results)


def _letters(moves: Iterable[Move]) -> int:
    """How much room moves take where they are kept, about: each topic once, and each partition."""
    all_moves = tuple(moves)
    topics = sum(len(topic) + 40 for topic in {move.topic for move in all_moves})
    return topics + sum(len(move.note) + len(move.error) + 60 for move in all_moves)


def _ended(
    mutation: ScheduledMutation,
    state: State,
    event: Event,
    now: int,
    *,
    at: int | None = None,
    by: str = "",
    reason: str,
) -> Change:
    ended = Ended(ts=now if at is None else at, by=by, reason=reason)
    after = replace(mutation, revision=mutation.revision + 1, state=state, ended=ended)
    return Change(event=event, mutation=after, ts=now, by=by, reason=reason)


def _why_not(mutation: ScheduledMutation, now: int, what: str) -> str:
    why = f"it waits until {instant(mutation.until_ts)}"
    if not mutation.revision:
        why = "it does not exist yet"
    elif mutation.ended is not None:
        why = f"it is over since {instant(mutation.ended.ts)}, {mutation.state}"
    elif mutation.state is State.EXECUTING:
        why = "it is being executed"
    elif now >= mutation.until_ts:
        why = f"its time ended at {instant(mutation.until_ts)}"
    return f"{named(mutation)} cannot {what}: {why}"
