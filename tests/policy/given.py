"""Policies, tenants and questions as tests write them."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from kordon_policy.load import load
from kordon_policy.model import Compat, Document
from kordon_policy.rights import Rights
from kordon_policy.snapshot import Snapshot, compile_snapshot
from kordon_policy.view import View

PROD = frozenset({"prod"})


def a_document(text: str, compat: Compat | None = None) -> Document:
    """A file that must load."""
    loaded = load(text, "rbac.yaml", compat=compat or Compat())
    assert loaded.document is not None, loaded.findings
    return loaded.document


def a_snapshot(text: str, compat: Compat | None = None, epoch: int = 1) -> Snapshot:
    return compile_snapshot(a_document(text, compat), epoch=epoch)


def a_policy(effect: str, actions: Collection[str], *paths: Collection[str], to: Collection[str] = ("devs",)) -> str:
    """A file with one policy."""
    return policies({"effect": effect, "actions": actions, "resources": paths, "roles": to})


def policies(*rules: Mapping[str, Any]) -> str:
    """A file with these policies. JSON is YAML."""
    return json.dumps({"policies": rules}, default=list)


def tenants(*given: Mapping[str, Any]) -> str:
    """A file with these tenants, each for `devs` where it does not say otherwise."""
    return json.dumps({"tenants": [{"roles": ["devs"], **tenant} for tenant in given]}, default=list)


def rights_of(snapshot: Snapshot, *roles: str, cluster_names: frozenset[str] = PROD) -> Rights:
    return snapshot.rights(frozenset(roles), cluster_names, "someone")


def a_view(
    *items: Mapping[str, Any], inferred: Mapping[str, frozenset[str]] | None = None, admin: bool = False
) -> View:
    """The view of a tenant that has these includes and excludes."""
    snapshot = a_snapshot(tenants({"name": "Trading", "resources": items}))
    return snapshot.view("Trading", PROD, inferred or {}, admin=admin)
