"""Ratios are taken within a round, and the table shows the median with the least and the most."""

from pathlib import Path

from benchmarks.figures import Compare
from benchmarks.results import Results
from benchmarks.table import absolute, compared, number, spread, table
from tests.benchmarks.results import SPEED, a_result


def test_a_ratio_is_that_of_the_same_round() -> None:
    # In the second round the machine was busy, for both.
    assert compared({0: 50, 1: 5, 2: 60}, {0: 100, 1: 10, 2: 100}, Compare.RATIO) == [0.5, 0.5, 0.6]


def test_a_round_that_one_of_them_lacks_is_left_out() -> None:
    assert compared({0: 3, 2: 5}, {0: 1, 1: 1}, Compare.DIFFERENCE) == [2]


def test_there_is_no_ratio_to_nothing() -> None:
    assert compared({0: 3}, {0: 0}, Compare.RATIO) == []


def test_the_table_has_a_row_for_each_figure_and_compares_with_the_first_target_and_with_login() -> None:
    assert table(a_result()) == (
        "| measure | direct | direct-sasl | kordon | kordon to direct-sasl |\n"
        "| --- | ---: | ---: | ---: | ---: |\n"
        "| raw fetch, MB/s | 2000 (1000–4000) | 1000 · ×0.50 (0.25–1.00) | 1000 · ×0.50 (0.25–0.80) "
        "| ×1.00 (0.50–1.60) |\n"
        "| raw fetch, CPU s/GB | – | – | 0.62 (0.50–0.70) | – |\n"
        "| Produce round trip p50, ms | 0.20 (0.10–0.30) | – | 0.20 · +0.05 (+0.00–+0.15) | – |\n"
    )


def test_the_table_can_be_of_some_figures() -> None:
    assert len(table(a_result(), [SPEED, "what nobody has measured"]).splitlines()) == 3


def test_numbers_have_as_many_places_as_are_worth_something() -> None:
    assert [number(value) for value in (0.123, 3.0, 12.34, 123.4, -0.05)] == ["0.12", "3", "12.3", "123", "-0.05"]
    assert absolute([2.0]) == "2"
    assert spread([0.5]) == "0.50"


def test_a_result_file_says_all_that_the_run_has_said(tmp_path: Path) -> None:
    a_result().write(tmp_path / "new" / "a.json")

    assert Results.read(tmp_path / "new" / "a.json") == a_result()
