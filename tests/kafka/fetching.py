"""Fetch over a bare socket, one request after the other, with fetch sessions (KIP-227)."""

from collections.abc import Hashable, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from confluent_kafka import Producer
from kio.schema.errors import ErrorCode

from kordon_protocol.keys import ApiKey
from kordon_proxy.demo.kafka import Kafka
from tests.kafka.tenants import QUIET
from tests.kafka.wire import Wire
from tests.proxy.apis.messages import a_request, asked

LONG_POLL: Final = timedelta(seconds=25)


def append(kafka: Kafka, topic: str, *values: bytes) -> None:
    """Write to Kafka directly, and return when the records can be read."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "acks": "all", **QUIET})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(30) == 0


def topic_id_of(wire: Wire, topic: str) -> UUID:
    wanted = asked(ApiKey.METADATA, 12, "topics", name=topic)
    (found,) = wire.ask(a_request(ApiKey.METADATA, 12, topics=(wanted,))).message.topics
    topic_id: UUID = found.topic_id
    return topic_id


class Fetching:
    """Fetches from one connection, in one version, from the first partition of some topics."""

    def __init__(self, wire: Wire, version: int, *topics: str) -> None:
        self.wire = wire
        self.version = version
        self.keys: list[Hashable] = [topic_id_of(wire, topic) if version >= 13 else topic for topic in topics]
        """How the version names the topics."""

    def request(
        self,
        session: int = 0,
        epoch: int = -1,
        offset: int = 0,
        wait: timedelta = timedelta(0),
        *,
        named: Sequence[Hashable] | None = None,
        forgotten: Sequence[Hashable] = (),
    ) -> Any:
        """`named`: some of `keys`, where it is not all in a full request and none in an incremental one."""
        key, version = ApiKey.FETCH, self.version
        part = asked(
            key, version, "topics", "partitions", partition=0, fetch_offset=offset, partition_max_bytes=1 << 20
        )
        if named is None:
            named = self.keys if epoch <= 0 else []
        return a_request(
            key,
            version,
            session_id=session,
            session_epoch=epoch,
            max_wait=wait,
            min_bytes=1,
            max_bytes=1 << 20,
            topics=tuple(
                asked(key, version, "topics", topic=topic, topic_id=topic, partitions=(part,)) for topic in named
            ),
            forgotten_topics_data=tuple(
                asked(key, version, "forgotten_topics_data", topic=topic, topic_id=topic, partitions=(0,))
                for topic in forgotten
            ),
        )

    def fetch(self, **how: Any) -> Any:
        return self.wire.ask(self.request(**how)).message


def answered(answer: Any) -> list[Hashable]:
    """The topics of an answer, as its version names them."""
    return [topic.topic if hasattr(topic, "topic") else topic.topic_id for topic in answer.responses]


def codes_and_records(answer: Any) -> list[tuple[ErrorCode, bool]]:
    """For each partition its error, and whether there are records."""
    return [
        (partition.error_code, bool(partition.records)) for topic in answer.responses for partition in topic.partitions
    ]


def top(answer: Any) -> ErrorCode:
    code: ErrorCode = answer.error_code
    return code
