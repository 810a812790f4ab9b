"""What each broker is asked of an approved request, and what their answers say together.

A client asks the right broker of each thing. By the time that a request is approved it may be another one, and of
several groups each has its own.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from kordon_policy.offset_moves import TopicPartition
from kordon_protocol.keys import ApiKey

from .calls import Case
from .cluster.connection import BrokerConnection
from .cluster.watch import Cluster
from .cluster.whereabouts import NOBODY, coordinator_of, coordinators_of, leaders_of

_OF_A_LEADER: Final = frozenset({ApiKey.DELETE_RECORDS, ApiKey.WRITE_TXN_MARKERS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """One broker's share of a request, and the connection to it."""

    request: Any
    connection: BrokerConnection


async def shares_of(request: Any, case: Case) -> tuple[tuple[int | None, Any], ...]:
    """Who has to be asked for what of a request; None: any broker passes it on. Raises UpstreamError."""
    cluster = case.upstream.cluster
    if case.broker is not None:
        return ((case.broker, request),)
    if request.__api_key__ == ApiKey.DELETE_GROUPS and request.groups_names:
        return await _by_coordinator(request, cluster)
    if getattr(request, "group_id", None) is not None:
        return ((await coordinator_of(cluster, request.group_id), request),)
    return ((await _leader(request, cluster), request),)


def together(request: Any, answers: Sequence[Any]) -> Any:
    """One answer to all of a request, from those to its shares that have come: one at least."""
    first = answers[0]
    if request.__api_key__ != ApiKey.DELETE_GROUPS:
        return first
    places = {group: place for place, group in enumerate(request.groups_names)}
    results = (result for answer in answers for result in answer.results)
    return replace(first, results=tuple(sorted(results, key=lambda one: places.get(one.group_id, len(places)))))


async def _by_coordinator(request: Any, cluster: Cluster) -> tuple[tuple[int, Any], ...]:
    coordinators = await coordinators_of(cluster, dict.fromkeys(request.groups_names))
    shares: dict[int, list[str]] = {}
    for group in request.groups_names:
        shares.setdefault(coordinators[group], []).append(group)
    return tuple((broker, replace(request, groups_names=tuple(groups))) for broker, groups in shares.items())


async def _leader(request: Any, cluster: Cluster) -> int | None:
    if request.__api_key__ not in _OF_A_LEADER:
        return None
    at = _first_partition(request)
    leader = NOBODY if at is None else (await leaders_of(cluster, {at.topic})).get(at, NOBODY)
    return None if leader == NOBODY else leader


def _first_partition(request: Any) -> TopicPartition | None:
    """A client asks each leader about its own partitions alone, so one tells who has to be asked."""
    topics: Iterable[Any] = (
        request.topics if hasattr(request, "topics") else [one for each in request.markers for one in each.topics]
    )
    for topic in topics:
        indexes = getattr(topic, "partition_indexes", None) or [one.partition_index for one in topic.partitions]
        for index in indexes:
            return TopicPartition(str(topic.name), int(index))
    return None
