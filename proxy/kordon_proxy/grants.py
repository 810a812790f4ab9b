"""The temporary policies of this process: what the store holds, what time asks for, and what people ask for.

Several processes may use one store. Each of them looks for news a few times a second, takes the transitions that are
due (of each, the store lets one process through), puts what is live in force, and tells the audit.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Final

import structlog

from kordon_policy.findings import Finding
from kordon_policy.model import Compat
from kordon_policy.own_rights import Author, Judgement, Known, judge_author, judge_view
from kordon_policy.temporary import (
    Change,
    Due,
    Sighting,
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
from kordon_policy.temporary_record import Record, UnreadableRecord, from_record, to_record
from kordon_policy.temporary_request import HOUR, Asked, read_renewal, read_request

from .audit.event import KORDON, Who, new_id
from .audit.temporary import event_of
from .clock import wall_ms
from .policies import Policies
from .store.interface import Kind, Step, Store, StoreUnavailable
from .store.outbox import Audit, Outbox

log = structlog.get_logger()

EVERY: Final = 0.25
"""Seconds between two looks: others' changes are in force within a second."""
SILENT: Final = 5.0
"""Seconds after which a store that does not answer is said to be away."""
STALE: Final = 30.0
"""Seconds behind the store after which no more clients are to be sent here."""
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
class Clock:
    """What time it is, in ms: since the epoch, and by a clock that nobody sets."""

    wall: Callable[[], int] = wall_ms
    monotonic: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000


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
    """All temporary policies, and how they change. Belongs to the event loop; `problem` and `stale` are for any thread.

    writer: names this process in the store.
    """

    def __init__(
        self,
        store: Store,
        policies: Policies,
        audit: Audit,
        rules: Rules,
        *,
        writer: str,
        clock: Clock = Clock(),
    ) -> None:
        self._store = store
        self._policies = policies
        self._audit = audit
        self._rules = rules
        self._clock = clock
        self._outbox = Outbox(store, audit, writer, clock.monotonic)
        self._all: dict[str, TemporaryPolicy] = {}
        self._running: dict[str, TemporaryPolicy] = {}
        self._sightings: dict[str, Sighting] = {}
        self._unreadable: dict[str, str] = {}
        self._in_force: frozenset[str] = frozenset()
        self._one_at_a_time = asyncio.Lock()
        self._failure: str | None = None
        self._answered = clock.monotonic()

    # ---- what there is

    @property
    def all(self) -> tuple[TemporaryPolicy, ...]:
        """Every temporary policy there has been, as it is now."""
        return tuple(self._all.values())

    @property
    def live(self) -> int:
        """How many are in force."""
        return len(self._in_force)

    @property
    def problem(self) -> str | None:
        """Why the store cannot be relied on; None while it can."""
        if self._failure is not None:
            return self._failure
        if self._behind > SILENT:
            return f"the store has not answered for {self._behind:.0f} s"
        return next(iter(tuple(self._unreadable.values())), None)

    @property
    def stale(self) -> bool:
        """Whether so much may have happened without us that clients should go to another process."""
        return bool(self._unreadable) or self._behind > STALE

    @property
    def _behind(self) -> float:
        return (self._clock.monotonic() - self._answered) / 1000

    # ---- from start to end

    async def start(self) -> None:
        """Open the store and put in force what is live. Raises StoreUnavailable."""
        await self._store.open()
        await self._look()
        for problem in self._unreadable.values():
            raise StoreUnavailable(problem)
        self._enforce()

    async def run(self) -> None:
        """Follow store and clock for ever."""
        step = asyncio.create_task(self.step())
        try:
            while True:
                await asyncio.sleep(EVERY)
                self._enforce()  # the step before may still wait for the store
                if step.done():
                    step = asyncio.create_task(self.step())
        finally:
            step.cancel()

    async def step(self) -> None:
        """Look once at what others have changed, what is due, and what the audit has not been told. Never raises."""
        self._enforce()  # whether or not the store can be reached
        try:
            async with self._one_at_a_time:
                await self._look()
                self._enforce()
                await self._do_what_is_due()
                self._enforce()
                await self._outbox.drain()
            self._answered = self._clock.monotonic()
            self._has_failed(None)
        except StoreUnavailable as error:
            self._has_failed(str(error))
        except Exception as error:
            log.exception("temporary_policies_failed")
            self._has_failed(f"an error that nobody foresaw: {error!r}")

    async def close(self, within: float = 2.0) -> None:
        """Tell the audit what there is to tell, for so many seconds at most, and let go of the store."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self.step()
                while self._outbox.is_being_told and self._failure is None:
                    await asyncio.sleep(0.02)
                    await self.step()
        await self._store.close()

    # ---- what people ask for

    async def create(self, body: object, who: Who) -> Asked:
        """Make the temporary policy that somebody asks for, and return it, with notices that he should read.

        It is in force here when this returns, unless it starts later. Raises Malformed, NotGranted, StoreUnavailable.
        """
        async with self._changing():
            now, author = self._clock.wall(), _author(who)
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
        # Nothing may wait for the audit's disk but whoever asks.
        await self._tell(changes[0], who, judgement)
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
            judgement = self._judge(policy, _author(who))
            if not judgement.granted:
                raise NotGranted(judgement.reason)
            change = renew(policy, asked.expires_ts, judgement, now, by=who.principal, reason=asked.reason)
            return change, judgement

        return await self._change(policy_id, who, renewed)

    async def _change(
        self, policy_id: str, who: Who, make: Callable[[TemporaryPolicy], tuple[Change, Judgement | None]]
    ) -> TemporaryPolicy:
        async with self._changing():
            for _ in range(_ATTEMPTS):
                await self._look()
                change, judgement = make(self._visible(policy_id, _author(who)))
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

    @asynccontextmanager
    async def _changing(self) -> AsyncIterator[None]:
        """Nothing else changes meanwhile. Nobody waits for a store that has not answered for long."""
        self._must_be_usable()
        async with self._one_at_a_time:
            self._must_be_usable()
            yield

    def _must_be_usable(self) -> None:
        if self.problem is not None:
            raise StoreUnavailable(self.problem)

    async def _tell(self, change: Change, who: Who, judgement: Judgement) -> None:
        """Record what is not kept, and return when it is on disk."""
        durable = asyncio.get_running_loop().create_future()
        event = event_of(change, who=who, judgement=judgement, epoch=self._policies.snapshot.epoch)
        self._audit.record(event, lambda: None if durable.done() else durable.set_result(None))
        await durable

    # ---- what time asks for

    async def _do_what_is_due(self) -> None:
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
        if not await self._store.take(
            Step(kind=Kind.TEMPORARY_POLICY, record=to_record(after), before=before, events=events)
        ):
            return False
        self._learn(after)
        self._enforce()
        return True

    async def _look(self) -> None:
        news = await self._store.news()
        if news is not None:
            for _, record in news.records:
                self._read(record)
            self._outbox.see(news.untold)

    def _read(self, record: Record) -> None:
        try:
            policy = from_record(record, compat=self._rules.compat)
        except UnreadableRecord as error:
            policy_id = str(record.get("id"))
            self._unreadable[policy_id] = f"temporary policy {policy_id} in the store cannot be read: {error}"
        else:
            self._unreadable.pop(policy.id, None)
            self._learn(policy)

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

    def _enforce(self) -> None:
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

    def _has_failed(self, problem: str | None) -> None:
        if problem != self._failure:
            if problem is None:
                log.info("store_restored")
            else:
                log.error("store_unavailable", reason=problem)
        self._failure = problem


def _author(who: Who) -> Author:
    return Author(principal=who.principal, roles=frozenset(who.roles), tenant=who.tenant)
