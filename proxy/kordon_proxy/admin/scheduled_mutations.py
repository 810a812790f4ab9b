"""Scheduled mutations: a group's offsets, moved once it is Empty."""

from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict

from kordon_policy.scheduled import ScheduledMutation, State
from kordon_policy.scheduled_record import to_answer
from kordon_policy.staged import StagedMutation

from . import staged_mutations
from .bodies import Body, documented
from .caller import Calling
from .metadata import EndedShape, Metadata, metadata_of
from .pages import Paged, page_of
from .problems import FindingShape, told
from .trail import count, recording_refusals
from .working import Ended, Id, Working, without_haste

_STAGED: Final = "The policy stages it: it is scheduled when somebody has approved it."
_MOST_LISTED: Final = 20
"""Partitions of each mutation in a list."""
router: Final = APIRouter(prefix="/scheduled-mutations", tags=["scheduled mutations"])


class OffsetShape(BaseModel):
    """One partition: what was found, what is or was set, and what else there is to know."""

    topic: str
    partition: int
    old_offset: int | None
    new_offset: int | None
    note: str
    error: str


class ScheduledMutationShape(BaseModel):
    """A scheduled mutation. Instants are in ms since the epoch. `waits_for`: why it has not been executed yet."""

    id: str
    state: State
    cluster: str
    group: str
    operation: str
    to: Any
    topic: str | None
    partition: int | None
    count: int | None
    created_ts: int
    created_by: str
    tenant: str | None
    until_ts: int
    duration_ms: int
    reason: str
    ticket: str
    staged_id: str | None
    started_ts: int | None
    offsets: list[OffsetShape]
    more_offsets: int = 0
    """How many are left out, in a list."""
    ended: EndedShape | None
    waits_for: str


class One(BaseModel):
    """One scheduled mutation. notices: what whoever made it should know."""

    scheduled_mutation: ScheduledMutationShape
    metadata: Metadata
    notices: list[FindingShape] = []


class Several(BaseModel):
    """Scheduled mutations, the newest first."""

    scheduled_mutations: list[ScheduledMutationShape]
    next: str | None
    """Where the next page begins; null if there is none."""
    metadata: Metadata


class ToOffset(BaseModel):
    """The offset to set."""

    model_config = ConfigDict(extra="forbid")

    offset: int


class ToTime(BaseModel):
    """The instant whose offsets are set: ms since the epoch, or RFC 3339."""

    model_config = ConfigDict(extra="forbid")

    time: int | str


class Request(BaseModel):
    """What is to be done to which offsets: of the whole group, of a topic, or of one partition of it.

    `reset` takes `to`: `earliest`, `latest`, an offset or a time. `skip` goes on by `count` records, else by one.
    `clear` deletes offsets.
    """

    model_config = ConfigDict(extra="forbid")

    cluster: str
    group: str
    operation: str
    to: str | ToOffset | ToTime | None = None
    topic: str | None = None
    partition: int | None = None
    count: int | None = None
    duration_ms: int | None = None
    """For how long it waits for the group to be Empty; 15 minutes unless said."""
    reason: str | None = None
    ticket: str | None = None


@router.get("", operation_id="listScheduledMutations")
async def list_all(process: Working, caller: Calling, page: Paged, *, ended: Ended = False) -> Several:
    """Those about groups of the tenant."""
    count(process, caller, "SCHEDULED_MUTATION_READ", "cluster")
    seen = await without_haste(process.schedule.seen_by(caller.who, ended=ended))
    part, following = page_of(seen, lambda one: (-one[0].created_ts, one[0].id), page)
    shapes = await without_haste(_brief(*one) for one in part)
    return Several(scheduled_mutations=shapes, next=following, metadata=metadata_of(caller))


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    operation_id="scheduleMutation",
    openapi_extra=documented(Request),
    responses={HTTPStatus.ACCEPTED.value: {"model": staged_mutations.One, "description": _STAGED}},
)
async def schedule(process: Working, caller: Calling, body: Body, response: Response) -> One | staged_mutations.One:
    """Have offsets moved as soon as the group is Empty. Takes the right that a tool on the wire needs: GROUP_EDIT.

    If the policy stages that, somebody has to approve it first.
    """
    asked = await process.staging.schedule(body, caller.who)
    if isinstance(asked, StagedMutation):
        response.status_code = HTTPStatus.ACCEPTED
        return staged_mutations.one_of(asked, caller)
    assert asked.mutation is not None
    return One(
        scheduled_mutation=_shape(asked.mutation, ""),
        metadata=metadata_of(caller),
        notices=[FindingShape.model_validate(one) for one in told(asked.findings)],
    )


@router.get("/{mutation_id}", operation_id="getScheduledMutation")
async def get(process: Working, caller: Calling, mutation_id: Id) -> One:
    """One of those that one may see."""
    count(process, caller, "SCHEDULED_MUTATION_READ", "cluster")
    one, waits_for = process.schedule.find(mutation_id, caller.who)
    return One(scheduled_mutation=_shape(one, waits_for), metadata=metadata_of(caller))


@router.delete("/{mutation_id}", operation_id="cancelScheduledMutation")
async def cancel(
    process: Working,
    caller: Calling,
    mutation_id: Id,
    *,
    reason: str = Query("", max_length=1_000, description="Why it is called off."),
) -> One:
    """Call one off before it is executed."""
    async with recording_refusals(process, caller, "SCHEDULED_MUTATION_CANCELLED", scheduled_mutation=mutation_id):
        mutation = await process.schedule.cancel(mutation_id, caller.who, reason)
    return One(scheduled_mutation=_shape(mutation, ""), metadata=metadata_of(caller))


def _brief(mutation: ScheduledMutation, waits_for: str) -> ScheduledMutationShape:
    """One of a list: there may be hundreds, each about thousands of partitions."""
    claim, results = mutation.claim, mutation.results
    moves = results or (() if claim is None else claim.moves)
    brief = replace(
        mutation,
        claim=None if claim is None else replace(claim, moves=claim.moves[:_MOST_LISTED]),
        results=results[:_MOST_LISTED],
    )
    return _shape(brief, waits_for).model_copy(update={"more_offsets": max(0, len(moves) - _MOST_LISTED)})


def _shape(mutation: ScheduledMutation, waits_for: str) -> ScheduledMutationShape:
    return ScheduledMutationShape.model_validate(to_answer(mutation) | {"waits_for": waits_for})
