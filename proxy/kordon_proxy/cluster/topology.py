"""One look at a cluster: whom to ask, what to make of it. No loops and no sharing here; `watch` does those."""

import asyncio
import random
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

import structlog
from kio.schema.errors import ErrorCode

from kordon_protocol.codec import request_type
from kordon_protocol.errors import ProtocolError
from kordon_protocol.header import peek_response
from kordon_protocol.keys import ApiKey
from kordon_protocol.outcomes import error_name
from kordon_protocol.scan.metadata import MetadataHead, metadata_response_head

from .addresses import Address
from .connection import BrokerConnection
from .errors import UpstreamError, UpstreamGarbled, UpstreamRefused, UpstreamUnavailable
from .picture import NO_FEATURES, Broker, Layout, Picture, Spoken, Topic, read_layout
from .pool import Pool

log = structlog.get_logger()

METADATA: Final = range(11, 14)
"""v11 (Kafka 2.8) has topic ids and no bits of the whole cluster that one would have to ask for."""


class Topology:
    """Asks for the layout of a cluster and for what its brokers speak, and keeps what it needs for asking again."""

    def __init__(self, name: str, bootstrap: tuple[Address, ...], pool: Pool, timeout: float) -> None:
        self._name = name
        self._bootstrap = bootstrap
        self._pool = pool
        self._timeout = timeout
        self._last: Address | None = None
        """Who answered last. Asked first: brokers learn of changes one by one, and topics must not come and go."""
        self._told = b""
        """The bytes of all topics, as they were told last, and what was read from them."""
        self._topics: Mapping[str, Topic] | None = None
        self._asked: dict[int, Address] = {}
        """Brokers that were asked what they speak, and where."""
        self._spoken: dict[int, Spoken] = {}
        self._fallback = Spoken(versions={}, features=NO_FEATURES)
        self.unreachable: dict[int, str] = {}
        """Brokers that the cluster calls live and that Kordon did not reach when it last tried, and why."""

    async def look(self, known: Picture | None) -> tuple[Layout, float]:
        """The layout now, and the time when it was asked for. Parts that are as in `known` are the same objects.

        Brokers that are new are also asked what they speak. Raises UpstreamUnavailable when no broker answers.
        """
        last: UpstreamError | None = None
        for address in self.candidates(known):
            try:
                connection = await self._pool.connection(address)
                asked_at = time.monotonic()
                layout = await self._ask_layout(connection, known)
            except UpstreamError as error:
                last = error
                continue
            self._last, self._fallback = address, connection.spoken
            self._pool.keep({address, *(_address(broker) for broker in layout.brokers.values())})
            await self.ask_versions(layout.brokers.values(), again=False)
            return layout, asked_at
        raise UpstreamUnavailable(f"no broker of cluster {self._name} answers; the last one tried: {last}")

    def candidates(self, known: Picture | None) -> Iterable[Address]:
        """Whom to ask, in this order: who answered last, brokers with an open connection, all the rest.

        Shuffled, so that many processes do not lean on one broker, and so that addresses from which nothing comes back
        do not use up the time of each look before the same others.
        """
        brokers = [] if known is None else [_address(broker) for broker in known.brokers.values()]
        first = [self._last] if self._last in brokers else []
        connected = [address for address in brokers if self._pool.is_connected(address)]
        rest = [*brokers, *self._bootstrap]
        random.shuffle(connected)
        random.shuffle(rest)
        return dict.fromkeys([*first, *connected, *rest])  # each once

    async def _ask_layout(self, connection: BrokerConnection, known: Picture | None) -> Layout:
        message = request_type(ApiKey.METADATA, connection.version(ApiKey.METADATA, METADATA))(
            topics=None, allow_auto_topic_creation=False, include_topic_authorized_operations=False
        )
        frame = await connection.exchange(message, self._timeout)
        layout = self._read(connection, message, frame, known)
        if not layout.brokers:
            raise UpstreamUnavailable(f"{connection} knows of no live broker, not even itself")
        if known is not None and layout.cluster_id != known.cluster_id:
            self._check_stranger(connection, layout, known)
        return layout

    def _read(self, connection: BrokerConnection, message: Any, frame: bytes, known: Picture | None) -> Layout:
        """Decode the topics only if their bytes are not those of the last time.

        The head differs nearly always (a KRaft broker names another controller each time), the rest hardly ever; and
        decoding thousands of topics would hold up every client for tens of milliseconds.
        """
        head, topics_start = _head_of(connection, message.__version__, frame)
        if self._topics is not None and len(frame) - topics_start == len(self._told) and frame.endswith(self._told):
            return read_layout(head, known, topics=self._topics)
        metadata = connection.decode(message, frame)
        code = getattr(metadata, "error_code", ErrorCode.none)
        if code is not ErrorCode.none:
            raise UpstreamRefused(f"{connection} tells nothing of its cluster: {error_name(code)}", code)
        layout = read_layout(metadata, known)
        self._told, self._topics = frame[topics_start:], layout.topics
        return layout

    def _check_stranger(self, connection: BrokerConnection, layout: Layout, known: Picture) -> None:
        """Addresses that brokers told may belong to another cluster by now; those that were configured are meant."""
        if connection.address not in self._bootstrap:
            raise UpstreamGarbled(f"{connection} belongs to cluster {layout.cluster_id}, not to {known.cluster_id}")
        log.warning("cluster_replaced", cluster=self._name, before=known.cluster_id, now=layout.cluster_id)
        self._asked.clear()
        self._spoken.clear()

    async def ask_versions(self, brokers: Iterable[Broker], *, again: bool) -> None:
        """Ask brokers what they speak: the new ones, or `again` all of them.

        A broker may have been upgraded, and features are finalized at run time. What a broker told last counts until it
        tells something else or leaves; one that never told counts for nothing.
        """
        live = {broker.id: broker for broker in brokers}
        for forgotten in self._asked.keys() - live:
            del self._asked[forgotten]
            self._spoken.pop(forgotten, None)
            self.unreachable.pop(forgotten, None)
        asked = [broker for broker in live.values() if again or self._asked.get(broker.id) != _address(broker)]
        self._asked |= {broker.id: _address(broker) for broker in asked}
        answers = await asyncio.gather(*(self._ask_spoken(_address(broker), again) for broker in asked))
        for broker, answer in zip(asked, answers, strict=True):
            self._note(broker.id, answer)

    async def _ask_spoken(self, address: Address, again: bool) -> Spoken | UpstreamError:
        try:
            connection = await self._pool.connection(address)
            return await connection.ask_spoken(self._timeout) if again else connection.spoken
        except UpstreamError as error:
            return error

    def _note(self, broker_id: int, answer: Spoken | UpstreamError) -> None:
        if isinstance(answer, Spoken):
            self._spoken[broker_id] = answer
            self.unreachable.pop(broker_id, None)
            return
        if broker_id not in self.unreachable:
            log.warning("broker_unreachable", cluster=self._name, broker=broker_id, error=str(answer))
        self.unreachable[broker_id] = str(answer)

    def spoken(self) -> list[Spoken]:
        """What each live broker told; where none did, what the one told that described the cluster."""
        return list(self._spoken.values()) or [self._fallback]


def _head_of(connection: BrokerConnection, version: int, frame: bytes) -> tuple[MetadataHead, int]:
    """The head of a Metadata answer, and where in its frame the topics start."""
    try:
        start = peek_response(frame, ApiKey.METADATA, version).body_offset
        head = metadata_response_head(version, memoryview(frame)[start:])
    except ProtocolError as error:
        raise UpstreamGarbled(f"{connection} answers something that cannot be read: {error}") from error
    if head is None:
        raise UpstreamGarbled(f"{connection} answers less than the head of what it was asked for")
    return head, start + head.topics_start


def _address(broker: Broker) -> Address:
    return broker.host, broker.port
