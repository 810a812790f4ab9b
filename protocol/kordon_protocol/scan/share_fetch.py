"""Walk a ShareFetch response (ShareFetchResponse.json, versions 1 and 2) while it runs through, in chunks of any size.

It has the shape of a Fetch response and more in each piece: free texts of the broker before the records, the records
that the member has acquired behind them, and addresses of new leaders (KIP-951) as an ordinary field at the end.

Record bytes are stepped over by their length. The walker keeps nothing: it says how far it has understood, and whoever
feeds it brings the rest again. So nothing has to leave before it is known what it is.
"""

from collections.abc import Callable, Iterable
from struct import Struct
from typing import Final, NamedTuple, TypeAlias
from uuid import UUID

from kordon_protocol.errors import MalformedBody
from kordon_protocol.scan.endpoints import endpoints_replacement
from kordon_protocol.scan.pieces import (
    CUT_OFF,
    Endpoint,
    compact_length,
    count_of,
    encode_endpoint,
    endpoint,
    step_over,
    tags,
    topic_id,
)
from kordon_protocol.varints import Buffer, encode_varint

_INT32: Final = Struct(">i")
_CODE: Final = Struct(">h")
_HEAD: Final = Struct(">ih")  # throttle time, error code
_PARTITION: Final = Struct(">ih")  # index, error code
_LEADER_SIZE: Final = 8  # of the current leader: its id and its epoch
_ACQUIRED_SIZE: Final = 18  # of acquired records: two offsets and a delivery count

_Step: TypeAlias = Callable[["ShareFetchWalker", Buffer, int], int]


class Text(NamedTuple):
    """A free text of the broker: where its bytes stand in the buffer that was walked, and the code it explains."""

    start: int
    end: int
    error_code: int


class ShareFetchWalker:
    """Walks one response. It begins with the first byte of the body (what follows the header of the response).

    seen: is told of each topic (its id, None for the zero id) before its bytes count as understood, and raises what it
    likes.
    """

    def __init__(self, seen: Callable[[UUID | None], None]) -> None:
        self.error_code: int | None = None
        """Of the response as a whole; None until it was read."""
        self.done = False
        """The last topic was read. What follows is the section that `share_endpoints` reads."""
        self.sizes: dict[UUID | None, int] = {}
        """Topic -> bytes of records that have come or are about to."""
        self._seen = seen
        self._step: _Step = ShareFetchWalker._read_head  # a bound method would be a cycle
        self._skip = 0  # bytes of records that are still to come
        self._topics_left = 0
        self._partitions_left = 0
        self._acquired_left = 0
        self._topic: UUID | None = None
        self._texts: list[Text] = []

    def walk(self, buffer: Buffer, offset: int = 0) -> tuple[int, list[Text]]:
        """Return up to where the bytes from offset on were understood, and the texts in them.

        The rest is to come again, with more behind it. Raises `MalformedBody`.
        """
        size = len(buffer)
        self._texts = []
        try:
            while True:
                if self._skip:
                    taken = min(self._skip, size - offset)
                    self._skip -= taken
                    offset += taken
                if self._skip or self.done:
                    break
                offset = self._step(self, buffer, offset)
        except CUT_OFF:
            pass
        return offset, self._texts

    # The steps. Each reads one piece of structure and chooses the next step. One that raises has changed nothing, so
    # that it can be tried again when more bytes are there.

    def _read_head(self, buffer: Buffer, offset: int) -> int:
        _, error_code = _HEAD.unpack_from(buffer, offset)
        text, offset = _text(buffer, offset + _HEAD.size, error_code)
        count, offset = count_of(compact_length, buffer, offset + _INT32.size)  # behind the lock's timeout
        self._texts += text
        self.error_code, self._topics_left = error_code, count
        self._next_topic()
        return offset

    def _next_topic(self) -> None:
        if self._topics_left:
            self._step = ShareFetchWalker._read_topic
        else:
            self.done = True

    def _read_topic(self, buffer: Buffer, offset: int) -> int:
        topic, offset = topic_id(buffer, offset)
        count, offset = count_of(compact_length, buffer, offset)
        self._seen(topic)
        self._topic, self._partitions_left = topic, count
        self._next_partition()
        return offset

    def _next_partition(self) -> None:
        self._step = ShareFetchWalker._read_partition if self._partitions_left else ShareFetchWalker._end_topic

    def _read_partition(self, buffer: Buffer, offset: int) -> int:
        _, error_code = _PARTITION.unpack_from(buffer, offset)
        text, offset = _text(buffer, offset + _PARTITION.size, error_code)
        (acknowledged,) = _CODE.unpack_from(buffer, offset)
        other, offset = _text(buffer, offset + _CODE.size, acknowledged)
        _, offset = tags(buffer, offset + _LEADER_SIZE)
        size, offset = compact_length(buffer, offset)
        if offset > len(buffer):
            raise IndexError
        self._texts += (*text, *other)
        self._skip = max(size, 0)
        if self._skip:
            self.sizes[self._topic] = self.sizes.get(self._topic, 0) + self._skip
        self._step = ShareFetchWalker._read_acquired
        return offset

    def _read_acquired(self, buffer: Buffer, offset: int) -> int:
        self._acquired_left, offset = count_of(compact_length, buffer, offset)
        self._step = ShareFetchWalker._step_over_acquired
        return offset

    def _step_over_acquired(self, buffer: Buffer, offset: int) -> int:
        """Step over the acquired records that are there, and be called again for the others."""
        self._acquired_left, offset = step_over(self._acquired_left, _ACQUIRED_SIZE, buffer, offset)
        if not self._acquired_left:
            self._step = ShareFetchWalker._end_partition
        return offset

    def _end_partition(self, buffer: Buffer, offset: int) -> int:
        _, offset = tags(buffer, offset)
        self._partitions_left -= 1
        self._next_partition()
        return offset

    def _end_topic(self, buffer: Buffer, offset: int) -> int:
        _, offset = tags(buffer, offset)
        self._topics_left -= 1
        self._next_topic()
        return offset


def _text(buffer: Buffer, offset: int, error_code: int) -> tuple[tuple[Text, ...], int]:
    """Step over a nullable text."""
    size, offset = compact_length(buffer, offset)
    end = offset + max(size, 0)
    if end > len(buffer):
        raise IndexError
    return ((Text(offset, end, error_code),) if size > 0 else ()), end


# --- the end of the response ---


def share_endpoints(section: Buffer) -> tuple[Endpoint, ...]:
    """Read the addresses of new leaders from what follows the topics. Raises `MalformedBody`."""
    try:
        count, offset = count_of(compact_length, section, 0)
        found = []
        for _ in range(count):
            one, offset = endpoint(section, offset, flexible=True)
            found.append(one)
        _, end = tags(section, offset)
    except CUT_OFF:
        raise MalformedBody("node endpoints cut off") from None
    if end != len(section):
        raise MalformedBody(f"a ShareFetch response ends at byte {end} of {len(section)}")
    return tuple(found)


def share_endpoints_replacement(section: Buffer, endpoints: Iterable[tuple[int, str, int, str | None]]) -> bytes:
    """Return a section of the same length that holds the endpoints given and nothing else of it.

    The length of a response has left long before its end is seen; the rest is filled with a tagged field that nobody
    knows. Where the endpoints do not fit they are left out, and clients ask for metadata instead. Raises `ValueError`
    for a section that `share_endpoints` does not read.
    """
    written = [encode_endpoint(one, flexible=True) for one in endpoints]
    for kept in (written, []):
        array = encode_varint(len(kept) + 1) + b"".join(kept)
        try:
            return array + endpoints_replacement(bytes(len(section) - len(array)))
        except ValueError:
            continue
    raise ValueError(f"no section of {len(section)} bytes without endpoints")
