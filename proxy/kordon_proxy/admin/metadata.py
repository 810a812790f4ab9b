"""What stands in each answer beside what was asked for, as in Kpow's."""

from pydantic import BaseModel

from kordon_proxy.audit.event import new_id

from .caller import Caller


class Metadata(BaseModel):
    """Kpow's three fields. tenant_id: the name of the tenant that the caller is in."""

    response_id: str
    is_staged: bool
    tenant_id: str | None


def metadata_of(caller: Caller, *, is_staged: bool = False) -> Metadata:
    """The metadata of an answer to this caller."""
    return Metadata(response_id=new_id(), is_staged=is_staged, tenant_id=caller.identity.tenant)
