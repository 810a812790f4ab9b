"""An event of the audit as a question: may he do that now, and why?"""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any

from kordon_policy.actions import Domain, Kind
from kordon_policy.question import Question
from kordon_proxy.audit.journals import journal_directories
from kordon_proxy.audit.line import place_of
from kordon_proxy.audit.reading import journal_segments, lines_of
from kordon_proxy.audit.segments import AuditError
from kordon_proxy.config.findings import Mistake
from kordon_proxy.explaining.answers import explained
from kordon_proxy.explaining.paths import split_path
from kordon_proxy.explaining.source import Source
from kordon_proxy.explaining.wanted import action_of
from kordon_proxy.reasons import reason_of

Event = dict[str, Any]


def explain_event(source: Source, event_id: str, directory: Path | None, words: Sequence[str]) -> dict[str, Any]:
    """Why what an event of the audit is about is allowed or not, as it was asked then. Raises Mistake.

    words: what is said besides; the path of one of its things, at most.
    """
    if len(words) > 1:
        raise Mistake("--event brings its own action: only a PATH may be said, which of its things is meant")
    journal = directory or source.journal
    if journal is None:
        raise Mistake("where is the audit? --config names a kordon.yaml that says it, --directory a journal")
    event = find_event(journal, event_id)
    then = replace(source, world=replace(source.world, now=instant_of_event(event)))
    answer = explained(then, question_of(event, next(iter(words), None)))
    return {**answer, "event": compared(event, answer)}


def find_event(directory: Path, event_id: str) -> Event:
    """The event of that id in a journal, or the only one whose id begins like that. Raises Mistake."""
    try:
        found = _search(directory, event_id)
    except AuditError as error:
        raise Mistake(str(error)) from None
    except OSError as error:
        raise Mistake(f"cannot read the journal {directory}: {reason_of(error)}") from None
    exact = [one for one in found if one["id"] == event_id]
    if exact or len(found) == 1:
        return (exact or found)[0]
    if found:
        raise Mistake(f"{len(found)} events in {directory} have ids that begin with {event_id}: write it out")
    raise Mistake(f"there is no event {event_id} in {directory}: `kordon audit --output json` shows ids")


def _search(directory: Path, event_id: str) -> list[Event]:
    letters = json.dumps(event_id)[:-1].encode()
    found = {}
    for segment in chain.from_iterable(map(journal_segments, journal_directories(directory))):
        for line in lines_of(segment):
            # Few lines are worth the reading.
            if letters in line and place_of(line) is not None:
                event = json.loads(line)
                if str(event.get("id", "")).startswith(event_id):
                    found[event["id"]] = event
    return list(found.values())


def question_of(event: Event, path: str | None) -> Question:
    """What the event was asked, with the roles, the tenant and the thing of then; the first, if there are several.

    path: which of them. Raises Mistake for an event that is about no thing.
    """
    data = event["data"]
    who, what, why = (data.get(key, {}) for key in ("who", "what", "why"))
    resources = what.get("resources") or []
    kind = str(event.get("type", "")).removeprefix("kordon.audit.").split(".")[0]
    if kind not in ("decision", "aggregate") or not resources or what.get("action") in (None, "USE_API"):
        reason = why.get("reason")
        told = f": {reason}" if reason else ""
        raise Mistake(f"event {event['id']} asks for no action on a thing, but is of the kind `{kind}`{told}")
    wanted = resources[0] if path is None else split_path(path)
    if wanted not in resources:
        known = ", ".join("/".join(one) for one in resources[:8])
        raise Mistake(f"event {event['id']} is not about {path}: it is about {known}")
    domain, cluster, *rest = wanted
    return Question(
        principal=str(who.get("principal", "")),
        roles=frozenset(who.get("roles", ())),
        tenant=who.get("tenant"),
        action=action_of(what["action"]),
        domain=Domain(domain),
        cluster=cluster,
        kind=Kind(rest[0]) if rest else None,
        name=(rest[1] if len(rest) > 1 else "") if rest else None,
    )


def instant_of_event(event: Event) -> int:
    """When it happened, in ms since the epoch."""
    return round(datetime.fromisoformat(event["time"]).timestamp() * 1000)


def compared(event: Event, answer: dict[str, Any]) -> dict[str, Any]:
    """What the event says, and whether the answer is the same now."""
    why = event["data"].get("why", {})
    same = (why.get("effect") == "Allow") == (answer["answer"] == "allowed")
    return {
        "id": event["id"],
        "time": event["time"],
        "effect": why.get("effect"),
        "reason": why.get("reason"),
        "resources": len(event["data"]["what"]["resources"]),
        "same_answer": same,
        "same_reason": why.get("reason") == answer["reason"],
    }
