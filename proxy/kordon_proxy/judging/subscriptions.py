"""What the members behind one connection subscribe to (KIP-848), since their heartbeats say only what has changed.

A pattern is evaluated here, over the view, and never sent on: the coordinator would evaluate it over every topic of
the cluster, with the rights of Kordon's own principal.
"""

from dataclasses import dataclass
from typing import Any, Final

from .patterns import Pattern
from .recent_members import RecentMembers

NAMES: Final = 100_000
"""Names kept per connection. Clients choose them, whether they exist or not."""
LONGEST: Final = 249
"""Letters of a topic's name (`Topic.MAX_NAME_LENGTH` of Kafka). There is none for what is longer, and never will be."""


@dataclass(slots=True, eq=False)
class Subscription:
    """One member. What the client said, what the coordinator was told of it, and the same for the way back."""

    names: tuple[str, ...] | None = None
    """All that the client named and that may come to be a topic, visible or not; None: it has not said on this
    connection."""
    pattern: Pattern | None = None
    sent: tuple[str, ...] | None = None
    """The names that the coordinator has; None: not known."""
    judged: tuple[object, int] | None = None
    """Standing and version of the picture under which they were found."""
    assigned: tuple[Any, ...] | None = None
    """The whole assignment, as the coordinator gave it last; None: not known."""
    shown: tuple[Any, ...] | None = None
    """The part of it that the client was told."""

    def subscribe(self, names: tuple[str, ...] | None, pattern: Pattern | None) -> None:
        """Take what the client said; names of None are those that it said before."""
        self.names = (self.names or ()) if names is None else tuple(name for name in names if len(name) <= LONGEST)
        self.pattern = pattern
        self.sent = None


class Subscriptions(RecentMembers[Subscription]):
    """Those of the members behind one connection. One that is forgotten is asked to say everything again."""

    def keep(self, group: str, member: str, known: Subscription) -> None:
        super().keep(group, member, known)
        while len(self) > 1 and sum(len(one.names or ()) for one in self._members.values()) > NAMES:
            self._members.popitem(last=False)
