"""Why somebody may or may not, who may do something, and what somebody may do: asked of the running process."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final, TypeVar

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kordon_proxy.complaints import findings_of
from kordon_proxy.config.findings import Mistake
from kordon_proxy.explaining import wanted
from kordon_proxy.explaining.answers import Answer, Who, explain_question, what_can_be_done, who_can_do
from kordon_proxy.explaining.source import Source
from kordon_proxy.explaining.wanted import instant_of

from .bodies import Body, documented
from .caller import Caller, Calling
from .metadata import Metadata, metadata_of
from .problems import Problem
from .process import Process
from .trail import count, must_be_admin
from .working import Working

router: Final = APIRouter(tags=["explain"])
_LONGEST: Final = 1_000
_STEPS: Final = 1_000_000
"""A few seconds, of which the clients of the proxy get half. Asked of the files, it may take as long as it takes."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


Shape = TypeVar("Shape", bound=_Body)


class Asker(_Body):
    """Who is asked about: somebody who is known, by name, or a holder of roles. Nothing: whoever calls."""

    principal: str | None = Field(None, max_length=_LONGEST)
    roles: list[str] = Field([], max_length=100)
    tenant: str | None = Field(None, max_length=_LONGEST)
    listener: str | None = Field(None, max_length=_LONGEST)


class ExplainRequest(Asker):
    """May he do this to that, now or at another time?"""

    action: str = Field(max_length=100)
    """As `GROUP_EDIT`; `VIEW` asks whether it is seen."""
    path: str = Field(max_length=33_000)
    """As `cluster/prod/group/trade_b2`."""
    at: str | None = Field(None, max_length=100)
    """As `2027-01-31T12:00:00Z`, or `2h` from now."""


class WhoCanRequest(_Body):
    """Who may do this, on names that a path with patterns covers?"""

    action: str = Field(max_length=100)
    path: str = Field(max_length=33_000)


class WhatCanRequest(Asker):
    """What may he do?"""

    cluster: str = Field("*", max_length=_LONGEST)
    """In this one; `*`: in each."""


class Explained(BaseModel):
    """The answer; docs/explain.md describes it."""

    explained: dict[str, Any]
    metadata: Metadata


@router.post("/explain", operation_id="explain", openapi_extra=documented(ExplainRequest))
async def explain(process: Working, caller: Calling, body: Body) -> Explained:
    """Why somebody may or may not do something, and the least that would change it.

    Who is no administrator may ask about himself.
    """
    request = _read(ExplainRequest, body)
    who = await _who(process, caller, request, "EXPLAIN")

    def answer(source: Source) -> Answer:
        return explain_question(source, who, request.action, request.path, openly=caller.is_admin)

    return await _answered(process, caller, answer, at=request.at, path=request.path)


@router.post("/who-can", operation_id="whoCan", openapi_extra=documented(WhoCanRequest))
async def who_can(process: Working, caller: Calling, body: Body) -> Explained:
    """Who may do something, on which names, by which rules: over all names. For administrators."""
    request = _read(WhoCanRequest, body)
    await must_be_admin(process, caller, "WHO_CAN")
    return await _answered(
        process, caller, lambda source: who_can_do(source, request.action, request.path, steps=_STEPS)
    )


@router.post("/what-can", operation_id="whatCan", openapi_extra=documented(WhatCanRequest))
async def what_can(process: Working, caller: Calling, body: Body) -> Explained:
    """All that somebody may do. Who is no administrator may ask about himself."""
    request = _read(WhatCanRequest, body)
    who = await _who(process, caller, request, "WHAT_CAN")

    def answer(source: Source) -> Answer:
        return what_can_be_done(source, who, request.cluster, openly=caller.is_admin, steps=_STEPS)

    return await _answered(process, caller, answer)


async def _who(process: Process, caller: Caller, asker: Asker, action: str) -> Who | wanted.Asker:
    """Who is meant. Raises NotGranted for who asks about others and is no administrator."""
    identity = caller.identity
    asked = Who(principal=asker.principal, roles=asker.roles, tenant=asker.tenant, listener=asker.listener)
    about_himself = asker.principal == identity.principal and asker.tenant in (None, identity.tenant)
    if not asked or (about_himself and not asker.roles and asker.listener is None):
        # As he is, and not as files say of a name: he may have come by a token.
        return wanted.Asker(principal=identity.principal, roles=identity.roles, tenant=identity.tenant)
    await must_be_admin(process, caller, action, also=", and may ask about himself alone")
    return asked


async def _answered(
    process: Process, caller: Caller, answer: Callable[[Source], Answer], *, at: str | None = None, path: str = ""
) -> Explained:
    count(process, caller, "EXPLAIN_READ", "cluster")
    try:
        now = process.ledger.clock.wall()
        when = now if at is None else instant_of(at, now)
        parts = path.split("/", 2)
        async with process.live.one_at_a_time:
            source = process.live.source(when, parts[1] if len(parts) > 1 else None)
            # It can take tens of milliseconds, which the clients of the proxy need not wait for.
            found = await asyncio.to_thread(answer, source)
    except Mistake as mistake:
        raise Problem(HTTPStatus.BAD_REQUEST, str(mistake)) from None
    return Explained(explained=found, metadata=metadata_of(caller))


def _read(shape: type[Shape], body: object) -> Shape:
    try:
        return shape.model_validate(body)
    except ValidationError as error:
        findings = findings_of(error.errors(include_url=False, include_input=False), shape.model_fields)
        first = f"{findings[0].path}: {findings[0].message}"
        raise Problem(HTTPStatus.BAD_REQUEST, first, findings=findings) from None
