"""Which audit events somebody wants to see. Events are values here, as JSON has them; no files and no clock."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kordon_policy.model import Effect
from kordon_policy.patterns import Pattern

from .event import EventType

SHADOW: Final = "shadow"
VERDICTS: Final = (*(effect.lower() for effect in Effect), SHADOW)
"""What may have been decided, in lower case; `shadow`: what a policy on trial would have decided."""
KINDS: Final = tuple(kind.kind for kind in EventType)

_ASKED_FOR: Final = frozenset({EventType.TEMPORARY_POLICY, EventType.SCHEDULED_MUTATION, EventType.STAGED_MUTATION})
"""What one asks for, and others or Kordon itself go on with: `what.parameters.tenant` is that of who has asked."""
_TIME: Final = re.compile(rb'"time":"([^"]{24})"')
_TIME_IS_WITHIN: Final = 1_000
"""Bytes of a line. Before the time stand the event's id, source and type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """All that is given has to hold; of several values, any. `since` and `until` are RFC 3339 as events have it."""

    who: tuple[Pattern, ...] = ()
    roles: tuple[str, ...] = ()
    what: tuple[Pattern, ...] = ()
    """Of an action, an API, or a thing: its name, `topic/name`, or the whole path."""
    tenants: tuple[Pattern, ...] = ()
    verdicts: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    since: str | None = None
    until: str | None = None
    """The first instant that is too late."""

    def may_match(self, line: bytes) -> bool:
        """Say whether a line is worth being parsed: by far most are too old."""
        if self.since is None and self.until is None:
            return True
        found = _TIME.search(line, 0, _TIME_IS_WITHIN)
        return found is None or self._is_then(found[1].decode("ascii", "replace"))

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Say whether the event is wanted."""
        data = event["data"]
        who = data.get("who", {})
        return (
            self._is_then(event["time"])
            and _any(self.who, who.get("principal"))
            and (not self.roles or not set(self.roles).isdisjoint(who.get("roles", ())))
            and (not self.tenants or any(_any(self.tenants, tenant) for tenant in tenants_of(event)))
            and (not self.verdicts or verdict_of(event) in self.verdicts)
            and (not self.kinds or kind_of(event) in self.kinds)
            and (not self.what or any(_any(self.what, word) for word in _words(data.get("what", {}))))
        )

    def _is_then(self, time: str) -> bool:
        return (self.since is None or time >= self.since) and (self.until is None or time < self.until)


def kind_of(event: Mapping[str, Any]) -> str:
    """Return the middle of the type's name: `decision`, `login`, ..."""
    kind: str = event["type"]
    return kind.split(".")[2] if kind.count(".") >= 2 else kind


def tenants_of(event: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the tenant that whoever did it is in, and that of whoever asked for it before."""
    data = event["data"]
    parameters = data.get("what", {}).get("parameters") or {}
    asked = parameters.get("tenant") if event["type"] in _ASKED_FOR else None
    found = (data.get("who", {}).get("tenant"), asked)
    return tuple(dict.fromkeys(tenant for tenant in found if isinstance(tenant, str) and tenant))


def verdict_of(event: Mapping[str, Any]) -> str:
    """Return one of VERDICTS; nothing where nothing was decided. A login was allowed, or else it failed."""
    why, outcome = event["data"].get("why", {}), event["data"].get("outcome", {})
    effect = str(why.get("effect") or "").lower()
    if why.get("shadow") or effect.endswith(f"({SHADOW})"):
        return SHADOW
    if not effect and kind_of(event) == EventType.LOGIN.kind:
        return (Effect.DENY if outcome.get("error_code") else Effect.ALLOW).lower()
    return effect


def _words(what: Mapping[str, Any]) -> Iterator[str | None]:
    yield what.get("action")
    yield what.get("api")
    for path in what.get("resources", ()):
        for start in (0, 2, -1):  # cluster/prod/topic/orders, topic/orders, orders
            if path[start:]:
                yield "/".join(path[start:])


def _any(patterns: tuple[Pattern, ...], text: str | None) -> bool:
    return not patterns or (text is not None and any(pattern.matches(text) for pattern in patterns))
