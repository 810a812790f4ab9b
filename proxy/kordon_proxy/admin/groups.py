"""Groups of a cluster, as a tenant sees them: their states, what they have read and what is left."""

from collections.abc import Mapping
from typing import Final

from fastapi import APIRouter
from pydantic import BaseModel

from kordon_policy.actions import Kind
from kordon_policy.offset_moves import Found, TopicPartition
from kordon_policy.view import View
from kordon_proxy.cluster.group_offsets import DEAD, GroupOffsets

from .caller import Calling
from .metadata import Metadata, metadata_of
from .pages import Paged, page_of
from .problems import NotThere
from .tenants import seen_by
from .trail import count
from .working import Working

router: Final = APIRouter(prefix="/clusters/{cluster}/groups", tags=["groups"])


class GroupShape(BaseModel):
    """A group. type: `classic`, `consumer`, `share`, `streams`; empty where brokers do not tell."""

    group: str
    state: str
    type: str


class PartitionShape(BaseModel):
    """What a group has read of a partition, and what is left. null: it is not known."""

    topic: str
    partition: int
    offset: int | None
    earliest: int | None
    latest: int | None
    lag: int | None
    error: str


class Groups(BaseModel):
    """The groups of the tenant, by name."""

    groups: list[GroupShape]
    next: str | None
    """Where the next page begins; null if there is none."""
    metadata: Metadata


class Group(BaseModel):
    """One group with its offsets."""

    group: str
    state: str
    type: str
    offsets: list[PartitionShape]
    metadata: Metadata


@router.get("", operation_id="listGroups")
async def list_all(process: Working, caller: Calling, page: Paged, cluster: str) -> Groups:
    """The groups that are there and in the tenant."""
    upstream, view = seen_by(process, caller, cluster)
    count(process, caller, "GROUP_READ", "cluster", upstream.name)
    found = await GroupOffsets(upstream.cluster).states()
    part, following = page_of((name for name in found if view.sees(Kind.GROUP, name)), lambda name: (name,), page)
    shapes = [GroupShape(group=name, state=found[name].state, type=found[name].type) for name in part]
    return Groups(groups=shapes, next=following, metadata=metadata_of(caller))


@router.get("/{group:path}", operation_id="getGroup")
async def get(process: Working, caller: Calling, cluster: str, group: str) -> Group:
    """A group, with its offsets in topics of the tenant."""
    upstream, view = seen_by(process, caller, cluster)
    if not view.sees(Kind.GROUP, group):
        raise NotThere(f"there is no group {group}")
    offsets = GroupOffsets(upstream.cluster)
    state = await offsets.state(group)
    if state.state == DEAD:
        raise NotThere(f"there is no group {group}")
    count(process, caller, "GROUP_READ", "cluster", upstream.name, Kind.GROUP, group)
    found = await offsets.found(group, None)
    return Group(
        group=group,
        state=state.state,
        type=state.type,
        offsets=_shapes(found, view, group),
        metadata=metadata_of(caller),
    )


def _shapes(found: Mapping[TopicPartition, Found], view: View, group: str) -> list[PartitionShape]:
    return [
        PartitionShape(
            topic=at.topic,
            partition=at.partition,
            offset=one.committed,
            earliest=one.earliest,
            latest=one.latest,
            lag=None if one.committed is None or one.latest is None else max(0, one.latest - one.committed),
            error=one.error,
        )
        for at, one in found.items()
        if view.topic_for_group(at.topic, group)
    ]
