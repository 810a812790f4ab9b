"""What an independent meter has found of other proxies, beside what the suite has found of Kordon."""

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final, TypeVar

from benchmarks.results import Results
from benchmarks.table import compare_of, grouped, held, markdown, told
from benchmarks.targets import KORDON

T = TypeVar("T")
MORE_IS_BETTER: Final = ", MB/s"
"""How figures end of which more is better; of all others less is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of the meter.

    figures: name of a figure of the suite, or a pattern of it, to peer to median: compared with the cluster itself as
    the suite compares that figure.
    """

    name: str
    about: str
    figures: Mapping[str, Mapping[str, float]]

    @property
    def peers(self) -> list[str]:
        return list(dict.fromkeys(peer for values in self.figures.values() for peer in values))


def read_runs(file: Path) -> list[Run]:
    """Raises OSError, and ValueError, KeyError or TypeError for a file that is none of ours."""
    return [Run(**run) for run in json.loads(file.read_text(encoding="utf-8"))["runs"]]


def peers_table(runs: Sequence[Run], results: Results) -> str:
    """Each figure that a peer has: Kordon's median, those of the peers in each run, and who is better than Kordon."""
    columns = [(run, peer) for run in runs for peer in run.peers]
    head = ["measure", KORDON, *(f"{peer}, {run.name}" for run, peer in columns), "better than Kordon"]
    return markdown(head, (line for pattern in _patterns(runs) for line in _lines(pattern, columns, results)))


def better(figure: str, ours: float, theirs: Mapping[T, float]) -> list[T]:
    """Those whose figure is better than ours."""
    sign = 1 if figure.endswith(MORE_IS_BETTER) else -1
    return [peer for peer, value in theirs.items() if sign * value > sign * ours]


def _patterns(runs: Sequence[Run]) -> list[str]:
    return list(dict.fromkeys(pattern for run in runs for pattern in run.figures))


def _lines(pattern: str, columns: Sequence[tuple[Run, str]], results: Results) -> Iterator[list[str]]:
    by_name = grouped(results.rows)
    for figure, values in by_name.items():
        if not fnmatchcase(figure, pattern) or KORDON not in values:
            continue
        kind = compare_of(results.rows, figure)
        base = values.get(results.targets[0], {})
        ours = statistics.median(held(values[KORDON], base, kind))
        theirs = [run.figures.get(pattern, {}).get(peer) for run, peer in columns]
        best = {
            (run.name, peer): value for (run, peer), value in zip(columns, theirs, strict=True) if value is not None
        }
        shown = ["–" if value is None else told(value, kind) for value in theirs]
        names = dict.fromkeys(peer for _, peer in better(figure, ours, best))
        yield [figure, told(ours, kind), *shown, "; ".join(names) or "–"]
