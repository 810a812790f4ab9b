"""What stands in answers of many kinds: the metadata, as in Kpow's, and how something ended."""

from pydantic import BaseModel

from kordon_proxy.audit.event import new_id

from .caller import Caller


class Metadata(BaseModel):
    """Kpow's three fields. tenant_id: the name of the tenant that the caller is in."""

    response_id: str
    is_staged: bool
    tenant_id: str | None


class EndedShape(BaseModel):
    """When it was over (ms since the epoch), by whom (empty: by time), and why."""

    ts: int
    by: str
    reason: str


def metadata_of(caller: Caller, *, is_staged: bool = False) -> Metadata:
    """The metadata of an answer to this caller."""
    return Metadata(response_id=new_id(), is_staged=is_staged, tenant_id=caller.identity.tenant)
