"""How much is measured."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Of one round and one target, unless said otherwise."""

    rounds: int
    megabytes: int  # produced, and consumed; raw drivers move twice and four times as much
    round_trips: int  # of each kind
    rates: tuple[int, ...]  # messages a second
    seconds: float  # at each rate
    connections: int
    topics: int
    reads: int  # of the metadata of all topics
    members: int
    rebalances: int
    starts: int
    rules: int  # of the policy that is reloaded
    growth: int  # how many times as much there is of what must not matter


FULL: Final = Sizes(
    rounds=3,
    megabytes=250,
    round_trips=2_000,
    rates=(1_000, 4_000),
    seconds=3,
    connections=5_000,
    topics=5_000,
    reads=10,
    members=50,
    rebalances=10,
    starts=3,
    rules=100_000,
    growth=1_000,
)
QUICK: Final = Sizes(
    rounds=1,
    megabytes=40,
    round_trips=500,
    rates=(1_000,),
    seconds=1,
    connections=500,
    topics=500,
    reads=5,
    members=50,
    rebalances=3,
    starts=1,
    rules=1_000,
    growth=100,
)
RECORD: Final = 1_000
"""Bytes of a record."""
PARTITIONS: Final = 4
