"""Explanations as an API tells them: values that `json.dumps` takes, complete enough to print them from."""

from pathlib import PurePath
from typing import Any

from kordon_policy.actions import Kind
from kordon_policy.draft import Change
from kordon_policy.explain import Explanation, Step, Turn
from kordon_policy.fixes import Fix
from kordon_policy.model import RuleRef
from kordon_policy.near import NearMiss
from kordon_policy.opens import Opened, Opens
from kordon_policy.regions import Region

Answer = dict[str, Any]


def to_answer(explanation: Explanation) -> Answer:
    """Everything that an explanation says. Instants are in ms since the epoch."""
    question = explanation.question
    shadow = explanation.would_be
    return {
        "question": {
            "principal": question.principal,
            "roles": sorted(question.held),
            "tenant": explanation.tenant,
            "action": None if question.action is None else question.action.value,
            "path": list(question.path),
            "at": explanation.at,
            "epoch": explanation.epoch,
        },
        "answer": explanation.access.value,
        "reason": explanation.reason,
        "steps": [_step(step) for step in explanation.steps],
        "changes_at": None if explanation.turn is None else _turn(explanation.turn),
        "fixes": [_fix(fix) for fix in explanation.fixes.ways],
        "untried": explanation.fixes.untried,
        "no_grant": explanation.fixes.no_grant or None,
        "rests_on": [rule_answer(rule) for rule in explanation.rests_on],
        "shadow": None if shadow is None else {"answer": shadow[0].value, "reason": shadow[1]},
    }


def rule_answer(rule: RuleRef) -> Answer:
    """Where a rule stands. Of its file the name alone, as not all who are told need to know where it lies."""
    return {
        "rule": rule.place,
        "file": PurePath(rule.source).name or None,
        "line": rule.line or None,
        "note": rule.note or None,
        "text": str(rule),
    }


def region_answer(region: Region) -> list[Answer]:
    """The cells of a region, each with a name in it."""
    return [
        {
            "names": cell.pattern.text,
            "exact": cell.pattern.exact,
            "except": [one.text for one in cell.but],
            "text": str(cell),
            "example": cell.example(),
        }
        for cell in region
    ]


def _step(step: Step) -> Answer:
    return {
        "step": step.step.value,
        "pass": step.passed,
        "text": step.text,
        "rules": [rule_answer(rule) for rule in step.rules],
        "near": [_near(miss) for miss in step.near],
        "more_near": step.more,
    }


def _near(miss: NearMiss) -> Answer:
    return {
        "rule": rule_answer(miss.rule),
        "wrong": miss.wrong.value,
        "has": miss.has,
        "wants": miss.wants,
        "slip": miss.slip or None,
    }


def _turn(turn: Turn) -> Answer:
    return {"ts": turn.ts, "answer": turn.access.value, "rules": [rule_answer(rule) for rule in turn.rules]}


def _fix(fix: Fix) -> Answer:
    return {
        "kind": fix.means.value,
        "text": ", and ".join(_told(change) for change in fix.changes),
        "changes": [_change(change) for change in fix.changes],
        "opens": _opens(fix.opens),
        "grant": None if fix.grant is None else dict(fix.grant),
    }


def _change(change: Change) -> Answer:
    at = None if change.at is None else rule_answer(change.at)
    return {"kind": change.means.value, "text": change.text, "at": at}


def _told(change: Change) -> str:
    return change.text if change.at is None else f"{change.at}: {change.text}"


def _opens(opens: Opens) -> Answer:
    return {
        "nothing_else": opens.nothing,
        "at_most": opens.at_most,
        "rows": [_opened(row) for row in opens.rows],
        "notes": list(opens.notes),
    }


def _opened(row: Opened) -> Answer:
    return {
        "who": list(row.who),
        "actions": [action.value for action in row.actions],
        "type": _type(row.kind),
        "clusters": list(row.clusters),
        "names": region_answer(row.region),
    }


def _type(kind: Kind | None) -> str | None:
    return None if kind is None else kind.value
