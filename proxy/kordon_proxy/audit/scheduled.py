"""What an auditor is told of a scheduled mutation: one event for each of its changes."""

from typing import Any, Final

from kordon_policy.model import Effect
from kordon_policy.own_rights import Judgement
from kordon_policy.scheduled import Change, Event, ScheduledMutation
from kordon_policy.scheduled_record import to_answer

from . import event as audit
from .event import KORDON, EventType, What, Who, Why, rfc3339

MOST_OFFSETS: Final = 200
"""Topics that an event names, and partitions of which it tells the offsets; the store has all of them for a month."""


def event_of(change: Change, *, who: Who = KORDON, judgement: Judgement | None = None, epoch: int) -> audit.Event:
    """Tell of a change: by whom, what is to be done, and with which old and new offsets it was."""
    mutation = change.mutation
    denied = change.event is Event.REFUSED or (judgement is not None and not judgement.granted)
    group = ("cluster", mutation.cluster, "group", mutation.aim.group)
    return audit.Event(
        id=change.id,
        type=EventType.SCHEDULED_MUTATION,
        time=change.ts,
        who=who,
        what=What(
            action=f"SCHEDULED_MUTATION_{change.event.name}",
            cluster=mutation.cluster,
            resources=(group, *_topics(mutation)),
            parameters=_parameters(mutation),
        ),
        why=Why(
            effect=Effect.DENY if denied else Effect.ALLOW,
            rules=() if judgement is None else tuple(map(str, judgement.rules)),
            epoch=epoch,
            reason=change.reason or None,
        ),
    )


def _topics(mutation: ScheduledMutation) -> list[tuple[str, ...]]:
    """The topics that it is about, as far as is known."""
    moves = mutation.results or (() if mutation.claim is None else mutation.claim.moves)
    named = {mutation.aim.topic} if mutation.aim.topic else {move.topic for move in moves}
    return [("cluster", mutation.cluster, "topic", name) for name in sorted(named)[:MOST_OFFSETS]]


def _parameters(mutation: ScheduledMutation) -> dict[str, Any]:
    answer = to_answer(mutation)
    asked = ("operation", "to", "topic", "partition", "count", "created_by", "tenant", "state", "reason", "ticket")
    known = {name: answer[name] for name in asked}
    known |= {"scheduled_mutation": mutation.id, "until": rfc3339(mutation.until_ts), "staged": mutation.staged_id}
    offsets = answer["offsets"]
    if offsets:
        known["offsets"] = [
            {name: value for name, value in one.items() if value not in (None, "") or name.endswith("_offset")}
            for one in offsets[:MOST_OFFSETS]
        ]
        if len(offsets) > MOST_OFFSETS:
            known["offsets_left_out"] = len(offsets) - MOST_OFFSETS
    return {name: value for name, value in known.items() if value not in (None, "")}
