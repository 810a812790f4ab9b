"""What each node of the demonstration's Kafka is told: its `server.properties`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from kordon_proxy.demo.certificates import Certificate
from kordon_proxy.demo.ports import HOST

Listener = Literal["PLAINTEXT", "SASL_PLAINTEXT", "SSL", "SASL_SSL", "CONTROLLER"]
SCRAM: Final = ("SCRAM-SHA-256", "SCRAM-SHA-512")

# Small, quick to start, quick to notice a node that is gone, and quiet while nobody wants anything of it.
_SMALL: Final[Mapping[str, object]] = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "broker.heartbeat.interval.ms": 1_000,
    "broker.session.timeout.ms": 6_000,
    "group.initial.rebalance.delay.ms": 0,
    "group.consumer.min.heartbeat.interval.ms": 500,
    "group.consumer.heartbeat.interval.ms": 500,
    "group.share.min.heartbeat.interval.ms": 500,
    "group.share.heartbeat.interval.ms": 500,
    "offsets.topic.num.partitions": 5,
    "transaction.state.log.num.partitions": 3,
    "transaction.state.log.min.isr": 1,
    "share.coordinator.state.topic.num.partitions": 3,
    "share.coordinator.state.topic.min.isr": 1,
    "log.index.size.max.bytes": 1 << 20,
    "log.cleaner.dedupe.buffer.size": 8 << 20,
    "log.segment.delete.delay.ms": 1_000,
    "num.network.threads": 1,
    "num.io.threads": 3,
    "background.threads": 2,
    "group.coordinator.threads": 1,
    "metadata.max.idle.interval.ms": 5_000,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What kind of cluster; `Kafka` says what each of these means."""

    nodes: int = 1
    users: Mapping[str, str] = field(default_factory=dict)
    tls: bool = False
    client_certificates: Literal["none", "requested", "required"] = "none"
    authorizer: bool = False
    super_users: tuple[str, ...] = ()
    auto_create_topics: bool = False
    properties: Mapping[str, object] = field(default_factory=dict)
    advertise: str = HOST

    def __post_init__(self) -> None:
        if not 1 <= self.nodes <= 3:
            raise ValueError(f"{self.nodes} nodes: a cluster of the demonstration has 1 to 3")
        for name, password in self.users.items():
            # The tool that formats a node's storage splits its argument at these, and JAAS wants quotes escaped.
            if set(name + password) & set(',=[]"\\ '):
                raise ValueError(f'user {name!r}: a name or password with one of ,=[]"\\ or a space')

    @property
    def listeners(self) -> tuple[Listener, ...]:
        """The listeners of each node, the controller's last."""
        sasl: tuple[Listener, ...] = ("SASL_PLAINTEXT",) if self.users else ()
        ssl: tuple[Listener, ...] = ("SSL",) if self.tls else ()
        both: tuple[Listener, ...] = ("SASL_SSL",) if self.users and self.tls else ()
        return ("PLAINTEXT", *sasl, *ssl, *both, "CONTROLLER")


def server_properties(
    setup: Setup,
    node: int,
    *,
    ports: Mapping[int, Mapping[Listener, int]],
    data: Path,
    certificate: Certificate | None,
    authority: Certificate | None,
) -> str:
    """Return the text of a node's configuration; `ports` are those of all nodes."""
    told: dict[str, object] = {
        **_SMALL,
        **_replication(setup.nodes),
        **_addresses(node, ports, setup.advertise),
        "node.id": node,
        "log.dirs": data,
        "auto.create.topics.enable": str(setup.auto_create_topics).lower(),
    }
    if setup.users:
        told |= _sasl(setup)
    if certificate and authority:
        told |= _tls(setup, certificate, authority)
    if setup.authorizer:
        told |= _authorization(setup)
    told |= setup.properties
    return "".join(f"{name}={_escaped(str(value))}\n" for name, value in told.items())


def _replication(nodes: int) -> Mapping[str, object]:
    topics = ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic", "default")
    return {f"{topic}.replication.factor": nodes for topic in topics}


def _addresses(node: int, ports: Mapping[int, Mapping[Listener, int]], host: str) -> Mapping[str, object]:
    own = {listener: f"{listener}://{HOST}:{port}" for listener, port in ports[node].items()}
    told = {listener: f"{listener}://{host}:{port}" for listener, port in ports[node].items()}
    security = {listener: listener for listener in own} | {"CONTROLLER": "PLAINTEXT"}
    return {
        "controller.quorum.voters": ",".join(f"{other}@{HOST}:{ports[other]['CONTROLLER']}" for other in ports),
        "listeners": ",".join(own.values()),
        "advertised.listeners": ",".join(url for listener, url in told.items() if listener != "CONTROLLER"),
        "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in security.items()),
    }


def _sasl(setup: Setup) -> Mapping[str, object]:
    module = "org.apache.kafka.common.security"
    users = " ".join(f'user_{name}="{password}"' for name, password in setup.users.items())
    told = {"sasl.enabled.mechanisms": ",".join(("PLAIN", *SCRAM))}
    for listener in setup.listeners:
        if listener.startswith("SASL"):
            name = f"listener.name.{listener.lower()}"
            told[f"{name}.plain.sasl.jaas.config"] = f"{module}.plain.PlainLoginModule required {users};"
            for mechanism in SCRAM:
                told[f"{name}.{mechanism.lower()}.sasl.jaas.config"] = f"{module}.scram.ScramLoginModule required;"
    return told


def _tls(setup: Setup, certificate: Certificate, authority: Certificate) -> Mapping[str, object]:
    return {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": certificate.both,
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": authority.certificate,
        "ssl.client.auth": setup.client_certificates,
    }


def _authorization(setup: Setup) -> Mapping[str, object]:
    # The nodes talk to each other over PLAINTEXT, where everybody is ANONYMOUS.
    trusted = ("ANONYMOUS", *setup.super_users)
    return {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": ";".join(f"User:{name}" for name in trusted),
    }


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\")
