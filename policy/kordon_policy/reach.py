"""How far rights and views reach: the names that policies let somebody act on, and those that a tenant shows.

What `rights` and `view` answer for one name, this answers for all of them at once, as regions.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from kordon_policy.actions import Action, Domain, Kind
from kordon_policy.model import (
    EVERYBODY,
    INTERNAL,
    KORDONS_OWN,
    OWNABLE,
    Effect,
    Path,
    Rule,
    RuleRef,
    Selector,
    TemporaryRule,
    Tenant,
    only_reads,
)
from kordon_policy.patterns import Pattern, literal, pattern
from kordon_policy.regions import EMPTY, EVERY_NAME, Region, intersect, region_of, subtract
from kordon_policy.rights import effect_on
from kordon_policy.snapshot import Snapshot

_INTERNAL: Final = pattern(f"{INTERNAL}*")
_KORDONS_OWN: Final = pattern(f"{KORDONS_OWN}*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A policy in force, from the file or for a time."""

    rule: Rule
    lent: TemporaryRule | None = None

    @property
    def ref(self) -> RuleRef:
        """Where it stands."""
        return self.rule.ref

    @property
    def principal(self) -> str | None:
        """The only one of those who have its roles that it is for; `None`: it is for all of them."""
        return None if self.lent is None else self.lent.principal

    @property
    def until(self) -> int | None:
        """When it ends, in ms since the epoch; `None`: it does not end by itself."""
        return None if self.lent is None else self.lent.expires_ts

    def is_for(self, roles: Collection[str], principal: str) -> bool:
        """Does it concern this person? Roles are without `"*"`."""
        if self.principal not in (None, principal):
            return False
        return EVERYBODY in self.rule.roles or not self.rule.roles.isdisjoint(roles)


class Entries:
    """All policies that are in force, found by the roles that they are for."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.all = tuple(entries)
        self._by_role: dict[str, list[Entry]] = {}
        for entry in self.all:
            for role in entry.rule.roles:
                self._by_role.setdefault(role, []).append(entry)

    @property
    def roles(self) -> frozenset[str]:
        """The roles that any of them is for, `"*"` among them."""
        return frozenset(self._by_role)

    def naming(self, role: str) -> list[Entry]:
        """The policies that name this role, whoever of its holders they are for."""
        return self._by_role.get(role, [])

    def of(self, roles: Collection[str], principal: str = "") -> list[Entry]:
        """The policies that concern a holder of these roles."""
        theirs = {id(entry): entry for role in (*roles, EVERYBODY) for entry in self.naming(role)}
        return [entry for entry in theirs.values() if entry.principal in (None, principal)]


class Found(NamedTuple):
    """One path of a policy that is about a slot, and what the policy does there."""

    pattern: Pattern | None
    entry: Entry
    effect: Effect


class Slot(NamedTuple):
    """What may be asked, but for the name: one action on one TYPE in the cluster that is known by these names."""

    action: Action
    kind: Kind | None
    names: frozenset[str]


class Reach(NamedTuple):
    """The names on which something is allowed, and those on which it waits for an approval."""

    allowed: Region
    staged: Region


NOWHERE: Final = Reach(EMPTY, EMPTY)


def entries_of(snapshot: Snapshot) -> tuple[Entry, ...]:
    """All policies that are in force under a snapshot."""
    lasting = (Entry(rule=rule) for rule in snapshot.document.policies if not rule.shadow)
    return (*lasting, *(Entry(rule=one.rule, lent=one) for one in snapshot.temporary))


def find(entries: Iterable[Entry], slot: Slot) -> list[Found]:
    """The paths of these policies that are about a slot. Its action is no umbrella."""
    action, kind, names = slot
    return [
        Found(path.name, entry, effect_on(action, entry.rule))
        for entry in entries
        if action in entry.rule.actions
        for path in entry.rule.paths
        if path.reaches(kind, action.domain) and path.is_in(names)
    ]


def reach(entries: Collection[Entry], slot: Slot, *, stands_in: bool = False) -> Reach:
    """Where policies that concern one person let him do it. Raises TooComplex.

    stands_in: he may do it wherever none of them says anything, by `compat.members_by_inspect`.
    """
    action, kind, names = slot
    if kind not in action.kinds:
        return NOWHERE
    parts = [_reach(find(entries, Slot(part, kind, names)), slot, stands_in) for part in action.parts]
    allowed, possible = parts[0].allowed, (*parts[0].allowed, *parts[0].staged)
    for part in parts[1:]:
        allowed = intersect(allowed, part.allowed)
        possible = intersect(possible, (*part.allowed, *part.staged))
    return Reach(allowed, parts[0].staged if len(parts) == 1 else subtract(possible, allowed))


def _reach(found: Collection[Found], slot: Slot, stands_in: bool) -> Reach:
    by_effect = {effect: [one.pattern for one in found if one.effect is effect] for effect in Effect}
    denied = [*by_effect[Effect.DENY], *kordons_own(slot)]
    allows = [*by_effect[Effect.ALLOW], *((None,) if stands_in else ())]
    return Reach(region_of(allows, but=[*denied, *by_effect[Effect.STAGE]]), region_of(by_effect[Effect.STAGE], denied))


def gained(own: Collection[Entry], new: Collection[Entry], slot: Slot) -> Region:
    """Where further policies allow somebody what those that concern him do not. Raises TooComplex."""
    if len(slot.action.parts) > 1:
        return subtract(reach([*own, *new], slot).allowed, reach(own, slot).allowed)
    if slot.kind not in slot.action.kinds:
        return EMPTY
    # Nothing has to be subtracted: what old policies forbid stays forbidden.
    old, added = find(own, slot), find(new, slot)
    but = [one.pattern for one in (*old, *added) if one.effect is not Effect.ALLOW]
    but += [one.pattern for one in old if one.effect is Effect.ALLOW]
    allows = tuple(one.pattern for one in added if one.effect is Effect.ALLOW)
    return _region_of(allows, (*but, *kordons_own(slot)))


@lru_cache(maxsize=1_024)
def _region_of(patterns: tuple[Pattern | None, ...], but: tuple[Pattern | None, ...]) -> Region:
    # Of the clusters, most are like each other.
    return region_of(patterns, but)


def kordons_own(slot: Slot) -> tuple[Pattern, ...]:
    """The names on which nobody may do it, whatever policies say."""
    return (_KORDONS_OWN,) if slot.kind in OWNABLE and not only_reads(slot.action) else ()


def shown(tenant: Tenant | None, kind: Kind | None, names: frozenset[str], *, admin: bool) -> Region:
    """What the tenant's own paths show, of one TYPE in the cluster that is known by these names.

    For no TYPE, the cluster as a whole: every name or none.
    """
    if tenant is None:
        return EMPTY
    if kind is None:
        whole = _paths(tenant.includes, None, Domain.CLUSTER, names)
        return EVERY_NAME if whole and not _paths(tenant.excludes, None, Domain.CLUSTER, names) else EMPTY
    includes = _paths(tenant.includes, kind, kind.domain, names)
    hidden = [path.name for path in _paths(tenant.excludes, kind, kind.domain, names)]
    if kind in OWNABLE and not admin:
        hidden.append(_KORDONS_OWN)
    if kind is not Kind.TOPIC or tenant.internal:
        return region_of((path.name for path in includes), hidden)
    # Internal topics are shown only by paths that say so.
    naming = [one.name for one in includes if _names_internal(one)]
    others = [one.name for one in includes if not _names_internal(one)]
    return (*region_of(naming, hidden), *region_of(others, [*hidden, _INTERNAL]))


def inferable(tenant: Tenant | None, names: frozenset[str], *, admin: bool) -> Region:
    """The topics that are in the view only if a visible group reads them. Raises TooComplex."""
    if tenant is None or not shown(tenant, Kind.GROUP, names, admin=admin):
        return EMPTY
    excludes = [path.name for path in _paths(tenant.excludes, Kind.TOPIC, Domain.CLUSTER, names)]
    unless_excluded = region_of([None], [*excludes, _INTERNAL])
    return subtract(unless_excluded, shown(tenant, Kind.TOPIC, names, admin=admin))


def inferred_region(
    tenant: Tenant | None, names: frozenset[str], inferred: Mapping[str, Collection[str]], *, admin: bool
) -> Region:
    """Those of the inferable topics that visible groups are known to read. Raises TooComplex."""
    groups = shown(tenant, Kind.GROUP, names, admin=admin)
    read = {topic for group, topics in inferred.items() if _holds(groups, group) for topic in topics}
    known = region_of(literal(topic) for topic in sorted(read))
    return intersect(known, inferable(tenant, names, admin=admin))


def _names_internal(path: Path) -> bool:
    return path.name is not None and path.name.head.startswith(INTERNAL)


def _holds(region: Region, name: str) -> bool:
    return any(cell.matches(name) for cell in region)


def _paths(selectors: Iterable[Selector], kind: Kind | None, domain: Domain, names: frozenset[str]) -> list[Path]:
    return [path for one in selectors for path in one.paths if path.is_in(names) and path.reaches(kind, domain)]
