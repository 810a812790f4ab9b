"""Scheduled mutations: a group's offsets, moved once it is Empty."""

from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict

from kordon_policy.model import Effect
from kordon_policy.scheduled import ScheduledMutation, State
from kordon_policy.scheduled_record import to_answer
from kordon_policy.staged import StagedMutation
from kordon_proxy.grants import NotGranted
from kordon_proxy.schedule import NoSuchMutation

from . import staged_mutations
from .bodies import Body, documented
from .caller import Calling
from .metadata import Metadata, metadata_of
from .problems import FindingShape, told
from .temporary_policies import EndedShape
from .trail import count, record
from .working import Id, Working

_STAGED: Final = "The policy stages it: it is scheduled when somebody has approved it."
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
async def list_all(
    process: Working,
    caller: Calling,
    *,
    ended: bool = Query(False, description="Also those that are over, for a month after their end."),
) -> Several:
    """Those about groups of the tenant."""
    count(process, caller, "SCHEDULED_MUTATION_READ", "cluster")
    seen = [one for one in process.schedule.seen_by(caller.who) if ended or not one[0].state.final]
    seen.sort(key=lambda one: (-one[0].created_ts, one[0].id))
    return Several(scheduled_mutations=[_shape(*one) for one in seen], metadata=metadata_of(caller))


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
    for one, waits_for in process.schedule.seen_by(caller.who):
        if one.id == mutation_id:
            return One(scheduled_mutation=_shape(one, waits_for), metadata=metadata_of(caller))
    raise NoSuchMutation(f"there is no scheduled mutation {mutation_id}")


@router.delete("/{mutation_id}", operation_id="cancelScheduledMutation")
async def cancel(
    process: Working,
    caller: Calling,
    mutation_id: Id,
    *,
    reason: str = Query("", max_length=1_000, description="Why it is called off."),
) -> One:
    """Call one off before it is executed."""
    try:
        mutation = await process.schedule.cancel(mutation_id, caller.who, reason)
    except (NotGranted, NoSuchMutation) as refusal:
        parameters = {"scheduled_mutation": mutation_id}
        action = "SCHEDULED_MUTATION_CANCELLED"
        await record(process, caller, action, effect=Effect.DENY, reason=str(refusal), parameters=parameters)
        raise
    return One(scheduled_mutation=_shape(mutation, ""), metadata=metadata_of(caller))


def _shape(mutation: ScheduledMutation, waits_for: str) -> ScheduledMutationShape:
    return ScheduledMutationShape.model_validate(to_answer(mutation) | {"waits_for": waits_for})
