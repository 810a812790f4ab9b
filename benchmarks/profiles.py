"""Where Kordon's CPU time goes under load: flame graphs by py-spy, which looks at the process from outside."""

import re
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from benchmarks.apart import apart
from benchmarks.figures import MEGABYTE, Figure
from benchmarks.kafka import a_cluster
from benchmarks.kordons import a_kordon, target_of
from benchmarks.measures.raw import raw_fetch, raw_produce
from benchmarks.measures.round_trips import round_trips
from benchmarks.sizes import PARTITIONS
from benchmarks.targets import KORDON, Target
from benchmarks.topics import topics, wait_for

_TOPIC: Final = "bench-profile"
_SECONDS: Final = 10
_RATE: Final = 250
"""Looks a second."""
_TITLE: Final = re.compile(r'(<text id="title"[^>]*>)[^<]*(</text>)')
"""What py-spy writes there is its command line, with the paths of this machine."""
_LOADS: Final[Mapping[str, Callable[[Target], list[Figure]]]] = {
    "raw-produce": lambda target: apart(raw_produce, target, _TOPIC, 500 * MEGABYTE),
    "raw-fetch": lambda target: apart(raw_fetch, target, _TOPIC, 1_000 * MEGABYTE),
    "round-trips": lambda target: apart(round_trips, target, _TOPIC, 2_000),
}


def write_profiles(folder: Path) -> None:
    """One picture for each load. Raises CalledProcessError where py-spy may not look at other processes."""
    folder.mkdir(parents=True, exist_ok=True)
    with a_cluster() as cluster, a_kordon(cluster.plain) as kordon:
        target = target_of(kordon, KORDON)
        with topics(cluster.plain, [_TOPIC], partitions=PARTITIONS):
            wait_for(target, _TOPIC)
            for name, load in _LOADS.items():
                load(target)  # once for warming up, and for what is fetched
                _record(target, lambda: load(target), folder / f"profile-{name}.svg")  # noqa: B023 -- called at once
                print(folder / f"profile-{name}.svg", file=sys.stderr)


def _record(target: Target, load: Callable[[], object], file: Path) -> None:
    program = Path(sysconfig.get_path("scripts")) / "py-spy"
    # Threads that wait look busy to it in some virtual machines; only one that runs has the interpreter's lock.
    options = [
        "--gil",
        "--duration",
        str(_SECONDS),
        "--rate",
        str(_RATE),
        "--format",
        "flamegraph",
        "--output",
        str(file),
    ]
    with subprocess.Popen([program, "record", "--pid", str(target.pid), *options]) as looking:
        end = time.monotonic() + _SECONDS
        while time.monotonic() < end and looking.poll() is None:
            load()
    if looking.returncode:
        raise subprocess.CalledProcessError(looking.returncode, looking.args)
    text = _TITLE.sub(rf"\g<1>{file.stem.removeprefix('profile-').replace('-', ' ')}\g<2>", file.read_text("utf-8"), 1)
    file.write_text(text, encoding="utf-8")
