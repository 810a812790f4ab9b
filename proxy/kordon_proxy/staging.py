"""The staged mutations of this process: what the policy stages, what people say to it, and what time asks for.

Each of several processes may execute one. It is claimed in the store before anything is sent, and never again; what
becomes of a claim when its process dies is worked out in `kordon_policy.staged`.
"""

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from kordon_policy import staged
from kordon_policy.lifecycle import NotPossible
from kordon_policy.model import RuleRef
from kordon_policy.mutation_rights import judge_approver, judge_second
from kordon_policy.own_rights import Author, Judgement
from kordon_policy.scheduled_request import Asked as Scheduled
from kordon_policy.staged import Change, Due, StagedMutation, State
from kordon_policy.staged_record import from_record, to_record

from .asking import NoSuchMutation, NotGranted, author_of
from .attempts import Attempts
from .audit.event import KORDON, Event, Who, new_id
from .audit.staged import event_of
from .calls import Case, are_alike
from .cluster.errors import UpstreamError, UpstreamUnavailable, told
from .executor import PATIENCE, Executor, now_for
from .judging.may import Ruling
from .policies import Policies
from .schedule import Schedule, Waits
from .sending import Done
from .staged_requests import Asked, Kept, client_of, keep, keep_scheduled, short, told_of
from .store.book import Book
from .store.interface import Kind, StoreUnavailable
from .store.ledger import Ledger
from .upstream import Upstream

log = structlog.get_logger()

MOST_WAITING: Final = 100
"""Staged mutations of one principal that may wait at a time: clients make them, and some clients do so in a loop."""
MOST_KEPT: Final = 1_000_000
"""Letters of a record. Stores have to keep it in one piece."""
MOST_OF_ONE: Final = 4 << 20
"""Bytes of the requests of one principal that may wait at a time."""
_NO_STORE: Final = "Kordon's store cannot be written now; its log says why"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """waits: for how many ms a staged mutation waits for an approval. lease: how many ms whoever executes one has."""

    waits: int = staged.WAITS_MS
    lease: int = staged.LEASE_MS


class Staging:
    """All staged mutations, and how they change. Belongs to the event loop. The keeper of their book.

    upstreams: by the names of the clusters. schedule: what may be scheduled by an approval.
    """

    def __init__(
        self,
        ledger: Ledger,
        policies: Policies,
        upstreams: Mapping[str, Upstream],
        schedule: Schedule | None = None,
        rules: Rules = Rules(),
    ) -> None:
        self._ledger = ledger
        self._policies = policies
        self._upstreams = upstreams
        self._schedule = schedule
        self._rules = rules
        self._clock = ledger.clock
        self._staging: set[asyncio.Task[tuple[Ruling, ...]]] = set()
        self._book = Book(Kind.STAGED, ledger.clock, read=from_record, write=to_record)
        self._attempts = Attempts(self._book, ledger.clock)
        self._executor = Executor(self, ledger, self._book, self._attempts, schedule)
        ledger.keep(self._book, self)

    # ---- what there is

    @property
    def waiting(self) -> int:
        """How many wait for an approval."""
        return sum(one.state is State.PENDING for one in self._book.running)

    def seen_by(self, who: Who, *, ended: bool = True) -> Iterator[tuple[StagedMutation, str] | None]:
        """His own, and for an administrator those of which he sees all in his tenant; each with what it waits for.

        None for each of the others: to judge one may take a while. ended: also those that are over.
        """
        author = author_of(who)
        for mutation in self._book.all if ended else self._book.running:
            seen = self._is_seen(mutation, author)
            yield (mutation, self._attempts.waits_for(mutation.id)) if seen else None

    def find(self, mutation_id: str, who: Who) -> tuple[StagedMutation, str]:
        """One of those that he sees. Raises NoSuchMutation."""
        return self._visible(mutation_id, author_of(who)), self._attempts.waits_for(mutation_id)

    def _visible(self, mutation_id: str, somebody: Author) -> StagedMutation:
        mutation = self._book.get(mutation_id)
        if mutation is None or not self._is_seen(mutation, somebody):
            raise NoSuchMutation(f"there is no staged mutation {mutation_id}")
        return mutation

    def _is_seen(self, mutation: StagedMutation, somebody: Author) -> bool:
        if (somebody.principal, somebody.tenant) == (mutation.author.principal, mutation.author.tenant):
            return True
        try:
            ground = self.case(mutation).ground
        except UpstreamError:
            return False
        return judge_second(mutation.demands, mutation.author, somebody, ground).granted

    # ---- what the policy stages

    async def stage(self, asked: Asked, upstream: Upstream, *, recordable: bool) -> tuple[Ruling, ...]:
        """Keep what of a request waits for an approval, and say of what is staged what has become of it.

        It is in the store when this returns, or the rulings say why not. Whoever asked may be gone before.
        """
        task = asyncio.create_task(self._stage(asked, upstream, recordable=recordable), name="stage a mutation")
        self._staging.add(task)
        task.add_done_callback(self._staging.discard)
        return await asyncio.shield(task)

    async def _stage(self, asked: Asked, upstream: Upstream, *, recordable: bool) -> tuple[Ruling, ...]:
        try:
            if not recordable:
                raise NotPossible("could not be kept for an approval: the audit log cannot be written")
            kept = await keep(asked, upstream, self._policies)
            rules = (rule for one in asked.staged if one.decision is not None for rule in one.decision.rules)
            mutation = await self._wait(kept, upstream.name, asked.author, asked.who, rules)
        except NotPossible as why:
            return asked.told(str(why))
        except (StoreUnavailable, UpstreamError) as error:
            log.warning("not_staged", api=asked.api.name, cluster=upstream.name, reason=str(error))
            reason = told(error) if isinstance(error, UpstreamError) else _NO_STORE
            return asked.told(f"could not be kept for an approval: {reason}")
        return told_of(asked, mutation.id, kept.demands)

    async def schedule(self, body: object, who: Who) -> Scheduled | StagedMutation:
        """Schedule what somebody asks for, or have it wait for an approval if the policy stages that.

        Raises what `Schedule.schedule` raises, but for `Waits`.
        """
        assert self._schedule is not None, "something can be scheduled"
        try:
            return await self._schedule.schedule(body, who)
        except Waits as waits:
            kept, cluster = keep_scheduled(body, waits.mutation), self._schedule.case(waits.mutation).upstream.name
            return await self._wait(kept, cluster, waits.mutation.author, who, waits.judgement.rules)

    async def _wait(
        self, kept: Kept, cluster: str, author: Author, who: Who, rules: Iterable[RuleRef]
    ) -> StagedMutation:
        """The mutation that waits: the one that does so already for the very same request, or a new one."""
        async with self._ledger.changing():
            await self._ledger.look()
            pending = [one for one in self._book.running if one.state is State.PENDING]
            # Whoever has several roles and tenants is one person.
            own = [one for one in pending if one.author.principal == author.principal]
            now = self._clock.wall()
            for one in own:
                is_same = (one.author, one.cluster) == (author, cluster) and are_alike(one.call, kept.call)
                if is_same and staged.due(one, now) is None:
                    return one
            if len(own) >= MOST_WAITING:
                raise NotPossible(f"could not be kept for an approval: {MOST_WAITING} others of yours wait already")
            mutation = StagedMutation(
                id=new_id(),
                cluster=cluster,
                call=kept.call,
                demands=kept.demands,
                told=kept.told,
                rules=tuple(dict.fromkeys(map(str, rules))),
                author=author,
                client=client_of(who),
                created_ts=now,
                expires_ts=now + self._rules.waits,
            )
            change = staged.create(mutation, now)
            if len(json.dumps(to_record(change.mutation))) > MOST_KEPT:
                raise NotPossible("could not be kept for an approval: there is too much in it")
            if sum(len(one.call.request) for one in own) > MOST_OF_ONE:
                raise NotPossible("could not be kept for an approval: others of yours that wait are too large together")
            await self._ledger.add(self._book, change.mutation, self._event(change, who))
        return change.mutation

    # ---- what people say to it

    async def approve(self, mutation_id: str, who: Who, reason: str = "") -> StagedMutation:
        """Let one be executed. Raises NoSuchMutation, NotGranted, NotPossible, StoreUnavailable, UpstreamError."""

        def approved(mutation: StagedMutation, now: int) -> tuple[Change, Judgement]:
            ground = self.case(mutation).ground
            judgement = judge_approver(mutation.demands, mutation.author, author_of(who), ground)
            if not judgement.granted:
                raise NotGranted(judgement.reason)
            return staged.approve(mutation, author_of(who), judgement, now, reason=reason), judgement

        return await self._change(mutation_id, who, approved)

    async def deny(self, mutation_id: str, who: Who, reason: str = "") -> StagedMutation:
        """Refuse one. Raises NoSuchMutation, NotGranted, NotPossible, StoreUnavailable, UpstreamError."""

        def denied(mutation: StagedMutation, now: int) -> tuple[Change, Judgement]:
            judgement = judge_second(mutation.demands, mutation.author, author_of(who), self.case(mutation).ground)
            if not judgement.granted:
                raise NotGranted(judgement.reason)
            return staged.deny(mutation, now, by=who.principal, reason=reason), judgement

        return await self._change(mutation_id, who, denied)

    async def withdraw(self, mutation_id: str, who: Who, reason: str = "") -> StagedMutation:
        """Take back one's own. Raises NoSuchMutation, NotGranted, NotPossible, StoreUnavailable."""

        def withdrawn(mutation: StagedMutation, now: int) -> tuple[Change, None]:
            if mutation.author.principal != who.principal:
                raise NotGranted(f"{staged.named(mutation)} is not of {who.principal}, who may deny it instead")
            return staged.withdraw(mutation, now, by=who.principal, reason=reason), None

        return await self._change(mutation_id, who, withdrawn)

    async def _change(
        self,
        mutation_id: str,
        who: Who,
        make: Callable[[StagedMutation, int], tuple[Change, Judgement | None]],
    ) -> StagedMutation:
        def changed() -> tuple[StagedMutation, Event]:
            change, judgement = make(self._visible(mutation_id, author_of(who)), self._clock.wall())
            return change.mutation, self._event(change, who, judgement)

        return await self._ledger.change(self._book, changed)

    # ---- what time asks for, and the ledger

    async def do_what_is_due(self) -> None:
        """Expire what is over, give up what nobody goes on with, and see to what is approved."""
        for mutation in self._book.running:
            now, watched = now_for(mutation, self._book, self._clock), self._book.watched(mutation)
            match staged.due(mutation, now, watched_ms=watched, lease_ms=self._rules.lease):
                case Due.EXPIRE:
                    await self.take(staged.expire(mutation, now, waits_for=self._attempts.waits_for(mutation.id)))
                case Due.ABANDON if not self._attempts.is_at(mutation.id):
                    await self.take(staged.abandon(mutation, now, watched_ms=watched, lease_ms=self._rules.lease))
                case Due.EXECUTE:
                    self._attempts.begin(mutation.id, partial(self._executor.execute, mutation))

    def refresh(self) -> None:
        """Nothing holds here that time alone ends."""

    async def close(self) -> None:
        """Begin nothing more, and give what is being executed a little time."""
        tasks = tuple(self._staging)
        await self._attempts.close(PATIENCE)
        for task in tasks:
            task.cancel()  # they had as much time
        await asyncio.gather(*tasks, return_exceptions=True)

    def _event(self, change: Change, who: Who, judgement: Judgement | None = None, done: Done | None = None) -> Event:
        return event_of(
            change,
            who=who,
            judgement=judgement,
            epoch=self._policies.snapshot.epoch,
            # The store takes so much in one piece, and what has been done must not fail to be noted.
            parameters=short(done.parameters) if done and done.parameters else change.mutation.told,
            outcome=None if done is None else done.told,
        )

    # ---- for whoever executes

    async def take(self, change: Change, judgement: Judgement | None = None, done: Done | None = None) -> bool:
        """Bring what Kordon does by itself into the store. Only while `changing`. False if somebody was quicker."""
        return await self._ledger.take(self._book, change.mutation, self._event(change, KORDON, judgement, done))

    def case(self, mutation: StagedMutation) -> Case:
        """Whose request it is, and to which cluster. Raises UpstreamUnavailable."""
        upstream = self._upstreams.get(mutation.cluster)
        if upstream is None:
            raise UpstreamUnavailable(f"this Kordon serves no cluster {mutation.cluster}")
        return Case(upstream=upstream, policies=self._policies, author=mutation.author, broker=mutation.call.broker)
