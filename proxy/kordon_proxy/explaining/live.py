"""The running process as something that can be asked: with temporary policies, and with what groups read."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from kordon_policy.model import Document
from kordon_policy.question import Cluster, World
from kordon_policy.snapshot import Compiled
from kordon_policy.temporary import expected
from kordon_proxy.config.listeners import Listener
from kordon_proxy.grants import Grants
from kordon_proxy.identity.directory import Directory
from kordon_proxy.policies import Policies
from kordon_proxy.upstream import Upstream

from .source import Source, people_of


class Live:
    """Makes sources of the state of the moment. Belongs to the event loop.

    one_at_a_time: to be held while a source is asked, which another thread does: all sources of one policy file share
    what is worked out from it, and it is not what the clients of the proxy are judged by.
    """

    def __init__(
        self,
        policies: Policies,
        grants: Grants,
        directory: Callable[[], Directory],
        upstreams: Mapping[str, Upstream],
        listeners: Sequence[Listener],
    ) -> None:
        self.one_at_a_time = asyncio.Lock()
        self._policies = policies
        self._grants = grants
        self._directory = directory
        self._upstreams = upstreams
        self._listeners = listeners
        self._compiled: Compiled | None = None

    def source(self, now: int, cluster: str | None = None) -> Source:
        """What is asked. now: ms since the epoch. cluster: where it is known what groups read, by one of its names."""
        snapshot, directory = self._policies.current(), self._directory()
        users = {provider: tuple(users.by_name.values()) for provider, users in directory.users.items()}
        clusters, inferred = self._clusters(cluster)
        world = World(
            compiled=self._compile(snapshot.document),
            now=now,
            epoch=snapshot.epoch,
            temporary=expected(self._grants.all),
            inferred=inferred,
            clusters=clusters,
        )
        return Source(
            policy=self._policies.path,
            document=snapshot.document,
            world=world,
            people=tuple(people_of(self._listeners, users, directory.groups, snapshot.document)),
        )

    def _compile(self, document: Document) -> Compiled:
        if self._compiled is None or self._compiled.document is not document:
            self._compiled = Compiled(document)
        return self._compiled

    def _clusters(self, wanted: str | None) -> tuple[tuple[Cluster, ...], Mapping[str, frozenset[str]] | None]:
        clusters, inferred = [], None
        for name, upstream in self._upstreams.items():
            picture = upstream.cluster.picture
            if picture is None:
                continue
            names, read = upstream.standings.known(picture)
            clusters.append(Cluster(name, names))
            if wanted in names:
                inferred = read
        return tuple(clusters), inferred
