"""A bare relay: the yardstick for what any proxy in Python costs that looks into each request.

    python -m benchmarks.bare BROKER_PORT     # prints the port that it listens on, and serves until it is ended

It knows one broker and one rule (everything is allowed): no tenants, policies, login, audit, metrics, limits, holds or
errors. What it has is what no such proxy can leave out: it collects each request, decodes Produce and Fetch with kio,
asks a memo for each topic, keeps the order of answers, and decodes and encodes the answers that name addresses. A
chunk that need not be looked at leaves as it came. `python -m benchmarks` measures Kordon beside it.
"""

import asyncio
import struct
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any, Final, cast

import uvloop
from kio.index import load_request_schema, load_response_schema
from kio.serial import entity_reader

from kordon_protocol.codec import response_frame
from kordon_protocol.header import peek_request, peek_response
from kordon_protocol.keys import ApiKey

HOST: Final = "127.0.0.1"
HEAD: Final = struct.Struct(">ii")
LEAST: Final = 512
"""Bytes in which every header ends."""
DECODED: Final = {ApiKey.PRODUCE: "topic_data", ApiKey.FETCH: "topics"}
MENDED: Final = (ApiKey.METADATA, ApiKey.FIND_COORDINATOR, ApiKey.DESCRIBE_CLUSTER)


@cache
def may(topic: object) -> bool:
    return bool(topic)


@cache
def request_reader(key: int, version: int) -> Any:
    return entity_reader(load_request_schema(key, version))


@cache
def response_reader(key: int, version: int) -> Any:
    return entity_reader(load_response_schema(key, version))


def at_our_address(response: Any, port: int) -> Any:
    def ours(entry: Any) -> Any:
        return replace(entry, host=HOST, port=port)

    if hasattr(response, "brokers"):
        return replace(response, brokers=tuple(map(ours, response.brokers)))
    if hasattr(response, "coordinators"):
        return replace(response, coordinators=tuple(map(ours, response.coordinators)))
    return ours(response)


class Side(asyncio.Protocol):
    """One of the two connections."""

    def __init__(self, broker_port: int, peer: "Side | None" = None) -> None:
        self.broker_port = broker_port
        self.peer = peer
        self.transport: asyncio.Transport | None = None
        self.early: list[bytes] = []
        self.take: Callable[[bytes], list[bytes]] = self.keep
        self.tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        if self.peer is None:
            task = asyncio.get_running_loop().create_task(self.open())
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def open(self) -> None:
        port = cast("asyncio.Transport", self.transport).get_extra_info("sockname")[1]
        client, broker = Requests(), Answers()
        client.answers, broker.port = broker, port
        loop = asyncio.get_running_loop()
        _, self.peer = await loop.create_connection(lambda: Side(self.broker_port, self), HOST, self.broker_port)
        self.take, self.peer.take = client.take, broker.take
        for data in self.early:
            self.data_received(data)

    def keep(self, data: bytes) -> list[bytes]:
        self.early.append(data)
        return []

    def data_received(self, data: bytes) -> None:
        pieces = self.take(data)
        if pieces and self.peer is not None and self.peer.transport is not None:
            self.peer.transport.writelines(pieces)

    def pause_writing(self) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.resume_reading()

    def connection_lost(self, _: Exception | None) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.close()


class Requests:
    """Whole requests, as the chunks that they came in."""

    answers: "Answers"

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.size = 0

    def take(self, data: bytes) -> list[bytes]:
        out: list[bytes] = []
        while data:
            if self.size < 4 and self.chunks:
                data = b"".join((*self.chunks, data))
                self.chunks, self.size = [], 0
            wanted = 4 + int.from_bytes(self.chunks[0][:4] if self.chunks else data[:4], "big")
            if len(data) < 4 or self.size + len(data) < wanted:
                self.chunks.append(data)
                self.size += len(data)
                break
            rest = wanted - self.size
            self.chunks.append(data if rest == len(data) else data[:rest])
            self.judge(self.chunks)
            out += self.chunks
            data = data[rest:]
            self.chunks, self.size = [], 0
        return out

    def judge(self, chunks: list[bytes]) -> None:
        if len(chunks[0]) < LEAST:
            chunks[:] = [b"".join(chunks)]
        head = peek_request(chunks[0][4:LEAST])
        if head.api_key in DECODED:
            frame = chunks[0] if len(chunks) == 1 else b"".join(chunks)
            request, _ = request_reader(head.api_key, head.api_version)(frame, 4 + head.body_offset)
            for topic in getattr(request, DECODED[ApiKey(head.api_key)]):
                may(getattr(topic, "name", None) or getattr(topic, "topic", None) or topic.topic_id)
            if getattr(request, "acks", 1) == 0:
                return
        self.answers.due.append((head.api_key, head.api_version, head.correlation_id))


class Answers:
    """The frames of answers, most of which run through."""

    port: int

    def __init__(self) -> None:
        self.due: list[tuple[int, int, int]] = []
        self.left = 0
        self.collected: bytes | None = None

    def take(self, data: bytes) -> list[bytes]:
        out: list[bytes] = []
        if self.collected is not None:
            data, self.collected = self.collected + data, None
        at = run = 0
        while at < len(data):
            if self.left == 0:
                if len(data) - at < HEAD.size:
                    break
                size, correlation_id = HEAD.unpack_from(data, at)
                key, version, due = self.due[0]
                assert due == correlation_id
                if key in MENDED:
                    if len(data) - at < size + 4:
                        break
                    out += [data[run:at], self.mended(data[at + 4 : at + 4 + size], key, version, due)]
                    at = run = at + 4 + size
                    del self.due[0]
                    continue
                self.left = size + 4
                del self.due[0]
            step = min(self.left, len(data) - at)
            self.left -= step
            at += step
        if at < len(data):
            self.collected = data[at:]
        if run < at:
            out.append(data if run == 0 and at == len(data) else data[run:at])
        return out

    def mended(self, frame: bytes, key: int, version: int, correlation_id: int) -> bytes:
        offset = peek_response(frame, key, version).body_offset
        response, _ = response_reader(key, version)(frame, offset)
        return response_frame(at_our_address(response, self.port), correlation_id)


async def serve(broker_port: int) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Side(broker_port), HOST, 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    if len(sys.argv) != 2 or not sys.argv[1].isdecimal():
        sys.exit("usage: python -m benchmarks.bare BROKER_PORT")
    uvloop.run(serve(int(sys.argv[1])))
