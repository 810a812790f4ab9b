"""From what was proved to who that is: principal, roles, tenant. Pure, and done again for every new snapshot."""

from functools import lru_cache
from typing import Final

from kordon_policy import tenants
from kordon_policy.question import not_admitted
from kordon_policy.snapshot import Snapshot
from kordon_proxy.principals import fault_of

from .directory import NO_ROLES, Directory, Door
from .tokens import BEARER, Token
from .users import User
from .values import Facts, Identity, Peer, Refused

NO_DOOR = Door()
MOST_KNOWN: Final = 10_000


def identify(facts: Facts, peer: Peer, snapshot: Snapshot, directory: Directory) -> Identity | Refused:
    """Return the identity of a connection under this snapshot, or why it may not be (or stay) in.

    The caller has proved who it is, so the text of a refusal may name the reason.
    """
    door = directory.doors.get(peer.listener, NO_DOOR)
    user = directory.user(facts)
    if facts.provider is not None and (fault := _lapsed(facts, user)) is not None:
        return _refused(facts, fault)
    if (fault := fault_of(facts.name)) is not None:
        return _refused(facts, f"the name {fault}")
    roles = _roles(facts, door, user, snapshot, directory)
    if not snapshot.admits(roles):
        return _refused(facts, not_admitted(facts.name))
    chosen = {tenant for tenant in (door.tenant, facts.tenant) if tenant is not None}
    if len(chosen) > 1:
        return _refused(facts, f"the login asks for tenant {facts.tenant} at a listener of tenant {door.tenant}")
    default = user.default_tenant if user is not None else None
    return _in_tenant(facts, next(iter(chosen), None), default, roles, snapshot)


class Identities:
    """The identities at one listener, each made once for all who have proved the same.

    They hold under one snapshot and one directory: under another, all of them are made again.
    """

    __slots__ = ("_directory", "_known", "_snapshot")

    def __init__(self) -> None:
        self._snapshot: Snapshot | None = None
        self._directory: Directory | None = None
        self._known: dict[Facts, Identity] = {}

    def of(self, facts: Facts, peer: Peer, snapshot: Snapshot, directory: Directory) -> Identity | Refused:
        """Return what `identify` does. The peer is at the listener of these identities."""
        if snapshot is not self._snapshot or directory is not self._directory or len(self._known) >= MOST_KNOWN:
            self._snapshot, self._directory, self._known = snapshot, directory, {}
        found: Identity | Refused | None = self._known.get(facts)
        if found is None:
            found = identify(facts, peer, snapshot, directory)
            if isinstance(found, Identity):
                self._known[facts] = found
        return found


def identify_bearer(token: Token, tenant: str | None, snapshot: Snapshot, directory: Directory) -> Identity | Refused:
    """Return who the bearer of a token is under this snapshot, in the tenant of his choice, or why he may not be in."""
    facts = Facts(mechanism=BEARER, name=token.principal, credential=token.id, tenant=tenant)
    held = directory.groups.get(token.principal, NO_ROLES) | token.roles
    roles = _shared(held & snapshot.roles)
    if not snapshot.admits(roles):
        return _refused(facts, not_admitted(token.principal))
    return _in_tenant(facts, tenant, token.default_tenant, roles, snapshot)


def identify_again(
    before: Identity, facts: Facts, peer: Peer, snapshot: Snapshot, directory: Directory
) -> Identity | Refused:
    """Return the identity of a connection that is logged in, under another snapshot or directory.

    Roles may change while it lasts; the tenant may not, as the client would find itself in another cluster.
    """
    now = identify(facts, peer, snapshot, directory)
    if isinstance(now, Identity) and now.tenant != before.tenant:
        return _refused(facts, f"the tenant of {facts.name} has changed")
    return now


def _lapsed(facts: Facts, user: User | None) -> str | None:
    """Why the credential that was proved counts no more. Its end as it was then is watched by who logged it in."""
    credential = None if user is None else user.credential(facts.credential)
    if credential is None:
        return "the credential has been taken away"
    if credential.expires is not None and (facts.expires is None or credential.expires < facts.expires):
        return "the credential ends earlier than it was to"
    return None


def _roles(facts: Facts, door: Door, user: User | None, snapshot: Snapshot, directory: Directory) -> frozenset[str]:
    held = directory.groups.get(facts.name, frozenset()) | (door.roles if facts.provider is None else frozenset())
    if user is not None:
        held |= user.roles
    return _shared(held & snapshot.roles)


@lru_cache(maxsize=4_096)
def _shared(roles: frozenset[str]) -> frozenset[str]:
    """One set for all connections with the same roles: of 10,000 connections, most have."""
    return roles


def _in_tenant(
    facts: Facts, chosen: str | None, default: str | None, roles: frozenset[str], snapshot: Snapshot
) -> Identity | Refused:
    match snapshot.choose_tenant(roles, chosen, default):
        case tenants.Refused(reason):
            return _refused(facts, reason)
        case tenants.NoTenant():
            return Identity(principal=facts.name, roles=roles, tenant=None)
        case tenant:
            return Identity(principal=facts.name, roles=roles, tenant=tenant.name)


def _refused(facts: Facts, reason: str) -> Refused:
    return Refused(reason=reason, told=f"Authentication failed: {reason}", name=facts.name)
