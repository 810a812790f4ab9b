"""What a connection must remember between requests, because the protocol leaves it out of them."""

from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from .producers import Producers
from .share_sessions import ShareSessions
from .streams_members import StreamsMembers
from .subscriptions import Subscriptions

FETCH_SESSIONS: Final = 16
"""Fetch sessions kept per connection; clients use one. The oldest goes, and its client is told to start again."""
SESSION_PARTITIONS: Final = 100_000
"""Partitions in all of them: clients choose them, whether they exist or not. More are fetched without a session."""
LETTERS: Final = 100
"""Of a name that take as much room as a partition."""

Partitions = Iterable[tuple[Hashable, Collection[int]]]
"""Topic names or ids with partitions; a topic may come more than once."""


class FetchSession:
    """Which partitions the broker serves in one fetch session (KIP-227), and under which standing they were judged."""

    __slots__ = ("size", "standing", "topics")

    def __init__(self, standing: object, partitions: Partitions = ()) -> None:
        self.standing = standing
        self.topics: Mapping[Hashable, frozenset[int]] = {}
        """By topic name or id. It is replaced and never changed: an answer on its way may hold what has been forgotten
        meanwhile."""
        self.size = 0
        """How many partitions these are. A long name counts as some more."""
        self.add(partitions)

    def add(self, partitions: Partitions) -> None:
        new: dict[Hashable, frozenset[int]] = {}
        for topic, indexes in partitions:
            before = new.get(topic) or self.topics.get(topic, frozenset())
            if not before.issuperset(indexes):  # mostly they are known, and only their offsets have moved
                new[topic] = before.union(indexes)
        if new:
            self._replace({**self.topics, **new})

    def forget(self, partitions: Partitions) -> None:
        left: dict[Hashable, frozenset[int]] = {}
        for topic, indexes in partitions:
            before = left[topic] if topic in left else self.topics.get(topic)
            if before is not None:
                left[topic] = before.difference(indexes)
        if left:
            self._replace({topic: indexes for topic, indexes in {**self.topics, **left}.items() if indexes})

    def _replace(self, topics: Mapping[Hashable, frozenset[int]]) -> None:
        self.topics = topics
        self.size = sum(len(indexes) + _weight(topic) for topic, indexes in topics.items())


def _weight(topic: Hashable) -> int:
    """What the name weighs: clients choose it, too, and it may have thirty thousand letters."""
    return len(topic) // LETTERS if isinstance(topic, str) else 0


@dataclass(slots=True)
class FetchSessions:
    """The sessions that this connection started. The broker ties them to nobody, so Kordon ties them to it."""

    _sessions: dict[int, FetchSession] = field(default_factory=dict)
    """Oldest first."""

    def get(self, session_id: int) -> FetchSession | None:
        return self._sessions.get(session_id)

    def start(self, session_id: int, session: FetchSession) -> None:
        self._sessions.pop(session_id, None)
        self._sessions[session_id] = session
        self.make_room()

    def make_room(self) -> None:
        """End the oldest sessions while there are too many, or while they hold too many partitions together."""
        size = sum(session.size for session in self._sessions.values())
        while len(self._sessions) > FETCH_SESSIONS or size > SESSION_PARTITIONS:
            size -= self._sessions.pop(next(iter(self._sessions))).size

    def end(self, session_id: int) -> bool:
        """Whether it was one of ours."""
        return self._sessions.pop(session_id, None) is not None


class Connection:
    """State of one client connection that judges read and change. Everything in it is bounded, and made when needed."""

    __slots__ = ("_fetch_sessions", "_producers", "_share_sessions", "_streams_members", "_subscriptions", "broker_id")

    def __init__(self, broker_id: int | None = None) -> None:
        self.broker_id = broker_id
        """The broker that the connection leads to; None where it may be any."""
        self._fetch_sessions: FetchSessions | None = None
        self._producers: Producers | None = None
        self._share_sessions: ShareSessions | None = None
        self._streams_members: StreamsMembers | None = None
        self._subscriptions: Subscriptions | None = None

    @property
    def fetch_sessions(self) -> FetchSessions:
        if self._fetch_sessions is None:
            self._fetch_sessions = FetchSessions()
        return self._fetch_sessions

    @property
    def producers(self) -> Producers:
        if self._producers is None:
            self._producers = Producers()
        return self._producers

    @property
    def streams_members(self) -> StreamsMembers:
        if self._streams_members is None:
            self._streams_members = StreamsMembers()
        return self._streams_members

    @property
    def share_sessions(self) -> ShareSessions:
        if self._share_sessions is None:
            self._share_sessions = ShareSessions()
        return self._share_sessions

    @property
    def subscriptions(self) -> Subscriptions:
        if self._subscriptions is None:
            self._subscriptions = Subscriptions()
        return self._subscriptions
