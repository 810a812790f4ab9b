"""What `kordon.yaml` may say. Unknown keys are refused; what is left out has a default that is safe on one machine.

The docstrings under the fields are the descriptions in `kordon.schema.json` and in `docs/configuration.md`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field

from kordon_policy.model import Compat

from .addresses import Address, BrokerIds
from .audit import AuditConfig
from .findings import Mistake
from .section import Section
from .values import (
    Bound,
    Duration,
    FilePath,
    HostPort,
    Ids,
    Name,
    OneOrMore,
    Principal,
    Replication,
    Role,
    SecretText,
    Size,
    StoreTopic,
    check_url,
)

_UNSAID: Final[Any] = {}
"""A section that was left out: read like one without keys, so that its relative paths start from the file's folder."""


# Clusters: how Kordon reaches Kafka


class UpstreamTls(Section):
    """TLS towards the brokers. `{}` verifies them, host name included, against the machine's own authorities."""

    ca: FilePath | None = None
    """PEM file of the authorities that the brokers' certificates come from."""
    cert: FilePath | None = None
    """PEM file of Kordon's own certificate, where the brokers ask for one."""
    key: FilePath | None = None
    """PEM file of its key; left out where `cert` holds both."""
    verify: bool = True
    """false: any certificate is believed, so anybody on the way can be the broker."""
    strict: bool = False
    """Refuse certificates that RFC 5280 finds fault with, as those of an authority without key identifiers."""


class OwnLogin(Section):
    """An account of Kordon's own at the brokers."""

    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
    username: Annotated[str, Field(min_length=1)]
    password: SecretText


class Cluster(Section):
    """One Kafka cluster."""

    name: Name
    """How policies, metrics and audit events call it."""
    environment: Annotated[str, Field(min_length=1)] | None = None
    """A second name for policies. Clusters may share one."""
    bootstrap: Annotated[tuple[HostPort, ...], Field(min_length=1), OneOrMore()]
    """Brokers to ask first, as `host:port`."""
    tls: UpstreamTls | None = None
    own_login: Annotated[tuple[OwnLogin, ...], OneOrMore()] = ()
    """Kordon's account, or several to try in this order while a password is changed. None: the brokers ask for none."""
    client_login: Literal["service"] = "service"
    """Whom the brokers see behind a client's connection: Kordon's own account."""


class SchemaRegistry(Section):
    """A schema registry, by whose schemas records are decoded when somebody inspects them."""

    cluster: str | None = None
    """Name of the cluster whose records name its schemas, where there are several clusters."""
    url: Annotated[str, AfterValidator(check_url)]
    """Where it is, as `https://registry.acme.example:8081`."""
    tls: UpstreamTls | None = None
    """How an `https` one is verified; left out, by the machine's own authorities."""
    username: Annotated[str, Field(min_length=1)] | None = None
    """Kordon's account there, by HTTP basic authentication."""
    password: SecretText | None = None
    subjects: Literal["topic", "any"] = "topic"
    """topic: records of a topic are decoded by schemas that are registered for it: under its name, a hyphen, and `key`,
    `value` or the name of a record. any: by every schema of the registry, so that whoever may write to one topic and
    inspect it can learn of all of them."""


# Identity: who the clients are


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


# Listeners: where the clients come in


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


# The rest


class ApiTls(Section):
    """TLS of the admin API."""

    cert: FilePath
    """PEM file of the certificate, with those of its authorities that clients need."""
    key: FilePath | None = None
    """PEM file of its key; left out where `cert` holds both."""


class AdminApi(Section):
    """The admin HTTP API, which the `kordon` command uses: temporary policies and what else is done while it runs."""

    bind: HostPort = Address("127.0.0.1", 9181)
    tokens: FilePath
    """A file of bearer tokens, made by `kordon tokens`."""
    tls: ApiTls | None = None
    allow_cleartext: bool = False
    """true: tokens may cross the network unencrypted to reach it, as behind something that ends TLS."""


class Admin(Section):
    """The operators' HTTP ports."""

    bind: HostPort = Address("127.0.0.1", 9180)
    """Metrics, liveness, readiness."""
    api: AdminApi | None = None
    """Where administrators come in. Default: nowhere."""


class Inference(Section):
    """How Kordon learns which topics a group consumes from."""

    interval: Annotated[Duration, Field(ge=1)] = 30.0
    """How often groups are asked for, besides after changes that Kordon sees itself."""


class Store(Section):
    """Where Kordon keeps what is changed while it runs: temporary policies, scheduled and staged mutations.

    Kordons with the same clusters and policy may share a store.
    """

    type: Literal["sqlite", "kafka"] = "sqlite"
    """sqlite: one file on a local disk, for Kordons of one machine. kafka: a topic, for Kordons of several."""
    file: FilePath | None = None
    """sqlite: default `kordon.db` in the folder that the audit's directory is in."""
    cluster: str | None = None
    """kafka: name of the cluster that the topic is in, where there are several."""
    topic: StoreTopic = "__kordon_store"
    """kafka: created when it is missing. Clients never see `__kordon…`, and no other name will do."""
    replication: Replication = "default"
    """kafka: when the topic is created: the number of copies, or what the brokers are set to."""


class TemporaryPolicies(Section):
    """What administrators may put in force for a time."""

    max_duration: Bound = 3600.0
    """How long one may hold, from its start; `unlimited`: as long as whoever makes it says, or until it is revoked."""

    @property
    def max_duration_ms(self) -> int | None:
        """The bound in milliseconds; None if there is none."""
        return None if self.max_duration is None else round(self.max_duration * 1000)


class StagedMutations(Section):
    """What the policy stages."""

    waits: Annotated[Duration, Field(ge=1)] = 86_400.0
    """How long it waits for somebody's approval."""

    @property
    def waits_ms(self) -> int:
        """The same in milliseconds."""
        return round(self.waits * 1000)


class Log(Section):
    """Kordon's own log, on standard error."""

    format: Literal["auto", "json", "console"] = "auto"
    """auto: for people on a terminal, JSON elsewhere."""
    level: Literal["debug", "info", "warning", "error"] = "info"


class Config(Section):
    """How one Kordon is deployed."""

    clusters: tuple[Cluster, ...]
    schema_registries: tuple[SchemaRegistry, ...] = ()
    """At most one for each cluster."""
    providers: Mapping[Name, UsersProvider] = {}
    """Where identities come from, by a name of your choice."""
    listeners: tuple[Listener, ...]
    policy: Annotated[FilePath, Field(validate_default=True)] = Path("rbac.yaml")
    """The file of roles, policies and tenants."""
    compat: Compat = Compat()
    """Readings of older policy files."""
    groups_file: FilePath | None = None
    """YAML, role to list of principals: roles on top of those that the providers give."""
    audit: Annotated[AuditConfig, Field(validate_default=True)] = _UNSAID
    """Where the audit goes."""
    store: Store = Store()
    temporary_policies: TemporaryPolicies = TemporaryPolicies()
    staged_mutations: StagedMutations = StagedMutations()
    admin: Admin = Admin()
    limits: Limits = Limits()
    drain: Annotated[Duration, Field(ge=0)] = 10.0
    """How long requests in flight may take to finish when Kordon stops."""
    inference: Inference = Inference()
    log: Log = Log()
    allow_open_files: bool = False
    """true: users files, keys and secrets may be readable by group and others, as where Kubernetes mounts them."""

    @property
    def store_file(self) -> Path:
        """Where the embedded store is."""
        return self.store.file or self.audit.directory.parent / "kordon.db"

    @property
    def store_cluster(self) -> Cluster:
        """The cluster that the store's topic is in."""
        return next(one for one in self.clusters if self.store.cluster in (None, one.name))

    @property
    def audit_cluster(self) -> Cluster:
        """The cluster that the audit topic is in, if there is one."""
        topic = self.audit.kafka
        return next(one for one in self.clusters if topic is None or topic.cluster in (None, one.name))

    @property
    def registries(self) -> Mapping[str, SchemaRegistry]:
        """The schema registries by the names of their clusters."""
        return {one.cluster or self.clusters[0].name: one for one in self.schema_registries}

    def limits_of(self, listener: Listener) -> Limits:
        """The limits of the file with those of the listener on top."""
        own = listener.limits
        said = {} if own is None else {name: getattr(own, name) for name in own.model_fields_set}
        return self.limits.model_copy(update=said)
