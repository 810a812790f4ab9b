"""Why somebody may or may not do something, and the least that would change it.

The answer is the evaluator's, and its reason the very sentence that audit and client are told. Everything else is
worked out beside it: what each step of the evaluation found, policies that miss by one thing, when time alone changes
the answer, and what would have to be changed.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from kordon_policy.access import Access
from kordon_policy.actions import Kind, joined
from kordon_policy.decision import listed, outside, printable, who
from kordon_policy.draft import Case, sees
from kordon_policy.fixes import NO_FIXES, Fixes, find_fixes
from kordon_policy.matching import Matching, match
from kordon_policy.model import EVERYBODY, Effect, RuleRef
from kordon_policy.near import NearMiss, near_misses
from kordon_policy.opens import Before
from kordon_policy.question import Question, Ruled, World, judge
from kordon_policy.reach import Entries, Entry, entries_of, shown

NEAR: Final = 20
"""Near misses that are told."""


class Stage(StrEnum):
    """The steps of an evaluation, in their order."""

    LOGIN = "login"
    VIEW = "view"
    DENY = "deny"
    STAGE = "stage"
    ALLOW = "allow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one step found. passed: does it stand in the way of nothing? `None`: that is not told, or was not asked.

    near: policies that would have allowed it but for one thing. more: how many of them are left out.
    """

    step: Stage
    passed: bool | None
    text: str
    rules: tuple[RuleRef, ...] = ()
    near: tuple[NearMiss, ...] = ()
    more: int = 0

    def __post_init__(self) -> None:
        if not self.text:
            raise ValueError("a step says what it found")


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """An instant (ms since the epoch) at which time alone makes another answer of it, and by which policies."""

    ts: int
    access: Access
    rules: tuple[RuleRef, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The whole answer to a question.

    tenant: the one that he is in. turn: the next change of the answer, if time brings one.
    would_be: what it would be if shadow policies were enforced, where that differs. rests_on: when it is allowed, the
    policies that allow it; if it is one, the answer turns without it.
    """

    question: Question
    at: int
    epoch: int
    tenant: str | None
    access: Access
    reason: str
    steps: tuple[Step, ...]
    turn: Turn | None = None
    fixes: Fixes = NO_FIXES
    would_be: tuple[Access, str] | None = None
    rests_on: tuple[RuleRef, ...] = ()

    def __post_init__(self) -> None:
        if [step.step for step in self.steps] != list(Stage):
            raise ValueError("an explanation has all steps, in their order")


def explain(question: Question, world: World, *, openly: bool = True) -> Explanation:
    """Explain the answer to a question, at the instant of the world.

    openly: to an administrator. Anybody else, who asks about himself, is told of his own roles' policies alone, and of
    what is not in his view the same whatever it is and whether it exists.
    """
    if not openly:
        world = replace(world, clusters=(world.cluster(question.cluster, question.domain),))
    ruled = judge(question, world, openly=openly)
    if ruled.access is Access.HIDDEN and not openly:
        return _closed(question, world, ruled)
    case = _case(question, world, ruled)
    near = _near(case, openly=openly)
    allowed = ruled.access is Access.ALLOWED
    return Explanation(
        question=question,
        at=world.now,
        epoch=world.epoch,
        tenant=ruled.tenant_name,
        access=ruled.access,
        reason=ruled.reason,
        steps=_steps(case, near, openly=openly),
        turn=_turn(case, openly=openly),
        fixes=NO_FIXES if allowed else find_fixes(case, near, others=openly),
        would_be=_would_be(ruled),
        rests_on=ruled.decision.rules if allowed and ruled.decision is not None else (),
    )


def _closed(question: Question, world: World, ruled: Ruled) -> Explanation:
    """The one answer for all that is not in the view."""
    untold = [Step(step=step, passed=None, text="not told") for step in (Stage.DENY, Stage.STAGE, Stage.ALLOW)]
    return Explanation(
        question=question,
        at=world.now,
        epoch=world.epoch,
        tenant=ruled.tenant_name,
        access=ruled.access,
        reason=ruled.reason,
        steps=(_login(question, ruled), Step(step=Stage.VIEW, passed=False, text=ruled.reason), *untold),
    )


def _case(question: Question, world: World, ruled: Ruled) -> Case:
    entries = Entries(entries_of(ruled.snapshot))
    his = entries.of(question.held, question.principal)
    return Case(
        question=question,
        world=world,
        ruled=ruled,
        matching=match(question, his, world.cluster(question.cluster, question.domain).names),
        before=Before(question=question, world=world, entries=entries),
    )


def _near(case: Case, *, openly: bool) -> tuple[NearMiss, ...]:
    """Near misses among all policies, or those of his own roles."""
    decision = case.ruled.decision
    if not case.matching.lacking or (decision is not None and decision.allowed):
        return ()
    shadows = (Entry(rule=rule) for rule in case.ruled.snapshot.document.policies if rule.shadow)
    every: Iterable[Entry] = (*case.before.entries.all, *shadows)
    if not openly:
        every = [entry for entry in every if entry.is_for(case.question.held, case.question.principal)]
    return near_misses(case.question, tuple(every), case.names, case.matching.lacking)


# ---- steps


def _steps(case: Case, near: tuple[NearMiss, ...], *, openly: bool) -> tuple[Step, ...]:
    view = _view(case, openly=openly)
    login = _login(case.question, case.ruled)
    if case.question.action is None:
        unasked = (Step(step=step, passed=None, text="not asked") for step in (Stage.DENY, Stage.STAGE, Stage.ALLOW))
        return (login, view, *unasked)
    matching = case.matching
    return (
        login,
        view,
        _against(Stage.DENY, matching.denying, _never(case.ruled)),
        _against(Stage.STAGE, matching.staging),
        _allow(case.ruled, matching, near),
    )


def _login(question: Question, ruled: Ruled) -> Step:
    if ruled.refused is not None:
        return Step(step=Stage.LOGIN, passed=False, text=ruled.refused)
    where = "to no tenant" if ruled.tenant is None else f"to tenant {printable(ruled.tenant.name)}"
    rules = () if ruled.tenant is None else (ruled.tenant.ref,)
    return Step(step=Stage.LOGIN, passed=True, text=f"{who(question.held)} may log in, {where}", rules=rules)


def _view(case: Case, *, openly: bool) -> Step:
    view, question = case.ruled.view, case.question
    kind, name = question.kind, question.name
    seen = sees(view, question)
    # What would come into being needs more than a group that reads it.
    inferred = question.explicit and not seen and kind is not None and view.sees(kind, name or "")
    text = view.reason(kind, name)
    if inferred or not (seen or openly):
        text = outside(kind, name, view.tenant)
    if inferred:
        text += ": to create it takes an include"
    elif not seen and openly and _may_be_inferred(case):
        text += ", unless a group that is shown reads it, which is not known here"
    return Step(step=Stage.VIEW, passed=seen, text=text, rules=view.rules(kind, name) if openly or seen else ())


def _may_be_inferred(case: Case) -> bool:
    """Could the thing be in the view, if it were known which topics groups read?"""
    question, tenant = case.question, case.ruled.tenant
    if case.world.inferred is not None or question.explicit or question.kind is not Kind.TOPIC or tenant is None:
        return False
    return case.ruled.view.is_open(question.name or "") and bool(
        shown(tenant, Kind.GROUP, case.names, admin=case.admin)
    )


def _never(ruled: Ruled) -> str:
    """Why nobody may do it, if that is so."""
    decision = ruled.decision
    return decision.because if decision is not None and decision.effect is Effect.DENY else ""


def _against(step: Stage, entries: tuple[Entry, ...], never: str = "") -> Step:
    rules = tuple(entry.ref for entry in entries)
    if not entries:
        return Step(step=step, passed=not never, text=never or f"no {step.value.title()} is about it")
    verb = "denied" if step is Stage.DENY else "staged"
    return Step(step=step, passed=False, text=f"{verb} by {listed(rules)}", rules=rules)


def _allow(ruled: Ruled, matching: Matching, near: tuple[NearMiss, ...]) -> Step:
    rules = tuple(entry.ref for entry in matching.allowing)
    decision = ruled.decision
    if matching.lacking and decision is not None and decision.allowed:
        return Step(step=Stage.ALLOW, passed=True, text=decision.reason, rules=decision.rules)
    if not matching.lacking:
        return Step(step=Stage.ALLOW, passed=True, text=f"allowed by {listed(rules)}", rules=rules)
    told, more = near[:NEAR], max(0, len(near) - NEAR)
    text = f"no Allow of {listed(joined(matching.lacking))} is about it"
    return Step(step=Stage.ALLOW, passed=False, text=text, rules=rules, near=told, more=more)


# ---- time


def _turn(case: Case, *, openly: bool) -> Turn | None:
    """The next start or end of a temporary policy that makes another answer of it."""
    question, world = case.question, case.world
    held = question.held | {EVERYBODY}
    concerned = [
        one for one in world.temporary if one.principal in (None, question.principal) and one.rule.roles & held
    ]
    instants = sorted({ts for one in concerned for ts in (one.starts_ts, one.expires_ts) if ts and ts > world.now})
    for ts in instants:
        then = judge(question, world, ts, openly=openly)
        if then.access is not case.ruled.access:
            rules = tuple(one.rule.ref for one in concerned if ts in (one.starts_ts, one.expires_ts))
            return Turn(ts=ts, access=then.access, rules=rules)
    return None


def _would_be(ruled: Ruled) -> tuple[Access, str] | None:
    shadow = None if ruled.decision is None else ruled.decision.shadow
    if shadow is None or ruled.access is Access.HIDDEN or ruled.refused is not None:
        return None
    access = Access.ALLOWED if shadow.allowed else Access.STAGED if shadow.staged else Access.DENIED
    return access, shadow.reason
