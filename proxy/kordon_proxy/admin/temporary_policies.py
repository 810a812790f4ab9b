"""Temporary policies: Kpow's addresses and shapes, and more fields."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from kordon_policy.model import Effect
from kordon_policy.temporary import State, TemporaryPolicy
from kordon_policy.temporary_record import to_answer
from kordon_proxy.grants import NoSuchPolicy, NotGranted

from .bodies import Body, documented
from .caller import Caller, Calling
from .metadata import Metadata, metadata_of
from .problems import FindingShape, told
from .process import Process
from .trail import count, record
from .working import Id, Working

router: Final = APIRouter(prefix="/temporary-policies", tags=["temporary policies"])


class PolicyShape(BaseModel):
    """One policy, as in a policy file."""

    role: str
    actions: list[str]
    effect: str
    resource: list[str]


class EndedShape(BaseModel):
    """When it was over (ms since the epoch), by whom (empty: by time), and why."""

    ts: int
    by: str
    reason: str


class TemporaryPolicyShape(BaseModel):
    """A temporary policy. Instants are in ms since the epoch; null as `expires_ts`: until it is revoked."""

    id: str
    created_ts: int
    duration_ms: int | None
    policy: PolicyShape
    created_by: str
    tenant: str | None
    state: State
    starts_ts: int
    expires_ts: int | None
    principal: str | None
    reason: str
    ticket: str
    ended: EndedShape | None


class One(BaseModel):
    """One temporary policy. notices: what whoever made it should know."""

    temporary_policy: TemporaryPolicyShape
    metadata: Metadata
    notices: list[FindingShape] = []


class Several(BaseModel):
    """Temporary policies, the newest first."""

    temporary_policies: list[TemporaryPolicyShape]
    metadata: Metadata


class Request(BaseModel):
    """A policy for a time. Its end is said by `duration_ms` (from its start) or by `expires_ts`."""

    model_config = ConfigDict(extra="forbid")

    policy: PolicyShape
    duration_ms: int | str | None = None
    """Milliseconds, or `unlimited`."""
    starts_ts: int | None = None
    expires_ts: int | None = None
    principal: str | None = None
    """Only this one of those who have the role."""
    reason: str | None = None
    ticket: str | None = None


class Renewal(BaseModel):
    """Another end, counted from now."""

    model_config = ConfigDict(extra="forbid")

    duration_ms: int | str | None = None
    expires_ts: int | None = None
    reason: str | None = None


@router.get("", operation_id="listTemporaryPolicies")
async def list_all(
    process: Working,
    caller: Calling,
    *,
    ended: bool = Query(False, description="Also those that are over, for a month after their end."),
) -> Several:
    """Those in whose tenant one is: all for administrators, for others those that are about them."""
    count(process, caller, "TEMPORARY_POLICY_READ", "cluster")
    found = sorted(_visible(process, caller, ended=ended), key=lambda one: (-one.created_ts, one.id))
    return Several(temporary_policies=[_shape(one) for one in found], metadata=metadata_of(caller))


@router.post(
    "", status_code=HTTPStatus.CREATED, operation_id="createTemporaryPolicy", openapi_extra=documented(Request)
)
async def create(process: Working, caller: Calling, body: Body) -> One:
    """Put a policy in force for a time. Only administrators may, and never more than they may do themselves."""
    asked = await process.grants.create(body, caller.who)
    assert asked.policy is not None
    return One(
        temporary_policy=_shape(asked.policy),
        metadata=metadata_of(caller),
        notices=[FindingShape.model_validate(one) for one in told(asked.findings)],
    )


@router.get("/{policy_id}", operation_id="getTemporaryPolicy")
async def get(process: Working, caller: Calling, policy_id: Id) -> One:
    """One of those that one may see."""
    count(process, caller, "TEMPORARY_POLICY_READ", "cluster")
    for one in _visible(process, caller, ended=True):
        if one.id == policy_id:
            return One(temporary_policy=_shape(one), metadata=metadata_of(caller))
    raise NoSuchPolicy(f"there is no temporary policy {policy_id}")


@router.patch("/{policy_id}", operation_id="renewTemporaryPolicy", openapi_extra=documented(Renewal))
async def renew(process: Working, caller: Calling, policy_id: Id, body: Body) -> One:
    """Give one another end, later or earlier."""
    try:
        policy = await process.grants.renew(policy_id, body, caller.who)
    except (NotGranted, NoSuchPolicy) as refusal:
        await _refused(process, caller, "RENEWED", policy_id, refusal)
        raise
    return One(temporary_policy=_shape(policy), metadata=metadata_of(caller))


@router.delete("/{policy_id}", operation_id="revokeTemporaryPolicy")
async def revoke(
    process: Working,
    caller: Calling,
    policy_id: Id,
    *,
    reason: str = Query("", max_length=1_000, description="Why it is revoked."),
) -> One:
    """End one before its time."""
    try:
        policy = await process.grants.revoke(policy_id, caller.who, reason)
    except (NotGranted, NoSuchPolicy) as refusal:
        await _refused(process, caller, "REVOKED", policy_id, refusal)
        raise
    return One(temporary_policy=_shape(policy), metadata=metadata_of(caller))


async def _refused(process: Process, caller: Caller, event: str, policy_id: str, refusal: Exception) -> None:
    parameters = {"temporary_policy": policy_id}
    await record(
        process, caller, f"TEMPORARY_POLICY_{event}", effect=Effect.DENY, reason=str(refusal), parameters=parameters
    )


def _visible(process: Process, caller: Caller, *, ended: bool) -> Iterator[TemporaryPolicy]:
    for one in process.grants.seen_by(caller.who):
        if ended or not one.state.final:
            yield one


def _shape(policy: TemporaryPolicy) -> TemporaryPolicyShape:
    return TemporaryPolicyShape.model_validate(to_answer(policy))
