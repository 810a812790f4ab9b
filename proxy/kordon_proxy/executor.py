"""What is done about staged mutations that are approved, each in a task of its own, beside the ledger.

Everything that can be found out before is found out before the claim, so that a claim is followed by one thing only:
that it is sent.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Final, Protocol

import structlog

from kordon_policy import staged
from kordon_policy.lifecycle import NotPossible
from kordon_policy.mutation_rights import judge_execution
from kordon_policy.own_rights import Judgement
from kordon_policy.staged import Change, Outcome, StagedMutation, State

from .asking import Malformed, NotGranted
from .attempts import AGAIN, Attempts, NotYet
from .audit import event as audit
from .audit.event import Who
from .calls import SCHEDULING, Case
from .clock import Clock
from .cluster.errors import UpstreamError, told
from .schedule import Schedule
from .sending import CannotBeDone, Done, Prepared, prepare, send
from .store.book import Book
from .store.interface import StoreUnavailable
from .store.ledger import Ledger

log = structlog.get_logger()

SENT_BY: Final = 10_000
"""Ms after its claim from which on a mutation is not sent any more: this process stood still, and others go on."""
PATIENCE: Final = 5.0
"""Seconds for what is being executed when Kordon stops."""
_NOTHING_HAPPENED: Final = audit.Outcome()


class Keeper(Protocol):
    """The part of `Staging` that is used."""

    async def take(self, change: Change, judgement: Judgement | None = None, done: Done | None = None) -> bool:
        """Bring a change into the store, while nothing else changes. False if somebody was quicker."""

    def case(self, mutation: StagedMutation) -> Case:
        """Whose request it is, and to which cluster. Raises UpstreamUnavailable."""


def now_for(mutation: StagedMutation, book: Book[StagedMutation], clock: Clock) -> int:
    """The instant that it is for this mutation: an approval lives no longer because a clock was set back.

    That may have been before this process saw it first, so that it is not earlier than the approval in any case.
    """
    if mutation.state is not State.APPROVED or mutation.approval is None:
        return clock.wall()
    return max(book.reached(mutation), mutation.approval.ts + book.watched(mutation))


class Executor:
    """Executes approved mutations of a book. schedule: what may be scheduled by an approval."""

    def __init__(
        self,
        keeper: Keeper,
        ledger: Ledger,
        book: Book[StagedMutation],
        attempts: Attempts,
        schedule: Schedule | None,
    ) -> None:
        self._keeper = keeper
        self._ledger = ledger
        self._book = book
        self._attempts = attempts
        self._schedule = schedule
        self._clock = ledger.clock

    async def execute(self, mutation: StagedMutation) -> None:
        """Find out all that there is to find out, claim it, send it, and note what has become of it.

        Raises NotYet, NotPossible, StoreUnavailable, UpstreamError.
        """
        case = self._keeper.case(mutation)
        if not case.upstream.cluster.state.surveyed:
            raise NotYet(f"the groups of cluster {mutation.cluster} have not been asked yet")
        judgement = self._judge(mutation, case)
        if not judgement.granted:
            await self._give_up(mutation, judgement)
        elif mutation.call.api == SCHEDULING:
            await self._claim_and_schedule(mutation, case)
        else:
            await self._claim_and_send(mutation, case)

    async def _claim_and_schedule(self, mutation: StagedMutation, case: Case) -> None:
        claimed = await self._claim(mutation, case, lambda: None)
        if claimed is not None:
            await self._finish(claimed, await self._scheduled(claimed))

    async def _claim_and_send(self, mutation: StagedMutation, case: Case) -> None:
        try:
            prepared = await prepare(mutation, case)
        except CannotBeDone as reason:
            await self._give_up(mutation, self._why_not(mutation, case, reason))
            return
        ready = [prepared]

        def judge_again() -> None:
            ready.append(prepared.judge_again())

        try:
            claimed = await self._claim(mutation, case, judge_again)
            if claimed is not None:
                await self._finish(claimed, await self._sent(ready[-1]))
        finally:
            await prepared.close()

    async def _claim(
        self, mutation: StagedMutation, case: Case, judge_again: Callable[[], None]
    ) -> StagedMutation | None:
        """Claim it, if it can still be done; None: there is nothing more to do about it here.

        judge_again: raises CannotBeDone, or NotYet or UpstreamError if it has to be tried anew.
        """
        async with self._ledger.changing():
            await self._ledger.look()
            newest = self._book.get_running(mutation.id)
            if newest is None or newest.revision != mutation.revision:
                return None
            judgement = self._judge(mutation, case)
            if judgement.granted:
                try:
                    judge_again()
                except CannotBeDone as reason:
                    judgement = self._why_not(mutation, case, reason)
            change = self._claimed(mutation, judgement)
            begun = self._clock.monotonic()
            if not await self._keeper.take(change, judgement):
                return None
        if change.mutation.state is not State.EXECUTING:
            return None
        if self._clock.monotonic() - begun > SENT_BY:
            why = "it was not sent, as this process stood still after its claim"
            await self._finish(change.mutation, Done(outcome=Outcome(errors=(why,)), told=_NOTHING_HAPPENED))
            return None
        return change.mutation

    async def _scheduled(self, mutation: StagedMutation) -> Done:
        """Schedule what was asked for, as its author, by the approval."""
        assert self._schedule is not None, "something can be scheduled"
        assert mutation.approval is not None, "it was approved"
        author, asked_for = mutation.author, json.loads(mutation.call.request)
        who = Who(principal=author.principal, roles=tuple(sorted(author.roles)), tenant=author.tenant)
        try:
            asked = await self._schedule.schedule(
                asked_for, who, staged_id=mutation.id, approver=mutation.approval.author
            )
        except (Malformed, NotGranted, NotPossible) as error:
            return Done(outcome=Outcome(errors=(str(error),)), told=_NOTHING_HAPPENED)
        except UpstreamError as error:
            return Done(outcome=Outcome(errors=(told(error),)), told=_NOTHING_HAPPENED)
        except StoreUnavailable as error:
            return Done(outcome=Outcome(errors=(str(error),), unknown=True), told=audit.Outcome(unknown=True))
        made = None if asked.mutation is None else asked.mutation.id
        return Done(outcome=Outcome(), told=_NOTHING_HAPPENED, parameters={**asked_for, "scheduled_mutation": made})

    async def _sent(self, prepared: Prepared) -> Done:
        try:
            return await send(prepared)
        except Exception as error:
            log.exception("staged_mutation_failed", mutation=prepared.mutation.id)
            return Done(
                outcome=Outcome(errors=(f"an error that nobody foresaw: {error!r}",), unknown=True),
                told=audit.Outcome(unknown=True),
            )

    async def _finish(self, mutation: StagedMutation, done: Done) -> None:
        """Note what has become of it, for as long as nobody else gives it up."""
        change = staged.finish(mutation, done.outcome, self._clock.wall(), by=self._ledger.writer)
        while self._book.get_running(mutation.id) is not None:
            try:
                async with self._ledger.changing():
                    await self._keeper.take(change, done=done)
                    return
            except StoreUnavailable as error:
                self._attempts.waits(mutation.id, f"it was done, which cannot be noted: {error}")
                await asyncio.sleep(AGAIN)

    async def _give_up(self, mutation: StagedMutation, judgement: Judgement) -> None:
        async with self._ledger.changing():
            await self._keeper.take(self._claimed(mutation, judgement), judgement)

    def _claimed(self, mutation: StagedMutation, judgement: Judgement) -> Change:
        now = now_for(mutation, self._book, self._clock)
        return staged.claim(mutation, judgement, now, by=self._ledger.writer)

    def _judge(self, mutation: StagedMutation, case: Case) -> Judgement:
        """May it be executed: do author and approver still hold what it takes?"""
        assert mutation.approval is not None, "it was approved"
        return judge_execution(mutation.demands, mutation.author, mutation.approval.author, case.ground)

    def _why_not(self, mutation: StagedMutation, case: Case, reason: CannotBeDone) -> Judgement:
        """The judgement of what cannot be done: whoever lacks what is told, if it is that."""
        judgement = self._judge(mutation, case)
        return judgement if not judgement.granted else Judgement(granted=False, reason=str(reason))
