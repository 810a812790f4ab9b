"""Staged mutations: what waits for a second person, and what he says to it."""

from typing import Any, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from kordon_policy.model import Effect
from kordon_policy.staged import StagedMutation, State
from kordon_policy.staged_record import to_answer
from kordon_policy.staged_request import read_answer
from kordon_proxy.grants import Malformed, NotGranted
from kordon_proxy.schedule import NoSuchMutation

from .bodies import OptionalBody, documented
from .caller import Caller, Calling
from .metadata import Metadata, metadata_of
from .process import Process
from .temporary_policies import EndedShape
from .trail import count, record
from .working import Id, Working

router: Final = APIRouter(prefix="/staged-mutations", tags=["staged mutations"])


class DemandShape(BaseModel):
    """One thing that it takes. null as action: it has only to be seen; as kind and name: the cluster as a whole."""

    action: str | None
    kind: str | None
    name: str | None
    explicit: bool
    """It is brought into being, for which the tenant's own paths have to show it."""


class StagedMutationShape(BaseModel):
    """A staged mutation. Instants are in ms since the epoch.

    request: what matters of what was asked for, never a secret. waits_for: why it has not been executed yet.
    """

    id: str
    state: State
    cluster: str
    api: str
    api_version: int
    broker: int | None
    """The only broker that it can be asked of, if there is one."""
    request: dict[str, Any]
    demands: list[DemandShape]
    rules: list[str]
    created_ts: int
    created_by: str
    tenant: str | None
    client: dict[str, str]
    expires_ts: int
    approved_by: str | None
    approved_ts: int | None
    approval_reason: str | None
    started_ts: int | None
    errors: list[str]
    outcome_unknown: bool
    ended: EndedShape | None
    waits_for: str


class One(BaseModel):
    """One staged mutation."""

    staged_mutation: StagedMutationShape
    metadata: Metadata


class Several(BaseModel):
    """Staged mutations, the newest first."""

    staged_mutations: list[StagedMutationShape]
    metadata: Metadata


class Answer(BaseModel):
    """What there is to say besides."""

    model_config = ConfigDict(extra="forbid")

    reason: str | None = None


_BODY: Final = documented(Answer, required=False)


@router.get("", operation_id="listStagedMutations")
async def list_all(
    process: Working,
    caller: Calling,
    *,
    ended: bool = Query(False, description="Also those that are over, for a month after their end."),
) -> Several:
    """One's own; for an administrator those of which he sees all in his tenant."""
    count(process, caller, "STAGED_MUTATION_READ", "cluster")
    seen = [one for one in process.staging.seen_by(caller.who) if ended or not one[0].state.final]
    seen.sort(key=lambda one: (-one[0].created_ts, one[0].id))
    return Several(staged_mutations=[_shape(*one) for one in seen], metadata=metadata_of(caller))


@router.get("/{mutation_id}", operation_id="getStagedMutation")
async def get(process: Working, caller: Calling, mutation_id: Id) -> One:
    """One of those that one may see."""
    count(process, caller, "STAGED_MUTATION_READ", "cluster")
    for one, waits_for in process.staging.seen_by(caller.who):
        if one.id == mutation_id:
            return one_of(one, caller, waits_for)
    raise NoSuchMutation(f"there is no staged mutation {mutation_id}")


@router.post("/{mutation_id}/approve", operation_id="approveStagedMutation", openapi_extra=_BODY)
async def approve(process: Working, caller: Calling, mutation_id: Id, body: OptionalBody) -> One:
    """Let it be executed, once. Takes an administrator who is not its author and holds all that it takes himself."""
    reason = _reason(body)
    try:
        mutation = await process.staging.approve(mutation_id, caller.who, reason)
    except (NotGranted, NoSuchMutation) as refusal:
        await _refused(process, caller, mutation_id, "APPROVED", refusal)
        raise
    return one_of(mutation, caller)


@router.post("/{mutation_id}/deny", operation_id="denyStagedMutation", openapi_extra=_BODY)
async def deny(process: Working, caller: Calling, mutation_id: Id, body: OptionalBody) -> One:
    """Have it never happen. Takes an administrator who is not its author."""
    reason = _reason(body)
    try:
        mutation = await process.staging.deny(mutation_id, caller.who, reason)
    except (NotGranted, NoSuchMutation) as refusal:
        await _refused(process, caller, mutation_id, "DENIED", refusal)
        raise
    return one_of(mutation, caller)


@router.delete("/{mutation_id}", operation_id="withdrawStagedMutation")
async def withdraw(
    process: Working,
    caller: Calling,
    mutation_id: Id,
    *,
    reason: str = Query("", max_length=1_000, description="Why it is taken back."),
) -> One:
    """Take back what one has asked for oneself."""
    try:
        mutation = await process.staging.withdraw(mutation_id, caller.who, reason)
    except (NotGranted, NoSuchMutation) as refusal:
        await _refused(process, caller, mutation_id, "WITHDRAWN", refusal)
        raise
    return one_of(mutation, caller)


def _reason(body: Any) -> str:
    said = read_answer(body)
    if not said.possible:
        raise Malformed(said.findings)
    return said.reason


async def _refused(process: Process, caller: Caller, mutation_id: str, what: str, refusal: Exception) -> None:
    parameters = {"staged_mutation": mutation_id}
    action = f"STAGED_MUTATION_{what}"
    await record(process, caller, action, effect=Effect.DENY, reason=str(refusal), parameters=parameters)


def one_of(mutation: StagedMutation, caller: Caller, waits_for: str = "") -> One:
    """The answer about one."""
    waits = not mutation.state.final
    return One(staged_mutation=_shape(mutation, waits_for), metadata=metadata_of(caller, is_staged=waits))


def _shape(mutation: StagedMutation, waits_for: str) -> StagedMutationShape:
    return StagedMutationShape.model_validate(to_answer(mutation) | {"waits_for": waits_for})
