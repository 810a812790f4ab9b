"""From the start of a process to the moment when clients can use it."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from benchmarks.figures import Compare, Figure
from benchmarks.processes import cpu_seconds
from benchmarks.targets import Target
from benchmarks.wire import Connection, Refused

_PATIENCE: Final = 60.0
_PAUSE: Final = 0.002


def start_to_ready(target: Target, start: Callable[[], int], ready: Callable[[], bool]) -> list[Figure]:
    """Start something, which tells its process id, and wait until it is ready. Raises Refused."""
    begin = time.perf_counter()
    pid = start()
    while not ready():
        if time.perf_counter() - begin > _PATIENCE:
            raise Refused(f"{target.name} was not ready within {_PATIENCE:g} s at {target.address}")
        time.sleep(_PAUSE)
    seconds = time.perf_counter() - begin
    return [
        Figure("start to ready, ms", 1_000 * seconds, Compare.NOTHING),
        Figure("start to ready, CPU s", cpu_seconds(pid), Compare.NOTHING),
    ]


def answers(target: Target) -> bool:
    """Does it answer ApiVersions?"""
    try:
        Connection(replace(target, sasl=False)).close()
    except (OSError, Refused):
        return False
    return True
