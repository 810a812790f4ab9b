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

from .audit import event as audit
from .audit.event import Who
from .calls import SCHEDULING, Case
from .cluster.errors import UpstreamError, told
from .execution import CannotBeDone, Done, NotYet, Prepared, prepare, send
from .grants import Malformed, NotGranted
from .schedule import Schedule
from .store.interface import StoreUnavailable
from .store.ledger import Ledger

log = structlog.get_logger()

AGAIN: Final = 1.0
"""Seconds between two tries to execute one."""
SENT_BY: Final = 10_000
"""Ms after its claim from which on a mutation is not sent any more: this process stood still, and others go on."""
PATIENCE: Final = 5.0
"""Seconds for what is being executed when Kordon stops."""
_NOTHING_HAPPENED: Final = audit.Outcome()


class Book(Protocol):
    """The part of `Staging` that is used."""

    def newest(self, mutation_id: str) -> StagedMutation | None:
        """A mutation as it is known now; None if it is over."""

    async def take(
        self, before: StagedMutation, change: Change, judgement: Judgement | None = None, done: Done | None = None
    ) -> bool:
        """Bring a change into the store, while nothing else changes. False if somebody was quicker."""

    def waits(self, mutation_id: str, reason: str, more: str = "") -> None:
        """Say what keeps a mutation from being executed. `more` is for the log alone."""

    def case(self, mutation: StagedMutation) -> Case:
        """Whose request it is, and to which cluster. Raises UpstreamUnavailable."""


class Executor:
    """Executes what it is given, unless it is at it already, has just tried, or has been closed."""

    def __init__(self, book: Book, ledger: Ledger, schedule: Schedule | None) -> None:
        self._book = book
        self._ledger = ledger
        self._schedule = schedule
        self._clock = ledger.clock
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._not_before: dict[str, int] = {}
        self._closed = False

    def is_at(self, mutation: StagedMutation) -> bool:
        """Is it being executed here?"""
        return mutation.id in self._tasks

    def begin(self, mutation: StagedMutation) -> None:
        """Execute it, or find out why that cannot be."""
        soon = self._clock.monotonic() < self._not_before.get(mutation.id, 0)
        if self._closed or soon or self.is_at(mutation):
            return
        self._not_before[mutation.id] = self._clock.monotonic() + round(AGAIN * 1000)
        task = asyncio.create_task(self._guarded(mutation), name=f"staged mutation {mutation.id}")
        self._tasks[mutation.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(mutation.id, None))

    def forget(self, mutation: StagedMutation) -> None:
        """It is over."""
        self._not_before.pop(mutation.id, None)

    async def close(self) -> None:
        """Begin nothing more, and give what is being executed a little time."""
        self._closed = True
        tasks = tuple(self._tasks.values())
        if tasks:
            await asyncio.wait(tasks, timeout=PATIENCE)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _guarded(self, mutation: StagedMutation) -> None:
        try:
            await self._execute(mutation)
        except UpstreamError as error:
            self._book.waits(mutation.id, told(error), str(error))
        except (NotYet, StoreUnavailable) as error:
            self._book.waits(mutation.id, str(error))
        except NotPossible as error:  # somebody else was quicker
            log.debug("staged_mutation_changed", mutation=mutation.id, reason=str(error))
        except Exception as error:
            log.exception("staged_mutation_failed", mutation=mutation.id)
            self._book.waits(mutation.id, f"an error that nobody foresaw: {error!r}")

    async def _execute(self, mutation: StagedMutation) -> None:
        """Find out all that there is to find out, claim it, send it, and note what has become of it."""
        case = self._book.case(mutation)
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
            newest = self._book.newest(mutation.id)
            if newest is None or newest.revision != mutation.revision:
                return None
            judgement = self._judge(mutation, case)
            if judgement.granted:
                try:
                    judge_again()
                except CannotBeDone as reason:
                    judgement = self._why_not(mutation, case, reason)
            change = staged.claim(mutation, judgement, self._clock.wall(), by=self._ledger.writer)
            begun = self._clock.monotonic()
            if not await self._book.take(mutation, change, judgement):
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
        author, asked_for = mutation.author, json.loads(mutation.call.request)
        who = Who(principal=author.principal, roles=tuple(sorted(author.roles)), tenant=author.tenant)
        try:
            asked = await self._schedule.schedule(asked_for, who, staged_id=mutation.id)
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
        while self._book.newest(mutation.id) is not None:
            try:
                async with self._ledger.changing():
                    await self._book.take(mutation, change, done=done)
                    return
            except StoreUnavailable as error:
                self._book.waits(mutation.id, f"it was done, which cannot be noted: {error}")
                await asyncio.sleep(AGAIN)

    async def _give_up(self, mutation: StagedMutation, judgement: Judgement) -> None:
        async with self._ledger.changing():
            change = staged.claim(mutation, judgement, self._clock.wall(), by=self._ledger.writer)
            await self._book.take(mutation, change, judgement)

    def _judge(self, mutation: StagedMutation, case: Case) -> Judgement:
        """May it be executed: do author and approver still hold what it takes?"""
        assert mutation.approval is not None, "it was approved"
        return judge_execution(mutation.demands, mutation.author, mutation.approval.author, case.ground)

    def _why_not(self, mutation: StagedMutation, case: Case, reason: CannotBeDone) -> Judgement:
        """The judgement of what cannot be done: whoever lacks what is told, if it is that."""
        judgement = self._judge(mutation, case)
        return judgement if not judgement.granted else Judgement(granted=False, reason=str(reason))
