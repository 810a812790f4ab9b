"""What a file says without effect, or with another one than its author thought."""

from collections.abc import Collection, Iterable
from functools import cache

from kordon_policy.actions import NEVER_STAGED, Action, Domain, Kind
from kordon_policy.collisions import collisions
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
from kordon_policy.nodes import Node, Spot
from kordon_policy.patterns import STAR
from kordon_policy.read_paths import Placed
from kordon_policy.tenants import BUILT_IN


def lint_rule(
    at: Node, effect: Effect, actions: Collection[tuple[Action, Node]], paths: Collection[Placed], report: Report
) -> None:
    """Point out actions that no path of the rule suits, paths that no action suits, and what a Stage cannot stage."""
    for action, node in actions:
        _lint_action(action, node, effect, report)
    distinct = frozenset(action for action, _ in actions)
    for placed in paths:
        _lint_own(placed, distinct, effect, report)
    if not actions or not paths:
        return
    shapes = {_shape(placed.path): placed.path for placed in paths}
    pairs = {(action, shape) for action in distinct for shape, path in shapes.items() if _suits(action, path)}
    nothing = f"this {effect} {effect.verb} nothing"
    if not pairs:
        about = "; ".join(f"{action} is about {_kinds(action)}" for action in sorted(distinct)[:3])
        report.warning(at, f"no path of this policy is of a TYPE of its actions: {nothing}", about)
        return
    split = "put it into a policy of its own"
    suited = {action for action, _ in pairs}
    for action, node in actions:
        if action not in suited:
            message = f"{action} is about {_kinds(action)}, covered by no path here: {nothing} by it"
            report.warning(node, message, f"{split}, with a path of that TYPE")
    suiting = {shape for _, shape in pairs}
    for placed in paths:
        if _shape(placed.path) not in suiting:
            what = f"a {placed.path.kind.words}" if placed.path.kind else f"a whole {placed.path.domain}"
            report.warning(placed.node, f"no action here is about {what}: {nothing} by this path", split)


def _shape(path: Path) -> tuple[Domain | None, Kind | None]:
    return path.domain, path.kind


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


def _lint_own(placed: Placed, actions: Collection[Action], effect: Effect, report: Report) -> None:
    path = placed.path
    if effect is Effect.DENY or path.kind not in OWNABLE or path.name is None:
        return
    if path.name.head.startswith(KORDONS_OWN) and not any(only_reads(action) for action in actions):
        nothing = f"this {effect} {effect.verb} nothing by this path"
        report.warning(placed.node, f"nobody writes, alters or deletes what is Kordon's own: {nothing}")


def _suits(action: Action, path: Path) -> bool:
    return _is_suited(action, *_shape(path))


@cache
def _is_suited(action: Action, domain: Domain | None, of: Kind | None) -> bool:
    path = Path(domain=domain, kind=of)
    return any(path.reaches(kind, action.domain) for kind in action.kinds)


def _kinds(action: Action) -> str:
    return " or ".join(f"a {kind.words}" if kind else f"a whole {action.domain}" for kind in action.kinds)


def lint(document: Document, report: Report, *, clusters: Collection[str] | None, now: int | None) -> None:
    """Point out what only shows when the file is seen as a whole."""
    _lint_roles(document, report)
    _lint_members(document, report)
    _lint_tenants(document.tenants, report)
    _lint_collisions(document.tenants, report)
    if clusters is not None:
        _lint_clusters(document, clusters, report)
    if now is not None:
        _lint_shadows(document, now, report)


def _lint_roles(document: Document, report: Report) -> None:
    authorized = document.authorized_roles
    welcome = (named_roles(document) - {EVERYBODY} if authorized is None else authorized) | document.admin_roles
    if not welcome:
        report.warning(Spot(), "this file lets nobody in", "name roles in authorized_roles")
    tenants = [tenant for tenant in document.tenants if not tenant.shadow]
    housed = frozenset().union(*(tenant.roles for tenant in tenants)) if tenants else {EVERYBODY}
    for role, ref in _first_mentions(document):
        if EVERYBODY not in welcome and role not in welcome:
            report.notice(ref, f"role {shown(role)} alone cannot log in", "it is not in authorized_roles")
        if EVERYBODY not in housed and role not in housed:
            report.notice(ref, f"role {shown(role)} is in no tenant: alone it sees an empty cluster")


def _first_mentions(document: Document) -> list[tuple[str, RuleRef]]:
    mentions: dict[str, RuleRef] = {}
    for one in _parts(document):
        for role in one.roles:
            mentions.setdefault(role, one.ref)
    mentions.pop(EVERYBODY, None)
    return sorted(mentions.items(), key=lambda mention: mention[0])


def _lint_members(document: Document, report: Report) -> None:
    if document.compat.members_by_inspect:
        return
    for action, what in (
        (Action.GROUP_CONSUME, "join a group"),
        (Action.TRANSACTION_PRODUCE, "use a transactional id"),
    ):
        if not any(_gives(rule, action) for rule in document.policies):
            hint = f"allow {action}, or set compat: {{members_by_inspect: true}} in kordon.yaml"
            report.notice(Spot(), f"no rule lets anybody {what}", hint)


def _gives(rule: Rule, action: Action) -> bool:
    enforced = rule.effect is Effect.ALLOW and not rule.shadow and bool(rule.roles)
    return enforced and action in rule.actions and any(_suits(action, path) for path in rule.paths)


def _lint_tenants(tenants: Iterable[Tenant], report: Report) -> None:
    for tenant in tenants:
        name = shown(tenant.name)
        if tenant.name in {built_in.name for built_in in BUILT_IN}:
            report.notice(tenant.ref, f"tenant {name} is like any other here, not the built-in one")
        if not tenant.roles:
            report.warning(tenant.ref, f"tenant {name} has no roles: nobody is in it", "name the roles")
        included = {(path.domain, path.kind): path for one in tenant.includes for path in one.paths}.values()
        if not included:
            report.warning(tenant.ref, f"tenant {name} includes nothing: whoever is in it sees nothing")
        elif _covers(included, Kind.TOPIC) and not _covers(included, Kind.TRANSACTIONAL_ID):
            report.notice(
                tenant.ref,
                f"tenant {name} includes no transactional id: nobody in it can use transactions",
                'include ["cluster", "*", "transactional-id", "…"]',
            )


def _lint_collisions(tenants: Iterable[Tenant], report: Report) -> None:
    for one, other in collisions(tenants):
        report.notice(
            one.tenant.ref,
            f"topics of tenant {shown(one.tenant.name)} can collide with those of tenant {shown(other.tenant.name)}: "
            f"{shown(one.name.text)} and {shown(other.name.text)} differ in dots and underscores alone",
            "Kafka takes these for the same letter: a topic of the one can keep the other from creating its own",
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
