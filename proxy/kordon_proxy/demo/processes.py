"""Processes that others have started, on Linux; elsewhere none are found."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_MOST: Final = 10.0


def children(pid: int) -> list[int]:
    """The processes that this one has started."""
    try:
        return [int(child) for child in (_PROC / str(pid) / "task" / str(pid) / "children").read_text().split()]
    except OSError:
        return []


def is_alive(pid: int) -> bool:
    """Whether there is such a process, and more of it than its exit code that nobody has asked for."""
    try:
        state = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def wait_for_the_end_of(pids: Iterable[int]) -> None:
    """Return when none of them lives. Raises TimeoutError after ten seconds."""
    deadline = time.monotonic() + _MOST
    while left := [pid for pid in pids if is_alive(pid)]:
        if time.monotonic() > deadline:
            raise TimeoutError(f"processes {left} do not end")
        time.sleep(0.01)
