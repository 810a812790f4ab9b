"""SASL PLAIN (RFC 4616), ended here against a users file."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from .passwords import PasswordChecker, QueueFull
from .users import MAX_LOGIN_NAME, Credential, User, Users
from .values import Facts, Outcome, Peer, Proved, Refused, Trouble

PLAIN: Final = "PLAIN"
FAILED: Final = "Authentication failed: Invalid username or password"
"""Kafka's own text, the same whatever is wrong (`PlainSaslServer`)."""


def no_tenant(_name: str) -> bool:
    """Say that no name is a tenant's."""
    return False


@dataclass(frozen=True, slots=True)
class PlainMechanism:
    """PLAIN as one listener offers it.

    `users` gives the users of this moment; `suffix`, where it is set, divides the user name from a tenant.
    """

    provider: str
    users: Callable[[], Users]
    checker: PasswordChecker
    suffix: str | None = None
    is_tenant: Callable[[str], bool] = no_tenant

    def begin(self, _peer: Peer, /) -> "PlainExchange":
        """Start a login."""
        return PlainExchange(self)


@dataclass(frozen=True, slots=True)
class PlainExchange:
    """One login: a single token, and the verdict."""

    mechanism: PlainMechanism

    def at_once(self, token: bytes, now: float) -> Proved | None:
        """Let in who comes with a password that is remembered."""
        try:
            login, password = parse_plain(token)
        except ValueError:
            return None
        name, tenant = self._split(login)
        found = self.mechanism.checker.recall(self.mechanism.users(), name, password, now)
        return None if found is None else self._proved(*found, tenant)

    async def step(self, token: bytes, now: float) -> Outcome:
        """Judge `authzid NUL user NUL password`."""
        try:
            login, password = parse_plain(token)
        except ValueError as error:
            return Refused(reason=str(error), told=FAILED)
        name, tenant = self._split(login)
        try:
            found = await self.mechanism.checker.check(self.mechanism.users(), name, password, now)
        except QueueFull as full:
            return Trouble(reason=str(full), name=name)
        if found is None:
            return Refused(reason="wrong password, unknown user or ended credential", told=FAILED, name=name)
        return self._proved(*found, tenant)

    def _proved(self, user: User, credential: Credential, tenant: str | None) -> Proved:
        return Proved(
            Facts(
                mechanism=PLAIN,
                provider=self.mechanism.provider,
                name=user.name,
                credential=credential.id,
                tenant=tenant,
                expires=credential.expires,
            )
        )

    def _split(self, login: str) -> tuple[str, str | None]:
        """Cut the tenant off, where the right side of the last separator is one; otherwise all of it is the user."""
        if self.mechanism.suffix is not None:
            name, separator, tenant = login.rpartition(self.mechanism.suffix)
            if separator and name and self.mechanism.is_tenant(tenant):
                return name, tenant
        return login, None


def parse_plain(token: bytes) -> tuple[str, str]:
    """Return user name and password.

    Raises ValueError for anything but three parts of UTF-8 with a user, a password, and nobody else to act for.
    """
    parts = token.split(b"\0")
    if len(parts) != 3:
        raise ValueError(f"a token of {len(parts)} parts, expected 3")
    try:
        acting_for, user, password = token.decode("utf-8").split("\0")
    except UnicodeDecodeError:
        raise ValueError("a token that is not UTF-8") from None
    if not user or not password:
        raise ValueError("a token without user name or password")
    if len(parts[1]) > MAX_LOGIN_NAME:
        raise ValueError(f"a user name of {len(parts[1])} bytes, limit {MAX_LOGIN_NAME}")
    if acting_for not in ("", user):
        raise ValueError("a login that wants to act for somebody else")
    return user, password
