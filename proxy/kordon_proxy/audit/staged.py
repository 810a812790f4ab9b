"""What an auditor is told of a staged mutation: one event for each of its changes."""

from collections.abc import Mapping
from typing import Any, Final

from kordon_policy.actions import Action
from kordon_policy.model import Effect
from kordon_policy.mutation_rights import Demand
from kordon_policy.own_rights import Judgement
from kordon_policy.staged import Change, Event, StagedMutation

from . import event as audit
from .event import KORDON, EventType, Outcome, What, Who, Why, rfc3339

_WITH_REQUEST: Final = frozenset({Event.STAGED, Event.SUCCEEDED, Event.FAILED})
_EFFECTS: Final = {Event.STAGED: Effect.STAGE, Event.DENIED: Effect.DENY}


def event_of(
    change: Change,
    *,
    who: Who = KORDON,
    judgement: Judgement | None = None,
    epoch: int,
    parameters: Mapping[str, Any],
    outcome: Outcome | None = None,
) -> audit.Event:
    """Tell of a change: by whom, what is asked for, and what has become of it.

    parameters: what matters of the request, as the audit tells it when it comes on the wire. outcome: what the broker
    has answered.
    """
    mutation = change.mutation
    effect = _EFFECTS.get(change.event, Effect.ALLOW)
    if judgement is not None and not judgement.granted:
        effect = Effect.DENY
    rules = mutation.rules if change.event is Event.STAGED else ()
    if judgement is not None:
        rules = tuple(map(str, judgement.rules))
    return audit.Event(
        id=change.id,
        type=EventType.STAGED_MUTATION,
        time=change.ts,
        who=who,
        what=What(
            action=f"STAGED_MUTATION_{change.event.name}",
            cluster=mutation.cluster,
            api=mutation.call.api,
            api_version=mutation.call.version,
            resources=tuple(dict.fromkeys(_path(mutation, one) for one in mutation.demands if one.action)),
            parameters=_parameters(mutation) | ({"request": parameters} if change.event in _WITH_REQUEST else {}),
        ),
        why=Why(effect=effect, rules=rules, epoch=epoch, reason=change.reason or None),
        outcome=outcome or Outcome(unknown=mutation.outcome is not None and mutation.outcome.unknown),
    )


def actions_of(mutation: StagedMutation) -> tuple[Action, ...]:
    """The actions that it takes, each once."""
    return tuple(dict.fromkeys(one.action for one in mutation.demands if one.action is not None))


def _path(mutation: StagedMutation, demand: Demand) -> tuple[str, ...]:
    cluster = ("cluster", mutation.cluster)
    return cluster if demand.kind is None else (*cluster, demand.kind.value, demand.name or "")


def _parameters(mutation: StagedMutation) -> dict[str, Any]:
    approval, outcome = mutation.approval, mutation.outcome
    known = {
        "staged_mutation": mutation.id,
        "state": mutation.state.value,
        "actions": [action.value for action in actions_of(mutation)],
        "created_by": mutation.author.principal,
        "tenant": mutation.author.tenant,
        "until": rfc3339(mutation.expires_ts if approval is None else approval.until_ts),
        "approved_by": None if approval is None else approval.author.principal,
        "approval_reason": None if approval is None else approval.reason or None,
        "errors": None if outcome is None else list(outcome.errors) or None,
    }
    return {name: value for name, value in known.items() if value is not None}
