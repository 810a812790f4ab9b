"""The requests that are measured, in the versions that the independent meter has too."""

import time
from datetime import timedelta
from typing import Any, Final

from aiokafka.record.default_records import DefaultRecordBatchBuilder

from kordon_protocol.codec import request_type
from kordon_protocol.keys import ApiKey
from kordon_proxy.judging.entries import make, struct_type

PRODUCE: Final = (ApiKey.PRODUCE, 7)
FETCH: Final = (ApiKey.FETCH, 11)
METADATA: Final = (ApiKey.METADATA, 8)
METADATA_OF_ALL: Final = (ApiKey.METADATA, 12)
FIND_COORDINATOR: Final = (ApiKey.FIND_COORDINATOR, 3)
OFFSET_COMMIT: Final = (ApiKey.OFFSET_COMMIT, 8)
JOIN_GROUP: Final = (ApiKey.JOIN_GROUP, 5)
SYNC_GROUP: Final = (ApiKey.SYNC_GROUP, 3)
PROTOCOL: Final = "range"
_LONG: Final = timedelta(minutes=5)


def a_request(key: ApiKey, version: int, /, **values: Any) -> Any:
    """A request with Kafka's defaults where nothing else is said."""
    return make(request_type(key, version), **values)


def batch(value: bytes, records: int) -> bytes:
    """A batch of equal records, not compressed."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1 << 22,
    )
    now = time.time_ns() // 1_000_000
    for offset in range(records):
        builder.append(offset, now, None, value, [])
    return bytes(builder.build())


def produce(topic: str, partition: int, records: bytes, *, acks: int = 1) -> Any:
    kind = request_type(*PRODUCE)
    part = make(struct_type(kind, "topic_data", "partition_data"), index=partition, records=records)
    entry = make(struct_type(kind, "topic_data"), name=topic, partition_data=(part,))
    return make(kind, acks=acks, timeout=timedelta(seconds=30), topic_data=(entry,))


def fetch(
    topic: str, partition: int, *, most: int, wait: timedelta = timedelta(milliseconds=500), least: int = 1
) -> Any:
    """A request for so many bytes from the beginning of a partition, without a session."""
    kind = request_type(*FETCH)
    part = make(
        struct_type(kind, "topics", "partitions"), partition=partition, fetch_offset=0, partition_max_bytes=most
    )
    entry = make(struct_type(kind, "topics"), topic=topic, partitions=(part,))
    return make(kind, max_wait=wait, min_bytes=least, max_bytes=most, topics=(entry,))


def metadata_of(topic: str) -> Any:
    kind = request_type(*METADATA)
    return make(kind, topics=(make(struct_type(kind, "topics"), name=topic),), allow_auto_topic_creation=False)


def metadata_of_all() -> Any:
    return a_request(*METADATA_OF_ALL, topics=None, allow_auto_topic_creation=False)


def find_coordinator(group: str) -> Any:
    return a_request(*FIND_COORDINATOR, key=group, key_type=0)


def join_group(group: str, member: str, subscription: bytes) -> Any:
    kind = request_type(*JOIN_GROUP)
    protocol = make(struct_type(kind, "protocols"), name=PROTOCOL, metadata=subscription)
    return make(
        kind,
        group_id=group,
        session_timeout=_LONG,
        rebalance_timeout=_LONG,
        member_id=member,
        protocol_type="consumer",
        protocols=(protocol,),
    )


def sync_group(group: str, member: str, generation: int, assignments: dict[str, bytes]) -> Any:
    """`assignments` are given by the leader alone."""
    kind = request_type(*SYNC_GROUP)
    entry = struct_type(kind, "assignments")
    given = tuple(make(entry, member_id=name, assignment=what) for name, what in assignments.items())
    return make(kind, group_id=group, generation_id=generation, member_id=member, assignments=given)


def offset_commit(group: str, member: str, generation: int, topic: str) -> Any:
    """As a member of the group commits that it has read one record of partition 0."""
    kind = request_type(*OFFSET_COMMIT)
    part = make(struct_type(kind, "topics", "partitions"), partition_index=0, committed_offset=1)
    entry = make(struct_type(kind, "topics"), name=topic, partitions=(part,))
    return make(kind, group_id=group, generation_id_or_member_epoch=generation, member_id=member, topics=(entry,))


def subscription(topic: str, salt: bytes = b"") -> bytes:
    """What a consumer says in JoinGroup (ConsumerProtocolSubscription v0): one topic, and data of its own."""
    name = topic.encode()
    return b"".join(
        (
            (0).to_bytes(2, "big"),
            (1).to_bytes(4, "big"),
            len(name).to_bytes(2, "big"),
            name,
            len(salt).to_bytes(4, "big"),
            salt,
        )
    )
