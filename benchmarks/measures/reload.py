"""What a client sees of a large policy file that is read anew while it works: its longest wait for an answer."""

import time
import urllib.request
from pathlib import Path
from typing import Final

from benchmarks.figures import Compare, Figure
from benchmarks.processes import memory
from benchmarks.steady import steady_client
from benchmarks.targets import Target
from benchmarks.wire import Refused

_QUIET: Final = 3.0
_AFTERWARDS: Final = 1.0
"""Seconds that the client goes on, since what is over may leave work behind."""
_PATIENCE: Final = 300.0
_EPOCH: Final = "kordon_policy_epoch "


def longest_pause(target: Target, topic: str, name: str, file: Path, text: str, admin: str) -> list[Figure]:
    """Put a new text in place of a policy file. `admin` is the address of the metrics that tell which one is in force.

    A client produces one record after the other all the while. Raises OSError, and Refused when the new text does not
    come in force or the client is answered with an error.
    """
    with steady_client(target, topic) as times:
        time.sleep(_QUIET)
        before, quiet = _epoch(admin), len(times)
        begin = time.perf_counter()
        new = file.with_name("rbac.new")
        new.write_text(text, encoding="utf-8")
        new.replace(file)
        while _epoch(admin) == before:
            if time.perf_counter() - begin > _PATIENCE:
                raise Refused(f"the policy is not in force after {_PATIENCE:g} s")
            time.sleep(0.25)
        seconds = time.perf_counter() - begin
        time.sleep(_AFTERWARDS)
    found = [
        Figure(f"{name}, longest wait of a client, ms", max(times[quiet:])),
        Figure(f"{name}, longest wait before it, ms", max(times[:quiet])),
        Figure(f"{name}, in force after, s", seconds),
    ]
    if target.pid is not None:
        found.append(Figure(f"{name}, memory after it, MB", memory(target.pid)))
    return [figure._replace(compare=Compare.NOTHING) for figure in found]


def _epoch(admin: str) -> float:
    """The number of the policy in force."""
    with urllib.request.urlopen(f"{admin}/metrics", timeout=_PATIENCE) as answer:
        lines = answer.read().decode().splitlines()
    return next(float(line.removeprefix(_EPOCH)) for line in lines if line.startswith(_EPOCH))
