"""One connection of a store to its topic: reads all of it, follows it, and appends to it."""

import asyncio
import time
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from .entries import Line, identity_line
from .facts import Facts
from .kafka_appender import Appender
from .kafka_topic import Place, UnfitTopic, prepare

POLL: Final = 0.5
"""Seconds after which a broker answers a fetch for which there is nothing."""
SILENT: Final = 3.0
"""Seconds without such an answer after which nobody can say that nothing has changed."""
LOST: Final = 10.0
"""Seconds after which the connection is made anew: aiokafka never tires of brokers that are gone."""
PATIENCE: Final = 5.0
"""Seconds for which the brokers are tried when something is appended."""
CLOSE: Final = 1.0
"""Seconds for the end of a connection."""
_REQUEST_MS: Final = 3_000
_METADATA_MS: Final = 10_000  # a leader that is cut off from the others goes on to answer, and knows no news
_FETCH_BYTES: Final = 128 << 10  # what the event loop is kept busy with at a time
_EMPTY_ANSWERS: Final = 2  # the second was asked for after the first, so after the end was


class Silence(Exception):
    """No broker has answered for long."""


class Link:
    """Belongs to one event loop. settings: aiokafka's own. writer: names this process in the store."""

    def __init__(self, place: Place, settings: Mapping[str, Any], writer: str) -> None:
        self.facts = Facts(time.monotonic)
        self._place = place
        self._settings = {
            **settings,
            "client_id": "kordon-store",
            "request_timeout_ms": _REQUEST_MS,
            "metadata_max_age_ms": _METADATA_MS,
        }
        self._writer = writer
        self._partition = TopicPartition(place.topic, 0)
        self._consumer: AIOKafkaConsumer | None = None
        self._appender: Appender | None = None
        self._heard = time.monotonic()
        self._polled: int | None = None
        self._empty_answers = 0
        self._verdicts: dict[str, asyncio.Future[bool]] = {}
        self._moved = asyncio.Event()

    @property
    def is_silent(self) -> bool:
        """Whether there may be news that have not come."""
        return time.monotonic() - self._heard > SILENT

    @property
    def trouble(self) -> str | None:
        """Why the brokers have not taken what was appended last."""
        return None if self._appender is None else self._appender.trouble

    # ---- from start to end

    async def start(self, *, make: bool) -> None:
        """Connect to a topic that can hold a store; `make` it if there is none.

        Raises UnfitTopic, KafkaError, OSError.
        """
        await prepare(self._place, self._settings, make=make)
        self._consumer = AIOKafkaConsumer(
            **self._settings,
            group_id=None,
            auto_offset_reset="none",
            fetch_max_wait_ms=round(POLL * 1000),
            max_partition_fetch_bytes=_FETCH_BYTES,
        )
        self._appender = Appender(self._place.topic, self._settings)
        await self._consumer.start()
        await self._appender.start()
        self._consumer.assign([self._partition])
        if first := (await self._consumer.beginning_offsets([self._partition]))[self._partition]:
            raise UnfitTopic(
                f"the first {first} records of the topic have been deleted; name another one in `store.topic`"
            )
        self._consumer.seek(self._partition, 0)

    async def catch_up(self) -> None:
        """Read all that there is. Raises KafkaError, Silence."""
        assert self._consumer is not None
        self._heard = time.monotonic()
        # The end is asked for after the last line was read. So whatever was cleared away while this was reading has its
        # tombstone before that end.
        while self.facts.position < (end := (await self._consumer.end_offsets([self._partition]))[self._partition]):
            await self._read_up_to(end)

    async def begin(self, store: str) -> None:
        """Make the topic a store, unless somebody else does. Raises TimeoutError, KafkaError."""
        async with asyncio.timeout(PATIENCE):
            await self._append([identity_line(store, self._writer)])
        await self.catch_up()

    async def follow(self) -> None:
        """Read what is appended, for ever. Raises KafkaError, Silence."""
        while True:
            await self._read()

    async def close(self) -> None:
        """End the connections. Never raises, and waits for no broker that hangs."""
        closing = [asyncio.create_task(_quietly(one)) for one in self._closing()]
        if closing:
            _, hanging = await asyncio.wait(closing, timeout=CLOSE)
            for task in hanging:
                task.cancel()

    def _closing(self) -> Iterator[Coroutine[Any, Any, None]]:
        if self._consumer is not None:
            yield _stopped(self._consumer)
        if self._appender is not None:
            yield self._appender.close()

    # ---- what is read

    async def _read_up_to(self, end: int) -> None:
        assert self._consumer is not None
        self._empty_answers = 0
        # The last lines before the end may have been compacted away: then answers are empty.
        while await self._consumer.position(self._partition) < end and self._empty_answers < _EMPTY_ANSWERS:
            await self._read()
        self.facts.position = max(self.facts.position, end)

    async def _read(self) -> None:
        assert self._consumer is not None
        got = await self._consumer.getmany(self._partition, timeout_ms=round(POLL * 1000))
        records = got.get(self._partition, ())
        for record in records:  # all of them at once: nobody is to see a part of a batch
            verdict = self.facts.see(record.offset, Line(record.key or b"", record.value))
            if verdict is not None and (waiting := self._verdicts.get(verdict.attempt)) and not waiting.done():
                waiting.set_result(verdict.made)
        if records:
            self._moved.set()
        self._listen(is_empty=not records)

    def _listen(self, *, is_empty: bool) -> None:
        assert self._consumer is not None
        polled = self._consumer.last_poll_timestamp(self._partition)
        if polled != self._polled:
            self._polled, self._heard = polled, time.monotonic()
            self._empty_answers = self._empty_answers + 1 if is_empty else 0
        elif time.monotonic() - self._heard > LOST:
            raise Silence

    # ---- what is appended

    async def decide(self, attempt: str, lines: Sequence[Line]) -> bool:
        """Append a change and its events, and return whether it was made.

        Raises TimeoutError, after which nothing more is tried, and KafkaError.
        """
        verdict: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._verdicts[attempt] = verdict
        try:
            async with asyncio.timeout(PATIENCE):
                await self._append(lines)
                return await verdict
        except (KafkaError, TimeoutError):
            if verdict.done() and not verdict.cancelled():  # it is there, whatever became of the answer
                return verdict.result()
            raise
        finally:
            del self._verdicts[attempt]

    async def append(self, lines: Sequence[Line]) -> None:
        """Append, and return when it has been read. Raises TimeoutError, KafkaError."""
        async with asyncio.timeout(PATIENCE):
            offset = await self._append(lines)
            while self.facts.position <= offset:
                self._moved.clear()
                await self._moved.wait()

    async def _append(self, lines: Sequence[Line]) -> int:
        assert self._appender is not None
        litter = [Line(key, None) for key in self.facts.litter(self._writer)]
        return await self._appender.append([*litter, *lines])


async def _quietly(closing: Coroutine[Any, Any, None]) -> None:
    with suppress(Exception):
        await closing


async def _stopped(consumer: AIOKafkaConsumer) -> None:
    # It cancels fetches that wait for their next try, and takes their cancellation for its own. Then its client stays.
    with suppress(asyncio.CancelledError):
        await consumer.stop()
    await consumer._client.close()
