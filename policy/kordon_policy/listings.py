"""Who can and what can, as an API tells it: values that `json.dumps` takes, complete enough to print them from."""

from collections.abc import Iterable

from kordon_policy.answers import Answer, region_answer, rule_answer
from kordon_policy.holders import Known, Less, Row, WhoCan
from kordon_policy.what_can import Right, WhatCan


def to_who_answer(found: WhoCan) -> Answer:
    """Everything that is known of who may do it. Instants are in ms since the epoch."""
    asked = found.asked
    return {
        "question": {
            "action": asked.action.value,
            "type": None if asked.kind is None else asked.kind.value,
            "names": None if asked.pattern is None else asked.pattern.text,
            "clusters": [cluster.name for cluster in asked.clusters],
            "epoch": found.epoch,
        },
        "roles": [_row(row) for row in found.rows],
        "less": [_less(row) for row in found.less],
        "people": [_known(row) for row in found.people],
        **_completeness(found.incomplete, found.until),
    }


def to_what_answer(found: WhatCan) -> Answer:
    """Everything that somebody may do. Instants are in ms since the epoch."""
    holder = found.holder
    return {
        "question": {
            "principal": holder.principal,
            "roles": sorted(holder.held),
            "tenant": holder.tenant,
            "epoch": found.epoch,
        },
        "tenants": list(found.tenants),
        "refused": found.refused,
        "rights": [_right(right) for right in found.rights],
        **_completeness(found.incomplete, found.until),
    }


def _completeness(incomplete: Iterable[str], until: int | None) -> Answer:
    why = list(incomplete)
    return {"complete": not why, "incomplete": why, "holds_until": until}


def _row(row: Row) -> Answer:
    return {
        "answer": row.access.value,
        "action": row.action.value,
        "role": row.role,
        "principal": row.principal,
        "temporary_policy": row.lent,
        "until": row.until,
        "rules": [rule_answer(rule) for rule in row.rules],
        "clusters": list(row.clusters),
        "tenants": list(row.tenants),
        "needs": [list(roles) for roles in row.needs],
        "names": region_answer(row.region),
        "if_read": region_answer(row.if_read),
    }


def _less(row: Less) -> Answer:
    return {
        "answer": row.access.value,
        "action": row.action.value,
        "role": row.role,
        "other": row.other,
        "principal": row.principal,
        "effect": row.effect.value,
        "until": row.until,
        "rules": [rule_answer(rule) for rule in row.rules],
        "clusters": list(row.clusters),
        "names": region_answer(row.region),
    }


def _known(row: Known) -> Answer:
    return {
        "principal": row.principal,
        "roles": list(row.roles),
        "answer": row.access.value,
        "clusters": list(row.clusters),
        "tenants": list(row.tenants),
        "names": region_answer(row.region),
        "if_read": region_answer(row.if_read),
    }


def _right(right: Right) -> Answer:
    return {
        "answer": right.access.value,
        "actions": [action.value for action in right.actions],
        "type": None if right.kind is None else right.kind.value,
        "clusters": list(right.clusters),
        "tenants": list(right.tenants),
        "rules": [rule_answer(rule) for rule in right.rules],
        "until": right.until,
        "names": region_answer(right.region),
        "if_read": region_answer(right.if_read),
    }
