"""The policies of a file."""

from functools import lru_cache
from typing import Final, TypeAlias

from kordon_policy.actions import NEVER_STAGED, OTHER_NAMES, Action, parts_of
from kordon_policy.findings import Report, shown
from kordon_policy.lint import lint_rule
from kordon_policy.model import EVERYBODY, Compat, Effect, Rule
from kordon_policy.nodes import Node, Sequence
from kordon_policy.patterns import STAR
from kordon_policy.read import (
    items_of,
    known_keys,
    mode_of,
    name_of,
    names_of,
    ref_to,
    report_missing,
    roles_of,
    text_of,
)
from kordon_policy.read_paths import Placed, path_of, paths_of

ACTION_NAMES: Final = {**{str(action): action for action in Action}, **OTHER_NAMES}
_EFFECTS: Final = {effect.casefold(): effect for effect in Effect}
POLICY_KEYS: Final = ("resource", "resources", "effect", "actions", "role", "roles", "note", "mode", "shadow_until")

Holders: TypeAlias = dict[frozenset[str], frozenset[str]]
"""Roles that have come together before: a set of them takes more memory than all else of a rule, and is kept once."""


def policies_of(node: Node | None, compat: Compat, report: Report) -> tuple[Rule, ...]:
    holders: Holders = {}
    rules = (_policy(item, at, holders, compat, report) for at, item in enumerate(items_of(node, "policies", report)))
    return tuple(rule for rule in rules if rule is not None)


def _policy(node: Node, at: int, holders: Holders, compat: Compat, report: Report) -> Rule | None:
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
    shadow, until = mode_of(values, node, report)
    if effect is not None:
        lint_rule(node, effect, actions, paths, report)
    return Rule(
        ref=ref_to(f"policies[{at}]", node, report, note=" ".join((note or "").split())),
        effect=verb,
        actions=_parts(frozenset(action for action, _ in actions), verb, compat),
        paths=tuple(placed.path for placed in paths),
        roles=holders.setdefault(roles, roles),
        shadow=shadow,
        shadow_until=until,
    )


def _effect(node: Node | None, policy: Node, report: Report) -> Effect | None:
    if node is None:
        report_missing("effect", "a policy", policy, report)
        return None
    text = text_of(node, "`effect`", report)
    if text is None:
        return None
    effect = _EFFECTS.get(text.casefold())
    if effect is None:
        report.error(node, f"{shown(text)} is no effect", report.nearest(text, list(Effect)) or "Allow, Deny or Stage")
    return effect


def _nothing(effect: Effect) -> str:
    return f"here this {effect} {effect.verb} nothing"


def _actions(node: Node | None, policy: Node, effect: Effect, report: Report) -> list[tuple[Action, Node]]:
    if node is None:
        report_missing("actions", "a policy", policy, report)
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
    elif text not in ACTION_NAMES:
        hint = report.nearest(text, ACTION_NAMES) or "docs/policies.md has a list of all actions"
        report.warning(at, f"{shown(text)} is no action: {_nothing(effect)}", hint)
        return None
    return ACTION_NAMES[text]


@lru_cache(1_024)
def _parts(actions: frozenset[Action], effect: Effect, compat: Compat) -> frozenset[Action]:
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
        report_missing("resource", "a policy", policy, report)
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
        report_missing("role", "a policy", policy, report)
    if one is not None and many is not None:
        report.warning(one, "both `role` and `roles`: all of them count", "put them into `roles`")
    roles = frozenset() if many is None else roles_of(many, "roles", report)
    if many is not None and isinstance(many, Sequence) and not many.items:
        report.warning(many, "no roles: this policy is for nobody", 'name the roles, or write "*" for everybody')
    if one is not None and (role := name_of(one, "`role`", report)) is not None:
        if STAR in role and role != EVERYBODY:
            report.warning(one, f"role {shown(role)} is taken letter by letter, roles are no patterns", "use `roles`")
        roles |= {role}
    return roles
