"""The end of a journal: what a crash, a full disk and other people leave, and what becomes of it."""

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kordon_proxy.audit.breaks import Fault
from kordon_proxy.audit.cursor import save_cursor
from kordon_proxy.audit.event import encode
from kordon_proxy.audit.file import JournalFile
from kordon_proxy.audit.line import BEGINNING, link, place_of, seal
from kordon_proxy.audit.reading import verify
from kordon_proxy.audit.segments import AuditError, Segment, list_segments, segment_path, whole_part
from kordon_proxy.audit.verification import Verifier
from kordon_proxy.config.audit import Rotation
from tests.proxy.audit.events import NOON, SOURCE, a_denial, sealed, unchained


def bodies(first: int, count: int = 1) -> list[bytes]:
    return [encode(a_denial(id=f"e{number}"), SOURCE) for number in range(first, first + count)]


def lines(writer: str, first: int, count: int = 1) -> list[bytes]:
    return sealed((a_denial(id=f"e{number}") for number in range(first, first + count)), writer=writer, first=first)


def content(directory: Path) -> list[bytes]:
    """The encoded events of a journal in which every line has its number and follows from the one before."""
    found: list[bytes] = []
    number, chain = 0, BEGINNING
    for segment in list_segments(directory):
        for line in segment.path.read_bytes().splitlines():
            place = place_of(line)
            assert place is not None
            if not found:
                number, chain = place.sequence - 1, place.previous or b""
            assert (place.writer, place.sequence) == (segment.writer, number + 1)
            assert place.chain == link(chain, line[: place.linked])
            assert place.previous in {chain, None}
            number, chain = place.sequence, place.chain
            found.append(line[: line.rindex(b',"writer":')])
    return found


def an_open_file(
    directory: Path, rotation: Rotation | None = None, now: Callable[[], float] = lambda: NOON / 1000
) -> JournalFile:
    file = JournalFile(directory, rotation or Rotation(), now)
    file.open()
    return file


@pytest.fixture
def file(tmp_path: Path) -> Iterator[JournalFile]:
    file = an_open_file(tmp_path)
    yield file
    file.close()


def test_an_empty_directory_begins_at_nothing_with_a_writer_of_its_own(tmp_path: Path) -> None:
    first, second = JournalFile(tmp_path / "a", Rotation()), JournalFile(tmp_path / "b" / "c", Rotation())

    assert (first.open(), second.open()) == (0, 0)
    assert first.writer
    assert first.writer != second.writer


def test_writer_and_number_go_on_where_they_were(tmp_path: Path, file: JournalFile) -> None:
    # Given
    file.append(bodies(1, 3), 1)
    file.close()

    # When
    again = JournalFile(tmp_path, Rotation())
    last = again.open()

    # Then
    assert (last, again.writer) == (3, file.writer)
    assert len(list_segments(tmp_path)) == 1


def test_the_chain_goes_on_where_it_was(tmp_path: Path) -> None:
    for number in range(1, 30):
        file = an_open_file(tmp_path, Rotation(size=4096))
        file.append(bodies(number), number)
        file.close()

    assert len(list_segments(tmp_path)) > 2
    assert content(tmp_path) == bodies(1, 29)


@pytest.mark.parametrize("left", [0, 3])
def test_after_the_end_was_lost_numbers_that_a_sink_has_are_not_given_again(tmp_path: Path, left: int) -> None:
    # Given a journal that ends before what was forwarded of it
    file = an_open_file(tmp_path)
    file.append(bodies(1, 5), 1)
    file.close()
    save_cursor(tmp_path, "ahead", file.writer, 5)
    save_cursor(tmp_path, "behind", file.writer, 2)
    path = list_segments(tmp_path)[0].path
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:left]))

    # When it is gone on with, also after a restart, and when the cursor has gone
    file = JournalFile(tmp_path, Rotation())
    found = [file.open()]
    file.close()
    (tmp_path / "cursor.ahead.json").unlink()
    found.append(file.open())
    file.append(bodies(6), 6)
    file.close()

    # Then the gap is seen, and nothing else is wrong
    assert found == [5, 5]
    assert [segment.writer for segment in list_segments(tmp_path)] == [file.writer] * 2
    breaks = list(verify(tmp_path, Verifier()))
    assert [(one.fault, one.sequence) for one in breaks] == [(Fault.MISSING, 6)]
    assert breaks[0].meaning.startswith(f"events {left + 1} to 5 are missing")


def test_another_writers_cursor_leaves_no_gap(tmp_path: Path, file: JournalFile) -> None:
    save_cursor(tmp_path, "notes", "another-writer", 99)
    file.append(bodies(1), 1)
    file.close()

    again = JournalFile(tmp_path, Rotation())
    last = again.open()
    again.close()

    assert last == 1


def test_the_chain_begins_where_a_journal_of_before_the_chain_is_gone_on_with(tmp_path: Path) -> None:
    old = unchained([a_denial(), a_denial()])
    path = segment_path(tmp_path, "w1", 1)
    path.write_bytes(b"".join(old))

    file = an_open_file(tmp_path)
    file.append(bodies(3, 2), 3)

    third, chain = seal(bodies(3)[0], "w1", 3)
    fourth, _ = seal(bodies(4)[0], "w1", 4, chain)
    assert path.read_bytes() == b"".join([*old, third, fourth])
    assert b'"previous":"000' in third


@pytest.mark.parametrize("keep", range(1, 400, 7))
def test_a_half_written_line_is_cut_off(tmp_path: Path, file: JournalFile, keep: int) -> None:
    # Given a crash in the middle of the third line
    file.append(bodies(1, 2), 1)
    file.close()
    path = list_segments(tmp_path)[0].path
    path.write_bytes(path.read_bytes() + lines(file.writer, 3)[0][:keep])

    # When
    again = JournalFile(tmp_path, Rotation())

    # Then
    assert again.open() == 2
    assert content(tmp_path) == bodies(1, 2)


@given(st.integers(1, 5), st.binary(max_size=300))
def test_whatever_follows_the_last_whole_line_is_not_counted(
    tmp_path_factory: pytest.TempPathFactory, count: int, rest: bytes
) -> None:
    path = segment_path(tmp_path_factory.mktemp("audit"), "w1", 11)
    whole = b"".join(lines("w1", 11, count))
    path.write_bytes(whole + rest)

    part = whole_part(Segment(path=path, writer="w1", first=11))

    assert (part.size, part.last) == (len(whole), 10 + count)


def test_a_line_with_a_hole_in_it_is_not_whole(tmp_path: Path) -> None:
    # Given a power loss after which the end of a line is on the disk and its middle is not
    path = segment_path(tmp_path, "w1", 1)
    first, second = lines("w1", 1, 2)
    path.write_bytes(first + second[:50] + bytes(100) + second[150:])

    assert whole_part(Segment(path=path, writer="w1", first=1)).last == 1


def test_damage_before_the_last_whole_line_is_left_for_readers_to_see(tmp_path: Path, file: JournalFile) -> None:
    file.append(bodies(1, 3), 1)
    file.close()
    path = list_segments(tmp_path)[0].path
    damaged = path.read_bytes().replace(b'"id":"e2"', b'"id":"e\x002')
    path.write_bytes(damaged)

    assert JournalFile(tmp_path, Rotation()).open() == 3
    assert path.read_bytes() == damaged


def test_the_number_goes_on_from_an_empty_segment(tmp_path: Path, file: JournalFile) -> None:
    # Given a crash between the change of segments and the first line
    file.append(bodies(1, 3), 1)
    file.close()
    segment_path(tmp_path, file.writer, 4).touch()

    again = JournalFile(tmp_path, Rotation())
    assert again.open() == 3
    again.append(bodies(4), 4)
    assert content(tmp_path) == bodies(1, 4)


def test_a_directory_that_another_process_writes_is_refused(tmp_path: Path, file: JournalFile) -> None:
    with pytest.raises(AuditError, match="in use by another process: give each process its own"):
        JournalFile(tmp_path, Rotation()).open()
    file.close()
    JournalFile(tmp_path, Rotation()).open()


def test_journals_of_two_writers_in_one_directory_are_refused(tmp_path: Path) -> None:
    segment_path(tmp_path, "a", 1).touch()
    segment_path(tmp_path, "b", 1).touch()

    with pytest.raises(AuditError, match=r"several writers \(a, b\)"):
        JournalFile(tmp_path, Rotation()).open()


def test_a_directory_that_cannot_be_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(AuditError, match="file/audit cannot be written: not a directory"):
        JournalFile(tmp_path / "file" / "audit", Rotation()).open()


def test_a_segment_that_has_its_size_is_followed_by_another(tmp_path: Path) -> None:
    file = an_open_file(tmp_path, Rotation(size=4096))

    begun = [file.append(bodies(number), number) for number in range(1, 21)]

    segments = list_segments(tmp_path)
    assert len(segments) == 1 + sum(begun) > 2
    assert all(4096 <= segment.path.stat().st_size < 6000 for segment in segments[:-1])
    assert content(tmp_path) == bodies(1, 20)


def test_after_a_restart_the_newest_segment_is_gone_on_with(tmp_path: Path) -> None:
    file = an_open_file(tmp_path, Rotation(size=4096))
    for number in range(1, 10):
        file.append(bodies(number), number)
    file.close()

    again = JournalFile(tmp_path, Rotation(size=4096))
    last = again.open()
    again.append(bodies(last + 1), last + 1)

    assert last == 9
    assert content(tmp_path) == bodies(1, 10)


def test_a_segment_that_has_its_age_is_followed_by_another_also_after_a_restart(tmp_path: Path) -> None:
    # Given a segment whose first event is of noon, in a process that began an hour later
    clock = [NOON / 1000]
    file = an_open_file(tmp_path, Rotation(age=7200.0), lambda: clock[0])
    file.append(bodies(1), 1)
    file.close()
    clock[0] += 3600
    file = an_open_file(tmp_path, Rotation(age=7200.0), lambda: clock[0])

    # When
    clock[0] += 3599
    before = file.append(bodies(2), 2)
    clock[0] += 1
    after = file.append(bodies(3), 3)

    # Then
    assert (before, after) == (False, True)
    assert [segment.first for segment in list_segments(tmp_path)] == [1, 3]


def a_failing(function: Callable[..., object], times: int, code: int) -> Callable[..., object]:
    left = [times]

    def fail(*arguments: object) -> object:
        if left[0]:
            left[0] -= 1
            raise OSError(code, os.strerror(code))
        return function(*arguments)

    return fail


def append_until_taken(file: JournalFile, some: Sequence[bytes], first: int) -> int:
    for failures in range(10):
        try:
            file.append(some, first)
        except OSError:
            continue
        return failures
    raise AssertionError("never taken")


def test_after_a_flush_that_failed_the_lines_are_written_again(
    tmp_path: Path, file: JournalFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given lines that were written, and a disk that says it has lost them
    file.append(bodies(1), 1)
    monkeypatch.setattr("kordon_proxy.audit.file._sync_data", a_failing(os.fdatasync, 2, errno.EIO))
    written: list[int] = []
    written_before = list_segments(tmp_path)[0].path.stat().st_size
    real = os.write

    def write(descriptor: int, data: bytes) -> int:
        written.append(len(data))
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", write)

    # When
    failures = append_until_taken(file, bodies(2), 2)

    # Then each try has written them all, and they are there once
    assert failures == 2
    assert written == [list_segments(tmp_path)[0].path.stat().st_size - written_before] * 3
    assert content(tmp_path) == bodies(1, 2)


def test_what_a_full_disk_took_of_a_line_is_cut_off(
    tmp_path: Path, file: JournalFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a disk with room for ten bytes at a time, and none at the third write
    real, calls = os.write, [0]

    def write(descriptor: int, data: bytes) -> int:
        calls[0] += 1
        if calls[0] == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, data[:10])

    monkeypatch.setattr(os, "write", write)

    # When
    failures = append_until_taken(file, bodies(1, 2), 1)

    # Then
    assert failures == 1
    assert content(tmp_path) == bodies(1, 2)


def test_a_disk_that_takes_nothing_is_an_error_rather_than_an_endless_loop(
    file: JournalFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "write", lambda descriptor, data: 0)

    with pytest.raises(OSError, match="No space left"):
        file.append(bodies(1), 1)


def test_a_new_segment_that_cannot_be_made_is_made_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a full segment, and a directory that cannot be flushed for a while
    file = an_open_file(tmp_path, Rotation(size=4096))
    file.append(bodies(1, 9), 1)
    monkeypatch.setattr(os, "fsync", a_failing(os.fsync, 2, errno.EIO))

    # When
    failures = append_until_taken(file, bodies(10), 10)

    # Then
    assert failures == 2
    assert content(tmp_path) == bodies(1, 10)


def remove(path: Path) -> None:
    path.unlink()


def remove_with_directory(path: Path) -> None:
    for each in path.parent.iterdir():
        each.unlink()
    path.parent.rmdir()


def write_to_it(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"a note of somebody else\n")


def empty_it(path: Path) -> None:
    os.truncate(path, 0)


@pytest.mark.parametrize("disturb", [remove, remove_with_directory, write_to_it, empty_it])
def test_a_segment_that_somebody_disturbed_is_left_to_him_and_another_begun(
    tmp_path: Path, disturb: Callable[[Path], None]
) -> None:
    # Given
    file = an_open_file(tmp_path / "audit")
    file.append(bodies(1), 1)
    disturb(list_segments(tmp_path / "audit")[0].path)

    # When
    file.append(bodies(2), 2)

    # Then
    newest = list_segments(tmp_path / "audit")[-1]
    assert newest.first == 2
    (line,) = newest.path.read_bytes().splitlines()
    assert line.startswith(bodies(2)[0])


def test_others_may_not_read_it(tmp_path: Path) -> None:
    file = an_open_file(tmp_path / "audit")
    file.append(bodies(1), 1)

    modes = [path.stat().st_mode & 0o007 for path in (tmp_path / "audit", *(tmp_path / "audit").iterdir())]

    assert set(modes) == {0}
