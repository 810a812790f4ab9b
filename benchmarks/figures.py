"""What was measured: one value of one target in one round, and how it is compared with others."""

from enum import StrEnum
from typing import NamedTuple

GIGABYTE = 1_000_000_000
MEGABYTE = 1_000_000


class Compare(StrEnum):
    """By what a figure is held against that of another target."""

    RATIO = "ratio"
    DIFFERENCE = "difference"
    NOTHING = "nothing"


class Figure(NamedTuple):
    """`name` says what it is and in which unit: it is the row's title in the table."""

    name: str
    value: float
    compare: Compare = Compare.RATIO


class Row(NamedTuple):
    """A figure with where it comes from."""

    target: str
    round: int
    figure: Figure


def quantile(values: list[float], share: float) -> float:
    """Of sorted values, the one below which this share of them is."""
    return values[min(len(values) - 1, int(len(values) * share))]
