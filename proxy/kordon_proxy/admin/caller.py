"""Who calls: a bearer token becomes a principal with roles, in a tenant, as a login does on the wire."""

import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import Depends, Header, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from kordon_policy.snapshot import Snapshot
from kordon_proxy.audit.durable import until_on_disk
from kordon_proxy.audit.event import Event, EventType, Outcome, What, Who, Why, new_id
from kordon_proxy.clock import wall_ms
from kordon_proxy.identity.identify import identify_bearer
from kordon_proxy.identity.tokens import BEARER, Token
from kordon_proxy.identity.values import Identity, Refused

from .problems import Problem
from .process import Process

LISTENER: Final = "admin-api"
"""As the audit calls it."""
_LONGEST_SOFTWARE: Final = 100
_ASK: Final = {"WWW-Authenticate": 'Bearer realm="kordon"'}
_bearer: Final = HTTPBearer(auto_error=False, description="A token made by `kordon tokens add`.")

Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
Chosen = Annotated[
    str | None, Header(alias="Kordon-Tenant", description="The tenant to be in; else the token's own, or the first.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls, in his tenant, under one snapshot of the policies."""

    identity: Identity
    who: Who
    snapshot: Snapshot

    @property
    def is_admin(self) -> bool:
        """Is one of his roles an administrator's?"""
        return self.snapshot.is_admin(self.identity.roles)


async def identify_caller(request: Request, credentials: Credentials, tenant: Chosen = None) -> Caller:
    """Who calls. Raises Problem, when the failed login is in the audit."""
    process: Process = request.app.state.process
    peer = f"{request.client.host}:{request.client.port}" if request.client else None
    token = _token(process, credentials)
    if token is not None:
        # Who has a token may send the rest of his request as late as he likes, and is judged by what holds then.
        await request.body()
        token = _token(process, credentials)
    directory, snapshot = process.directory(), process.policies.current()
    if token is None:
        detail = "a bearer token is needed" if credentials is None else "the bearer token opens nothing, or no more"
        await _failed(process, Who(principal="", mechanism=BEARER, peer=peer, listener=LISTENER), detail)
        raise Problem(HTTPStatus.UNAUTHORIZED, f"{detail}; `kordon tokens add` makes one", headers=_ASK)
    identity = identify_bearer(token, tenant, snapshot, directory)
    if isinstance(identity, Refused):
        who = Who(principal=token.principal, mechanism=BEARER, client_id=token.id, peer=peer, listener=LISTENER)
        await _failed(process, who, identity.reason)
        raise Problem(HTTPStatus.FORBIDDEN, identity.reason)
    who = Who(
        principal=identity.principal,
        roles=tuple(sorted(identity.roles)),
        mechanism=BEARER,
        client_id=token.id,
        software_name=request.headers.get("user-agent", "")[:_LONGEST_SOFTWARE] or None,
        peer=peer,
        listener=LISTENER,
        tenant=identity.tenant,
    )
    return Caller(identity=identity, who=who, snapshot=snapshot)


def _token(process: Process, credentials: HTTPAuthorizationCredentials | None) -> Token | None:
    return None if credentials is None else process.directory().tokens.find(credentials.credentials, time.time())


async def _failed(process: Process, who: Who, reason: str) -> None:
    """Record it, and return when it is on disk."""
    event = Event(
        id=new_id(),
        type=EventType.LOGIN,
        time=wall_ms(),
        who=who,
        what=What(),
        why=Why(effect="Deny", reason=reason, epoch=process.policies.snapshot.epoch),
        outcome=Outcome(error_code=HTTPStatus.UNAUTHORIZED.value, error_name=HTTPStatus.UNAUTHORIZED.name),
    )
    await until_on_disk(process.audit.login, event)


Calling = Annotated[Caller, Depends(identify_caller)]
"""Put on a parameter of an operation: who calls."""
