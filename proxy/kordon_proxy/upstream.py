"""How the connections of one cluster's clients reach its brokers."""

import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import structlog

from .cluster.pool import Reach
from .cluster.watch import Cluster
from .config import clusters as config
from .config.clusters import UpstreamTls
from .identity.tls import TlsFault, tls_context
from .identity.upstream import UpstreamLogin
from .link import BrokerLink, open_link
from .standings import Standings

log = structlog.get_logger()


@final
class TlsFiles:
    """Makes the context of each connection to a cluster anew, so that renewed files count.

    Files that turn bad while Kordon runs are told once, and once when they are good again.
    """

    def __init__(self, tls: UpstreamTls, cluster: str) -> None:
        self.fault: str | None = None
        """Why the files could not be used when they were last looked at; None while they could."""
        self._tls = tls
        self._cluster = cluster

    def __call__(self) -> ssl.SSLContext:
        """Return a context. Raises TlsFault."""
        try:
            context = tls_context(self._tls)
        except TlsFault as fault:
            if self.fault != str(fault):
                log.error("tls_files_unusable", cluster=self._cluster, reason=str(fault))
            self.fault = str(fault)
            raise
        if self.fault is not None:
            log.info("tls_files_usable", cluster=self._cluster)
        self.fault = None
        return context

    def look_again(self) -> None:
        """Look at files that were bad: while Kordon is not ready, nobody may come and make it look."""
        if self.fault is not None:
            with suppress(TlsFault):
                self()


@dataclass(slots=True)
class Upstream:
    """How the connections of one cluster's clients reach its brokers."""

    cluster: Cluster
    name: str
    standings: Standings
    tls: TlsFiles | None
    logins: tuple[Callable[[], UpstreamLogin], ...]
    turn: int = 0
    """Which bootstrap server or broker is next for a connection that may go to any."""
    login: int = 0
    """Which of the logins worked last; the next one is tried when it is refused."""
    open_link: Callable[[BrokerLink, str, int, ssl.SSLContext | None], Awaitable[None]] = open_link
    """Connects a link to a broker, as the function of that name does."""

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


def own_reach(cluster: config.Cluster) -> Reach:
    """How connections of Kordon's own reach a cluster's brokers. Files of TLS are read for each."""
    tls = None if cluster.tls is None else partial(tls_context, cluster.tls)
    return Reach(tls=tls, logins=tuple(partial(UpstreamLogin, login, "kordon") for login in cluster.own_login))


def client_settings(cluster: config.Cluster, turn: int = 0) -> dict[str, Any]:
    """aiokafka's settings for clients of Kordon's own at a cluster, by the login whose turn it is. Raises TlsFault."""
    settings: dict[str, Any] = {"bootstrap_servers": [f"{one.host}:{one.port}" for one in cluster.bootstrap]}
    if cluster.own_login:
        login = cluster.own_login[turn % len(cluster.own_login)]
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
