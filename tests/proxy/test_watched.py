"""A watched file gives its last good version, says why the newest is not in use, and is read where nobody waits."""

import asyncio
import threading
from pathlib import Path

import pytest

from kordon_proxy.config.findings import Finding, Refused, Severity
from kordon_proxy.watched import WatchedFile

WARNING = Finding(severity=Severity.WARNING, message="odd", source="f")


def read(content: bytes) -> str:
    text = content.decode()
    if text.startswith("wrong"):
        raise Refused([WARNING, *(Finding(message=word, source="f") for word in text.split())])
    return text


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("one")
    return path


def poll(file: WatchedFile[str]) -> tuple[bool, str, str | None]:
    return asyncio.run(file.poll()), file.value, file.problem


def test_a_new_version_takes_the_place_of_the_one_before(path: Path) -> None:
    file = WatchedFile(path, read)
    assert poll(file) == (False, "one", None)
    path.write_text("two")

    assert poll(file) == (True, "two", None)
    assert poll(file) == (False, "two", None)


def test_a_version_that_cannot_be_used_is_told_once_in_one_line(path: Path) -> None:
    file = WatchedFile(path, read)
    path.write_text("wrong twice")

    told = "f:1:1: error: wrong (and 1 more)"
    assert poll(file) == (True, "one", told)
    assert poll(file) == (False, "one", told)


def test_a_mistake_that_is_taken_back_is_over_and_one_that_comes_again_is_told_again(path: Path) -> None:
    file = WatchedFile(path, read)
    for _ in range(2):
        path.write_text("wrong")
        assert poll(file) == (True, "one", "f:1:1: error: wrong")
        path.write_text("one")
        assert poll(file) == (True, "one", None)


def test_a_file_that_is_gone_is_told_and_whatever_comes_in_its_place_is_read(path: Path) -> None:
    file = WatchedFile(path, read)
    path.write_text("wrong")
    poll(file)
    path.unlink()
    assert poll(file) == (True, "one", f"cannot read {path}: no such file or directory")

    path.write_text("wrong")

    assert poll(file) == (True, "one", "f:1:1: error: wrong")


def test_a_changed_mode_is_a_change_where_it_may_be_the_mistake(path: Path) -> None:
    reads: list[bytes] = []
    file = WatchedFile(path, reads.append, mode_matters=True)
    path.chmod(0o640)

    assert asyncio.run(file.poll())
    assert reads == [b"one", b"one"]


def test_a_changed_mode_changes_nothing_where_it_does_not_matter(path: Path) -> None:
    reads: list[bytes] = []
    file = WatchedFile(path, reads.append)
    path.chmod(0o640)

    assert not asyncio.run(file.poll())
    assert reads == [b"one"]


def test_it_is_read_in_another_thread(path: Path) -> None:
    threads: list[threading.Thread] = []
    file = WatchedFile(path, lambda _: threads.append(threading.current_thread()))
    path.write_text("two")

    asyncio.run(file.poll())

    assert threads[0] is threading.current_thread()
    assert threads[1] is not threading.current_thread()


def test_at_the_start_there_is_no_older_version(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        WatchedFile(path.parent / "missing", read)
    path.write_text("wrong")
    with pytest.raises(Refused):
        WatchedFile(path, read)
