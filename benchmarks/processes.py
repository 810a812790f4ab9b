"""What a process and all its descendants have used: CPU time and memory, as the kernel counts them."""

import contextlib
import os
import time
from collections.abc import Iterator, Set
from pathlib import Path

import psutil

from benchmarks.figures import MEGABYTE
from benchmarks.targets import Target


def tree(pid: int) -> list[int]:
    """The process and its descendants; none if it has ended."""
    try:
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    except psutil.NoSuchProcess:
        return []


def cpu_seconds(pid: int) -> float:
    """User and system time so far, of all that live, to the nanosecond: /proc/PID/stat knows hundredths only."""
    return sum(_cpu_seconds(one) for one in tree(pid))


def cpu_of(target: Target) -> float:
    """Of a target, so far; zero where nobody said which process it is."""
    return 0.0 if target.pid is None else cpu_seconds(target.pid)


def _cpu_seconds(pid: int) -> float:
    # The kernel's number of another process's CPU clock (CPUCLOCK_SCHED), as clock_getcpuclockid(3) makes it.
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:  # it has ended meanwhile
        return 0.0


def memory(pid: int) -> float:
    """Resident megabytes now."""
    return _from_status(pid, "VmRSS:")


def peak_memory(pid: int) -> float:
    """Most resident megabytes since `forget_peak`."""
    return _from_status(pid, "VmHWM:")


def forget_peak(pid: int) -> None:
    for one in tree(pid):
        with contextlib.suppress(OSError):  # not ours, or ended: then the peak is that of its whole life
            Path(f"/proc/{one}/clear_refs").write_text("5", encoding="ascii")


def pin(pid: int, cpus: Set[int]) -> None:
    """Keep all threads of the processes on these CPUs."""
    for thread in _threads(pid):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            os.sched_setaffinity(thread, cpus)


def _threads(pid: int) -> Iterator[int]:
    for one in tree(pid):
        with contextlib.suppress(OSError):
            yield from (int(task.name) for task in Path(f"/proc/{one}/task").iterdir())


def _from_status(pid: int, name: str) -> float:
    kilobytes = 0
    for one in tree(pid):
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{one}/status").read_text(encoding="utf-8").splitlines()
            kilobytes += sum(int(line.split()[1]) for line in lines if line.startswith(name))
    return kilobytes * 1024 / MEGABYTE
