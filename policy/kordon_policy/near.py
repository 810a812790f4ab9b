"""Near misses: policies that would have allowed it, if one of their coordinates were another."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, NamedTuple

from kordon_policy.actions import Action, joined
from kordon_policy.decision import listed
from kordon_policy.model import EVERYBODY, EVERYTHING, Effect, Path, Rule, RuleRef
from kordon_policy.patterns import Pattern, covers, literal, pattern
from kordon_policy.question import Question
from kordon_policy.reach import Entry
from kordon_policy.slips import Slip, slip_of_name, slip_of_place, slip_of_word

ANY_NAME: Final = "any"


class Coordinate(StrEnum):
    """In what a policy is about something else. The first are the likeliest slips."""

    MODE = "mode"
    PRINCIPAL = "principal"
    ROLE = "role"
    CLUSTER = "cluster"
    ACTION = "action"
    TYPE = "type"
    NAME = "name"


@dataclass(frozen=True, slots=True, kw_only=True)
class NearMiss:
    """A policy with one wrong coordinate.

    has, wants: what stands there, and what it would have to be. slip: why it is probably a typing mistake.
    addition: what the policy would allow besides, with that coordinate put right; `None` where that is not its to say.
    """

    rule: RuleRef
    wrong: Coordinate
    has: str
    wants: str
    slip: str = ""
    addition: Rule | None = field(default=None, compare=False, repr=False)

    @property
    def rank(self) -> tuple[bool, int]:
        """Slips first, then by what is wrong."""
        return not self.slip, list(Coordinate).index(self.wrong)


class _Wrong(NamedTuple):
    coordinate: Coordinate
    has: str
    wants: str
    slip: Slip | None
    addition: Rule | None


def near_misses(
    question: Question, entries: Collection[Entry], names: frozenset[str], parts: Collection[Action]
) -> tuple[NearMiss, ...]:
    """The Allows with one wrong coordinate among these, the likeliest slips first.

    names: all of the cluster that is asked about. parts: the actions that nothing allows yet.
    """
    asked = _Asked(question, names, parts)
    found = [miss for entry in entries if (miss := asked.compare(entry)) is not None]
    return tuple(sorted(found, key=lambda miss: miss.rank))


class _Asked:
    """A question, compared with one policy after the other."""

    def __init__(self, question: Question, names: frozenset[str], parts: Collection[Action]) -> None:
        self._question = question
        self._names = names
        self._parts = frozenset(parts)
        self._roles = question.held
        self._concerned = question.held | {EVERYBODY}
        kind, name = question.kind, question.name
        everything = kind is not None and (kind, name) in EVERYTHING
        self._name: Pattern | None = None if name is None or everything else literal(name)

    def compare(self, entry: Entry) -> NearMiss | None:
        """The one thing that is wrong with a policy; `None` if it is none or more than one."""
        rule = entry.rule
        if rule.effect is not Effect.ALLOW:
            return None
        # There are many policies, and most are about something else altogether.
        wrong = [one for one, is_wrong in self._but_for_path(entry) if is_wrong]
        if len(wrong) > 1:
            return None
        found = self._nearest_path(rule, budget=1 - len(wrong))
        if found is None or bool(wrong) == bool(found):
            return None
        return self._told(entry, found or self._describe(wrong[0], entry))

    def _told(self, entry: Entry, wrong: "_Wrong") -> NearMiss:
        return NearMiss(
            rule=entry.ref,
            wrong=wrong.coordinate,
            has=wrong.has,
            wants=wrong.wants if wrong.slip is None else wrong.slip.meant,
            slip="" if wrong.slip is None else wrong.slip.kind,
            # What holds for a time is given anew, and not mended.
            addition=None if entry.lent is not None else wrong.addition,
        )

    def _but_for_path(self, entry: Entry) -> Iterator[tuple[Coordinate, bool]]:
        rule = entry.rule
        yield Coordinate.ACTION, rule.actions.isdisjoint(self._parts)
        yield Coordinate.ROLE, rule.roles.isdisjoint(self._concerned)
        yield Coordinate.PRINCIPAL, entry.principal not in (None, self._question.principal)
        yield Coordinate.MODE, rule.shadow

    def _describe(self, wrong: Coordinate, entry: Entry) -> "_Wrong":
        rule = entry.rule
        if wrong is Coordinate.MODE:
            return _Wrong(wrong, "shadow", "enforced", None, replace(rule, shadow=False, shadow_until=None))
        if wrong is Coordinate.PRINCIPAL:
            return _Wrong(wrong, entry.principal or "", self._question.principal, None, None)
        if wrong is Coordinate.ROLE:
            return self._wrong_role(rule)
        has = listed(joined(rule.actions)) or "none"
        return _Wrong(wrong, has, listed(joined(self._parts)), None, replace(rule, actions=self._parts))

    def _wrong_role(self, rule: Rule) -> _Wrong:
        slips = (slip_of_word(written, sorted(self._roles)) for written in sorted(rule.roles))
        slip = next((one for one in slips if one is not None), None)
        wanted = slip.meant if slip is not None else next(iter(sorted(self._roles)), "")
        addition = replace(rule, roles=frozenset({wanted})) if wanted else None
        return _Wrong(Coordinate.ROLE, listed(sorted(rule.roles)) or "none", wanted, slip, addition)

    def _nearest_path(self, rule: Rule, budget: int) -> "_Wrong | tuple[()] | None":
        """What is wrong with the path that is nearest: nothing, one thing, or `None` for more than the budget."""
        nearest: _Wrong | None = None
        for path in rule.paths:
            if not path.is_about(self._question.domain):
                continue
            wrong = self._wrong_in(path)
            if not wrong:
                return ()
            if len(wrong) <= budget and (nearest is None or nearest.slip is None):
                described = self._describe_path(wrong[0], rule, path)
                nearest = described if nearest is None or described.slip is not None else nearest
        return nearest

    def _wrong_in(self, path: Path) -> list[Coordinate]:
        kind = self._question.kind
        right = (
            (Coordinate.CLUSTER, path.is_in(self._names)),
            (Coordinate.TYPE, path.kind is None or path.kind is kind),
            (Coordinate.NAME, path.name is None or (kind is not None and covers(path.name, self._name))),
        )
        return [coordinate for coordinate, is_right in right if not is_right]

    def _describe_path(self, wrong: Coordinate, rule: Rule, path: Path) -> "_Wrong":
        if wrong is Coordinate.CLUSTER:
            return self._wrong_cluster(rule, path)
        return self._wrong_type(rule, path) if wrong is Coordinate.TYPE else self._wrong_name(rule, path)

    def _wrong_cluster(self, rule: Rule, path: Path) -> _Wrong:
        asked, written = self._question, path.domain_id or ""
        misplaced = slip_of_place(written, asked.name) if path.kind is None else None
        slip = misplaced or slip_of_word(written, sorted(self._names))
        if misplaced is not None:
            mended = Path(domain=asked.domain, kind=asked.kind, name=pattern(misplaced.meant))
        else:
            mended = replace(path, domain_id=asked.cluster if slip is None else slip.meant)
        return _Wrong(Coordinate.CLUSTER, written, asked.cluster, slip, replace(rule, paths=(mended,)))

    def _wrong_type(self, rule: Rule, path: Path) -> _Wrong:
        kind = self._question.kind
        mended = replace(path, kind=kind) if kind is not None else replace(path, kind=None, name=None)
        has = "" if path.kind is None else path.kind.value
        return _Wrong(
            Coordinate.TYPE, has, "none" if kind is None else kind.value, None, replace(rule, paths=(mended,))
        )

    def _wrong_name(self, rule: Rule, path: Path) -> _Wrong:
        written, name = path.name, self._question.name
        assert written is not None
        slip = slip_of_name(written, name) if name else None
        addition = None if slip is None else replace(rule, paths=(replace(path, name=pattern(slip.meant)),))
        return _Wrong(Coordinate.NAME, written.text, name or ANY_NAME, slip, addition)
