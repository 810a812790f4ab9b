"""What passes between a login and the rest: who connects, what was proved, who that is, and why not.

Facts are stored, identity is derived: a connection keeps its `Facts`, and `identify` makes an `Identity` of them again
for every new policy snapshot. All instants are seconds since the epoch.
"""

from dataclasses import dataclass
from typing import Final, Protocol

NO_LOGIN: Final = "NONE"
"""The mechanism of a connection that did not log in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Who is at the other end, before any login: an address, and the listener that it came in by."""

    address: str
    port: int
    listener: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a login proved. Roles and tenant are not in here: they may change while it lasts."""

    mechanism: str
    name: str
    provider: str | None = None
    credential: str | None = None
    """Id of the credential that was used; the login ends when it is taken away."""
    tenant: str | None = None
    """The tenant that the client asked for in its login."""
    expires: float | None = None
    """When the credential ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a connection is under one snapshot. `tenant` None: in no tenant, so in an empty cluster."""

    principal: str
    roles: frozenset[str]
    tenant: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A verdict: no. `reason` is for log and audit, `told` for the client, `name` whom it claimed to be."""

    reason: str
    told: str
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """No verdict, for reasons that are not the client's. It gets no answer, so that it tries again."""

    reason: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Challenge:
    """The mechanism goes on: this is for the client."""

    token: bytes


@dataclass(frozen=True, slots=True)
class Proved:
    """The client is who it says; `token` is the mechanism's last word to it."""

    facts: Facts
    token: bytes = b""


Outcome = Challenge | Proved | Refused | Trouble


class Exchange(Protocol):
    """One login by one mechanism. It may wait, for a hash or for keys."""

    def at_once(self, token: bytes, now: float) -> Proved | None:
        """Give the verdict on the client's next token where it is good and nothing has to be waited for.

        None: `step` takes the token, and says what there is to say.
        """
        ...

    async def step(self, token: bytes, now: float) -> Outcome:
        """Take the client's next token."""
        ...


class Mechanism(Protocol):
    """A SASL mechanism with the provider behind it, as one listener offers it."""

    def begin(self, peer: Peer, /) -> Exchange:
        """Start a login."""
        ...
