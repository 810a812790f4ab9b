"""The answer to one question, with all it takes to explain it."""

from collections.abc import Iterable
from dataclasses import dataclass

from kordon_policy.actions import Action, Kind
from kordon_policy.model import Effect, RuleRef

_SHOWN = 8  # roles or rules named in one sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the policies say to one action on one thing, under one snapshot.

    `effect` is `None` where no policy says anything, which denies as well. `rules` are all those that have the
    deciding effect; for an umbrella those of all its deciding parts, which are in `parts`.
    """

    effect: Effect | None
    rules: tuple[RuleRef, ...]
    epoch: int
    action: Action
    kind: Kind | None
    name: str | None
    roles: frozenset[str]
    parts: tuple[Action, ...]
    because: str = ""  # why, where it is no rule alone that decides
    never_staged: bool = False  # a Stage among the rules denies, because the action cannot wait
    shadow: "Decision | None" = None  # what it would be if shadow policies were enforced, where that differs

    @property
    def allowed(self) -> bool:
        """May it be done now?"""
        return self.effect is Effect.ALLOW

    @property
    def staged(self) -> bool:
        """Does it wait for somebody's approval?"""
        return self.effect is Effect.STAGE

    @property
    def reason(self) -> str:
        """One sentence for people, put together when it is asked for. Audit and clients are told the same."""
        if self.because:
            return self.because
        if self.effect is None:
            return f"no policy allows {self._asked()} on {thing(self.kind, self.name)} to {who(self.roles)}"
        by = listed(_with_note(rule) for rule in self.rules)
        never = ": a Stage on what is never staged" if self.never_staged else ""
        return f"{self.action} is {_PAST[self.effect]} by {by}{never}"

    def _asked(self) -> str:
        if self.parts == (self.action,):
            return self.action
        return f"{listed(self.parts)} (needed for {self.action})"


_PAST = {Effect.ALLOW: "allowed", Effect.STAGE: "staged", Effect.DENY: "denied"}


def thing(kind: Kind | None, name: str | None) -> str:
    """A resource in a sentence: `group trade_b2`. A client chose the name, so it is made safe to print."""
    if kind is None or name is None:
        return "the cluster"
    return f"{kind.words} {printable(name)}" if name else f"every {kind.words}"


def outside(kind: Kind | None, name: str | None, tenant: str | None) -> str:
    """What whoever is in a tenant is told of a thing outside it, in whichever way it is outside."""
    what = "the cluster as a whole" if kind is None or name is None else thing(kind, name)
    return f"{what} is hidden: no tenant" if tenant is None else f"{what} is outside the tenant {printable(tenant)}"


def printable(name: str) -> str:
    """A name that is safe to put into a sentence."""
    short = name if len(name) <= 300 else f"{name[:300]}…"
    return short if short.isprintable() else repr(short)


def listed(texts: Iterable[object]) -> str:
    """Some things in a sentence; of many the first few and how many more there are."""
    all_of_them = [str(text) for text in texts]
    more = len(all_of_them) - _SHOWN
    return ", ".join(all_of_them[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _with_note(rule: RuleRef) -> str:
    return f"{rule} “{printable(rule.note)}”" if rule.note else str(rule)


def who(roles: frozenset[str]) -> str:
    """Roles in a sentence."""
    if not roles:
        return "somebody without roles"
    return f"role{'s' * (len(roles) > 1)} {listed(printable(role) for role in sorted(roles))}"
