"""The audit topic, to which a journal is forwarded."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from kordon_proxy.config.audit import KafkaTopic

from .forward import AUDIT_TOPIC
from .tail import Line

log = structlog.get_logger()

_CONTENT_TYPE: Final = ("content-type", b"application/cloudevents+json; charset=UTF-8")
_MOST_BYTES: Final = 1_000_000
"""Of one record: brokers take 1,048,588 unless they are told otherwise."""
_LETTERS: Final = 300
"""Of a text that is cut."""


class KafkaSink:
    """A topic, created when it is missing. `settings` are aiokafka's own: bootstrap servers, security, SASL."""

    name = AUDIT_TOPIC

    def __init__(self, topic: KafkaTopic, settings: Mapping[str, Any]) -> None:
        self._topic = topic
        self._settings = {"client_id": "kordon-audit", "request_timeout_ms": 10_000, **settings}
        self._producer: AIOKafkaProducer | None = None

    async def deliver(self, lines: Sequence[Line]) -> None:
        """Return once all in-sync replicas have the lines. Raises what Kafka or the network raised."""
        try:
            producer = self._producer or await self._connect()
            await self._send_all(producer, lines)
        except BaseException:
            # What is still in the old producer must not overtake what is sent again.
            await self.close()
            raise

    async def close(self) -> None:
        """End the connection to Kafka. What it had not sent is the journal's to give again."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    async def _connect(self) -> AIOKafkaProducer:
        await self._ensure_topic()
        producer = AIOKafkaProducer(
            **self._settings, acks="all", enable_idempotence=True, compression_type="gzip", linger_ms=5
        )
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        self._producer = producer
        return producer

    async def _send_all(self, producer: AIOKafkaProducer, lines: Sequence[Line]) -> None:
        sent = []
        for line in lines:
            future = await self._send(producer, line)
            future.add_done_callback(_see)
            sent.append(future)
        await asyncio.gather(*sent)

    async def _send(self, producer: AIOKafkaProducer, line: Line) -> "asyncio.Future[Any]":
        event = json.loads(line.text)
        key = _key(event)  # of the whole event, so that abridged ones come in order with others
        value = line.text if len(line.text) <= _MOST_BYTES else _abridged(event, len(line.text))
        future: asyncio.Future[Any] = await producer.send(
            self._topic.topic, value=value, key=key, headers=[_CONTENT_TYPE]
        )
        return future

    async def _ensure_topic(self) -> None:
        admin = AIOKafkaAdminClient(**self._settings)
        try:
            await admin.start()
            if self._topic.topic in await admin.list_topics():
                return
            is_default = self._topic.replication == "default"
            topic = NewTopic(
                self._topic.topic,
                self._topic.partitions,
                -1 if is_default else self._topic.replication,
                replica_assignments={} if is_default else None,  # aiokafka takes -1 only beside this
                topic_configs={"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"},
            )
            answer = await admin.create_topics([topic])
            for _, code, *message in answer.topic_errors:
                error = for_code(code)
                if code and error is not TopicAlreadyExistsError:
                    raise error(f"cannot create {self._topic.topic}: {' '.join(filter(None, message))}")
            log.info("audit_topic_created", topic=self._topic.topic, partitions=self._topic.partitions)
        finally:
            await admin.close()


def _see(future: "asyncio.Future[Any]") -> None:
    """Look at the outcome: when one send fails, nobody asks for those of the others, and asyncio complains."""
    if not future.cancelled():
        future.exception()


def _key(event: Mapping[str, Any]) -> bytes:
    who = event["data"]["who"]
    return str(who.get("tenant") or who["principal"]).encode()


def _abridged(event: dict[str, Any], size: int) -> bytes:
    """Return what fits into a record of an event that does not; the journal has the whole.

    The largest facts of it are cut, one after the other, until it fits. One that never did would be tried for ever, and
    keep all others from the topic.
    """
    log.warning("audit_event_abridged", id=event["id"], sequence=event["sequence"], bytes=size)
    what, note = event["data"]["what"], f"{size} bytes, whole in the journal"
    text = b""
    for holder, name in _facts_by_size(event):
        holder[name] = _cut(holder[name])
        what["parameters"] = {**what.get("parameters", {}), "abridged": note}
        text = _written(event)
        if len(text) <= _MOST_BYTES:
            break
    return text


def _facts_by_size(event: dict[str, Any]) -> list[tuple[dict[str, Any], str]]:
    """Where the facts of an event are, and their names, the largest first."""
    holders = (event, *event["data"].values())
    facts = [(holder, name) for holder in holders for name in holder if holder[name] is not event["data"]]
    return sorted(facts, key=lambda fact: -len(_written(fact[0][fact[1]])))


def _cut(fact: Any) -> Any:
    """What is left of a fact, of the same kind, so that readers understand it."""
    if isinstance(fact, str):
        return fact if len(fact) <= _LETTERS else f"{fact[:_LETTERS]}…"
    return type(fact)() if isinstance(fact, list | dict) else fact


def _written(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii")
