"""Walk a Fetch response (FetchResponse.json, versions 4 to 18) while it runs through, in chunks of any size.

Versions: log start offset from 5 on, error code and session from 7 on, preferred replica from 11 on, compact from 12
on, topic ids in place of names from 13 on, addresses of new leaders at the end from 16 on.

Record bytes are stepped over by their length and never kept. What is kept between two chunks is the piece of structure
that the first one cut in two: mostly less than a hundred bytes.
"""

from collections.abc import Callable, Sequence
from struct import Struct
from typing import Final, NamedTuple, TypeAlias
from uuid import UUID

from kordon_protocol.errors import MalformedBody
from kordon_protocol.scan.pieces import COMPACT, CUT_OFF, LEGACY, count_of, name, step_over, tags, topic_id
from kordon_protocol.varints import Buffer

_MOST_KEPT: Final = 1 << 20
"""Bytes of one piece of structure. The largest in real responses is a topic name with its lengths."""

_INT32: Final = Struct(">i")
_HEAD: Final = Struct(">ihi")  # throttle time, error code, session id
_SHORT_PARTITION: Final = Struct(">ihqq")  # index, error code, high watermark, last stable offset
_PARTITION: Final = Struct(">ihqqq")  # the same, and log start offset
_ABORTED_SIZE: Final = 16

_Step: TypeAlias = Callable[["FetchResponseWalker", Buffer, int], int]


class FetchHead(NamedTuple):
    """The top of a response. Before version 7 there is no error code and no session."""

    throttle_ms: int
    error_code: int
    session_id: int
    topics_count: int


class FetchedPartition(NamedTuple):
    """A partition of a response. `records_start` counts from the start of the body."""

    topic: str | UUID | None
    index: int  # type: ignore[assignment]  # Kafka's word, though tuples have a method of that name
    error_code: int
    high_watermark: int
    records_start: int
    records_size: int


class FetchResponseWalker:
    """Walks one response. Feed it the body (what follows the header of the response) from its first byte on.

    Offsets count from there. `head` is known once its bytes were seen. `end_of_topics` is set when the last topic was
    seen: in flexible versions the rest of the body, from there to its end, is the section of tagged fields at the top
    (see `node_endpoints` and `endpoints_replacement`); the walker does not look at it.
    """

    def __init__(self, version: int) -> None:
        self.head: FetchHead | None = None
        self.end_of_topics: int | None = None
        self._version = version
        self._flexible = version >= 12
        self._string, self._length = COMPACT if self._flexible else LEGACY
        self._layout = _SHORT_PARTITION if version < 5 else _PARTITION
        self._preferred_size = 4 if version >= 11 else 0  # of the preferred read replica
        self._step: _Step = FetchResponseWalker._read_head  # a bound method would be a cycle
        self._kept: Buffer = b""  # the beginning of a piece of structure
        self._position = 0  # offset in the body of what is read next
        self._base = 0  # offset in the body of the chunk that is walked
        self._skip = 0  # bytes of records that are still to come
        self._topics_left = 0
        self._partitions_left = 0
        self._aborted_left = 0
        self._topic: str | UUID | None = None
        self._partition = (0, 0, 0)  # index, error code, high watermark
        self._found: list[FetchedPartition] = []

    @property
    def records_left(self) -> int:
        """How many of the next bytes are records."""
        return self._skip

    def step_over(self, size: int) -> None:
        """So many of them, but not the last, have gone by: `feed` takes what follows."""
        self._skip -= size
        self._position += size

    def feed(self, chunk: Buffer, start: int = 0) -> Sequence[FetchedPartition]:
        """Take the next bytes, from start on, and return the partitions whose structure up to their records they
        complete.

        Raises `MalformedBody`.
        """
        size = len(chunk) - start
        if self._skip > size:
            self.step_over(size)
            return ()
        if self.end_of_topics is not None:
            self._refuse_rest(size)
            return ()
        if self._kept:
            chunk, start = bytes(self._kept) + bytes(chunk[start:]), 0
            self._kept = b""
        self._walk(chunk, start)
        found, self._found = self._found, []
        return found

    def _walk(self, chunk: Buffer, offset: int) -> None:
        size = len(chunk)
        self._base = self._position - offset
        while True:
            if self._skip:
                taken = min(self._skip, size - offset)
                self._skip -= taken
                offset += taken
                if self._skip:
                    break
            if self.end_of_topics is not None:
                self._refuse_rest(size - offset)
                break
            try:
                offset = self._step(self, chunk, offset)
            except CUT_OFF:
                self._keep(chunk[offset:])
                break
        self._position = self._base + offset

    def _keep(self, rest: Buffer) -> None:
        if len(rest) > _MOST_KEPT:
            raise MalformedBody(f"more than {_MOST_KEPT} bytes between two partitions")
        self._kept = rest

    def _refuse_rest(self, size: int) -> None:
        if size and not self._flexible:
            raise MalformedBody(f"{size} bytes behind the body")

    # The steps. Each reads one piece of structure and chooses the next step. One that raises has changed nothing, so
    # that it can be tried again when more bytes are there.

    def _read_head(self, buffer: Buffer, offset: int) -> int:
        if self._version < 7:
            (throttle_ms,) = _INT32.unpack_from(buffer, offset)
            error_code = session_id = 0
            offset += _INT32.size
        else:
            throttle_ms, error_code, session_id = _HEAD.unpack_from(buffer, offset)
            offset += _HEAD.size
        self._topics_left, offset = count_of(self._length, buffer, offset)
        self.head = FetchHead(throttle_ms, error_code, session_id, self._topics_left)
        self._next_topic(offset)
        return offset

    def _next_topic(self, offset: int) -> None:
        if self._topics_left:
            self._step = FetchResponseWalker._read_topic
        else:
            self.end_of_topics = self._base + offset

    def _read_topic(self, buffer: Buffer, offset: int) -> int:
        topic: str | UUID | None
        if self._version >= 13:
            topic, offset = topic_id(buffer, offset)
        else:
            topic, offset = name(self._string, buffer, offset)
        self._partitions_left, offset = count_of(self._length, buffer, offset)
        self._topic = topic
        self._step = FetchResponseWalker._read_partition if self._partitions_left else FetchResponseWalker._end_topic
        return offset

    def _read_partition(self, buffer: Buffer, offset: int) -> int:
        index, error_code, high_watermark, *_ = self._layout.unpack_from(buffer, offset)
        aborted, offset = self._length(buffer, offset + self._layout.size)
        self._partition = index, error_code, high_watermark
        self._step = FetchResponseWalker._read_records
        if aborted > 0 and self._flexible:
            self._aborted_left = aborted
            self._step = FetchResponseWalker._step_over_aborted
        elif aborted > 0:
            self._skip = aborted * _ABORTED_SIZE
        return offset

    def _step_over_aborted(self, buffer: Buffer, offset: int) -> int:
        """Step over the aborted transactions that are there, and be called again for the others."""
        self._aborted_left, offset = step_over(self._aborted_left, _ABORTED_SIZE, buffer, offset)
        if not self._aborted_left:
            self._step = FetchResponseWalker._read_records
        return offset

    def _read_records(self, buffer: Buffer, offset: int) -> int:
        size, offset = self._length(buffer, offset + self._preferred_size)
        self._skip = max(size, 0)
        self._found.append(FetchedPartition(self._topic, *self._partition, self._base + offset, self._skip))
        self._step = FetchResponseWalker._end_partition
        return offset

    def _end_partition(self, buffer: Buffer, offset: int) -> int:
        if self._flexible:
            _, offset = tags(buffer, offset)
        self._partitions_left -= 1
        self._step = FetchResponseWalker._read_partition if self._partitions_left else FetchResponseWalker._end_topic
        return offset

    def _end_topic(self, buffer: Buffer, offset: int) -> int:
        if self._flexible:
            _, offset = tags(buffer, offset)
        self._topics_left -= 1
        self._next_topic(offset)
        return offset
