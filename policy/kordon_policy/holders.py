"""Who may do something, as values: rows of a role each, what roles take from each other, and people who are known."""

from dataclasses import dataclass
from typing import NamedTuple

from kordon_policy.access import Access
from kordon_policy.actions import Action, Kind
from kordon_policy.model import Effect, RuleRef
from kordon_policy.patterns import Pattern
from kordon_policy.question import Cluster
from kordon_policy.regions import Region, region_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked: one action on the names that a pattern matches (`None`: any), in some clusters."""

    action: Action
    kind: Kind | None
    pattern: Pattern | None
    clusters: tuple[Cluster, ...]

    @property
    def region(self) -> Region:
        """All names that are asked about."""
        return region_of([self.pattern])


class Person(NamedTuple):
    """Somebody who is known, with all roles that he has."""

    principal: str
    roles: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A holder of one role may do something on some names, in some tenants and clusters.

    role: `"*"` for whoever is in. principal: only this one of its holders. lent, until: the temporary policy that gives
    it, and its end (ms since the epoch). needs: of each of these sets of roles, he needs one besides. if_read: names
    that are in the view if a visible group reads them.
    """

    access: Access
    action: Action
    role: str
    principal: str | None = None
    lent: str | None = None
    until: int | None = None
    rules: tuple[RuleRef, ...]
    clusters: tuple[str, ...]
    tenants: tuple[str, ...]
    needs: tuple[tuple[str, ...], ...] = ()
    region: Region
    if_read: Region

    def __post_init__(self) -> None:
        if not (self.region or self.if_read) or not self.rules:
            raise ValueError("a row has a name at least, and a policy that gives it")


@dataclass(frozen=True, slots=True, kw_only=True)
class Less:
    """Who has both roles does not have what the one has on these names, because of a Deny or a Stage for the other.

    principal: only for this one of the other's holders. until: when the policies that take it end, if they do.
    """

    access: Access
    action: Action
    role: str
    other: str
    principal: str | None
    effect: Effect
    rules: tuple[RuleRef, ...]
    until: int | None
    clusters: tuple[str, ...]
    region: Region


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Somebody who is known may do it on some names."""

    principal: str
    roles: tuple[str, ...]
    access: Access
    clusters: tuple[str, ...]
    tenants: tuple[str, ...]
    region: Region
    if_read: Region


@dataclass(frozen=True, slots=True, kw_only=True)
class WhoCan:
    """The whole answer. incomplete: why it is not complete over all names and all sets of roles; empty if it is.

    until: the instant (ms since the epoch) at which a temporary policy may change it.
    """

    asked: Asked
    rows: tuple[Row, ...]
    less: tuple[Less, ...]
    people: tuple[Known, ...]
    incomplete: tuple[str, ...] = ()
    until: int | None = None
    epoch: int = 1
