"""Instructions of one exchange are what a longer run has more than a shorter one."""

import subprocess
import sys

import pytest

from benchmarks.micro.exchange import EXCHANGES
from benchmarks.micro.instructions import instructions


def test_start_and_end_of_the_process_do_not_count() -> None:
    assert instructions("produce", lambda _, turns: 1_000_000 + 80 * turns) == 80


@pytest.mark.parametrize("name", EXCHANGES)
def test_an_exchange_can_be_run_for_a_counter_outside(name: str) -> None:
    command = [sys.executable, "-m", "benchmarks.micro.exchange", name, "--turns", "3"]

    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
