"""Answers of brokers, for tests."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from kio.schema.api_versions.v4 import response as api_versions
from kio.schema.errors import ErrorCode
from kio.schema.metadata.v12 import response as metadata
from kio.schema.types import BrokerId, TopicName
from kio.static.primitive import i16, i32, i32Timedelta, i64

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
    brokers: Iterable[int] = (1, 2, 3),
    controller: int = 1,
    cluster: str | None = "cluster-a",
) -> metadata.MetadataResponse:
    return metadata.MetadataResponse(
        throttle_time=NO_TIME,
        brokers=tuple(
            metadata.MetadataResponseBroker(
                node_id=BrokerId(broker), host=f"kafka-{broker}", port=i32(9092), rack=f"zone-{broker}"
            )
            for broker in brokers
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
) -> Any:
    return api_versions.ApiVersionsResponse(
        error_code=ErrorCode.none,
        api_keys=tuple(
            api_versions.ApiVersion(api_key=i16(key), min_version=i16(low), max_version=i16(high))
            for key, (low, high) in versions.items()
        ),
        throttle_time=NO_TIME,
        supported_features=tuple(
            api_versions.SupportedFeatureKey(name=name, min_version=i16(low), max_version=i16(high))
            for name, (low, high) in (supported or {}).items()
        ),
        finalized_features=tuple(
            api_versions.FinalizedFeatureKey(name=name, max_version_level=i16(level), min_version_level=i16(1))
            for name, level in (finalized or {}).items()
        ),
        finalized_features_epoch=i64(epoch),
    )
