"""As many requests as a target can answer, by a client that only counts the bytes that come back."""

import selectors
import time
from typing import Final

from benchmarks.figures import Compare, Figure
from benchmarks.measures.round_trips import CPU
from benchmarks.messages import batch, produce
from benchmarks.processes import cpu_of
from benchmarks.sizes import RECORD
from benchmarks.targets import Target
from benchmarks.wire import TIMEOUT, Connection, Refused, framed

CONNECTIONS: Final = 16
_HIDDEN: Final = "nobody-s"
_AT_ONCE: Final = 32
"""Requests in one send, whose answers are taken together."""


def flood(target: Target, seconds: float, name: str) -> list[Figure]:
    """Produce of a record to a topic that is none of the tenant's, which takes no broker to answer.

    The many connections are shared out to workers by the kernel.
    """
    frame = framed(produce(_HIDDEN, 0, batch(bytes(RECORD), 1)))
    connections = [Connection(target) for _ in range(CONNECTIONS)]
    try:
        size = 4 + connections[0].ask(frame)
        before, begin = cpu_of(target), time.perf_counter()
        count = _flooded(connections, frame * _AT_ONCE, size * _AT_ONCE, begin + seconds) * _AT_ONCE
        took, used = time.perf_counter() - begin, cpu_of(target) - before
    finally:
        for connection in connections:
            connection.close()
    return [
        Figure(f"{name}, requests/s", count / took, Compare.NOTHING),
        Figure(f"{name}, {CPU}", 10_000 * used / count, Compare.NOTHING),
    ]


def _flooded(connections: list[Connection], frames: bytes, size: int, end: float) -> int:
    """How often all these requests were answered, with so many bytes each time."""
    done, missing = 0, dict.fromkeys(connections, size)
    buffer = bytearray(size)
    with selectors.DefaultSelector() as ready:
        for connection in connections:
            ready.register(connection, selectors.EVENT_READ, connection)
            connection.send(frames)
        while missing:
            for key, _ in ready.select(TIMEOUT) or _nothing():
                connection = key.data
                came = connection.socket.recv_into(buffer)
                if not came:
                    raise Refused("the connection was closed")
                missing[connection] -= came
                if missing[connection]:
                    continue
                done += 1
                missing[connection] = size
                if time.perf_counter() < end:
                    connection.send(frames)
                else:
                    del missing[connection]
    return done


def _nothing() -> list[tuple[selectors.SelectorKey, int]]:
    raise Refused(f"no answer in {TIMEOUT:g} s")
