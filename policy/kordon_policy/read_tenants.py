"""The tenants of a file."""

from typing import Final

from kordon_policy.findings import Report, shown
from kordon_policy.model import Outside, Path, Presentation, Selector, Tenant
from kordon_policy.nodes import Node, Sequence
from kordon_policy.read import (
    choice_of,
    items_of,
    known_keys,
    mode_of,
    name_of,
    ref_to,
    report_missing,
    roles_of,
    text_of,
)
from kordon_policy.read_paths import path_of, paths_of

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


def tenants_of(node: Node | None, report: Report) -> tuple[Tenant, ...]:
    items = items_of(node, "tenants", report)
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
            report_missing(key, "a tenant", node, report)
    name = name_of(values["name"], "`name`", report) if "name" in values else None
    roles = roles_of(values["roles"], "roles", report) if "roles" in values else frozenset()
    place = f"tenants[{at}]"
    items = items_of(values.get("resources"), "resources", report)
    selectors = [_selector(item, f"{place}.resources[{i}]", report) for i, item in enumerate(items)]
    description = (
        text_of(values["description"], "`description`", report, control=True) if "description" in values else ""
    )
    presentation = _choice(values, "presentation_mode", [one.value for one in Presentation], report)
    outside = _choice(values, "outside_view", [one.value for one in Outside], report)
    shadow, until = mode_of(values, node, report)
    if name is None:
        return None
    return Tenant(
        ref=ref_to(place, node, report),
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
    return key, Selector(ref=ref_to(place, node, report), paths=_selected(value, key, nothing, report))


def _selected(node: Node, key: str, nothing: str, report: Report) -> tuple[Path, ...]:
    if isinstance(node, Sequence) and not node.items:
        report.error(node, f"`{key}` of nothing could mean nothing or everything", 'write a path; ["*"] is everything')
        return ()
    # A flat list of texts is one path.
    if isinstance(node, Sequence) and not any(isinstance(item, Sequence) for item in node.items):
        placed = path_of(node, nothing, report)
        return () if placed is None else (placed.path,)
    return tuple(placed.path for placed in paths_of(node, key, nothing, report))
