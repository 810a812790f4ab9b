"""The words behind `python -m benchmarks`, each of them looked at before anything is started."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypeVar

from benchmarks.blocks import MEASURES
from benchmarks.commands import parse_command
from benchmarks.kafka import parse_cluster
from benchmarks.probes import faults_of
from benchmarks.sizes import FULL, QUICK, Sizes
from benchmarks.targets import BARE, BEFORE, DIRECT, DIRECT_SASL, INTERPRETED, KORDON, parse_target, target_at

T = TypeVar("T")


def read_options(words: Sequence[str], about: str | None) -> argparse.Namespace:
    """What the words say. Exits with an error where they do not fit together, or do not fit what runs."""
    parser = _parser(about)
    options = parser.parse_args(words)
    started_here = {DIRECT, DIRECT_SASL, BARE, BEFORE, INTERPRETED, KORDON}
    names = [target.name for target in options.targets]
    if taken := sorted({name for name in names if names.count(name) > 1 or name in started_here}):
        parser.error(f"there is more than one target {', '.join(taken)}: choose another name")
    if unknown := sorted(set(options.without) - {*started_here, *names}):
        parser.error(f"--without: there is no target {', '.join(unknown)}")
    if KORDON in options.without:
        parser.error("--without: kordon is what the others are measured for, so it cannot be left out")
    if options.targets and options.kafka is None:
        parser.error(
            "targets that run already stand in front of a Kafka that runs already: say with --kafka which; "
            "`python -m benchmarks kafka` starts one"
        )
    if options.kafka is not None:
        kafkas = (target_at(DIRECT, options.kafka.plain), target_at(DIRECT_SASL, options.kafka.sasl, sasl=True))
        if faults := faults_of((*kafkas, *options.targets)):
            sys.exit("\n".join(faults))
    return options


def _parser(about: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "targets",
        nargs="*",
        type=_by(parse_target),
        metavar="NAME=HOST:PORT[,pid=PID][,sasl]",
        help="what else is measured: it runs already, on a loopback address, in front of --kafka; pid (or pid=@FILE): "
        "whose CPU time and memory count; sasl: clients log in as bench / bench-secret",
    )
    listed = ", ".join(MEASURES)
    parser.add_argument("--only", type=_measures, metavar="NAMES", help=f"measures, separated by commas: {listed}")
    parser.add_argument("--skip", type=_measures, default=(), metavar="NAMES", help="measures that are left out")
    parser.add_argument("--quick", action="store_true", help="less of everything, one round, nothing that is slow")
    parser.add_argument("--rounds", type=_count, metavar="N", help="besides the first, which is forgotten")
    parser.add_argument("--cold", action="store_true", help="without that first round")
    parser.add_argument("--megabytes", type=_count, metavar="N", help="produced, and consumed, a round and target")
    parser.add_argument("--round-trips", type=_count, metavar="N", help="of each kind")
    parser.add_argument("--connections", type=_count, metavar="N", help="that are idle")
    parser.add_argument("--topics", type=_count, metavar="N", help="for Metadata of all of them")
    parser.add_argument("--rules", type=_count, metavar="N", help="of the policy that is reloaded")
    parser.add_argument(
        "--growth", type=_count, metavar="N", help="how many times as much there is of what must not matter"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write a result file (JSON), for `table`")
    parser.add_argument("--pin", type=_pins, metavar="OURS:THEIRS", help="CPUs of client and broker, of targets: 0:1")
    parser.add_argument(
        "--kafka",
        type=_by(parse_cluster),
        metavar="PLAIN,SASL[,pid=PID]",
        help="use one that runs, at HOST:PORT without and HOST:PORT with login",
    )
    parser.add_argument(
        "--start",
        action="append",
        type=_by(parse_command),
        default=[],
        metavar="NAME=HOST:PORT:COMMAND",
        help="time this command, too, until it answers there; it is ended afterwards",
    )
    parser.add_argument(
        "--before", type=_checkout, metavar="CHECKOUT", help="also measure the Kordon of another checkout"
    )
    parser.add_argument(
        "--without", type=_words, default=(), metavar="NAMES", help="targets that are left out: bare, interpreted, …"
    )
    return parser


def sizes_of(options: argparse.Namespace) -> Sizes:
    given = {name: value for name in asdict(FULL) if (value := getattr(options, name, None)) is not None}
    return replace(QUICK if options.quick else FULL, **given)


def _by(parse: Callable[[str], T]) -> Callable[[str], T]:
    """For argparse, which tells what is wrong by no other kind of error."""

    def parsed(text: str) -> T:
        try:
            return parse(text)
        except (ValueError, OSError) as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parsed


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text} is no number from 1 on")
    return int(text)


def _checkout(text: str) -> Path:
    """Without Kordon in it, the one of this checkout would be measured in its place."""
    if not (Path(text) / "proxy" / "kordon_proxy").is_dir():
        raise argparse.ArgumentTypeError(f"{text} is no checkout of Kordon: it has no proxy/kordon_proxy")
    return Path(text)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def _measures(text: str) -> tuple[str, ...]:
    names = _words(text)
    if unknown := sorted(set(names) - set(MEASURES)):
        raise argparse.ArgumentTypeError(f"there is no measure {', '.join(unknown)}; there are {', '.join(MEASURES)}")
    return names


def _pins(text: str) -> tuple[frozenset[int], frozenset[int]]:
    ours, _, theirs = text.partition(":")
    if not all(number.isdecimal() for number in (*ours.split(","), *theirs.split(","))):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form OURS:THEIRS, as 0:1 or 0,1:2,3")
    here = os.sched_getaffinity(0)
    pins = frozenset(map(int, ours.split(","))), frozenset(map(int, theirs.split(",")))
    if not (pins[0] | pins[1]) <= here:
        raise argparse.ArgumentTypeError(f"this machine has the CPUs {', '.join(map(str, sorted(here)))}")
    return pins
