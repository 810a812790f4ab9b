"""What the audit says of an inspection: which records were looked at, by which filter, and never what they say."""

from typing import Any, Final

from .asked import AtOffset, AtTime, Earliest, Inspection, Start
from .found import Inspected

MOST_PARTITIONS: Final = 100
"""Partitions that one event names."""


def asked_parameters(inspection: Inspection) -> dict[str, Any]:
    """The parameters of an event before anything is read, and of one about an inspection that came to nothing."""
    return {
        "topic": inspection.topic,
        "partition": "all" if inspection.partition is None else inspection.partition,
        "start": _start(inspection.start),
        "count": inspection.count,
        "committed": inspection.committed,
        "filter": inspection.filter,
    }


def read_parameters(inspection: Inspection, inspected: Inspected) -> dict[str, Any]:
    """The parameters of an event about what was read.

    `read` has, by the number of each partition of which something was looked at, the offsets from the first up to the
    next one, and how many records are shown; `bytes` is what these have.
    """
    looked_at = [one for one in inspected.partitions if one.next_offset > one.first_offset]
    read = {
        str(one.partition): {"first_offset": one.first_offset, "next_offset": one.next_offset, "records": one.found}
        for one in looked_at[:MOST_PARTITIONS]
    }
    more = {"more_partitions": len(looked_at) - len(read)} if len(looked_at) > len(read) else {}
    return {
        **asked_parameters(inspection),
        "read": read,
        **more,
        "records": len(inspected.found),
        "scanned": inspected.scanned,
        "bytes": sum(one.size for one in inspected.found),
        "stopped": str(inspected.stopped),
    }


def _start(start: Start) -> str:
    match start:
        case AtOffset(offset):
            return f"offset {offset}"
        case AtTime(milliseconds):
            return f"time {milliseconds}"
        case Earliest():
            return "earliest"
        case _:
            return "latest"
