"""Authorized-operations bit fields (KIP-430): what this tenant's policy allows, never more than the cluster says.

Pure functions for the answers that carry such a field. `1 << code` of Kafka's `AclOperation`.
"""

from typing import Final

from kordon_policy.actions import Action, Kind

from .may import Access, May
from .placement import sees_placement

NOT_ASKED: Final = -(2**31)
"""What Kafka writes when the client did not ask for the field."""

ALL: Final = 2**31 - 1
"""In place of what the cluster says, where no broker was asked."""
READ: Final = 1 << 3
WRITE: Final = 1 << 4
CREATE: Final = 1 << 5
DELETE: Final = 1 << 6
ALTER: Final = 1 << 7
DESCRIBE: Final = 1 << 8
DESCRIBE_CONFIGS: Final = 1 << 10
ALTER_CONFIGS: Final = 1 << 11
IDEMPOTENT_WRITE: Final = 1 << 12

SEEN: Final = DESCRIBE | DESCRIBE_CONFIGS
"""Seeing needs no action, so whatever is in the view can be described."""
TOPIC_BITS: Final = (
    (Action.TOPIC_INSPECT, READ),
    (Action.TOPIC_PRODUCE, WRITE),
    (Action.TOPIC_EDIT, ALTER | ALTER_CONFIGS),
    (Action.TOPIC_DELETE, DELETE),
)
GROUP_BITS: Final = (
    (Action.GROUP_CONSUME, READ),
    (Action.GROUP_EDIT, ALTER_CONFIGS),
    (Action.GROUP_DELETE, DELETE),
)
CLUSTER_EDIT: Final = DESCRIBE | ALTER | DESCRIBE_CONFIGS | ALTER_CONFIGS


def topic_operations(may: May, name: str, upstream: int) -> int:
    """The bits of one topic. Nothing for a topic outside the view."""
    if upstream == NOT_ASKED:
        return upstream
    if not may.sees(Kind.TOPIC, name):
        return 0
    own = SEEN | _allowed(may, Kind.TOPIC, name, TOPIC_BITS)
    if _may_create(may, name):
        own |= CREATE
    return upstream & own


def group_operations(may: May, name: str, upstream: int) -> int:
    """The bits of one group, of any type. Nothing for a group outside the view."""
    if upstream == NOT_ASKED:
        return upstream
    if not may.sees(Kind.GROUP, name):
        return 0
    return upstream & (SEEN | _allowed(may, Kind.GROUP, name, GROUP_BITS))


def cluster_operations(may: May, upstream: int) -> int:
    """The bits of the cluster. Never CREATE, which would be for any name, nor CLUSTER_ACTION, which is for brokers."""
    if upstream == NOT_ASKED:
        return upstream
    own = CLUSTER_EDIT if sees_placement(may) else 0
    if may.any_topic(Action.TOPIC_PRODUCE).allowed:
        own |= IDEMPOTENT_WRITE
    return upstream & own


def _allowed(may: May, kind: Kind, name: str, bits: tuple[tuple[Action, int], ...]) -> int:
    found = 0
    for action, bit in bits:
        if may.is_allowed(action, kind, name):
            found |= bit
    return found


def _may_create(may: May, name: str) -> bool:
    """As creating does, this asks the view without what is inferred."""
    return may.standing.ruling(Action.TOPIC_CREATE, Kind.TOPIC, name, explicit=True).access is Access.ALLOWED
