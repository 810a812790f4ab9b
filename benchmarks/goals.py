"""What was wanted of one Kordon process with everything on, beside what a run has found."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from benchmarks.figures import Compare
from benchmarks.results import Results
from benchmarks.table import Rounds, absolute, compare_of, comparison, grouped, held, markdown, told
from benchmarks.targets import BARE, DIRECT, INTERPRETED, KORDON


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A bound for a figure.

    figure: its name, or a pattern of it.
    relay: what a relay like the bare one had when the bound was set, on another machine; none: it was not measured.
    at_least: more is better; otherwise less is.
    base: the target that the figure is held against as the table does it; none: it is taken as it is.
    """

    figure: str
    bound: float
    relay: float | None = None
    at_least: bool = False
    base: str | None = None


GOALS: Final = (
    Goal(figure="consume, CPU s/GB", bound=0.55, relay=0.50),
    Goal(figure="raw fetch, CPU s/GB", bound=0.50, relay=0.46),
    Goal(figure="produce, acks=1, CPU s/GB", bound=1.1, relay=1.05),
    Goal(figure="raw produce, CPU s/GB", bound=0.65, relay=0.55),
    Goal(figure="raw fetch, MB/s", bound=0.60, relay=0.60, at_least=True, base=DIRECT),
    Goal(figure="raw produce, MB/s", bound=0.80, relay=0.87, at_least=True, base=DIRECT),
    Goal(figure="consume, MB/s", bound=0.93, relay=0.88, at_least=True, base=DIRECT),
    Goal(figure="produce, acks=1, MB/s", bound=0.85, relay=0.84, at_least=True, base=DIRECT),
    Goal(figure="Produce round trip p50, ms", bound=0.06, relay=0.06, base=DIRECT),
    Goal(figure="Metadata round trip p50, ms", bound=0.07, relay=0.16, base=DIRECT),
    Goal(figure="ack latency at 1,000/s, p50, ms", bound=0.10, relay=0.08, base=DIRECT),
    Goal(figure="Metadata of [0-9],[0-9][0-9][0-9] topics, p50, ms", bound=1.3, relay=7.0, base=DIRECT),
    Goal(figure="Metadata of * of * topics, p50, ms", bound=0.25, base=DIRECT),
    Goal(figure="CPU ms for a new connection", bound=0.6, relay=0.36),
    Goal(figure="memory of an idle connection *", bound=10),
    Goal(figure="start to ready, ms", bound=500),
    Goal(figure="peak memory under load, MB", bound=75, relay=35),
    Goal(figure="requests/s of two workers to one, ×", bound=1.8, at_least=True),
)


def goals_table(results: Results) -> str:
    """A line for each goal that the run has a figure for."""
    others = [name for name in (BARE, INTERPRETED) if name in results.targets]
    head = [
        "measure",
        "wanted",
        "found",
        "met",
        "relay, when that was set",
        *(f"`{name}` in this run" for name in others),
    ]
    return markdown(head, (line for goal in GOALS for line in _lines(goal, results, others)))


def _lines(goal: Goal, results: Results, others: Sequence[str]) -> Iterator[list[str]]:
    for figure, values in grouped(results.rows).items():
        if not fnmatchcase(figure, goal.figure) or KORDON not in values:
            continue
        kind = compare_of(results.rows, figure) if goal.base else Compare.NOTHING
        base = values.get(goal.base, {}) if goal.base else {}
        found = statistics.median(held(values[KORDON], base, kind))
        yield [
            figure,
            f"{'≥' if goal.at_least else '≤'} {told(goal.bound, kind)}",
            _shown(values[KORDON], base, kind),
            "yes" if is_met(goal, found) else "no",
            "–" if goal.relay is None else told(goal.relay, kind),
            *(_shown(values[name], base, kind) if name in values else "–" for name in others),
        ]


def is_met(goal: Goal, found: float) -> bool:
    return found >= goal.bound if goal.at_least else found <= goal.bound


def _shown(mine: Rounds, base: Rounds, kind: Compare) -> str:
    return absolute(list(mine.values())) if kind is Compare.NOTHING else comparison(mine, base, kind)
