"""Whether an administrator may make a temporary policy: what it gives, he must hold himself, whole and not lent.

Decided for every name that there is or ever will be, as a temporary policy is about patterns. The rules are few where
this is asked, and it is asked seldom, so all of them are looked at.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from kordon_policy.actions import Action, Domain, Kind
from kordon_policy.decision import listed, printable, thing, who
from kordon_policy.model import EVERYBODY, INTERNAL, Effect, Path, Rule, RuleRef, Tenant
from kordon_policy.patterns import Pattern, beginning, covers, meet
from kordon_policy.rights import STAND_INS, effect_on
from kordon_policy.snapshot import Snapshot

Known = Mapping[Domain, Collection[frozenset[str]]]
"""What is configured, by DOMAIN: of each cluster (registry, ...) all the names that it is known by."""

_SAID: Final = {Effect.DENY: "denies it", Effect.STAGE: "stages it"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who makes a temporary policy, and in which tenant. He is kept with it, to be judged again when it starts."""

    principal: str
    roles: frozenset[str]
    tenant: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """May it be made, by which rules (or because of which it may not), and why in one sentence."""

    granted: bool
    reason: str
    rules: tuple[RuleRef, ...] = ()


class _Place(NamedTuple):
    """What a rule is about by one action on one TYPE, in one cluster or in all."""

    action: Action
    kind: Kind | None
    domain_id: str | None
    clusters: tuple[frozenset[str], ...]  # the names of each; for all clusters, of one that nobody has named yet
    pattern: Pattern | None

    @property
    def domain(self) -> Domain:
        return self.action.domain

    def meets(self, path: Path) -> bool:
        """Are some of these things on the path, too, in some cluster?"""
        if not (path.reaches(self.kind, self.domain) and meet(path.name, self.pattern)):
            return False
        return self.domain_id is None or any(path.is_in(names) for names in self.clusters)

    def is_covered(self, path: Path, names: frozenset[str]) -> bool:
        """Are all of these things in this cluster on the path?"""
        return path.is_in(names) and path.reaches(self.kind, self.domain) and covers(path.name, self.pattern)

    def __str__(self) -> str:
        text = thing(self.kind, self.pattern.text if self.pattern else "") if self.kind else f"the {self.domain}"
        return text if self.domain_id is None else f"{text} in {self.domain} {printable(self.domain_id)}"


def judge_author(rule: Rule, author: Author, snapshot: Snapshot, known: Known) -> Judgement:
    """May this administrator put this rule in force, under this snapshot?

    Only administrators may, and only inside their tenant. An Allow or a Stage takes the full right over all that the
    rule covers: for every part of every action one Allow that covers it, none of his Denies and Stages that meets it.
    Allows that are lent to him do not count, Denies and Stages that hold for a time do. A Deny takes no right.

    Ask again at the start of a rule that starts later, with the snapshot of that instant.
    """
    if not snapshot.is_admin(author.roles):
        roles = author.roles - {EVERYBODY}
        return _no(f"{_name(author)} is no administrator" + (f": {who(roles)} is not in admin_roles" if roles else ""))
    view = judge_view(rule, author, snapshot, known)
    if not view.granted:
        return view
    if rule.effect is Effect.DENY:
        return Judgement(granted=True, reason="a Deny takes no right of one's own", rules=view.rules)
    own = _Own(author, snapshot, known)
    rests_on: dict[RuleRef, None] = {}
    for place in _places(rule, known):
        answer = own.holds(place)
        if not answer.granted:
            return answer
        rests_on.update(dict.fromkeys(answer.rules))
    by = listed(rests_on)
    return Judgement(granted=True, reason=f"{_name(author)} holds it by {by}", rules=tuple(rests_on))


def judge_view(rule: Rule, author: Author, snapshot: Snapshot, known: Known) -> Judgement:
    """Is all that the rule is about in this administrator's tenant, by its includes, whether it exists or not?

    What is inferred does not count. Whoever lists or revokes temporary policies may be asked the same.
    """
    held = author.roles - {EVERYBODY}
    tenant = next((one for one in snapshot.tenants if one.name == author.tenant and one.takes(held)), None)
    if tenant is None:
        return _no(f"{_name(author)} is in no tenant, and sees nothing that a policy could be about")
    for place in _places(rule, known):
        if not place.clusters:
            return _no(f"no {place.domain} is known as {printable(place.domain_id or '')}")
        outside = _why_outside(place, tenant)
        if outside is not None:
            reason, refs = outside
            return _no(f"not all of {place} is in tenant {printable(tenant.name)}: {reason}", refs)
    return Judgement(granted=True, reason=f"it is all in tenant {printable(tenant.name)}", rules=(tenant.ref,))


def known_to(author: Author, snapshot: Snapshot, known: Known) -> Known:
    """What of that he may be told: an administrator all of it, anybody else where his tenant has anything at all."""
    if snapshot.is_admin(author.roles):
        return known
    held = author.roles - {EVERYBODY}
    tenants = (one for one in snapshot.tenants if one.name == author.tenant and one.takes(held))
    paths = [path for tenant in tenants for include in tenant.includes for path in include.paths]

    def shows(domain: Domain, names: frozenset[str]) -> bool:
        return any(path.is_about(domain) and path.is_in(names) for path in paths)

    return {domain: [names for names in every if shows(domain, names)] for domain, every in known.items()}


class _Own:
    """What one administrator holds himself, and what holds him back."""

    def __init__(self, author: Author, snapshot: Snapshot, known: Known) -> None:
        self._author = author
        self._snapshot = snapshot
        self._known = known
        held = author.roles | {EVERYBODY}
        self._lasting = [rule for rule in snapshot.document.policies if not rule.shadow and rule.roles & held]
        self._lent = [
            one.rule
            for one in snapshot.temporary
            if one.principal in (None, author.principal) and one.rule.roles & held
        ]
        self._unlent = snapshot.unlent()

    def holds(self, place: _Place) -> Judgement:
        lacks = f"{_name(self._author)} does not hold {place.action} on all of {place}"
        lasting = [rule for rule in self._lasting if place.action in rule.actions]
        lent = [rule for rule in self._lent if place.action in rule.actions]
        for effect in (Effect.DENY, Effect.STAGE):
            against = _meeting(place, (*lasting, *lent), effect)
            if against:
                return _no(f"{lacks}: {listed(against)} {_SAID[effect]}", against)
        allows = _allowing(place, lasting) or self._stand_ins(place)
        if allows:
            return Judgement(granted=True, reason="", rules=allows)
        allows = _allowing(place, lent)
        if allows:
            return _no(f"{lacks}: {listed(allows)} allows it, and what is lent cannot be lent on", allows)
        partly = _meeting(place, lasting, Effect.ALLOW)
        if partly:
            return _no(f"{lacks}: {listed(partly)} allows it on a part of that alone", partly)
        return _no(f"{lacks}: no policy allows it to {who(self._author.roles - {EVERYBODY})}")

    def _stand_ins(self, place: _Place) -> tuple[RuleRef, ...]:
        """The rules that stand for it where none speaks of it, by `compat.members_by_inspect`."""
        if place.action not in STAND_INS or not self._snapshot.document.compat.members_by_inspect:
            return ()
        found: dict[RuleRef, None] = {}
        for names in place.clusters if place.domain_id is not None else self._every_cluster(place.domain):
            rights = self._unlent.rights(self._author.roles, names, self._author.principal)
            answer = rights.decide_somewhere(*STAND_INS[place.action])
            if not answer.allowed:
                return ()
            found.update(dict.fromkeys(answer.rules))
        return tuple(found)

    def _every_cluster(self, domain: Domain) -> list[frozenset[str]]:
        """The known ones, those that policies alone speak of, and one that may come."""
        ids = {path.domain_id for rule in (*self._lasting, *self._lent) for path in rule.paths}
        known = list(self._known.get(domain, ()))
        unheard = ids.difference({None}, *known)
        return [*known, *(frozenset({name}) for name in unheard if name is not None), frozenset()]


def _places(rule: Rule, known: Known) -> Iterator[_Place]:
    """All that a rule is about."""
    for path in rule.paths:
        for action in sorted(rule.actions):
            clusters: tuple[frozenset[str], ...] = (frozenset(),)
            if path.domain_id is not None:
                clusters = tuple(names for names in known.get(action.domain, ()) if path.domain_id in names)
            for kind in action.kinds:
                if path.reaches(kind, action.domain):
                    yield _Place(action, kind, path.domain_id, clusters, path.name)


def _meeting(place: _Place, rules: Iterable[Rule], effect: Effect) -> tuple[RuleRef, ...]:
    """The rules that do this to some of it."""
    found = (rule for rule in rules if effect_on(place.action, rule) is effect and any(map(place.meets, rule.paths)))
    return tuple(rule.ref for rule in found)


def _allowing(place: _Place, rules: Iterable[Rule]) -> tuple[RuleRef, ...]:
    """The rules that allow all of it in each of its clusters, one at least; none if a cluster has none."""
    allows = [rule for rule in rules if rule.effect is Effect.ALLOW]
    found: dict[RuleRef, None] = {}
    for names in place.clusters:
        here = [rule.ref for rule in allows if any(place.is_covered(path, names) for path in rule.paths)]
        if not here:
            return ()
        found.update(dict.fromkeys(here))
    return tuple(found)


def _why_outside(place: _Place, tenant: Tenant) -> tuple[str, tuple[RuleRef, ...]] | None:
    """Why not all of it is in the view, and by which excludes. `None` if it is."""
    for exclude in tenant.excludes:
        if any(map(place.meets, exclude.paths)):
            return f"excluded by {exclude.ref}", (exclude.ref,)
    included = [path for one in tenant.includes for path in one.paths]
    if not _covered(place, included):
        return "no include covers it", ()
    if place.kind is not Kind.TOPIC or tenant.internal:
        return None
    # Internal topics are shown only by paths that say so.
    naming = [path for path in included if path.name is not None and path.name.head.startswith(INTERNAL)]
    if not all(_covered(place._replace(pattern=pattern), naming) for pattern in beginning(place.pattern, INTERNAL)):
        return f"no include that begins with {INTERNAL} covers the internal topics among them", ()
    return None


def _covered(place: _Place, paths: Collection[Path]) -> bool:
    return all(any(place.is_covered(path, names) for path in paths) for names in place.clusters)


def _name(author: Author) -> str:
    return printable(author.principal)


def _no(reason: str, rules: tuple[RuleRef, ...] = ()) -> Judgement:
    return Judgement(granted=False, reason=reason, rules=rules)
