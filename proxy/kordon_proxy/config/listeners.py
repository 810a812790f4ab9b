"""What `kordon.yaml` may say of listeners: where clients come in, who they are, and what Kordon puts up with."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from .addresses import Address, BrokerIds
from .findings import Mistake
from .section import Section
from .values import (
    Duration,
    FilePath,
    HostPort,
    Ids,
    Name,
    OneOrMore,
    Principal,
    Role,
    Size,
)


class UsersProvider(Section):
    """A file of users, made by `kordon users`."""

    type: Literal["users"]
    file: FilePath


def _check_mechanism(mechanism: str) -> str:
    if mechanism != "PLAIN":
        raise Mistake(f"the mechanism `{mechanism}` is not served", "PLAIN is")
    return mechanism


class FixedIdentity(Section):
    """Everybody who can connect is this principal."""

    principal: Principal
    roles: Annotated[tuple[Role, ...], OneOrMore()] = ()
    allow_remote: bool = False
    """true: other machines may connect too, and whoever reaches the port has these roles."""


class Ports(Section):
    """One port for every broker: `base` + broker id."""

    base: Annotated[int, Field(ge=1, le=65535)] | None = None
    """The port of broker 0. Default: the one after the listener's own."""
    ids: Ids = BrokerIds((range(64),))
    """The broker ids for which ports are opened, as `0-63` or `0-2,100-102`."""
    advertise: Annotated[str, Field(pattern=r"^([^\s:/\[\]]{1,253}|[0-9A-Fa-f:.]{2,45})$")] | None = None
    """The host name that clients are told. Default: the address that the listener is bound to."""


class Limits(Section):
    """What one process puts up with."""

    max_frame: Annotated[Size, Field(ge=65536, le=2**31 - 1)] = 100 << 20
    """The largest request after login."""
    login_frame: Annotated[Size, Field(ge=4096, le=512 << 10)] = 64 << 10
    """The largest request before it."""
    in_flight: Annotated[int, Field(ge=1)] = 1000
    """Requests of one connection that wait for their answer; reading stops there."""
    connections: Annotated[int, Field(ge=1)] = 10_000
    """Open connections of a listener; more are closed at once."""
    idle: Annotated[Duration, Field(gt=0)] = 600.0
    """A connection without a request for so long is closed."""
    request_timeout: Annotated[Duration, Field(gt=0)] = 30.0
    """A connection that begins a request and does not go on with it for so long is closed."""
    login: Annotated[Duration, Field(gt=0)] = 30.0
    """A login has to be over after so long, however slowly its bytes come."""


def _check_session(seconds: float) -> float:
    if 0 < seconds < 60:
        raise Mistake("sessions under a minute would be one login after another", "0, or 60s and more")
    return seconds


class Listener(Section):
    """One door: a bootstrap port and one port for every broker of its cluster."""

    name: Name
    bind: HostPort
    """Where it listens, as `127.0.0.1:9092`; clients use this port as their bootstrap server."""
    cluster: str
    """The name of the cluster behind it."""
    tenant: Annotated[str, Field(min_length=1)] | None = None
    """Everybody here is in this tenant. Default: the user's own, or the first that a role of his has."""
    ports: Ports = Ports()
    sasl: Mapping[Annotated[str, AfterValidator(_check_mechanism)], str] = {}
    """Which mechanism clients log in by, and the provider that knows the users: `{PLAIN: staff}`."""
    identity: FixedIdentity | None = None
    """Instead of `sasl`: no login."""
    allow_cleartext: bool = False
    """true: passwords may cross the network unencrypted to reach this listener."""
    tenant_suffix: Annotated[str, Field(min_length=1, max_length=8)] | None = None
    """Lets a user choose a tenant in the user name: with `@`, `alice@Trading` is alice in Trading."""
    max_session: Annotated[Duration, AfterValidator(_check_session)] = 0.0
    """After so long a client has to log in again (KIP-368). 0: only when its credential ends."""
    client_telemetry: Literal["refuse", "relay"] = "refuse"
    """relay: clients may push their own metrics to brokers that collect them (KIP-714), which then read what stands in
    them: names of topics and groups, and client ids. refuse: clients are not offered it and do without."""
    limits: Limits | None = None
    """Where this listener differs from the limits of the whole file."""

    @property
    def base(self) -> int:
        """The port of broker 0."""
        return self.bind.port + 1 if self.ports.base is None else self.ports.base

    @property
    def advertise(self) -> str:
        """The host that clients are told."""
        return self.ports.advertise or self.bind.host

    def port_of(self, broker_id: int) -> int | None:
        """The port that stands for a broker; None for an id without one.

        By arithmetic, not by allocation: every process with this configuration finds the same port, with no state to
        share, and a broker that joins has its port before anybody saw it.
        """
        return self.base + broker_id if broker_id in self.ports.ids else None

    def address_of(self, broker_id: int) -> Address | None:
        """Host and port that clients are told for a broker; None for an id without a port."""
        port = self.port_of(broker_id)
        return None if port is None else Address(self.advertise, port)
