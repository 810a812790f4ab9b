"""What consumers tell each other through the coordinator: subscriptions and assignments of every format version."""

from importlib import import_module
from typing import Any

from kordon_protocol.codec import encode
from kordon_proxy.judging.entries import make, struct_type


def a_subscription(*topics: str, version: int = 3, user_data: bytes | None = b"mine") -> bytes:
    """To these topics, all of which are owned as well where the version says so."""
    module = import_module(f"kio.schema.consumer_protocol_subscription.v{version}.data")
    entity = module.ConsumerProtocolSubscription
    values: dict[str, Any] = {"topics": topics, "user_data": user_data}
    if version > 0:
        owned = struct_type(entity, "owned_partitions")
        values["owned_partitions"] = tuple(make(owned, topic=name, partitions=(0,)) for name in topics)
    return version.to_bytes(2, "big") + encode(make(entity, **values))


def an_assignment(*topics: str, version: int = 3, user_data: bytes | None = b"mine") -> bytes:
    """Of two partitions of each of these topics."""
    module = import_module(f"kio.schema.consumer_protocol_assignment.v{version}.data")
    entity = module.ConsumerProtocolAssignment
    part = struct_type(entity, "assigned_partitions")
    parts = tuple(make(part, topic=name, partitions=(0, 1)) for name in topics)
    return version.to_bytes(2, "big") + encode(make(entity, assigned_partitions=parts, user_data=user_data))
