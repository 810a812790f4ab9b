"""The audit journal as the demonstration reads it: from the files, as any log shipper would."""

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from kordon_proxy.audit.event import EventType
from kordon_proxy.audit.tail import Tail
from kordon_proxy.demo.show import NotShown
from kordon_proxy.demo.teams import STUCK_GROUP, Person
from kordon_proxy.demo.world import World

Event = dict[str, Any]

COLUMNS: Final = ("who", "what", "asked by", "verdict, and why", "outcome")
_PATIENCE: Final = 10.0


def read(world: World) -> list[Event]:
    """Return all events that are on disk."""
    return list(new_events(Tail(world.kordon.folder / "audit")))


def new_events(tail: Tail) -> Iterable[Event]:
    """Give the events since the last time."""
    while lines := tail.read(float("inf")):
        yield from (json.loads(line.text) for line in lines)


def from_now_on(world: World) -> Tail:
    """Return what gives the events to come."""
    tail = Tail(world.kordon.folder / "audit")
    for _ in new_events(tail):
        pass
    return tail


async def find(world: World, wanted: Callable[[Event], bool], *, patience: float = _PATIENCE) -> Event:
    """Return the first such event, when it is there. Raises NotShown."""
    tail = Tail(world.kordon.folder / "audit")
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        for event in new_events(tail):
            if wanted(event):
                return event
        await asyncio.sleep(0.1)
    raise NotShown(f"an audit event is missing after {patience:g} s")


def is_login(event: Event) -> bool:
    """Whether somebody logged in, or failed to."""
    return bool(event["type"] == EventType.LOGIN)


def is_refused_skip(event: Event) -> bool:
    """Whether it is dana's: she wanted to move the offset of the group that is stuck."""
    return _is_skip(event) and bool(event["data"]["why"]["effect"] == "Deny")


def is_expiry(event: Event) -> bool:
    """Whether a temporary policy has ended by itself."""
    return bool(event["data"]["what"].get("action") == "TEMPORARY_POLICY_EXPIRED")


def is_of_the_hour(event: Event) -> bool:
    """Whether it is about the right to skip, or about skipping."""
    return event["type"] == EventType.TEMPORARY_POLICY or _is_skip(event)


def what_of_the_hour(event: Event) -> str:
    """What happened, in a word or two."""
    if not _is_skip(event):
        return str(event["data"]["what"]["action"]).removeprefix("TEMPORARY_POLICY_")
    return "refused" if is_refused_skip(event) else ", ".join(_moved(event).values())


def is_done_skip(event: Event) -> bool:
    """Whether it is dana's later one, while she might."""
    return _is_skip(event) and bool(event["data"]["outcome"].get("error_name") == "NONE")


def is_count(event: Event, person: Person, action: str, topic: str) -> bool:
    """Whether it counts what somebody has read or produced."""
    who, what = event["data"]["who"], event["data"]["what"]
    return bool(
        event["type"] == EventType.AGGREGATE
        and (who["principal"], what.get("action"), what["resources"][0][-1]) == (person.name, action, topic)
    )


def _is_skip(event: Event) -> bool:
    what = event["data"]["what"]
    return bool(what.get("action") == "GROUP_EDIT" and what["resources"][0][-1] == STUCK_GROUP)


def rows(events: Iterable[Event]) -> list[tuple[str, ...]]:
    """Return what the events tell, logins left out, and those together that differ in API and instant only."""
    told: dict[tuple[str, ...], tuple[list[str], list[str]]] = {}
    for event in events:
        if not is_login(event):
            what = event["data"]["what"]
            acted = f"{what.get('action', '')}\n{_on(event)}".strip()
            key = (event["data"]["who"]["principal"], acted, _verdict(event))
            apis, outcomes = told.setdefault(key, ([], []))
            apis.append(what.get("api", ""))
            outcomes.append(_outcome(event))
    return [
        (who, what, _each(apis), verdict, _each(outcomes)) for (who, what, verdict), (apis, outcomes) in told.items()
    ]


def details(event: Event) -> list[tuple[str, str]]:
    """Return the four parts of an event, each with its facts on lines of their own, but those that are empty."""
    return [(part, "\n".join(_facts(facts))) for part, facts in event["data"].items()]


def _facts(facts: Mapping[str, Any]) -> Iterator[str]:
    for name, value in facts.items():
        if isinstance(value, str):
            yield f"{name}: {value}"
        elif value:
            yield f"{name}: {json.dumps(value)}"


def line(event: Event) -> str:
    """Return the event in one line."""
    [(who, what, api, verdict, outcome)] = rows([event])
    told = (f"{who} ({event['data']['who'].get('tenant', 'no tenant')})", what, api, verdict, outcome)
    return ", ".join(part.replace("\n", " ") for part in told if part)


def _on(event: Event) -> str:
    """`topic tx_orders` for a path of the policy language."""
    return ", ".join(" ".join(path[2:] or path) for path in event["data"]["what"]["resources"])


def _verdict(event: Event) -> str:
    """Allow or Deny, and the reason, with the place in the policy file but not the way there."""
    why = event["data"]["why"]
    reason = re.sub(
        r"\(/\S*/([^/\s]+:\d+)\)", r"(\1)", why.get("reason", "counted" if event["data"].get("window") else "")
    )
    effect = why.get("effect", "")
    return f"{effect}: {reason}".replace("Allow: allowed", "Allowed") if reason else effect


def _outcome(event: Event) -> str:
    outcome = event["data"]["outcome"]
    if window := event["data"].get("window"):
        times = "once" if window["count"] == 1 else f"{window['count']} times"
        return f"{times}, {outcome['bytes']} bytes"
    moved = _moved(event)
    name = "unknown" if outcome.get("unknown") else outcome.get("error_name", "NONE")
    ended = "done" if name == "NONE" else name
    return ", ".join([ended, *(f"{place} from {change}" for place, change in moved.items())])


def _moved(event: Event) -> dict[str, str]:
    """Partition to its old and new offset, where offsets were moved."""
    parameters = event["data"]["what"]["parameters"]
    old = parameters.get("old_offsets", {})
    if event["data"]["outcome"].get("error_name") != "NONE":
        return {}
    return {place: f"{old.get(place)} to {new}" for place, new in parameters.get("offsets", {}).items()}


def _each(texts: list[str]) -> str:
    return "\n".join(dict.fromkeys(texts))
