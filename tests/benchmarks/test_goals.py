"""What was wanted, beside what was found."""

import pytest

from benchmarks.figures import Compare, Row
from benchmarks.goals import GOALS, Goal, goals_table, is_met
from benchmarks.results import Results
from tests.benchmarks.results import CPU, SPEED, rows


def results(*rows: Row) -> Results:
    return Results(command="", versions={}, machine={}, sizes={}, targets=("direct", "bare", "kordon"), rows=rows)


def test_a_figure_is_held_as_it_is_or_against_kafka_itself() -> None:
    cpu = [
        *rows("bare", CPU, [0.4, 0.5, 0.3], Compare.NOTHING),
        *rows("kordon", CPU, [0.45, 0.6, 0.48], Compare.NOTHING),
    ]
    speed = [*rows("direct", SPEED, [1_000]), *rows("bare", SPEED, [600]), *rows("kordon", SPEED, [590])]

    lines = goals_table(results(*cpu, *speed)).splitlines()[2:]

    assert lines == [
        "| raw fetch, CPU s/GB | ≤ 0.50 | 0.48 (0.45–0.60) | yes | 0.46 | 0.40 (0.30–0.50) |",
        "| raw fetch, MB/s | ≥ ×0.60 | ×0.59 | no | ×0.60 | ×0.60 |",
    ]


def test_what_is_not_compiled_has_a_column_where_it_was_measured() -> None:
    cpu = [*rows("interpreted", CPU, [0.7], Compare.NOTHING), *rows("kordon", CPU, [0.5], Compare.NOTHING)]
    found = Results(
        command="", versions={}, machine={}, sizes={}, targets=("direct", "interpreted", "kordon"), rows=[*cpu]
    )

    head, _, line = goals_table(found).splitlines()

    assert head.endswith("| relay, when that was set | `interpreted` in this run |")
    assert line == "| raw fetch, CPU s/GB | ≤ 0.50 | 0.50 | yes | 0.46 | 0.70 |"


@pytest.mark.parametrize(("at_least", "met"), [(False, [True, True, False]), (True, [False, True, True])])
def test_a_bound_is_met_when_it_is_just_reached(at_least: bool, met: list[bool]) -> None:
    goal = Goal(figure=CPU, bound=1.0, at_least=at_least)
    assert [is_met(goal, found) for found in (0.9, 1.0, 1.1)] == met


def test_no_two_goals_are_for_the_same_figure() -> None:
    assert len({goal.figure for goal in GOALS}) == len(GOALS)
