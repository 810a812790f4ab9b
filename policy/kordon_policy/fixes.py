"""The least that would let somebody do it: each way is tried on a copy, and told only if the answer is then yes.

It takes four independent things: a login, a view, nothing that denies or stages it, and an Allow. So the smallest
change is the cheapest one for each that fails, side by side. For a missing Allow there are several ways, and they are
compared by what they open besides.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

from kordon_policy.access import Access
from kordon_policy.actions import joined
from kordon_policy.decision import listed, printable, thing
from kordon_policy.draft import Case, Change, Draft, Means, elements, exact_path, people, quoted, sees, written
from kordon_policy.model import EVERYBODY, Effect, Path, Rule, RuleRef, TemporaryRule, Tenant
from kordon_policy.near import Coordinate, NearMiss
from kordon_policy.opens import NOTHING_ELSE, Opens, opened_by, opened_to
from kordon_policy.question import World, judge
from kordon_policy.repairs import repairs

HOUR: Final = 3_600_000
MOST: Final = 10
"""Ways that are told."""
MENDED: Final = 6
"""Near misses that are tried."""
ROLES: Final = 3
"""Roles that are tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """Changes that together let him do it, and what they open besides.

    grant: the body to ask for a temporary policy with, where one is among the changes.
    """

    changes: tuple[Change, ...]
    opens: Opens = NOTHING_ELSE
    grant: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if not self.changes:
            raise ValueError("a fix changes something")

    @property
    def means(self) -> Means:
        """What it is called by: the change that ways differ in, which is made last."""
        return self.changes[-1].means

    @property
    def touched(self) -> int:
        """How many of the things that are written down are changed. A choice at login and a grant change none."""
        return sum(change.means not in (Means.TENANT, Means.GRANT) for change in self.changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixes:
    """The ways, the best first; and why no temporary policy can help, if none can.

    untried: how many near misses and roles have not been tried, because there are many.
    """

    ways: tuple[Fix, ...] = ()
    no_grant: str = ""
    untried: int = 0


NO_FIXES: Final = Fixes()


Candidate = Callable[[Draft], Draft]
"""An Allow that may be what is missing, put on a draft."""


def find_fixes(case: Case, near: Collection[NearMiss], *, others: bool = True) -> Fixes:
    """Find what would let him do it. others: may the ways speak of roles that he does not have?"""
    decision = case.ruled.decision
    # What no rule says, no rule can change.
    if decision is not None and decision.because and decision.effect is Effect.DENY:
        return Fixes(no_grant=f"no grant can help: {case.ruled.reason}")
    mendable = [miss for miss in near if miss.addition is not None]
    roles = _roles_to_give(case, near) if others else []
    gifts = [_give(case, role) for role in roles[:ROLES]]
    found = _by_role_alone(case, roles[:ROLES], gifts)
    given = {fix.changes[-1] for fix in found}
    candidates: list[Candidate] | None = None
    for start in _starts(case):
        repaired = _repaired(case, start)
        if repaired is None:
            continue
        enough = _confirmed(repaired)
        if enough is None and candidates is None:
            candidates = [*_exact_ways(case), *(_mend(case, one, others=others) for one in mendable[:MENDED]), *gifts]
        drafts = (candidate(repaired) for candidate in candidates or ())
        ways = [enough] if enough is not None else filter(None, map(_confirmed, drafts))
        found += [fix for fix in ways if fix.changes[-1] not in given]
    return Fixes(
        ways=tuple(_ordered(found)[:MOST]),
        no_grant=_no_grant(case),
        untried=0 if candidates is None else len(mendable[MENDED:]) + len(roles[ROLES:]),
    )


def _no_grant(case: Case) -> str:
    """Why no temporary policy alone helps; "" if one may."""
    why = [case.ruled.reason] if case.ruled.refused is not None or case.hidden else []
    for entries, verb in ((case.matching.denying, "denies"), (case.matching.staging, "stages")):
        if entries:
            why.append(f"{listed(entry.ref for entry in entries)} {verb} it")
    return f"no grant alone can help: {'; '.join(why)}" if why else ""


def _starts(case: Case) -> Iterator[Draft]:
    """The question as it is, and in other tenants that he may choose and that show the thing."""
    yield Draft(question=case.question, world=case.world)
    if not case.hidden and case.ruled.refused is None:
        return
    snapshot, held = case.ruled.snapshot, case.question.held
    for tenant in snapshot.tenants:
        if tenant is case.ruled.tenant or not tenant.takes(held):
            continue
        if sees(case.world.view(snapshot, tenant.name, case.names, admin=case.admin), case.question):
            yield _logged_in(case, tenant)


def _repaired(case: Case, start: Draft) -> Draft | None:
    """With what login, view, Denies and Stages take, side by side; `None` if one of them cannot be helped."""
    draft: Draft | None = start
    for repair in repairs(case):
        draft = None if draft is None else repair(draft)
    return draft


def _by_role_alone(case: Case, roles: Collection[str], gifts: Iterable[Candidate]) -> list[Fix]:
    """Roles that let him in or bring a tenant along, so that nothing else has to be changed."""
    if not case.hidden and case.ruled.refused is None:
        return []
    found: list[Fix] = []
    for role, gift in zip(roles, gifts, strict=True):
        held = case.question.held | {role}
        tenants = (one for one in case.ruled.snapshot.tenants if one.takes(held) and one.name != case.question.tenant)
        starts = [Draft(question=case.question, world=case.world), *(_logged_in(case, one) for one in tenants)]
        confirmed = (_confirmed(gift(start)) for start in starts)
        found += [*filter(None, confirmed)][:1]
    return found


def _logged_in(case: Case, tenant: Tenant) -> Draft:
    change = Change(means=Means.TENANT, text=f"log in to tenant {printable(tenant.name)}", at=tenant.ref)
    return Draft(question=replace(case.question, tenant=tenant.name), world=case.world).then(change)


def _exact_ways(case: Case) -> list[Candidate]:
    exact, role = exact_path(case.question), _role(case)
    return [] if exact is None or role is None else [_grant(case, exact, role), _rule(case, exact, role)]


def _role(case: Case) -> str | None:
    """The role of his that an Allow would best be for: one by which he is in, as a grant for any other is refused."""
    held = sorted(case.question.held)
    return next((role for role in held if case.ruled.snapshot.admits({role})), next(iter(held), None))


def _grant(case: Case, exact: Path, role: str) -> Candidate:
    rule = _exact(case, exact, role)
    text = f"allow {printable(role)} {_actions(rule)} on {thing(case.question.kind, case.question.name)} for 1h"
    policy = {
        "role": role,
        "actions": [action.value for action in joined(rule.actions)],
        "effect": Effect.ALLOW.value,
        "resource": list(elements(exact)),
    }
    grant = {"duration_ms": HOUR, "policy": policy}
    change = Change(means=Means.GRANT, text=text)
    opening = cache(lambda: opened_by(rule, case.before))
    return lambda draft: draft.then(change, opening, world=_with(draft, rule), grant=grant)


def _rule(case: Case, exact: Path, role: str) -> Candidate:
    rule = _exact(case, exact, role)
    line = f"{{role: {quoted(role)}, effect: Allow, actions: [{_actions(rule)}], resource: {written(exact)}}}"
    return _adding(case, Change(means=Means.RULE, text=f"add a policy: {line}"), rule)


def _adding(case: Case, change: Change, rule: Rule) -> Candidate:
    opening = cache(lambda: opened_by(rule, case.before))
    return lambda draft: draft.then(change, opening, world=_with(draft, rule))


def _exact(case: Case, exact: Path, role: str) -> Rule:
    return Rule(
        ref=RuleRef(place="a new policy"),
        effect=Effect.ALLOW,
        actions=frozenset(case.matching.lacking),
        paths=(exact,),
        roles=frozenset({role}),
    )


def _mend(case: Case, miss: NearMiss, *, others: bool) -> Candidate:
    rule = miss.addition
    assert rule is not None
    if not others:
        rule = replace(rule, roles=rule.roles & (case.question.held | {EVERYBODY}))
    return _adding(case, Change(means=Means.MEND, text=_mending(miss.wrong, rule), at=miss.rule), rule)


def _mending(wrong: Coordinate, addition: Rule) -> str:
    if wrong is Coordinate.MODE:
        return "enforce it: leave `mode: shadow` out"
    if wrong is Coordinate.ROLE:
        return f"add role {people(addition.roles)}"
    if wrong is Coordinate.ACTION:
        return f"add action {_actions(addition)}"
    return f"add resource {written(addition.paths[0])}"


def _roles_to_give(case: Case, near: Collection[NearMiss]) -> list[str]:
    """The roles of policies that lack nothing else, those with the fewest policies first."""
    wanted = {miss.rule for miss in near if miss.wrong is Coordinate.ROLE}
    entries = case.before.entries
    roles = {role for entry in entries.all if entry.ref in wanted for role in entry.rule.roles}
    return sorted(roles, key=lambda role: (len(entries.naming(role)), role))


def _give(case: Case, role: str) -> Candidate:
    snapshot, held = case.ruled.snapshot, case.question.held
    notes = [f"role {printable(role)} administers Kordon"] if snapshot.is_admin({role}) else []
    notes += [
        f"{printable(case.question.principal)} may choose tenant {printable(tenant.name)}"
        for tenant in snapshot.tenants
        if tenant.takes({role}) and not tenant.takes(held)
    ]
    change = Change(means=Means.ROLE, text=f"give {printable(case.question.principal)} role {printable(role)}")

    opening = cache(lambda: opened_to(role, case.before) + Opens(notes=tuple(notes)))

    def give(draft: Draft) -> Draft:
        # He stays in the tenant that he is in, or would be in.
        tenant = draft.question.tenant or case.ruled.tenant_name
        question = replace(draft.question, roles=draft.question.roles | {role}, tenant=tenant)
        return draft.then(change, opening, question=question)

    return give


def _with(draft: Draft, rule: Rule) -> World:
    """The world with one policy more, for as long as it is looked at."""
    lent = TemporaryRule(id="", rule=rule, starts_ts=0, expires_ts=None)
    return replace(draft.world, temporary=(*draft.world.temporary, lent))


def _actions(rule: Rule) -> str:
    return ", ".join(joined(rule.actions))


def _confirmed(draft: Draft) -> Fix | None:
    """The way that a draft is, if the evaluator says yes to it."""
    if not draft.changes or judge(draft.question, draft.world).access is not Access.ALLOWED:
        return None
    return Fix(changes=draft.changes, opens=draft.opens, grant=draft.grant)


def _ordered(fixes: list[Fix]) -> list[Fix]:
    """The fewest things touched first; of these, first what opens least besides."""

    def key(fix: Fix) -> tuple[int, bool, int, int]:
        less = sum(other is not fix and other.opens.within(fix.opens) for other in fixes)
        return fix.touched, not fix.opens.nothing, less, len(fix.opens.rows)

    return sorted(fixes, key=key)
