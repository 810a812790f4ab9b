"""Let a Fetch answer run through: count what is read, follow its session, put Kordon's addresses into its hints."""

from collections.abc import Collection, Hashable, Iterable, Mapping
from typing import Any, Final

from kordon_protocol.errors import MalformedHeader, ProtocolError
from kordon_protocol.header import response_header
from kordon_protocol.keys import ApiKey
from kordon_protocol.scan import FetchResponseWalker, endpoints_replacement, node_endpoints
from kordon_proxy.judging.connection import FetchSession
from kordon_proxy.judging.may import May

PREFIX: Final = 4
FLEXIBLE: Final = 12
"""The first version whose header ends in tagged fields, of which none is defined."""
WITH_HINTS: Final = 16
"""The first version whose answers end in the addresses of new leaders (KIP-951)."""


class NotAsked(ProtocolError):
    """The broker answers with a topic that the request is not for, so nobody has judged it."""


class FetchStream:
    """One answer on its way.

    topics: names or ids that it may hold: those of the request, or of the session.
    session: what a full request asked to be kept; None for the others.

    The hints stand behind all records, and the length of the answer has left by then, so what replaces them has their
    size.
    """

    def __init__(
        self, request: Any, may: May, topics: Collection[Hashable], session: FetchSession | None = None
    ) -> None:
        version: int = request.__version__
        self._request = request
        self._may = may
        self._topics = topics
        self._session = session
        self._walker = FetchResponseWalker(version)
        self._has_hints = version >= WITH_HINTS
        self._flexible = version >= FLEXIBLE
        self._to_skip = PREFIX + len(response_header(ApiKey.FETCH, version, 0))
        """Bytes before the body that are still to come."""
        self._left: int | None = None
        """Bytes of the frame that are still to come; None until the length is known."""
        self._prefix = b""
        self._position = 0
        """Offset in the body of the next byte."""
        self._tail: list[bytes] = []
        self._followed = False
        self._sizes: dict[Any, int] = {}

    def sizes(self) -> Mapping[str, int]:
        """Topic -> bytes of records in this answer."""
        ids = self._may.picture.ids
        return {
            topic if isinstance(topic, str) else ids.get(topic, str(topic)): size for topic, size in self._sizes.items()
        }

    def runs(self) -> int:
        return self._walker.records_left

    def ran(self, size: int) -> None:
        self._walker.step_over(size)
        self._position += size
        if self._left is not None:
            self._left -= size

    def feed(self, data: bytes) -> Iterable[bytes]:
        self._count_down(data)
        skipped = 0
        if self._to_skip:
            skipped = min(self._to_skip, len(data))
            self._to_skip -= skipped
            if not self._to_skip and self._flexible and data[skipped - 1]:
                raise MalformedHeader("the header of a Fetch answer holds tagged fields that nobody knows")
        for partition in self._walker.feed(data, skipped):
            if partition.topic not in self._topics:
                # The last line of defence: a number that the broker has given to somebody else's session meanwhile.
                raise NotAsked("the broker answered a Fetch with a topic that was not asked for")
            if partition.records_size > 0:
                self._sizes[partition.topic] = self._sizes.get(partition.topic, 0) + partition.records_size
        if not self._followed and self._walker.head is not None:
            self._follow()
        start, self._position = self._position - skipped, self._position + len(data) - skipped
        end_of_topics = self._walker.end_of_topics
        if not self._has_hints or end_of_topics is None:
            return (data,)
        return self._with_hints(data, max(end_of_topics - start, 0))

    def _count_down(self, data: bytes) -> None:
        if self._left is None:
            self._prefix += data
            if len(self._prefix) >= PREFIX:
                self._left = int.from_bytes(self._prefix[:PREFIX], "big") + PREFIX - len(self._prefix)
                self._prefix = b""
        else:
            self._left -= len(data)

    def _follow(self) -> None:
        """Keep up with the session that the answer speaks of."""
        self._followed = True
        head = self._walker.head
        if head is None or self._request.__version__ < 7:
            return
        sessions = self._may.connection.fetch_sessions
        if head.error_code or not head.session_id:
            sessions.end(self._request.session_id)
        elif self._session is not None:
            sessions.start(head.session_id, self._session)

    def _with_hints(self, data: bytes, end: int) -> Iterable[bytes]:
        """`end` is where the topics end in `data`; 0 when that was in an earlier chunk."""
        before = data[:end]
        self._tail.append(data[end:])
        if self._left:
            return (before,)
        section = b"".join(self._tail)
        return (before, self._moved(section))

    def _moved(self, section: bytes) -> bytes:
        if section == b"\0":
            return section
        endpoints = [
            (node.node_id, *self._may.cluster.address(node.node_id), node.rack) for node in node_endpoints(section)
        ]
        return endpoints_replacement(section, endpoints)
