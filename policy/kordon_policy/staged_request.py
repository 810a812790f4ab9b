"""What somebody who says yes or no to a staged mutation says besides."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from kordon_policy.findings import Finding, Report, TooManyFindings
from kordon_policy.json_tree import JsonTree
from kordon_policy.read import known_keys
from kordon_policy.read_requests import free_text

KEYS: Final = ("reason",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Why, if it is `possible` to read it. If not, there is an error among the findings."""

    possible: bool
    reason: str
    findings: tuple[Finding, ...]


def read_answer(body: object) -> Said:
    """Read the body of an approval or a refusal, `{"reason": "…"}` or an empty mapping. Never raises.

    body: as `json.loads` returns it.
    """
    report = Report("request")
    tree = JsonTree(body, report)
    reason = ""
    with suppress(TooManyFindings):
        values = known_keys(tree.root, "an approval or a refusal", KEYS, report)
        if values is not None:
            reason = free_text("reason", values, report)
    return Said(possible=not report.has_errors, reason=reason, findings=tree.findings(strict=True))
