"""The temporary policies of this process: what the store holds, what time asks for, and what people ask for.

What is live is put in force, wherever it was made; and every transition is told to the audit.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from typing import Final

import structlog

from kordon_policy.findings import Finding
from kordon_policy.lifecycle import Sighting
from kordon_policy.model import Compat
from kordon_policy.own_rights import Author, Judgement, Known, judge_author, judge_view
from kordon_policy.temporary import (
    Change,
    Due,
    State,
    TemporaryPolicy,
    create,
    due,
    enforced,
    expire,
    named,
    renew,
    revoke,
    start,
)
from kordon_policy.temporary_record import from_record, to_record
from kordon_policy.temporary_request import HOUR, Asked, read_renewal, read_request

from .audit.event import KORDON, Who, new_id
from .audit.temporary import event_of
from .policies import Policies
from .store.interface import Kind, Record, Step, StoreUnavailable
from .store.ledger import Ledger

log = structlog.get_logger()

_ATTEMPTS: Final = 10
"""How often a change is made anew, as somebody else has just changed the same policy."""


class Malformed(Exception):
    """What somebody asks for is no temporary policy, or no renewal of one; `findings` has every reason."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        super().__init__("; ".join(finding.message for finding in findings))
        self.findings = findings


class NotGranted(Exception):
    """Whoever asks may not; the text says why."""


class NoSuchPolicy(Exception):
    """There is none of that id, or none that whoever asks may see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The names of what is configured. complete: no cluster may still turn out to have another name, its id."""

    known: Known
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What temporary policies are read and judged by. max_duration: in ms; None: there is no bound."""

    places: Callable[[], Places]
    compat: Compat
    max_duration: int | None = HOUR


class Grants:
    """All temporary policies, and how they change. Belongs to the event loop. A book of the ledger."""

    kind: Final = Kind.TEMPORARY_POLICY

    def __init__(self, ledger: Ledger, policies: Policies, rules: Rules) -> None:
        self._ledger = ledger
        self._policies = policies
        self._rules = rules
        self._clock = ledger.clock
        self._all: dict[str, TemporaryPolicy] = {}
        self._running: dict[str, TemporaryPolicy] = {}
        self._sightings: dict[str, Sighting] = {}
        self._in_force: frozenset[str] = frozenset()
        ledger.keep(self)

    # ---- what there is

    @property
    def all(self) -> tuple[TemporaryPolicy, ...]:
        """Every temporary policy there has been, as it is now."""
        return tuple(self._all.values())

    @property
    def live(self) -> int:
        """How many are in force."""
        return len(self._in_force)

    def seen_by(self, who: Who) -> Iterator[TemporaryPolicy]:
        """Those wholly in somebody's tenant: for an administrator all of these, else those that are about him."""
        author, snapshot, known = author_of(who), self._policies.current(), self._rules.places().known
        is_admin = snapshot.is_admin(author.roles)
        for policy in self._all.values():
            is_his = policy.principal in (None, author.principal) and not author.roles.isdisjoint(policy.rule.roles)
            if (is_admin or is_his) and judge_view(policy.rule, author, snapshot, known).granted:
                yield policy

    # ---- what people ask for

    async def create(self, body: object, who: Who) -> Asked:
        """Make the temporary policy that somebody asks for, and return it, with notices that he should read.

        It is in force here when this returns, unless it starts later. Raises Malformed, NotGranted, StoreUnavailable.
        """
        async with self._ledger.changing():
            now, author = self._clock.wall(), author_of(who)
            snapshot, known = self._policies.current(), self._rules.places().known
            asked = read_request(
                body,
                policy_id=new_id(),
                author=author,
                snapshot=snapshot,
                known=known,
                now=now,
                max_duration=self._rules.max_duration,
            )
            if asked.policy is None:
                raise Malformed(asked.findings)
            judgement = judge_author(asked.policy.rule, author, snapshot, known)
            changes = create(asked.policy, judgement, now)
            if judgement.granted:
                if not await self._take(0, *changes, who=who, judgement=judgement):
                    raise StoreUnavailable(f"the store has {named(asked.policy)} already")
                return replace(asked, policy=changes[-1].policy)
        await self._ledger.tell(event_of(changes[0], who=who, judgement=judgement, epoch=snapshot.epoch))
        raise NotGranted(judgement.reason)

    async def revoke(self, policy_id: str, who: Who, reason: str = "") -> TemporaryPolicy:
        """End one before its time. Here it is over when this returns, on the others within a second.

        Raises NoSuchPolicy, NotGranted, NotPossible, StoreUnavailable.
        """

        def revoked(policy: TemporaryPolicy) -> tuple[Change, None]:
            return revoke(policy, self._now(policy), by=who.principal, reason=reason), None

        return await self._change(policy_id, who, revoked)

    async def renew(self, policy_id: str, body: object, who: Who) -> TemporaryPolicy:
        """Give one another end. Raises NoSuchPolicy, Malformed, NotGranted, NotPossible, StoreUnavailable."""

        def renewed(policy: TemporaryPolicy) -> tuple[Change, Judgement]:
            now = self._now(policy)
            asked = read_renewal(body, policy, now=now, max_duration=self._rules.max_duration)
            if not asked.possible:
                raise Malformed(asked.findings)
            judgement = self._judge(policy, author_of(who))
            if not judgement.granted:
                raise NotGranted(judgement.reason)
            change = renew(policy, asked.expires_ts, judgement, now, by=who.principal, reason=asked.reason)
            return change, judgement

        return await self._change(policy_id, who, renewed)

    async def _change(
        self, policy_id: str, who: Who, make: Callable[[TemporaryPolicy], tuple[Change, Judgement | None]]
    ) -> TemporaryPolicy:
        async with self._ledger.changing():
            for _ in range(_ATTEMPTS):
                await self._ledger.look()
                change, judgement = make(self._visible(policy_id, author_of(who)))
                if await self._take(change.policy.revision - 1, change, who=who, judgement=judgement):
                    return change.policy
        raise StoreUnavailable("others change the same temporary policy all the time; try again")

    def _visible(self, policy_id: str, author: Author) -> TemporaryPolicy:
        """The policy, for an administrator in whose tenant all of it is."""
        snapshot = self._policies.current()
        if not snapshot.is_admin(author.roles):
            raise NotGranted(f"{author.principal} is no administrator")
        policy = self._all.get(policy_id)
        if policy is None or not judge_view(policy.rule, author, snapshot, self._rules.places().known).granted:
            raise NoSuchPolicy(f"there is no temporary policy {policy_id}")
        return policy

    # ---- what time asks for, and the ledger

    async def do_what_is_due(self) -> None:
        """Start and expire what is due. Raises StoreUnavailable."""
        for policy in tuple(self._running.values()):
            now = self._now(policy)
            what = due(policy, now)
            if what is Due.EXPIRE:
                await self._take(policy.revision, expire(policy, now))
            elif what is Due.START and not self._is_unclear(policy):
                judgement = self._judge(policy, policy.author)
                await self._take(policy.revision, start(policy, judgement, now), judgement=judgement)

    def _now(self, policy: TemporaryPolicy) -> int:
        """The instant that it is for this policy, wherever the clock has been set meanwhile."""
        wall = self._clock.wall()
        sighting = self._sightings.get(policy.id)
        return wall if sighting is None else sighting.reached(wall, self._clock.monotonic())

    def _is_unclear(self, policy: TemporaryPolicy) -> bool:
        """Could it be about a cluster whose id we do not know yet? To judge that now would refuse it for good."""
        places = self._rules.places()
        if places.complete:
            return False
        names = {name for clusters in places.known.values() for one in clusters for name in one}
        return any(path.domain_id is not None and path.domain_id not in names for path in policy.rule.paths)

    def _judge(self, policy: TemporaryPolicy, author: Author) -> Judgement:
        return judge_author(policy.rule, author, self._policies.current(), self._rules.places().known)

    # ---- store and force

    async def _take(self, before: int, *changes: Change, who: Who = KORDON, judgement: Judgement | None = None) -> bool:
        """Bring changes of one policy into the store, then in force here. False if somebody was quicker."""
        epoch = self._policies.snapshot.epoch
        events = tuple(event_of(change, who=who, judgement=judgement, epoch=epoch) for change in changes)
        after = changes[-1].policy
        return await self._ledger.take(Step(kind=self.kind, record=to_record(after), before=before, events=events))

    def read(self, record: Record) -> None:
        """Learn of a policy as it is now. Raises UnreadableRecord."""
        self._learn(from_record(record, compat=self._rules.compat))

    def over(self, before: int) -> Collection[str]:
        """The ids of those that were over before that instant (ms since the epoch)."""
        return [one.id for one in self._all.values() if one.ended is not None and one.ended.ts < before]

    def forget(self, ids: Collection[str]) -> None:
        """Know no more of these, which are over."""
        for one in ids:
            self._all.pop(one, None)

    def _learn(self, policy: TemporaryPolicy) -> None:
        """Know of a policy as it is now."""
        known = self._all.get(policy.id)
        if known is not None and known.revision >= policy.revision:
            return
        self._all[policy.id] = policy
        self._running.pop(policy.id, None)
        self._sightings.pop(policy.id, None)
        if not policy.state.final:
            self._running[policy.id] = policy
        if policy.state is State.LIVE:
            self._sightings[policy.id] = Sighting(wall=self._clock.wall(), monotonic=self._clock.monotonic())

    def refresh(self) -> None:
        """Put in force what is live and not over, whether or not the store has been told that it is over."""
        live = [
            policy
            for policy in self._running.values()
            if policy.state is State.LIVE and due(policy, self._now(policy)) is not Due.EXPIRE
        ]
        in_force = frozenset(f"{policy.id}/{policy.revision}" for policy in live)
        # A clock that was in the future for a moment has made a snapshot drop what is not over.
        if in_force != self._in_force or len(live) != len(self._policies.lent):
            self._in_force = in_force
            snapshot = self._policies.lend(enforced(live))
            log.info("temporary_policies", live=len(live), epoch=snapshot.epoch)


def author_of(who: Who) -> Author:
    """Return `who` as the policy judges it."""
    return Author(principal=who.principal, roles=frozenset(who.roles), tenant=who.tenant)
