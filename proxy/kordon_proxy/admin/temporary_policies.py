"""Temporary policies: Kpow's addresses and shapes, and more fields."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from kordon_policy.findings import Finding, Severity, nearest, shown
from kordon_policy.temporary import State, TemporaryPolicy
from kordon_policy.temporary_record import to_answer
from kordon_proxy.asking import NoSuchPolicy
from kordon_proxy.complaints import SOURCE
from kordon_proxy.identity.known import known_principals

from .bodies import Body, documented
from .caller import Caller, Calling
from .metadata import EndedShape, Metadata, metadata_of
from .pages import Paged, page_of
from .problems import FindingShape, told
from .process import Process
from .trail import count, recording_refusals
from .working import Ended, Id, Working

router: Final = APIRouter(prefix="/temporary-policies", tags=["temporary policies"])


class PolicyShape(BaseModel):
    """One policy, as in a policy file."""

    role: str
    actions: list[str]
    effect: str
    resource: list[str]


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
    next: str | None
    """Where the next page begins; null if there is none."""
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
async def list_all(process: Working, caller: Calling, page: Paged, *, ended: Ended = False) -> Several:
    """Those in whose tenant one is: all for administrators, for others those that are about them."""
    count(process, caller, "TEMPORARY_POLICY_READ", "cluster")
    seen = _visible(process, caller, ended=ended)
    part, following = page_of(seen, lambda one: (-one.created_ts, one.id), page)
    return Several(temporary_policies=[_shape(one) for one in part], next=following, metadata=metadata_of(caller))


@router.post(
    "", status_code=HTTPStatus.CREATED, operation_id="createTemporaryPolicy", openapi_extra=documented(Request)
)
async def create(process: Working, caller: Calling, body: Body) -> One:
    """Put a policy in force for a time. Only administrators may, and never more than they may do themselves."""
    asked = await process.grants.create(body, caller.who)
    assert asked.policy is not None
    notices = [*asked.findings, *_stranger(asked.policy.principal, process)]
    return One(
        temporary_policy=_shape(asked.policy),
        metadata=metadata_of(caller),
        notices=[FindingShape.model_validate(one) for one in told(notices)],
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
    async with recording_refusals(process, caller, "TEMPORARY_POLICY_RENEWED", temporary_policy=policy_id):
        policy = await process.grants.renew(policy_id, body, caller.who)
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
    async with recording_refusals(process, caller, "TEMPORARY_POLICY_REVOKED", temporary_policy=policy_id):
        policy = await process.grants.revoke(policy_id, caller.who, reason)
    return One(temporary_policy=_shape(policy), metadata=metadata_of(caller))


def _stranger(principal: str | None, process: Process) -> Iterator[Finding]:
    """A notice if it is for somebody whom nobody knows yet, who may be a slip. Administrators may ask about anybody."""
    known = [one.name for one in known_principals(process.directory(), process.fixed)]
    if principal is not None and principal not in known:
        near = nearest(principal, known)
        message = f"nobody is called {shown(principal)} yet, so it is for nobody now"
        hint = f"did you mean {shown(near)}?" if near else "`kordon principals` shows who is known"
        yield Finding(severity=Severity.NOTICE, message=message, hint=hint, source=SOURCE, path="principal")


def _visible(process: Process, caller: Caller, *, ended: bool) -> Iterator[TemporaryPolicy]:
    for one in process.grants.seen_by(caller.who):
        if ended or not one.state.final:
            yield one


def _shape(policy: TemporaryPolicy) -> TemporaryPolicyShape:
    return TemporaryPolicyShape.model_validate(to_answer(policy))
