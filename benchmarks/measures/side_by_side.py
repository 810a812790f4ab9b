"""CPU time of the same round trips at two processes, some here, some there: what else happens, happens to both."""

from contextlib import ExitStack
from typing import Final

from benchmarks.measures.round_trips import requests, tried
from benchmarks.processes import cpu_of
from benchmarks.targets import Target
from benchmarks.wire import Connection

_SLICE: Final = 50


def side_by_side(one: Target, another: Target, topic: str, count: int) -> tuple[float, float]:
    """CPU seconds of each, for so many round trips of each kind."""
    used = [0.0, 0.0]
    with ExitStack() as stack:
        asked = []
        for place, target in enumerate((one, another)):
            connection = stack.enter_context(Connection(target))
            messages = requests(connection, f"bench-{topic}-{place}", topic).values()
            asked.append([(target, connection, tried(connection, message)) for message in messages])
        for turn in range(max(1, count // _SLICE)):
            for pair in zip(*asked, strict=True):
                for place in (turn % 2, 1 - turn % 2):
                    used[place] += _cpu(*pair[place])
    return used[0], used[1]


def _cpu(target: Target, connection: Connection, frame: bytes) -> float:
    before = cpu_of(target)
    for _ in range(_SLICE):
        connection.ask(frame)
    return cpu_of(target) - before
