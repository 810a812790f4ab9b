"""One request at a time on one connection."""

import os
from datetime import timedelta
from typing import Any, Final

from benchmarks.figures import Compare, Figure, quantile
from benchmarks.measures.membership import join_alone
from benchmarks.messages import batch, fetch, metadata_of, offset_commit, produce
from benchmarks.processes import cpu_of
from benchmarks.sizes import RECORD
from benchmarks.targets import Target
from benchmarks.wire import Connection, Refused, framed
from kordon_protocol.keys import ApiKey

CPU: Final = "CPU s for 10,000 requests"
"""How names of such figures end."""
_WARM_UP: Final = 0.1
"""As many more, which are not timed."""
EMPTY_PARTITION: Final = 1


def round_trips(target: Target, topic: str, count: int) -> list[Figure]:
    """So many of each kind."""
    with Connection(target) as connection:
        found: list[Figure] = []
        group = f"bench-{topic}-{os.getpid()}"  # a member that has gone is still waited for in its group
        for name, message in requests(connection, group, topic).items():
            found += _timed(target, connection, name, message, count)
        return found


def requests(connection: Connection, group: str, topic: str) -> dict[str, Any]:
    """Produce of one record, Metadata of one topic, OffsetCommit of a member, a Fetch that finds nothing."""
    member, generation = join_alone(connection, group, topic)
    return {
        "Produce": produce(topic, 0, batch(os.urandom(RECORD), 1)),
        "Metadata": metadata_of(topic),
        "OffsetCommit": offset_commit(group, member, generation, topic),
        "empty Fetch": fetch(topic, EMPTY_PARTITION, most=1 << 20, wait=timedelta(), least=0),
    }


def _timed(target: Target, connection: Connection, name: str, message: Any, count: int) -> list[Figure]:
    frame = tried(connection, message)
    for _ in range(int(count * _WARM_UP)):
        connection.ask(frame)
    before = cpu_of(target)
    times = sorted([connection.timed(frame) for _ in range(count)])
    used = cpu_of(target) - before
    found = [
        Figure(f"{name} round trip p50, ms", quantile(times, 0.5), Compare.DIFFERENCE),
        Figure(f"{name} round trip p99, ms", quantile(times, 0.99), Compare.DIFFERENCE),
    ]
    if target.pid is not None:
        found.append(Figure(f"{name}, {CPU}", 10_000 * used / count, Compare.NOTHING))
    return found


def tried(connection: Connection, message: Any) -> bytes:
    """A request as bytes, once it has been answered without an error. Raises Refused."""
    if fault := fault_of(connection.ask_anything(message)):
        raise Refused(f"{type(message).__name__}: {fault}")
    return framed(message)


def fault_of(answer: Any) -> str:
    """The first error code anywhere in an answer that is none; empty where all went well."""
    if answer.__api_key__ == ApiKey.METADATA:
        parts = list(answer.topics)
    elif answer.__api_key__ == ApiKey.OFFSET_COMMIT:
        parts = [part for topic in answer.topics for part in topic.partitions]
    elif answer.__api_key__ == ApiKey.PRODUCE:
        parts = [part for topic in answer.responses for part in topic.partition_responses]
    else:
        parts = [part for topic in answer.responses for part in topic.partitions]
    return next((repr(part.error_code) for part in parts if part.error_code), "")
