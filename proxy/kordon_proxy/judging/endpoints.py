"""Leader hints in Produce and Fetch answers (KIP-951): node ids stay, addresses become Kordon's."""

from dataclasses import replace
from typing import Any

from .may import May


def at_our_addresses(response: Any, may: May) -> Any:
    """The response with every node endpoint at Kordon's address; the same object when it has none. Racks stay."""
    endpoints = getattr(response, "node_endpoints", ())
    if not endpoints:
        return response
    return replace(response, node_endpoints=tuple(moved(endpoint, may) for endpoint in endpoints))


def moved(node: Any, may: May) -> Any:
    """A value with node_id, host and port, at Kordon's address."""
    host, port = may.cluster.address(node.node_id)
    return replace(node, host=host, port=port)
