"""Kordon beside others, whose figures come from elsewhere."""

from benchmarks.page import RESULTS
from benchmarks.peers import Run, better, peers_table, read_runs
from benchmarks.sections import section_of
from tests.benchmarks.results import CPU, SPEED, TRIP, a_result


def test_more_throughput_is_better_and_less_of_all_else() -> None:
    assert better(SPEED, 0.5, {"slow": 0.4, "as quick": 0.5, "quick": 0.6}) == ["quick"]
    assert better(CPU, 0.5, {"slow": 0.6, "as quick": 0.5, "quick": 0.4}) == ["quick"]


def test_the_table_says_who_is_better_than_kordon() -> None:
    runs = [
        Run(name="busy", about="", figures={SPEED: {"other": 0.7}, CPU: {"other": 0.9, "else": 0.5}}),
        Run(name="quiet", about="", figures={"Produce round trip p??, ms": {"other": 0.06}, "unknown": {"other": 1}}),
    ]

    assert peers_table(runs, a_result()) == (
        "| measure | kordon | other, busy | else, busy | other, quiet | better than Kordon |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: |\n"
        f"| {SPEED} | ×0.50 | ×0.70 | – | – | other |\n"
        f"| {CPU} | 0.62 | 0.90 | 0.50 | – | else |\n"
        f"| {TRIP} | +0.05 | – | – | +0.06 | – |\n"
    )


def test_what_is_known_of_peers_is_of_figures_that_the_suite_has() -> None:
    for run in read_runs(RESULTS / "peers.json"):
        assert run.peers
        for figure in run.figures:
            section_of(figure.replace("*", "5,000"))
