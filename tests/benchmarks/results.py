"""Results of runs that nobody made, to be shown."""

from benchmarks.figures import Compare, Figure, Row
from benchmarks.results import Results

SPEED = "raw fetch, MB/s"
TRIP = "Produce round trip p50, ms"
CPU = "raw fetch, CPU s/GB"


def rows(target: str, name: str, values: list[float], compare: Compare = Compare.RATIO) -> list[Row]:
    """One of each round."""
    return [Row(target, number, Figure(name, value, compare)) for number, value in enumerate(values)]


def a_result() -> Results:
    return Results(
        command="python -m benchmarks --rounds 3",
        versions={"Kafka": "4.3.1"},
        machine={"cores": 2},
        sizes={"rounds": 3},
        targets=("direct", "direct-sasl", "kordon"),
        rows=[
            *rows("direct", SPEED, [1_000, 2_000, 4_000]),
            *rows("direct-sasl", SPEED, [1_000, 1_000, 1_000]),
            *rows("kordon", SPEED, [500, 1_600, 1_000]),
            *rows("kordon", CPU, [0.5, 0.7, 0.625], Compare.NOTHING),
            *rows("direct", TRIP, [0.1, 0.2, 0.3], Compare.DIFFERENCE),
            *rows("kordon", TRIP, [0.15, 0.2, 0.45], Compare.DIFFERENCE),
        ],
        when="2026-11-29T12:00:00Z",
        seconds=12,
    )
