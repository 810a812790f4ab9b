"""Find records in what a broker sent: unpack, decode, filter. Pure, but for schemas that it asks for.

Whatever tenants have written comes by here, so here is where it can do harm. See `worker`.
"""

import base64
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .asked import Format
from .batches import Batch, Damage, Record, batches_in, records_of, visible
from .bounds import MOST_TOLD, FieldBounds
from .filters import Filter, FilterFault
from .found import Field, Found, FoundRecord
from .framing import KEY_HEADER, VALUE_HEADER, Framed, framed
from .plain import to_json
from .shown import Shown, detect, show
from .unpack import Unpacker

ShowFramed = Callable[[Framed, bytes], Shown]
"""Shows what names a schema: `Schemas.show`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """What a broker sent of one partition, and what of it is wanted."""

    partition: int
    first: int
    """Records before this offset are left out,"""
    until: int
    """and so are this one and those behind it."""
    want: int
    """How many records at most,"""
    room: int
    """and how many bytes of JSON; one record may have more."""
    scan: int
    """How many to look at."""
    newest: bool = False
    """True: the last ones that are wanted, and not the first ones."""
    committed: bool = True
    aborted: tuple[tuple[int, int], ...] = ()
    """Producer id and first offset of transactions that were aborted."""


@dataclass(slots=True)
class Examined:
    """How far it got."""

    next_offset: int
    scanned: int = 0
    dropped: bool = False
    """Whether there were more than there was room for, of which the newest are wanted."""
    damage: list[str] = field(default_factory=list)
    damaged: int = 0
    """How many problems there are, told or not."""
    filter_errors: int = 0
    filter_error: str | None = None


class Examiner:
    """Knows how records are to be shown, and which.

    at: told the offset of each record before it is looked at.
    """

    def __init__(
        self,
        *,
        key: Format,
        value: Format,
        wanted: Filter | None = None,
        schemas: ShowFramed | None = None,
        bounds: FieldBounds | None = None,
        at: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._key = key
        self._value = value
        self._wanted = wanted
        self._schemas = schemas
        self._bounds = bounds or FieldBounds()
        self._at = at
        self._unpack = Unpacker()

    def examine(self, chunk: Chunk, data: bytes, take: Callable[[Found], None]) -> Examined:
        """Hand over the wanted records in the order of their offsets."""
        done = Examined(next_offset=chunk.first)
        kept: deque[Found] = deque()
        room = chunk.room
        count = 0
        for record in self._records(chunk, data, done):
            if done.scanned == chunk.scan:
                done.next_offset = record.offset
                break
            done.scanned += 1
            self._at(record.offset)
            found = self._look(chunk.partition, record, done)
            if found is None:
                continue
            room -= len(found.answer)
            if chunk.newest:
                kept.append(found)
                while len(kept) > chunk.want or (room < 0 and len(kept) > 1):
                    room += len(kept.popleft().answer)
                    done.dropped = True
                continue
            take(found)
            count += 1
            if count == chunk.want or room <= 0:
                done.next_offset = record.offset + 1
                break
        for found in kept:
            take(found)
        return done

    def _records(self, chunk: Chunk, data: bytes, done: Examined) -> Iterator[Record]:
        """Give the records between the bounds. Once they are all read, `done` says where the next one would be."""
        batches = _noting(batches_in(data), chunk, done)
        for batch in visible(batches, chunk.aborted, committed=chunk.committed):
            for one in (batch,) if isinstance(batch, Damage) else records_of(batch, self._unpack):
                if isinstance(one, Damage):
                    _tell(one, chunk, done)
                elif chunk.first <= one.offset < chunk.until:
                    yield one
        done.next_offset = min(done.next_offset, chunk.until)

    def _look(self, partition: int, record: Record, done: Examined) -> Found | None:
        key = self._show(record.key, self._key, record, KEY_HEADER)
        value = self._show(record.value, self._value, record, VALUE_HEADER)
        headers = [(name, None if data is None else detect(data)) for name, data in record.headers]
        if self._wanted is not None:
            try:
                if not self._wanted(_filtered(partition, record, key, value, headers)):
                    return None
            except FilterFault as fault:
                done.filter_errors += 1
                done.filter_error = done.filter_error or str(fault)
                return None
        answer = to_json(self._found(partition, record, key, value).to_answer()).encode("ascii")
        timestamp = None if record.timestamp < 0 else record.timestamp
        return Found(partition, record.offset, timestamp, len(record.key or b"") + len(record.value or b""), answer)

    def _show(self, data: bytes | None, wanted: Format, record: Record, header: bytes) -> Shown | None:
        if data is None:
            return None
        if wanted in (Format.AUTO, Format.SCHEMA) and self._schemas is not None:
            frame = framed(data, record.headers, header)
            if frame is not None:
                return self._schemas(frame, data)
        if wanted is Format.SCHEMA:
            reason = "no schema registry is configured" if self._schemas is None else "it names no schema"
            return detect(data)._replace(problem=reason)
        return show(data, wanted)

    def _found(self, partition: int, record: Record, key: Shown | None, value: Shown | None) -> FoundRecord:
        headers, left_out = self._headers(record)
        return FoundRecord(
            partition=partition,
            offset=record.offset,
            timestamp=None if record.timestamp < 0 else record.timestamp,
            timestamp_type="LogAppendTime" if record.appended else "CreateTime",
            key=self._field(record.key, key),
            value=self._field(record.value, value),
            headers=headers,
            headers_left_out=left_out,
        )

    def _headers(self, record: Record) -> tuple[tuple[tuple[str, Field | None], ...], int]:
        headers: list[tuple[str, Field | None]] = []
        room = self._bounds.headers
        for name, data in record.headers:
            value = self._field(data, None if data is None else detect(data))
            room -= len(name) + (64 if value is None else 2 * len(value.base64) + 64)
            if room < 0:
                break
            headers.append((_name(name), value))
        return tuple(headers), len(record.headers) - len(headers)

    def _field(self, data: bytes | None, shown: Shown | None) -> Field | None:
        if data is None or shown is None:
            return None
        most = self._bounds.field
        whole = Field(
            format=shown.format,
            data=shown.data,
            size=len(data),
            base64=base64.b64encode(data[:most]).decode("ascii"),
            truncated=len(data) > most,
            hints=shown.hints,
            schema=shown.schema,
            problem=shown.problem,
        )
        if not whole.truncated and len(to_json(shown.data)) <= self._bounds.decoded:
            return whole
        return self._cut(whole, data)

    def _cut(self, whole: Field, data: bytes) -> Field:
        """Leave of what it says as much as there is room for: text, or hex where it is no text any more."""
        is_text = isinstance(whole.data, str) and whole.format == Format.TEXT
        beginning = whole.data[: self._bounds.field // 6] if is_text else data[: self._bounds.field // 6].hex()
        problem = f"it is too large ({whole.size} bytes) to be shown whole"
        return replace(
            whole,
            format=str(Format.TEXT if is_text else Format.HEX),
            data=beginning,
            truncated=True,
            problem=problem if whole.problem is None else f"{whole.problem}; {problem}",
        )


def _noting(batches: Iterable[Batch | Damage], chunk: Chunk, done: Examined) -> Iterator[Batch | Damage]:
    """Pass on what lies between the bounds, and note how far it reaches."""
    for batch in batches:
        if batch.first >= chunk.until:
            done.next_offset = chunk.until
            return
        done.next_offset = max(done.next_offset, batch.last + 1)
        if batch.last >= chunk.first:
            yield batch


def _tell(damage: Damage, chunk: Chunk, done: Examined) -> None:
    first, last = max(damage.first, chunk.first), min(damage.last, chunk.until - 1)
    if first > last:
        return
    done.damaged += 1
    if len(done.damage) < MOST_TOLD:
        where = f"offset {first}" if first == last else f"offsets {first} to {last}"
        done.damage.append(f"{where}: {damage.reason}")


def _filtered(
    partition: int,
    record: Record,
    key: Shown | None,
    value: Shown | None,
    headers: Iterable[tuple[bytes, Shown | None]],
) -> Mapping[str, Any]:
    """What a filter is given. Of headers that stand there more than once, the last, as Java's `lastHeader`."""
    return {
        "partition": partition,
        "offset": record.offset,
        "timestamp": None if record.timestamp < 0 else record.timestamp,
        "key": None if key is None else key.data,
        "value": None if value is None else value.data,
        "headers": {_name(name): None if shown is None else shown.data for name, shown in headers},
    }


def _name(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")
