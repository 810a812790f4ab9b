"""What an administrator asks for becomes a temporary policy, or every reason why not.

The policy in it is read as one of a file is, and what is wrong with it is told in the same words. But a file may be
written for what is still to come, and this is put in force as it stands: what a file is warned of is refused here.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from kordon_policy.findings import Finding, Report, Severity, TooManyFindings, shown
from kordon_policy.json_tree import JsonTree
from kordon_policy.lifecycle import LAST_INSTANT, instant
from kordon_policy.model import EVERYBODY, Compat, Rule, RuleRef
from kordon_policy.nodes import Mapping, Node, Scalar, Sequence
from kordon_policy.own_rights import Author, Known
from kordon_policy.patterns import STAR
from kordon_policy.read import known_keys, report_missing
from kordon_policy.read_policies import policies_of
from kordon_policy.read_requests import LONGEST, free_text, hint_of_instant, long, milliseconds_of, must_be_known
from kordon_policy.snapshot import Snapshot
from kordon_policy.temporary import TemporaryPolicy, Wording

HOUR: Final = 3_600_000
UNLIMITED: Final = "unlimited"
KEYS: Final = ("duration_ms", "starts_ts", "expires_ts", "principal", "reason", "ticket", "policy")
RENEWAL_KEYS: Final = ("duration_ms", "expires_ts", "reason")
POLICY_KEYS: Final = ("role", "actions", "effect", "resource")
_WHAT: Final = "a temporary policy"
_INSTANTS: Final = ("duration_ms", "starts_ts", "expires_ts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A temporary policy that does not exist yet, unless there is an error among the findings."""

    policy: TemporaryPolicy | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """Another end of a temporary policy (ms since the epoch; `None`: until it is revoked), if `possible`.

    If not, there is an error among the findings.
    """

    possible: bool
    expires_ts: int | None
    reason: str
    findings: tuple[Finding, ...]


def read_request(
    body: object,
    *,
    policy_id: str,
    author: Author,
    snapshot: Snapshot,
    known: Known,
    now: int,
    max_duration: int | None = HOUR,
) -> Asked:
    """Read what somebody asks to put in force, and find every mistake in it at once. Never raises, whatever the body.

    body: as `json.loads` returns it, in Kpow's shape: `{"duration_ms", "policy": {"role", "actions", "effect",
    "resource"}}`, and `starts_ts`, `expires_ts`, `principal`, `reason`, `ticket`. A duration counts from the start,
    which is now unless given; `"duration_ms": "unlimited"` holds until it is revoked.
    now, max_duration: in ms (since the epoch); a bound of `None` is none. known: all names of clusters, by DOMAIN.

    Whether the author may ask for it is another question: `own_rights.judge_author`.
    """
    report = Report("request")
    tree = JsonTree(body, report)
    policy = None
    with suppress(TooManyFindings):
        values = known_keys(tree.root, _WHAT, KEYS, report)
        if values is not None:
            if "policy" not in values:
                report_missing("policy", _WHAT, tree.root, report)
            read = read_rule(values.get("policy"), policy_id, snapshot.document.compat, report)
            span = _span(values, tree.root, now, max_duration, report)
            texts = {key: free_text(key, values, report) for key in LONGEST}
            if read is not None:
                rule, wording = read
                if snapshot.is_admin(author.roles):  # nobody else is told which roles and clusters there are
                    _lint_role(values["policy"], snapshot, report)
                    _lint_place(values["policy"], rule, known, report)
                policy = TemporaryPolicy(
                    id=policy_id,
                    wording=wording,
                    rule=rule,
                    author=author,
                    created_ts=now,
                    starts_ts=span.starts_ts,
                    expires_ts=span.expires_ts,
                    principal=texts["principal"] or None,
                    reason=texts["reason"],
                    ticket=texts["ticket"],
                )
    findings = tree.findings(strict=True)
    if policy is not None and not policy.rule.paths:
        findings = tuple(_refused(finding) for finding in findings)
    refused = any(finding.severity is Severity.ERROR for finding in findings)
    return Asked(policy=None if refused else policy, findings=findings)


def read_renewal(body: object, policy: TemporaryPolicy, *, now: int, max_duration: int | None = HOUR) -> Renewal:
    """Read until when somebody asks to renew a temporary policy, and find every mistake in it at once. Never raises.

    body: `{"duration_ms"}` or `{"expires_ts"}`, and `reason`. The duration, and the bound on it, count from now, or
    from the start if that is still to come: who renews vouches for that long again. All in ms.
    """
    report = Report("request")
    tree = JsonTree(body, report)
    span, reason = _NO_SPAN, ""
    with suppress(TooManyFindings):
        values = known_keys(tree.root, "a renewal", RENEWAL_KEYS, report)
        if values is not None:
            span = _span(values, tree.root, now, max_duration, report, starts_ts=max(now, policy.starts_ts))
            reason = free_text("reason", values, report)
    findings = tree.findings(strict=True)
    return Renewal(possible=not report.has_errors, expires_ts=span.expires_ts, reason=reason, findings=findings)


def read_rule(node: Node | None, policy_id: str, compat: Compat, report: Report) -> tuple[Rule, Wording] | None:
    """Read the policy in a temporary policy as one of a file. `None` if it is none, which is reported."""
    values = None if node is None else known_keys(node, "the policy", POLICY_KEYS, report)
    if node is None or values is None:
        return None
    entries = {key: (Scalar(line=value.line, column=value.column, text=key), value) for key, value in values.items()}
    policy = Mapping(line=node.line, column=node.column, entries=entries)
    (rule,) = policies_of(Sequence(line=node.line, column=node.column, items=(policy,)), compat, report)
    wording = Wording(
        role=next(iter(_texts(values.get("role"))), ""),
        actions=tuple(dict.fromkeys(_texts(values.get("actions")))),
        effect=rule.effect,
        resource=tuple(_texts(values.get("resource"))),
    )
    return replace(rule, ref=RuleRef(place=f"temporary policy {policy_id}")), wording


def _texts(node: Node | None) -> Iterator[str]:
    for item in node.items if isinstance(node, Sequence) else (node,):
        if isinstance(item, Scalar):
            yield item.text


def _refused(finding: Finding) -> Finding:
    """A path that covers nothing is worth a notice in a file that is Kpow's too, but nothing to put in force."""
    at_path = finding.path.startswith("policy.resource")
    return replace(finding, severity=Severity.ERROR) if at_path else finding


def _lint_role(policy: Node, snapshot: Snapshot, report: Report) -> None:
    node = _within(policy, "role")
    if not isinstance(node, Scalar) or not node.text:
        return
    role = frozenset({node.text})
    if node.text == EVERYBODY:
        report.error(node, '"*" as a role would be for everybody', "name the role")
    elif not snapshot.admits(role):
        welcome = sorted(snapshot.compiled.authorized | snapshot.document.admin_roles)
        hint = report.nearest(node.text, welcome) or "it is not in authorized_roles"
        report.error(node, f"role {shown(node.text)} alone cannot log in", hint)
    elif not any(tenant.takes(role) for tenant in snapshot.tenants):
        report.notice(node, f"role {shown(node.text)} is in no tenant: alone it sees an empty cluster")


def _lint_place(policy: Node, rule: Rule, known: Known, report: Report) -> None:
    node = _within(policy, "resource")
    for path in rule.paths:
        name = path.domain_id
        # Patterns in that place are told of where they are read.
        if path.domain is None or name is None or STAR in name or not isinstance(node, Sequence):
            continue
        must_be_known(node.items[1], path.domain, name, known, report)


def _within(node: Node, key: str) -> Node | None:
    return node.entries[key][1] if isinstance(node, Mapping) and key in node.entries else None


class _Span(NamedTuple):
    starts_ts: int
    expires_ts: int | None


_NO_SPAN: Final = _Span(0, None)


def _span(
    values: dict[str, Node],
    root: Node,
    now: int,
    max_duration: int | None,
    report: Report,
    *,
    starts_ts: int | None = None,
) -> _Span:
    """From when until when. What is wrong with it is reported, and then it means nothing."""
    if "duration_ms" not in values and "expires_ts" not in values:
        report.error(root, "no end: neither `duration_ms` nor `expires_ts`", "say how long it holds, in milliseconds")
        return _NO_SPAN
    unlimited = _is_unlimited(values.get("duration_ms"))
    numbers = {
        key: _milliseconds(values[key], key, report)
        for key in _INSTANTS
        if key in values and not (unlimited and key == "duration_ms")
    }
    given = {key: number for key, number in numbers.items() if number is not None}
    if len(given) < len(numbers):
        return _NO_SPAN
    starts = given.get("starts_ts", now) if starts_ts is None else starts_ts
    if unlimited:
        _lint_unlimited(values, max_duration, report)
        return _Span(starts, None)
    ends = {
        key: given[key] + (starts if key == "duration_ms" else 0)
        for key in ("duration_ms", "expires_ts")
        if key in given
    }
    for key, end in ends.items():
        _lint_end(values[key], _Span(starts, end), now, max_duration, report)
    if len(set(ends.values())) > 1:
        report.error(
            values["expires_ts"], "`duration_ms` and `expires_ts` give different ends", "leave one of them out"
        )
    return _Span(starts, min(ends.values()))


def _lint_unlimited(values: dict[str, Node], max_duration: int | None, report: Report) -> None:
    node = values["duration_ms"]
    if "expires_ts" in values:
        report.error(node, "`duration_ms` is unlimited, and `expires_ts` is an end", "leave one of them out")
    if max_duration is not None:
        report.error(node, "it would have no end, and there is a max_duration", f"at most {long(max_duration)}")


def _lint_end(node: Node, span: _Span, now: int, max_duration: int | None, report: Report) -> None:
    starts, expires = span
    if expires is None:
        return
    if expires <= starts:
        report.error(node, "it would end before it starts", "an end is later than the start")
    elif expires <= now:
        report.error(node, f"it would be over already, since {instant(expires)}", hint_of_instant(expires, now))
    elif expires > LAST_INSTANT:
        report.error(node, "it would end after the year 9999", f'write "{UNLIMITED}" if it has no end')
    elif max_duration is not None and expires - starts > max_duration:
        message = f"it would hold for {long(expires - starts)}, longer than max_duration"
        report.error(node, message, f"at most {long(max_duration)}")


def _milliseconds(node: Node, key: str, report: Report) -> int | None:
    also = f', or "{UNLIMITED}"' if key == "duration_ms" else ""
    example = HOUR if key == "duration_ms" else 1_767_225_600_000
    return milliseconds_of(node, f"`{key}`", report, example=f"{example}{also}")


def _is_unlimited(node: Node | None) -> bool:
    return isinstance(node, Scalar) and node.text == UNLIMITED
