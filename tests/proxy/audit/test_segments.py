"""Which files of a journal may be deleted."""

from pathlib import Path
from typing import Literal

import pytest

from kordon_proxy.audit.segments import drop_old_segments, list_segments, segment_path

EVERYTHING = float("inf")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Four closed segments and the one in use, ten events each."""
    for first in (1, 11, 21, 31, 41):
        segment_path(tmp_path, "w1", first).write_text("ten events\n")
    return tmp_path


@pytest.mark.parametrize(
    ("keep", "forwarded", "left"),
    [
        (4, EVERYTHING, [1, 11, 21, 31, 41]),
        (2, EVERYTHING, [21, 31, 41]),
        (0, EVERYTHING, [41]),
        ("all", EVERYTHING, [1, 11, 21, 31, 41]),
        (0, 0, [1, 11, 21, 31, 41]),
        (0, 9, [1, 11, 21, 31, 41]),
        (0, 10, [11, 21, 31, 41]),
        (0, 29, [21, 31, 41]),
        (3, 29, [11, 21, 31, 41]),
    ],
)
def test_only_what_is_beyond_those_to_keep_and_forwarded_goes(
    directory: Path, keep: int | Literal["all"], forwarded: float, left: list[int]
) -> None:
    drop_old_segments(directory, keep=keep, forwarded=forwarded)

    assert [segment.first for segment in list_segments(directory)] == left


def test_other_files_in_the_directory_are_nobodys_segments(directory: Path) -> None:
    for name in ("lock", "cursor.kafka.json", "audit.w1.1.jsonl", "audit.w1.00000000000000000051.jsonl.gz", "notes"):
        (directory / name).touch()

    drop_old_segments(directory, keep=0, forwarded=EVERYTHING)

    assert [segment.first for segment in list_segments(directory)] == [41]
    assert len(list(directory.iterdir())) == 6


def test_while_the_newest_is_empty_what_it_goes_on_from_stays(directory: Path) -> None:
    segment_path(directory, "w1", 51).touch()

    drop_old_segments(directory, keep=0, forwarded=EVERYTHING)

    assert [segment.first for segment in list_segments(directory)] == [41, 51]
