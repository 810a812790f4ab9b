"""Temporary policies: what one is, and everything that can become of it.

```
            ┌────────── renewed ─┐
  created ─▶ SCHEDULED ─ started ─▶ LIVE ─ expired ─▶ EXPIRED
      │         │  │  └ refused ─▶ REFUSED   └ revoked ─▶ REVOKED
      └ refused ┘  └ expired, revoked
```

Nothing here looks at a clock: whoever keeps temporary policies says what time it is, in ms since the epoch. That one is
over is a state and no comparison, so it stays over when the clock is set back.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum

from kordon_policy.decision import printable
from kordon_policy.lifecycle import Ended, NotPossible, instant
from kordon_policy.model import Effect, Rule, TemporaryRule
from kordon_policy.own_rights import Author, Judgement


class State(StrEnum):
    """Where a temporary policy is in its life. Only a live one is in force."""

    SCHEDULED = "scheduled"
    LIVE = "live"
    EXPIRED = "expired"
    REVOKED = "revoked"
    REFUSED = "refused"

    @property
    def final(self) -> bool:
        """Is nothing more to come?"""
        return self not in (State.SCHEDULED, State.LIVE)


class Event(StrEnum):
    """What happened to a temporary policy: one audit event each."""

    CREATED = "created"
    STARTED = "started"
    REFUSED = "refused"
    RENEWED = "renewed"
    EXPIRED = "expired"
    REVOKED = "revoked"


class Due(Enum):
    """What time alone asks for."""

    START = "start"  # judge the author again, then `start`
    EXPIRE = "expire"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """The policy as it was written, in Kpow's shape."""

    role: str
    actions: tuple[str, ...]
    effect: Effect
    resource: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporaryPolicy:
    """One temporary policy in one state. Instants are in ms since the epoch.

    revision: counts its changes. A store takes a change only if it still has the revision before, so that each happens
    once, whoever else keeps the same store.
    rule: what `wording` means; made anew when it is read from a store.
    renewed_ts: when it was given its end, if that was not when it was asked for.
    """

    id: str
    revision: int = 0
    state: State = State.SCHEDULED
    wording: Wording
    rule: Rule = field(compare=False, repr=False)
    author: Author
    created_ts: int
    starts_ts: int
    expires_ts: int | None  # None: until it is revoked
    principal: str | None = None  # only for this one of those who have the role
    reason: str = ""
    ticket: str = ""
    renewed_ts: int | None = None
    ended: Ended | None = None

    @property
    def counted_ts(self) -> int:
        """The instant from which its end was counted: if it is live, it is not earlier, whatever a clock says."""
        return max(self.starts_ts, self.renewed_ts or 0)

    @property
    def duration_ms(self) -> int | None:
        """How long it is in force, counted from its start; `None` if until it is revoked."""
        return None if self.expires_ts is None else self.expires_ts - self.starts_ts


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One step of a temporary policy: as it is after it, when it was taken (ms since the epoch), by whom and why.

    id: the same on every replica and at every attempt, so that a reader can drop what it has been told twice.
    """

    event: Event
    policy: TemporaryPolicy
    ts: int
    by: str = ""
    reason: str = ""

    @property
    def id(self) -> str:
        """Tells this change of this policy from every other."""
        return f"{self.policy.id}/{self.policy.revision}"


def create(policy: TemporaryPolicy, judgement: Judgement, now: int) -> tuple[Change, ...]:
    """Bring a policy that has been asked for into being. A store takes all of the changes, or none.

    One that starts at once is created and started. One that its author may not make is refused, and not kept.
    Raises NotPossible if it exists already, or is over already.
    """
    if policy.revision:
        raise NotPossible(f"{named(policy)} exists already")
    by = policy.author.principal
    if not judgement.granted:
        return (_ended(policy, State.REFUSED, Event.REFUSED, now, by=by, reason=judgement.reason),)
    created = Change(event=Event.CREATED, policy=replace(policy, revision=1), ts=now, by=by, reason=policy.reason)
    return (created,) if now < policy.starts_ts else (created, start(created.policy, judgement, now))


def due(policy: TemporaryPolicy, now: int) -> Due | None:
    """What time asks for at this instant. What was due earlier and has been missed is still asked for."""
    if policy.state.final or not policy.revision:
        return None
    if policy.expires_ts is not None and now >= policy.expires_ts:
        return Due.EXPIRE
    return Due.START if policy.state is State.SCHEDULED and now >= policy.starts_ts else None


def start(policy: TemporaryPolicy, judgement: Judgement, now: int) -> Change:
    """Put a scheduled policy in force, if its author may still make it; else it is refused for good.

    Raises NotPossible unless its start is due.
    """
    if due(policy, now) is not Due.START:
        raise NotPossible(_why_not(policy, now, "be started"))
    if not judgement.granted:
        return _ended(policy, State.REFUSED, Event.REFUSED, now, reason=judgement.reason)
    live = replace(policy, revision=policy.revision + 1, state=State.LIVE)
    return Change(event=Event.STARTED, policy=live, ts=now)


def expire(policy: TemporaryPolicy, now: int) -> Change:
    """Note that it is over. One whose whole time was missed expires without having been in force.

    Raises NotPossible unless its end is due.
    """
    if due(policy, now) is not Due.EXPIRE:
        raise NotPossible(_why_not(policy, now, "expire"))
    never = "it never came into force" if policy.state is State.SCHEDULED else ""
    return _ended(policy, State.EXPIRED, Event.EXPIRED, now, at=policy.expires_ts, reason=never)


def revoke(policy: TemporaryPolicy, now: int, *, by: str, reason: str = "") -> Change:
    """End it before its time, or before it has begun. Raises NotPossible if it is over."""
    _still_running(policy, now, "be revoked")
    return _ended(policy, State.REVOKED, Event.REVOKED, now, by=by, reason=reason)


def renew(
    policy: TemporaryPolicy, expires_ts: int | None, judgement: Judgement, now: int, *, by: str, reason: str = ""
) -> Change:
    """Give it another end (ms since the epoch; `None`: until it is revoked), earlier or later.

    judgement: of whoever renews it, who needs the same right as its author.
    Raises NotPossible if it is over or was not granted, or if the new end is no instant in the future.
    """
    _still_running(policy, now, "be renewed")
    if not judgement.granted:
        raise NotPossible(judgement.reason)
    if expires_ts is not None and expires_ts <= max(now, policy.starts_ts):
        raise NotPossible(
            f"{named(policy)} cannot be renewed until {instant(expires_ts)}: that is no later than its start or now"
        )
    renewed = replace(policy, revision=policy.revision + 1, expires_ts=expires_ts, renewed_ts=now)
    return Change(event=Event.RENEWED, policy=renewed, ts=now, by=by, reason=reason)


def enforced(policies: Iterable[TemporaryPolicy]) -> tuple[TemporaryRule, ...]:
    """What a snapshot is compiled with: the live ones.

    What has started stays started, wherever the clock is set; so these begin at the beginning of time.
    """
    return tuple(
        TemporaryRule(id=one.id, rule=one.rule, starts_ts=0, expires_ts=one.expires_ts, principal=one.principal)
        for one in policies
        if one.state is State.LIVE
    )


def expected(policies: Iterable[TemporaryPolicy]) -> tuple[TemporaryRule, ...]:
    """What a question about the future is asked with: the live ones, and those that are to start."""
    known = tuple(policies)
    scheduled = (
        TemporaryRule(
            id=one.id, rule=one.rule, starts_ts=one.starts_ts, expires_ts=one.expires_ts, principal=one.principal
        )
        for one in known
        if one.state is State.SCHEDULED
    )
    return (*enforced(known), *scheduled)


def named(policy: TemporaryPolicy) -> str:
    """A temporary policy in a sentence."""
    return f"temporary policy {printable(policy.id)}"


def _ended(
    policy: TemporaryPolicy, state: State, event: Event, now: int, *, at: int | None = None, by: str = "", reason: str
) -> Change:
    ended = Ended(ts=now if at is None else at, by=by, reason=reason)
    after = replace(policy, revision=policy.revision + 1, state=state, ended=ended)
    return Change(event=event, policy=after, ts=now, by=by, reason=reason)


def _still_running(policy: TemporaryPolicy, now: int, what: str) -> None:
    if not policy.revision or policy.state.final or due(policy, now) is Due.EXPIRE:
        raise NotPossible(_why_not(policy, now, what))


def _why_not(policy: TemporaryPolicy, now: int, what: str) -> str:
    why = f"it is {policy.state}"
    if not policy.revision:
        why = "it does not exist yet"
    elif policy.ended is not None:
        why = f"it was {policy.state} at {instant(policy.ended.ts)}"
    elif policy.expires_ts is not None and now >= policy.expires_ts:
        why = f"it ended at {instant(policy.expires_ts)}"
    elif policy.state is State.SCHEDULED:
        why = f"it starts at {instant(policy.starts_ts)}"
    elif policy.expires_ts is not None:
        why = f"it is in force until {instant(policy.expires_ts)}"
    return f"{named(policy)} cannot {what}: {why}"
