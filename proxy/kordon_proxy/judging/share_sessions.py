"""The share sessions behind one connection (KIP-932), since their requests say only what has changed.

The broker keys a session by group and member, and lets any connection go on with it that knows these and its epoch.
Here only the connection that opened it does.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from .recent_members import RecentMembers

if TYPE_CHECKING:
    from .may import Refusal

INITIAL: Final = 0
"""The epoch of a request that opens a session, in place of the one that there may be."""
FINAL: Final = -1
"""The epoch of a request that closes it (`ShareRequestMetadata` of Kafka's client library)."""

MOST_PARTITIONS: Final = 10_000
"""In one session: clients choose them, whether they exist or not, and each that is refused is in every answer."""

Partitions = dict[UUID | None, list[int]]
"""Topic id -> partitions."""


@dataclass(slots=True, eq=False)
class ShareSession:
    """What the client has in its session. The broker has the same without the topics that are refused."""

    topics: dict[UUID | None, set[int]] = field(default_factory=dict)
    """Topic id -> partitions."""
    refused: "dict[UUID | None, Refusal]" = field(default_factory=dict)
    """Those of the topics that the broker is not asked for."""
    judged: tuple[object, int] | None = None
    """Standing and version of the picture under which all of them were judged."""

    def is_served(self, topic: UUID | None) -> bool:
        """Whether the broker has the topic in its session."""
        return topic in self.topics and topic not in self.refused

    def settle(self, judged: "Mapping[UUID | None, Refusal | None]") -> tuple[Partitions, Partitions]:
        """Take what was said of topics, which may not be in the session yet.

        Returns what the broker has to forget of the session, and what it has to add to it.
        """
        gone = {topic: sorted(self.topics[topic]) for topic in judged if judged[topic] and self.is_served(topic)}
        come = {topic: sorted(self.topics[topic]) for topic in judged if not judged[topic] and topic in self.refused}
        for topic, refusal in judged.items():
            if refusal is None:
                self.refused.pop(topic, None)
            else:
                self.refused[topic] = refusal
        return gone, come

    def add(self, entries: Iterable[Any]) -> None:
        """Take what a request names: entries with topic id and partitions. What was said of them was taken before."""
        for entry in entries:
            if entry.partitions:
                indexes = self.topics.setdefault(entry.topic_id, set())
                indexes.update(part.partition_index for part in entry.partitions)
            elif entry.topic_id not in self.topics:
                self.refused.pop(entry.topic_id, None)

    def forget(self, entries: Iterable[Any]) -> None:
        """Leave out what a request forgets."""
        for entry in entries:
            left = self.topics.get(entry.topic_id)
            if left is not None:
                left.difference_update(entry.partitions)
                if not left:
                    del self.topics[entry.topic_id]
                    self.refused.pop(entry.topic_id, None)

    def size_with(self, entries: Iterable[Any]) -> int:
        """How many partitions it would have with what a request names."""
        new = sum(len(entry.partitions) - self._known(entry) for entry in entries)
        return new + sum(map(len, self.topics.values()))

    def _known(self, entry: Any) -> int:
        known = self.topics.get(entry.topic_id, ())
        return sum(part.partition_index in known for part in entry.partitions)


class ShareSessions(RecentMembers[ShareSession]):
    """The sessions that this connection opened. The client of one that is forgotten is told to start again."""

    __slots__ = ()

    def end(self, group: str, member: str, session: ShareSession) -> None:
        """Forget this very session; one that was opened in its place goes on."""
        if self.get(group, member) is session:
            self.forget(group, member)
