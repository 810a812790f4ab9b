"""The page about performance: its tables and pictures are made from result files, between marks.

    <!-- benchmarks: table main throughput -->     the figures of a section
    <!-- benchmarks: plot main throughput -->      the same as a picture
    <!-- benchmarks: about main -->                when, on what, with what, by which command
    <!-- benchmarks: goals main -->               what was wanted, and what was found
    <!-- benchmarks: exchanges -->                what single exchanges take, judged and not judged again
    <!-- benchmarks: soak -->                     how a long run went
    <!-- benchmarks: meter main -->               the same by an independent meter
    <!-- benchmarks: peers main peers -->          beside what an independent meter has found of others
    <!-- end -->

`main` is `benchmarks/results/main.json`. `python -m benchmarks page` writes the page anew, and its pictures.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from benchmarks.goals import goals_table
from benchmarks.meter import meter_table
from benchmarks.peers import peers_table, read_runs
from benchmarks.plots import plot
from benchmarks.results import Results
from benchmarks.sections import figures_of
from benchmarks.soak import windows_table
from benchmarks.table import grouped, markdown, table

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "performance.md"
RESULTS: Final = ROOT / "benchmarks" / "results"
PICTURES: Final = "performance"
"""The folder of pictures beside the page."""
_BLOCK: Final = re.compile(r"(<!-- benchmarks: ([a-z -]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(text: str) -> str:
    """The page with what belongs between its marks. Raises ValueError for a mark that says nothing we know."""
    return _BLOCK.sub(lambda block: f"{block[1]}\n{_content(block[2])}\n{block[3]}", text)


def write_page() -> None:
    """The page and its pictures."""
    text = PAGE.read_text(encoding="utf-8")
    for run, section in pictures(text):
        plot(Results.read(RESULTS / f"{run}.json"), section, PAGE.parent / PICTURES / f"{run}-{section}.svg")
    PAGE.write_text(filled(text), encoding="utf-8")


def pictures(text: str) -> Iterator[tuple[str, str]]:
    """The run and the section of each picture of a page."""
    for block in _BLOCK.finditer(text):
        words = block[2].split()
        if words[0] == "plot":
            yield words[1], words[2]


def _content(words: str) -> str:
    match words.split():
        case ["table", run, section]:
            results = Results.read(RESULTS / f"{run}.json")
            return table(results, figures_of(section, grouped(results.rows)))
        case ["plot", run, section]:
            return f"![{section.replace('-', ' ')}, {run}]({PICTURES}/{run}-{section}.svg)\n"
        case ["about", run]:
            return _about(Results.read(RESULTS / f"{run}.json"))
        case ["goals", run]:
            return goals_table(Results.read(RESULTS / f"{run}.json"))
        case ["exchanges"]:
            return exchanges_table(RESULTS / "exchanges.json")
        case ["soak"]:
            return soak_table(RESULTS / "soak.json")
        case ["meter", run]:
            return meter_table(RESULTS / "meter.json", Results.read(RESULTS / f"{run}.json"))
        case ["peers", run, peers]:
            return peers_table(read_runs(RESULTS / f"{peers}.json"), Results.read(RESULTS / f"{run}.json"))
    raise ValueError(f"what is {words!r}?")


def exchanges_table(file: Path) -> str:
    """Microseconds: the least of all rounds, in a loop and with others in the processor's caches meanwhile."""
    told = json.loads(file.read_text(encoding="utf-8"))
    ways = list(next(iter(told["exchanges"].values())))
    head = ["exchange", *(f"{way}, {where}, µs" for way in ways for where in ("hot", "cold"))]
    lines = (
        [name, *(f"{found[way][where]:.1f}" for way in ways for where in ("hot", "cold"))]
        for name, found in told["exchanges"].items()
    )
    about = [told["when"], *_with_and_on(told["versions"], told["machine"]), f"`{told['command']}`"]
    return f"{_listed(about)}\n{markdown(head, lines)}"


def soak_table(file: Path) -> str:
    """What a long run has found, and with what and on what."""
    result = json.loads(file.read_text(encoding="utf-8"))
    lines = [
        result["when"],
        *_with_and_on(result["versions"], result["machine"]),
        f"`{result['command']}`",
        "happened: " + ", ".join(f"{count:,} {name}" for name, count in result["happened"].items()),
        f"open files with nobody there: {result['files']['before']} before, {result['files']['after']} after",
        "faults: " + ("; ".join(result["faults"]) or "none"),
    ]
    return f"{_listed(lines)}\n{windows_table(result)}"


def _about(results: Results) -> str:
    lines = (
        f"{results.when}, {results.seconds} s, {results.sizes['rounds']} rounds besides the one that warms up",
        *_with_and_on(results.versions, results.machine),
        f"`{results.command}`",
        *(f"failed: {failure}" for failure in results.failures),
    )
    return _listed(lines)


def _with_and_on(versions: Mapping[str, str], machine: Mapping[str, object]) -> Iterator[str]:
    yield ", ".join(f"{name}: {value}" for name, value in machine.items())
    yield ", ".join(f"{name} {version}" for name, version in versions.items())


def _listed(lines: Iterable[str]) -> str:
    return "".join(f"* {line}\n" for line in lines)
