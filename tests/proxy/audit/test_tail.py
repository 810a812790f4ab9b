"""Reading a journal while it is written."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from kordon_proxy.audit.segments import Segment, list_segments, segment_path
from kordon_proxy.audit.tail import Tail, read_events
from tests.proxy.audit.events import a_denial, sealed

EVERYTHING = float("inf")


def line(number: int, filler: str = "") -> bytes:
    return sealed([a_denial(id=f"e{number}{filler}")], first=number)[0]


def write(directory: Path, first: int, last: int) -> Path:
    path = segment_path(directory, "w1", first)
    path.write_bytes(b"".join(line(number) for number in range(first, last + 1)))
    return path


def numbers(tail: Tail, durable: float = EVERYTHING) -> list[int]:
    found: list[int] = []
    while some := tail.read(durable):
        found += [each.sequence for each in some]
    return found


@given(
    cuts=st.sets(st.integers(2, 40), max_size=5),
    after=st.integers(0, 41),
    durables=st.lists(st.integers(0, 40), max_size=5).map(sorted),
)
def test_every_line_after_a_number_comes_once_and_none_before_it_is_durable(
    tmp_path_factory: pytest.TempPathFactory, cuts: set[int], after: int, durables: list[int]
) -> None:
    # Given forty lines in any segments
    directory = tmp_path_factory.mktemp("audit")
    firsts = [1, *sorted(cuts)]
    for first, following in zip(firsts, [*firsts[1:], 41], strict=True):
        write(directory, first, following - 1)
    tail = Tail(directory, after)

    # When
    found: list[int] = []
    for durable in [*durables, 40]:
        found += numbers(tail, durable)
        assert all(number <= durable for number in found)

    # Then
    assert found == list(range(after + 1, 41))


def test_a_line_that_is_still_being_written_is_left_for_later(tmp_path: Path) -> None:
    path = write(tmp_path, 1, 2)
    whole = path.read_bytes()
    tail = Tail(tmp_path)

    path.write_bytes(whole[:-5])
    first = numbers(tail)
    path.write_bytes(whole)

    assert (first, numbers(tail)) == ([1], [2])


def test_lines_that_were_taken_back_by_the_writer_are_read_as_they_are_written_again(tmp_path: Path) -> None:
    # Given a line that was not durable when the tail looked
    path = write(tmp_path, 1, 2)
    tail = Tail(tmp_path)
    assert numbers(tail, durable=1) == [1]

    # When another takes its place
    path.write_bytes(line(1) + line(2, filler="-again"))

    # Then
    (read,) = tail.read(2)
    assert read.text + b"\n" == line(2, filler="-again")


def test_a_line_longer_than_a_chunk_comes_whole(tmp_path: Path) -> None:
    path = segment_path(tmp_path, "w1", 1)
    path.write_bytes(line(1, filler="x" * 700_000) + line(2))

    assert numbers(Tail(tmp_path)) == [1, 2]


def test_a_segment_that_begins_later_is_gone_on_with(tmp_path: Path) -> None:
    write(tmp_path, 1, 2)
    tail = Tail(tmp_path)
    first = numbers(tail)

    write(tmp_path, 3, 4)

    assert (first, numbers(tail)) == ([1, 2], [3, 4])


def test_what_was_written_between_the_last_read_and_the_next_segment_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a tail that has read all there is, and a writer that adds a line and then begins a segment
    write(tmp_path, 1, 2)
    tail = Tail(tmp_path)
    assert numbers(tail) == [1, 2]

    def look_a_moment_later(directory: Path) -> list[Segment]:
        write(directory, 1, 3)
        write(directory, 4, 4)
        return list_segments(directory)

    # When it looks for the next segment just then
    monkeypatch.setattr("kordon_proxy.audit.tail.list_segments", look_a_moment_later)

    # Then
    assert numbers(tail) == [3, 4]


def test_an_empty_or_missing_segment_is_nothing_yet(tmp_path: Path) -> None:
    tail = Tail(tmp_path)
    before = numbers(tail)
    segment_path(tmp_path, "w1", 1).touch()

    assert before == numbers(tail) == []


def test_a_damaged_line_is_said_and_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path, 1, 3)
    path.write_bytes(path.read_bytes().replace(line(2), b"x" * 10 + b"\n"))

    with capture_logs() as logged:
        found = numbers(Tail(tmp_path))

    assert found == [1, 3]
    assert [entry["event"] for entry in logged] == ["audit_line_damaged", "audit_gap"]
    assert (logged[1]["first"], logged[1]["last"]) == (2, 2)


def test_a_deleted_segment_is_said_as_a_gap(tmp_path: Path) -> None:
    for first in (1, 11, 21):
        write(tmp_path, first, first + 9)
    list_segments(tmp_path)[1].path.unlink()

    with capture_logs() as logged:
        found = numbers(Tail(tmp_path, after=5))

    assert found == [6, 7, 8, 9, 10, *range(21, 31)]
    assert [(entry["event"], entry["first"], entry["last"]) for entry in logged] == [("audit_gap", 11, 20)]


def test_what_was_deleted_before_is_gone_on_after(tmp_path: Path) -> None:
    write(tmp_path, 11, 12)

    assert numbers(Tail(tmp_path, after=3)) == [11, 12]


def test_events_are_read_as_values(tmp_path: Path) -> None:
    write(tmp_path, 1, 3)

    assert [event["id"] for event in read_events(tmp_path, after=1)] == ["e2", "e3"]
