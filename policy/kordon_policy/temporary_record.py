"""Temporary policies as a store keeps them, and as the API tells them: values that `json.dumps` takes."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from kordon_policy.findings import Report, Severity, TooManyFindings
from kordon_policy.json_tree import JsonTree
from kordon_policy.model import Compat, Rule
from kordon_policy.own_rights import Author
from kordon_policy.read_policies import ACTION_NAMES
from kordon_policy.temporary import LAST_INSTANT, Ended, State, TemporaryPolicy, Wording
from kordon_policy.temporary_request import read_rule

SCHEMA: Final = 1
"""The version of the record. Raise it when an older Kordon would misread a newer record, and read the older here."""

Record = dict[str, Any]


class UnreadableRecord(ValueError):
    """A stored temporary policy that this Kordon does not understand; the text says why.

    Nobody may go on as if it were not there: it could be a Deny.
    """


def to_record(policy: TemporaryPolicy) -> Record:
    """What a store keeps: all of it, in texts, whole numbers, lists and null. Instants in ms since the epoch."""
    ended = policy.ended
    return {
        "schema": SCHEMA,
        "id": policy.id,
        "revision": policy.revision,
        "state": policy.state.value,
        "created_ts": policy.created_ts,
        "starts_ts": policy.starts_ts,
        "expires_ts": policy.expires_ts,
        "author": {
            "principal": policy.author.principal,
            "roles": sorted(policy.author.roles),
            "tenant": policy.author.tenant,
        },
        "principal": policy.principal,
        "reason": policy.reason,
        "ticket": policy.ticket,
        "ended": None if ended is None else {"ts": ended.ts, "by": ended.by, "reason": ended.reason},
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
    fields = _Fields(record, "")
    schema = fields.number("schema")
    if schema > SCHEMA:
        raise UnreadableRecord(f"it was written by a newer Kordon (schema {schema}, known are those up to {SCHEMA})")
    if schema < 1:
        raise UnreadableRecord(f"there is no schema {schema}")
    policy_id = fields.text("id")
    rule, wording = _rule(fields.get("policy"), policy_id, compat)
    author = fields.within("author")
    state = _state(fields.text("state"))
    ended = None if fields.get("ended") is None else _ended(fields.within("ended"))
    if state.final != (ended is not None):
        raise UnreadableRecord(f"it is {state}, and `ended` says otherwise")
    return TemporaryPolicy(
        id=policy_id,
        revision=fields.number("revision"),
        state=state,
        wording=wording,
        rule=rule,
        author=Author(
            principal=author.text("principal"),
            roles=frozenset(author.texts("roles")),
            tenant=author.text_or_none("tenant"),
        ),
        created_ts=fields.number("created_ts"),
        starts_ts=fields.number("starts_ts"),
        expires_ts=fields.number_or_none("expires_ts"),
        principal=fields.text_or_none("principal"),
        reason=fields.text("reason"),
        ticket=fields.text("ticket"),
        ended=ended,
    )


def _kpows(wording: Wording) -> Record:
    return {
        "role": wording.role,
        "actions": list(wording.actions),
        "effect": wording.effect.value,
        "resource": list(wording.resource),
    }


def _state(text: str) -> State:
    try:
        return State(text)
    except ValueError:
        raise UnreadableRecord(f"`state` is {text!r}, which is none") from None


def _ended(fields: "_Fields") -> Ended:
    return Ended(ts=fields.number("ts"), by=fields.text("by"), reason=fields.text("reason"))


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


class _Fields:
    """The fields of a record, each of the kind that it is asked for."""

    def __init__(self, record: object, way: str) -> None:
        if not isinstance(record, Mapping):
            raise UnreadableRecord(f"`{way}` is no mapping" if way else "it is no mapping")
        self._record = record
        self._way = f"{way}." if way else ""

    def get(self, key: str) -> object:
        if key not in self._record:
            raise UnreadableRecord(f"it has no `{self._way}{key}`")
        return self._record[key]

    def within(self, key: str) -> "_Fields":
        return _Fields(self.get(key), f"{self._way}{key}")

    def text(self, key: str) -> str:
        value = self.get(key)
        if not isinstance(value, str):
            raise UnreadableRecord(f"`{self._way}{key}` is no text")
        return value

    def text_or_none(self, key: str) -> str | None:
        return None if self.get(key) is None else self.text(key)

    def texts(self, key: str) -> list[str]:
        value = self.get(key)
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise UnreadableRecord(f"`{self._way}{key}` is no list of texts")
        return value

    def number(self, key: str) -> int:
        value = self.get(key)
        if not isinstance(value, int) or isinstance(value, bool):
            raise UnreadableRecord(f"`{self._way}{key}` is no whole number")
        if not 0 <= value <= LAST_INSTANT:
            raise UnreadableRecord(f"`{self._way}{key}` is {'negative' if value < 0 else 'after the year 9999'}")
        return value

    def number_or_none(self, key: str) -> int | None:
        return None if self.get(key) is None else self.number(key)
