"""Requests of share groups (KIP-932), in every version."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Final

from kordon_protocol.keys import ApiKey
from tests.kafka.requests import Things
from tests.proxy.apis.messages import a_request, asked

MiB: Final = 1 << 20
ACCEPT, RELEASE, REJECT, RENEW = 1, 2, 3, 4
"""What becomes of a record (`AcknowledgeType` of Kafka's client library)."""


def beat(version: int, things: Things, *topics: str, epoch: int = 0) -> Any:
    """Of a member of a share group. Without topics the subscription stays as it is."""
    return a_request(
        ApiKey.SHARE_GROUP_HEARTBEAT,
        version,
        group_id=things.group,
        member_id=things.member_id,
        member_epoch=epoch,
        subscribed_topic_names=topics or None,
    )


def describe(version: int, *names: str, bits: bool = True) -> Any:
    return a_request(ApiKey.SHARE_GROUP_DESCRIBE, version, group_ids=names, include_authorized_operations=bits)


def fetch(
    version: int,
    things: Things,
    *all_things: Things,
    epoch: int = 0,
    acks: tuple[int, int] | None = None,
    forgets: Iterable[Things] = (),
    partitions: Iterable[int] = (0,),
    kind: int = ACCEPT,
    **values: Any,
) -> Any:
    """By the member of the first, of the topics of the others. `acks`: the offsets that are acknowledged of each."""
    key = ApiKey.SHARE_FETCH
    forgotten = tuple(
        asked(key, version, "forgotten_topics_data", topic_id=one.topic_id, partitions=tuple(partitions))
        for one in forgets
    )
    told: dict[str, Any] = {"max_wait": timedelta(), "max_bytes": MiB, "max_records": 100, "batch_size": 100} | values
    return a_request(
        key,
        version,
        **_member(things, epoch),
        topics=_topics(key, version, all_things, acks, partitions, kind),
        forgotten_topics_data=forgotten,
        **told,
    )


def acknowledge(
    version: int,
    things: Things,
    *all_things: Things,
    epoch: int = 1,
    acks: tuple[int, int] = (0, 0),
    kind: int = ACCEPT,
    **values: Any,
) -> Any:
    key = ApiKey.SHARE_ACKNOWLEDGE
    topics = _topics(key, version, all_things, acks, (0,), kind)
    return a_request(key, version, **_member(things, epoch), topics=topics, **values)


def _member(things: Things, epoch: int) -> Mapping[str, Any]:
    return {"group_id": things.group, "member_id": things.member_id, "share_session_epoch": epoch}


def _topics(
    key: ApiKey,
    version: int,
    all_things: Iterable[Things],
    acks: tuple[int, int] | None,
    partitions: Iterable[int],
    kind: int,
) -> tuple[Any, ...]:
    path = ("topics", "partitions")
    batches: tuple[Any, ...] = ()
    if acks is not None:
        first, last = acks
        batch = {"first_offset": first, "last_offset": last, "acknowledge_types": (kind,)}
        batches = (asked(key, version, *path, "acknowledgement_batches", **batch),)
    parts = tuple(
        asked(key, version, *path, partition_index=one, acknowledgement_batches=batches) for one in partitions
    )
    return tuple(asked(key, version, "topics", topic_id=one.topic_id, partitions=parts) for one in all_things)


def describe_offsets(
    version: int, *groups: tuple[Things, Iterable[Things] | None], partitions: tuple[int, ...] = (0,)
) -> Any:
    """Of the groups of the first, in the topics of the others; None: in all.

    For a partition that does not exist a broker tries for minutes to learn more.
    """
    key, path = ApiKey.DESCRIBE_SHARE_GROUP_OFFSETS, ("groups", "topics")
    entries = []
    for things, all_things in groups:
        topics = None
        if all_things is not None:
            topics = tuple(
                asked(key, version, *path, topic_name=one.topic, partitions=partitions) for one in all_things
            )
        entries.append(asked(key, version, "groups", group_id=things.group, topics=topics))
    return a_request(key, version, groups=tuple(entries))


def alter_offsets(version: int, things: Things, *all_things: Things, offset: int = 1) -> Any:
    key = ApiKey.ALTER_SHARE_GROUP_OFFSETS
    part = asked(key, version, "topics", "partitions", partition_index=0, start_offset=offset)
    topics = tuple(asked(key, version, "topics", topic_name=one.topic, partitions=(part,)) for one in all_things)
    return a_request(key, version, group_id=things.group, topics=topics)


def delete_offsets(version: int, things: Things, *all_things: Things) -> Any:
    key = ApiKey.DELETE_SHARE_GROUP_OFFSETS
    topics = tuple(asked(key, version, "topics", topic_name=one.topic) for one in all_things)
    return a_request(key, version, group_id=things.group, topics=topics)
