"""What somebody may ask for, and what he is told who asks for something else."""

import pytest

from kordon_proxy.inspection.asked import AtOffset, AtTime, Earliest, Inspection, Latest, Start, parse_start
from kordon_proxy.inspection.errors import Unusable


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
