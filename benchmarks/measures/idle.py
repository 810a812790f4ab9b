"""Connections that were opened, asked one thing and are silent: what each costs to open and to keep."""

import time
from typing import Final

from benchmarks.figures import Compare, Figure
from benchmarks.messages import metadata_of
from benchmarks.processes import cpu_of, memory
from benchmarks.targets import Target
from benchmarks.wire import Connection, framed

_SETTLED: Final = 1.0
_LOOKED_AT: Final = 2.0
"""Seconds for which CPU time is counted that silent connections cost."""


def new_connections(target: Target, topic: str, count: int) -> list[Figure]:
    """Open so many, one after the other, each with ApiVersions, the login if there is one, and Metadata of a topic."""
    before, begin = cpu_of(target), time.perf_counter()
    connections = _opened(target, topic, count)
    seconds, used = time.perf_counter() - begin, cpu_of(target) - before
    for connection in connections:
        connection.close()
    found = [Figure("new connections, 1/s", count / seconds)]
    if target.pid is not None:
        found.append(Figure("CPU ms for a new connection", 1_000 * used / count, Compare.NOTHING))
    return found


def idle_connections(target: Target, topic: str, count: int) -> list[Figure]:
    """What a process that has done nothing yet takes, and what so many silent connections take on top."""
    assert target.pid is not None  # without, there is nothing to be known
    at_rest = memory(target.pid)
    connections = _opened(target, topic, count)
    time.sleep(_SETTLED)
    taken, before = memory(target.pid) - at_rest, cpu_of(target)
    time.sleep(_LOOKED_AT)
    used = cpu_of(target) - before
    for connection in connections:
        connection.close()
    return [
        Figure("memory at rest, MB", at_rest, Compare.NOTHING),
        Figure(f"memory of an idle connection ({count:,} of them), KB", 1_000 * taken / count, Compare.NOTHING),
        Figure(f"CPU with {count:,} idle connections, %", 100 * used / _LOOKED_AT, Compare.NOTHING),
    ]


def _opened(target: Target, topic: str, count: int) -> list[Connection]:
    frame = framed(metadata_of(topic))
    connections = []
    for _ in range(count):
        connection = Connection(target)
        connections.append(connection)
        connection.ask(frame)
    return connections
