"""Staged mutations: what waits for a second person, and what he says to it."""

import json
from typing import Any, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from kordon_policy.staged import StagedMutation, State
from kordon_policy.staged_record import to_answer
from kordon_policy.staged_request import read_answer
from kordon_proxy.asking import Malformed

from .bodies import OptionalBody, documented
from .caller import Caller, Calling
from .metadata import EndedShape, Metadata, metadata_of
from .pages import Paged, page_of
from .trail import count, recording_refusals
from .working import Ended, Id, Working, without_haste

_MOST_LISTED: Final = 20
"""Things of each mutation in a list."""
_LONGEST_LISTED: Final = 2_000
"""Letters of what each mutation in a list asks for."""
router: Final = APIRouter(prefix="/staged-mutations", tags=["staged mutations"])


class DemandShape(BaseModel):
    """One thing that it takes. null as action: it has only to be seen; as kind and name: the cluster as a whole."""

    action: str | None
    kind: str | None
    name: str | None
    explicit: bool
    """It is brought into being, for which the tenant's own paths have to show it."""
    beginning: bool = False
    """It is about everything of this kind whose name begins like this."""


class StagedMutationShape(BaseModel):
    """A staged mutation. Instants are in ms since the epoch.

    request: what matters of what was asked for, never a secret; of a long one there is nothing in a list. waits_for:
    why it has not been executed yet.
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
    more_demands: int = 0
    """How many are left out, in a list."""
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
    next: str | None
    """Where the next page begins; null if there is none."""
    metadata: Metadata


class Answer(BaseModel):
    """What there is to say besides."""

    model_config = ConfigDict(extra="forbid")

    reason: str | None = None


_BODY: Final = documented(Answer, required=False)


@router.get("", operation_id="listStagedMutations")
async def list_all(process: Working, caller: Calling, page: Paged, *, ended: Ended = False) -> Several:
    """One's own; for an administrator those of which he sees all in his tenant."""
    count(process, caller, "STAGED_MUTATION_READ", "cluster")
    seen = await without_haste(process.staging.seen_by(caller.who, ended=ended))
    part, following = page_of(seen, lambda one: (-one[0].created_ts, one[0].id), page)
    shapes = await without_haste(_brief(_shape(*one)) for one in part)
    return Several(staged_mutations=shapes, next=following, metadata=metadata_of(caller))


@router.get("/{mutation_id}", operation_id="getStagedMutation")
async def get(process: Working, caller: Calling, mutation_id: Id) -> One:
    """One of those that one may see."""
    count(process, caller, "STAGED_MUTATION_READ", "cluster")
    one, waits_for = process.staging.find(mutation_id, caller.who)
    return one_of(one, caller, waits_for)


@router.post("/{mutation_id}/approve", operation_id="approveStagedMutation", openapi_extra=_BODY)
async def approve(process: Working, caller: Calling, mutation_id: Id, body: OptionalBody) -> One:
    """Let it be executed, once. Takes an administrator who is not its author and holds all that it takes himself."""
    reason = _reason(body)
    async with recording_refusals(process, caller, "STAGED_MUTATION_APPROVED", staged_mutation=mutation_id):
        mutation = await process.staging.approve(mutation_id, caller.who, reason)
    return one_of(mutation, caller)


@router.post("/{mutation_id}/deny", operation_id="denyStagedMutation", openapi_extra=_BODY)
async def deny(process: Working, caller: Calling, mutation_id: Id, body: OptionalBody) -> One:
    """Have it never happen. Takes an administrator who is not its author."""
    reason = _reason(body)
    async with recording_refusals(process, caller, "STAGED_MUTATION_DENIED", staged_mutation=mutation_id):
        mutation = await process.staging.deny(mutation_id, caller.who, reason)
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
    async with recording_refusals(process, caller, "STAGED_MUTATION_WITHDRAWN", staged_mutation=mutation_id):
        mutation = await process.staging.withdraw(mutation_id, caller.who, reason)
    return one_of(mutation, caller)


def _reason(body: Any) -> str:
    said = read_answer(body)
    if not said.possible:
        raise Malformed(said.findings)
    return said.reason


def one_of(mutation: StagedMutation, caller: Caller, waits_for: str = "") -> One:
    """The answer about one."""
    waits = not mutation.state.final
    return One(staged_mutation=_shape(mutation, waits_for), metadata=metadata_of(caller, is_staged=waits))


def _brief(shape: StagedMutationShape) -> StagedMutationShape:
    """One of a list: there may be hundreds, each about a thousand things."""
    told = (
        shape.request
        if len(json.dumps(shape.request)) <= _LONGEST_LISTED
        else {"left_out": "it is too long for a list"}
    )
    left_out = max(0, len(shape.demands) - _MOST_LISTED)
    changed = {"request": told, "demands": shape.demands[:_MOST_LISTED], "more_demands": left_out}
    return shape.model_copy(update=changed)


def _shape(mutation: StagedMutation, waits_for: str) -> StagedMutationShape:
    return StagedMutationShape.model_validate(to_answer(mutation) | {"waits_for": waits_for})
