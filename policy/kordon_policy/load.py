"""A policy file becomes values, or every reason why not."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from kordon_policy.actions import NEVER_STAGED, OTHER_NAMES, Action, parts_of
from kordon_policy.findings import Finding, Report, TooManyFindings, shown
from kordon_policy.lint import lint, lint_rule
from kordon_policy.model import (
    EVERYBODY,
    Compat,
    Document,
    Effect,
    Outside,
    Path,
    Presentation,
    Rule,
    RuleRef,
    Selector,
    Tenant,
)
from kordon_policy.patterns import STAR
from kordon_policy.read import (
    Placed,
    choice_of,
    instant_of,
    known_keys,
    name_of,
    names_of,
    path_of,
    paths_of,
    text_of,
)
from kordon_policy.yaml_nodes import Broken, Mapping, Node, Sequence, read_yaml

KEYS: Final = ("admin_roles", "authorized_roles", "policies", "tenants")
POLICY_KEYS: Final = ("resource", "resources", "effect", "actions", "role", "roles", "note", "mode", "shadow_until")
TENANT_KEYS: Final = (
    "name",
    "description",
    "resources",
    "roles",
    "presentation_mode",
    "outside_view",
    "mode",
    "shadow_until",
)
ITEM_KEYS: Final = ("include", "exclude")
KPOWS_KEYS: Final = ("saml", "github", "openid")
MODES: Final = ("shadow",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A document, unless there is an error among the findings."""

    document: Document | None
    findings: tuple[Finding, ...]


def load(
    text: str | bytes,
    source: str,
    *,
    compat: Compat = Compat(),  # noqa: B008  frozen
    clusters: Collection[str] | None = None,
    now: int | None = None,
) -> Loaded:
    """Read a policy file, and find every mistake in it at once. Never raises, whatever the text.

    `source` names the file in findings and reasons. With `clusters`, all names by which clusters are known, paths to
    others are warned about; with `now` (ms since the epoch), shadow parts past their end are.
    """
    report = Report(source)
    document = None
    try:
        root = read_yaml(text, report)
        if root is not None:
            document = _document(root, compat, report)
            if not report.has_errors:
                lint(document, report, clusters=clusters, now=now)
    except TooManyFindings:
        pass
    return Loaded(document=None if report.has_errors else document, findings=report.findings())


def _document(root: Node, compat: Compat, report: Report) -> Document:
    if not isinstance(root, Mapping):
        if not isinstance(root, Broken):
            report.error(root, f"a policy file is a mapping with the keys {', '.join(KEYS)}", "write key: value")
        return Document()
    _check_keys(root, report)
    values = {key: value for key, (_, value) in root.entries.items()}
    admins = values.get("admin_roles")
    authorized = values.get("authorized_roles")
    return Document(
        admin_roles=frozenset() if admins is None else _admin_roles(admins, report),
        authorized_roles=None if authorized is None else _roles(authorized, "authorized_roles", report),
        policies=_policies(values.get("policies"), compat, report),
        tenants=_tenants(values.get("tenants"), report),
        compat=compat,
    )


def _check_keys(root: Mapping, report: Report) -> None:
    for text, (key, _) in root.entries.items():
        if text in KEYS or text.startswith("x-"):
            continue
        if text in KPOWS_KEYS:
            report.notice(key, f"`{text}` is ignored", "who has which role is said in kordon.yaml")
        elif hint := report.nearest(text, KEYS):
            report.error(key, f"{shown(text)} is no key of a policy file", hint)
        else:
            report.warning(key, f"{shown(text)} is ignored", "begin keys of your own with x-")


def _admin_roles(node: Node, report: Report) -> frozenset[str]:
    roles = _roles(node, "admin_roles", report)
    if EVERYBODY in roles:
        report.error(node, '"*" as an admin role would make everybody an administrator', "name the roles")
    return roles


def _roles(node: Node, key: str, report: Report) -> frozenset[str]:
    named = names_of(node, key, report)
    for role, at in named:
        if STAR in role and role != EVERYBODY:
            report.warning(at, f"role {shown(role)} is taken letter by letter, roles are no patterns", "name each role")
    return frozenset(role for role, _ in named)


def _items(node: Node | None, key: str, report: Report) -> tuple[Node, ...]:
    if node is None or isinstance(node, Broken):
        return ()
    if not isinstance(node, Sequence):
        report.error(node, f"`{key}` is a list", "begin each with a dash")
        return ()
    return node.items


def _policies(node: Node | None, compat: Compat, report: Report) -> tuple[Rule, ...]:
    rules = (_policy(item, at, compat, report) for at, item in enumerate(_items(node, "policies", report)))
    return tuple(rule for rule in rules if rule is not None)


def _policy(node: Node, at: int, compat: Compat, report: Report) -> Rule | None:
    values = known_keys(node, "a policy", POLICY_KEYS, report)
    if values is None:
        return None
    effect = _effect(values.get("effect"), node, report)
    # Without an effect the rest is still read, for the sake of its mistakes.
    verb = effect or Effect.ALLOW
    actions = _actions(values.get("actions"), node, verb, report)
    paths = _rule_paths(values, node, verb, report)
    roles = _rule_roles(values, node, report)
    note = text_of(values["note"], "`note`", report, control=True) if "note" in values else None
    shadow, until = _mode(values, node, report)
    if effect is not None:
        lint_rule(node, effect, actions, paths, report)
    return Rule(
        ref=_ref(f"policies[{at}]", node, report, note=" ".join((note or "").split())),
        effect=verb,
        actions=_parts((action for action, _ in actions), verb, compat),
        paths=tuple(placed.path for placed in paths),
        roles=roles,
        shadow=shadow,
        shadow_until=until,
    )


def _ref(place: str, node: Node, report: Report, note: str = "") -> RuleRef:
    return RuleRef(place=place, source=report.source, line=node.line, column=node.column, note=note)


def _missing(key: str, what: str, node: Node, report: Report) -> None:
    report.error(node, f"{what} without `{key}`", f"write `{key}:`")


def _effect(node: Node | None, policy: Node, report: Report) -> Effect | None:
    if node is None:
        _missing("effect", "a policy", policy, report)
        return None
    text = text_of(node, "`effect`", report)
    if text is None:
        return None
    by_letters = {effect.casefold(): effect for effect in Effect}
    if text.casefold() not in by_letters:
        report.error(node, f"{shown(text)} is no effect", report.nearest(text, list(Effect)) or "Allow, Deny or Stage")
    return by_letters.get(text.casefold())


def _nothing(effect: Effect) -> str:
    verb = {Effect.ALLOW: "allows", Effect.DENY: "denies", Effect.STAGE: "stages"}[effect]
    return f"here this {effect} {verb} nothing"


def _actions(node: Node | None, policy: Node, effect: Effect, report: Report) -> list[tuple[Action, Node]]:
    if node is None:
        _missing("actions", "a policy", policy, report)
        return []
    named = names_of(node, "actions", report)
    if isinstance(node, Sequence) and not node.items:
        report.warning(node, f"no actions: {_nothing(effect)}", "name the actions")
    found = ((_action(text, at, effect, report), at) for text, at in named)
    return [(action, at) for action, at in found if action is not None]


def _action(text: str, at: Node, effect: Effect, report: Report) -> Action | None:
    if text in OTHER_NAMES:
        report.notice(at, f"{text} is called {OTHER_NAMES[text]} here", "both work")
    elif text == STAR:
        report.error(at, '"*" is no action', "name the actions")
        return None
    elif text not in set(Action):
        hint = report.nearest(text, [*Action, *OTHER_NAMES]) or "docs/policies.md has a list of all actions"
        report.warning(at, f"{shown(text)} is no action: {_nothing(effect)}", hint)
        return None
    return OTHER_NAMES.get(text) or Action(text)


def _parts(actions: Iterable[Action], effect: Effect, compat: Compat) -> frozenset[Action]:
    named = set(actions)
    if compat.group_edit_deletes and Action.GROUP_EDIT in named:
        named.add(Action.GROUP_DELETE)
    if effect is not Effect.STAGE:
        return parts_of(named)
    # Of an umbrella that has both, a Stage means what can be staged; what never can stays, and is denied.
    opened = (frozenset(action.parts) for action in named)
    return frozenset().union(*((parts - NEVER_STAGED) or parts for parts in opened))


def _rule_paths(values: dict[str, Node], policy: Node, effect: Effect, report: Report) -> list[Placed]:
    one, many, nothing = values.get("resource"), values.get("resources"), _nothing(effect)
    if one is None and many is None:
        _missing("resource", "a policy", policy, report)
    if one is not None and many is not None:
        report.warning(one, "both `resource` and `resources`: all of them count", "put them into `resources`")
    paths = []
    if one is not None and (placed := path_of(one, nothing, report)) is not None:
        paths.append(placed)
    if many is not None:
        if isinstance(many, Sequence) and not many.items:
            report.warning(many, f"no resources: {nothing}", "write a list of paths")
        paths += paths_of(many, "resources", nothing, report)
    return paths


def _rule_roles(values: dict[str, Node], policy: Node, report: Report) -> frozenset[str]:
    one, many = values.get("role"), values.get("roles")
    if one is None and many is None:
        _missing("role", "a policy", policy, report)
    if one is not None and many is not None:
        report.warning(one, "both `role` and `roles`: all of them count", "put them into `roles`")
    roles = frozenset() if many is None else _roles(many, "roles", report)
    if many is not None and isinstance(many, Sequence) and not many.items:
        report.warning(many, "no roles: this policy is for nobody", 'name the roles, or write "*" for everybody')
    if one is not None and (role := name_of(one, "`role`", report)) is not None:
        if STAR in role and role != EVERYBODY:
            report.warning(one, f"role {shown(role)} is taken letter by letter, roles are no patterns", "use `roles`")
        roles |= {role}
    return roles


def _mode(values: dict[str, Node], owner: Node, report: Report) -> tuple[bool, int | None]:
    mode, until = values.get("mode"), values.get("shadow_until")
    shadow = mode is not None and choice_of(mode, "mode", MODES, report) is not None
    if shadow and until is None:
        report.error(
            owner, "`mode: shadow` without `shadow_until`", "say when the trial ends: shadow_until: 2026-01-31"
        )
    if until is not None and mode is None:
        report.error(until, "`shadow_until` without `mode: shadow`", "write the mode, or leave both out")
    return shadow, None if until is None else instant_of(until, "shadow_until", report)


def _tenants(node: Node | None, report: Report) -> tuple[Tenant, ...]:
    items = _items(node, "tenants", report)
    if isinstance(node, Sequence) and not items:
        report.error(node, "`tenants: []` could mean that nobody sees anything or that all do", "leave the key out")
    first: dict[str, int] = {}
    tenants = []
    for at, item in enumerate(items):
        tenant = _tenant(item, at, report)
        if tenant is None:
            continue
        if tenant.name in first:
            report.error(
                item, f"tenant {shown(tenant.name)} is already in line {first[tenant.name]}", "names are unique"
            )
        first.setdefault(tenant.name, item.line)
        tenants.append(tenant)
    return tuple(tenants)


def _tenant(node: Node, at: int, report: Report) -> Tenant | None:
    values = known_keys(node, "a tenant", TENANT_KEYS, report)
    if values is None:
        return None
    for key in ("name", "resources", "roles"):
        if key not in values:
            _missing(key, "a tenant", node, report)
    name = name_of(values["name"], "`name`", report) if "name" in values else None
    roles = _roles(values["roles"], "roles", report) if "roles" in values else frozenset()
    place = f"tenants[{at}]"
    items = _items(values.get("resources"), "resources", report)
    selectors = [_selector(item, f"{place}.resources[{i}]", report) for i, item in enumerate(items)]
    description = (
        text_of(values["description"], "`description`", report, control=True) if "description" in values else ""
    )
    presentation = _choice(values, "presentation_mode", [one.value for one in Presentation], report)
    outside = _choice(values, "outside_view", [one.value for one in Outside], report)
    shadow, until = _mode(values, node, report)
    if name is None:
        return None
    return Tenant(
        ref=_ref(place, node, report),
        name=name,
        roles=roles,
        includes=tuple(one for key, one in selectors if one is not None and key == "include"),
        excludes=tuple(one for key, one in selectors if one is not None and key == "exclude"),
        description=description or "",
        presentation=Presentation(presentation or Presentation.DEFAULT),
        outside=Outside(outside or Outside.NOT_FOUND),
        shadow=shadow,
        shadow_until=until,
    )


def _choice(values: dict[str, Node], key: str, choices: list[str], report: Report) -> str | None:
    return choice_of(values[key], key, choices, report) if key in values else None


def _selector(node: Node, place: str, report: Report) -> tuple[str, Selector | None]:
    values = known_keys(node, "an item of a tenant", ITEM_KEYS, report)
    if values is None:
        return "", None
    if len(values) != 1:
        report.error(node, "an item is one include or one exclude", "begin each with a dash of its own")
        return "", None
    ((key, value),) = values.items()
    nothing = "this include shows nothing" if key == "include" else "this exclude hides nothing"
    return key, Selector(ref=_ref(place, node, report), paths=_selected(value, key, nothing, report))


def _selected(node: Node, key: str, nothing: str, report: Report) -> tuple[Path, ...]:
    if isinstance(node, Sequence) and not node.items:
        report.error(node, f"`{key}` of nothing could mean nothing or everything", 'write a path; ["*"] is everything')
        return ()
    # A flat list of texts is one path.
    if isinstance(node, Sequence) and not any(isinstance(item, Sequence) for item in node.items):
        placed = path_of(node, nothing, report)
        return () if placed is None else (placed.path,)
    return tuple(placed.path for placed in paths_of(node, key, nothing, report))
