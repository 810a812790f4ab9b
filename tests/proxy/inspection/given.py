"""Record batches as brokers send them, made by aiokafka, and parts of them that it does not make."""

import json
import struct
from collections.abc import Sequence
from typing import Any, Final

from aiokafka.record.default_records import DefaultRecordBatchBuilder
from crc32c import crc32c

from kordon_proxy.inspection.batches import Batch, Damage, Record, batches_in, records_of, visible
from kordon_proxy.inspection.found import Found, FoundRecord
from kordon_proxy.inspection.unpack import Unpacker

AT: Final = 1_700_000_000_000
GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
TRANSACTIONAL, CONTROL, APPEND_TIME = 0x10, 0x20, 0x08

Entry = tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes | None]]]
"""Key, value, headers."""


def a_batch(*entries: Entry, first: int = 0, codec: int = 0, at: int = AT, **fields: Any) -> bytes:
    """A batch whose records have offsets from `first` on and are a millisecond apart. fields: see `altered`."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=codec,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1 << 30,
    )
    for number, (key, value, headers) in enumerate(entries):
        builder.append(number, at + number, key, value, list(headers))
    return altered(bytes(builder.build()), first=first, **fields)


def values(*contents: bytes | None, **fields: Any) -> bytes:
    """A batch of records that have values alone."""
    return a_batch(*((None, value, ()) for value in contents), **fields)


def altered(
    batch: bytes,
    *,
    first: int = 0,
    attributes: int = 0,
    producer: int = -1,
    last_delta: int | None = None,
    content: bytes | None = None,
    count: int | None = None,
) -> bytes:
    """A batch with other fields, and the checksum that belongs to them. attributes: bits on top of those it has."""
    data = bytearray(batch)
    if content is not None:
        data[61:] = content
    data[0:8] = struct.pack(">q", first)
    data[8:12] = struct.pack(">i", len(data) - 12)
    data[21:23] = struct.pack(">h", struct.unpack_from(">h", data, 21)[0] | attributes)
    if last_delta is not None:
        data[23:27] = struct.pack(">i", last_delta)
    data[43:51] = struct.pack(">q", producer)
    if count is not None:
        data[57:61] = struct.pack(">i", count)
    data[17:21] = struct.pack(">I", crc32c(bytes(data[21:])))
    return bytes(data)


def a_marker(*, first: int, producer: int, commit: bool) -> bytes:
    """The end of a transaction, as the coordinator writes it."""
    key, value = struct.pack(">hh", 0, int(commit)), struct.pack(">hi", 0, 0)
    return a_batch((key, value, ()), first=first, producer=producer, attributes=TRANSACTIONAL | CONTROL)


def as_found(record: FoundRecord, size: int | None = None) -> Found:
    """A record as the worker gives it; its answer has `size` bytes, if that is said."""
    answer = json.dumps(record.to_answer()).encode() if size is None else bytes(size)
    fields = (field for field in (record.key, record.value) if field is not None)
    return Found(record.partition, record.offset, record.timestamp, sum(field.size for field in fields), answer)


def read(data: bytes, *aborted: tuple[int, int], committed: bool = True) -> list[Record | Damage]:
    """All that is in what a broker sent."""
    unpack = Unpacker()
    found: list[Record | Damage] = []
    for batch in visible(batches_in(data), aborted, committed=committed):
        found += records_of(batch, unpack) if isinstance(batch, Batch) else [batch]
    return found


def said(found: Sequence[Record | Damage]) -> list[bytes | str | None]:
    return [one.value if isinstance(one, Record) else one.reason for one in found]
