"""What `kordon inspect` prints: all that there is of a record, and no letter of it that moves a cursor."""

import io
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kordon_proxy.cli.inspect_records import print_inspected
from kordon_proxy.inspection.asked import Format
from kordon_proxy.inspection.found import Field, FoundRecord, Inspected, PartitionRead, Stop
from kordon_proxy.inspection.shown import Shown, show
from tests.proxy.inspection.given import AT, as_found


def a_field(data: bytes, wanted: Format = Format.AUTO, **more: Any) -> Field:
    seen: Shown = show(data, wanted)
    told = {"format": seen.format, "data": seen.data, "hints": seen.hints, "problem": seen.problem, **more}
    return Field(size=len(data), base64="", **told)


def a_record(key: Field | None = None, value: Field | None = None, **more: Any) -> FoundRecord:
    told = {"partition": 3, "offset": 17, "timestamp": AT, "timestamp_type": "CreateTime", **more}
    return FoundRecord(key=key, value=value, **told)


def read(**more: Any) -> PartitionRead:
    told = {"partition": 3, "beginning": 0, "end": 20, "first_offset": 17, "next_offset": 18, "scanned": 1, "found": 1}
    return PartitionRead(**{**told, **more})


def printed(*records: FoundRecord, **more: Any) -> str:
    told = {"topic": "tx_trade1", "partitions": (read(),), "stopped": Stop.COUNT, **more}
    answer = json.loads(json.dumps(Inspected(found=tuple(map(as_found, records)), **told).to_answer()))
    stream = io.StringIO()
    print_inspected(answer, stream)
    return stream.getvalue()


def test_a_record_is_printed_with_all_that_it_has() -> None:
    headers = (("trace", a_field(b"4711")), ("trace", None), ("raw", a_field(b"\x00\xff")))

    assert printed(a_record(a_field(b"order-17"), a_field(b'{"amount": 17.5, "lines": []}'), headers=headers)) == (
        "tx_trade1 partition 3 offset 17   2023-11-14 22:13:20.000Z\n"
        "key      order-17\n"
        "header   trace: 4711\n"
        "header   trace: null\n"
        "header   raw: 00ff   (hex)\n"
        "value    json\n"
        "  {\n"
        '    "amount": 17.5,\n'
        '    "lines": []\n'
        "  }\n"
        "\n"
        "1 record\n"
        "partition 3: offsets 17 to 17; it has 0 to 19; go on with --partition 3 --offset 18\n"
    )


def test_null_is_told_apart_from_empty() -> None:
    text = printed(a_record(None, None), a_record(a_field(b""), a_field(b"")))

    assert "key      null\nvalue    null: a tombstone\n" in text
    assert "key      empty\nvalue    empty\n" in text


def test_text_keeps_its_lines_and_shows_what_else_would_move_the_cursor() -> None:
    text = printed(a_record(a_field(b"a\nb"), a_field(b"\x1b[2Jgone\r\nnext\x07", Format.TEXT)))

    assert "key      text\n  a\n  b\n" in text
    assert "value    text\n  \\x1b[2Jgone\n  next\\x07\n" in text


def test_numbers_and_what_bytes_could_be_are_told() -> None:
    text = printed(a_record(a_field(b"\x00\x00\x00\x2a"), a_field(b"\x00\x00\x00\x2a", Format.INT)))

    assert "key      0000002a   (hex, as int: 42)\n" in text
    assert "value    42   (int)\n" in text


def test_schemas_and_problems_are_told() -> None:
    decoded = a_field(b"[1]", format="avro", schema={"id": 7, "type": "AVRO", "name": "acme.Order"})
    failed = a_field(b"\xff", problem="not as schema 7 says:\nnothing", schema={"guid": "8979"}, truncated=True)

    text = printed(a_record(decoded, failed))

    assert "key      avro, acme.Order by schema 7\n  [\n    1\n  ]\n" in text
    assert "value    ff   (hex, by schema 8979, the beginning of 1 bytes)\n" in text
    assert "         ! not as schema 7 says:\\nnothing\n" in text


def test_times_of_the_broker_and_odd_ones_are_told() -> None:
    text = printed(
        a_record(timestamp_type="LogAppendTime"),
        a_record(timestamp=None),
        a_record(timestamp=2**62, headers_left_out=5),
    )

    assert "22:13:20.000Z by the broker\n" in text
    assert "offset 17   no timestamp\n" in text
    assert f"offset 17   {2**62} ms\n" in text
    assert "         and 5 more headers\n" in text


def test_how_far_it_got_and_why_no_further_is_told() -> None:
    partitions = (
        read(partition=0, scanned=90, next_offset=20),
        read(partition=1, first_offset=5, next_offset=5, problems=("offset 5: gone",)),
        read(partition=2, beginning=0, end=0, first_offset=0, next_offset=0),
    )

    text = printed(
        partitions=partitions, stopped=Stop.TIME, filter_errors=2, filter_error="Cannot index", problems=("late",)
    )

    assert text == (
        "0 records, 92 looked at; the time was over\n"
        "partition 0: offsets 17 to 19; it has 0 to 19\n"
        "partition 1: nothing looked at from offset 5 on; it has 0 to 19\n"
        "partition 2: nothing looked at from offset 0 on; it is empty\n"
        "! partition 1: offset 5: gone\n"
        "! the filter fails for 2 records: Cannot index\n"
        "! late\n"
    )


def test_of_many_partitions_some_are_told() -> None:
    assert "and 40 more partitions\n" in printed(partitions=tuple(read(partition=one) for one in range(50)))


@given(st.binary(max_size=60), st.sampled_from(Format), st.text(max_size=20))
def test_nothing_moves_the_cursor(data: bytes, wanted: Format, name: str) -> None:
    field = a_field(data, wanted)

    text = printed(a_record(field, field, headers=((name, field),)), problems=(name,), topic=f"t{name}")

    assert all(letter.isprintable() for line in text.split("\n") for letter in line)
