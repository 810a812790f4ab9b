"""The same requests again and again over plain sockets: hardly any of the time is the client's."""

import os
import selectors
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from benchmarks.figures import Figure
from benchmarks.measures.throughput import rates
from benchmarks.messages import PRODUCE, batch, fetch, produce
from benchmarks.processes import cpu_of
from benchmarks.sizes import PARTITIONS, RECORD
from benchmarks.targets import Target
from benchmarks.wire import TIMEOUT, Connection, Refused, framed

CONNECTIONS: Final = 4
IN_FLIGHT: Final = 4
"""Requests of a producer that wait for their answers."""
RECORDS_IN_A_BATCH: Final = 63
FETCHED: Final = 1 << 20
_NO_ERROR: Final = bytes(2)
_LEAST: Final = 10_000
"""Bytes of an answer that has records in it."""


class Moved(NamedTuple):
    """What a pump did."""

    size: int
    seconds: float


def raw_produce(target: Target, topic: str, size: int) -> list[Figure]:
    """Batches of 64 KB, four connections with four of them in flight each."""
    records = batch(os.urandom(RECORD), RECORDS_IN_A_BATCH)
    frames = [framed(produce(topic, at % PARTITIONS, records)) for at in range(CONNECTIONS)]
    before = cpu_of(target)
    # Behind correlation id, number of topics, the name, number of partitions and the partition. Decoding all of the
    # answer would take more time than the client has for anything else.
    place = 4 + 4 + (2 + len(topic)) + 4 + 4

    def taken(connection: Connection, frame: bytes) -> int:
        if connection.answer[place : place + 2] != _NO_ERROR:
            raise Refused(f"Produce: {connection.decoded(*PRODUCE).responses}")
        return len(frame)

    moved = pump(target, frames, size, IN_FLIGHT, taken)
    return rates(target, "raw produce", moved.size, moved.seconds, before)


def raw_fetch(target: Target, topic: str, size: int) -> list[Figure]:
    """The first megabyte of a partition, four connections."""
    frames = [framed(fetch(topic, at % PARTITIONS, most=FETCHED)) for at in range(CONNECTIONS)]
    before = cpu_of(target)

    def taken(connection: Connection, _: bytes) -> int:
        if len(connection.answer) < _LEAST:
            raise Refused(f"Fetch: only {len(connection.answer)} bytes")
        return len(connection.answer)

    moved = pump(target, frames, size, 1, taken)
    return rates(target, "raw fetch", moved.size, moved.seconds, before)


def pump(
    target: Target, frames: Sequence[bytes], size: int, in_flight: int, taken: Callable[[Connection, bytes], int]
) -> Moved:
    """Send one frame on each connection again whenever it was answered, until so many bytes have been moved.

    `taken` looks at an answer and returns how many bytes it counts for; it raises Refused.
    """
    moved = 0
    begin = time.perf_counter()
    with selectors.DefaultSelector() as ready:
        connections = [Connection(target) for _ in frames]
        try:
            begin = time.perf_counter()
            for connection, frame in zip(connections, frames, strict=True):
                ready.register(connection, selectors.EVENT_READ, frame)
                for _ in range(in_flight):
                    connection.send(frame)
            waiting = len(frames) * in_flight
            while waiting:
                events = ready.select(TIMEOUT)
                if not events:
                    raise Refused(f"no answer in {TIMEOUT:g} s")
                for key, _ in events:
                    connection, frame = _parts(key)
                    connection.receive()
                    one = taken(connection, frame)
                    moved += one
                    waiting -= 1
                    if moved + waiting * one < size:
                        connection.send(frame)
                        waiting += 1
            return Moved(moved, time.perf_counter() - begin)
        finally:
            for connection in connections:
                connection.close()


def _parts(key: selectors.SelectorKey) -> tuple[Connection, bytes]:
    connection, frame = key.fileobj, key.data
    assert isinstance(connection, Connection)
    return connection, frame
