"""Which policies are about a question: all of them, and not only those that decide."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from kordon_policy.actions import Action
from kordon_policy.model import EVERYTHING, Effect
from kordon_policy.patterns import covers, literal
from kordon_policy.question import Question
from kordon_policy.reach import Entry, Found, Slot, find


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """The policies that deny it, stage it and allow it, each once; and the actions that none of them allows."""

    denying: tuple[Entry, ...]
    staging: tuple[Entry, ...]
    allowing: tuple[Entry, ...]
    lacking: tuple[Action, ...]


def match(question: Question, entries: Collection[Entry], names: frozenset[str]) -> Matching:
    """Look at every policy that concerns the one who asks. names: all of the cluster that is asked about."""
    found = {part: _about(question, find(entries, Slot(part, question.kind, names))) for part in question.parts}
    allowed = {part for part, some in found.items() if any(one.effect is Effect.ALLOW for one in some)}

    def by(effect: Effect) -> tuple[Entry, ...]:
        some = [one.entry for each in found.values() for one in each if one.effect is effect]
        return tuple({id(entry): entry for entry in some}.values())

    return Matching(
        denying=by(Effect.DENY),
        staging=by(Effect.STAGE),
        allowing=by(Effect.ALLOW),
        lacking=tuple(part for part in question.parts if part not in allowed),
    )


def _about(question: Question, found: Iterable[Found]) -> list[Found]:
    """Those whose path is about the name. Every broker is allowed by what covers all, and denied by what takes one."""
    kind, name = question.kind, question.name
    if kind is None or name is None:
        return list(found)
    if (kind, name) in EVERYTHING:
        return [one for one in found if one.effect is not Effect.ALLOW or covers(one.pattern, None)]
    asked = literal(name)
    return [one for one in found if covers(one.pattern, asked)]
