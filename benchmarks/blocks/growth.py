"""What must not make requests dearer: many times as many rules, tenants, topics, temporary policies, requests before.

Each row is the CPU time of round trips through a Kordon that has many of something, to that of one that has few.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from benchmarks.apart import apart
from benchmarks.figures import Compare, Figure
from benchmarks.kordons import a_kordon, policy, target_of
from benchmarks.lent import TOKENS, admin_api, deny
from benchmarks.measures.age import live
from benchmarks.measures.side_by_side import side_by_side
from benchmarks.sizes import PARTITIONS
from benchmarks.started import bare_relay
from benchmarks.suite import Suite
from benchmarks.targets import KORDON, Target
from benchmarks.topics import topics

_FEW: Final = 5
_SETTLED: Final = 2.0
"""Seconds in which Kordon has seen that there are other topics."""
_HOUR: Final = 3_600_000
"""Milliseconds, in which everything is over."""
_ASKED: Final = 20
"""Requests of a life, for each thing that another Kordon has many of."""


def growth(suite: Suite) -> None:
    """All rows."""
    many = _FEW * suite.sizes.growth
    with _kordon(suite) as few:
        with _kordon(suite, rules=many) as another:
            _compare(suite, f"{many:,} rules to {_FEW}", few, another)
        with _kordon(suite, tenants=many) as another:
            _compare(suite, f"{many:,} tenants to {_FEW}", few, another)
        with _kordon(suite, temporary=suite.sizes.growth) as another:
            _compare(suite, f"{suite.sizes.growth:,} temporary policies to none", few, another)
        with _kordon(suite) as another, suite.topic("age", another) as topic:
            apart(live, another, topic, many * _ASKED)
            _compare(suite, f"after {many * _ASKED:,} requests to before", few, another)
        _topics(suite, f"{many:,} other topics to none", few, many)


def _compare(suite: Suite, what: str, few: Target, many: Target) -> None:
    for number in range(suite.sizes.rounds):
        _note(suite, number, what, *_cpu(suite, few, many))


def _topics(suite: Suite, what: str, target: Target, many: int) -> None:
    """A cluster cannot have few and many at a time: both are held against the bare relay, which knows no topics."""
    rounds = range(suite.sizes.rounds)
    with bare_relay(suite.admin) as bare:
        before = [_ratio(_cpu(suite, bare, target)) for _ in rounds]
        with topics(suite.admin, [f"other-{number:05}" for number in range(many)]):
            time.sleep(_SETTLED)
            for number in rounds:
                _note(suite, number, what, before[number], _ratio(_cpu(suite, bare, target)))


def _ratio(used: tuple[float, float]) -> float:
    return used[1] / used[0]


def _note(suite: Suite, number: int, what: str, few: float, many: float) -> None:
    suite.note(suite.kordon, number, [Figure(f"CPU of round trips, {what}, ×", many / few, Compare.NOTHING)])


def _cpu(suite: Suite, one: Target, another: Target) -> tuple[float, float]:
    with suite.topic("growth", one, another, partitions=PARTITIONS) as topic:
        return apart(side_by_side, one, another, topic, suite.sizes.round_trips)


@contextmanager
def _kordon(suite: Suite, *, rules: int = _FEW, tenants: int = _FEW, temporary: int = 0) -> Iterator[Target]:
    text = policy(rules=rules, tenants=tenants)
    with a_kordon(suite.there.cluster.plain, text=text, tokens=TOKENS) as kordon:
        with admin_api(kordon) as api:
            for number in range(temporary):
                deny(api, f"bench-other-{number}", _HOUR)
        yield target_of(kordon, KORDON)
