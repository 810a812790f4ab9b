"""Bytes are shown by what they look like, or as wished; and all that is shown is JSON."""

import base64
import json
import struct
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kordon_proxy.inspection.asked import Format
from kordon_proxy.inspection.plain import TooDeep, from_json, plain, to_json
from kordon_proxy.inspection.shown import detect, show


@pytest.mark.parametrize(
    ("data", "form", "shown"),
    [
        (b"", "text", ""),
        (b"hello", "text", "hello"),
        ("grüße \U0001f9d1‍\U0001f680 一".encode(), "text", "grüße \U0001f9d1‍\U0001f680 一"),
        (b"two\tlines\r\n", "text", "two\tlines\r\n"),
        (b"42", "text", "42"),
        (b'"text"', "text", '"text"'),
        (b'{"a": [1, 2.5, null, true]}', "json", {"a": [1, 2.5, None, True]}),
        (b" [1]\n", "json", [1]),
        (b"{not json}", "text", "{not json}"),
        (b'{"a": NaN}', "text", '{"a": NaN}'),
        (b'{"a": 1e999}', "text", '{"a": 1e999}'),
        (b'{"half": "\\ud83d"}', "json", {"half": "\\ud83d"}),
        (b"\xff\xfe", "hex", "fffe"),
        (b"bell\x07", "hex", "62656c6c07"),
        (b"\x1b[31mred", "hex", "1b5b33316d726564"),
        (b"\x00", "hex", "00"),
    ],
)
def test_what_bytes_look_like(data: bytes, form: str, shown: Any) -> None:
    assert detect(data)[:2] == (form, shown)


def test_four_and_eight_bytes_may_be_numbers() -> None:
    assert detect(struct.pack(">i", -5)).hints == {"int": -5}
    assert detect(struct.pack(">q", 42)).hints == {"long": 42}
    assert detect(b"text").hints is None


@pytest.mark.parametrize(
    ("wanted", "data", "shown"),
    [
        (Format.TEXT, b'{"a": 1}', '{"a": 1}'),
        (Format.TEXT, b"bell\x07", "bell\x07"),
        (Format.JSON, b"42", 42),
        (Format.JSON, b'"text"', "text"),
        (Format.HEX, b"text", "74657874"),
        (Format.BASE64, b"text", "dGV4dA=="),
        (Format.INT, struct.pack(">i", -5), -5),
        (Format.LONG, struct.pack(">q", 2**62), 2**62),
    ],
)
def test_bytes_are_shown_as_wished(wanted: Format, data: bytes, shown: Any) -> None:
    assert show(data, wanted) == (wanted, shown, None, None, None)


@pytest.mark.parametrize(
    ("wanted", "data", "form", "problem"),
    [
        (Format.TEXT, b"\xff", "hex", "not text in UTF-8"),
        (Format.JSON, b"plain", "text", "no JSON: Expecting value: line 1 column 1 (char 0)"),
        (Format.JSON, b'{"a": Infinity}', "text", "no JSON: Infinity is no JSON"),
        (Format.INT, b"12345", "text", "no int: 5 bytes, and not 4"),
        (Format.LONG, b"\x01", "hex", "no long: 1 bytes, and not 8"),
    ],
)
def test_bytes_that_cannot_be_shown_as_wished_are_shown_otherwise(
    wanted: Format, data: bytes, form: str, problem: str
) -> None:
    shown = show(data, wanted)

    assert (shown.format, shown.problem) == (form, problem)


@given(st.binary(max_size=200), st.sampled_from(Format))
def test_any_bytes_are_shown_somehow_and_as_json(data: bytes, wanted: Format) -> None:
    shown = show(data, wanted)

    assert json.loads(to_json(shown.data)) == shown.data
    json.dumps(shown.data, ensure_ascii=False).encode("utf-8")  # what frameworks do, which half a surrogate breaks


def test_no_depth_of_json_is_too_much() -> None:
    for depth in (100, 101, 1000, 100_000):
        shown = detect(b"[" * depth + b"]" * depth)

        assert shown.format == ("json" if depth == 100 else "text")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(), st.lists))
def test_json_is_shown_as_it_is(value: Any) -> None:
    text = json.dumps([value]).replace("Infinity", "1")

    assert detect(text.encode()).data == plain(json.loads(text))


def test_what_decoders_give_becomes_json() -> None:
    at = datetime(2026, 11, 29, 12, 30, tzinfo=UTC)
    given = {
        1: b"\x00\xff",
        "when": [at, at.date(), time(12, 30), timedelta(seconds=90)],
        "exact": Decimal("12345678901234567890.10"),
        "id": UUID(int=1),
        "none": [float("nan"), float("inf"), float("-inf")],
        "pair": (1, "\udc00"),
    }

    assert plain(given) == {
        "1": base64.b64encode(b"\x00\xff").decode(),
        "when": ["2026-11-29T12:30:00+00:00", str(date(2026, 11, 29)), "12:30:00", "0:01:30"],
        "exact": "12345678901234567890.10",
        "id": "00000000-0000-0000-0000-000000000001",
        "none": ["NaN", "Infinity", "-Infinity"],
        "pair": [1, "\\udc00"],
    }


def test_what_is_no_json_at_all_is_refused() -> None:
    with pytest.raises(TypeError, match="a set is no JSON"):
        plain({1})
    with pytest.raises(TooDeep):
        from_json("[" * 200 + "]" * 200)
