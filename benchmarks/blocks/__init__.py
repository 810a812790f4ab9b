"""All measures, block by block, in the order in which they run."""

from collections.abc import Callable, Mapping
from typing import Final

from benchmarks.blocks.cluster import groups, metadata
from benchmarks.blocks.connections import connections, start
from benchmarks.blocks.growth import growth
from benchmarks.blocks.load import acknowledged, clients, latencies, raw, trips
from benchmarks.blocks.policies import decision, reload
from benchmarks.blocks.workers import workers
from benchmarks.suite import Suite

BLOCKS: Final[Mapping[Callable[[Suite], None], tuple[str, ...]]] = {
    # First, as a runtime that has seen load keeps memory, which hides what an idle connection takes.
    start: ("start",),
    connections: ("connections",),
    clients: ("produce", "consume"),
    acknowledged: ("produce-all",),
    raw: ("raw-produce", "raw-fetch"),
    trips: ("round-trips",),
    latencies: ("latency",),
    metadata: ("metadata",),
    groups: ("rebalance",),
    decision: ("decision",),
    reload: ("reload",),
    workers: ("workers",),
    growth: ("growth",),
}
"""Each block with the measures that it has."""
MEASURES: Final = tuple(name for names in BLOCKS.values() for name in names)
SLOW: Final = frozenset({"produce-all", "rebalance", "reload", "workers", "growth"})
"""What a quick run leaves out, unless it is asked for."""
