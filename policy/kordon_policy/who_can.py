"""Who may do something, over all names: role by role, and what several roles together have more or less.

A set of roles may do what any of its rows tells, less what one of its roles takes from another: a Deny or a Stage takes
from every role, and nothing else does. For an action that stands for several, the rows of its parts tell what roles
have together that none of them has alone.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from itertools import chain
from typing import Final, NamedTuple, TypeVar

from kordon_policy.access import Access
from kordon_policy.actions import Action
from kordon_policy.decision import printable
from kordon_policy.folding import fold
from kordon_policy.holders import Asked, Known, Less, Person, Row, WhoCan
from kordon_policy.model import EVERYBODY, KORDONS_OWN, OWNABLE, Effect, RuleRef, Tenant, only_reads
from kordon_policy.patterns import Pattern, pattern
from kordon_policy.question import Cluster, World
from kordon_policy.reach import Entries, Entry, Found, Slot, entries_of, find, gained, reach
from kordon_policy.regions import Region, TooComplex, intersect, plainly_contains, region_of, subtract
from kordon_policy.rights import STAND_INS
from kordon_policy.visible import Seen, Views

T = TypeVar("T")
_KORDONS_OWN: Final = region_of([pattern(f"{KORDONS_OWN}*")])
_BY_COMPAT: Final = (
    "with compat.members_by_inspect this right follows from one to topics: who has several roles may have it, or not "
    "have it, where none of them alone tells"
)


def who_can(asked: Asked, world: World, people: Collection[Person] = ()) -> WhoCan:
    """Find everybody who may do it, role by role, and those among known people."""
    search = _Search(asked, world)
    found = [search.in_cluster(cluster, people) for cluster in asked.clusters]
    rows, less, known = (
        (tuple(chain.from_iterable(some)) for some in zip(*found, strict=True)) if found else ((), (), ())
    )
    return WhoCan(
        asked=asked,
        rows=tuple(fold(rows, "clusters")),
        less=tuple(fold(less, "clusters")),
        people=tuple(fold(known, "clusters")),
        incomplete=tuple(dict.fromkeys(search.incomplete)),
        until=search.snapshot.valid_until,
        epoch=world.epoch,
    )


class _Given(NamedTuple):
    """What one source gives the holder of a role, before it is cut to anything. found: by which paths."""

    access: Access
    action: Action
    role: str
    lent: Entry | None
    found: tuple[tuple[Pattern | None, RuleRef], ...]
    region: Region

    @property
    def principal(self) -> str | None:
        return None if self.lent is None else self.lent.principal


class _Search:
    def __init__(self, asked: Asked, world: World) -> None:
        self.snapshot = world.snapshot()
        self.incomplete: list[str] = []
        self._asked = asked
        self._region = asked.region
        self._entries = Entries(entries_of(self.snapshot))
        self._views = Views(world)
        compat = self.snapshot.document.compat.members_by_inspect
        self._stand_in = STAND_INS.get(asked.action) if compat else None
        if self._stand_in is not None:
            self.incomplete.append(_BY_COMPAT)

    def in_cluster(self, cluster: Cluster, people: Collection[Person]) -> tuple[list[Row], list[Less], list[Known]]:
        """The rows of one cluster."""
        given = [one for role in self._roles() for one in self._try(role, partial(self._given, role, cluster))]
        rows = [row for one in given for row in self._try(one.role, partial(self._rows, one, cluster))]
        rows = fold([row for row in rows if not _is_known(row, rows)], "tenants")
        less = [row for one in given for row in self._try(one.role, partial(self._less, one, cluster))]
        known = [row for one in people for row in self._try(one.principal, partial(self._known, one, cluster))]
        return rows, less, known

    def _try(self, who: str, work: Callable[[], Iterable[T]]) -> list[T]:
        """What it gives; nothing, and a reason, where it takes too long to work out."""
        try:
            return list(work())
        except TooComplex as error:
            self.incomplete.append(f"{printable(who)}: {error}")
            return []

    def _roles(self) -> list[str]:
        every = self._entries.roles | ({EVERYBODY} if self._stand_in else frozenset())
        return sorted(every, key=lambda role: (role == EVERYBODY, role))

    # ---- what a role is given

    def _given(self, role: str, cluster: Cluster) -> Iterator[_Given]:
        """What the file gives a holder of this role alone, and what each temporary policy adds."""
        asked, held = self._asked, {role} - {EVERYBODY}
        lasting = _lasting(self._entries.of(held))
        substitutes = self._substitutes(held, cluster)
        whole = Slot(asked.action, asked.kind, cluster.names)
        here = reach(lasting, whole, stands_in=bool(substitutes))
        yield from self._from_file(role, lasting, whole, Access.ALLOWED, here.allowed, substitutes)
        yield from self._from_file(role, lasting, whole, Access.STAGED, here.staged)
        for part in asked.action.parts if asked.action.parts != (asked.action,) else ():
            slot = whole._replace(action=part)
            alone = subtract(reach(lasting, slot).allowed, here.allowed)
            yield from self._from_file(role, lasting, slot, Access.ALLOWED, alone)
        for entry in self._entries.naming(role):
            if entry.lent is not None and entry.rule.effect is Effect.ALLOW:
                yield from self._lent(role, entry, whole)
            elif entry.principal is not None and entry.rule.effect is Effect.STAGE:
                his = _lasting(self._entries.of(held, entry.principal))
                region = subtract(reach(his, whole).staged, here.staged)
                if region:
                    yield _Given(Access.STAGED, asked.action, role, entry, ((None, entry.ref),), region)

    def _substitutes(self, roles: Collection[str], cluster: Cluster, principal: str = "") -> tuple[RuleRef, ...]:
        """The policies about topics that stand in for the right; none where they do not."""
        if self._stand_in is None:
            return ()
        decision = self.snapshot.rights(frozenset(roles), cluster.names, principal).decide_somewhere(*self._stand_in)
        return decision.rules if decision.allowed else ()

    def _from_file(
        self,
        role: str,
        entries: Collection[Entry],
        slot: Slot,
        access: Access,
        region: Region,
        substitutes: tuple[RuleRef, ...] = (),
    ) -> Iterator[_Given]:
        """A role that adds nothing to what everybody has is no row of its own."""
        effect = Effect.ALLOW if access is Access.ALLOWED else Effect.STAGE
        giving = [one for one in _find(entries, slot) if one.effect is effect]
        own = any(role in one.entry.rule.roles for one in giving)
        if region and (own or substitutes or role == EVERYBODY):
            found = [(one.pattern, one.entry.ref) for one in giving] + [(None, rule) for rule in substitutes]
            yield _Given(access, slot.action, role, None, tuple(found), region)

    def _lent(self, role: str, entry: Entry, whole: Slot) -> Iterator[_Given]:
        before = _lasting(self._entries.of({role} - {EVERYBODY}, entry.principal or ""))
        added = gained(before, [entry], whole)
        slots = [whole._replace(action=part) for part in whole.action.parts if part is not whole.action]
        regions = [(whole, added), *((slot, subtract(gained(before, [entry], slot), added)) for slot in slots)]
        for slot, region in regions:
            if region:
                yield _Given(Access.ALLOWED, slot.action, role, entry, ((None, entry.ref),), region)

    # ---- cut to what is asked, and to views

    def _rows(self, given: _Given, cluster: Cluster) -> list[Row]:
        region = intersect(given.region, self._region)
        rows: list[Row] = []
        for tenant, admin, needs in self._contexts(given.role):
            seen = self._views.cut(region, given.action, tenant, self._asked.kind, cluster, admin=admin)
            # Whoever needs another role besides is told of only where he sees more by it.
            known = (row for row in rows if set(row.needs) < set(needs))
            if seen and not any(plainly_contains((*row.region, *row.if_read), seen.whole) for row in known):
                rows.append(_row(given, cluster, tenant, needs, seen))
        return rows

    def _contexts(self, role: str) -> Iterator[tuple[Tenant, bool, tuple[tuple[str, ...], ...]]]:
        """The tenants that a holder may be in, as an administrator or not, and which roles that takes besides."""
        held, snapshot = {role} - {EVERYBODY}, self.snapshot
        admins = tuple(sorted(snapshot.document.admin_roles))
        authorized = tuple(sorted(snapshot.compiled.authorized | snapshot.document.admin_roles))
        to_log_in = () if role == EVERYBODY or snapshot.admits(held) else (authorized,)
        found = []
        for tenant in snapshot.tenants:
            in_it = role == EVERYBODY or tenant.takes(held)
            needs = (*to_log_in, *(() if in_it else (tuple(sorted(tenant.roles)),)))
            found.append((tenant, snapshot.is_admin(held), needs))
            if self._shows_more_to_admins() and not snapshot.is_admin(held) and admins:
                found.append((tenant, True, (*needs, admins)))
        yield from sorted(found, key=lambda context: len(context[2]))

    def _shows_more_to_admins(self) -> bool:
        """What Kordon keeps for itself is in no other view, and nobody alters it."""
        kept = self._asked.kind in OWNABLE and only_reads(self._asked.action)
        return kept and bool(intersect(self._region, _KORDONS_OWN))

    # ---- what roles take from each other

    def _less(self, given: _Given, cluster: Cluster) -> Iterator[Less]:
        region = intersect(given.region, self._region)
        seen = self._views.of_any(self.snapshot.tenants, self._asked.kind, cluster)
        visible = region if seen is None else intersect(region, seen)
        if not visible:
            return
        for other in self._roles():
            slot = Slot(given.action, self._asked.kind, cluster.names)
            taking = [one for one in _find(self._entries.naming(other), slot) if _takes(one, given, other)]
            for key in dict.fromkeys((one.effect, one.entry.principal) for one in taking):
                some = [one for one in taking if (one.effect, one.entry.principal) == key]
                lost = intersect(visible, region_of(one.pattern for one in some))
                if lost:
                    yield _lost(given, other, some, cluster, lost)

    # ---- people

    def _known(self, person: Person, cluster: Cluster) -> Iterator[Known]:
        held = person.roles - {EVERYBODY}
        if not self.snapshot.admits(held):
            return
        slot = Slot(self._asked.action, self._asked.kind, cluster.names)
        substitutes = self._substitutes(held, cluster, person.principal)
        found = reach(self._entries.of(held, person.principal), slot, stands_in=bool(substitutes))
        rows = []
        for access, whole in ((Access.ALLOWED, found.allowed), (Access.STAGED, found.staged)):
            region = intersect(whole, self._region)
            for tenant in self.snapshot.tenants:
                if tenant.takes(held):
                    admin = self.snapshot.is_admin(held)
                    seen = self._views.cut(region, slot.action, tenant, slot.kind, cluster, admin=admin)
                    if seen:
                        rows.append(_person(person, access, cluster, tenant, seen))
        yield from fold(rows, "tenants")


def _is_known(row: Row, rows: Iterable[Row]) -> bool:
    """Has whoever has a role that it takes besides as much by that role alone?"""
    alone: dict[str, Region] = {}
    for one in rows:
        same = (one.access, one.action, one.tenants) == (row.access, row.action, row.tenants)
        if same and not one.needs and one.principal is None and one.lent is None:
            alone[one.role] = (*alone.get(one.role, ()), *one.region, *one.if_read)
    whole = (*row.region, *row.if_read)
    return any(all(plainly_contains(alone.get(role, ()), whole) for role in roles) for roles in row.needs)


def _lasting(entries: Iterable[Entry]) -> list[Entry]:
    """What the file gives, and all that takes, for a time or not."""
    return [entry for entry in entries if entry.lent is None or entry.rule.effect is not Effect.ALLOW]


def _find(entries: Collection[Entry], slot: Slot) -> list[Found]:
    """The paths that are about an action, or about a part of it."""
    return [one for part in slot.action.parts for one in find(entries, slot._replace(action=part))]


def _takes(found: Found, given: _Given, other: str) -> bool:
    """Does a path of the other role take from what is given, and is that not taken already?"""
    weaker = (Effect.ALLOW,) if given.access is Access.ALLOWED else (Effect.ALLOW, Effect.STAGE)
    principal = found.entry.principal
    # What takes from all holders of a role has been taken from its row.
    taken = other in (given.role, EVERYBODY) and principal in (None, given.principal)
    return (
        found.effect not in weaker and not taken and (given.principal is None or principal in (None, given.principal))
    )


def _row(given: _Given, cluster: Cluster, tenant: Tenant, needs: tuple[tuple[str, ...], ...], seen: Seen) -> Row:
    whole = seen.whole
    rules = [rule for one, rule in given.found if intersect(region_of([one]), whole)]
    return Row(
        access=given.access,
        action=given.action,
        role=given.role,
        principal=given.principal,
        lent=None if given.lent is None or given.lent.lent is None else given.lent.lent.id,
        until=None if given.lent is None else given.lent.until,
        rules=tuple(dict.fromkeys(rules)),
        clusters=(cluster.name,),
        tenants=(tenant.name,),
        needs=needs,
        region=seen.shown,
        if_read=seen.if_read,
    )


def _lost(given: _Given, other: str, taking: Collection[Found], cluster: Cluster, lost: Region) -> Less:
    found = list(taking)
    ends = [one.entry.until for one in found]
    return Less(
        access=given.access,
        action=given.action,
        role=given.role,
        other=other,
        principal=found[0].entry.principal,
        effect=found[0].effect,
        rules=tuple(dict.fromkeys(one.entry.ref for one in found)),
        until=max((end for end in ends if end is not None), default=None) if None not in ends else None,
        clusters=(cluster.name,),
        region=lost,
    )


def _person(person: Person, access: Access, cluster: Cluster, tenant: Tenant, seen: Seen) -> Known:
    return Known(
        principal=person.principal,
        roles=tuple(sorted(person.roles)),
        access=access,
        clusters=(cluster.name,),
        tenants=(tenant.name,),
        region=seen.shown,
        if_read=seen.if_read,
    )
