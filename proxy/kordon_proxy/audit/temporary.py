"""What an auditor is told of a temporary policy: one event for each of its changes."""

from typing import Any

from kordon_policy.model import Effect
from kordon_policy.own_rights import Judgement
from kordon_policy.patterns import STAR
from kordon_policy.temporary import Change, State, TemporaryPolicy

from .event import KORDON, Event, EventType, What, Who, Why, rfc3339


def event_of(change: Change, *, who: Who = KORDON, judgement: Judgement | None = None, epoch: int) -> Event:
    """Tell of a change: by whom, what the policy is from then on, and why it was made or might not be."""
    policy = change.policy
    resource = policy.wording.resource
    return Event(
        id=change.id,
        type=EventType.TEMPORARY_POLICY,
        time=change.ts,
        who=who,
        what=What(
            action=f"TEMPORARY_POLICY_{change.event.name}",
            cluster=resource[1] if len(resource) > 1 and resource[1] != STAR else None,
            resources=(resource,),
            parameters=_parameters(policy),
        ),
        why=Why(
            effect=Effect.DENY if policy.state is State.REFUSED else Effect.ALLOW,
            rules=() if judgement is None else tuple(map(str, judgement.rules)),
            temporary_policy=policy.id,
            epoch=epoch,
            reason=change.reason or None,
        ),
    )


def _parameters(policy: TemporaryPolicy) -> dict[str, Any]:
    author = policy.author
    known = {
        "created_by": author.principal,
        "tenant": author.tenant,
        "role": policy.wording.role,
        "actions": list(policy.wording.actions),
        "effect": policy.wording.effect.value,
        "principal": policy.principal,
        "starts": rfc3339(policy.starts_ts),
        "expires": None if policy.expires_ts is None else rfc3339(policy.expires_ts),
        "state": policy.state.value,
        "reason": policy.reason or None,
        "ticket": policy.ticket or None,
    }
    return {name: value for name, value in known.items() if value is not None}
