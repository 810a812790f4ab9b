"""Approved requests, as they are sent: judged once more, over a connection of Kordon's own, to the right broker.

The connection is opened for the one request and closed after it. A broker answers what comes by one connection in
order, and takes up to a minute for some requests: Kordon's other questions must not wait for that.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from kordon_policy.offset_moves import TopicPartition
from kordon_policy.staged import Outcome, StagedMutation
from kordon_protocol.keys import ApiKey
from kordon_protocol.outcomes import body_error_codes, error_name

from .calls import AT_MOST_STALE, Case, Judged, Unreadable, errors_of, judge, judge_again, read
from .cluster.connection import BrokerConnection
from .cluster.errors import UpstreamError, UpstreamUnavailable
from .cluster.pool import Pool
from .cluster.whereabouts import NOBODY, coordinator_of, leaders_of
from .judging.table import Api
from .judging.verdict import Mended
from .staged_requests import forwarded_by
from .upstream import Upstream

WITHIN: Final = 45.0
"""Seconds that a broker may take. Less than whoever has claimed a mutation has for all of it."""
_MOST_ERRORS: Final = 100
_OF_A_LEADER: Final = frozenset({ApiKey.DELETE_RECORDS, ApiKey.WRITE_TXN_MARKERS})


class CannotBeDone(Exception):
    """It is not allowed any more, or makes no sense any more; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What has become of it. code: the first error that the broker has answered with its name, or that of success."""

    outcome: Outcome
    response: Any = None
    code: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """All that it takes to send an approved request, and the connection to send it by. To be closed."""

    mutation: StagedMutation
    case: Case
    api: Api
    request: Any
    judged: Judged
    connection: BrokerConnection
    pool: Pool

    def judge_again(self) -> "Prepared | None":
        """The same by the rights of now; None if it has to be prepared anew. Raises CannotBeDone, UpstreamError."""
        judged = judge_again(
            self.api, self.request, self.judged, partial(self.case.may_by_approval, self.mutation.demands)
        )
        if judged is None:
            return None
        if (refused := judged.refused) is not None:
            raise CannotBeDone(refused)
        if forwarded_by(judged.verdict, self.request) != forwarded_by(self.judged.verdict, self.request):
            return None
        return replace(self, judged=judged)

    async def close(self) -> None:
        """Let go of the connection."""
        await self.pool.close()


async def prepare(mutation: StagedMutation, case: Case) -> Prepared:
    """Judge what was approved, find who has to be asked, and connect. Raises CannotBeDone, UpstreamError."""
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
    address = await _address(api, forwarded_by(judged.verdict, request), case)
    pool = Pool(cluster.settings.reach)
    try:
        connection = await pool.connection(address)
    except BaseException:
        await pool.close()
        raise
    return Prepared(
        mutation=mutation, case=case, api=api, request=request, judged=judged, connection=connection, pool=pool
    )


async def send(prepared: Prepared) -> Done:
    """Send it, once, and tell what has become of it. Never raises UpstreamError: then nobody knows."""
    api, verdict = prepared.api, prepared.judged.verdict
    try:
        answer = await prepared.connection.request(forwarded_by(verdict, prepared.request), WITHIN)
    except UpstreamError as error:
        return Done(outcome=Outcome(errors=(str(error),), unknown=True))
    plan = getattr(verdict, "plan", None)
    response = plan.mend(answer, prepared.judged.may) if isinstance(plan, Mended) else answer
    await _tell_cluster(api, prepared, response)
    errors = tuple(errors_of(response))
    code = next((int(code) for _, code in body_error_codes(response) if code), 0)
    told = errors if len(errors) <= _MOST_ERRORS else (*errors[:_MOST_ERRORS], f"and {len(errors) - _MOST_ERRORS} more")
    return Done(outcome=Outcome(errors=told), response=response, code=(code, error_name(code)))


def parameters_of(mutation: StagedMutation, response: Any = None) -> Mapping[str, Any]:
    """What matters of what was asked for, as the audit tells it: never a secret."""
    try:
        api, request = read(mutation.call)
    except Unreadable:
        return {}
    return {} if api.parameters is None else api.parameters(request, response)


async def _address(api: Api, request: Any, case: Case) -> tuple[str, int]:
    """Where it has to be sent. Raises UpstreamError."""
    broker = case.broker if case.broker is not None else await _asked_of(api, request, case.upstream)
    address = case.upstream.address(broker)
    if address is None:
        raise UpstreamUnavailable(f"cluster {case.upstream.name} has no live broker {broker}")
    return address


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


async def _tell_cluster(api: Api, prepared: Prepared, response: Any) -> None:
    """Kordon's own picture has to have what has changed."""
    cluster = prepared.case.upstream.cluster
    if api.changes_topics:
        with suppress(UpstreamError):
            await cluster.refresh(0)
    if api.reads is not None and response is not None and cluster.picture is not None:
        cluster.hint_group(prepared.request.group_id, api.reads(prepared.request, cluster.picture))
