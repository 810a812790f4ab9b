"""Rights cut to what tenants show, as a right to what nobody sees is of no use."""

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from kordon_policy.access import CREATES
from kordon_policy.actions import Action, Kind
from kordon_policy.model import Tenant
from kordon_policy.question import Cluster, World
from kordon_policy.reach import inferable, inferred_region, shown
from kordon_policy.regions import EMPTY, Region, TooComplex, intersect, union


class Seen(NamedTuple):
    """The names that a tenant shows, and those that it shows if a visible group reads them."""

    shown: Region
    if_read: Region

    def __bool__(self) -> bool:
        return bool(self.shown or self.if_read)

    @property
    def whole(self) -> Region:
        """All of them."""
        return union(self.shown, self.if_read)


NOTHING_SEEN = Seen(EMPTY, EMPTY)


class Views:
    """What tenants show, each worked out once."""

    def __init__(self, world: World) -> None:
        self._inferred = world.inferred
        self._known: dict[tuple[int, Kind | None, frozenset[str], bool], Seen] = {}
        self._open: dict[int, Tenant] = {}

    def of(self, tenant: Tenant, kind: Kind | None, cluster: Cluster, *, admin: bool) -> Seen:
        """What a tenant shows of one TYPE in a cluster. Raises TooComplex."""
        key = id(tenant), kind, cluster.names, admin
        if key not in self._known:
            self._known[key] = self._look(tenant, kind, cluster.names, admin=admin)
        return self._known[key]

    def _look(self, tenant: Tenant, kind: Kind | None, names: frozenset[str], *, admin: bool) -> Seen:
        explicit = shown(tenant, kind, names, admin=admin)
        if kind is not Kind.TOPIC:
            return Seen(explicit, EMPTY)
        if self._inferred is None:
            return Seen(explicit, inferable(tenant, names, admin=admin))
        known = inferred_region(tenant, names, self._inferred, admin=admin)
        return Seen(union(explicit, known), EMPTY)

    def cut(
        self, region: Region, action: Action, tenant: Tenant, kind: Kind | None, cluster: Cluster, *, admin: bool
    ) -> Seen:
        """The part of a region that a tenant shows, in the way that the action needs. Raises TooComplex."""
        if not region:
            return NOTHING_SEEN
        if action in CREATES:
            return Seen(intersect(region, shown(tenant, kind, cluster.names, admin=admin)), EMPTY)
        view = self.of(tenant, kind, cluster, admin=admin)
        return Seen(intersect(region, view.shown), intersect(region, view.if_read))

    def untold(
        self, seen: Seen, region: Region, tenant: Tenant, kind: Kind | None, cluster: Cluster, *, admin: bool
    ) -> Seen:
        """What has been cut from a region, with the names left in that the tenant's excludes take away.

        So it tells nobody what is excluded. Raises TooComplex.
        """
        names, shows_all = cluster.names, self._open.setdefault(id(tenant), replace(tenant, excludes=()))
        found = intersect(region, shown(shows_all, kind, names, admin=admin)) if seen.shown else EMPTY
        if kind is Kind.TOPIC and seen.shown and self._inferred is not None:
            found = union(found, intersect(region, inferred_region(tenant, names, self._inferred, admin=admin)))
        return Seen(found, intersect(region, inferable(shows_all, names, admin=admin)) if seen.if_read else EMPTY)

    def of_any(self, tenants: Iterable[Tenant], kind: Kind | None, cluster: Cluster) -> Region | None:
        """What any of the tenants shows or may show, to an administrator even; `None` where that takes too long."""
        try:
            return union(*(self.of(tenant, kind, cluster, admin=True).whole for tenant in tenants))
        except TooComplex:
            return None
