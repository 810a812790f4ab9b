"""Pictures of a run, as SVG that is the same whenever it is made from the same file with the same library."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from matplotlib import rc_context
from matplotlib.figure import Figure as Drawing

from benchmarks.figures import Compare
from benchmarks.results import Results
from benchmarks.sections import figures_of
from benchmarks.table import Rounds, compare_of, grouped, held

_STYLE: Final[Any] = {
    "svg.hashsalt": "kordon",  # ids in the file are made of this, in place of chance
    "svg.fonttype": "none",  # text stays text, which is shorter and can be searched
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_COLOURS: Final = ("#9aa5b1", "#52606d", "#d9a441", "#7b5ea7", "#3d8f6f", "#2f6fab", "#c0504d", "#8c564b")
_DARK: Final = "#1f2933"
_LABELS: Final[Mapping[Compare, str]] = {
    Compare.RATIO: "{unit}, ratio to {base}",
    Compare.DIFFERENCE: "{unit}, difference to {base}",
    Compare.NOTHING: "{unit}",
}


def plot(results: Results, section: str, file: Path) -> None:
    """Draw the figures of a section: a bar for each target, and how far the rounds lie apart.

    What is compared with the first target is drawn as its ratio or difference to that.
    """
    rows = grouped(results.rows)
    panels: dict[tuple[Compare, str], list[str]] = {}
    for name in figures_of(section, rows):
        panels.setdefault((compare_of(results.rows, name), _unit(name)), []).append(name)
    heights = [len(names) for names in panels.values()]
    size = (9.0, 1 + 0.7 * len(heights) + (0.3 + 0.16 * len(results.targets)) * sum(heights))
    with rc_context(_STYLE):
        drawing = Drawing(figsize=size, layout="constrained")
        parts = drawing.subplots(len(heights), squeeze=False, height_ratios=heights)
        bars: dict[str, Any] = {}
        for (axes,), ((kind, unit), names) in zip(parts, panels.items(), strict=True):
            _draw(axes, results.targets, {name: rows[name] for name in names}, kind)
            axes.set_xlabel(_LABELS[kind].format(base=results.targets[0], unit=unit))
            drawn, labels = axes.get_legend_handles_labels()
            bars |= dict(zip(labels, drawn, strict=True))
        shown = [target for target in results.targets if target in bars]
        drawing.legend([bars[one] for one in shown], shown, loc="outside upper center", ncols=7, frameon=False)
        file.parent.mkdir(parents=True, exist_ok=True)
        drawing.savefig(file, format="svg", metadata={"Date": None, "Creator": "python -m benchmarks"})


def _unit(figure: str) -> str:
    """Figures of one unit share an axis."""
    return figure.rpartition(", ")[2]


def _draw(axes: Any, targets: Sequence[str], figures: Mapping[str, Mapping[str, Rounds]], kind: Compare) -> None:
    base = targets[0]
    shown = targets if kind is Compare.NOTHING else targets[1:]
    height = 0.8 / len(targets)
    for place, target in enumerate(shown):
        bars = [
            (at - 0.4 + (place + 0.5) * height, values)
            for at, by_target in enumerate(figures.values())
            if (values := held(by_target.get(target, {}), by_target.get(base, {}), kind))
        ]
        if not bars:
            continue
        middles = [statistics.median(values) for _, values in bars]
        reach = [
            [middle - min(values) for middle, (_, values) in zip(middles, bars, strict=True)],
            [max(values) - middle for middle, (_, values) in zip(middles, bars, strict=True)],
        ]
        axes.barh(
            [at for at, _ in bars],
            middles,
            height,
            xerr=reach,
            label=target,
            color=_COLOURS[targets.index(target) % len(_COLOURS)],
            error_kw={"elinewidth": 0.8, "ecolor": _DARK},
        )
    axes.set_yticks(range(len(figures)), labels=list(figures))
    axes.invert_yaxis()
    axes.axvline(1 if kind is Compare.RATIO else 0, color=_DARK, linewidth=0.8)
