"""Events to record in tests, and ways to wait for what the journal does with them."""

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from kordon_proxy.audit.event import Event, EventType, Outcome, What, Who, Why, encode, new_id
from kordon_proxy.audit.journal import Journal
from kordon_proxy.audit.line import seal
from kordon_proxy.cluster.backoff import Backoff
from kordon_proxy.config.audit import AuditConfig

SOURCE: Final = "urn:kordon:test"
NOON: Final = 1_771_978_189_708

DEV: Final = Who(
    principal="dee",
    roles=("devs",),
    mechanism="SCRAM-SHA-256",
    client_id="console",
    software_name="apache-kafka-java",
    software_version="4.3.1",
    peer="192.0.2.7:51234",
    listener="main",
    tenant="Trading",
    connection_id="c1",
)
GROUP: Final = ("cluster", "prod", "group", "trade_b2")
TOPIC: Final = ("cluster", "prod", "topic", "tx_trade1")


def a_denial(who: Who = DEV, **changes: Any) -> Event:
    """Return the denial of the main story: a dev may not move offsets."""
    event = Event(
        id=new_id(),
        type=EventType.DECISION,
        time=NOON,
        who=who,
        what=What(
            cluster="prod",
            api="OffsetCommit",
            api_version=9,
            action="GROUP_EDIT",
            resources=(GROUP,),
            parameters={"offsets": {"tx_trade1-3": 42}, "old_offsets": {"tx_trade1-3": 41}},
            correlation_id=7,
        ),
        why=Why(effect="Deny", epoch=3, reason="no rule lets devs do GROUP_EDIT on group trade_b2"),
        outcome=Outcome(error_code=30, error_name="GROUP_AUTHORIZATION_FAILED", items_allowed=0, items_denied=1),
    )
    return replace(event, **changes)


def a_mutation(who: Who = DEV, **changes: Any) -> Event:
    """Return an allowed change of offsets."""
    why = Why(effect="Allow", rules=("policies[0]",), temporary_policy="t1", epoch=4, reason="policies[0] allows it")
    return replace(a_denial(who), why=why, outcome=Outcome(error_code=0, error_name="NONE", duration_ms=1.5), **changes)


def a_login(error_code: int | None = None, **changes: Any) -> Event:
    """Return a login, failed when there is an error code."""
    event = Event(id=new_id(), type=EventType.LOGIN, time=NOON, who=DEV, outcome=Outcome(error_code=error_code))
    return replace(event, **changes)


def as_json(event: Event) -> dict[str, Any]:
    """Return the event as readers of the journal find it, without its place."""
    read: dict[str, Any] = json.loads(encode(event, SOURCE) + b"}")
    return read


def sealed(
    events: Iterable[Event], *, writer: str = "w1", first: int = 1, previous: bytes | None = None
) -> list[bytes]:
    """Return the lines of these events, as one after the other is written to a journal."""
    lines = []
    for number, event in enumerate(events, start=first):
        line, previous = seal(encode(event, SOURCE), writer, number, previous, says_previous=number == first)
        lines.append(line)
    return lines


def unchained(events: Iterable[Event], *, writer: str = "w1", first: int = 1) -> list[bytes]:
    """Return the lines of these events as they were written before there was a chain."""
    return [
        b'%b,"writer":"%b","sequence":"%020d"}\n' % (encode(event, SOURCE), writer.encode(), number)
        for number, event in enumerate(events, start=first)
    ]


def a_config(directory: Path, **changes: Any) -> AuditConfig:
    """Return a configuration with its journal in that directory."""
    return AuditConfig.model_validate({"directory": directory, **changes})


def a_journal(directory: Path, *, on_change: Callable[[str | None], None] | None = None, **changes: Any) -> Journal:
    """Return a journal that has been started, for the running loop, and that tries again every few milliseconds."""
    journal = Journal(
        a_config(directory, **changes),
        source=SOURCE,
        loop=asyncio.get_running_loop(),
        backoff=Backoff(first=0.002, most=0.02),
        on_change=on_change,
    )
    journal.start()
    return journal


async def durable(journal: Journal, *events: Event) -> None:
    """Append the events, and return when all of them are on disk."""
    told = [asyncio.Event() for _ in events]
    for event, one in zip(events, told, strict=True):
        journal.append(event, one.set)
    await asyncio.gather(*(one.wait() for one in told))
