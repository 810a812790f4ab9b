"""The process itself: how it is, and reading its files now."""

from typing import Any, Final

from fastapi import APIRouter
from pydantic import BaseModel

from .caller import Calling
from .metadata import Metadata, metadata_of
from .tenants import clusters_of
from .trail import count, must_be_admin, record
from .working import Working

router: Final = APIRouter(tags=["process"])


class Status(BaseModel):
    """What the process is and how it is; who one is, for administrators the checks of readiness too."""

    principal: str
    roles: list[str]
    tenant: str | None
    tenants: list[str]
    """Those that one may be in."""
    clusters: list[str]
    """Those in which the tenant may have something; for administrators all."""
    is_admin: bool
    kordon: dict[str, Any]
    metadata: Metadata


class ReloadedWorker(BaseModel):
    """What one worker has in force; an epoch of null: it does not answer."""

    worker: int
    epoch: int | None
    failure: str | None


class Reloaded(BaseModel):
    """epoch: the number of the snapshot in force. failure: why the newest policy file is not; null if it is, at all
    workers. workers: each of them, where there are several."""

    epoch: int
    failure: str | None
    workers: list[ReloadedWorker] | None = None
    metadata: Metadata


@router.get("/status", operation_id="getStatus")
async def get_status(process: Working, caller: Calling) -> Status:
    """Who one is here, and how this Kordon is."""
    count(process, caller, "STATUS_READ", "cluster")
    whole = await process.status()
    kept = whole if caller.is_admin else {key: whole[key] for key in ("version", "epoch")}
    return Status(
        principal=caller.identity.principal,
        roles=sorted(caller.identity.roles),
        tenant=caller.identity.tenant,
        tenants=[one.name for one in caller.snapshot.tenants if one.takes(caller.identity.roles)],
        clusters=clusters_of(process, caller),
        is_admin=caller.is_admin,
        kordon=kept,
        metadata=metadata_of(caller),
    )


@router.post("/reload", operation_id="reload")
async def reload(process: Working, caller: Calling) -> Reloaded:
    """Read the policy, users, groups and tokens files now. They are looked at each second anyway."""
    await must_be_admin(process, caller, "RELOAD")
    await record(process, caller, "RELOAD")
    told = await process.reload()
    workers = [ReloadedWorker(**one) for one in told if "worker" in one]
    return Reloaded(
        epoch=process.policies.snapshot.epoch,
        failure=next((_failed(one) for one in told if one["failure"] is not None), None),
        workers=workers or None,
        metadata=metadata_of(caller),
    )


def _failed(told: dict[str, Any]) -> str:
    return f"worker {told['worker']}: {told['failure']}" if told["epoch"] is None else str(told["failure"])
