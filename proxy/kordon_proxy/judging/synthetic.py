"""The synthetic cluster of a tenant as one listener shows it: its own cluster id, the brokers at Kordon's addresses."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, eq=False)
class SyntheticCluster:
    """Broker ids are the real ones; no real address is known here at all."""

    cluster_id: str
    address: Callable[[int], tuple[str, int]]
    """Host and port of a broker id. A broker for which there is no port left has ("", -1), as Kafka writes a missing
    node."""
    heads: dict[int, tuple[bytes, bytes]] = field(default_factory=dict, repr=False)
    """For each version of Metadata how the brokers' answer began last, and what came in its place."""
