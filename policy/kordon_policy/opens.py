"""What a change lets people do besides what it is made for, over all names."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from kordon_policy.actions import Action, Domain, Kind, joined
from kordon_policy.folding import fold
from kordon_policy.model import EVERYBODY, Effect, Rule
from kordon_policy.patterns import literal
from kordon_policy.question import OTHER_CLUSTERS, Cluster, Question, World
from kordon_policy.reach import Entries, Entry, Slot, gained
from kordon_policy.regions import Region, plainly_contains, region_of, subtract


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """Some people may do some actions on some names of one TYPE in some clusters, and might not before.

    who: roles, or one person. For no TYPE, the region is every name.
    """

    who: tuple[str, ...]
    actions: tuple[Action, ...]
    kind: Kind | None
    clusters: tuple[str, ...]
    region: Region

    def __post_init__(self) -> None:
        if not self.region:
            raise ValueError("what opens nothing is no row")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opens:
    """All that a change opens besides.

    at_most: it opens no more than that, and maybe less. notes: what it means beyond policies, as sentences.
    """

    rows: tuple[Opened, ...] = ()
    at_most: bool = False
    notes: tuple[str, ...] = ()

    @property
    def nothing(self) -> bool:
        """Does it open nothing else?"""
        return not (self.rows or self.notes)

    def within(self, other: "Opens") -> bool:
        """Is all of it certainly opened by the other, too?"""
        return set(self.notes) <= set(other.notes) and all(_is_within(row, other.rows) for row in self.rows)

    def __add__(self, other: "Opens") -> "Opens":
        return Opens(
            rows=(*self.rows, *other.rows),
            at_most=self.at_most or other.at_most,
            notes=tuple(dict.fromkeys((*self.notes, *other.notes))),
        )


NOTHING_ELSE: Final = Opens()


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """How things are before a change, and what it is made for. entries: all policies in force."""

    question: Question
    world: World
    entries: Entries


def opened_by(rule: Rule, before: Before) -> Opens:
    """What an Allow opens if it is added."""
    rows: list[Opened] = []
    slots = list(_slots(rule, before))
    for role in sorted(rule.roles):
        asked = role in before.question.roles or role == EVERYBODY
        gained = _gained(before.entries.of({role} - {EVERYBODY}), [Entry(rule=rule)], slots, before, asked=asked)
        rows += [
            Opened(who=(role,), actions=(action,), kind=kind, clusters=(cluster.name,), region=region)
            for (action, kind, cluster), region in gained
        ]
    return Opens(rows=_folded(rows), notes=_members_too(rule, before))


def opened_to(role: str, before: Before) -> Opens:
    """What a further role lets the person do who asks."""
    question = before.question
    own = before.entries.of(question.held, question.principal)
    known = {id(entry) for entry in own}
    new = [entry for entry in before.entries.of({role}, question.principal) if id(entry) not in known]
    slots = dict.fromkeys(
        slot for entry in new if entry.rule.effect is Effect.ALLOW for slot in _slots(entry.rule, before)
    )
    rows = [
        Opened(who=(question.principal,), actions=(action,), kind=kind, clusters=(cluster.name,), region=region)
        for (action, kind, cluster), region in _gained(own, new, slots, before, asked=True)
    ]
    return Opens(rows=_folded(rows))


def at_most(rule: Rule, who: Iterable[str], before: Before) -> Opens:
    """What may open if a Deny or a Stage goes: no more than what it is about."""
    lifted = replace(rule, roles=frozenset(who))
    rows = [
        Opened(who=tuple(sorted(lifted.roles)), actions=(action,), kind=kind, clusters=(cluster.name,), region=region)
        for action, kind, cluster in _slots(lifted, before)
        if (region := _but_asked(_region(lifted, Slot(action, kind, cluster.names)), action, kind, cluster, before))
    ]
    return Opens(rows=_folded(rows), at_most=True)


Place = tuple[Action, Kind | None, Cluster]


def _gained(
    own: Collection[Entry], new: Collection[Entry], places: Iterable[Place], before: Before, *, asked: bool
) -> Iterator[tuple[Place, Region]]:
    for action, kind, cluster in places:
        region = gained(own, new, Slot(action, kind, cluster.names))
        if asked:
            region = _but_asked(region, action, kind, cluster, before)
        if region:
            yield (action, kind, cluster), region


def _slots(rule: Rule, before: Before) -> Iterator[Place]:
    """The slots that a rule is about, cluster by cluster."""
    for action in sorted(rule.actions):
        for kind in action.kinds:
            paths = [path for path in rule.paths if path.reaches(kind, action.domain)]
            for cluster in _clusters({path.domain_id for path in paths}, action.domain, before):
                if any(path.is_in(cluster.names) for path in paths):
                    yield action, kind, cluster


def _clusters(ids: Collection[str | None], domain: Domain, before: Before) -> Iterator[Cluster]:
    """That which is asked about, the others that are known or named, and one that stands for all others."""
    asked = before.world.cluster(before.question.cluster, before.question.domain)
    known = [asked] if before.question.domain is domain else []
    known += [one for one in before.world.clusters if domain is Domain.CLUSTER and one not in known]
    yield from known
    named = {name for name in ids if name is not None}.difference(*(one.names for one in known))
    for name in sorted(named):
        yield Cluster(name, frozenset({name}))
    if None in ids:
        yield Cluster(OTHER_CLUSTERS, frozenset())


def _region(rule: Rule, slot: Slot) -> Region:
    paths = (path for path in rule.paths if path.reaches(slot.kind, slot.action.domain) and path.is_in(slot.names))
    return region_of(path.name for path in paths)


def _but_asked(region: Region, action: Action, kind: Kind | None, cluster: Cluster, before: Before) -> Region:
    """The region without the name that is asked for, where it is about the same action."""
    question = before.question
    here = cluster == before.world.cluster(question.cluster, question.domain)
    if not (here and action.domain is question.domain and action in question.parts and kind is question.kind):
        return region
    return subtract(region, region_of([literal(question.name) if question.name else None]))


def _members_too(rule: Rule, before: Before) -> tuple[str, ...]:
    """What older files give along with a right to topics."""
    compat = before.world.compiled.document.compat
    stand_ins = {*Action.TOPIC_INSPECT.parts, Action.TOPIC_PRODUCE}
    if compat.members_by_inspect and rule.actions & stand_ins:
        return ("with compat.members_by_inspect, who has a right to a topic may join groups or use transactional ids",)
    return ()


def _folded(rows: Iterable[Opened]) -> tuple[Opened, ...]:
    """The same in fewer rows: those that differ in clusters, actions or people alone become one."""
    by_action = fold(fold(rows, "clusters"), "actions")
    return tuple(fold((replace(row, actions=joined(row.actions)) for row in by_action), "who"))


def _is_within(row: Opened, others: Iterable[Opened]) -> bool:
    return any(_covers(other, row) for other in others)


def _covers(other: Opened, row: Opened) -> bool:
    if other.kind is not row.kind or not set(row.clusters) <= set(other.clusters):
        return False
    return _parts(row) <= _parts(other) and plainly_contains(other.region, row.region)


def _parts(row: Opened) -> set[Action]:
    return {part for action in row.actions for part in action.parts}
