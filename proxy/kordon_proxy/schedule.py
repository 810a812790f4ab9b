"""The scheduled mutations of this process: what people ask for, and what time asks for.

Each of several processes may execute one, by its `Mover`. That takes its time, so it happens in attempts beside the
ledger, which only takes the steps.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import structlog

from kordon_policy import scheduled
from kordon_policy.lifecycle import NotPossible
from kordon_policy.mutation_rights import judge_cancelling
from kordon_policy.offset_moves import TopicPartition, hopeless
from kordon_policy.own_rights import Author, Judgement, known_to
from kordon_policy.scheduled import Change, Due, ScheduledMutation
from kordon_policy.scheduled_record import from_record, to_record
from kordon_policy.scheduled_request import LONGEST_TRIES_MS, Asked, read_request
from kordon_policy.scheduled_view import shown

from .asking import Malformed, NoSuchMutation, NotGranted, Places, author_of
from .attempts import Attempts
from .audit.event import KORDON, Event, Who, new_id
from .audit.scheduled import event_of
from .calls import Case
from .cluster.errors import UpstreamError, UpstreamUnavailable
from .cluster.group_offsets import DEAD, GroupOffsets
from .mover import USABLE, Mover, judge_mutation, usable_of
from .policies import Policies
from .store.book import Book
from .store.interface import Kind
from .store.ledger import Ledger
from .upstream import Upstream

log = structlog.get_logger()

MOST_OF_ONE: Final = 100
"""Mutations that one author may have waiting: each of them has brokers asked every second."""
_LOOKED_AT_WITHIN: Final = 3.0
"""Seconds in which brokers say whether what is asked for can be done at all. If they do not, it is seen later."""


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
    """All scheduled mutations, and how they change. Belongs to the event loop. The keeper of their book.

    upstreams: by the names of the clusters.
    """

    def __init__(self, ledger: Ledger, policies: Policies, upstreams: Mapping[str, Upstream], rules: Rules) -> None:
        self._ledger = ledger
        self._policies = policies
        self._upstreams = upstreams
        self._rules = rules
        self._clock = ledger.clock
        self._book = Book(Kind.SCHEDULED, ledger.clock, read=from_record, write=to_record)
        self._attempts = Attempts(self._book, ledger.clock)
        self._mover = Mover(self, ledger, self._book, self._attempts)
        ledger.keep(self._book, self)

    # ---- what there is

    @property
    def waiting(self) -> int:
        """How many are not over."""
        return len(self._book.running)

    def seen_by(self, who: Who, *, ended: bool = True) -> Iterator[tuple[ScheduledMutation, str] | None]:
        """Those about groups in somebody's tenant, as they are shown to him, each with what it waits for ("" if for
        nothing).

        None for each of the others: to look at one may take a while. ended: also those that are over.
        """
        author = author_of(who)
        for mutation in self._book.all if ended else self._book.running:
            seen = self._seen(mutation, author)
            yield None if seen is None else (seen, self._attempts.waits_for(mutation.id))

    def find(self, mutation_id: str, who: Who) -> tuple[ScheduledMutation, str]:
        """One of those that he sees, as it is shown to him. Raises NoSuchMutation."""
        mutation = self._book.get(mutation_id)
        seen = None if mutation is None else self._seen(mutation, author_of(who))
        if seen is None:
            raise NoSuchMutation(f"there is no scheduled mutation {mutation_id}")
        return seen, self._attempts.waits_for(mutation_id)

    def _seen(self, mutation: ScheduledMutation, author: Author) -> ScheduledMutation | None:
        try:
            ground = self.case(mutation).ground
        except UpstreamError:
            return None
        if not any(one.name == author.tenant for one in ground.snapshot.tenants):
            return None
        admin = ground.snapshot.is_admin(author.roles)
        view = ground.snapshot.view(author.tenant, ground.names, ground.inferred, admin=admin)
        return shown(mutation, view, openly=admin)

    # ---- what people ask for

    async def schedule(
        self, body: object, who: Who, *, staged_id: str | None = None, approver: Author | None = None
    ) -> Asked:
        """Schedule what somebody asks for, and return it, with notices that he should read.

        staged_id, approver: the staged mutation by whose approval it is made, and who gave that, if it is.
        Raises Malformed, NotGranted, Waits, NotPossible, StoreUnavailable, UpstreamError where a time cannot be looked
        up.
        """
        author = author_of(who)
        asked = read_request(
            body,
            mutation_id=new_id(),
            author=author,
            known=known_to(author, self._policies.current(), self._rules.places().known),
            now=self._clock.wall(),
            max_duration=self._rules.longest,
        )
        if asked.mutation is None:
            raise Malformed(asked.findings)
        mutation = replace(asked.mutation, staged_id=staged_id, approver=approver)
        ground = self.case(mutation).ground
        judgement = judge_mutation(mutation, ground)
        if judge_mutation(mutation, ground, approved=True).granted:
            await self._must_have_hope(mutation)
            if not judgement.granted:
                raise Waits(judgement, mutation)
        if sum(one.author.principal == author.principal for one in self._book.running) >= MOST_OF_ONE:
            raise NotPossible(f"{MOST_OF_ONE} scheduled mutations of {author.principal} wait already: cancel some")
        if judgement.granted and scheduled.is_by_time(mutation.aim):
            mutation = replace(mutation, resolved=await self._resolved(mutation))
        change = scheduled.create(mutation, judgement, self._clock.wall())
        if not judgement.granted:
            await self._ledger.tell(self._event(change, who, judgement))
            raise NotGranted(judgement.reason)
        async with self._ledger.changing():
            await self._ledger.add(self._book, change.mutation, self._event(change, who, judgement))
        return replace(asked, mutation=change.mutation)

    async def cancel(self, mutation_id: str, who: Who, reason: str = "") -> ScheduledMutation:
        """Call one off, and return it as it is shown to him.

        Raises NoSuchMutation, NotGranted, NotPossible, StoreUnavailable.
        """
        author = author_of(who)

        def cancelled() -> tuple[ScheduledMutation, Event]:
            mutation = self._book.get(mutation_id)
            if mutation is None or self._seen(mutation, author) is None:
                raise NoSuchMutation(f"there is no scheduled mutation {mutation_id}")
            judgement = judge_cancelling(mutation.aim, mutation.author, author, self.case(mutation).ground)
            if not judgement.granted:
                raise NotGranted(judgement.reason)
            change = scheduled.cancel(mutation, self._clock.wall(), by=who.principal, reason=reason)
            return change.mutation, self._event(change, who, judgement)

        after = await self._ledger.change(self._book, cancelled)
        return self._seen(after, author) or after

    async def _must_have_hope(self, mutation: ScheduledMutation) -> None:
        """Raise NotPossible for what could only fail, as a group, topic, partition or offset is not there.

        What cannot be told now is no reason: whoever waits for a group may wait for brokers, too.
        """
        case, aim = self.case(mutation), mutation.aim
        offsets = GroupOffsets(case.upstream.cluster)
        try:
            async with asyncio.timeout(_LOOKED_AT_WITHIN):
                now = await offsets.state(aim.group)
                found = await offsets.found(aim.group, aim.topic)
        except (UpstreamError, TimeoutError) as error:
            log.info("scheduled_unseen", mutation=mutation.id, cluster=mutation.cluster, reason=str(error))
            return
        async with self._ledger.changing():
            await self._ledger.look()
            may_commit = now.state not in USABLE or self._mover.ahead_of(mutation) is not None
        is_there = now.state != DEAD
        if why := hopeless(aim, usable_of(mutation, found, case.ground), is_there=is_there, may_commit=may_commit):
            raise NotPossible(why)

    async def _resolved(self, mutation: ScheduledMutation) -> dict[TopicPartition, int]:
        offsets = GroupOffsets(self.case(mutation).upstream.cluster)
        found = await offsets.found(mutation.aim.group, mutation.aim.topic)
        to = mutation.aim.to
        assert to is not None, "a mutation that is by a time has one"
        return await offsets.at_time((at for at in found if mutation.aim.concerns(at)), to.value)

    # ---- what time asks for, and the ledger

    async def do_what_is_due(self) -> None:
        """Expire what is over, take over what nobody goes on with, and look after what waits."""
        for mutation in self._book.running:
            now, watched = self._clock.wall(), self._book.watched(mutation)
            match scheduled.due(mutation, now, watched_ms=watched):
                case Due.EXPIRE:
                    waits_for = self._attempts.waits_for(mutation.id)
                    await self.take(scheduled.expire(mutation, now, waits_for=waits_for))
                case Due.TAKE_OVER if self._attempts.may_begin(mutation.id):
                    change = scheduled.take_over(mutation, now, by=self._ledger.writer, watched_ms=watched)
                    if await self.take(change):
                        self._attempts.begin(mutation.id, partial(self._mover.move, change.mutation))
                case Due.TRY:
                    self._attempts.begin(mutation.id, partial(self._mover.try_to_move, mutation))

    def refresh(self) -> None:
        """Nothing holds here that time alone ends."""

    async def close(self) -> None:
        """Do nothing more. What has been claimed another process takes over, or this one when it starts again."""
        await self._attempts.close()

    def _event(self, change: Change, who: Who, judgement: Judgement | None) -> Event:
        return event_of(change, who=who, judgement=judgement, epoch=self._policies.snapshot.epoch)

    # ---- for whoever executes

    async def take(self, change: Change, judgement: Judgement | None = None) -> bool:
        """Bring what Kordon does by itself into the store. Only while `changing`. False if somebody was quicker."""
        return await self._ledger.take(self._book, change.mutation, self._event(change, KORDON, judgement))

    def case(self, mutation: ScheduledMutation) -> Case:
        """Whose it is, and in which cluster, which it may call by another name. Raises UpstreamUnavailable."""
        for upstream in self._upstreams.values():
            picture = upstream.cluster.picture
            if picture is not None and mutation.cluster in upstream.standings.known(picture)[0]:
                return Case(upstream=upstream, policies=self._policies, author=mutation.author)
        raise UpstreamUnavailable(f"cluster {mutation.cluster} has not been reached")
