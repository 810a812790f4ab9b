"""One door of Kordon: what its connections share. The server binds its ports, sessions come and go by it."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import structlog

from kordon_policy.tenants import tenant_cluster_id
from kordon_protocol.frames import with_correlation_id
from kordon_protocol.header import RequestHead

from .apis import versions
from .audit.log import AuditLog
from .cluster.picture import Picture
from .cluster.watch import Cluster
from .config import listeners as config
from .holds import Hold
from .identity.directory import Directory, anonymous
from .identity.identify import Identities, identify
from .identity.values import Mechanism, Peer, Refused
from .judging.synthetic import SyntheticCluster
from .judging.table import Api
from .memory import Memory
from .meter import Meter
from .metrics import Metrics
from .policies import Policies
from .staging import Staging
from .upstream import Upstream

if TYPE_CHECKING:
    from .session import Session
    from .workers.board import Places

log = structlog.get_logger()
here: Final = logging.getLogger(__name__)
"""Knows what is logged at all, for less than it takes to find out that a line is not."""

COMPLAIN_EVERY: Final = 60.0
"""Seconds between two lines in the log about connections that are too many."""
NO_ADDRESS: Final = ("", -1)
"""As Kafka writes a node that is not there."""


@dataclass(slots=True, eq=False)
class Listener:
    """The configuration of a listener together with everything that its sessions need."""

    settings: config.Listener
    limits: config.Limits
    instance: str
    """What this process is called: how the ids of its connections begin."""
    upstream: Upstream
    apis: Mapping[int, Api]
    policies: Policies
    directory: Callable[[], Directory]
    audit: AuditLog
    metrics: Metrics
    mechanisms: Mapping[str, Mechanism] = field(default_factory=dict)
    staging: Staging | None = None
    """Keeps what waits for an approval; None: nothing waits, and what is staged is only refused."""
    places: "Places | None" = None
    """How many connections the other workers have here; None: there are none."""
    sessions: set["Session"] = field(default_factory=set)
    synthetics: dict[tuple[str, str], SyntheticCluster] = field(default_factory=dict)
    meters: dict[str, Meter] = field(default_factory=dict)
    versions: dict[int, tuple[Picture, bytes]] = field(default_factory=dict)
    """For each version of ApiVersions the answer, and the picture that it was made from."""
    memory: Memory = field(default_factory=Memory)
    """What its sessions read into."""
    draining: bool = False
    drained: asyncio.Event = field(default_factory=asyncio.Event)
    identities: Identities = field(default_factory=Identities)
    attempts: dict["Session", str] = field(default_factory=dict)
    """Whom a login that failed was for, until its connection has ended."""
    bound: bool = False
    """Whether the ports of the brokers that are known have been opened."""
    complain_from: float = 0.0
    """From when on (monotonic) it may be logged again that there are too many connections."""
    without_port: set[int] = field(default_factory=set)
    """Brokers for which this listener has no port left."""

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def cluster(self) -> Cluster:
        return self.upstream.cluster

    @property
    def shut(self) -> str | None:
        """Why nobody can log in here under the policy and groups in force; None while somebody may."""
        tenant, snapshot = self.settings.tenant, self.policies.snapshot
        if tenant is not None and all(one.name != tenant for one in snapshot.tenants):
            return f"the policy has no tenant `{tenant}`"
        if self.settings.identity is not None:
            peer = Peer(address="", port=0, listener=self.name)
            if isinstance(identify(anonymous(self.settings), peer, snapshot, self.directory()), Refused):
                return "the policy does not let its `identity` in"
        return None

    def picture(self) -> Picture:
        """The newest picture of the cluster.

        Raises LookupError before the first: sessions ask for nothing before it.
        """
        picture = self.cluster.picture
        if picture is None:
            raise LookupError("no broker has answered yet")
        return picture

    def synthetic(self, real_cluster_id: str, tenant: str) -> SyntheticCluster:
        """The cluster of a tenant as this listener shows it; one object for all of its connections."""
        key = (real_cluster_id, tenant)
        found = self.synthetics.get(key)
        if found is None:
            cluster_id = tenant_cluster_id(real_cluster_id, tenant)
            found = self.synthetics[key] = SyntheticCluster(cluster_id, self.address)
        return found

    def meter(self, tenant: str | None) -> Meter:
        """The counters of one tenant at this listener; tenants are as many as the policy file names."""
        key = tenant or ""
        found = self.meters.get(key)
        if found is None:
            found = self.meters[key] = Meter(self.metrics, key)
        return found

    def versions_frame(self, head: RequestHead) -> bytes:
        """The answer to an ApiVersions request, as a whole frame.

        Raises LookupError before the first picture.
        """
        picture = self.picture()
        made_from, frame = self.versions.get(head.api_version, (None, b""))
        if made_from is picture:
            return with_correlation_id(frame, head.correlation_id)
        frame = versions.answer(head, self.apis, picture)
        if head.api_version in versions.SUPPORTED:
            self.versions[head.api_version] = picture, frame
        return frame

    def address(self, broker_id: int) -> tuple[str, int]:
        """Where clients of this listener find a broker. One that Kordon does not know yet makes it look again."""
        picture = self.cluster.picture
        if picture is not None and broker_id not in picture.brokers:
            self.cluster.hint()
        address = self.settings.address_of(broker_id)
        return NO_ADDRESS if address is None else (address.host, address.port)

    def admit(self, session: "Session") -> bool:
        """Whether there is room for one more connection."""
        others = 0 if self.places is None else self.places.others
        if self.draining or len(self.sessions) + others >= self.limits.connections:
            self._too_many(session.opened)
            return False
        self.sessions.add(session)
        self._count()
        self.metrics.connections[self.name].inc()
        self.metrics.connections_opened[self.name].inc()
        return True

    def _count(self) -> None:
        if self.places is not None:
            self.places.have(len(self.sessions))

    def _too_many(self, now: float) -> None:
        self.metrics.connections_closed[self.name, "too-many"].inc()
        if now >= self.complain_from and not self.draining:
            self.complain_from = now + COMPLAIN_EVERY
            log.warning("too_many_connections", listener=self.name, limit=self.limits.connections)

    def drain(self) -> None:
        """Take no more connections and let those that there are finish; `drained` tells when they have."""
        self.draining = True
        for session in tuple(self.sessions):
            session.drain()
        if not self.sessions:
            self.drained.set()

    def ended(self, session: "Session", reason: str, detail: str | None) -> None:
        """A session has closed: once for each that was admitted."""
        if session not in self.sessions:
            return
        self.sessions.discard(session)
        self._count()
        if self.draining and not self.sessions:
            self.drained.set()
        self.metrics.connections[self.name].dec()
        self.metrics.connections_closed[self.name, reason].inc()
        if reason == "internal":
            self.metrics.unexpected_errors.inc()
        elif reason == "broker-unreachable":
            self.cluster.hint()  # the broker may have moved
        member = session.member
        attempted = self.attempts.pop(session, None)
        quiet = reason in {"client-closed", "drained", "idle"}
        if quiet and not here.isEnabledFor(logging.DEBUG):
            return
        (log.debug if quiet else log.warning)(
            "connection_closed",
            connection=session.id,
            listener=self.name,
            peer=session.peer_address,
            principal=attempted or (None if member is None else member.identity.principal),
            reason=reason,
            detail=detail or (None if member is None else member.lost),
        )

    def login_refused(self, reason: str) -> None:
        """The broker did not take Kordon's credentials: the next ones are tried for the next connection."""
        self.upstream.login += 1
        log.error("broker_refused_login", cluster=self.upstream.name, reason=reason)

    async def sweep(self, now: float) -> None:
        """Close connections that are idle, stuck in the middle of a request, or too slow in logging in."""
        for number, session in enumerate(tuple(self.sessions)):
            session.check_login()
            if (reason := session.overdue(now)) is not None:
                session.close(reason)
            elif not self.audit.full:
                session.release(Hold.AUDIT)
            if number % 500 == 499:
                await asyncio.sleep(0)  # thousands of connections must not hold up a request
