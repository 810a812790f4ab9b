"""Answers of brokers, for tests."""

import struct
import sys
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from kio.schema.consumer_group_describe.v1 import response as consumer_groups
from kio.schema.describe_groups.v6 import response as describe_groups
from kio.schema.describe_share_group_offsets.v1 import response as share_offsets
from kio.schema.errors import ErrorCode
from kio.schema.find_coordinator.v6 import response as find_coordinator
from kio.schema.list_groups.v5 import response as list_groups
from kio.schema.metadata.v12 import response as metadata
from kio.schema.offset_fetch.v9 import response as offset_fetch
from kio.schema.share_group_describe.v1 import response as share_groups
from kio.schema.types import BrokerId, GroupId, TopicName
from kio.static.primitive import i16, i32, i32Timedelta, i64

from kordon_protocol.codec import response_type
from kordon_protocol.keys import ApiKey

NO_TIME = i32Timedelta.parse(timedelta())


def a_topic(
    name: str, *, number: int, partitions: int = 1, internal: bool = False, error: ErrorCode = ErrorCode.none
) -> metadata.MetadataResponseTopic:
    """`number` makes the topic id; 0 gives none."""
    return metadata.MetadataResponseTopic(
        error_code=error,
        name=TopicName(name),
        topic_id=UUID(int=number) if number else None,
        is_internal=internal,
        partitions=tuple(
            metadata.MetadataResponsePartition(
                error_code=ErrorCode.none, partition_index=i32(index), leader_id=BrokerId(1)
            )
            for index in range(partitions)
        ),
    )


def a_metadata(
    *topics: metadata.MetadataResponseTopic,
    brokers: Iterable[int] | Mapping[int, tuple[str, int]] = (1, 2, 3),
    controller: int = 1,
    cluster: str | None = "cluster-a",
) -> metadata.MetadataResponse:
    places = brokers if isinstance(brokers, Mapping) else {broker: (f"kafka-{broker}", 9092) for broker in brokers}
    return metadata.MetadataResponse(
        throttle_time=NO_TIME,
        brokers=tuple(
            metadata.MetadataResponseBroker(node_id=BrokerId(broker), host=host, port=i32(port), rack=f"zone-{broker}")
            for broker, (host, port) in places.items()
        ),
        cluster_id=cluster,
        controller_id=BrokerId(controller),
        topics=topics,
    )


def an_api_versions(
    versions: Mapping[int, tuple[int, int]],
    *,
    supported: Mapping[str, tuple[int, int]] | None = None,
    finalized: Mapping[str, int] | None = None,
    epoch: int = -1,
    version: int = 4,
    error: ErrorCode = ErrorCode.none,
) -> Any:
    """Before v3 there are no features, and the arguments for them are ignored."""
    schema = sys.modules[response_type(ApiKey.API_VERSIONS, version).__module__]
    fields: dict[str, Any] = {} if version == 0 else {"throttle_time": NO_TIME}
    if version >= 3:
        fields["finalized_features_epoch"] = i64(epoch)
        fields["supported_features"] = tuple(
            schema.SupportedFeatureKey(name=name, min_version=i16(low), max_version=i16(high))
            for name, (low, high) in (supported or {}).items()
        )
        fields["finalized_features"] = tuple(
            schema.FinalizedFeatureKey(name=name, max_version_level=i16(level), min_version_level=i16(1))
            for name, level in (finalized or {}).items()
        )
    return schema.ApiVersionsResponse(
        error_code=error,
        api_keys=tuple(
            schema.ApiVersion(api_key=i16(key), min_version=i16(low), max_version=i16(high))
            for key, (low, high) in versions.items()
        ),
        **fields,
    )


def some_listed(*groups: tuple[str, str], error: ErrorCode = ErrorCode.none) -> list_groups.ListGroupsResponse:
    """Name and type of each group."""
    return list_groups.ListGroupsResponse(
        throttle_time=NO_TIME,
        error_code=error,
        groups=tuple(
            list_groups.ListedGroup(
                group_id=GroupId(name), protocol_type="consumer", group_state="Stable", group_type=group_type
            )
            for name, group_type in groups
        ),
    )


def some_committed(
    groups: Mapping[str, Mapping[str, int] | ErrorCode],
) -> offset_fetch.OffsetFetchResponse:
    """By group, topic to offset of its one partition, or the group's error."""
    return offset_fetch.OffsetFetchResponse(
        throttle_time=NO_TIME,
        groups=tuple(
            offset_fetch.OffsetFetchResponseGroup(
                group_id=GroupId(name),
                error_code=offsets if isinstance(offsets, ErrorCode) else ErrorCode.none,
                topics=()
                if isinstance(offsets, ErrorCode)
                else tuple(
                    offset_fetch.OffsetFetchResponseTopics(
                        name=TopicName(topic),
                        partitions=(
                            offset_fetch.OffsetFetchResponsePartitions(
                                partition_index=i32(0),
                                committed_offset=i64(offset),
                                metadata="",
                                error_code=ErrorCode.none,
                            ),
                        ),
                    )
                    for topic, offset in offsets.items()
                ),
            )
            for name, offsets in groups.items()
        ),
    )


def an_assignment(*topics: str) -> bytes:
    """As the classic consumer protocol writes it: version 0, each topic with partition 0, no user data."""
    parts = b"".join(len(topic).to_bytes(2, "big") + topic.encode() + struct.pack(">ii", 1, 0) for topic in topics)
    return struct.pack(">hi", 0, len(topics)) + parts + struct.pack(">i", -1)


def a_classic_group(
    name: str,
    *assignments: bytes,
    state: str = "Stable",
    protocol: str = "consumer",
    error: ErrorCode = ErrorCode.none,
) -> describe_groups.DescribedGroup:
    """One member for each assignment."""
    return describe_groups.DescribedGroup(
        error_code=error,
        group_id=GroupId(name),
        group_state=state,
        protocol_type=protocol,
        protocol_data="range",
        members=tuple(
            describe_groups.DescribedGroupMember(
                member_id=f"member-{number}",
                client_id="app",
                client_host="/127.0.0.1",
                member_metadata=b"",
                member_assignment=assignment,
            )
            for number, assignment in enumerate(assignments)
        ),
    )


def some_described(*groups: describe_groups.DescribedGroup) -> describe_groups.DescribeGroupsResponse:
    return describe_groups.DescribeGroupsResponse(throttle_time=NO_TIME, groups=groups)


def a_consumer_group(
    name: str,
    assigned: Iterable[str] = (),
    target: Iterable[str] = (),
    error: ErrorCode = ErrorCode.none,
    state: str = "Stable",
) -> consumer_groups.DescribedGroup:
    """A group of the new protocol with one member."""
    return consumer_groups.DescribedGroup(
        error_code=error,
        group_id=GroupId(name),
        group_state=state,
        group_epoch=i32(3),
        assignment_epoch=i32(3),
        assignor_name="uniform",
        members=(
            consumer_groups.Member(
                member_id="member-0",
                member_epoch=i32(3),
                client_id="app",
                client_host="/127.0.0.1",
                subscribed_topic_names=(TopicName("claimed"),),
                assignment=_assigned(assigned),
                target_assignment=_assigned(target),
            ),
        ),
    )


def _assigned(topics: Iterable[str]) -> consumer_groups.Assignment:
    return consumer_groups.Assignment(
        topic_partitions=tuple(
            consumer_groups.TopicPartitions(topic_id=UUID(int=1), topic_name=TopicName(topic), partitions=(i32(0),))
            for topic in topics
        )
    )


def some_consumer_groups(*groups: consumer_groups.DescribedGroup) -> consumer_groups.ConsumerGroupDescribeResponse:
    return consumer_groups.ConsumerGroupDescribeResponse(throttle_time=NO_TIME, groups=groups)


def some_share_offsets(
    groups: Mapping[str, Mapping[str, int] | ErrorCode],
) -> share_offsets.DescribeShareGroupOffsetsResponse:
    """By group, topic to start offset of its one partition, or the group's error."""
    return share_offsets.DescribeShareGroupOffsetsResponse(
        throttle_time=NO_TIME,
        groups=tuple(
            share_offsets.DescribeShareGroupOffsetsResponseGroup(
                group_id=GroupId(name),
                error_code=offsets if isinstance(offsets, ErrorCode) else ErrorCode.none,
                topics=()
                if isinstance(offsets, ErrorCode)
                else tuple(
                    share_offsets.DescribeShareGroupOffsetsResponseTopic(
                        topic_name=TopicName(topic),
                        topic_id=UUID(int=1),
                        partitions=(
                            share_offsets.DescribeShareGroupOffsetsResponsePartition(
                                partition_index=i32(0),
                                start_offset=i64(offset),
                                leader_epoch=i32(0),
                                error_code=ErrorCode.none,
                            ),
                        ),
                    )
                    for topic, offset in offsets.items()
                ),
            )
            for name, offsets in groups.items()
        ),
    )


def some_share_groups(assigned: Mapping[str, Iterable[str]]) -> share_groups.ShareGroupDescribeResponse:
    """By group, the topics assigned to its one member."""
    return share_groups.ShareGroupDescribeResponse(
        throttle_time=NO_TIME,
        groups=tuple(
            share_groups.DescribedGroup(
                error_code=ErrorCode.none,
                group_id=GroupId(name),
                group_state="Stable",
                group_epoch=i32(3),
                assignment_epoch=i32(3),
                assignor_name="simple",
                members=(
                    share_groups.Member(
                        member_id="member-0",
                        member_epoch=i32(3),
                        client_id="app",
                        client_host="/127.0.0.1",
                        assignment=share_groups.Assignment(
                            topic_partitions=tuple(
                                share_groups.TopicPartitions(
                                    topic_id=UUID(int=1), topic_name=TopicName(topic), partitions=(i32(0),)
                                )
                                for topic in topics
                            )
                        ),
                    ),
                ),
            )
            for name, topics in assigned.items()
        ),
    )


def some_coordinators(coordinators: Mapping[str, int]) -> find_coordinator.FindCoordinatorResponse:
    """By group, the broker."""
    return find_coordinator.FindCoordinatorResponse(
        throttle_time=NO_TIME,
        coordinators=tuple(
            find_coordinator.Coordinator(
                key=name,
                node_id=BrokerId(node),
                host="kafka",
                port=i32(9092),
                error_code=ErrorCode.none,
                error_message=None,
            )
            for name, node in coordinators.items()
        ),
    )
