"""What brokers say of a Streams group that is not well: a code, and details that name topics and members.

Details are kept where every topic in them may be seen, and else replaced by a text that says the same of no topic in
particular. A code or a form that is not known here says nothing more than its code.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

# `StreamsGroupHeartbeatResponse.Status` of Kafka's client library.
STALE_TOPOLOGY: Final = 0
MISSING_SOURCES: Final = 1
WRONG_PARTITIONS: Final = 2
MISSING_INTERNAL: Final = 3
SHUTDOWN: Final = 4
DELAYED: Final = 5

CONSTANT: Final[Mapping[int, str]] = {
    STALE_TOPOLOGY: "The topology of the member is behind that of the group.",
    MISSING_SOURCES: "Source topics are missing.",
    WRONG_PARTITIONS: "Topics have numbers of partitions that do not fit.",
    MISSING_INTERNAL: "Internal topics are missing",
    SHUTDOWN: "A member has asked for a shutdown of the whole application.",
    DELAYED: "The assignment is delayed.",
}
UNKNOWN: Final = "The group is not ready."

SHOWN: Final = 3
"""Topics that are named before brokers count the rest (`InternalTopicManager.summarizeTopics`)."""
TOPIC: Final = r"[\w.-]+"
TOPICS: Final = rf"{TOPIC}(?:, {TOPIC})*"
MISSING: Final = re.compile(
    rf"Internal topics are missing: (?P<internal>{TOPICS})(?: and (?P<more>\d+ additional topics))?", re.ASCII
)
DETAILS: Final = re.compile(
    r"The member's topology epoch \d+ is behind the group's topology epoch \d+\."
    rf"|Source topics (?P<sources>{TOPICS})(?: and \d+ additional topics)? are missing\."
    rf"|Internal topics are missing: (?P<internal>{TOPICS})(?: and \d+ additional topics)?"
    rf"|Existing topic (?P<existing>{TOPIC}) has different number of partitions: expected \d+, found \d+"
    rf"|Following topics do not have the same number of partitions: \[(?P<copartitioned>{TOPICS})\]"
    r"|Assignment delayed due to the configured (?:initial rebalance delay|assignment interval)\.",
    re.ASCII,
)
"""Details that are shown as they are, if the topics in them may be seen."""
REASON: Final = re.compile(r"(?P<what>; (?:Creation failed|Unauthorized to CREATE))\b.*", re.DOTALL)
"""Why internal topics are still missing. What follows are texts of the controller, or what Kordon itself may not do."""


def told_details(code: int, details: str, may_see: Callable[[str], bool]) -> str:
    """What a client is told in place of a broker's details."""
    reason = REASON.search(details)
    head = details if reason is None else details[: reason.start()]
    told = head if _is_shown(head, may_see) else CONSTANT.get(code, UNKNOWN)
    return told if reason is None else f"{told}{reason['what']}."


def _is_shown(details: str, may_see: Callable[[str], bool]) -> bool:
    found = DETAILS.fullmatch(details)
    return found is not None and all(may_see(name) for names in found.groups() if names for name in names.split(", "))


def missing_sources(names: tuple[str, ...]) -> str:
    """What a broker says of source topics that do not exist; the names are sorted. Without any it says so much."""
    if not names:
        return CONSTANT[MISSING_SOURCES]
    more = len(names) - SHOWN
    shown = ", ".join(names[:SHOWN]) + (f" and {more} additional topics" if more > 0 else "")
    return f"Source topics {shown} are missing."


def creating(response: Any) -> list[str]:
    """The internal topics that a heartbeat's answer calls missing, which so come into being; the first few, and how
    many more. For the audit."""
    return [name for one in response.status or () for name in _missing(one.status_detail)]


def _missing(details: str) -> list[str]:
    found = MISSING.match(details)
    if found is None:
        return []
    return [*found["internal"].split(", "), *filter(None, (found["more"],))]
