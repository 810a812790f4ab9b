"""Let a ShareFetch answer run through: count what is read, and put Kordon's texts and addresses into it.

The broker knows a share session by names that a client chooses. Should it ever answer from another session than this
connection's, the first topic that this group may not read ends the connection, before a byte of it has left.

The length of the answer leaves first. So whatever is replaced keeps its length: texts are clipped or filled up, and
addresses as in `share_endpoints_replacement`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final
from uuid import UUID

from kio.schema.errors import ErrorCode

from kordon_policy.actions import Action, Kind
from kordon_protocol.errors import MalformedBody, MalformedHeader
from kordon_protocol.scan import ShareFetchWalker, Text, share_endpoints, share_endpoints_replacement
from kordon_proxy.judging.group_topics import usable_by
from kordon_proxy.judging.may import May
from kordon_proxy.judging.texts import constant_text

PREFIX: Final = 4
HEAD: Final = PREFIX + 4 + 1
"""The length, the correlation id, and the tagged fields of the header, of which none is defined."""
MOST_HELD: Final = 1 << 20
"""Bytes of one piece of structure. The largest in real answers is a text."""
NO_NODES: Final = b"\x01\x00"
"""The end of an answer without addresses."""


def may_read(may: May, group: str) -> Callable[[UUID | None], bool]:
    """Whether this group may read a topic with that id. Not noted: an answer is no question."""
    ids, usable = may.picture.ids, usable_by(may, group)

    def is_readable(topic_id: UUID | None) -> bool:
        name = None if topic_id is None else ids.get(topic_id)
        return name is not None and usable(name) and may.is_allowed(Action.TOPIC_INSPECT, Kind.TOPIC, name)

    return is_readable


class ShareFetchStream:
    """One answer on its way. `failed` is called when it turns out to be an error as a whole."""

    def __init__(self, may: May, group: str, failed: Callable[[], None]) -> None:
        self._may = may
        self._readable = may_read(may, group)
        self._failed = failed
        self._walker = ShareFetchWalker(self._check)
        self._total: int | None = None
        """Bytes of the frame with its length; None until that is known."""
        self._passed = 0
        """Bytes of the frame that have left."""
        self._held = b""
        """What has come and is not understood yet."""

    def runs(self) -> int:
        return 0

    def ran(self, size: int) -> None:
        assert size <= self.runs()

    def sizes(self) -> Mapping[str, int]:
        """Topic -> bytes of records in this answer."""
        ids = self._may.picture.ids
        return {
            str(topic) if topic is None else ids.get(topic, str(topic)): size
            for topic, size in self._walker.sizes.items()
        }

    def _check(self, topic: UUID | None) -> None:
        if not self._readable(topic):
            raise MalformedBody(f"a ShareFetch answer holds topic {topic}, which this group may not read")

    def feed(self, data: bytes) -> Iterable[bytes]:
        buffer = self._held + data if self._held else data
        start = 0
        if self._total is None:
            if len(buffer) < HEAD:
                self._held = buffer
                return ()
            self._begin(buffer)
            start = HEAD
        end, texts = self._walk(buffer, start)
        piece = buffer if end == len(buffer) else buffer[:end]
        if texts:
            piece = _with_own_texts(piece, texts)
        if self._passed + len(buffer) == self._total:
            return (piece, self._end(buffer[end:]))
        self._held = buffer[end:]
        if len(self._held) > MOST_HELD:
            raise MalformedBody(f"more than {MOST_HELD} bytes between two partitions")
        self._passed += end
        return (piece,) if piece else ()

    def _begin(self, buffer: bytes) -> None:
        self._total = int.from_bytes(buffer[:PREFIX], "big") + PREFIX
        if buffer[HEAD - 1]:
            raise MalformedHeader("the header of a ShareFetch answer holds tagged fields that nobody knows")

    def _walk(self, buffer: bytes, start: int) -> tuple[int, list[Text]]:
        began = self._walker.error_code is not None
        end, texts = self._walker.walk(buffer, start)
        if not began and self._walker.error_code:
            self._failed()
        return end, texts

    def _end(self, section: bytes) -> bytes:
        """What leaves in place of the section behind the topics."""
        if not self._walker.done:
            raise MalformedBody("a ShareFetch answer is cut off")
        if section == NO_NODES:
            return section
        nodes = [
            (node.node_id, *self._may.cluster.address(node.node_id), node.rack) for node in share_endpoints(section)
        ]
        return share_endpoints_replacement(section, nodes)


def _with_own_texts(piece: bytes, texts: Iterable[Text]) -> bytes:
    changed = bytearray(piece)
    for text in texts:
        size = text.end - text.start
        changed[text.start : text.end] = text_of_code(text.error_code).encode()[:size].ljust(size)
    return bytes(changed)


def text_of_code(code: int) -> str:
    """Kafka's constant text; an empty one for no error, and for a code that nobody knows."""
    try:
        return constant_text(ErrorCode(code)) or ""
    except ValueError:
        return ""
