"""What people call that which an API does, or an action lets do."""

from collections.abc import Mapping
from typing import Final

from kordon_policy.actions import Action

Verb = tuple[str, str]
"""What is said of it when it was done, and when somebody wants to do it; what it was done to follows."""

_BY_API: Final[Mapping[str, Verb]] = {
    "OffsetCommit": ("set offsets of", "set offsets of"),
    "TxnOffsetCommit": ("set offsets of", "set offsets of"),
    "OffsetDelete": ("deleted offsets of", "delete offsets of"),
    "AlterShareGroupOffsets": ("set offsets of", "set offsets of"),
    "DeleteShareGroupOffsets": ("deleted offsets of", "delete offsets of"),
    "ScheduledMutation": ("scheduled to move offsets of", "schedule to move offsets of"),
    "DeleteGroups": ("deleted", "delete"),
    "CreateTopics": ("created", "create"),
    "DeleteTopics": ("deleted", "delete"),
    "CreatePartitions": ("added partitions to", "add partitions to"),
    "DeleteRecords": ("deleted records of", "delete records of"),
    "AlterConfigs": ("changed the configuration of", "change the configuration of"),
    "IncrementalAlterConfigs": ("changed the configuration of", "change the configuration of"),
    "AlterPartitionReassignments": ("moved replicas of", "move replicas of"),
    "AlterReplicaLogDirs": ("moved replicas of", "move replicas of"),
    "ElectLeaders": ("had leaders elected of", "have leaders elected of"),
    "CreateAcls": ("created ACLs of", "create ACLs of"),
    "DeleteAcls": ("deleted ACLs of", "delete ACLs of"),
    "AlterClientQuotas": ("changed quotas of", "change quotas of"),
    "AlterUserScramCredentials": ("changed SCRAM credentials of", "change SCRAM credentials of"),
    "UpdateFeatures": ("changed the features of", "change the features of"),
    "UnregisterBroker": ("unregistered", "unregister"),
    "WriteTxnMarkers": ("ended transactions of", "end transactions of"),
}
"""APIs that do one thing, by the names in events."""

_BY_ACTION: Final[Mapping[str, Verb]] = {
    Action.TOPIC_INSPECT: ("read", "read"),
    Action.TOPIC_DATA_QUERY: ("read", "read"),
    Action.TOPIC_DATA_DOWNLOAD: ("downloaded", "download"),
    Action.TOPIC_PRODUCE: ("wrote to", "write to"),
    Action.TOPIC_CREATE: ("created", "create"),
    Action.TOPIC_DELETE: ("deleted", "delete"),
    Action.GROUP_CONSUME: ("consumed in", "consume in"),
    Action.GROUP_DELETE: ("removed members of", "remove members of"),
    Action.TRANSACTION_PRODUCE: ("used", "use"),
    "USE_API": ("used an API of", "use an API of"),
}
"""Actions that more than one API needs."""


def verb_of(api: str | None, action: str | None) -> Verb:
    """Return what is said of it. What has no verb of its own is called by its action."""
    known = _BY_API.get(api or "") or _BY_ACTION.get(action or "")
    name = action or api or "something"
    return known or (f"did {name} on", f"do {name} on")
