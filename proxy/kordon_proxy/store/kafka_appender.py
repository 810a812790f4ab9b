"""Appends to one partition, once, or says that it is not known.

aiokafka's own producer is not used: when it is idempotent, it tries without an end and cannot be told to stop, so a
change of which somebody was told that it failed would be made when the brokers come back; and when it is not, one try
more may be one change more.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import (
    KafkaError,
    LeaderNotAvailableError,
    MessageSizeTooLargeError,
    NoError,
    for_code,
)
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.transaction import InitProducerIdRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from .entries import Line

MOST_BYTES: Final = 1_000_000
"""Of one batch: brokers take 1,048,588 unless they are told otherwise."""
REQUEST_MS: Final = 2_000
"""Ms for one try."""
_AGAIN: Final = 0.1
_ALL: Final = -1  # acks=all
_NO_TRANSACTION: Final = {"transactional_id": None}


class Appender:
    """The producer of one topic with one partition. settings: aiokafka's own."""

    def __init__(self, topic: str, settings: Mapping[str, Any]) -> None:
        self.trouble: str | None = None
        """Why the try before the present one was in vain."""
        self._partition = TopicPartition(topic, 0)
        self._client = AIOKafkaClient(**{**settings, "request_timeout_ms": REQUEST_MS})
        self._one_at_a_time = asyncio.Lock()
        self._producer: tuple[int, int] | None = None  # id and epoch
        self._sequence = 0

    async def start(self) -> None:
        """Connect. Raises KafkaError."""
        await self._client.bootstrap()
        await self._client.set_topics([self._partition.topic])

    async def close(self) -> None:
        """End the connections."""
        await self._client.close()

    async def append(self, lines: Sequence[Line]) -> int:
        """Append a batch, all of it or nothing; return the offset of its last line when all in-sync replicas have it.

        Tries again for as long as it is let; brokers know a try that they have had already. When it is cancelled
        nothing more is sent. Raises KafkaError where trying again is of no use.
        """
        async with self._one_at_a_time:
            try:
                offset = await self._append(lines)
            except BaseException:
                self._producer = None  # the brokers may have this batch or not, and would miss it in the sequence
                raise
            self._sequence += len(lines)
            return offset + len(lines) - 1

    async def _append(self, lines: Sequence[Line]) -> int:
        self.trouble = None
        batch: bytes | None = None
        while True:
            try:
                if self._producer is None:
                    self._producer, self._sequence = await self._new_producer(), 0
                if batch is None:
                    batch = self._batch(lines, *self._producer)
                return await self._send(batch)
            except KafkaError as error:
                if not error.retriable:
                    raise
                self.trouble = getattr(error, "message", None) or type(error).__name__
            await asyncio.sleep(_AGAIN)
            await self._client.force_metadata_update()

    async def _new_producer(self) -> tuple[int, int]:
        request = InitProducerIdRequest(**_NO_TRANSACTION, transaction_timeout_ms=REQUEST_MS)
        answer = await self._client.send(self._client.get_random_node(), request)
        if (error := for_code(answer.error_code)) is not NoError:
            raise error
        return answer.producer_id, answer.producer_epoch

    def _batch(self, lines: Sequence[Line], producer: int, epoch: int) -> bytes:
        builder = DefaultRecordBatchBuilder(
            magic=2,
            compression_type=0,
            is_transactional=0,
            producer_id=producer,
            producer_epoch=epoch,
            base_sequence=self._sequence,
            batch_size=MOST_BYTES,
        )
        for number, (key, value) in enumerate(lines):
            fits = builder.append(number, timestamp=None, key=key, value=value, headers=[])
            if fits is None or builder.size() > MOST_BYTES:
                raise MessageSizeTooLargeError(f"{len(lines)} records of more than {MOST_BYTES} bytes")
        return bytes(builder.build())

    async def _send(self, batch: bytes) -> int:
        leader = self._client.cluster.leader_for_partition(self._partition)
        if leader in (None, -1):
            raise LeaderNotAvailableError
        request = ProduceRequest(
            **_NO_TRANSACTION,
            required_acks=_ALL,
            timeout=REQUEST_MS * 3 // 4,  # so that brokers answer within that
            topics=[(self._partition.topic, [(self._partition.partition, batch)])],
        )
        answer = await self._client.send(leader, request)
        ((_, ((_, code, offset, *_),)),) = answer.topics
        if (error := for_code(code)) is not NoError:
            raise error
        return int(offset)  # that of the first try, if this one was not
