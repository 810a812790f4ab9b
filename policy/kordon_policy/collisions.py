"""Tenants whose topics can get into each other's way.

Kafka refuses a topic whose name differs from an existing one in dots and underscores alone, as both are the same letter
in the names of its metrics (`Topic.hasCollision`). The refusal tells a tenant that such a topic is there, although it
may not see it. No answer can hide that, so tenants are better kept apart by other letters.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from operator import itemgetter
from typing import Final, NamedTuple

from kordon_policy.actions import Domain, Kind
from kordon_policy.model import Path, Tenant
from kordon_policy.patterns import Pattern, meet, pattern

COMPARED: Final = 100_000
"""Pairs of patterns that are looked at. A file with more is not looked at to its end: this is good to know, no more."""


class Included(NamedTuple):
    """Topics of a tenant."""

    place: int
    """Of the tenant in the file."""
    tenant: Tenant
    path: Path
    name: Pattern


def collisions(tenants: Iterable[Tenant]) -> Iterator[tuple[Included, Included]]:
    """Topics that can collide with those of an earlier tenant; the first that are found of each two tenants."""
    found = set()
    for pair in islice(_alike(_included(tenants)), COMPARED):
        other, one = sorted(pair, key=lambda included: included.place)
        places = other.place, one.place
        if other.place == one.place or places in found:
            continue
        if _in_one_cluster(one.path, other.path) and may_collide(one.name, other.name):
            found.add(places)
            yield one, other


def may_collide(one: Pattern, other: Pattern) -> bool:
    """Can a name of the one differ from a name of the other in dots and underscores alone, and none be of both?"""
    return meet(_folded(one), _folded(other)) and not meet(one, other)


def _included(tenants: Iterable[Tenant]) -> Iterator[Included]:
    for place, tenant in enumerate(tenants):
        for selector in () if tenant.shadow else tenant.includes:
            for path in selector.paths:
                if path.name is not None and path.reaches(Kind.TOPIC, Domain.CLUSTER):
                    yield Included(place, tenant, path, path.name)


def _alike(included: Iterable[Included]) -> Iterator[tuple[Included, Included]]:
    """Pairs whose names can begin alike: in order, what begins with a text stands behind it in one run."""
    ordered = sorted(((_fold(one.name.head), one) for one in included), key=itemgetter(0))
    for start, (head, one) in enumerate(ordered):
        for next_one in range(start + 1, len(ordered)):
            other_head, other = ordered[next_one]
            if not other_head.startswith(head):
                break
            yield one, other


def _in_one_cluster(one: Path, other: Path) -> bool:
    return one.domain_id is None or other.domain_id is None or one.domain_id == other.domain_id


def _folded(one: Pattern) -> Pattern:
    return pattern(_fold(one.text))


def _fold(text: str) -> str:
    return text.replace(".", "_")
