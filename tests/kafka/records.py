"""Records over a bare connection, and what a topic holds, straight from the broker."""

from datetime import timedelta
from typing import Any, Final

from confluent_kafka import Consumer, TopicPartition
from kio.schema.errors import ErrorCode

from kordon_protocol.codec import request_type
from kordon_protocol.keys import ApiKey
from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.judging.entries import make, struct_type
from tests.kafka.tenants import QUIET
from tests.kafka.wire import Wire, a_batch
from tests.proxy.apis.messages import a_request

MiB: Final = 1 << 20


def seen(wire: Wire, *names: str) -> bool:
    """Whether the broker knows that it leads the topics, which is a moment after they are made."""
    kind = request_type(ApiKey.LIST_OFFSETS, 4)
    partition = make(struct_type(kind, "topics", "partitions"), partition_index=0, timestamp=-1)
    topics = tuple(make(struct_type(kind, "topics"), name=name, partitions=(partition,)) for name in names)
    answer = wire.ask(a_request(ApiKey.LIST_OFFSETS, 4, topics=topics)).message
    return all(topic.partitions[0].error_code is ErrorCode.none for topic in answer.topics)


def produce(name: str, *values: bytes, acks: int = 1) -> Any:
    kind = request_type(ApiKey.PRODUCE, 9)
    partition = make(struct_type(kind, "topic_data", "partition_data"), index=0, records=a_batch(*values))
    topic = make(struct_type(kind, "topic_data"), name=name, partition_data=(partition,))
    return a_request(ApiKey.PRODUCE, 9, acks=acks, timeout=timedelta(seconds=30), topic_data=(topic,))


def fetch(name: str, *, most: int = 50 * MiB, offset: int = 0, wait: int = 0) -> Any:
    kind = request_type(ApiKey.FETCH, 4)
    partition = make(
        struct_type(kind, "topics", "partitions"), partition=0, fetch_offset=offset, partition_max_bytes=most
    )
    topic = make(struct_type(kind, "topics"), topic=name, partitions=(partition,))
    return a_request(
        ApiKey.FETCH, 4, max_wait=timedelta(milliseconds=wait), min_bytes=1, max_bytes=most, topics=(topic,)
    )


def end_of(kafka: Kafka, name: str) -> int:
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "unused", **QUIET})
    try:
        return int(consumer.get_watermark_offsets(TopicPartition(name, 0), 30)[1])
    finally:
        consumer.close()


def read(kafka: Kafka, name: str) -> list[bytes]:
    """All values of a topic, straight from the broker."""
    end = end_of(kafka, name)
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "unused", **QUIET})
    try:
        consumer.assign([TopicPartition(name, 0, 0)])
        found: list[bytes] = []
        while len(found) < end:
            found += [message.value() or b"" for message in consumer.consume(end - len(found), 30)]
        return found
    finally:
        consumer.close()


def committed(kafka: Kafka, name: str, partition: int = 0) -> list[str]:
    """What whoever reads what is committed finds in a partition, straight from the broker."""
    settings = {"group.id": "unused", "isolation.level": "read_committed", "enable.partition.eof": True}
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, **settings, **QUIET})
    try:
        consumer.assign([TopicPartition(name, partition, 0)])
        found: list[str] = []
        while (message := consumer.poll(30)) is not None and message.error() is None:
            found.append((message.value() or b"").decode())
        assert message is not None, "the end has not come"
        return found
    finally:
        consumer.close()
