"""What a connection must remember between requests, because the protocol leaves it out of them."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final

from .share_sessions import ShareSessions
from .streams_members import StreamsMembers
from .subscriptions import Subscriptions

FETCH_SESSIONS: Final = 16
"""Fetch sessions kept per connection; clients use one. The oldest goes, and its client is told to start again."""
SESSION_PARTITIONS: Final = 100_000
"""Partitions in one of them: clients choose them, whether they exist or not. More are fetched without a session."""


@dataclass(slots=True)
class FetchSession:
    """Which partitions the broker serves in one fetch session (KIP-227), and under which standing they were judged."""

    standing: object
    topics: dict[Hashable, set[int]] = field(default_factory=dict)
    """Topic name or id -> partitions."""
    size: int = 0
    """How many partitions these are."""

    def add(self, topic: Hashable, partitions: set[int]) -> None:
        before = self.topics.setdefault(topic, set())
        self.size += len(partitions - before)
        before |= partitions

    def forget(self, topic: Hashable, partitions: set[int]) -> None:
        left = self.topics.get(topic)
        if left is not None:
            self.size -= len(partitions & left)
            left -= partitions
            if not left:
                del self.topics[topic]


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
        if len(self._sessions) > FETCH_SESSIONS:
            del self._sessions[next(iter(self._sessions))]

    def end(self, session_id: int) -> bool:
        """Whether it was one of ours."""
        return self._sessions.pop(session_id, None) is not None


class Connection:
    """State of one client connection that judges read and change. Everything in it is bounded, and made when needed."""

    __slots__ = ("_fetch_sessions", "_share_sessions", "_streams_members", "_subscriptions", "broker_id")

    def __init__(self, broker_id: int | None = None) -> None:
        self.broker_id = broker_id
        """The broker that the connection leads to; None where it may be any."""
        self._fetch_sessions: FetchSessions | None = None
        self._share_sessions: ShareSessions | None = None
        self._streams_members: StreamsMembers | None = None
        self._subscriptions: Subscriptions | None = None

    @property
    def fetch_sessions(self) -> FetchSessions:
        if self._fetch_sessions is None:
            self._fetch_sessions = FetchSessions()
        return self._fetch_sessions

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
