"""The scheduled mutations of this process: what people ask for, and what is done about it when a group is Empty.

Each of several processes may execute one. It is claimed in the store before anything is set, with both ends of every
move; what becomes of a claim when its process dies is worked out in `kordon_policy.scheduled`. What is asked of brokers
takes its time, so it happens in tasks beside the ledger, which only takes the steps.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import structlog
from kio.schema.errors import ErrorCode

from kordon_policy import scheduled
from kordon_policy.lifecycle import NotPossible, Sighting
from kordon_policy.mutation_rights import Ground, judge_cancelling, judge_offsets, usable_topics
from kordon_policy.offset_moves import Found, Move, TopicPartition, plan
from kordon_policy.own_rights import Author, Judgement
from kordon_policy.scheduled import Change, Due, ScheduledMutation, State
from kordon_policy.scheduled_record import from_record, to_record
from kordon_policy.scheduled_request import LONGEST_TRIES_MS, Asked, read_request
from kordon_policy.scheduled_view import shown
from kordon_policy.view import Inferred
from kordon_protocol.outcomes import error_name

from .audit.event import KORDON, Who, new_id
from .audit.scheduled import event_of
from .cluster.errors import UpstreamError, UpstreamUnavailable, told
from .cluster.group_offsets import DEAD, EMPTY, GroupOffsets
from .grants import Malformed, NotGranted, Places, author_of
from .policies import Policies
from .store.interface import Kind, Record, Step, StoreUnavailable
from .store.ledger import Ledger
from .upstream import Upstream

log = structlog.get_logger()

AGAIN: Final = 1.0
"""Seconds between two looks whether a group is Empty."""
MOST_OF_ONE: Final = 100
"""Mutations that one author may have waiting: each of them has brokers asked every second."""
_ATTEMPTS: Final = 10
"""How often a change is made anew, as somebody else has just changed the same mutation."""
_USABLE: Final = frozenset({EMPTY, DEAD})
"""States of a group whose offsets may be set from outside."""


class NoSuchMutation(Exception):
    """There is none of that id, or none that whoever asks may see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What scheduled mutations are read by. longest: for how many ms one may wait for its group."""

    places: Callable[[], Places]
    longest: int = LONGEST_TRIES_MS


class Waits(NotGranted):
    """It is staged, so that somebody has to approve it first. judgement: why. mutation: what is asked for."""

    def __init__(self, judgement: Judgement, mutation: ScheduledMutation) -> None:
        super().__init__(judgement.reason)
        self.judgement = judgement
        self.mutation = mutation


class Schedule:
    """All scheduled mutations, and how they change. Belongs to the event loop. A book of the ledger.

    upstreams: by the names of the clusters.
    """

    kind: Final = Kind.SCHEDULED

    def __init__(self, ledger: Ledger, policies: Policies, upstreams: Mapping[str, Upstream], rules: Rules) -> None:
        self._ledger = ledger
        self._policies = policies
        self._upstreams = upstreams
        self._rules = rules
        self._clock = ledger.clock
        self._all: dict[str, ScheduledMutation] = {}
        self._running: dict[str, ScheduledMutation] = {}
        self._sightings: dict[str, Sighting] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._not_before: dict[str, int] = {}
        self._waits_for: dict[str, str] = {}
        """Why it has not been executed yet, for people."""
        ledger.keep(self)

    # ---- what there is

    @property
    def waiting(self) -> int:
        """How many are not over."""
        return len(self._running)

    def seen_by(self, who: Who) -> Iterator[tuple[ScheduledMutation, str]]:
        """Those about groups in somebody's tenant, as they are shown to him, each with what it waits for ("" if for
        nothing)."""
        author = author_of(who)
        for mutation in self._all.values():
            seen = self._seen(mutation, author)
            if seen is not None:
                yield seen, self._waits_for.get(mutation.id, "") if not mutation.state.final else ""

    def _seen(self, mutation: ScheduledMutation, author: Author) -> ScheduledMutation | None:
        try:
            ground = self._ground(mutation)
        except UpstreamError:
            return None
        if not any(one.name == author.tenant for one in ground.snapshot.tenants):
            return None
        view = ground.snapshot.view(
            author.tenant, ground.names, ground.inferred, admin=ground.snapshot.is_admin(author.roles)
        )
        return shown(mutation, view)

    # ---- what people ask for

    async def schedule(self, body: object, who: Who, *, staged_id: str | None = None) -> Asked:
        """Schedule what somebody asks for, and return it, with notices that he should read.

        staged_id: the staged mutation by whose approval it is made, if it is.
        Raises Malformed, NotGranted, Waits, NotPossible, StoreUnavailable, UpstreamError where a time cannot be looked
        up.
        """
        author = author_of(who)
        asked = read_request(
            body,
            mutation_id=new_id(),
            author=author,
            known=self._rules.places().known,
            now=self._clock.wall(),
            max_duration=self._rules.longest,
        )
        if asked.mutation is None:
            raise Malformed(asked.findings)
        mutation = replace(asked.mutation, staged_id=staged_id)
        judgement = self._judge(mutation)
        if not judgement.granted and self._judge(mutation, approved=True).granted:
            raise Waits(judgement, mutation)
        if sum(one.author.principal == author.principal for one in self._running.values()) >= MOST_OF_ONE:
            raise NotPossible(f"{MOST_OF_ONE} scheduled mutations of {author.principal} wait already: cancel some")
        if judgement.granted and scheduled.is_by_time(mutation.aim):
            mutation = replace(mutation, resolved=await self._resolved(mutation))
        change = scheduled.create(mutation, judgement, self._clock.wall())
        if not judgement.granted:
            await self._ledger.tell(self._event(change, who, judgement))
            raise NotGranted(judgement.reason)
        async with self._ledger.changing():
            if not await self._take(0, change, who=who, judgement=judgement):
                raise StoreUnavailable(f"the store has {scheduled.named(mutation)} already")
        return replace(asked, mutation=change.mutation)

    async def cancel(self, mutation_id: str, who: Who, reason: str = "") -> ScheduledMutation:
        """Call one off. Raises NoSuchMutation, NotGranted, NotPossible, StoreUnavailable."""
        author = author_of(who)
        async with self._ledger.changing():
            for _ in range(_ATTEMPTS):
                await self._ledger.look()
                mutation = self._all.get(mutation_id)
                if mutation is None or self._seen(mutation, author) is None:
                    raise NoSuchMutation(f"there is no scheduled mutation {mutation_id}")
                judgement = judge_cancelling(mutation.aim, mutation.author, author, self._ground(mutation))
                if not judgement.granted:
                    raise NotGranted(judgement.reason)
                change = scheduled.cancel(mutation, self._clock.wall(), by=who.principal, reason=reason)
                if await self._take(mutation.revision, change, who=who, judgement=judgement):
                    return change.mutation
        raise StoreUnavailable("others change the same scheduled mutation all the time; try again")

    async def _resolved(self, mutation: ScheduledMutation) -> dict[TopicPartition, int]:
        offsets = self._offsets(mutation)
        found = await offsets.found(mutation.aim.group, mutation.aim.topic)
        to = mutation.aim.to
        assert to is not None, "a mutation that is by a time has one"
        return await offsets.at_time((at for at in found if mutation.aim.concerns(at)), to.value)

    # ---- what time asks for, and the ledger

    async def do_what_is_due(self) -> None:
        """Expire what is over, take over what nobody goes on with, and look after what waits."""
        for mutation in tuple(self._running.values()):
            match scheduled.due(mutation, self._clock.wall(), watched_ms=self._watched(mutation)):
                case Due.EXPIRE:
                    waits_for = self._waits_for.get(mutation.id, "")
                    await self._take(
                        mutation.revision, scheduled.expire(mutation, self._clock.wall(), waits_for=waits_for)
                    )
                case Due.TAKE_OVER if mutation.id not in self._tasks:
                    change = scheduled.take_over(
                        mutation, self._clock.wall(), by=self._ledger.writer, watched_ms=self._watched(mutation)
                    )
                    if await self._take(mutation.revision, change):
                        self._spawn(mutation.id, self._execute(change.mutation))
                case Due.TRY if self._clock.monotonic() >= self._not_before.get(mutation.id, 0):
                    self._spawn(mutation.id, self._try(mutation))

    def read(self, record: Record) -> None:
        """Learn of a mutation as it is now. Raises UnreadableRecord."""
        self._learn(from_record(record))

    def refresh(self) -> None:
        """Nothing holds here that time alone ends."""

    def over(self, before: int) -> Collection[str]:
        """The ids of those that were over before that instant (ms since the epoch)."""
        return [one.id for one in self._all.values() if one.ended is not None and one.ended.ts < before]

    def forget(self, ids: Collection[str]) -> None:
        """Know no more of these, which are over."""
        for one in ids:
            self._all.pop(one, None)

    async def close(self) -> None:
        """Do nothing more. What has been claimed another process takes over, or this one when it starts again."""
        tasks = tuple(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _learn(self, mutation: ScheduledMutation) -> None:
        known = self._all.get(mutation.id)
        if known is not None and known.revision >= mutation.revision:
            return
        self._all[mutation.id] = mutation
        if mutation.state.final:
            for kept in (self._running, self._sightings, self._not_before, self._waits_for):
                kept.pop(mutation.id, None)
        else:
            self._running[mutation.id] = mutation
            self._sightings[mutation.id] = Sighting(wall=self._clock.wall(), monotonic=self._clock.monotonic())

    def _watched(self, mutation: ScheduledMutation) -> int:
        """For how many ms it has been seen as it is, by a clock that nobody sets."""
        sighting = self._sightings.get(mutation.id)
        return 0 if sighting is None else self._clock.monotonic() - sighting.monotonic

    async def _take(self, before: int, change: Change, who: Who = KORDON, judgement: Judgement | None = None) -> bool:
        event = self._event(change, who, judgement)
        step = Step(kind=self.kind, record=to_record(change.mutation), before=before, events=(event,))
        return await self._ledger.take(step)

    def _event(self, change: Change, who: Who, judgement: Judgement | None) -> Any:
        return event_of(change, who=who, judgement=judgement, epoch=self._policies.snapshot.epoch)

    # ---- executing

    def _spawn(self, mutation_id: str, work: Coroutine[Any, Any, None]) -> None:
        if mutation_id in self._tasks:
            work.close()
            return
        task = asyncio.create_task(self._guarded(mutation_id, work), name=f"scheduled mutation {mutation_id}")
        self._tasks[mutation_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(mutation_id, None))

    async def _guarded(self, mutation_id: str, work: Coroutine[Any, Any, None]) -> None:
        self._not_before[mutation_id] = self._clock.monotonic() + round(AGAIN * 1000)
        try:
            await work
        except UpstreamError as error:
            self._waits(mutation_id, told(error), str(error))
        except StoreUnavailable as error:
            self._waits(mutation_id, str(error))
        except NotPossible as error:  # somebody else was quicker
            log.debug("scheduled_mutation_changed", mutation=mutation_id, reason=str(error))
        except Exception as error:
            log.exception("scheduled_mutation_failed", mutation=mutation_id)
            self._waits(mutation_id, f"an error that nobody foresaw: {error!r}")

    async def _try(self, mutation: ScheduledMutation) -> None:
        """Claim it if its group is Empty and nothing is in front of it, and execute it."""
        offsets = self._offsets(mutation)
        now = await offsets.state(mutation.aim.group)
        if now.state not in _USABLE:
            self._waits(mutation.id, f"the group is {now.state}, and has to be Empty")
            return
        # In this order: what another one that comes first has still to set must not be read before it has.
        async with self._ledger.changing():
            await self._ledger.look()
            if self._is_behind(mutation):
                return
        found = await offsets.found(mutation.aim.group, mutation.aim.topic)
        async with self._ledger.changing():
            await self._ledger.look()
            newest = self._running.get(mutation.id)
            if newest is None or newest.revision != mutation.revision or self._is_behind(mutation):
                return
            usable = self._usable(mutation, found)
            judgement = self._judge(mutation, {at.topic for at in usable})
            moves = plan(mutation.aim, usable, mutation.resolved or {})
            change = scheduled.claim(mutation, moves, judgement, self._clock.wall(), by=self._ledger.writer)
            if not await self._take(mutation.revision, change, judgement=judgement):
                return
        if change.mutation.state is State.EXECUTING:
            await self._execute(change.mutation)

    async def _execute(self, mutation: ScheduledMutation) -> None:
        """Make the moves that are left, and note what has become of each.

        Whoever is not through in half of the lease sets nothing more: another takes it over.
        """
        assert mutation.claim is not None, "it is being executed"
        offsets, begun = self._offsets(mutation), mutation.claim.attempts > 1
        deadline = self._clock.monotonic() + scheduled.LEASE_MS // 2
        while self._clock.monotonic() < deadline:
            try:
                async with asyncio.timeout((deadline - self._clock.monotonic()) / 1000):
                    committed = await offsets.committed(mutation.aim.group)
                    now = {move.at: committed.get(move.at) for move in mutation.claim.moves}
                    judgement = self._judge(mutation, {move.topic for move in mutation.claim.moves})
                    rest = scheduled.remaining(mutation, now, judgement, self._clock.wall(), begun=begun)
                    begun = True
                    codes = await offsets.make(mutation.aim.group, rest.to_set) if rest.to_set else {}
            except (UpstreamError, TimeoutError) as error:
                waits_for = told(error) if isinstance(error, UpstreamError) else "brokers take too long"
                self._waits(mutation.id, waits_for, str(error))
                await asyncio.sleep(AGAIN)
                continue
            made = tuple(_made(move, codes.get(move.at, ErrorCode.unknown_server_error)) for move in rest.to_set)
            await self._finish(mutation, (*rest.settled, *made), judgement)
            return

    async def _finish(self, mutation: ScheduledMutation, results: tuple[Move, ...], judgement: Judgement) -> None:
        in_order = tuple(sorted(results, key=lambda move: move.at))
        change = scheduled.finish(mutation, in_order, self._clock.wall(), by=self._ledger.writer)
        async with self._ledger.changing():
            await self._take(mutation.revision, change, judgement=judgement)

    def _is_behind(self, mutation: ScheduledMutation) -> bool:
        """Whether another one has to be over first, by whichever name of the cluster it was asked for."""
        _, names, _ = self._reached(mutation.cluster)
        ahead = scheduled.in_front(mutation, (one for one in self._running.values() if one.cluster in names))
        if ahead is not None:
            self._waits(mutation.id, f"{scheduled.named(ahead)} comes first")
        return ahead is not None

    def _usable(
        self, mutation: ScheduledMutation, found: Mapping[TopicPartition, Found]
    ) -> dict[TopicPartition, Found]:
        """Without topics of a whole group that are not there for its author: he moves what he sees, and no more."""
        topics = {at.topic for at in found}
        kept = set(usable_topics(mutation.aim.group, topics, mutation.author, self._ground(mutation)))
        return {at: one for at, one in found.items() if at.topic in kept or at.topic == mutation.aim.topic}

    def _judge(self, mutation: ScheduledMutation, topics: Collection[str] = (), *, approved: bool = False) -> Judgement:
        """approved: as if it was, which it is if it was made by an approval."""
        approved = approved or mutation.staged_id is not None
        return judge_offsets(mutation.aim, topics, mutation.author, self._ground(mutation), approved=approved)

    def cluster_of(self, mutation: ScheduledMutation) -> str:
        """The name of its cluster, which it may call by another one. Raises UpstreamError."""
        return self._reached(mutation.cluster)[0].name

    def _ground(self, mutation: ScheduledMutation) -> Ground:
        """What it is judged on. Raises UpstreamError while nobody knows the cluster."""
        _, names, inferred = self._reached(mutation.cluster)
        return Ground(snapshot=self._policies.current(), names=names, inferred=inferred)

    def _offsets(self, mutation: ScheduledMutation) -> GroupOffsets:
        return GroupOffsets(self._reached(mutation.cluster)[0].cluster)

    def _reached(self, cluster: str) -> tuple[Upstream, frozenset[str], Inferred]:
        for upstream in self._upstreams.values():
            picture = upstream.cluster.picture
            if picture is not None:
                names, inferred = upstream.standings.known(picture)
                if cluster in names:
                    return upstream, names, inferred
        raise UpstreamUnavailable(f"cluster {cluster} has not been reached")

    def _waits(self, mutation_id: str, reason: str, more: str = "") -> None:
        """`more` is for the log alone."""
        if mutation_id in self._running and self._waits_for.get(mutation_id) != reason:
            self._waits_for[mutation_id] = reason
            log.info("scheduled_mutation_waits", mutation=mutation_id, reason=more or reason)


def _made(move: Move, code: ErrorCode) -> Move:
    if code is ErrorCode.none:
        return move
    why = "the group is not Empty any more" if code in _HAS_MEMBERS else f"the coordinator answers {error_name(code)}"
    return replace(move, error=why)


_HAS_MEMBERS: Final = frozenset(
    {ErrorCode.unknown_member_id, ErrorCode.illegal_generation, ErrorCode.group_subscribed_to_topic}
)
