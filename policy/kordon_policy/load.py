"""A policy file becomes values, or every reason why not."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from kordon_policy.collector import collector_at_rest
from kordon_policy.findings import Finding, Report, TooManyFindings, shown
from kordon_policy.lint import lint
from kordon_policy.model import EVERYBODY, Compat, Document
from kordon_policy.nodes import Broken, Mapping, Node
from kordon_policy.read import roles_of
from kordon_policy.read_policies import policies_of
from kordon_policy.read_tenants import tenants_of
from kordon_policy.yaml_text import Bounds, read_yaml

BOUNDS: Final = Bounds(32 << 20, 3_000_000)
"""A hundred thousand policies fit, of 300 bytes and 30 nodes each: machines write such files."""
KEYS: Final = ("admin_roles", "authorized_roles", "policies", "tenants")
KPOWS_KEYS: Final = ("saml", "github", "openid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A document, unless there is an error among the findings."""

    document: Document | None
    findings: tuple[Finding, ...]


IF_EMPTY: Final = "that could mean that nobody may do anything, or everybody: write `policies: []` at least"


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
    with collector_at_rest():
        document = _read(text, report, compat, clusters, now)
    return Loaded(document=None if report.has_errors else document, findings=report.findings())


def _read(
    text: str | bytes, report: Report, compat: Compat, clusters: Collection[str] | None, now: int | None
) -> Document | None:
    document = None
    try:
        root = read_yaml(text, report, if_empty=IF_EMPTY, bounds=BOUNDS)
        if root is not None:
            document = _document(root, compat, report)
            if not report.has_errors:
                lint(document, report, clusters=clusters, now=now)
    except TooManyFindings:
        pass
    return document


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
        authorized_roles=None if authorized is None else roles_of(authorized, "authorized_roles", report),
        policies=policies_of(values.get("policies"), compat, report),
        tenants=tenants_of(values.get("tenants"), report),
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
    roles = roles_of(node, "admin_roles", report)
    if EVERYBODY in roles:
        report.error(node, '"*" as an admin role would make everybody an administrator', "name the roles")
    return roles
