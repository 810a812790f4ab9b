"""Filters of ACL bindings, as DescribeAcls has one and DeleteAcls many. The fields of both have the same names."""

from collections.abc import Iterable
from dataclasses import astuple
from typing import Any, Final

from kordon_policy.model import is_kordons_own
from kordon_policy.view import View

from .bindings import (
    ANY,
    EVERY_NAME,
    KINDS,
    LITERAL,
    MATCH,
    OPERATIONS,
    PATTERNS,
    PERMISSIONS,
    PREFIXED,
    RESOURCES,
    Binding,
    has_principal,
    has_resource,
    operation_name,
)

OPEN: Final[dict[str, Any]] = {
    "resource_type_filter": ANY,
    "resource_name_filter": None,
    "pattern_type_filter": ANY,
    "principal_filter": None,
    "host_filter": None,
    "operation": ANY,
    "permission_type": ANY,
}
"""The fields of a filter that matches everything, in the order of those of a binding."""
TOGETHER: Final = (
    ("resource_type_filter",),
    ("pattern_type_filter", "resource_name_filter"),  # what a name means is said by the type of the pattern
    ("principal_filter",),
    ("host_filter",),
    ("operation",),
    ("permission_type",),
)


def is_malformed(wanted: Any) -> bool:
    """Whether a filter has what no broker would take: for an unknown type or operation it closes the connection."""
    return (
        wanted.resource_type_filter not in RESOURCES
        or wanted.pattern_type_filter not in PATTERNS
        or wanted.operation not in range(ANY, len(OPERATIONS))
        or wanted.permission_type not in PERMISSIONS
    )


def may_have_resource(view: View, wanted: Any) -> bool:
    """Whether a filter by its type and name could match anything in the view.

    A name that is not in the view is matched by no pattern that is, but where the whole cluster is in it.
    """
    name = wanted.resource_name_filter
    if name is None:
        return True
    types = tuple(KINDS) if wanted.resource_type_filter == ANY else (wanted.resource_type_filter,)
    names = (name, EVERY_NAME) if wanted.pattern_type_filter == MATCH else (name,)
    return any(
        has_resource(view, one, each, pattern) for one in types for each in names for pattern in patterns_of(wanted)
    )


def is_clear(view: View, wanted: Any) -> bool:
    """Whether a filter can match nothing but what is in the view and no Kordon's own, whatever ACLs there are."""
    resource_type, name = wanted.resource_type_filter, wanted.resource_name_filter
    if resource_type == ANY or name is None or wanted.pattern_type_filter == MATCH or wanted.principal_filter is None:
        return False
    if is_kordons_own(KINDS[resource_type], name) or not has_principal(view, wanted.principal_filter):
        return False
    return all(has_resource(view, resource_type, name, pattern) for pattern in patterns_of(wanted))


def patterns_of(wanted: Any) -> tuple[int, ...]:
    """The types that the patterns have which a filter matches."""
    return (LITERAL, PREFIXED) if wanted.pattern_type_filter in (ANY, MATCH) else (wanted.pattern_type_filter,)


def matches(wanted: Any, binding: Binding) -> bool:
    """Whether a filter matches a binding (`AclBindingFilter` of Kafka's client library)."""
    return (
        wanted.resource_type_filter in (ANY, binding.resource_type)
        and _matches_pattern(wanted.pattern_type_filter, wanted.resource_name_filter, binding)
        and wanted.principal_filter in (None, binding.principal)
        and wanted.host_filter in (None, binding.host)
        and wanted.operation in (ANY, binding.operation)
        and wanted.permission_type in (ANY, binding.permission_type)
    )


def _matches_pattern(pattern_type: int, name: str | None, binding: Binding) -> bool:
    if pattern_type not in (ANY, MATCH, binding.pattern_type):
        return False
    if name is None:
        return True
    if pattern_type != MATCH:
        return name == binding.resource_name
    if binding.pattern_type == PREFIXED:
        return name.startswith(binding.resource_name)
    return binding.resource_name in (name, EVERY_NAME)


def exactly(binding: Binding) -> dict[str, Any]:
    """The fields of the filter that matches this binding and no other."""
    return dict(zip(OPEN, astuple(binding), strict=True))


def widest(filters: Iterable[Any]) -> dict[str, Any]:
    """The fields of a filter that matches whatever one of these does: what they have in common."""
    all_filters = tuple(filters)
    fields = dict(OPEN)
    for names in TOGETHER:
        values = {tuple(getattr(one, name) for name in names) for one in all_filters}
        if len(values) == 1:
            fields.update(zip(names, values.pop(), strict=True))
    return fields


def told_filter(wanted: Any) -> dict[str, object]:
    """A filter in words, for the audit; what it leaves open is left out."""
    words = {
        "resource": (wanted.resource_type_filter, RESOURCES.get(wanted.resource_type_filter)),
        "name": (wanted.resource_name_filter, wanted.resource_name_filter),
        "pattern": (wanted.pattern_type_filter, PATTERNS.get(wanted.pattern_type_filter)),
        "principal": (wanted.principal_filter, wanted.principal_filter),
        "host": (wanted.host_filter, wanted.host_filter),
        "operation": (wanted.operation, operation_name(wanted.operation)),
        "permission": (wanted.permission_type, PERMISSIONS.get(wanted.permission_type)),
    }
    return {
        name: str(value) if word is None else word for name, (value, word) in words.items() if value not in (ANY, None)
    }
