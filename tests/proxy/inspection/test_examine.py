"""What a broker sent is looked through within bounds: decoded, filtered, and cut to what can be shown."""

import base64
import re
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kordon_proxy.inspection.asked import Format
from kordon_proxy.inspection.bounds import FieldBounds
from kordon_proxy.inspection.examine import Chunk, Examined, Examiner
from kordon_proxy.inspection.filters import FilterFault, compile_filter
from kordon_proxy.inspection.found import Found, FoundRecord
from tests.proxy.inspection.given import AT, TRANSACTIONAL, Entry, a_batch, a_marker, altered, values

PLENTY = 1 << 30


def examine(data: bytes, examiner: Examiner | None = None, **chunk: Any) -> tuple[Examined, list[FoundRecord]]:
    settings = {"partition": 3, "first": 0, "until": 1000, "want": 500, "room": PLENTY, "scan": 1000, **chunk}
    taken: list[Found] = []
    done = (examiner or an_examiner()).examine(Chunk(**settings), data, taken.append)
    return done, [one.record for one in taken]


def an_examiner(**settings: Any) -> Examiner:
    return Examiner(**{"key": Format.AUTO, "value": Format.AUTO, **settings})


def offsets(found: list[FoundRecord]) -> list[int]:
    return [one.offset for one in found]


def test_records_between_the_bounds_are_taken() -> None:
    done, found = examine(values(*[b"x"] * 10), first=3, until=7)

    assert offsets(found) == [3, 4, 5, 6]
    assert (done.next_offset, done.scanned) == (7, 4)


def test_it_says_where_the_next_record_would_be() -> None:
    data = values(b"1", b"2", last_delta=9) + a_marker(first=10, producer=1, commit=True)

    assert examine(data)[0].next_offset == 11
    assert examine(data, until=10)[0].next_offset == 10
    assert examine(data, want=1)[0].next_offset == 1
    assert examine(data, scan=1)[0].next_offset == 1
    assert examine(b"", first=5)[0].next_offset == 5


def test_records_that_are_left_out_are_passed_by() -> None:
    bad = values(b"bad", b"bad", first=0, producer=7, attributes=TRANSACTIONAL)
    data = bad + a_marker(first=2, producer=7, commit=False)

    done, found = examine(data, aborted=((7, 0),))

    assert (found, done.next_offset, done.scanned) == ([], 3, 0)


def test_the_newest_ones_are_kept_where_those_are_wanted() -> None:
    data = values(*(str(number).encode() for number in range(10)))

    few, found = examine(data, want=3, newest=True)
    all_of_them, _ = examine(data, want=10, newest=True)

    assert offsets(found) == [7, 8, 9]
    assert (few.next_offset, few.dropped, all_of_them.dropped) == (10, True, False)


def test_room_is_kept_to_in_both_directions() -> None:
    data = values(*[b"x" * 1000] * 10)

    assert offsets(examine(data, room=8000)[1]) == [0, 1, 2, 3]
    assert offsets(examine(data, room=8000, newest=True)[1]) == [7, 8, 9]
    assert offsets(examine(data, room=1)[1]) == [0]
    assert offsets(examine(data, room=1, newest=True)[1]) == [9]


def test_what_is_damaged_is_told_with_its_offsets() -> None:
    data = values(b"1") + altered(values(b"x", b"x"), first=1, attributes=6) + values(b"2", first=3)

    done, found = examine(data)

    assert offsets(found) == [0, 3]
    assert done.damage == ["offsets 1 to 2: it is compressed by a method that Kordon does not know (6)"]
    assert examine(data, first=3)[0].damage == []


def test_of_much_damage_some_is_told_and_all_is_counted() -> None:
    data = b"".join(altered(values(b"x"), first=number, attributes=6) for number in range(30))

    done, _ = examine(data)

    assert (len(done.damage), done.damaged, done.next_offset) == (10, 30, 30)


def test_who_waits_is_told_each_record_before_it_is_looked_at() -> None:
    seen: list[int] = []

    examine(values(b"1", b"2", b"3"), an_examiner(at=seen.append), first=1)

    assert seen == [1, 2]


def test_what_is_large_is_cut_and_said_to_be() -> None:
    bounds = FieldBounds(field=600, decoded=1000)
    contents = (b"x" * 601, b'{"a": "' + b"x" * 600 + b'"}', b"\xff" * 601, "ü".encode() * 200)

    fields = [one.value for one in examine(values(*contents), an_examiner(bounds=bounds))[1]]

    shown = [(one.format, len(one.data), len(base64.b64decode(one.base64)), one.truncated) for one in fields if one]
    assert shown == [
        ("text", 100, 600, True),
        ("hex", 200, 600, True),
        ("hex", 200, 600, True),
        ("text", 100, 400, True),
    ]
    assert fields[0] is not None
    assert fields[0].problem == "it is too large (601 bytes) to be shown whole"


def test_headers_are_shown_as_far_as_there_is_room() -> None:
    headers = [(f"h{number}", b"x" * 100) for number in range(20)]

    (record,) = examine(a_batch((None, None, headers)), an_examiner(bounds=FieldBounds(headers=2000)))[1]

    assert len(record.headers) + record.headers_left_out == 20
    assert 0 < len(record.headers) < 10


def test_a_schema_that_is_wished_for_where_none_is_named_is_a_problem() -> None:
    (record,) = examine(values(b"text"), an_examiner(value=Format.SCHEMA))[1]

    assert record.value is not None
    assert (record.value.data, record.value.problem) == ("text", "no schema registry is configured")


some_bytes = st.none() | st.binary(max_size=200)
entries: st.SearchStrategy[Entry] = st.tuples(
    some_bytes, some_bytes, st.lists(st.tuples(st.text(max_size=20), some_bytes), max_size=4)
)


@given(st.lists(entries, min_size=1, max_size=5), st.sampled_from(Format), st.sampled_from(Format))
def test_whatever_records_hold_there_is_an_answer(records: list[Entry], key: Format, value: Format) -> None:
    _, found = examine(a_batch(*records), an_examiner(key=key, value=value))

    assert len(found) == len(records)
    for record, (key_bytes, value_bytes, _) in zip(found, records, strict=True):
        for field, data in ((record.key, key_bytes), (record.value, value_bytes)):
            assert (field is None) == (data is None)
            assert field is None or base64.b64decode(field.base64) == data


# Filters


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("true", [0, 1, 2]),
        ("false", []),
        ("null", []),
        ("empty", []),
        ("0", [0, 1, 2]),
        ("false, true", [0, 1, 2]),
        (".value", [0, 1]),
        (".value == null", [2]),
        ("select(.offset > 0)", [1, 2]),
        (".value.n > 1", [1]),
        ('.key == "k1"', [1]),
        (".partition == 3", [0, 1, 2]),
        (f".timestamp > {AT}", [1, 2]),
        ('.headers.name == "last"', [0, 1, 2]),
        ("halt", []),
        ("range(1e12)", [0, 1, 2]),
    ],
)
def test_a_filter_says_which_records_are_wanted(expression: str, wanted: list[int]) -> None:
    headers = [("name", b"first"), ("name", b"last")]
    contents = [b'{"n": 1}', b'{"n": 2}', None]
    records = [(f"k{number}".encode(), content, headers) for number, content in enumerate(contents)]

    done, found = examine(a_batch(*records), an_examiner(wanted=compile_filter(expression)))

    assert offsets(found) == wanted
    assert (done.scanned, done.next_offset) == (3, 3)


def test_a_filter_that_fails_for_a_record_is_told_once_and_counted() -> None:
    filtered = an_examiner(wanted=compile_filter(".value.n"))

    done, found = examine(values(b"one", b'{"n": 1}', b"three"), filtered)

    assert offsets(found) == [1]
    assert (done.filter_errors, done.filter_error) == (2, 'Cannot index string with string ("n")')


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        (".[", "syntax error, unexpected end of file in line 1, column 2"),
        ("nothing", "nothing/0 is not defined in line 1, column 1"),
        ("", 'Top-level program not given (try ".")'),
        ("(" * 4096, "syntax error, unexpected end of file in line 1, column 4096"),
    ],
)
def test_an_expression_that_is_no_jq_is_refused(expression: str, problem: str) -> None:
    with pytest.raises(FilterFault, match=re.escape(problem)):
        compile_filter(expression)


def test_a_number_of_eight_bytes_is_one_for_a_filter_if_that_is_wished() -> None:
    data = values(struct.pack(">q", 41), struct.pack(">q", 42))

    assert offsets(examine(data, an_examiner(value=Format.LONG, wanted=compile_filter(".value > 41")))[1]) == [1]
