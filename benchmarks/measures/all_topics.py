"""Metadata of all topics of a large cluster, as admin clients and consumers by pattern ask for it."""

from typing import Final

from benchmarks.figures import Compare, Figure, quantile
from benchmarks.messages import METADATA_OF_ALL, metadata_of_all
from benchmarks.processes import cpu_of
from benchmarks.targets import Target
from benchmarks.wire import Connection, framed

_WARM_UP: Final = 2


def all_topics(target: Target, name: str, count: int) -> list[Figure]:
    """Ask for it so many times on one connection."""
    frame = framed(metadata_of_all())
    with Connection(target) as connection:
        for _ in range(_WARM_UP):
            connection.ask(frame)
        topics = len(connection.decoded(*METADATA_OF_ALL).topics)
        before = cpu_of(target)
        times = sorted([connection.timed(frame) for _ in range(count)])
        used = cpu_of(target) - before
    found = [
        Figure(f"{name}, p50, ms", quantile(times, 0.5)),
        Figure(f"{name}, topics seen", topics, Compare.NOTHING),
    ]
    if target.pid is not None:
        found.append(Figure(f"{name}, CPU ms for a request", 1_000 * used / count, Compare.NOTHING))
    return found
