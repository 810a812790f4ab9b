"""The table of a run: a row for each figure, a column for each target."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from benchmarks.figures import Compare, Row
from benchmarks.results import Results
from benchmarks.targets import BARE, BEFORE, DIRECT_SASL, INTERPRETED, KORDON

Rounds = Mapping[int, float]
"""Of one figure of one target: round to value."""
COMPARED: Final = (DIRECT_SASL, BARE, BEFORE, INTERPRETED)
"""With whom Kordon is compared too, besides the first target, which all are compared with."""


def legend(results: Results) -> str:
    """How a cell of the table is read."""
    first = results.targets[0]
    return (
        f"the median of the rounds (the least–the most) · the same beside {first} in the same round: "
        f"× times as much, + or - so much more or less; –: not measured"
    )


def table(results: Results, names: Iterable[str] | None = None) -> str:
    """In Markdown: all figures, or those of these names.

    A cell has the median of the rounds, and behind it the ratio (×) or the difference to the first target within each
    round: the median of these, and the least and the most.
    """
    by_name = grouped(results.rows)
    chosen = list(by_name if names is None else (name for name in names if name in by_name))
    others = [name for name in COMPARED if {name, KORDON} <= set(results.targets) and name != results.targets[0]]
    head = ["measure", *results.targets, *(f"{KORDON} to {name}" for name in others)]
    lines = ([name, *_cells(by_name[name], results.targets, others, compare_of(results.rows, name))] for name in chosen)
    return markdown(head, lines)


def markdown(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table whose columns are of figures, but for the first."""
    marks = ["---", *["---:"] * (len(head) - 1)]
    return "".join(f"| {' | '.join(line)} |\n" for line in (head, marks, *lines))


def grouped(rows: Sequence[Row]) -> dict[str, dict[str, dict[int, float]]]:
    """Name of a figure to target to round to value, in the order of the rows."""
    found: dict[str, dict[str, dict[int, float]]] = {}
    for row in rows:
        found.setdefault(row.figure.name, {}).setdefault(row.target, {})[row.round] = row.figure.value
    return found


def compare_of(rows: Sequence[Row], name: str) -> Compare:
    return next(row.figure.compare for row in rows if row.figure.name == name)


def compared(mine: Rounds, theirs: Rounds, compare: Compare) -> list[float]:
    """Ratios or differences within the rounds that both have."""
    both = [(value, theirs[number]) for number, value in mine.items() if number in theirs]
    if compare is Compare.RATIO:
        return [value / base for value, base in both if base]
    return [value - base for value, base in both]


def held(mine: Rounds, theirs: Rounds, compare: Compare) -> list[float]:
    """Values as they are where they are compared with nothing, else `compared`."""
    return list(mine.values()) if compare is Compare.NOTHING else compared(mine, theirs, compare)


def _cells(
    values: Mapping[str, Rounds], targets: Sequence[str], others: Sequence[str], compare: Compare
) -> Iterable[str]:
    base = values.get(targets[0], {})
    for target in targets:
        mine = values.get(target, {})
        if not mine:
            yield "–"
        elif target == targets[0] or compare is Compare.NOTHING or not base:
            yield absolute(list(mine.values()))
        else:
            yield f"{number(statistics.median(mine.values()))} · {comparison(mine, base, compare)}"
    for target in others:
        both = (values.get(KORDON, {}), values.get(target, {}))
        # What `direct` has not, as CPU time of a proxy, may still be compared with another proxy's.
        against = Compare.RATIO if compare is Compare.NOTHING else compare
        yield comparison(*both, against) if all(both) else "–"


def comparison(mine: Rounds, theirs: Rounds, compare: Compare) -> str:
    found = compared(mine, theirs, compare)
    if not found:
        return "–"
    if compare is Compare.RATIO:
        return f"×{spread(found)}"
    return spread(found, sign="+")


def absolute(values: Sequence[float]) -> str:
    """The median, and the least and the most where there are several."""
    text = number(statistics.median(values))
    low, high = number(min(values)), number(max(values))
    return text if low == high else f"{text} ({low}–{high})"


def spread(values: Sequence[float], sign: str = "") -> str:
    """Median, least and most."""
    low, middle, high = min(values), statistics.median(values), max(values)
    text = f"{middle:{sign}.2f}"
    return text if len(values) == 1 else f"{text} ({low:{sign}.2f}–{high:{sign}.2f})"


def told(value: float, compare: Compare) -> str:
    """A value that stands for itself, a ratio or a difference."""
    return {Compare.RATIO: f"×{value:.2f}", Compare.DIFFERENCE: f"{value:+.2f}"}.get(compare, number(value))


def number(value: float) -> str:
    """With as many places as are worth something."""
    size = abs(value)
    return f"{value:.0f}" if size >= 100 or value == int(value) else f"{value:.{1 if size >= 10 else 2}f}"
