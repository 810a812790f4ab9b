"""Staged mutations: requests that wait for somebody's approval, and are then executed once, or not at all.

```
  created ─▶ PENDING ─ approved ─▶ APPROVED ─ claimed ─▶ EXECUTING ─ finished ─▶ SUCCEEDED, FAILED
                │                     │                      └ abandoned ─▶ FAILED, of unknown outcome
                └─────────────────────┴ denied, withdrawn, expired ─▶ DENIED, WITHDRAWN, EXPIRED
```

What is executed is what was asked for, byte for byte; when it is over, the bytes are gone. Any of several processes
executes it, and each of them may die at any instant: so whoever is first *claims* it, before anything is sent, and
nobody ever claims it again. If he dies, nobody knows whether the broker has done it, and that is what the record then
says.

Nothing here looks at a clock: whoever keeps staged mutations says what time it is, in ms since the epoch. That one is
over is a state and no comparison, so it stays over when the clock is set back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum
from typing import Any, Final

from kordon_policy.decision import listed, printable
from kordon_policy.lifecycle import Ended, NotPossible, instant
from kordon_policy.mutation_rights import Demand
from kordon_policy.own_rights import Author, Judgement

WAITS_MS: Final = 86_400_000
"""How long one waits for an approval, unless it is said otherwise."""
EXECUTES_WITHIN_MS: Final = 900_000
"""How long after an approval it may still begin to be executed, as brokers cannot always be reached."""
LEASE_MS: Final = 60_000
"""How long whoever executes one may take. After that nobody waits for him any more."""
LARGEST: Final = 512 * 1024
"""Bytes of a request that can wait. A larger one is refused: stores have to keep it in one piece."""


class State(StrEnum):
    """Where a staged mutation is in its life."""

    PENDING = "pending"
    APPROVED = "approved"
    EXECUTING = "executing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    DENIED = "denied"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"

    @property
    def final(self) -> bool:
        """Is nothing more to come?"""
        return self not in (State.PENDING, State.APPROVED, State.EXECUTING)


class Event(StrEnum):
    """What happened to a staged mutation: one audit event each."""

    STAGED = "staged"
    APPROVED = "approved"
    DENIED = "denied"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class Due(Enum):
    """What time alone asks for."""

    EXECUTE = "execute"  # judge its author and its approver again, then `claim`
    EXPIRE = "expire"
    ABANDON = "abandon"  # whoever has claimed it is gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What was asked for: the API and version, and the request as it came, without its header.

    It may hold what nobody is to read (salted passwords, say), so it is told to no client, and is not kept any longer
    than it may still be sent: afterwards `request` is empty.
    broker: the id of the only one that it can be asked of, where it is about what is that broker's own.
    """

    api: str
    version: int
    request: bytes = field(repr=False)
    broker: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Who approved it, when, until when it may begin to be executed (ms since the epoch), and why."""

    author: Author
    ts: int
    until_ts: int
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Which process executes it, and since when (ms since the epoch)."""

    by: str
    ts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the broker has made of it: its errors, a sentence each. unknown: perhaps all of it, perhaps nothing."""

    errors: tuple[str, ...] = ()
    unknown: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedMutation:
    """One staged mutation in one state. Instants are in ms since the epoch.

    revision: counts its changes. A store takes a change only if it still has the revision before, so that each happens
    once, whoever else keeps the same store.
    demands: all that the request takes. told: what matters of it, for people and programs; never a secret. rules:
    those that staged it, for people. client: what is known of the program that sent it (client id, software, address),
    for people, each with its name.
    """

    id: str
    revision: int = 0
    state: State = State.PENDING
    cluster: str
    call: Call
    demands: tuple[Demand, ...]
    told: Mapping[str, Any] = field(default_factory=dict, hash=False)
    rules: tuple[str, ...] = ()
    author: Author
    client: tuple[tuple[str, str], ...] = ()
    created_ts: int
    expires_ts: int
    approval: Approval | None = None
    claim: Claim | None = None
    outcome: Outcome | None = None
    ended: Ended | None = None

    @property
    def due_ts(self) -> int | None:
        """The instant at which it is over unless something happens; `None` if time alone does not end it."""
        if self.state.final or self.state is State.EXECUTING:
            return None
        return self.expires_ts if self.approval is None else self.approval.until_ts


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One step of a staged mutation: as it is after it, when it was taken (ms since the epoch), by whom and why.

    id: the same on every replica and at every attempt, so that a reader can drop what it has been told twice.
    """

    event: Event
    mutation: StagedMutation
    ts: int
    by: str = ""
    reason: str = ""

    @property
    def id(self) -> str:
        """Tells this change of this mutation from every other."""
        return f"{self.mutation.id}/{self.mutation.revision}"


def create(mutation: StagedMutation, now: int) -> Change:
    """Bring what was staged into being. Raises NotPossible if it exists already, is over, is too large to be kept, or
    is about nothing."""
    if mutation.revision:
        raise NotPossible(f"{named(mutation)} exists already")
    if now >= mutation.expires_ts:
        raise NotPossible(f"{named(mutation)} would have expired at {instant(mutation.expires_ts)}")
    if len(mutation.call.request) > LARGEST:
        size = len(mutation.call.request)
        raise NotPossible(f"a request of {size} bytes cannot be staged, only one of {LARGEST} at most")
    if not any(one.action for one in mutation.demands):
        raise NotPossible(f"{named(mutation)} takes no action that somebody could approve")
    staged = replace(mutation, revision=1)
    return Change(event=Event.STAGED, mutation=staged, ts=now, by=mutation.author.principal)


def due(mutation: StagedMutation, now: int, *, watched_ms: int = 0, lease_ms: int = LEASE_MS) -> Due | None:
    """What time asks for at this instant.

    watched_ms: how long whoever asks has seen it as it is, by a clock that is never set. A claim is not compared with
    the clock on the wall: two machines may have two.
    """
    if mutation.state.final or not mutation.revision:
        return None
    if mutation.state is State.EXECUTING:
        return Due.ABANDON if watched_ms >= lease_ms else None
    if mutation.due_ts is not None and now >= mutation.due_ts:
        return Due.EXPIRE
    return Due.EXECUTE if mutation.state is State.APPROVED else None


def approve(
    mutation: StagedMutation,
    approver: Author,
    judgement: Judgement,
    now: int,
    *,
    within_ms: int = EXECUTES_WITHIN_MS,
    reason: str = "",
) -> Change:
    """Let it be executed. judgement: of the approver (`mutation_rights.judge_approver`).

    Raises NotPossible if he may not, or is its author, or if it does not wait for an approval any more.
    """
    if due(mutation, now) is not None or mutation.state is not State.PENDING or not mutation.revision:
        raise NotPossible(_why_not(mutation, now, "be approved"))
    _must_be_second(mutation, approver.principal, "approved")
    if not judgement.granted:
        raise NotPossible(judgement.reason)
    approval = Approval(author=approver, ts=now, until_ts=now + within_ms, reason=reason)
    after = replace(mutation, revision=mutation.revision + 1, state=State.APPROVED, approval=approval)
    return Change(event=Event.APPROVED, mutation=after, ts=now, by=approver.principal, reason=reason)


def deny(mutation: StagedMutation, now: int, *, by: str, reason: str = "") -> Change:
    """Refuse it, also after it was approved. Raises NotPossible if it is being executed, over, or his own."""
    _still_waits(mutation, now, "be denied")
    _must_be_second(mutation, by, "denied")
    return _ended(mutation, State.DENIED, Event.DENIED, now, by=by, reason=reason)


def withdraw(mutation: StagedMutation, now: int, *, by: str, reason: str = "") -> Change:
    """Take back what one has asked for oneself, also after it was approved.

    Raises NotPossible if it is being executed, over, or somebody else's.
    """
    _still_waits(mutation, now, "be withdrawn")
    if by != mutation.author.principal:
        raise NotPossible(f"{named(mutation)} cannot be withdrawn by {printable(by)}: its author is somebody else")
    return _ended(mutation, State.WITHDRAWN, Event.WITHDRAWN, now, by=by, reason=reason)


def expire(mutation: StagedMutation, now: int, *, waits_for: str = "") -> Change:
    """Note that its time is over. waits_for: why it was not executed although it was approved, for people.

    Raises NotPossible unless its end is due.
    """
    at = mutation.due_ts
    if at is None or due(mutation, now) is not Due.EXPIRE:
        raise NotPossible(_why_not(mutation, now, "expire"))
    reason = "nobody approved it" if mutation.approval is None else waits_for or "it was approved, and not executed"
    return _ended(mutation, State.EXPIRED, Event.EXPIRED, now, at=at, reason=reason)


def claim(mutation: StagedMutation, judgement: Judgement, now: int, *, by: str) -> Change:
    """Begin to execute it, as the only one, if its author and its approver still may; else it has failed.

    Nothing may be sent before a store has taken this, and then once. judgement: `mutation_rights.judge_execution`.
    Raises NotPossible unless it is due to be executed.
    """
    if due(mutation, now) is not Due.EXECUTE:
        raise NotPossible(_why_not(mutation, now, "be executed"))
    if not judgement.granted:
        return fail(mutation, judgement.reason, now)
    after = replace(mutation, revision=mutation.revision + 1, state=State.EXECUTING, claim=Claim(by=by, ts=now))
    return Change(event=Event.STARTED, mutation=after, ts=now)


def fail(mutation: StagedMutation, reason: str, now: int) -> Change:
    """Give up what was approved before anything was sent, because it cannot be done.

    Raises NotPossible unless it is due to be executed.
    """
    if due(mutation, now) is not Due.EXECUTE:
        raise NotPossible(_why_not(mutation, now, "be given up"))
    return _ended(mutation, State.FAILED, Event.FAILED, now, reason=reason)


def finish(mutation: StagedMutation, outcome: Outcome, now: int, *, by: str) -> Change:
    """Note what the broker has made of it. by: who has claimed it.

    outcome: also where the connection broke before the answer came, which is unknown then.
    Raises NotPossible if somebody else executes it, or nobody does.
    """
    if mutation.claim is None or mutation.state is not State.EXECUTING:
        raise NotPossible(_why_not(mutation, now, "be finished"))
    if mutation.claim.by != by:
        raise NotPossible(f"{named(mutation)} cannot be finished: {mutation.claim.by} executes it")
    return _settled(mutation, outcome, now)


def abandon(mutation: StagedMutation, now: int, *, watched_ms: int, lease_ms: int = LEASE_MS) -> Change:
    """Note that nobody knows what has become of it. It is not executed again: it could have been done.

    Raises NotPossible unless whoever executes it has had his time.
    """
    if mutation.claim is None or due(mutation, now, watched_ms=watched_ms, lease_ms=lease_ms) is not Due.ABANDON:
        raise NotPossible(_why_not(mutation, now, "be abandoned"))
    return _settled(mutation, Outcome(errors=(f"{mutation.claim.by} has not finished it",), unknown=True), now)


def named(mutation: StagedMutation) -> str:
    """A staged mutation in a sentence."""
    return f"staged mutation {printable(mutation.id)}"


def _settled(mutation: StagedMutation, outcome: Outcome, now: int) -> Change:
    after = replace(mutation, outcome=outcome)
    if outcome.unknown:
        reason = f"nobody knows whether it was done: {listed(outcome.errors)}"
        return _ended(after, State.FAILED, Event.FAILED, now, reason=reason)
    if outcome.errors:
        return _ended(after, State.FAILED, Event.FAILED, now, reason=listed(outcome.errors))
    return _ended(after, State.SUCCEEDED, Event.SUCCEEDED, now, reason="")


def _ended(
    mutation: StagedMutation, state: State, event: Event, now: int, *, at: int | None = None, by: str = "", reason: str
) -> Change:
    ended = Ended(ts=now if at is None else at, by=by, reason=reason)
    over = replace(mutation.call, request=b"")
    after = replace(mutation, revision=mutation.revision + 1, state=state, call=over, ended=ended)
    return Change(event=event, mutation=after, ts=now, by=by, reason=reason)


def _still_waits(mutation: StagedMutation, now: int, what: str) -> None:
    if mutation.state not in (State.PENDING, State.APPROVED) or due(mutation, now) is Due.EXPIRE:
        raise NotPossible(_why_not(mutation, now, what))
    if not mutation.revision:
        raise NotPossible(_why_not(mutation, now, what))


def _must_be_second(mutation: StagedMutation, principal: str, what: str) -> None:
    if principal == mutation.author.principal:
        who = f"{printable(principal)}, who has asked for it"
        raise NotPossible(f"{named(mutation)} cannot be {what} by {who}: it takes a second person")


def _why_not(mutation: StagedMutation, now: int, what: str) -> str:
    why = f"it is {mutation.state}"
    if not mutation.revision:
        why = "it does not exist yet"
    elif mutation.ended is not None:
        why = f"it is over since {instant(mutation.ended.ts)}, {mutation.state}"
    elif mutation.due_ts is not None and now >= mutation.due_ts:
        why = f"its time ended at {instant(mutation.due_ts)}"
    elif mutation.state is State.EXECUTING:
        why = "it is being executed"
    return f"{named(mutation)} cannot {what}: {why}"
