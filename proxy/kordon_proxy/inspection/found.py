"""What an inspection found: values, and their shape in the answer of the API."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple, Self

from .bounds import MOST_TOLD

_OPTIONAL: Final = ("truncated", "hints", "schema", "problem")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A key, a value, or the value of a header. One that is null is no field; an empty one has the size 0."""

    format: str
    """How `data` came about: `text`, `json`, `hex`, `base64`, `int`, `long`, `avro`, `json-schema`, `protobuf`."""
    data: Any
    """What the bytes say, as a plain JSON value."""
    size: int
    """How many bytes it has."""
    base64: str
    """The bytes themselves."""
    truncated: bool = False
    """Whether `data`, and of large ones `base64` too, is only the beginning."""
    hints: Mapping[str, Any] | None = None
    """What else the bytes could be: `{"long": 42}`."""
    schema: Mapping[str, Any] | None = None
    """The schema that it names: `id` or `guid`, and where it was found `type` and `name`."""
    problem: str | None = None
    """Why it is not shown as was wished, or what is odd about it."""

    def to_answer(self) -> dict[str, Any]:
        """As in the answer of the API. What there is nothing to say of is left out."""
        named = {name: getattr(self, name) for name in self.__slots__}
        return {name: value for name, value in named.items() if value or name not in _OPTIONAL}


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundRecord:
    """One record."""

    partition: int
    offset: int
    timestamp: int | None
    """ms since the epoch; None for a record without one."""
    timestamp_type: str
    """`CreateTime` or `LogAppendTime`, as Kafka calls who has set it: the producer, or the broker."""
    key: Field | None
    value: Field | None
    """None: a tombstone."""
    headers: tuple[tuple[str, Field | None], ...] = ()
    """In their order, and as often as they stand there."""
    headers_left_out: int = 0
    """How many more there are, which would be too much."""

    def to_answer(self) -> dict[str, Any]:
        """As in the answer of the API."""
        left_out = {"headers_left_out": self.headers_left_out} if self.headers_left_out else {}
        return {
            "partition": self.partition,
            "offset": self.offset,
            "timestamp": self.timestamp,
            "timestamp_type": self.timestamp_type,
            "key": _answer(self.key),
            "value": _answer(self.value),
            "headers": [[name, _answer(value)] for name, value in self.headers],
            **left_out,
        }

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any]) -> Self:
        """The record of such an answer."""
        named = dict(answer)
        named["key"], named["value"] = _field(answer["key"]), _field(answer["value"])
        named["headers"] = tuple((name, _field(value)) for name, value in answer["headers"])
        return cls(**named)


class Found(NamedTuple):
    """A record as the worker gives it: what it takes to put it in its place, and its answer, which is not read here.

    Answers are megabytes, and the process that passes them on has clients to serve.
    """

    partition: int
    offset: int
    timestamp: int | None
    size: int
    """How many bytes its key and its value have."""
    answer: bytes
    """What `FoundRecord.to_answer` gives, as JSON in ASCII."""

    @property
    def record(self) -> FoundRecord:
        """The record, read anew each time."""
        return FoundRecord.from_answer(json.loads(self.answer))


class Stop(StrEnum):
    """Why no more records are shown."""

    END = "end"
    """There are no more."""
    COUNT = "count"
    """There are as many as were asked for."""
    BYTES = "bytes"
    """They would be too much for one answer."""
    SCANNED = "scanned"
    """As much has been looked through as one inspection may."""
    TIME = "time"
    """The time is over."""
    FAILED = "failed"
    """It did not get any further; `problems` say why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionRead:
    """What was read of one partition. All offsets are those of the log, whether there is a record at them or not."""

    partition: int
    beginning: int
    """The first offset that there is."""
    end: int
    """The offset behind the last one: with `committed`, before the first transaction that is still open."""
    first_offset: int
    """From this offset on the partition was looked through, and all that was found is in the answer."""
    next_offset: int
    """Up to this offset, itself not: where to go on."""
    scanned: int = 0
    """Records looked at."""
    found: int = 0
    """Records in the answer."""
    problems: tuple[str, ...] = ()

    def to_answer(self) -> dict[str, Any]:
        """As in the answer of the API."""
        named = {name: getattr(self, name) for name in self.__slots__}
        return named | {"problems": list(self.problems)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """The records, and how far the topic was looked through."""

    topic: str
    found: tuple[Found, ...]
    """In the order of their offsets; of several partitions, in that of their timestamps."""
    partitions: tuple[PartitionRead, ...]
    stopped: Stop
    fetched: int = 0
    """Bytes of records that brokers sent."""
    filter_errors: int = 0
    """Records for which the filter fails. They are not shown."""
    filter_error: str | None = None
    """What it says at the first of them."""
    problems: tuple[str, ...] = ()

    @property
    def records(self) -> tuple[FoundRecord, ...]:
        """The records, read anew each time: for those who want to look at them themselves."""
        return tuple(one.record for one in self.found)

    @property
    def scanned(self) -> int:
        """Records looked at."""
        return sum(one.scanned for one in self.partitions)

    def to_json(self) -> bytes:
        """The answer of the API, in ASCII. The records are passed on as they are."""
        rest = json.dumps(self._rest(), separators=(",", ":")).encode("ascii")
        return b'{"records":[%b],%b' % (b",".join(one.answer for one in self.found), rest[1:])

    def to_answer(self) -> dict[str, Any]:
        """The same as values. For many records, `to_json` takes a hundredth of the time."""
        return {"records": [json.loads(one.answer) for one in self.found], **self._rest()}

    def _rest(self) -> dict[str, Any]:
        return {
            "topic": self.topic,
            "partitions": [partition.to_answer() for partition in self.partitions],
            "stopped": str(self.stopped),
            "scanned": self.scanned,
            "fetched": self.fetched,
            "filter_errors": self.filter_errors,
            "filter_error": self.filter_error,
            "problems": list(self.problems),
        }


def told(problems: list[str], more: int = 0) -> tuple[str, ...]:
    """Return as many problems as anybody reads, and how many more there are."""
    more += max(0, len(problems) - MOST_TOLD)
    return (*problems[:MOST_TOLD], *([f"and {more} more"] if more else []))


def _answer(field: Field | None) -> dict[str, Any] | None:
    return None if field is None else field.to_answer()


def _field(answer: Mapping[str, Any] | None) -> Field | None:
    return None if answer is None else Field(**answer)
