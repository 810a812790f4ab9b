"""What an independent meter has found of the same targets, beside what the suite has found.

The meter's file has a row for each measure of a target in a round, with its own names.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.figures import Compare
from benchmarks.results import Results
from benchmarks.table import Rounds, absolute, compare_of, comparison, grouped, markdown
from benchmarks.targets import DIRECT, KORDON

Told = Mapping[str, Any]
_MEASURES: Final[Mapping[str, tuple[str, Callable[[Told], float]]]] = {
    "produce, acks=1, CPU s/GB": ("produce", lambda row: float(row["proxy_cpu_s_per_gb"])),
    "consume, CPU s/GB": ("consume", lambda row: float(row["proxy_cpu_s_per_gb"])),
    "raw produce, CPU s/GB": ("raw-produce", lambda row: float(row["proxy_cpu_s_per_gb"])),
    "raw fetch, CPU s/GB": ("raw-fetch", lambda row: float(row["proxy_cpu_s_per_gb"])),
    "produce, acks=1, MB/s": ("produce", lambda row: float(row["mb_per_s"])),
    "consume, MB/s": ("consume", lambda row: float(row["mb_per_s"])),
    "raw produce, MB/s": ("raw-produce", lambda row: float(row["mb_per_s"])),
    "raw fetch, MB/s": ("raw-fetch", lambda row: float(row["mb_per_s"])),
    "Produce round trip p50, ms": ("rtt", lambda row: float(row["produce"]["p50"])),
    "Metadata round trip p50, ms": ("rtt", lambda row: float(row["metadata"]["p50"])),
}
"""A figure of the suite to the meter's measure, and where in its row the figure stands."""


def meter_table(file: Path, results: Results) -> str:
    """Kordon by both: CPU time as it is, the rest against Kafka itself in the same round; medians and ranges."""
    told = json.loads(file.read_text(encoding="utf-8"))
    about = f"* {told['when']}, {told['rounds']} rounds of {told['megabytes']} MB\n"
    return f"{about}\n{markdown(['measure', 'the meter', 'the suite'], _lines(told['rows'], results))}"


def _lines(rows: list[Told], results: Results) -> Iterator[list[str]]:
    by_name = grouped(results.rows)
    for figure, (measure, take) in _MEASURES.items():
        if figure not in by_name:
            continue
        kind = compare_of(results.rows, figure)
        targets = (KORDON,) if kind is Compare.NOTHING else (KORDON, DIRECT)
        theirs = {target: _rounds(rows, target, measure, take) for target in targets}
        yield [figure, _shown(theirs, kind), _shown(by_name[figure], kind)]


def _rounds(rows: list[Told], target: str, measure: str, take: Callable[[Told], float]) -> Rounds:
    return {row["round"]: take(row) for row in rows if (row["target"], row["measure"]) == (target, measure)}


def _shown(values: Mapping[str, Rounds], kind: Compare) -> str:
    mine = values[KORDON]
    return absolute(list(mine.values())) if kind is Compare.NOTHING else comparison(mine, values[DIRECT], kind)
