"""What one decision costs, without a wire: with so many rules, among so many tenants, after so many other names.

A decision is the question whether a topic may be produced to, with the one whether the tenant sees it.
"""

import time
from collections.abc import Iterable
from typing import Final

from benchmarks.figures import Compare, Figure
from benchmarks.micro.decide import CLUSTER, ROLES, among_tenants, snapshot
from kordon_policy.actions import Action, Kind
from kordon_policy.snapshot import Snapshot

_ASKED: Final = 20_000
_KNOWN: Final = "tx_payments"


def decisions(counts: Iterable[int], rounds: int) -> list[list[Figure]]:
    """Microseconds of CPU time, round by round."""
    worlds = [(count, snapshot(count), among_tenants(count)) for count in counts]
    return [[figure for world in worlds for figure in _round(*world, number)] for number in range(rounds)]


def _round(count: int, with_rules: Snapshot, with_tenants: Snapshot, number: int) -> list[Figure]:
    new = [f"tx_payments-{number}-{at}" for at in range(_ASKED)]
    known = [_KNOWN] * _ASKED
    found = [
        Figure(f"decision, new name, {count:,} rules, µs", _asked(with_rules, new)),
        Figure(f"decision, known name, {count:,} rules, µs", _asked(with_rules, known)),
        Figure(f"decision, new name, {count:,} tenants, µs", _asked(with_tenants, new)),
        Figure(f"decision, known name, {count:,} tenants, µs", _asked(with_tenants, known)),
    ]
    _asked(with_tenants, [f"tx_{number}-{at}" for at in range(count)])
    found.append(Figure(f"decision, known name, after {count:,} others, µs", _asked(with_tenants, known)))
    return [figure._replace(compare=Compare.NOTHING) for figure in found]


def _asked(world: Snapshot, names: list[str]) -> float:
    """Microseconds for each."""
    rights, view = world.rights(ROLES, CLUSTER, "alice"), world.view("Trading", CLUSTER)
    rights.decide(Action.TOPIC_PRODUCE, Kind.TOPIC, _KNOWN)
    view.sees(Kind.TOPIC, _KNOWN)
    begin = time.process_time()
    for name in names:
        view.sees(Kind.TOPIC, name)
        rights.decide(Action.TOPIC_PRODUCE, Kind.TOPIC, name)
    return 1e6 * (time.process_time() - begin) / len(names)
