"""Inspections of all clusters of a Kordon."""

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from typing import Final

from kordon_proxy.config.clusters import Cluster, SchemaRegistry
from kordon_proxy.upstream import own_reach

from .asked import Inspection
from .bounds import DEFAULT, Bounds
from .brokers import Brokers
from .errors import Busy
from .found import Inspected
from .process import FindSchema
from .reader import Reader
from .registry import Registry

AT_ONCE: Final = 4
"""Inspections of one Kordon at the same time: each has a process of its own."""


class Inspector:
    """Reads with Kordon's own credentials. Whether somebody may is for the caller to judge, and to audit, before.

    registries: by the names of clusters, as `Config.registries` has them.
    """

    def __init__(
        self,
        clusters: Iterable[Cluster],
        registries: Mapping[str, SchemaRegistry] | None = None,
        *,
        bounds: Bounds = DEFAULT,
        at_once: int = AT_ONCE,
    ) -> None:
        self._clusters: Mapping[str, Cluster] = {one.name: one for one in clusters}
        self._registries = {name: Registry(settings) for name, settings in (registries or {}).items()}
        self._bounds = bounds
        self._left = at_once
        self._of_one = max(1, at_once // 2)
        self._asking: Counter[str] = Counter()

    async def read(self, cluster: str, inspection: Inspection, *, by: str = "") -> Inspected:
        """Read records of a topic of this cluster. by: who asks, who has not more than half of what there is.

        No group is joined, nothing is committed, no topic is created. Raises Unusable, NotThere, Busy, Unreachable; all
        of them are InspectionError. KeyError for a cluster that is not configured.
        """
        settings = self._clusters[cluster]
        if not self._left:
            raise Busy("too many inspections run at the same time: try again in some seconds")
        if by and self._asking[by] >= self._of_one:
            raise Busy(f"{self._of_one} inspections of yours run already: try again when one is over")
        self._left -= 1
        self._asking[by] += 1
        try:
            async with AsyncExitStack() as stack:
                brokers = await stack.enter_async_context(_brokers(settings, inspection))
                find: FindSchema | None = None
                if (registry := self._registries.get(cluster)) is not None:
                    find = (await stack.enter_async_context(registry.session(inspection.topic))).find
                return await Reader(brokers, inspection, self._bounds, find).read()
        finally:
            self._left += 1
            self._asking[by] -= 1
            self._asking += Counter()  # forgets who asks for nothing


def _brokers(cluster: Cluster, inspection: Inspection) -> Brokers:
    addresses = [(one.host, one.port) for one in cluster.bootstrap]
    return Brokers(own_reach(cluster), addresses, inspection.topic, committed=inspection.committed)
