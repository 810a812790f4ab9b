"""Scan a Produce request (ProduceRequest.json, versions 3 to 13): its topics and partitions, and where they stand.

Versions: compact from 9 on, topic ids in place of names from 13 on. No version defines a tagged field.
"""

from bisect import bisect_left
from collections.abc import Callable
from struct import Struct
from typing import Final, NamedTuple
from uuid import UUID

from kordon_protocol.errors import MalformedBody
from kordon_protocol.scan.pieces import (
    COMPACT,
    CUT_OFF,
    LEGACY,
    Lengths,
    compact_length,
    count_of,
    name,
    tags,
    text,
    topic_id,
)
from kordon_protocol.varints import LONGEST_STRING, Buffer, encode_varint

_FIRST_FLEXIBLE: Final = 9
_FIRST_WITH_IDS: Final = 13
_ACKS_AND_TIMEOUT: Final = Struct(">hi")
_INT32: Final = Struct(">i")
MOST_ENTRIES: Final = 100_000
"""Topics, partitions and unknown tagged fields of one request. Each costs a microsecond or two, in which nobody else is
served, and a hundred megabytes have room for thirty million of them."""


class ScannedPartition(NamedTuple):
    """A partition of a request. Its records are `[records_start:records_end]`, which is empty when they are null."""

    index: int  # type: ignore[assignment]  # Kafka's word, though tuples have a method of that name
    start: int
    end: int
    records_start: int
    records_end: int


class ScannedTopic(NamedTuple):
    """A topic of a request: by name up to version 12, by id from 13 on (None for the zero id)."""

    name: str | None
    topic_id: UUID | None
    start: int
    end: int
    partitions: tuple[ScannedPartition, ...]


class ProduceScan(NamedTuple):
    """What a Produce request holds, and where. All offsets are those of the buffer that was scanned."""

    version: int
    transactional_id: str | None
    acks: int
    timeout_ms: int
    topics: tuple[ScannedTopic, ...]
    start: int
    count_start: int
    """Where the count of the topics begins; the first topic follows it."""
    tags_start: int
    """Where the last topic ends and, in flexible versions, the tagged fields of the request begin."""
    end: int
    unknown: tuple[tuple[int, int], ...]
    """Sections that hold tagged fields which no schema knows, in the order of the request."""
    size: int
    """Bytes of the buffer. Brokers do not look at what lies between `end` and there."""

    @property
    def exact(self) -> bool:
        """Whether the request may be passed on as it is. If not, `produce_request_without` gives what may be."""
        return not self.unknown and self.end == self.size


def scan_produce_request(version: int, body: Buffer, offset: int = 0) -> ProduceScan:
    """Scan the request that begins at offset. What follows it is ignored, as a broker does. Raises `MalformedBody`."""
    try:
        scan = _Scanner(version, body).request(offset)
    except CUT_OFF:
        raise MalformedBody(f"produce request cut off at byte {len(body)}") from None
    if scan.end > len(body):
        raise MalformedBody(f"produce request cut off at byte {len(body)}")
    return scan


def produce_request_without(scan: ProduceScan, body: bytes, keep: Callable[[ScannedTopic], bool]) -> list[bytes]:
    """Return the body in pieces, with only the topics that keep wants, and without unknown tagged fields."""
    kept = [topic for topic in scan.topics if keep(topic)]
    count = encode_varint(len(kept) + 1) if scan.version >= _FIRST_FLEXIBLE else _INT32.pack(len(kept))
    pieces = [body[scan.start : scan.count_start], count]
    for start, end in _joined([(topic.start, topic.end) for topic in kept] + [(scan.tags_start, scan.end)]):
        # Found rather than looked for: there may be as many of them as there are spans.
        first, behind = bisect_left(scan.unknown, (start,)), bisect_left(scan.unknown, (end,))
        for unknown_start, unknown_end in scan.unknown[first:behind]:
            pieces += (body[start:unknown_start], b"\x00")
            start = unknown_end
        pieces.append(body[start:end])
    return pieces


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans that follow each other become one, so that neighbours leave in one piece."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and joined[-1][1] == start:
            joined[-1] = joined[-1][0], end
        else:
            joined.append((start, end))
    return joined


class _Scanner:
    """Scans one request."""

    def __init__(self, version: int, body: Buffer) -> None:
        self._version = version
        self._body = body
        self._flexible = version >= _FIRST_FLEXIBLE
        self._string, self._length = _FLEXIBLE if self._flexible else LEGACY
        self._unknown: list[tuple[int, int]] = []
        self._entries = 0

    def request(self, start: int) -> ProduceScan:
        transactional_id, offset = text(self._string, self._body, start)
        acks, timeout_ms = _ACKS_AND_TIMEOUT.unpack_from(self._body, offset)
        count_start = offset + _ACKS_AND_TIMEOUT.size
        count, offset = self._count(count_start)
        topics = []
        for _ in range(count):
            topic = self._topic(offset)
            topics.append(topic)
            offset = topic.end
        end = self._tags(offset)
        return ProduceScan(
            self._version,
            transactional_id,
            acks,
            timeout_ms,
            tuple(topics),
            start,
            count_start,
            offset,
            end,
            tuple(self._unknown),
            len(self._body),
        )

    def _topic(self, start: int) -> ScannedTopic:
        named: str | None = None
        identified: UUID | None = None
        if self._version < _FIRST_WITH_IDS:
            named, offset = name(self._string, self._body, start)
        else:
            identified, offset = topic_id(self._body, start)
        count, offset = self._count(offset)
        partitions = []
        for _ in range(count):
            partition = self._partition(offset)
            partitions.append(partition)
            offset = partition.end
        return ScannedTopic(named, identified, start, self._tags(offset), tuple(partitions))

    def _partition(self, start: int) -> ScannedPartition:
        (index,) = _INT32.unpack_from(self._body, start)
        size, records_start = self._length(self._body, start + 4)
        records_end = records_start + size if size > 0 else records_start
        return ScannedPartition(index, start, self._tags(records_end), records_start, records_end)

    def _tags(self, start: int) -> int:
        if not self._flexible:
            return start
        found, end = tags(self._body, start)
        if found:
            self._unknown.append((start, end))
            self._note(len(found))
        return end

    def _count(self, offset: int) -> tuple[int, int]:
        count, offset = count_of(self._length, self._body, offset)
        self._note(count)
        return count, offset

    def _note(self, entries: int) -> None:
        self._entries += entries
        if self._entries > MOST_ENTRIES:
            raise MalformedBody(f"produce request with more than {MOST_ENTRIES} topics and partitions")


def _string_length(buffer: Buffer, offset: int) -> tuple[int, int]:
    """Read the length of a compact string, which could say more than a string has."""
    size, offset = compact_length(buffer, offset)
    if size > LONGEST_STRING:
        raise MalformedBody(f"string of {size} bytes, and none has more than {LONGEST_STRING}")
    return size, offset


_FLEXIBLE: Final = Lengths(_string_length, COMPACT.other)
