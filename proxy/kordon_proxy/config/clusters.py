"""What `kordon.yaml` may say of clusters: how Kordon reaches them, and the registries of their schemas."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from .section import Section
from .values import (
    FilePath,
    HostPort,
    Name,
    OneOrMore,
    SecretText,
    check_url,
)


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
