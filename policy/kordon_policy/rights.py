"""Who may do what: policies indexed by what they are asked about, and the answers remembered."""

from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from enum import Enum
from operator import itemgetter
from typing import Final

from kordon_policy.actions import NEVER_STAGED, Action, Kind
from kordon_policy.decision import Decision, thing, who
from kordon_policy.index import PatternIndex
from kordon_policy.memo import Memo, has_short_name
from kordon_policy.model import Effect, Rule, is_kordons_own, only_reads
from kordon_policy.patterns import SPARE, Pattern

# What stands for a right that older files have no word for, with `compat: {members_by_inspect: true}`.
STAND_INS: Final[Mapping[Action, tuple[Action, Kind]]] = {
    Action.GROUP_CONSUME: (Action.TOPIC_INSPECT, Kind.TOPIC),
    Action.TRANSACTION_PRODUCE: (Action.TOPIC_PRODUCE, Kind.TOPIC),
}


class Staging(Enum):
    """What a Stage does to a question."""

    WAITS = "waits"  # it is staged, as whoever asks is told
    APPROVED = "approved"  # it allows: somebody has approved what it staged
    SET_ASIDE = "set aside"  # nothing: Deny and Allow alone decide


Question = tuple[Action, Kind | None, str | None]


class Slot:
    """Policies about one action on one TYPE in one cluster, by the names that they are about."""

    __slots__ = ("_index", "_rules")

    def __init__(self, index: PatternIndex[int], rules: Sequence[Rule]) -> None:
        self._index = index
        self._rules = rules

    def matching(self, name: str) -> dict[tuple[int, int], Rule]:
        """The policies about a name, each once, by what tells it from those of other slots."""
        return {(id(self._rules), at): self._rules[at] for at in self._index.matching(name)}

    def __iter__(self) -> Iterator[tuple[Pattern | None, Rule]]:
        for names, at in sorted(self._index, key=itemgetter(1)):
            yield names, self._rules[at]


class RoleIndex:
    """The policies of one role, by action, TYPE and cluster, and there by name.

    It keeps their numbers alone: where there are many, they are packed.
    """

    def __init__(self, rules: Sequence[Rule], numbers: Iterable[int] | None = None) -> None:
        """rules: of all roles; numbers: which of them are this one's, None for all."""
        self._rules = rules
        names: list[Pattern | None] = []
        of: list[int] = []
        slots: dict[tuple[Action, Kind | None, str | None], array[int]] = {}
        for at in range(len(rules)) if numbers is None else numbers:
            rule = rules[at]
            for path in rule.paths:
                for action in rule.actions:
                    for kind in action.kinds:
                        if path.reaches(kind, action.domain):
                            slots.setdefault((action, kind, path.domain_id), array("L")).append(len(names))
                names.append(path.name)
                of.append(at)
        # Actions that come together are about the same names, and share an index.
        same: dict[bytes, PatternIndex[int]] = {}
        for entries in slots.values():
            if entries.tobytes() not in same:
                same[entries.tobytes()] = PatternIndex((names[entry], of[entry]) for entry in entries)
        self._slots = {slot: same[entries.tobytes()] for slot, entries in slots.items()}

    def over(self, rules: Sequence[Rule]) -> "RoleIndex":
        """The same index over the same policies, kept in another way."""
        other = copy(self)
        other._rules = rules
        return other

    def slots(self, action: Action, kind: Kind | None, names: Collection[str]) -> list[Slot]:
        """The policies about this action on this TYPE in the cluster that is known by these names."""
        found = (self._slots.get((action, kind, domain_id)) for domain_id in {None, *names})
        return [Slot(index, self._rules) for index in found if index is not None]


class Rights:
    """What the policies of one snapshot let the holders of some roles do in one cluster (registry, ...)."""

    def __init__(
        self,
        layers: Iterable[RoleIndex],
        *,
        roles: frozenset[str],
        cluster_names: Collection[str],
        epoch: int,
        stand_ins: Mapping[Action, tuple[Action, Kind]],
        staging: Staging = Staging.WAITS,
    ) -> None:
        self.roles = roles
        self.epoch = epoch
        self._layers = tuple(layers)
        self._names = frozenset(cluster_names)
        self._stand_ins = stand_ins
        self._staging = staging
        self._allowing = {Effect.ALLOW, Effect.STAGE} if staging is Staging.APPROVED else {Effect.ALLOW}
        self._slots = Memo(self._find_slots)
        self._decisions = Memo(self._decide, keeps=has_short_name)
        self._somewhere = Memo(self._decide_somewhere)
        self._everywhere = Memo(self._decide_everywhere)

    def decide(self, action: Action, kind: Kind | None, name: str | None = None) -> Decision:
        """Judge one action on one thing. For the whole cluster `kind` and `name` are `None`.

        An empty name stands for all things of that TYPE: only what covers every name covers it.
        """
        return self._decisions[action, kind, name]

    def decide_somewhere(self, action: Action, kind: Kind) -> Decision:
        """Is the action allowed on any name of this TYPE? If so, by which rules: for one such name."""
        return self._somewhere[action, kind]

    def decide_everywhere(self, action: Action, kind: Kind) -> Decision:
        """Is the action allowed on every name of this TYPE (but Kordon's own), whether it exists or not?

        If not, the reason is one of those why not.
        """
        return self._everywhere[action, kind]

    def _decide(self, question: Question) -> Decision:
        action, kind, name = question
        if kind not in action.kinds:
            return self._refuse(question, f"{action} is no action on a {kind.words if kind else 'whole cluster'}")
        if is_kordons_own(kind, name) and not only_reads(action):
            return self._refuse(question, f"{thing(kind, name)} is Kordon's own: nobody writes, alters or deletes it")
        matching = [self._matching(part, kind, name or "") for part in action.parts]
        decision = self._conclude(question, [[rule for rule in rules if not rule.shadow] for rules in matching])
        if any(rule.shadow for rules in matching for rule in rules):
            candidate = self._conclude(question, matching)
            if (candidate.allowed, candidate.staged) != (decision.allowed, decision.staged):
                return replace(decision, shadow=candidate)
        return decision

    def _find_slots(self, slot: tuple[Action, Kind | None]) -> list[Slot]:
        return [one for layer in self._layers for one in layer.slots(*slot, self._names)]

    def _matching(self, part: Action, kind: Kind | None, name: str) -> list[Rule]:
        # A rule of several roles is found in the slots of each.
        found = {place: rule for slot in self._slots[part, kind] for place, rule in slot.matching(name).items()}
        if self._staging is Staging.SET_ASIDE:
            return [rule for rule in found.values() if effect_on(part, rule) is not Effect.STAGE]
        return list(found.values())

    def _conclude(self, question: Question, matching: list[list[Rule]]) -> Decision:
        """Deny beats Stage beats Allow beats nothing; of the parts of an umbrella the one least allowed decides."""
        action = question[0]
        effects = [_strongest(part, rules) for part, rules in zip(action.parts, matching, strict=True)]
        effect = _least_allowed(effects)
        if effect is None and action in self._stand_ins:
            return self._stand_in(question)
        deciding = [at for at, each in enumerate(effects) if each is effect]
        rules = {
            rule
            for at in deciding
            for rule in matching[at]
            if effect is not None and effect_on(action.parts[at], rule) is effect
        }
        answer = self._answer(question, effect, rules, parts=tuple(action.parts[at] for at in deciding))
        if answer.staged and self._staging is Staging.APPROVED:
            return replace(answer, effect=Effect.ALLOW, because=f"{answer.reason}, and approved")
        return answer

    def _stand_in(self, question: Question) -> Decision:
        other = self.decide_somewhere(*self._stand_ins[question[0]])
        if not other.allowed:
            return self._answer(question, None, (), parts=(question[0],))
        because = f"{question[0]} is allowed by compat.members_by_inspect, as {other.reason}"
        answer = self._answer(question, Effect.ALLOW, (), parts=(question[0],))
        return replace(answer, rules=other.rules, because=because)

    def _decide_somewhere(self, question: tuple[Action, Kind]) -> Decision:
        # If an Allow is not denied as a whole, the generic name of its pattern is allowed: no other pattern matches
        # that name unless it covers all of the Allow's names.
        action, kind = question
        for part in action.parts:
            for slot in self._slots[part, kind]:
                for pattern, rule in slot:
                    if rule.effect in self._allowing and not rule.shadow:
                        decision = self._decide((action, kind, pattern.word if pattern else SPARE))
                        if decision.allowed:
                            return replace(decision, name="")
        because = f"no policy allows {action} on any {kind.words} to {who(self.roles)}"
        return self._refuse((action, kind, ""), because, effect=None)

    def _decide_everywhere(self, question: tuple[Action, Kind]) -> Decision:
        # An Allow covers all, so what can take a name away is another policy: if one does, then it does so from the
        # generic name of its pattern.
        action, kind = question
        decision = self._decide((action, kind, ""))
        for part in action.parts if decision.allowed else ():
            for slot in self._slots[part, kind]:
                for pattern, rule in slot:
                    if rule.effect is not Effect.ALLOW and not rule.shadow:
                        there = self._decide((action, kind, pattern.word if pattern else SPARE))
                        if not there.allowed:
                            return replace(there, name="")
        return decision

    def _refuse(self, question: Question, because: str, effect: Effect | None = Effect.DENY) -> Decision:
        return replace(self._answer(question, effect, (), parts=(question[0],)), because=because)

    def _answer(
        self, question: Question, effect: Effect | None, rules: Collection[Rule], parts: tuple[Action, ...]
    ) -> Decision:
        action, kind, name = question
        refs = sorted((rule.ref for rule in rules), key=lambda ref: (ref.source, ref.line, len(ref.place), ref.place))
        return Decision(
            effect=effect,
            rules=tuple(refs),
            epoch=self.epoch,
            action=action,
            kind=kind,
            name=name,
            roles=self.roles,
            parts=parts,
            never_staged=effect is Effect.DENY and any(rule.effect is Effect.STAGE for rule in rules),
        )


def effect_on(part: Action, rule: Rule) -> Effect:
    """What a rule does to an action: a Stage denies what cannot wait for an approval."""
    return Effect.DENY if rule.effect is Effect.STAGE and part in NEVER_STAGED else rule.effect


def _strongest(part: Action, rules: Iterable[Rule]) -> Effect | None:
    return max((effect_on(part, rule) for rule in rules), key=lambda effect: effect.strength, default=None)


def _least_allowed(effects: Collection[Effect | None]) -> Effect | None:
    for effect in (Effect.DENY, None, Effect.STAGE):
        if effect in effects:
            return effect
    return Effect.ALLOW
