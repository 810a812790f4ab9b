"""What somebody may ask for, and what he is told who asks for something else."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kordon_proxy.inspection.asked import AtOffset, AtTime, Earliest, Format, Inspection, Latest, Start, parse_start
from kordon_proxy.inspection.errors import Malformed, Unusable
from kordon_proxy.inspection.request import read_request


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("earliest", Earliest()),
        ("latest", Latest()),
        ("0", AtOffset(0)),
        ("9223372036854775807", AtOffset(2**63 - 1)),
        ("1970-01-01T00:00:01Z", AtTime(1000)),
        ("1970-01-01T01:00:01.5+01:00", AtTime(1500)),
    ],
)
def test_a_start_is_read(text: str, start: Start) -> None:
    assert parse_start(text) == start


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "`` is no place to start from: earliest, latest, an offset, or a time as 2026-11-29T12:30:00Z"),
        ("-1", "`-1` is no place to start from"),
        ("yesterday", "`yesterday` is no place to start from"),
        ("2026-11-29T12:30:00", "is a time of which zone"),
        ("2026-13-29T12:30:00Z", "is no place to start from"),
    ],
)
def test_a_start_that_is_none_is_told(text: str, problem: str) -> None:
    with pytest.raises(Unusable, match=problem):
        parse_start(text)


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"topic": ""}, "say which topic"),
        ({"topic": "a b"}, "`a b` is no name of a topic"),
        ({"topic": "\ud800"}, "is no name of a topic"),
        ({"topic": "x" * 250}, "is no name of a topic"),
        ({"count": 0}, "between 1 and 500 records can be had at once, not 0"),
        ({"count": 501}, "between 1 and 500 records"),
        ({"partition": -1}, "-1 is no number of a partition"),
        ({"partition": 2**31}, "is no number of a partition"),
        ({"start": AtOffset(-1), "partition": 0}, "-1 is no offset"),
        ({"start": AtOffset(2**63), "partition": 0}, "is no offset"),
        ({"start": AtOffset(5)}, "offset 5 of which partition"),
        ({"start": AtTime(-1)}, "-1 is no time"),
        ({"filter": "." * 4097}, "a filter has at most 4096 letters, this one has 4097"),
    ],
)
def test_what_cannot_be_asked_for_is_told(asked: dict[str, object], problem: str) -> None:
    with pytest.raises(Unusable, match=problem):
        Inspection(**{"topic": "orders", **asked})  # type: ignore[arg-type]


# Requests


def test_a_request_is_read() -> None:
    body = {"topic": "orders", "partition": 3, "start": 17, "count": 5, "value": "json", "filter": "true"}

    assert read_request(body) == Inspection(
        topic="orders", partition=3, start=AtOffset(17), count=5, value=Format.JSON, filter="true"
    )


def test_what_a_request_leaves_out_has_a_default() -> None:
    assert read_request({"topic": "orders"}) == Inspection(topic="orders")


def test_a_start_may_be_a_word_a_number_or_a_time() -> None:
    starts = ["earliest", "17", "1970-01-01T00:00:01Z"]

    asked = [read_request({"topic": "orders", "partition": 0, "start": one}).start for one in starts]

    assert asked == [Earliest(), AtOffset(17), AtTime(1000)]


def test_every_mistake_of_a_request_is_told_at_once() -> None:
    body = {
        "partition": "3",
        "start": -1,
        "count": 501,
        "committed": "yes",
        "key": "xml",
        "filter": "." * 5000,
        "valu": "json",
    }

    with pytest.raises(Malformed) as raised:
        read_request(body)

    assert {one.path: (one.message, one.hint) for one in raised.value.findings} == {
        "topic": ("`topic` is missing", ""),
        "partition": ("this is no whole number", ""),
        "start": ("this must be at least 0", ""),
        "count": ("this must be at most 500", ""),
        "committed": ("this is neither true nor false", ""),
        "key": ("this is no format", "one of auto, text, json, hex, base64, int, long, schema"),
        "filter": ("this may have at most 4096 letters", ""),
        "valu": ("unknown key `valu`", "did you mean `value`?"),
    }


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (None, "a request is a mapping of keys to values"),
        ([], "a request is a mapping of keys to values"),
        ({"topic": "t", "start": 5}, "start: offset 5 of which partition"),
        ({"topic": "a b"}, "topic: this is no name of a topic"),
        ({"topic": "\ud800"}, "topic: this is no text"),
        ({"topic": "t", "start": "soon"}, "start: `soon` is no place to start from"),
    ],
)
def test_a_request_that_is_none_is_told(body: object, problem: str) -> None:
    with pytest.raises(Malformed, match=problem):
        read_request(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
KEYS = ["topic", "partition", "start", "count", "committed", "key", "value", "filter", "other"]


@given(json_values | st.dictionaries(st.sampled_from(KEYS), json_values))
def test_any_body_is_read_or_malformed(body: object) -> None:
    with suppress(Malformed):
        assert isinstance(read_request(body), Inspection)
