"""Who could come in: users, holders of tokens, members of the groups file, listeners without a login."""

from typing import Final

from fastapi import APIRouter
from pydantic import BaseModel

from kordon_proxy.identity.known import known_principals

from .caller import Caller, Calling
from .metadata import Metadata, metadata_of
from .pages import Paged, page_of
from .trail import count, must_be_admin
from .working import Working

router: Final = APIRouter(prefix="/principals", tags=["principals"])


class PrincipalShape(BaseModel):
    """A principal. connections: how many he has open at this Kordon."""

    principal: str
    roles: list[str]
    is_admin: bool
    tenants: list[str]
    """Those that his roles may be in."""
    sources: list[str]
    """Where his roles come from: `users staff`, `groups`, `token 7f3a`, `listener side`."""
    connections: int


class Principals(BaseModel):
    """The principals that could be in the caller's tenant, by name."""

    principals: list[PrincipalShape]
    next: str | None
    """Where the next page begins; null if there is none."""
    metadata: Metadata


@router.get("", operation_id="listPrincipals")
async def list_all(process: Working, caller: Calling, page: Paged) -> Principals:
    """Who could be in the tenant, and with which roles. For administrators."""
    await must_be_admin(process, caller, "PRINCIPAL_READ")
    count(process, caller, "PRINCIPAL_READ", "cluster")
    connections = await process.connections()
    known = known_principals(process.directory(), process.fixed)
    shapes = [
        PrincipalShape(
            principal=one.name,
            roles=sorted(one.roles),
            is_admin=caller.snapshot.is_admin(one.roles),
            tenants=_tenants(caller, one.roles),
            sources=list(one.sources),
            connections=connections.get(one.name, 0),
        )
        for one in known
    ]
    seen = (one for one in shapes if caller.identity.tenant in one.tenants)
    part, following = page_of(seen, lambda one: (one.principal,), page)
    return Principals(principals=part, next=following, metadata=metadata_of(caller))


def _tenants(caller: Caller, roles: frozenset[str]) -> list[str]:
    if not caller.snapshot.admits(roles):
        return []
    return [one.name for one in caller.snapshot.tenants if one.takes(roles)]
