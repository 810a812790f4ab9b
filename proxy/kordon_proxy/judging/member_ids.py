"""Member ids as others than the member are told them: without their end.

The coordinator takes whoever knows a member's id for that member: to leave, to join again, to commit. An id that
nobody else learns is a proof that survives a new connection, another coordinator and another Kordon, and Kordon has
nothing to remember for it. So only whoever may remove members anyway (GROUP_DELETE) is told ids whole; the beginning
is left for people, who compare it with the log of an application.
"""

from collections.abc import Callable
from typing import Final

from kordon_policy.actions import Action, Kind

from .may import May

HIDDEN: Final = 12
"""Letters at the end that are not told: 48 bits of a UUID in hexadecimal digits, 68 of one in base 64."""
MASK: Final = "*" * HIDDEN


def masked(member_id: str) -> str:
    """The id without its end. The empty id, which is none, stays."""
    return member_id[:-HIDDEN] + MASK if member_id else ""


def is_masked(member_id: str) -> bool:
    """Whether somebody says an id as he was told it of another member."""
    return member_id.endswith(MASK)


def knows_ids(may: May, group: str) -> bool:
    """Whether the ids of the group's members are told whole."""
    return may.is_allowed(Action.GROUP_DELETE, Kind.GROUP, group)


def told(may: May, group: str) -> Callable[[str], str]:
    """How the ids of other members of the group are told."""
    return str if knows_ids(may, group) else masked
