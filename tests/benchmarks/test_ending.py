"""A run that is told to end takes with it what it has started."""

import signal
import subprocess
import sys

from benchmarks.processes import tree

RUN = """
import subprocess, sys, time
from benchmarks.ending import end_in_order
end_in_order()
process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
try:
    print(process.pid, flush=True)
    time.sleep(60)
finally:
    process.kill()
    process.wait()
"""


def test_what_a_run_has_started_ends_with_it() -> None:
    with subprocess.Popen([sys.executable, "-c", RUN], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        pid = int(run.stdout.readline())
        run.terminate()

    assert run.returncode == 128 + signal.SIGTERM
    assert tree(pid) == []
