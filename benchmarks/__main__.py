"""What Kordon costs, measured side by side with Kafka itself and whatever else you start.

    python -m benchmarks                                   # all measures, three rounds
    python -m benchmarks --quick                           # a look, under two minutes
    python -m benchmarks --only raw-produce,round-trips --rounds 5 --pin 0:1
    python -m benchmarks --before ../kordon-before         # a checkout of an older commit, in the same run
    python -m benchmarks table RESULTS.json                # the table of a run again
    python -m benchmarks plots RESULTS.json FOLDER         # pictures of it, as SVG
    python -m benchmarks profiles FOLDER                   # where Kordon's CPU time goes, as flame graphs
    python -m benchmarks page                              # docs/performance.md, from benchmarks/results/*.json

It starts a real Kafka (`direct`, and `direct-sasl` with a login by SASL PLAIN), the bare relay of `benchmarks.bare` and
Kordon (login, 1,000 rules, a tenant, audit, metrics). Every round measures each of them one after the other, in turns;
ratios are taken within a round, and the median of the rounds is shown with the least and the most. Further targets run
already, in front of a Kafka that runs already:

    python -m benchmarks kafka                             # start one; it prints what to say here:
    python -m benchmarks --kafka 127.0.0.1:9092,127.0.0.1:9093,pid=42 kroxylicious=127.0.0.1:9392,pid=1234

CPU seconds are steady, ratios less so, and absolute figures are worth least, as machines differ by a factor of two.
"""

import argparse
import shlex
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Final

from benchmarks.blocks import BLOCKS, MEASURES, SLOW
from benchmarks.ending import end_in_order
from benchmarks.kafka import a_cluster
from benchmarks.limits import allow_many_files
from benchmarks.machine import machine, versions
from benchmarks.options import read_options, sizes_of
from benchmarks.profiles import write_profiles
from benchmarks.results import Results
from benchmarks.sections import section_of
from benchmarks.started import Started, pinned, started
from benchmarks.suite import Suite
from benchmarks.table import legend, table

WORDS: Final = {"table": "FILE…", "plots": "FILE FOLDER", "profiles": "FOLDER", "page": ""}
"""What is asked for by a word, and what has to follow it."""


def main(words: Sequence[str]) -> None:
    match words:
        case ["kafka", *rest]:
            serve_kafka(rest)
        case ["table", _, *_]:
            print("\n".join(shown(read(name)) for name in words[1:]))
        case ["plots", file, folder]:
            write_plots(read(file), Path(folder))
        case ["profiles", folder]:
            write_profiles(Path(folder))
        case ["page"]:
            from benchmarks.page import write_page

            write_page()
        case [word, *_] if word in WORDS:
            sys.exit(f"usage: python -m benchmarks {word} {WORDS[word]}".rstrip())
        case _:
            run(words)


def read(name: str) -> Results:
    """The result file of this name. Exits with an error where it is none."""
    try:
        return Results.read(Path(name))
    except OSError as error:
        sys.exit(f"{name}: {error.strerror}")
    except (ValueError, KeyError, TypeError):
        sys.exit(f"{name}: this is no result file of `python -m benchmarks --out FILE`")


def shown(results: Results) -> str:
    return f"{table(results)}\n{legend(results)}\n"


def run(words: Sequence[str]) -> None:
    """Measure, print the table, write the file. Exits with an error where something failed."""
    options = read_options(words, __doc__)
    sizes = sizes_of(options)
    wanted = options.only or [name for name in MEASURES if not (options.quick and name in SLOW)]
    only = frozenset(wanted) - frozenset(options.skip)
    allow_many_files()
    begin = time.monotonic()
    with started(
        cluster=options.kafka,
        further=options.targets,
        before=options.before,
        without=options.without,
        commands=options.start,
    ) as there:
        suite = Suite(there, sizes, only, cold=options.cold)
        measure(suite, there, options.pin)
    results = Results(
        command=shlex.join(["python", "-m", "benchmarks", *words]),
        versions=versions(),
        machine=machine(),
        sizes={**asdict(sizes), "only": sorted(only)},
        targets=tuple(target.name for target in there.targets),
        rows=suite.rows,
        failures=tuple(suite.failures),
        seconds=round(time.monotonic() - begin),
    )
    print(shown(results))
    if options.out:
        results.write(options.out)
        print(f"every round of every target is in {options.out}", file=sys.stderr)
    if suite.failures:
        sys.exit("\n".join(suite.failures))


def measure(suite: Suite, there: Started, pins: tuple[frozenset[int], frozenset[int]] | None) -> None:
    with ExitStack() as stack:
        if pins:
            stack.enter_context(pinned(there, *pins))
        for block, measures in BLOCKS.items():
            if suite.wants(*measures):
                attempt(block, suite)
        suite.note_peaks()


def attempt(block: Callable[[Suite], None], suite: Suite) -> None:
    """A block that fails must not take with it what others have found, in the half hour before."""
    try:
        block(suite)
    except Exception as error:
        suite.fail(f"{block.__name__}: {type(error).__name__}: {error}")


def write_plots(results: Results, folder: Path) -> None:
    """A picture of each section that the run has figures of."""
    from benchmarks.plots import plot

    for section in dict.fromkeys(section_of(row.figure.name) for row in results.rows):
        plot(results, section, folder / f"{section}.svg")


def serve_kafka(words: Sequence[str]) -> None:
    """A Kafka for targets to stand in front of, until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks kafka", description=serve_kafka.__doc__)
    parser.add_argument("--port", type=int, default=9092, help="of the listener without login; with login: the next")
    port = parser.parse_args(words).port
    with a_cluster(port) as cluster:
        if not cluster.plain.endswith(f":{port}"):
            print(f"port {port} is taken, so that Kafka has another one: have targets stand there", file=sys.stderr)
        print(f"--kafka {cluster.plain},{cluster.sasl},pid={cluster.pid}", flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    end_in_order()
    main(sys.argv[1:])
