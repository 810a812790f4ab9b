"""What takes away what stands in the way: a login that fails, a view without the thing, a Deny, a Stage."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache

from kordon_policy.actions import Kind
from kordon_policy.decision import printable, thing
from kordon_policy.draft import Case, Change, Draft, Means, exact_path, meaning, people, sees, written
from kordon_policy.model import EVERYBODY, Rule, Selector, Tenant, is_kordons_own
from kordon_policy.opens import at_most
from kordon_policy.patterns import covers, literal
from kordon_policy.question import judge
from kordon_policy.reach import Entry

Repair = Callable[[Draft], Draft | None]
"""Makes the changes that one obstacle takes; `None` where nothing helps."""


def repairs(case: Case) -> Iterator[Repair]:
    """One for each thing that stands in the way, each as cheap as possible. All of them are needed."""
    if case.ruled.refused is not None or (case.hidden and case.ruled.tenant is None):
        yield lambda draft: _let_in(case, draft)
    if case.hidden:
        yield lambda draft: _show(case, draft)
    for entries, means in ((case.matching.denying, Means.DENY), (case.matching.staging, Means.STAGE)):
        for entry in entries:
            yield _lifting(case, entry, means)


def _let_in(case: Case, draft: Draft) -> Draft | None:
    """Let the first of his roles log in, and into the tenant."""
    role = next(iter(sorted(case.question.held)), None)
    if role is None:
        return None
    snapshot = case.ruled.snapshot
    if not snapshot.admits(case.question.held):
        document = replace(draft.document, authorized_roles=snapshot.compiled.authorized | {role})
        draft = draft.then(
            Change(means=Means.LOGIN, text=f"add {printable(role)} to authorized_roles"),
            meaning(f"whoever has role {printable(role)} may log in"),
            world=draft.with_document(document),
        )
    if judge(draft.question, draft.world).tenant is not None:
        return draft
    tenant = _tenant_to_join(case)
    if tenant is None:
        return None
    named = printable(tenant.name)
    question = replace(draft.question, tenant=tenant.name)
    if tenant.takes(case.question.held):
        return draft.then(
            Change(means=Means.TENANT, text=f"log in to tenant {named}", at=tenant.ref), question=question
        )
    return draft.then(
        Change(means=Means.LOGIN, text=f"add {printable(role)} to the roles of tenant {named}", at=tenant.ref),
        meaning(f"whoever has role {printable(role)} may be in tenant {named}"),
        question=question,
        world=draft.with_tenant(tenant, replace(tenant, roles=tenant.roles | {role})),
    )


def _tenant_to_join(case: Case) -> Tenant | None:
    """The one that was chosen, else the first that shows the thing; of those in the file."""
    tenants = [one for one in case.world.compiled.document.tenants if not one.shadow]
    wanted = case.question.tenant or case.question.default_tenant
    if wanted is not None:
        return next((one for one in tenants if one.name == wanted), None)
    views = ((one, case.world.view(case.ruled.snapshot, one.name, case.names, admin=case.admin)) for one in tenants)
    return next((one for one, view in views if sees(view, case.question)), None)


def _show(case: Case, draft: Draft) -> Draft | None:
    """Include the very thing in the tenant, and have each exclude that matches leave it out."""
    ruled = judge(draft.question, draft.world)
    tenant, question, exact = ruled.tenant, draft.question, exact_path(draft.question)
    if sees(ruled.view, question):
        return draft
    kordons = is_kordons_own(question.kind, question.name) and not case.admin
    if tenant is None or exact is None or kordons or all(one is not tenant for one in draft.document.tenants):
        return None
    what, named = thing(question.kind, question.name), printable(tenant.name)
    shows = f"all of {question.domain} {printable(question.cluster)}" if question.kind is None else what
    excludes = tuple(_leaving_out(case, one) for one in tenant.excludes)
    includes = (*tenant.includes, Selector(ref=tenant.ref, paths=(exact,)))
    group = ", and the topics that it reads" if question.kind is Kind.GROUP else ""
    made = draft.then(
        Change(means=Means.INCLUDE, text=f"include {written(exact)} in tenant {named}", at=tenant.ref),
        meaning(f"whoever is in tenant {named} sees {shows}{group}"),
        world=draft.with_tenant(tenant, replace(tenant, includes=includes, excludes=excludes)),
    )
    for before, after in zip(tenant.excludes, excludes, strict=True):
        if before is not after:
            made = made.then(
                Change(means=Means.EXCLUDE, text=f"have the exclude leave {what} out", at=before.ref),
                meaning(f"what else {before.ref} excludes is to be excluded in another way"),
            )
    return made


def _leaving_out(case: Case, selector: Selector) -> Selector:
    """The exclude without the paths that take the thing away; the same object if there are none."""
    kind, name = case.question.kind, case.question.name
    asked = literal(name) if name else None
    domain = case.question.domain

    def takes_away(path_at: int) -> bool:
        path = selector.paths[path_at]
        if not (path.reaches(kind, domain) and path.is_in(case.names)):
            return False
        return asked is None or covers(path.name, asked)

    kept = tuple(path for at, path in enumerate(selector.paths) if not takes_away(at))
    return selector if len(kept) == len(selector.paths) else replace(selector, paths=kept)


def _lifting(case: Case, entry: Entry, means: Means) -> Repair:
    rule = entry.rule
    concerned = rule.roles & (case.question.held | {EVERYBODY})
    opening = cache(lambda: at_most(rule, concerned, case.before))

    def revoke(draft: Draft) -> Draft:
        left = tuple(one for one in draft.world.temporary if one.rule is not rule)
        change = Change(means=means, text=f"revoke {rule.ref.place}, or wait for its end", at=rule.ref)
        return draft.then(change, opening, world=replace(draft.world, temporary=left))

    def lift(draft: Draft) -> Draft:
        what = thing(case.question.kind, case.question.name)
        text = f"have the {rule.effect} leave {what} out for {people(concerned)}"
        policies = (_for_others(one, concerned) if one.ref == rule.ref else one for one in draft.document.policies)
        # It goes on naming these roles, so that they may log in as before.
        authorized = draft.world.compiled.authorized
        document = replace(draft.document, policies=tuple(policies), authorized_roles=authorized)
        return draft.then(Change(means=means, text=text, at=rule.ref), opening, world=draft.with_document(document))

    return lift if entry.lent is None else revoke


def _for_others(rule: Rule, concerned: frozenset[str]) -> Rule:
    """The rule for those whom it is not lifted for; for nobody, if there are none."""
    return replace(rule, roles=rule.roles - concerned)
