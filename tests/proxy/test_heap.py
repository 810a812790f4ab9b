"""Freed memory stays with the process."""

import subprocess
import sys

SCRIPT = """
import resource, sys
from kordon_proxy.heap import keep_freed_memory

def faults(times):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        blocks = [bytearray(250_000) for _ in range(4)]
        del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

if sys.argv[1] == "kept":
    assert keep_freed_memory()
faults(10)
print(faults(100))
"""


def faults(how: str) -> int:
    ran = subprocess.run([sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True)
    return int(ran.stdout)


def test_what_was_freed_is_not_faulted_in_anew() -> None:
    assert faults("kept") < 1_000 < faults("given back")
