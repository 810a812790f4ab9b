"""Read record batches as brokers send them: format v2 (KIP-98), Kafka 0.11 and later.

Kafka's clients stop at a batch that they cannot read, and show nothing of the records behind it. Here such a batch is
told as damaged, and reading goes on behind it: it may be just what one is looking for.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from crc32c import crc32c

from .unpack import Unpackable, Unpacker

_HEADER: Final = struct.Struct(">qiibIhiqqqhii")
_BEGINNING: Final = struct.Struct(">qi")
_MAGIC_AT: Final = 16
_CRC_FROM: Final = 21
_MARKER: Final = struct.Struct(">hh")

_CODEC: Final = 0x07
_LOG_APPEND_TIME: Final = 0x08
_TRANSACTIONAL: Final = 0x10
_CONTROL: Final = 0x20
_ABORT: Final = 0

Header = tuple[bytes, bytes | None]


class Record(NamedTuple):
    """A record as it is in the log. timestamp: ms since the epoch, -1 for none."""

    offset: int
    timestamp: int
    appended: bool
    """Whether the broker has set the timestamp (LogAppendTime) and not the producer (CreateTime)."""
    key: bytes | None
    value: bytes | None
    headers: tuple[Header, ...]


class Damage(NamedTuple):
    """Offsets of which nothing, or not all, can be read, and why. `last` is among them."""

    first: int
    last: int
    reason: str


class Batch(NamedTuple):
    """The head of a batch, and its records as they are compressed."""

    first: int
    last: int
    """The last offset that it ever had; compaction may have taken any of its records, this one too."""
    attributes: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    records: int
    content: memoryview
    is_whole: bool
    """Whether the checksum is right."""


class Malformed(ValueError):
    """Bytes that are no record."""


def batches_in(data: bytes) -> Iterator[Batch | Damage]:
    """Give the whole batches of a Fetch answer; the last one may be cut off, and is then left out."""
    view, position = memoryview(data), 0
    while position + _BEGINNING.size <= len(data):
        first, length = _BEGINNING.unpack_from(data, position)
        end = position + _BEGINNING.size + length
        if length <= _MAGIC_AT - _BEGINNING.size:
            yield Damage(first, first, f"a batch cannot have {length} bytes; nothing behind it can be read")
            return
        if end > len(data):
            return
        yield _batch(view[position:end], first)
        position = end


def _batch(view: memoryview, first: int) -> Batch | Damage:
    magic = view[_MAGIC_AT]
    if magic != 2:
        # In these formats the offset at the beginning is that of the (last) message.
        return Damage(first, first, f"a message of format v{magic}, older than Kafka 0.11, which Kordon does not read")
    if len(view) < _HEADER.size:
        return Damage(first, first, f"a batch cannot have {len(view)} bytes")
    _, _, _, _, crc, attributes, last_delta, base_timestamp, max_timestamp, producer_id, _, _, count = (
        _HEADER.unpack_from(view)
    )
    return Batch(
        first=first,
        last=first + max(last_delta, 0),
        attributes=attributes,
        base_timestamp=base_timestamp,
        max_timestamp=max_timestamp,
        producer_id=producer_id,
        records=count,
        content=view[_HEADER.size :],
        is_whole=crc32c(view[_CRC_FROM:]) == crc,
    )


def is_control(batch: Batch) -> bool:
    """Whether it holds markers of a transaction and no records."""
    return bool(batch.attributes & _CONTROL)


def records_of(batch: Batch, unpack: Unpacker) -> Iterator[Record | Damage]:
    """Give the records of a batch, and what is wrong with it. To be read to its end before the next batch is."""
    if not batch.is_whole:
        yield Damage(batch.first, batch.last, "the checksum of the batch is wrong: clients refuse to read it")
    offset = batch.first
    try:
        content = unpack(batch.attributes & _CODEC, batch.content)
        position = 0
        for _ in range(batch.records):
            record, position = _record(content, position, batch)
            offset = record.offset + 1
            yield record
    except (Unpackable, Malformed) as fault:
        yield Damage(offset, max(offset, batch.last), str(fault))


def visible(
    batches: Iterable[Batch | Damage], aborted: Iterable[tuple[int, int]], *, committed: bool
) -> Iterator[Batch | Damage]:
    """Leave out markers of transactions, and with `committed` the records of aborted ones.

    aborted: producer id and first offset of each aborted transaction, as the broker tells them. What to make of it is
    as in Kafka's `CompletedFetch`.
    """
    coming = sorted(aborted, key=lambda one: one[1])
    open_ones: set[int] = set()
    for batch in batches:
        if isinstance(batch, Damage) or not committed:
            if isinstance(batch, Damage) or not is_control(batch):
                yield batch
            continue
        while coming and coming[0][1] <= batch.last:
            open_ones.add(coming.pop(0)[0])
        if is_control(batch):
            if _is_abort(batch):
                open_ones.discard(batch.producer_id)
        elif not (batch.attributes & _TRANSACTIONAL and batch.producer_id in open_ones):
            yield batch


def _is_abort(batch: Batch) -> bool:
    if not batch.records:
        return False
    try:
        record, _ = _record(batch.content, 0, batch)
        _, kind = _MARKER.unpack_from(record.key or b"")
    except (Malformed, struct.error):
        return False
    return bool(kind == _ABORT)


def _record(data: memoryview, position: int, batch: Batch) -> tuple[Record, int]:
    try:
        size, position = _number(data, position)
        end = position + size
        if not 0 <= size <= len(data) - position:
            raise Malformed(f"a record of {size} bytes where {len(data) - position} are left")
        position += 1  # attributes, of which none is in use
        timestamp, position = _number(data, position)
        offset, position = _number(data, position)
        key, position = _bytes(data, position, end)
        value, position = _bytes(data, position, end)
        headers, position = _headers(data, position, end)
    except IndexError:
        raise Malformed("a record is cut off") from None
    if position != end:
        raise Malformed(f"a record of {size} bytes says that it has {size + position - end}")
    appended = bool(batch.attributes & _LOG_APPEND_TIME)
    at = batch.max_timestamp if appended else batch.base_timestamp + timestamp
    return Record(batch.first + offset, at, appended, key, value, headers), end


def _headers(data: memoryview, position: int, end: int) -> tuple[tuple[Header, ...], int]:
    count, position = _number(data, position)
    if not 0 <= count <= end - position:  # each has two bytes or more
        raise Malformed(f"a record cannot have {count} headers")
    headers = []
    for _ in range(count):
        name, position = _bytes(data, position, end)
        value, position = _bytes(data, position, end)
        if name is None:
            raise Malformed("a header has no name")
        headers.append((name, value))
    return tuple(headers), position


def _bytes(data: memoryview, position: int, end: int) -> tuple[bytes | None, int]:
    size, position = _number(data, position)
    if size == -1:
        return None, position
    if not 0 <= size <= end - position:
        raise Malformed(f"a field of {size} bytes where {max(end - position, 0)} are left")
    return bytes(data[position : position + size]), position + size


def _number(data: memoryview, position: int) -> tuple[int, int]:
    """Read a signed number of variable length (zigzag)."""
    byte = data[position]
    position += 1
    value, shift = byte & 0x7F, 7
    while byte & 0x80:
        if shift > 63:
            raise Malformed("a number of more than 64 bits")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
    return (value >> 1) ^ -(value & 1), position
