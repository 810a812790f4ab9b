"""Staged mutations as a store keeps them, and as the API tells them: values that `json.dumps` takes."""

import base64
import binascii
from typing import Final

from kordon_policy.actions import Action, Kind
from kordon_policy.mutation_rights import Demand
from kordon_policy.records import Fields, Record, UnreadableRecord, author_record, ended_record
from kordon_policy.staged import Approval, Call, Claim, Outcome, StagedMutation, State

SCHEMA: Final = 1
"""The version of the record. Raise it when an older Kordon would misread a newer record, and read the older here."""


def to_record(mutation: StagedMutation) -> Record:
    """What a store keeps: all of it. Instants in ms since the epoch, the request in base64."""
    call, approval, claim, outcome = mutation.call, mutation.approval, mutation.claim, mutation.outcome
    return {
        "schema": SCHEMA,
        "id": mutation.id,
        "revision": mutation.revision,
        "state": mutation.state.value,
        "cluster": mutation.cluster,
        "call": {
            "api": call.api,
            "version": call.version,
            "request": base64.b64encode(call.request).decode(),
            "broker": call.broker,
        },
        "demands": [_demand_record(one) for one in mutation.demands],
        "told": dict(mutation.told),
        "rules": list(mutation.rules),
        "author": author_record(mutation.author),
        "client": dict(mutation.client),
        "created_ts": mutation.created_ts,
        "expires_ts": mutation.expires_ts,
        "approval": None if approval is None else _approval_record(approval),
        "claim": None if claim is None else {"by": claim.by, "ts": claim.ts},
        "outcome": None if outcome is None else {"errors": list(outcome.errors), "unknown": outcome.unknown},
        "ended": ended_record(mutation.ended),
    }


def to_answer(mutation: StagedMutation) -> Record:
    """What the API tells: all but the request itself, which may hold what nobody is to read."""
    approval, outcome = mutation.approval, mutation.outcome
    return {
        "id": mutation.id,
        "state": mutation.state.value,
        "cluster": mutation.cluster,
        "api": mutation.call.api,
        "api_version": mutation.call.version,
        "broker": mutation.call.broker,
        "demands": [_demand_record(one) for one in mutation.demands],
        "request": dict(mutation.told),
        "rules": list(mutation.rules),
        "created_ts": mutation.created_ts,
        "created_by": mutation.author.principal,
        "tenant": mutation.author.tenant,
        "client": dict(mutation.client),
        "expires_ts": mutation.expires_ts,
        "approved_by": None if approval is None else approval.author.principal,
        "approved_ts": None if approval is None else approval.ts,
        "approval_reason": None if approval is None else approval.reason,
        "started_ts": None if mutation.claim is None else mutation.claim.ts,
        "errors": [] if outcome is None else list(outcome.errors),
        "outcome_unknown": outcome is not None and outcome.unknown,
        "ended": ended_record(mutation.ended),
    }


def from_record(record: object) -> StagedMutation:
    """Read what `to_record` wrote. Raises UnreadableRecord."""
    fields = Fields(record)
    fields.must_be_known(SCHEMA)
    state = fields.word("state", State)
    approval, claim, outcome = (fields.within_or_none(key) for key in ("approval", "claim", "outcome"))
    if approval is None and (state in (State.APPROVED, State.EXECUTING) or claim is not None):
        raise UnreadableRecord(f"it is {state}, and `approval` says nobody approved it")
    if (state is State.EXECUTING and claim is None) or (state in _UNCLAIMED and claim is not None):
        raise UnreadableRecord(f"it is {state}, and `claim` says otherwise")
    client = fields.within("client")
    return StagedMutation(
        id=fields.text("id"),
        revision=fields.number("revision"),
        state=state,
        cluster=fields.text("cluster"),
        call=_call(fields.within("call")),
        demands=tuple(_demand(one) for one in fields.each("demands")),
        told=fields.mapping("told"),
        rules=tuple(fields.texts("rules")),
        author=fields.author("author"),
        client=tuple((key, client.text(key)) for key in client.keys),
        created_ts=fields.number("created_ts"),
        expires_ts=fields.number("expires_ts"),
        approval=None if approval is None else _approval(approval),
        claim=None if claim is None else Claim(by=claim.text("by"), ts=claim.number("ts")),
        outcome=None
        if outcome is None
        else Outcome(errors=tuple(outcome.texts("errors")), unknown=outcome.flag("unknown")),
        ended=fields.ended(state, final=state.final),
    )


_UNCLAIMED: Final = (State.PENDING, State.APPROVED, State.DENIED, State.WITHDRAWN, State.EXPIRED)


def _demand_record(demand: Demand) -> Record:
    record = {
        "action": None if demand.action is None else demand.action.value,
        "kind": None if demand.kind is None else demand.kind.value,
        "name": demand.name,
        "explicit": demand.explicit,
    }
    return record | {"beginning": True} if demand.beginning else record  # few are


def _demand(fields: Fields) -> Demand:
    return Demand(
        action=None if fields.get("action") is None else fields.word("action", Action),
        kind=None if fields.get("kind") is None else fields.word("kind", Kind),
        name=fields.text_or_none("name"),
        explicit=fields.flag("explicit"),
        beginning="beginning" in fields.keys and fields.flag("beginning"),
    )


def _call(fields: Fields) -> Call:
    text = fields.text("request")
    try:
        request = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise UnreadableRecord(f"{fields.named('request')} is no base64") from None
    return Call(
        api=fields.text("api"),
        version=fields.whole("version"),
        request=request,
        broker=None if fields.get("broker") is None else fields.whole("broker"),
    )


def _approval_record(approval: Approval) -> Record:
    return {
        "author": author_record(approval.author),
        "ts": approval.ts,
        "until_ts": approval.until_ts,
        "reason": approval.reason,
    }


def _approval(fields: Fields) -> Approval:
    return Approval(
        author=fields.author("author"),
        ts=fields.number("ts"),
        until_ts=fields.number("until_ts"),
        reason=fields.text("reason"),
    )
