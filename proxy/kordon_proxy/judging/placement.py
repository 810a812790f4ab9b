"""Which brokers hold a topic's data: more than the topic's own affair, so it needs `BROKER_EDIT` on every broker."""

from typing import Final

from kio.schema.errors import ErrorCode

from .brokers import is_editable, may_edit
from .may import EVERY_BROKER, May, Refusal

THROTTLES: Final = frozenset({"leader.replication.throttled.replicas", "follower.replication.throttled.replicas"})
"""Topic configurations that list pairs of partition and broker."""
REMOTE_STORAGE: Final = "remote."


def is_placement(key: str) -> bool:
    """Whether a topic configuration decides where data lies: replica throttles and remote storage (KIP-405)."""
    return key in THROTTLES or key.startswith(REMOTE_STORAGE)


def may_place(may: May, because: str | None = None) -> Refusal | None:
    """Ask for it, on behalf of a topic: a denial is the topic's authorization error, since Kafka has that one there.

    `because` is said in place of what the policy says.
    """
    refusal = may_edit(may, EVERY_BROKER)
    if refusal is None or refusal.code is not ErrorCode.cluster_authorization_failed:
        return refusal
    text = because or refusal.text or "where replicas lie is decided by who has BROKER_EDIT on every broker"
    return may.told(Refusal(ErrorCode.topic_authorization_failed, text))


def sees_placement(may: May) -> bool:
    """Whether broker settings may be shown. Not noted: nobody asked for them by name."""
    return is_editable(may, EVERY_BROKER)
