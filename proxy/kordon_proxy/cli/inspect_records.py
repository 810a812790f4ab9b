"""What `kordon inspect` prints of an answer of the admin API: lines that can be copied, and in which nothing moves the
cursor, whatever a tenant has written."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from .report import shown

Answer = Mapping[str, Any]
Line = tuple[str, str]
"""A line and its style."""

_HEAD: Final = "bold cyan"
_DIM: Final = "dim"
_PROBLEM: Final = "yellow"
_LABEL: Final = 9
_OPEN_ENDED: Final = {
    "bytes": "more would be too much for one answer",
    "scanned": "as much was looked through as one inspection may",
    "time": "the time was over",
    "failed": "it did not get any further",
}
_MOST_PARTITIONS: Final = 10
_LATEST: Final = 253_402_300_799_999
"""ms of the last instant that Python can write."""


def print_inspected(answer: Answer, stream: TextIO) -> None:
    """Print the records, then how far the topic was looked through, and what there is to know of it."""
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream, highlight=False, soft_wrap=True)
    for line, style in lines_of(answer):
        console.print(Text(line, style=style))


def lines_of(answer: Answer) -> Iterator[Line]:
    """Give the lines of an answer."""
    for record in answer["records"]:
        yield from _record(answer["topic"], record)
        yield "", ""
    yield from _summary(answer)


def _record(topic: str, record: Answer) -> Iterator[Line]:
    where = f"{topic} partition {record['partition']} offset {record['offset']}"
    yield f"{shown(where)}   {_time(record)}", _HEAD
    yield from _field("key", record["key"], "null")
    for name, value in record["headers"]:
        yield from _field("header", value, "null", name=name)
    if left_out := record.get("headers_left_out"):
        yield f"{'':{_LABEL}}and {left_out} more headers", _DIM
    yield from _field("value", record["value"], "null: a tombstone")


def _field(label: str, field: Answer | None, null: str, *, name: str | None = None) -> Iterator[Line]:
    beginning = f"{label:{_LABEL}}" + (f"{shown(name)}: " if name is not None else "")
    if field is None:
        yield f"{beginning}{null}", _DIM
        return
    first, *more = _text(field)
    kind = _kind(field)
    if more:
        yield f"{beginning}{kind}", _DIM
        yield from ((f"  {line}", "") for line in (first, *more))
    else:
        yield f"{beginning}{first}" + (f"   ({kind})" if kind != "text" else ""), ""
    if (problem := field.get("problem")) is not None:
        yield f"{'':{_LABEL}}! {shown(problem)}", _PROBLEM


def _text(field: Answer) -> list[str]:
    """What a field says, line by line. Only text has lines of its own; JSON is spread over some if it has parts."""
    data = field["data"]
    if field["size"] == 0 and data == "":
        return ["empty"]
    if field["format"] == "text" and isinstance(data, str):
        return [shown(line) for line in data.replace("\r\n", "\n").split("\n")]
    if isinstance(data, str):
        return [shown(data)]
    spread = json.dumps(data, indent=2 if isinstance(data, dict | list) and data else None, ensure_ascii=False)
    return [shown(line) for line in spread.split("\n")]


def _kind(field: Answer) -> str:
    parts = [str(field["format"])]
    if (schema := field.get("schema")) is not None:
        number = schema.get("id", schema.get("guid"))
        parts.append(" ".join(filter(None, (schema.get("name"), f"by schema {number}"))))
    parts += [f"as {name}: {value}" for name, value in (field.get("hints") or {}).items()]
    if field.get("truncated"):
        parts.append(f"the beginning of {field['size']} bytes")
    return shown(", ".join(parts))


def _time(record: Answer) -> str:
    timestamp = record["timestamp"]
    if timestamp is None:
        return "no timestamp"
    by = " by the broker" if record["timestamp_type"] == "LogAppendTime" else ""
    if not 0 <= timestamp <= _LATEST:
        return f"{timestamp} ms{by}"
    at = datetime.fromtimestamp(timestamp // 1000, UTC)
    return f"{at:%Y-%m-%d %H:%M:%S}.{timestamp % 1000:03d}Z{by}"


def _summary(answer: Answer) -> Iterator[Line]:
    found, scanned, partitions = len(answer["records"]), answer["scanned"], answer["partitions"]
    looked = "" if scanned == found else f", {scanned} looked at"
    reason = _OPEN_ENDED.get(answer["stopped"], "")
    yield f"{found} record{'' if found == 1 else 's'}{looked}" + (f"; {reason}" if reason else ""), "bold"
    for partition in partitions[:_MOST_PARTITIONS]:
        yield _partition(partition), _DIM
    if (more := len(partitions) - _MOST_PARTITIONS) > 0:
        yield f"and {more} more partitions", _DIM
    for partition in partitions:
        for problem in partition["problems"]:
            yield f"! partition {partition['partition']}: {shown(problem)}", _PROBLEM
    if errors := answer["filter_errors"]:
        failed = f"the filter fails for {errors} record{'' if errors == 1 else 's'}"
        yield f"! {failed}: {shown(answer['filter_error'] or '')}", _PROBLEM
    for problem in answer["problems"]:
        yield f"! {shown(problem)}", _PROBLEM


def _partition(one: Answer) -> str:
    number, first, following, end = one["partition"], one["first_offset"], one["next_offset"], one["end"]
    has = f"it has {one['beginning']} to {end - 1}" if one["beginning"] < end else "it is empty"
    if first == following:
        return f"partition {number}: nothing looked at from offset {first} on; {has}"
    more = f"; go on with --partition {number} --offset {following}" if following < end else ""
    return f"partition {number}: offsets {first} to {following - 1}; {has}{more}"
