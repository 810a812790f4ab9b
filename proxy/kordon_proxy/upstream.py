"""How the connections of one cluster's clients reach its brokers."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import config
from .cluster.watch import Cluster
from .identity.tls import tls_context
from .identity.upstream import UpstreamLogin
from .standings import Standings


@dataclass(slots=True)
class Upstream:
    """How the connections of one cluster's clients reach its brokers."""

    cluster: Cluster
    name: str
    standings: Standings
    tls: Callable[[], ssl.SSLContext] | None
    logins: tuple[Callable[[], UpstreamLogin], ...]
    turn: int = 0
    """Which bootstrap server or broker is next for a connection that may go to any."""
    login: int = 0
    """Which of the logins worked last; the next one is tried when it is refused."""

    def address(self, broker_id: int | None) -> tuple[str, int] | None:
        """The real address of a broker; of any broker for None."""
        picture = self.cluster.picture
        if picture is None or not picture.brokers:
            return None
        if broker_id is None:
            self.turn += 1
            brokers = tuple(picture.brokers.values())
            broker = brokers[self.turn % len(brokers)]
        else:
            found = picture.brokers.get(broker_id)
            if found is None:
                return None
            broker = found
        return broker.host, broker.port

    def next_login(self) -> UpstreamLogin | None:
        return self.logins[self.login % len(self.logins)]() if self.logins else None


def client_settings(cluster: config.Cluster) -> dict[str, Any]:
    """aiokafka's settings for Kordon's own producer at a cluster."""
    settings: dict[str, Any] = {"bootstrap_servers": [f"{one.host}:{one.port}" for one in cluster.bootstrap]}
    if cluster.own_login:
        login = cluster.own_login[0]
        settings |= {
            "sasl_mechanism": login.mechanism,
            "sasl_plain_username": login.username,
            "sasl_plain_password": login.password.reveal(),
        }
    if cluster.tls is not None:
        settings["ssl_context"] = tls_context(cluster.tls)
    protocol = "SASL_" if cluster.own_login else ""
    settings["security_protocol"] = protocol + ("SSL" if cluster.tls is not None else "PLAINTEXT")
    return settings
