"""Approved requests, as they are sent: judged once more, over connections of Kordon's own, to the right brokers.

Connections are opened for the one request and closed after it. A broker answers what comes by one connection in
order, and takes up to a minute for some requests: Kordon's other questions must not wait for that.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import structlog
from kio.schema.errors import ErrorCode

from kordon_policy.staged import Outcome, StagedMutation
from kordon_protocol.outcomes import body_error_codes

from .attempts import NotYet
from .audit import event as audit
from .calls import AT_MOST_STALE, Case, Judged, Unreadable, errors_of, judge, judge_again, read
from .cluster.errors import UpstreamError, told
from .cluster.pool import Pool
from .errands import Errand, shares_of, together
from .judging.table import Api
from .judging.verdict import Mended
from .recorder import outcome_of
from .staged_requests import forwarded_by
from .upstream import Upstream

log = structlog.get_logger()

WITHIN: Final = 45.0
"""Seconds that a broker may take. Less than whoever has claimed a mutation has for all of it."""
_MOST_ERRORS: Final = 100
_CHANGED: Final = "what it is about has just changed"


class CannotBeDone(Exception):
    """It is not allowed any more, or makes no sense any more; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What has become of it, for its record, and for the audit. parameters: what was asked for, and what there was."""

    outcome: Outcome
    told: audit.Outcome
    parameters: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """All that it takes to send an approved request, and the connections to send it by. To be closed.

    before: what there is before the change, for the audit.
    """

    mutation: StagedMutation
    case: Case
    api: Api
    request: Any
    judged: Judged
    before: Mapping[str, Any]
    errands: tuple[Errand, ...]
    pool: Pool

    @property
    def sent(self) -> Any:
        """The request as it is sent."""
        return forwarded_by(self.judged.verdict, self.request)

    def judge_again(self) -> "Prepared":
        """The same by the rights of now. Raises CannotBeDone, UpstreamError, or NotYet to be prepared anew."""
        judged = judge_again(
            self.api, self.request, self.judged, partial(self.case.may_by_approval, self.mutation.demands)
        )
        if judged is None:
            raise NotYet(_CHANGED)
        if (refused := judged.refused) is not None:
            raise CannotBeDone(refused)
        again = replace(self, judged=judged)
        if again.sent != self.sent:
            raise NotYet(_CHANGED)
        return again

    async def close(self) -> None:
        """Let go of the connections."""
        await self.pool.close()


async def prepare(mutation: StagedMutation, case: Case) -> Prepared:
    """Judge what was approved, find who has to be asked, and connect. Raises CannotBeDone, NotYet, UpstreamError."""
    cluster = case.upstream.cluster
    try:
        api, request = read(mutation.call)
    except Unreadable as error:
        raise CannotBeDone(str(error)) from error
    picture = await cluster.refresh(AT_MOST_STALE)
    low, high = picture.api_versions.get(api.key, (0, -1))
    if not low <= mutation.call.version <= high:
        raise CannotBeDone(f"the brokers do not have {api.name} of version {mutation.call.version} any more")
    judged = await judge(api, request, case, partial(case.may_by_approval, mutation.demands))
    if (refused := judged.refused) is not None:
        raise CannotBeDone(refused)
    sent = forwarded_by(judged.verdict, request)
    shares = await shares_of(sent, case)
    before = await _before(api, sent, shares[0][0], case.upstream)
    pool = Pool(cluster.settings.reach)
    try:
        errands = tuple([await _errand(broker, share, case.upstream, pool) for broker, share in shares])
    except BaseException:
        await pool.close()
        raise
    return Prepared(
        mutation=mutation,
        case=case,
        api=api,
        request=request,
        judged=judged,
        before=before,
        errands=errands,
        pool=pool,
    )


async def _errand(broker: int | None, request: Any, upstream: Upstream, pool: Pool) -> Errand:
    address = upstream.address(broker)
    if address is None:
        raise NotYet("there is no broker" if broker is None else f"broker {broker} is not there")
    return Errand(request=request, connection=await pool.connection(address))


async def send(prepared: Prepared) -> Done:
    """Send it, once, and tell what has become of it. Never raises UpstreamError: then nobody knows."""
    replies = await asyncio.gather(*(_reply(errand, prepared.mutation) for errand in prepared.errands))
    silent = tuple(told(one) for one in replies if isinstance(one, UpstreamError))
    answers = [one for one in replies if not isinstance(one, UpstreamError)]
    if not answers:
        return Done(
            outcome=Outcome(errors=silent, unknown=True),
            told=outcome_of(None),
            parameters=_parameters(prepared, None),
        )
    answer = together(prepared.sent, answers)
    plan = getattr(prepared.judged.verdict, "plan", None)
    response = plan.mend(answer, prepared.judged.may) if isinstance(plan, Mended) else answer
    await _tell_cluster(prepared)
    errors = (*silent, *errors_of(response))
    if len(errors) > _MOST_ERRORS:
        errors = (*errors[:_MOST_ERRORS], f"and {len(errors) - _MOST_ERRORS} more")
    # The client has said how long brokers may take. What they were not through with then, they may still do.
    unknown = bool(silent) or any(code == ErrorCode.request_timed_out for _, code in body_error_codes(response))
    return Done(
        outcome=Outcome(errors=errors, unknown=unknown),
        told=replace(outcome_of(answer), unknown=unknown),
        parameters=_parameters(prepared, response),
    )


async def _reply(errand: Errand, mutation: StagedMutation) -> Any:
    """A broker's answer, or the UpstreamError that came in its place."""
    try:
        return await errand.connection.request(errand.request, WITHIN)
    except UpstreamError as error:
        log.warning("staged_mutation_unanswered", mutation=mutation.id, reason=str(error))
        return error


def _parameters(prepared: Prepared, response: Any) -> Mapping[str, Any]:
    """What the audit tells of a request on the wire: what was asked for, and what there was before."""
    told = prepared.api.parameters
    return {**({} if told is None else told(prepared.request, response)), **prepared.before}


async def _before(api: Api, request: Any, broker: int | None, upstream: Upstream) -> Mapping[str, Any]:
    """What there is before the change, as the audit tells it: brokers alone know, and only now."""
    learns = api.learns
    question = None if learns is None else learns.question(request)
    if learns is None or question is None:
        return {}
    answer = None
    try:
        async with asyncio.timeout(learns.within):
            answer = await upstream.cluster.ask(question, broker)
    except (UpstreamError, TimeoutError) as error:
        log.warning("change_not_looked_up", api=api.name, reason=str(error) or "no answer in time")
    return learns.tell(request, answer)


async def _tell_cluster(prepared: Prepared) -> None:
    """Kordon's own picture has to have what has changed."""
    api, cluster = prepared.api, prepared.case.upstream.cluster
    if api.changes_topics:
        with suppress(UpstreamError):
            await cluster.refresh(0)
    if api.reads is not None and cluster.picture is not None:
        cluster.hint_group(prepared.request.group_id, api.reads(prepared.request, cluster.picture))
