"""The process itself: how it is, and reading its files now."""

from typing import Any, Final

from fastapi import APIRouter
from pydantic import BaseModel

from .caller import Calling
from .metadata import Metadata, metadata_of
from .trail import count, record, refuse
from .working import Working

router: Final = APIRouter(tags=["process"])


class Status(BaseModel):
    """What the process is and how it is; who one is, for administrators the checks of readiness too."""

    principal: str
    roles: list[str]
    tenant: str | None
    tenants: list[str]
    """Those that one may be in."""
    is_admin: bool
    kordon: dict[str, Any]
    metadata: Metadata


class Reloaded(BaseModel):
    """epoch: the number of the snapshot in force. failure: why the newest policy file is not; null if it is."""

    epoch: int
    failure: str | None
    metadata: Metadata


@router.get("/status", operation_id="getStatus")
async def get_status(process: Working, caller: Calling) -> Status:
    """Who one is here, and how this Kordon is."""
    count(process, caller, "STATUS_READ", "cluster")
    whole = process.status()
    kept = whole if caller.is_admin else {key: whole[key] for key in ("version", "epoch")}
    return Status(
        principal=caller.identity.principal,
        roles=sorted(caller.identity.roles),
        tenant=caller.identity.tenant,
        tenants=[one.name for one in caller.snapshot.tenants if one.takes(caller.identity.roles)],
        is_admin=caller.is_admin,
        kordon=kept,
        metadata=metadata_of(caller),
    )


@router.post("/reload", operation_id="reload")
async def reload(process: Working, caller: Calling) -> Reloaded:
    """Read the policy, users, groups and tokens files now. They are looked at each second anyway."""
    if not caller.is_admin:
        reason = f"{caller.identity.principal} is no administrator"
        raise await refuse(process, caller, "RELOAD", reason=reason)
    await record(process, caller, "RELOAD")
    await process.reload()
    policies = process.policies
    return Reloaded(epoch=policies.snapshot.epoch, failure=policies.last_failure, metadata=metadata_of(caller))
