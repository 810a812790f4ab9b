"""What the holder of some roles may do, over all names: action by action."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from kordon_policy.access import Access
from kordon_policy.actions import Action, Domain, Kind, joined
from kordon_policy.decision import printable
from kordon_policy.folding import fold
from kordon_policy.model import EVERYBODY, Effect, RuleRef, Tenant
from kordon_policy.question import SOMEBODY, Cluster, World, not_admitted
from kordon_policy.reach import Entries, Entry, Slot, entries_of, find, reach
from kordon_policy.regions import Region, TooComplex, intersect, region_of
from kordon_policy.rights import STAND_INS
from kordon_policy.snapshot import Snapshot
from kordon_policy.tenants import NoTenant, Refused
from kordon_policy.visible import Seen, Views


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Whose rights are asked for. tenant: only in this one; `None`: in every one that he may be in."""

    principal: str = SOMEBODY
    roles: frozenset[str]
    tenant: str | None = None

    @property
    def held(self) -> frozenset[str]:
        """The roles, as no identity brings `"*"`."""
        return self.roles - {EVERYBODY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """He may do some actions on some names of one TYPE, in some tenants and clusters.

    until: when the first of the temporary policies ends that give it (ms since the epoch). if_read: names that are in
    the view if a visible group reads them.
    """

    access: Access
    actions: tuple[Action, ...]
    kind: Kind | None
    clusters: tuple[str, ...]
    tenants: tuple[str, ...]
    rules: tuple[RuleRef, ...]
    until: int | None
    region: Region
    if_read: Region

    def __post_init__(self) -> None:
        if not (self.region or self.if_read) or not self.rules:
            raise ValueError("a right is to a name at least, and by a policy")


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatCan:
    """The whole answer. refused: why he cannot log in, so that all of it is of no use.

    incomplete: why it is not complete over all names; empty if it is. until: the instant (ms since the epoch) at which
    a temporary policy may change it.
    """

    holder: Holder
    tenants: tuple[str, ...]
    rights: tuple[Right, ...]
    refused: str | None = None
    incomplete: tuple[str, ...] = ()
    until: int | None = None
    epoch: int = 1


def what_can(
    holder: Holder, clusters: Mapping[Domain, Collection[Cluster]], world: World, *, openly: bool = True
) -> WhatCan:
    """Find everything that the holder of these roles may do, in the tenants that he may be in.

    clusters: those that are asked about, by DOMAIN. openly: to an administrator. Anybody else is not told which names
    his tenant leaves out: they are among those that are told.
    """
    snapshot = world.snapshot()
    refused, tenants = _tenants(holder, snapshot)
    search = _Search(holder, tenants, snapshot, world, openly=openly)
    rights = [
        right
        for action in _ACTIONS
        for cluster in clusters.get(action.domain, ())
        for right in search.rights(action, cluster)
    ]
    return WhatCan(
        holder=holder,
        tenants=tuple(tenant.name for tenant in tenants),
        rights=tuple(_folded(rights)),
        refused=refused,
        incomplete=tuple(dict.fromkeys(search.incomplete)),
        until=snapshot.valid_until,
        epoch=world.epoch,
    )


_ACTIONS = tuple(action for action in Action if action.parts == (action,))


def _tenants(holder: Holder, snapshot: Snapshot) -> tuple[str | None, tuple[Tenant, ...]]:
    """Why he cannot log in, if he cannot; and the tenants that he may be in."""
    refused = None if snapshot.admits(holder.held) else not_admitted(holder.principal)
    if holder.tenant is None:
        return refused, tuple(tenant for tenant in snapshot.tenants if tenant.takes(holder.held))
    match snapshot.choose_tenant(holder.held, holder.tenant):
        case Refused(reason):
            return refused or reason, ()
        case NoTenant():
            return refused, ()
        case tenant:
            return refused, (tenant,)


class _Search:
    def __init__(
        self, holder: Holder, tenants: Collection[Tenant], snapshot: Snapshot, world: World, *, openly: bool
    ) -> None:
        self.incomplete: list[str] = []
        self._openly = openly
        self._holder = holder
        self._tenants = tenants
        self._snapshot = snapshot
        self._admin = snapshot.is_admin(holder.held)
        self._entries = Entries(entries_of(snapshot)).of(holder.held, holder.principal)
        self._views = Views(world)

    def rights(self, action: Action, cluster: Cluster) -> Iterator[Right]:
        """His rights by one action, which stands for no others, in one cluster."""
        substitutes = self._substitutes(action, cluster)
        for kind in action.kinds:
            slot = Slot(action, kind, cluster.names)
            try:
                found = reach(self._entries, slot, stands_in=bool(substitutes))
                yield from self._seen(slot, Access.ALLOWED, found.allowed, cluster, substitutes)
                yield from self._seen(slot, Access.STAGED, found.staged, cluster)
            except TooComplex as error:
                where = f"{action} in {printable(cluster.name)}" if self._openly else str(action)
                self.incomplete.append(f"{where}: {error}")

    def _substitutes(self, action: Action, cluster: Cluster) -> tuple[RuleRef, ...]:
        if action not in STAND_INS or not self._snapshot.document.compat.members_by_inspect:
            return ()
        rights = self._snapshot.rights(self._holder.held, cluster.names, self._holder.principal)
        decision = rights.decide_somewhere(*STAND_INS[action])
        return decision.rules if decision.allowed else ()

    def _seen(
        self,
        slot: Slot,
        access: Access,
        region: Region,
        cluster: Cluster,
        substitutes: tuple[RuleRef, ...] = (),
    ) -> Iterator[Right]:
        for tenant in self._tenants if region else ():
            seen = self._views.cut(region, slot.action, tenant, slot.kind, cluster, admin=self._admin)
            if seen:
                right = self._right(slot, access, cluster, tenant, seen, substitutes)
                if not self._openly:
                    told = self._views.untold(seen, region, tenant, slot.kind, cluster, admin=self._admin)
                    right = replace(right, region=told.shown, if_read=told.if_read)
                yield right

    def _right(
        self, slot: Slot, access: Access, cluster: Cluster, tenant: Tenant, seen: Seen, substitutes: tuple[RuleRef, ...]
    ) -> Right:
        giving = self._giving(slot, access, seen)
        ends = [entry.until for entry in giving if entry.until is not None]
        return Right(
            access=access,
            actions=(slot.action,),
            kind=slot.kind,
            clusters=(cluster.name,),
            tenants=(tenant.name,),
            rules=tuple(dict.fromkeys((*(entry.ref for entry in giving), *substitutes))),
            until=min(ends, default=None),
            region=seen.shown,
            if_read=seen.if_read,
        )

    def _giving(self, slot: Slot, access: Access, seen: Seen) -> list[Entry]:
        """The policies that give some of it."""
        effect = Effect.ALLOW if access is Access.ALLOWED else Effect.STAGE
        found = [one for one in find(self._entries, slot) if one.effect is effect]
        return [one.entry for one in found if intersect(region_of([one.pattern]), seen.whole)]


def _folded(rights: Iterable[Right]) -> list[Right]:
    """The same in fewer rows."""
    folded = fold(fold(fold(rights, "clusters"), "tenants"), "actions")
    return [replace(right, actions=joined(right.actions)) for right in folded]
