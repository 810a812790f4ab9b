"""What a file says without effect, or with another one than its author thought."""

from collections.abc import Collection, Iterable, Iterator
from typing import Final

from kordon_policy.actions import NEVER_STAGED, Action, Domain, Kind
from kordon_policy.decision import listed
from kordon_policy.findings import Report, shown
from kordon_policy.model import (
    EVERYBODY,
    KORDONS_OWN,
    OWNABLE,
    Document,
    Effect,
    Path,
    Rule,
    RuleRef,
    Tenant,
    named_roles,
    only_reads,
)
from kordon_policy.patterns import STAR
from kordon_policy.read import Placed
from kordon_policy.tenants import BUILT_IN
from kordon_policy.yaml_nodes import Node, Spot

_VERB: Final = {Effect.ALLOW: "allows", Effect.DENY: "denies", Effect.STAGE: "stages"}


def lint_rule(
    at: Node, effect: Effect, actions: Collection[tuple[Action, Node]], paths: Collection[Placed], report: Report
) -> None:
    """Point out actions that no path of the rule suits, paths that no action suits, and what a Stage cannot stage."""
    shapes = {(placed.path.domain, placed.path.kind): placed.path for placed in paths}
    distinct = {action for action, _ in actions}
    if actions and paths and not any(_suits(action, path) for action in distinct for path in shapes.values()):
        about = "; ".join(f"{action} is about {_kinds(action)}" for action in sorted(distinct)[:3])
        report.warning(
            at, f"no path of this policy is of a TYPE of its actions: this {effect} {_VERB[effect]} nothing", about
        )
        return
    for action, node in actions:
        if paths and not any(_suits(action, path) for path in shapes.values()):
            report.warning(
                node,
                f"{action} is about {_kinds(action)}, covered by no path here: this {effect} {_VERB[effect]} nothing by it",
                "put it into a policy of its own, with a path of that TYPE",
            )
        _lint_action(action, node, effect, report)
    for placed in paths:
        if actions and not any(_suits(action, placed.path) for action in distinct):
            what = placed.path.kind or f"all of a {placed.path.domain}"
            report.warning(
                placed.node,
                f"no action here is about {what}: this {effect} {_VERB[effect]} nothing by this path",
                "put it into a policy of its own, with actions for that TYPE",
            )
        _lint_own(placed, distinct, effect, report)


def _lint_action(action: Action, node: Node, effect: Effect, report: Report) -> None:
    if action is Action.ADMIN:
        report.notice(node, "ADMIN makes nobody an administrator", "that is what admin_roles does")
    if effect is not Effect.STAGE:
        return
    never = NEVER_STAGED.intersection(action.parts)
    if never == set(action.parts):
        report.warning(node, f"{action} is never staged: this Stage denies it", "write Deny, or leave the action out")
    elif never:
        report.notice(node, f"a Stage of {action} is about its mutations", f"{listed(sorted(never))} is left as it is")


def _lint_own(placed: Placed, actions: Iterable[Action], effect: Effect, report: Report) -> None:
    path = placed.path
    if effect is Effect.DENY or path.kind not in OWNABLE or path.name is None:
        return
    if path.name.head.startswith(KORDONS_OWN) and not any(only_reads(action) for action in actions):
        report.warning(
            placed.node,
            f"nobody writes, alters or deletes what is Kordon's own: this {effect} {_VERB[effect]} nothing",
            "",
        )


def _suits(action: Action, path: Path) -> bool:
    return any(path.reaches(kind, action.domain) for kind in action.kinds)


def _kinds(action: Action) -> str:
    return " or ".join(f"a {kind.words}" if kind else f"a whole {action.domain}" for kind in action.kinds)


def lint(document: Document, report: Report, *, clusters: Collection[str] | None, now: int | None) -> None:
    """Point out what only shows when the file is seen as a whole."""
    _lint_roles(document, report)
    _lint_members(document, report)
    _lint_tenants(document.tenants, report)
    if clusters is not None:
        _lint_clusters(document, clusters, report)
    if now is not None:
        _lint_shadows(document, now, report)


def _lint_roles(document: Document, report: Report) -> None:
    authorized = document.authorized_roles
    named = named_roles(document) - {EVERYBODY}
    in_all = authorized if authorized is not None else named
    if not in_all and not document.admin_roles:
        report.warning(Spot(), "no role may log in: this file lets nobody in", "name roles in authorized_roles")
    tenants = [tenant for tenant in document.tenants if not tenant.shadow]
    for role, ref in _first_mentions(document):
        if authorized is not None and not {role, EVERYBODY} & (authorized | document.admin_roles):
            report.notice(ref, f"role {shown(role)} alone cannot log in", "authorized_roles does not have it")
        if tenants and not any(tenant.takes({role}) for tenant in tenants):
            report.notice(ref, f"role {shown(role)} is in no tenant: alone it sees an empty cluster", "")


def _first_mentions(document: Document) -> Iterator[tuple[str, RuleRef]]:
    mentions: dict[str, RuleRef] = {}
    for one in _parts(document):
        for role in one.roles:
            mentions.setdefault(role, one.ref)
    mentions.pop(EVERYBODY, None)
    return iter(sorted(mentions.items()))


def _lint_members(document: Document, report: Report) -> None:
    if document.compat.members_by_inspect:
        return
    allowed = {
        action
        for rule in document.policies
        if rule.effect is Effect.ALLOW and not rule.shadow and rule.roles
        for action in rule.actions
        if any(_suits(action, path) for path in rule.paths)
    }
    hint = "allow {}, or set compat: {{members_by_inspect: true}} in kordon.yaml"
    if Action.GROUP_CONSUME not in allowed:
        report.notice(Spot(), "no rule lets anybody join a group", hint.format(Action.GROUP_CONSUME))
    if Action.TRANSACTION_PRODUCE not in allowed:
        report.notice(Spot(), "no rule lets anybody use a transactional id", hint.format(Action.TRANSACTION_PRODUCE))


def _lint_tenants(tenants: Iterable[Tenant], report: Report) -> None:
    for tenant in tenants:
        name = shown(tenant.name)
        if tenant.name in {built_in.name for built_in in BUILT_IN}:
            report.notice(tenant.ref, f"tenant {name} is like any other here, not the built-in one", "")
        if not tenant.roles:
            report.warning(tenant.ref, f"tenant {name} has no roles: nobody is in it", "name the roles")
        included = {(path.domain, path.kind): path for one in tenant.includes for path in one.paths}.values()
        if not included:
            report.warning(tenant.ref, f"tenant {name} includes nothing: whoever is in it sees nothing", "")
        elif _covers(included, Kind.TOPIC) and not _covers(included, Kind.TRANSACTIONAL_ID):
            report.notice(
                tenant.ref,
                f"tenant {name} includes no transactional id: nobody in it can use transactions",
                'include ["cluster", "*", "transactional-id", "…"]',
            )


def _covers(paths: Iterable[Path], kind: Kind) -> bool:
    return any(path.reaches(kind, kind.domain) for path in paths)


def _lint_clusters(document: Document, clusters: Collection[str], report: Report) -> None:
    known = sorted(clusters)
    mentions = [(rule.ref, path) for rule in document.policies for path in rule.paths]
    mentions += [
        (one.ref, path)
        for tenant in document.tenants
        for one in (*tenant.includes, *tenant.excludes)
        for path in one.paths
    ]
    for ref, path in mentions:
        # Patterns in that place are warned about where they are read.
        name = path.domain_id
        if path.domain is Domain.CLUSTER and name is not None and STAR not in name and name not in clusters:
            hint = report.nearest(name, known) or f"known are {listed(known)}"
            report.warning(ref, f"no cluster is known as {shown(name)}", hint)


def _lint_shadows(document: Document, now: int, report: Report) -> None:
    for part in _parts(document):
        if part.shadow_until is not None and part.shadow_until <= now:
            report.warning(
                part.ref, f"{part.ref.place} is past its shadow_until, and still shadow", "enforce or drop it"
            )


def _parts(document: Document) -> tuple[Rule | Tenant, ...]:
    return (*document.policies, *document.tenants)
