"""Which events a webhook gets: Kpow's three verbosities.

`MUTATIONS`: what changed, or was to be changed, and what was denied; temporary policies, policy files, and the audit's
own troubles. `QUERIES`: what was read, or was to be read. `ALL`: every event.

Not a mutation, though events of their own: logins, what clients do all day (a member that leaves its group), and what a
policy that is only being tried would have decided. People in a chat are not told twice of a temporary policy that
begins as soon as it is made, or of a staged mutation that begins when it is approved.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from kordon_policy.actions import READS, Action
from kordon_policy.model import Effect
from kordon_proxy.audit.event import KORDON, EventType
from kordon_proxy.audit.tail import Line
from kordon_proxy.config.webhooks import Verbosity, Webhook

_QUERIES: Final = READS | {Action.CONNECT_INSPECT, Action.KSQLDB_QUERY}
_EVERYDAY: Final = frozenset({Action.GROUP_CONSUME, Action.TRANSACTION_PRODUCE, Action.TOPIC_PRODUCE})
_OF_THE_AUDIT: Final = frozenset({EventType.INTERRUPTION, EventType.DELIVERY})
"""Who gets too little has to know."""
_STARTED: Final = "TEMPORARY_POLICY_STARTED"
_BEGUN: Final = "STAGED_MUTATION_STARTED"


def wanted(webhook: Webhook) -> Callable[[Line], bool]:
    """Return what says whether an event is for this webhook."""
    is_wanted = _JUDGES[webhook.verbosity]
    is_chat = webhook.provider != "generic"

    def wants(line: Line) -> bool:
        event = json.loads(line.text)
        return is_wanted(event) and not (is_chat and is_told_already(event))

    return wants


def is_mutation(event: Mapping[str, Any]) -> bool:
    """Whether the event tells of a change, of a denial, or of something that administers Kordon."""
    kind = event["type"]
    if kind in (EventType.LOGIN, EventType.AGGREGATE):
        return False
    why, action = event["data"]["why"], event["data"]["what"].get("action")
    if kind != EventType.DECISION or why.get("effect") != Effect.ALLOW:
        return not why.get("shadow")
    return action not in _EVERYDAY and action not in _QUERIES


def is_query(event: Mapping[str, Any]) -> bool:
    """Whether the event tells what was read, or was to be read."""
    kind = event["type"]
    if kind in _OF_THE_AUDIT:
        return True
    why, action = event["data"]["why"], event["data"]["what"].get("action")
    is_counted = kind == EventType.AGGREGATE and why.get("effect") == Effect.ALLOW
    return action in _QUERIES and not why.get("shadow") and (kind == EventType.DECISION or is_counted)


def is_told_already(event: Mapping[str, Any]) -> bool:
    """Whether one has just read of it: a temporary policy that comes into force when it is made, a staged mutation that
    begins when it is approved."""
    data = event["data"]
    action = data["what"].get("action")
    return bool(action == _BEGUN or (action == _STARTED and data["who"]["principal"] != KORDON.principal))


_JUDGES: Final[Mapping[Verbosity, Callable[[Mapping[str, Any]], bool]]] = {
    "MUTATIONS": is_mutation,
    "QUERIES": is_query,
    "ALL": lambda _: True,
}
