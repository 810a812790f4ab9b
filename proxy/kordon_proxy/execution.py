"""Approved requests, as they are sent: judged once more, over a connection of Kordon's own, to the right broker.

The connection is opened for the one request and closed after it. A broker answers what comes by one connection in
order, and takes up to a minute for some requests: Kordon's other questions must not wait for that.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import structlog

from kordon_policy.offset_moves import TopicPartition
from kordon_policy.staged import Outcome, StagedMutation
from kordon_protocol.keys import ApiKey

from .audit import event as audit
from .calls import AT_MOST_STALE, Case, Judged, Unreadable, errors_of, judge, judge_again, read
from .cluster.connection import BrokerConnection
from .cluster.errors import UpstreamError, told
from .cluster.pool import Pool
from .cluster.whereabouts import NOBODY, coordinator_of, leaders_of
from .judging.table import Api
from .judging.verdict import Mended
from .recorder import outcome_of
from .staged_requests import forwarded_by
from .upstream import Upstream

log = structlog.get_logger()

WITHIN: Final = 45.0
"""Seconds that a broker may take. Less than whoever has claimed a mutation has for all of it."""
_LEARN_WITHIN: Final = 2.0
"""Seconds for what the audit wants to know of a change; it is done without."""
_MOST_ERRORS: Final = 100
_CHANGED: Final = "what it is about has just changed"
_OF_A_LEADER: Final = frozenset({ApiKey.DELETE_RECORDS, ApiKey.WRITE_TXN_MARKERS})


class CannotBeDone(Exception):
    """It is not allowed any more, or makes no sense any more; the text says why."""


class NotYet(Exception):
    """It cannot be done now, and may be later; the text says what it waits for, and names nothing that is secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What has become of it, for its record, and for the audit. parameters: what was asked for, and what there was."""

    outcome: Outcome
    told: audit.Outcome
    parameters: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """All that it takes to send an approved request, and the connection to send it by. To be closed.

    before: what there is before the change, for the audit.
    """

    mutation: StagedMutation
    case: Case
    api: Api
    request: Any
    judged: Judged
    before: Mapping[str, Any]
    connection: BrokerConnection
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
        """Let go of the connection."""
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
    broker = case.broker if case.broker is not None else await _asked_of(api, sent, case.upstream)
    before = await _before(api, sent, broker, case.upstream)
    address = case.upstream.address(broker)
    if address is None:
        raise NotYet("there is no broker" if broker is None else f"broker {broker} is not there")
    pool = Pool(cluster.settings.reach)
    try:
        connection = await pool.connection(address)
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
        connection=connection,
        pool=pool,
    )


async def send(prepared: Prepared) -> Done:
    """Send it, once, and tell what has become of it. Never raises UpstreamError: then nobody knows."""
    try:
        answer = await prepared.connection.request(prepared.sent, WITHIN)
    except UpstreamError as error:
        log.warning("staged_mutation_unanswered", mutation=prepared.mutation.id, reason=str(error))
        return Done(
            outcome=Outcome(errors=(told(error),), unknown=True),
            told=outcome_of(None),
            parameters=_parameters(prepared, None),
        )
    plan = getattr(prepared.judged.verdict, "plan", None)
    response = plan.mend(answer, prepared.judged.may) if isinstance(plan, Mended) else answer
    await _tell_cluster(prepared)
    errors = tuple(errors_of(response))
    if len(errors) > _MOST_ERRORS:
        errors = (*errors[:_MOST_ERRORS], f"and {len(errors) - _MOST_ERRORS} more")
    return Done(outcome=Outcome(errors=errors), told=outcome_of(answer), parameters=_parameters(prepared, response))


def _parameters(prepared: Prepared, response: Any) -> Mapping[str, Any]:
    """What the audit tells of a request on the wire: what was asked for, and what there was before."""
    told = prepared.api.parameters
    return {**({} if told is None else told(prepared.request, response)), **prepared.before}


async def _before(api: Api, request: Any, broker: int | None, upstream: Upstream) -> Mapping[str, Any]:
    """What there is before the change, as the audit tells it: brokers alone know, and only now."""
    question = None if api.learns is None else api.learns.question(request)
    if api.learns is None or question is None:
        return {}
    answer = None
    try:
        async with asyncio.timeout(_LEARN_WITHIN):
            answer = await upstream.cluster.ask(question, broker)
    except (UpstreamError, TimeoutError) as error:
        log.warning("change_not_looked_up", api=api.name, reason=str(error) or "no answer in time")
    return api.learns.tell(request, answer)


async def _asked_of(api: Api, request: Any, upstream: Upstream) -> int | None:
    """Who alone can do it: a group's coordinator, a partition's leader; None: any broker passes it on."""
    groups = getattr(request, "groups_names", None) or (getattr(request, "group_id", None),)
    if groups[0] is not None:
        return await coordinator_of(upstream.cluster, groups[0])
    if api.key not in _OF_A_LEADER:
        return None
    at = _first_partition(request)
    leader = NOBODY if at is None else (await leaders_of(upstream.cluster, {at.topic})).get(at, NOBODY)
    return None if leader == NOBODY else leader


def _first_partition(request: Any) -> TopicPartition | None:
    """A client asks each leader about its own partitions alone, so one tells who has to be asked."""
    topics = request.topics if hasattr(request, "topics") else [one for each in request.markers for one in each.topics]
    for topic in topics:
        indexes = getattr(topic, "partition_indexes", None) or [one.partition_index for one in topic.partitions]
        for index in indexes:
            return TopicPartition(str(topic.name), int(index))
    return None


async def _tell_cluster(prepared: Prepared) -> None:
    """Kordon's own picture has to have what has changed."""
    api, cluster = prepared.api, prepared.case.upstream.cluster
    if api.changes_topics:
        with suppress(UpstreamError):
            await cluster.refresh(0)
    if api.reads is not None and cluster.picture is not None:
        cluster.hint_group(prepared.request.group_id, api.reads(prepared.request, cluster.picture))
