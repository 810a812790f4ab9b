"""Which events are for a webhook of which verbosity."""

import json
from dataclasses import replace
from typing import Any, Final

import pytest

from kordon_policy.model import Effect
from kordon_proxy.audit.event import KORDON, Event, EventType, What, Why, Window, encode
from kordon_proxy.audit.tail import Line
from kordon_proxy.audit.webhooks.wanted import wanted
from kordon_proxy.config.webhooks import Webhook
from tests.proxy.audit.events import DEV, NOON, SOURCE, TOPIC, a_denial, a_login, a_mutation

WINDOW: Final = Window(count=9, first=NOON, last=NOON)


def of_kordon(kind: EventType, action: str | None = None, **more: Any) -> Event:
    return Event(**{"id": "e", "type": kind, "time": NOON, "who": KORDON, "what": What(action=action), **more})


def decision(action: str, effect: str, **more: Any) -> Event:
    return replace(a_mutation(), what=What(action=action, resources=(TOPIC,)), why=Why(effect=effect, **more))


def counted(action: str, effect: str, repeats: str | None = None) -> Event:
    window = replace(WINDOW, repeats=repeats)
    return replace(decision(action, effect), type=EventType.AGGREGATE, window=window)


EVENTS: Final = {
    "a mutation": (a_mutation(), "MUTATIONS"),
    "a denied mutation": (a_denial(), "MUTATIONS"),
    "a staged mutation": (decision("GROUP_EDIT", Effect.STAGE), "MUTATIONS"),
    "a denied read": (decision("TOPIC_INSPECT", Effect.DENY), "MUTATIONS QUERIES"),
    "a denied produce": (decision("TOPIC_PRODUCE", Effect.DENY), "MUTATIONS"),
    "an API that nobody may use": (replace(a_denial(), what=What(action="USE_API")), "MUTATIONS"),
    "reads": (counted("TOPIC_INSPECT", Effect.ALLOW), "QUERIES"),
    "a read by the admin API": (decision("TOPIC_DATA_QUERY", Effect.ALLOW), "QUERIES"),
    "produces": (counted("TOPIC_PRODUCE", Effect.ALLOW), ""),
    "reads that a trial would allow": (counted("TOPIC_INSPECT", "Allow (shadow)"), ""),
    "repeated denials": (counted("GROUP_EDIT", Effect.DENY, "e0"), ""),
    "repeated denials of reads": (counted("TOPIC_INSPECT", Effect.DENY, "e0"), ""),
    "what a trial would deny": (decision("GROUP_EDIT", Effect.DENY, shadow=True), ""),
    "a read that a trial would deny": (decision("TOPIC_INSPECT", Effect.DENY, shadow=True), ""),
    "a member that leaves": (decision("GROUP_CONSUME", Effect.ALLOW), ""),
    "a member that is removed": (decision("GROUP_DELETE", Effect.ALLOW), "MUTATIONS"),
    "a login": (a_login(), ""),
    "a failed login": (a_login(58), ""),
    "a policy file": (of_kordon(EventType.CONFIGURATION, "LOAD_POLICY", why=Why(effect="Allow")), "MUTATIONS"),
    "a grant": (of_kordon(EventType.TEMPORARY_POLICY, "TEMPORARY_POLICY_CREATED", who=DEV), "MUTATIONS"),
    "a grant that begins": (of_kordon(EventType.TEMPORARY_POLICY, "TEMPORARY_POLICY_STARTED"), "MUTATIONS"),
    "what waits for approval": (of_kordon(EventType.STAGED_MUTATION, "STAGED_MUTATION_STAGED", who=DEV), "MUTATIONS"),
    "a hole in the audit": (of_kordon(EventType.INTERRUPTION, window=WINDOW), "MUTATIONS QUERIES"),
    "events given up": (of_kordon(EventType.DELIVERY, "GIVE_UP_EVENTS", window=WINDOW), "MUTATIONS QUERIES"),
}


def gets(event: Event | dict[str, Any], verbosity: str, provider: str = "generic") -> bool:
    webhook = Webhook.model_validate(
        {"name": "ops", "provider": provider, "url": "http://127.0.0.1/", "verbosity": verbosity}
    )
    text = encode(event, SOURCE) + b"}" if isinstance(event, Event) else json.dumps(event).encode()
    return wanted(webhook)(Line(1, text))


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_is_for_those_who_want_to_know(name: str) -> None:
    event, verbosities = EVENTS[name]

    assert [verbosity for verbosity in ("MUTATIONS", "QUERIES") if gets(event, verbosity)] == verbosities.split()
    assert gets(event, "ALL")


def test_what_a_later_kordon_tells_is_for_those_who_are_told_of_changes() -> None:
    later = {**json.loads(encode(a_mutation(), SOURCE) + b"}"), "type": "kordon.audit.scheduled.v1"}

    assert gets(later, "MUTATIONS")


@pytest.mark.parametrize("provider", ["slack", "teams"])
def test_a_chat_is_not_told_twice_of_a_grant_that_begins_when_it_is_made(provider: str) -> None:
    begun = of_kordon(EventType.TEMPORARY_POLICY, "TEMPORARY_POLICY_STARTED", who=DEV)

    assert not gets(begun, "MUTATIONS", provider)
    assert gets(replace(begun, who=KORDON), "MUTATIONS", provider)
    assert gets(begun, "MUTATIONS", "generic")


@pytest.mark.parametrize("provider", ["slack", "teams"])
def test_a_chat_is_not_told_twice_of_a_staged_mutation_that_begins_when_it_is_approved(provider: str) -> None:
    begun = of_kordon(EventType.STAGED_MUTATION, "STAGED_MUTATION_STARTED")

    assert not gets(begun, "MUTATIONS", provider)
    assert gets(begun, "MUTATIONS", "generic")
