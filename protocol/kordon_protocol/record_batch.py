"""Headers of record batches (Kafka's message format 2). Records themselves are never looked at.

What is not a batch of that format ends the walk: older formats know neither producers nor transactions, and broken ones
are refused by the broker.
"""

from collections.abc import Iterator
from struct import Struct
from typing import Final, NamedTuple

from kordon_protocol.varints import Buffer

_HEADER: Final = Struct(">qiibIhiqqqhii")
_LENGTH_END: Final = 12  # the length of a batch counts from behind itself
_MAGIC: Final = 2
_TRANSACTIONAL: Final = 0x10
_CONTROL: Final = 0x20


class BatchHeader(NamedTuple):
    """The header of a batch, and where the batch stands in its buffer."""

    start: int
    end: int
    base_offset: int
    attributes: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    records_count: int

    @property
    def is_transactional(self) -> bool:
        """Whether the batch belongs to a transaction."""
        return bool(self.attributes & _TRANSACTIONAL)

    @property
    def is_control(self) -> bool:
        """Whether the batch is a marker of the broker and holds no record of a producer."""
        return bool(self.attributes & _CONTROL)


def batch_headers(records: Buffer, start: int = 0, end: int | None = None) -> Iterator[BatchHeader]:
    """Yield the headers of the batches that lie in records from start to end."""
    end = len(records) if end is None else min(end, len(records))
    while start + _HEADER.size <= end:
        (
            base_offset,
            length,
            _leader_epoch,
            magic,
            _checksum,
            attributes,
            _last_offset_delta,
            _base_timestamp,
            _max_timestamp,
            producer_id,
            producer_epoch,
            base_sequence,
            count,
        ) = _HEADER.unpack_from(records, start)
        batch_end = start + _LENGTH_END + length
        if magic != _MAGIC or batch_end < start + _HEADER.size:
            return
        yield BatchHeader(start, batch_end, base_offset, attributes, producer_id, producer_epoch, base_sequence, count)
        start = batch_end


def is_transactional(records: Buffer, start: int = 0, end: int | None = None) -> bool:
    """Tell whether any batch from start to end belongs to a transaction."""
    return any(header.is_transactional for header in batch_headers(records, start, end))


def producer_id(records: Buffer, start: int = 0, end: int | None = None) -> int:
    """Return the producer id of the first batch from start to end, or -1 when there is none."""
    for header in batch_headers(records, start, end):
        return header.producer_id
    return -1
