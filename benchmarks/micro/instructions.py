"""How many instructions of the processor one exchange takes in Kordon's own code: a count that no busy machine moves.

    python -m benchmarks.micro.instructions                     # all exchanges
    python -m benchmarks.micro.instructions produce metadata

By `perf stat` where the kernel lets processes count, else by Valgrind's callgrind (both are packages of Debian), which
is slow but counts exactly. Two runs of different length are compared, so that neither start nor end of the process
count, and strings hash alike in both.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import Final

from benchmarks.micro.exchange import EXCHANGES

SHORT: Final = 50
LONG: Final = 250
_EVENT: Final = "instructions:u"
_COLLECTED: Final = re.compile(r"Collected : (\d+)")


class CannotCount(Exception):
    """Neither of the two can be had here."""


def by_perf(name: str, turns: int) -> int:
    """Raises CannotCount where the kernel or the virtual machine has no such counter."""
    told = _run(["perf", "stat", "-x", ",", "-e", _EVENT], name, "--turns", str(turns))
    counts = [line.split(",")[0] for line in told.splitlines() if _EVENT in line]
    if not counts or not counts[0].isdecimal():
        raise CannotCount("perf has no counter of instructions here")
    return int(counts[0])


def by_callgrind(name: str, turns: int) -> int:
    """Raises CannotCount."""
    tool = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--callgrind-out-file=/dev/null"]
    found = _COLLECTED.search(_run(tool, name, "--turns", str(turns), "--callgrind"))
    if found is None:
        raise CannotCount("callgrind has counted nothing")
    return int(found[1])


def instructions(name: str, counter: Callable[[str, int], int]) -> float:
    """Of one exchange."""
    return (counter(name, LONG) - counter(name, SHORT)) / (LONG - SHORT)


def a_counter() -> Callable[[str, int], int]:
    """The first of the two that works. Raises CannotCount."""
    if shutil.which("perf"):
        try:
            by_perf(next(iter(EXCHANGES)), 1)
        except CannotCount:
            pass
        else:
            return by_perf
    if shutil.which("valgrind"):
        return by_callgrind
    raise CannotCount("install perf (linux-perf) where the kernel has counters, else valgrind")


def _run(counter: list[str], *words: str) -> str:
    """What the counter has printed of an exchange. Raises CannotCount when it fails."""
    command = [*counter, sys.executable, "-m", "benchmarks.micro.exchange", *words]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": "0"}
    )
    if done.returncode:
        raise CannotCount(done.stderr.strip())
    return done.stderr


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exchange", nargs="*", choices=[*EXCHANGES, []], metavar="EXCHANGE", help=", ".join(EXCHANGES))
    names = parser.parse_args().exchange or list(EXCHANGES)
    try:
        counter = a_counter()
        for name in names:
            print(f"{name}: {instructions(name, counter):,.0f} instructions ({counter.__name__})", flush=True)
    except CannotCount as why:
        sys.exit(str(why))


if __name__ == "__main__":
    main()
