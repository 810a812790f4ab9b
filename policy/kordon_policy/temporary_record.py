"""Temporary policies as a store keeps them, and as the API tells them: values that `json.dumps` takes."""

from contextlib import suppress
from typing import Final

from kordon_policy.findings import Report, Severity, TooManyFindings
from kordon_policy.json_tree import JsonTree
from kordon_policy.model import Compat, Rule
from kordon_policy.read_policies import ACTION_NAMES
from kordon_policy.records import Fields, Record, UnreadableRecord, author_record, ended_record
from kordon_policy.temporary import State, TemporaryPolicy, Wording
from kordon_policy.temporary_request import read_rule

SCHEMA: Final = 1
"""The version of the record. Raise it when an older Kordon would misread a newer record, and read the older here."""


def to_record(policy: TemporaryPolicy) -> Record:
    """What a store keeps: all of it, in texts, whole numbers, lists and null. Instants in ms since the epoch."""
    return {
        "schema": SCHEMA,
        "id": policy.id,
        "revision": policy.revision,
        "state": policy.state.value,
        "created_ts": policy.created_ts,
        "starts_ts": policy.starts_ts,
        "expires_ts": policy.expires_ts,
        "renewed_ts": policy.renewed_ts,
        "author": author_record(policy.author),
        "principal": policy.principal,
        "reason": policy.reason,
        "ticket": policy.ticket,
        "ended": ended_record(policy.ended),
        "policy": _kpows(policy.wording),
    }


def to_answer(policy: TemporaryPolicy) -> Record:
    """What the API tells: Kpow's four fields, and ours. `duration_ms` and `expires_ts` are null if it has no end."""
    record = to_record(policy)
    return {
        "id": policy.id,
        "created_ts": policy.created_ts,
        "duration_ms": policy.duration_ms,
        "policy": record["policy"],
        "created_by": policy.author.principal,
        "tenant": policy.author.tenant,
        **{key: record[key] for key in ("state", "starts_ts", "expires_ts", "principal", "reason", "ticket", "ended")},
    }


def from_record(record: object, *, compat: Compat = Compat()) -> TemporaryPolicy:  # noqa: B008  frozen
    """Read what `to_record` wrote. The rule is made anew, so `compat` is that of the file in force.

    Raises UnreadableRecord.
    """
    fields = Fields(record)
    fields.must_be_known(SCHEMA)
    policy_id = fields.text("id")
    rule, wording = _rule(fields.get("policy"), policy_id, compat)
    state = fields.word("state", State)
    return TemporaryPolicy(
        id=policy_id,
        revision=fields.number("revision"),
        state=state,
        wording=wording,
        rule=rule,
        author=fields.author("author"),
        created_ts=fields.number("created_ts"),
        starts_ts=fields.number("starts_ts"),
        expires_ts=fields.number_or_none("expires_ts"),
        renewed_ts=fields.number_or_none("renewed_ts") if "renewed_ts" in fields.keys else None,  # not in older ones
        principal=fields.text_or_none("principal"),
        reason=fields.text("reason"),
        ticket=fields.text("ticket"),
        ended=fields.ended(state, final=state.final),
    )


def _kpows(wording: Wording) -> Record:
    return {
        "role": wording.role,
        "actions": list(wording.actions),
        "effect": wording.effect.value,
        "resource": list(wording.resource),
    }


def _rule(written: object, policy_id: str, compat: Compat) -> tuple[Rule, Wording]:
    """Read the rule. What was refused when it was asked for would be refused again, but not for a newer doubt."""
    report = Report("store")
    tree = JsonTree(written, report)
    read = None
    with suppress(TooManyFindings):
        read = read_rule(tree.root, policy_id, compat, report)
    for finding in tree.findings(strict=False):
        if finding.severity is Severity.ERROR:
            raise UnreadableRecord(f"`policy.{finding.path}`: {finding.message}".replace(".`", "`"))
    if read is None:
        raise UnreadableRecord("it has no `policy`")
    rule, wording = read
    unknown = [action for action in wording.actions if action not in ACTION_NAMES]
    if unknown or not rule.actions or not rule.paths:
        raise UnreadableRecord(f"`policy` has actions or a path that mean nothing here: {_kpows(wording)}")
    return rule, wording
