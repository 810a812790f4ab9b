"""Which broker has to be asked: the coordinator of a group, the leaders of partitions."""

from collections.abc import Iterable
from typing import Final

from kio.schema.errors import ErrorCode
from kio.schema.find_coordinator.v4 import request as find_coordinator
from kio.schema.metadata.v12 import request as metadata
from kio.schema.types import TopicName
from kio.static.primitive import i8

from kordon_policy.decision import printable
from kordon_policy.offset_moves import TopicPartition
from kordon_protocol.outcomes import error_name

from .errors import UpstreamRefused, UpstreamUnavailable
from .watch import Cluster

NOBODY: Final = -1
"""Leads a partition that has no leader."""
_GROUP: Final = i8(0)
_GONE: Final = frozenset({ErrorCode.unknown_topic_or_partition, ErrorCode.unknown_topic_id})


async def coordinator_of(cluster: Cluster, group: str) -> int:
    """The id of the broker that coordinates a group. Raises UpstreamError."""
    return (await coordinators_of(cluster, (group,)))[group]


async def coordinators_of(cluster: Cluster, groups: Iterable[str]) -> dict[str, int]:
    """Group to the id of the broker that coordinates it. Raises UpstreamError unless each has one."""
    keys = tuple(groups)
    answer = await cluster.ask(find_coordinator.FindCoordinatorRequest(key_type=_GROUP, coordinator_keys=keys))
    found = {one.key: one for one in answer.coordinators}
    for group in keys:
        one = found.get(group)
        if one is None:
            raise UpstreamUnavailable(f"no broker coordinates group {printable(group)}")
        if one.error_code is not ErrorCode.none:
            what = f"no broker coordinates group {printable(group)}: {error_name(one.error_code)}"
            raise UpstreamRefused(what, one.error_code)
    return {group: int(found[group].node_id) for group in keys}


async def leaders_of(cluster: Cluster, topics: Iterable[str]) -> dict[TopicPartition, int]:
    """Partition to its leader's id, or NOBODY. Topics that are not there are left out. Raises UpstreamError."""
    names = tuple(metadata.MetadataRequestTopic(topic_id=None, name=TopicName(name)) for name in sorted(topics))
    if not names:
        return {}
    question = metadata.MetadataRequest(
        topics=names, allow_auto_topic_creation=False, include_topic_authorized_operations=False
    )
    answer = await cluster.ask(question)
    return {
        TopicPartition(str(topic.name), int(partition.partition_index)): int(partition.leader_id)
        for topic in answer.topics
        if topic.error_code not in _GONE
        for partition in topic.partitions
    }
