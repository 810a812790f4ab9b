"""A long run with everything coming and going: does Kordon grow, lose a file descriptor, or become slow?

    python -m benchmarks.soak                                  # ten minutes
    python -m benchmarks.soak --minutes 2 --out soak.json

Connections, members of a group, temporary policies and policy files come and go (`benchmarks.churn`) around one client
that produces one record after the other and notes how long each takes. Twelve times, memory and open files are noted.
At the end the churn stops, and what is still open then was lost.

It fails (exit code 1) where anything went wrong on the way, a file stays open, memory in the last third is more than a
tenth above that of the third before, or the median of the round trips' 99th percentiles in the last third is more than
twice that of the first.
"""

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

import psutil

from benchmarks.churn import all_kinds, happening
from benchmarks.ending import end_in_order
from benchmarks.figures import quantile
from benchmarks.kafka import a_cluster
from benchmarks.kordons import a_kordon, target_of
from benchmarks.lent import TOKENS
from benchmarks.machine import machine, timestamp, versions
from benchmarks.processes import memory
from benchmarks.steady import steady_client
from benchmarks.table import markdown
from benchmarks.targets import KORDON
from benchmarks.topics import topics, wait_for
from benchmarks.wire import Refused

WINDOWS: Final = 12
"""Times that are looked at."""
PACE: Final = 0.005
"""Seconds from the answer to one of the timed requests to the next request."""
AT_REST: Final = 20.0
"""Seconds until what comes and goes has gone."""
GROWTH: Final = 1.10
SLOWER: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """How it was in one twelfth of the time. Round trips in milliseconds."""

    seconds: float
    requests: int
    p50: float
    p99: float
    memory_mb: float
    files: int
    threads: int


def files_of(pid: int) -> int:
    """Sockets and other files that are open."""
    count: int = psutil.Process(pid).num_fds()
    return count


def looked_at(pid: int, times: list[float], seconds: float) -> Window:
    """Wait for so long and say how it was. Raises Refused where the timed client got no answer in all that time."""
    first = len(times)
    time.sleep(seconds)
    new = sorted(times[first:])
    if not new:
        raise Refused("the timed client has had no answer")
    return Window(
        seconds=seconds,
        requests=len(new),
        p50=quantile(new, 0.5),
        p99=quantile(new, 0.99),
        memory_mb=memory(pid),
        files=files_of(pid),
        threads=psutil.Process(pid).num_threads(),
    )


def faults_in(windows: Sequence[Window], before: int, after: int) -> list[str]:
    """What has grown or become slow, in words. `before` and `after`: files that were open with nobody there."""
    third = len(windows) // 3
    first, middle, last = windows[:third], windows[third:-third], windows[-third:]
    found = []
    if after > before:
        found.append(f"{after - before} more files are open than before anybody came")
    grown = _median(last, "memory_mb") / _median(middle, "memory_mb")
    if grown > GROWTH:
        found.append(f"memory has grown by {100 * (grown - 1):.0f} % from the second third to the last")
    slower = _median(last, "p99") / _median(first, "p99")
    if slower > SLOWER:
        found.append(f"the 99th percentile is {slower:.1f} times what it was in the first third")
    return found


def _median(windows: Sequence[Window], name: str) -> float:
    return statistics.median(float(getattr(window, name)) for window in windows)


def soak(minutes: float) -> dict[str, Any]:
    """Run it all. Raises what stops it from beginning."""
    with a_cluster() as cluster, a_kordon(cluster.plain, tokens=TOKENS) as kordon:
        target = target_of(kordon, KORDON)
        with topics(cluster.plain, ["bench-soak"], partitions=4) as (topic,):
            wait_for(target, topic)
            time.sleep(AT_REST)
            before, windows = files_of(kordon.pid), []
            with (
                happening(all_kinds(kordon, target, topic)) as (happened, faults),
                steady_client(target, topic, pause=PACE) as times,
            ):
                for number in range(WINDOWS):
                    windows.append(looked_at(kordon.pid, times, 60 * minutes / WINDOWS))
                    print(f"{number + 1}/{WINDOWS}  {windows[-1]}", flush=True)
            time.sleep(AT_REST)
            after = files_of(kordon.pid)
    return {
        "command": f"python -m benchmarks.soak --minutes {minutes:g}",
        "when": timestamp(),
        "versions": dict(versions()),
        "machine": dict(machine()),
        "windows": [asdict(window) for window in windows],
        "happened": dict(happened),
        "files": {"before": before, "after": after},
        "faults": [*faults, *faults_in(windows, before, after)],
    }


def windows_table(result: dict[str, Any]) -> str:
    """The windows as Markdown."""
    head = ["minutes", "requests", "p50, ms", "p99, ms", "memory, MB", "open files"]
    minutes = accumulate(window["seconds"] / 60 for window in result["windows"])
    lines = (
        [
            f"{end:.1f}",
            f"{window['requests']:,}",
            f"{window['p50']:.2f}",
            f"{window['p99']:.2f}",
            f"{window['memory_mb']:.1f}",
            f"{window['files']}",
        ]
        for end, window in zip(minutes, result["windows"], strict=True)
    )
    return markdown(head, lines)


def _minutes(text: str) -> float:
    with suppress(ValueError):
        if 0 < (minutes := float(text)) < math.inf:
            return minutes
    raise argparse.ArgumentTypeError(f"{text} is no number of minutes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=_minutes, default=10, metavar="N")
    parser.add_argument("--out", type=Path, help="also write what was found as JSON")
    options = parser.parse_args()
    result = soak(options.minutes)
    print(windows_table(result))
    print(json.dumps({name: result[name] for name in ("happened", "files", "faults")}, indent=1))
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if result["faults"]:
        sys.exit(1)


if __name__ == "__main__":
    end_in_order()
    main()
