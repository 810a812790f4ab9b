"""Whether an administrator may make a temporary policy: what it gives, he must hold himself, whole and not lent.

Decided for every name that there is or ever will be, as a temporary policy is about patterns. The rules are few where
this is asked, and it is asked seldom, so all of them are looked at.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
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
    """One thing, or many, that a rule is about."""

    action: Action
    kind: Kind | None
    domain_id: str | None
    names: frozenset[str]  # of one cluster; none of a cluster that nobody has named yet
    pattern: Pattern | None

    @property
    def domain(self) -> Domain:
        return self.action.domain

    def is_of(self, path: Path) -> bool:
        """Is the path about this kind of thing in this cluster?"""
        return path.reaches(self.kind, self.domain) and path.is_in(self.names)

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
    own = _Own(author, snapshot)
    rests_on: dict[RuleRef, None] = {}
    for place in _places(rule, known, own.paths):
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
    selected = [path for one in (*tenant.includes, *tenant.excludes) for path in one.paths]
    for place in _places(rule, known, selected):
        if not _is_known(place):
            return _no(f"no {place.domain} is known as {printable(place.domain_id or '')}")
        outside = _why_outside(place, tenant)
        if outside is not None:
            reason, refs = outside
            return _no(f"not all of {place} is in tenant {printable(tenant.name)}: {reason}", refs)
    return Judgement(granted=True, reason=f"it is all in tenant {printable(tenant.name)}", rules=(tenant.ref,))


class _Own:
    """What one administrator holds himself, and what holds him back."""

    def __init__(self, author: Author, snapshot: Snapshot) -> None:
        self._author = author
        self._snapshot = snapshot
        held = author.roles | {EVERYBODY}
        self._lasting = [rule for rule in snapshot.document.policies if not rule.shadow and rule.roles & held]
        self._lent = [
            one.rule
            for one in snapshot.temporary
            if one.principal in (None, author.principal) and one.rule.roles & held
        ]
        taken = tuple(one for one in snapshot.temporary if one.rule.effect is not Effect.ALLOW)
        self._unlent = Snapshot(snapshot.compiled, epoch=snapshot.epoch, temporary=taken)

    @property
    def paths(self) -> list[Path]:
        """The paths of all rules that are about him."""
        return [path for rule in (*self._lasting, *self._lent) for path in rule.paths]

    def holds(self, place: _Place) -> Judgement:
        lacks = f"{_name(self._author)} does not hold {place.action} on all of {place}"
        for effect in (Effect.DENY, Effect.STAGE):
            against = _refs(self._of(place, (*self._lasting, *self._lent), meet, effect))
            if against:
                return _no(f"{lacks}: {listed(against)} {_SAID[effect]}", against)
        allows = _refs(self._of(place, self._lasting, covers, Effect.ALLOW)) or self._stand_ins(place)
        if allows:
            return Judgement(granted=True, reason="", rules=allows)
        lent = _refs(self._of(place, self._lent, covers, Effect.ALLOW))
        if lent:
            return _no(f"{lacks}: {listed(lent)} allows it, and what is lent cannot be lent on", lent)
        partly = _refs(self._of(place, self._lasting, meet, Effect.ALLOW))
        if partly:
            return _no(f"{lacks}: {listed(partly)} allows it on a part of that alone", partly)
        return _no(f"{lacks}: no policy allows it to {who(self._author.roles - {EVERYBODY})}")

    def _of(
        self,
        place: _Place,
        rules: Iterable[Rule],
        relation: Callable[[Pattern | None, Pattern | None], bool],
        effect: Effect,
    ) -> Iterator[Rule]:
        """The rules that do this to the action, on paths that stand in this relation to the place."""
        for rule in rules:
            if place.action in rule.actions and effect_on(place.action, rule) is effect:
                paths = (path for path in rule.paths if place.is_of(path))
                if any(relation(path.name, place.pattern) for path in paths):
                    yield rule

    def _stand_ins(self, place: _Place) -> tuple[RuleRef, ...]:
        """The rules that stand for it where none speaks of it, by `compat.members_by_inspect`."""
        if place.action not in STAND_INS or not self._snapshot.document.compat.members_by_inspect:
            return ()
        rights = self._unlent.rights(self._author.roles, place.names, self._author.principal)
        return rights.decide_somewhere(*STAND_INS[place.action]).rules


def _places(rule: Rule, known: Known, others: Iterable[Path]) -> Iterator[_Place]:
    """All that a rule is about, cut so that no other path is about a part of one."""
    mentioned = {path.domain_id for path in others if path.domain_id is not None}
    for path in rule.paths:
        for action in sorted(rule.actions):
            for kind in action.kinds:
                if path.reaches(kind, action.domain):
                    for names in _clusters(path, known.get(action.domain, ()), mentioned):
                        yield _Place(action, kind, path.domain_id, names, path.name)


def _clusters(path: Path, known: Collection[frozenset[str]], mentioned: Collection[str]) -> list[frozenset[str]]:
    if path.domain_id is not None:
        return [names for names in known if path.domain_id in names] or [frozenset()]
    # Every cluster: the known ones, those that other paths speak of, and whichever may come.
    return [*known, *(frozenset({name}) for name in sorted(mentioned)), frozenset()]


def _why_outside(place: _Place, tenant: Tenant) -> tuple[str, tuple[RuleRef, ...]] | None:
    """Why not all of it is in the view, and by which excludes. `None` if it is."""
    for exclude in tenant.excludes:
        if any(place.is_of(path) and meet(path.name, place.pattern) for path in exclude.paths):
            return f"excluded by {exclude.ref}", (exclude.ref,)
    included = [path for one in tenant.includes for path in one.paths if place.is_of(path)]
    if place.kind is not Kind.TOPIC or tenant.internal:
        return None if _covered(place.pattern, included) else ("no include covers it", ())
    internal = beginning(place.pattern, INTERNAL)
    if internal != [place.pattern] and not _covered(place.pattern, included):
        return "no include covers it", ()
    # Internal topics are shown only by paths that say so.
    naming = [path for path in included if path.name is not None and path.name.head.startswith(INTERNAL)]
    if not all(_covered(pattern, naming) for pattern in internal):
        return f"no include that begins with {INTERNAL} covers the internal topics among them", ()
    return None


def _covered(pattern: Pattern | None, paths: Iterable[Path]) -> bool:
    return any(covers(path.name, pattern) for path in paths)


def _refs(rules: Iterable[Rule]) -> tuple[RuleRef, ...]:
    return tuple(dict.fromkeys(rule.ref for rule in rules))


def _is_known(place: _Place) -> bool:
    return place.domain_id is None or place.domain_id in place.names


def _name(author: Author) -> str:
    return printable(author.principal)


def _no(reason: str, rules: tuple[RuleRef, ...] = ()) -> Judgement:
    return Judgement(granted=False, reason=reason, rules=rules)
