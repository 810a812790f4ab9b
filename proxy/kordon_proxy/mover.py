"""What is done about scheduled mutations, in attempts beside the ledger: offsets are moved when a group is Empty.

It is claimed in the store before anything is set, with both ends of every move; what becomes of a claim when its
process dies is worked out in `kordon_policy.scheduled`.
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Final, Protocol

from kio.schema.errors import ErrorCode

from kordon_policy import scheduled
from kordon_policy.mutation_rights import Ground, judge_offsets, usable_topics
from kordon_policy.offset_moves import Found, Move, TopicPartition, plan
from kordon_policy.own_rights import Judgement
from kordon_policy.scheduled import Change, ScheduledMutation, State
from kordon_protocol.outcomes import error_name

from .attempts import AGAIN, Attempts, NotYet
from .calls import Case
from .cluster.errors import UpstreamError, told
from .cluster.group_offsets import DEAD, EMPTY, GroupOffsets
from .store.book import Book
from .store.ledger import Ledger

USABLE: Final = frozenset({EMPTY, DEAD})
"""States of a group whose offsets may be set from outside."""
_HAS_MEMBERS: Final = frozenset(
    {ErrorCode.unknown_member_id, ErrorCode.illegal_generation, ErrorCode.group_subscribed_to_topic}
)


class Keeper(Protocol):
    """The part of `Schedule` that is used."""

    async def take(self, change: Change, judgement: Judgement | None = None) -> bool:
        """Bring a change into the store, while nothing else changes. False if somebody was quicker."""

    def case(self, mutation: ScheduledMutation) -> Case:
        """Whose it is, and in which cluster. Raises UpstreamUnavailable."""


class Mover:
    """Moves what the mutations of a book say.

    An attempt raises NotYet, NotPossible, StoreUnavailable, UpstreamError.
    """

    def __init__(self, keeper: Keeper, ledger: Ledger, book: Book[ScheduledMutation], attempts: Attempts) -> None:
        self._keeper = keeper
        self._ledger = ledger
        self._book = book
        self._attempts = attempts
        self._clock = ledger.clock

    async def try_to_move(self, mutation: ScheduledMutation) -> None:
        """Claim it if its group is Empty and nothing is in front of it, and move what it says."""
        case = self._keeper.case(mutation)
        offsets = GroupOffsets(case.upstream.cluster)
        now = await offsets.state(mutation.aim.group)
        if now.state not in USABLE:
            raise NotYet(f"the group is {now.state}, and has to be Empty")
        # In this order: what another one that comes first has still to set must not be read before it has.
        async with self._ledger.changing():
            await self._ledger.look()
            self._must_be_next(mutation)
        found = await offsets.found(mutation.aim.group, mutation.aim.topic)
        async with self._ledger.changing():
            await self._ledger.look()
            newest = self._book.get_running(mutation.id)
            if newest is None or newest.revision != mutation.revision:
                return
            self._must_be_next(mutation)
            usable = usable_of(mutation, found, case.ground)
            judgement = judge_mutation(mutation, case.ground, {at.topic for at in usable})
            moves = plan(mutation.aim, usable, mutation.resolved or {})
            change = scheduled.claim(mutation, moves, judgement, self._clock.wall(), by=self._ledger.writer)
            if not await self._keeper.take(change, judgement):
                return
        if change.mutation.state is State.EXECUTING:
            await self.move(change.mutation)

    async def move(self, mutation: ScheduledMutation) -> None:
        """Make the moves that are left of a claim, and note what has become of each.

        Whoever is not through in half of the lease sets nothing more: another takes it over.
        """
        assert mutation.claim is not None, "it is being executed"
        case, begun = self._keeper.case(mutation), mutation.claim.attempts > 1
        offsets = GroupOffsets(case.upstream.cluster)
        deadline = self._clock.monotonic() + scheduled.LEASE_MS // 2
        while self._clock.monotonic() < deadline:
            try:
                async with asyncio.timeout((deadline - self._clock.monotonic()) / 1000):
                    committed = await offsets.committed(mutation.aim.group)
                    now = {move.at: committed.get(move.at) for move in mutation.claim.moves}
                    judgement = judge_mutation(mutation, case.ground, {move.topic for move in mutation.claim.moves})
                    rest = scheduled.remaining(mutation, now, judgement, self._clock.wall(), begun=begun)
                    begun = True
                    codes = await offsets.make(mutation.aim.group, rest.to_set) if rest.to_set else {}
            except (UpstreamError, TimeoutError) as error:
                waits_for = told(error) if isinstance(error, UpstreamError) else "brokers take too long"
                self._attempts.waits(mutation.id, waits_for, str(error))
                await asyncio.sleep(AGAIN)
                continue
            made = tuple(_made(move, codes.get(move.at, ErrorCode.unknown_server_error)) for move in rest.to_set)
            await self._finish(mutation, (*rest.settled, *made), judgement)
            return

    def ahead_of(self, mutation: ScheduledMutation) -> ScheduledMutation | None:
        """Another one that has to be over first, by whichever name of the cluster it was asked for."""
        names = self._keeper.case(mutation).ground.names
        return scheduled.in_front(mutation, (one for one in self._book.running if one.cluster in names))

    def _must_be_next(self, mutation: ScheduledMutation) -> None:
        ahead = self.ahead_of(mutation)
        if ahead is not None:
            raise NotYet(f"{scheduled.named(ahead)} comes first")

    async def _finish(self, mutation: ScheduledMutation, results: tuple[Move, ...], judgement: Judgement) -> None:
        in_order = tuple(sorted(results, key=lambda move: move.at))
        change = scheduled.finish(mutation, in_order, self._clock.wall(), by=self._ledger.writer)
        async with self._ledger.changing():
            await self._keeper.take(change, judgement)


def judge_mutation(
    mutation: ScheduledMutation, ground: Ground, topics: Collection[str] = (), *, approved: bool = False
) -> Judgement:
    """May its author move the offsets of these topics, and whoever approved it let him?

    approved: as if it was, which it is if an approval made it.
    """
    approved = approved or mutation.staged_id is not None
    return judge_offsets(mutation.aim, topics, mutation.author, ground, approved=approved, approver=mutation.approver)


def usable_of(
    mutation: ScheduledMutation, found: Mapping[TopicPartition, Found], ground: Ground
) -> dict[TopicPartition, Found]:
    """Without topics of a whole group that are not there for its author: he moves what he sees, and no more.

    Nor are those touched that whoever approved it does not see: nobody could have told him of them.
    """
    topics = {at.topic for at in found}
    kept = set(usable_topics(mutation.aim.group, topics, mutation.author, ground, approver=mutation.approver))
    return {at: one for at, one in found.items() if at.topic in kept or at.topic == mutation.aim.topic}


def _made(move: Move, code: ErrorCode) -> Move:
    if code is ErrorCode.none:
        return move
    why = "the group is not Empty any more" if code in _HAS_MEMBERS else f"the coordinator answers {error_name(code)}"
    return replace(move, error=why)
