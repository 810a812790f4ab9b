"""What `kordon.yaml` may say. Unknown keys are refused; what is left out has a default that is safe on one machine.

The docstrings under the fields are the descriptions in `kordon.schema.json` and in `docs/configuration.md`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from kordon_policy.model import Compat
from kordon_proxy.workers import MOST as MOST_WORKERS

from .addresses import Address
from .audit import AuditConfig
from .clusters import Cluster, SchemaRegistry
from .listeners import Limits, Listener, UsersProvider
from .section import Section
from .values import (
    Bound,
    Duration,
    FilePath,
    HostPort,
    Name,
    Replication,
    StoreTopic,
)

_UNSAID: Final[Any] = {}
"""A section that was left out: read like one without keys, so that its relative paths start from the file's folder."""


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

    workers: Annotated[int, Field(ge=1, le=MOST_WORKERS)] = 1
    """Processes that share the ports of the listeners, on Linux: at most one for each core. 1: there is no other."""
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
