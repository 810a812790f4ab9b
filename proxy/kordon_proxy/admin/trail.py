"""What the audit is told of calls. An answer leaves when its event is on disk; what is only read is counted."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from kordon_policy.actions import Action, Kind
from kordon_policy.model import Effect
from kordon_proxy.asking import NoSuchMutation, NoSuchPolicy, NotGranted
from kordon_proxy.audit.durable import until_on_disk
from kordon_proxy.audit.event import Event, EventType, Path, What, Why, new_id
from kordon_proxy.clock import wall_ms
from kordon_proxy.upstream import Upstream

from .caller import Caller
from .process import Process


def count(process: Process, caller: Caller, action: str, *path: str, size: int = 0) -> None:
    """Count something that was read."""
    process.audit.tally(caller.who, action, path, Effect.ALLOW, size)


async def record(
    process: Process,
    caller: Caller,
    action: str,
    *resources: Path,
    effect: Effect = Effect.ALLOW,
    reason: str | None = None,
    rules: tuple[str, ...] = (),
    parameters: Mapping[str, Any] | None = None,
) -> None:
    """Record what was done, or refused, and return when it is on disk."""
    cluster = resources[0][1] if resources and len(resources[0]) > 1 else None
    event = Event(
        id=new_id(),
        type=EventType.DECISION,
        time=wall_ms(),
        who=caller.who,
        what=What(action=action, cluster=cluster, resources=resources, parameters=parameters or {}),
        why=Why(effect=effect, rules=rules, epoch=caller.snapshot.epoch, reason=reason),
    )
    # Of denials that are alike one is written in each window, and the others are counted, as those on the wire are.
    await until_on_disk(process.audit.decision, event)


async def refuse(process: Process, caller: Caller, action: str, *resources: Path, reason: str) -> NotGranted:
    """Record a refusal, and return what is to be raised."""
    await record(process, caller, action, *resources, effect=Effect.DENY, reason=reason)
    return NotGranted(reason)


async def must_be_admin(process: Process, caller: Caller, action: str, *, also: str = "") -> None:
    """Let nobody else go on. Raises NotGranted, when that is in the audit. also: what he is told besides."""
    if not caller.is_admin:
        raise await refuse(process, caller, action, reason=f"{caller.identity.principal} is no administrator{also}")


@asynccontextmanager
async def recording_refusals(process: Process, caller: Caller, action: str, **parameters: str) -> AsyncIterator[None]:
    """Have it in the audit, before anybody is told, if a keeper refuses it. parameters: what is asked for."""
    try:
        yield
    except (NotGranted, NoSuchPolicy, NoSuchMutation) as refusal:
        await record(process, caller, action, effect=Effect.DENY, reason=str(refusal), parameters=parameters)
        raise


async def judge(
    process: Process, caller: Caller, action: Action, upstream: Upstream, kind: Kind, name: str
) -> tuple[str, ...]:
    """Ask the evaluator that the wire asks; returns the rules that allow it.

    Raises NotGranted, when that is in the audit. What is outside the tenant is refused alike, whether it is there.
    """
    picture = upstream.cluster.picture
    assert picture is not None, "Kordon does not serve before it has seen its clusters"
    snapshot = process.policies.current()
    ruling = upstream.standings.get(snapshot, picture, caller.identity).ruling(action, kind, name)
    decision = ruling.decision
    rules = () if decision is None else tuple(map(str, decision.rules))
    if decision is not None and decision.allowed:
        return rules
    reason = f"{kind.words} {name} is outside the tenant" if decision is None else decision.reason
    path = ("cluster", upstream.name, kind.value, name)
    await record(process, caller, action, path, effect=Effect.DENY, reason=reason, rules=rules)
    raise NotGranted(reason)
