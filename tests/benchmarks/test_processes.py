"""CPU time and memory are those of a process and all its descendants."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from benchmarks.processes import cpu_seconds, forget_peak, memory, peak_memory, tree

_WORKS = "import time\nwhile time.process_time() < 0.3: pass\nheld = b'x' * 40_000_000\n"
_WAITS = "print('there', flush=True)\ninput()\n"


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[str]]:
    """A process that does nothing, with a child that has worked for 0.3 s and holds 40 MB."""
    child = repr(_WORKS + _WAITS)
    text = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {child}])\n"
    with subprocess.Popen(
        [sys.executable, "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as one:
        assert one.stdout is not None
        assert one.stdout.readline() == "there\n"
        yield one
        if one.poll() is None:
            one.communicate("\n")


def test_the_descendants_count(parent: subprocess.Popen[str]) -> None:
    assert len(tree(parent.pid)) == 2
    assert cpu_seconds(parent.pid) >= 0.3
    assert memory(parent.pid) > 40


def test_the_peak_is_that_since_it_was_forgotten(parent: subprocess.Popen[str]) -> None:
    forget_peak(parent.pid)

    assert peak_memory(parent.pid) >= memory(parent.pid) > 40


def test_a_process_that_has_ended_has_nothing(parent: subprocess.Popen[str]) -> None:
    parent.communicate("\n")

    assert tree(parent.pid) == []
    assert cpu_seconds(parent.pid) == memory(parent.pid) == 0
