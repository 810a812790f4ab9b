"""A watched file gives its last good version, says why the newest is not in use, and is read where nobody waits."""

import asyncio
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from kordon_proxy import watched
from kordon_proxy.config.findings import Finding, Refused, Severity
from kordon_proxy.watched import LEAST_REST, RESTS, WatchedFile

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


def test_a_version_that_was_not_read_for_no_fault_of_its_own_is_read_again_after_a_pause(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_000.0]
    monkeypatch.setattr(watched, "time", SimpleNamespace(monotonic=lambda: now[0], time_ns=time.time_ns))
    fails, reads = [False], 0

    def read_in_ten_seconds(content: bytes) -> str:
        nonlocal reads
        reads, now[0] = reads + 1, now[0] + 10
        if fails[0]:
            raise OSError("too little memory")
        return content.decode()

    file = WatchedFile(path, read_in_ten_seconds)
    fails[0] = True
    path.write_text("two")

    problem = f"cannot read {path}: too little memory"
    assert poll(file) == (True, "one", problem)
    for _ in range(2):
        now[0] += 9 + 10 * (RESTS - 1)
        assert poll(file) == (False, "one", problem)
        now[0] += 1
        assert poll(file) == (False, "one", problem)
    assert reads == 4
    path.write_text("three")  # which may be smaller
    assert poll(file) == (False, "one", problem)
    assert reads == 5
    fails[0] = False
    assert poll(file) == (False, "one", problem)
    now[0] += 10 * RESTS
    assert poll(file) == (True, "three", None)


def test_one_that_comes_to_nothing_at_once_is_not_read_again_each_time(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_000.0]
    monkeypatch.setattr(watched, "time", SimpleNamespace(monotonic=lambda: now[0], time_ns=time.time_ns))
    failed = []

    def read_or_fail(content: bytes) -> str:
        if content == b"two":
            failed.append(now[0])
            raise OSError("too little memory")
        return content.decode()

    file = WatchedFile(path, read_or_fail)
    path.write_text("two")
    for _ in range(12):
        poll(file)
        now[0] += 1

    assert failed == [1_000.0, 1_000 + LEAST_REST, 1_000 + 2 * LEAST_REST]


def test_while_a_version_waits_to_be_read_again_nothing_is_taken_for_known(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that was written long ago is told by its times, and is looked at no more once it has been read."""
    monkeypatch.setattr(watched, "_SETTLED", 0)
    monkeypatch.setattr(watched, "LEAST_REST", 0)
    fails = [False]

    def read_or_fail(content: bytes) -> str:
        if fails[0]:
            time.sleep(0.01)
            raise OSError("too little memory")
        return content.decode()

    file = WatchedFile(path, read_or_fail)
    fails[0] = True
    path.write_text("two")
    assert poll(file)[0]
    fails[0] = False
    assert poll(file)[1] == "one"
    time.sleep(0.02 * RESTS)

    assert poll(file) == (True, "two", None)


def test_at_the_start_there_is_no_older_version(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        WatchedFile(path.parent / "missing", read)
    path.write_text("wrong")
    with pytest.raises(Refused):
        WatchedFile(path, read)
