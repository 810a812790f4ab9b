"""Members of a consumer group, over plain sockets."""

import time
from typing import Any, Final

from kio.schema.errors import ErrorCode

from benchmarks.messages import find_coordinator, join_group, subscription, sync_group
from benchmarks.wire import Connection, Refused

_NOT_YET: Final = (
    ErrorCode.coordinator_load_in_progress,
    ErrorCode.coordinator_not_available,
    ErrorCode.not_coordinator,
)
_PATIENCE: Final = 30.0


def join_alone(connection: Connection, group: str, topic: str) -> tuple[str, int]:
    """Become the one member of a group. Returns the id of the member and the generation."""
    joined = joining(connection, join_group(group, "", subscription(topic)))
    joined = joining(connection, join_group(group, joined.member_id, subscription(topic)))
    connection.ask_message(sync_group(group, joined.member_id, joined.generation_id, {joined.member_id: b""}))
    return joined.member_id, joined.generation_id


def joining(connection: Connection, message: Any) -> Any:
    """The answer to a JoinGroup, once the group has a coordinator. A new member is given its id with an error."""
    # Kafka makes what it coordinates groups with when somebody first looks for a coordinator.
    connection.ask_anything(find_coordinator(message.group_id))
    deadline = time.monotonic() + _PATIENCE
    while (answer := connection.ask_anything(message)).error_code in _NOT_YET and time.monotonic() < deadline:
        time.sleep(0.1)
    if answer.error_code and answer.error_code is not ErrorCode.member_id_required:
        raise Refused(f"JoinGroup: {answer.error_code!r}")
    return answer
