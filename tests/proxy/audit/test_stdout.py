"""Events as lines on a descriptor."""

import asyncio
import os
from pathlib import Path

import pytest

from kordon_proxy.audit.stdout import Stdout
from kordon_proxy.audit.tail import Line
from tests.proxy.cluster.loops import scenario

LINES = [Line(1, b'{"a":1}'), Line(2, b'{"b":"' + b"x" * 10_000 + b'"}'), Line(3, b'{"c":3}')]
TEXT = b"".join(line.text + b"\n" for line in LINES)


def read_all(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


@scenario
async def test_events_are_lines(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:
        await Stdout(out.fileno()).deliver(LINES)

    assert (tmp_path / "out").read_bytes() == TEXT


@scenario
async def test_a_pipe_that_nobody_reads_is_an_error_and_what_comes_next_begins_on_a_line_of_its_own() -> None:
    # Given a pipe in which a line got stuck
    end, begin = os.pipe()
    sink = Stdout(begin, patience=0.5)
    many = LINES * 20
    with pytest.raises(TimeoutError, match="nobody reads standard output"):
        await sink.deliver(many)

    # When somebody reads again, and the events are given again
    found = asyncio.create_task(asyncio.to_thread(read_all, end))
    await sink.deliver(many)
    os.close(begin)

    # Then some came twice, and no line is broken
    lines = (await found).split(b"\n")
    assert lines.pop() == b""
    assert set(lines) == {line.text for line in LINES}
    assert lines[-len(many) :] == [line.text for line in many]
    assert len(lines) > len(many)


@scenario
async def test_a_pipe_whose_reader_has_gone_is_an_error() -> None:
    end, begin = os.pipe()
    os.close(end)

    with pytest.raises(BrokenPipeError):
        await Stdout(begin).deliver(LINES)
    os.close(begin)


@scenario
async def test_lines_of_several_that_write_there_stay_whole(tmp_path: Path) -> None:
    end, begin = os.pipe()
    sinks = [Stdout(begin, lock=tmp_path / "lock", patience=20.0) for _ in range(4)]
    many = LINES * 10
    found = asyncio.create_task(asyncio.to_thread(read_all, end))

    await asyncio.gather(*(sink.deliver(many) for sink in sinks))
    os.close(begin)

    assert sorted((await found).splitlines()) == sorted(line.text for line in many * len(sinks))


@scenario
async def test_who_has_begun_a_line_that_nobody_reads_keeps_others_from_it_until_it_is_whole(tmp_path: Path) -> None:
    # Given one that got stuck within a line
    end, begin = os.pipe()
    stuck, other = (Stdout(begin, lock=tmp_path / "lock", patience=0.2) for _ in range(2))
    many = [LINES[1]] * 20
    with pytest.raises(TimeoutError):
        await stuck.deliver(many)

    # When somebody reads again
    found = asyncio.create_task(asyncio.to_thread(read_all, end))
    with pytest.raises(TimeoutError, match="another process has begun a line"):
        await other.deliver(LINES)
    await stuck.deliver(many)
    await other.deliver(LINES)
    os.close(begin)

    # Then no line is broken
    assert set((await found).splitlines()) == {line.text for line in LINES}


@scenario
async def test_the_line_of_one_that_has_gone_keeps_nobody_waiting(tmp_path: Path) -> None:
    end, begin = os.pipe()
    gone, other = (Stdout(begin, lock=tmp_path / "lock", patience=0.2) for _ in range(2))
    with pytest.raises(TimeoutError):
        await gone.deliver([LINES[1]] * 20)

    await gone.close()
    found = asyncio.create_task(asyncio.to_thread(read_all, end))
    await other.deliver(LINES)
    os.close(begin)

    assert (await found).endswith(TEXT)


@scenario
async def test_the_line_of_one_that_was_killed_spoils_no_other(tmp_path: Path) -> None:
    # Given one that ended within a line, and another that finds no room either
    end, begin = os.pipe()
    lock = tmp_path / "lock"
    killed, other, third = (Stdout(begin, lock=lock, patience=0.2) for _ in range(3))
    with pytest.raises(TimeoutError):
        await killed.deliver([LINES[1]] * 20)
    os.close(killed._locked)  # as the system does
    with pytest.raises(TimeoutError):
        await other.deliver(LINES)

    # When somebody reads again
    found = asyncio.create_task(asyncio.to_thread(read_all, end))
    await other.deliver(LINES)
    await third.deliver(LINES)
    os.close(begin)

    # Then only that line is broken, and it is told from the next
    text = await found
    *whole, half = text.removesuffix(b"\n" + TEXT + TEXT).split(b"\n")
    assert set(whole) == {LINES[1].text}
    assert len(half) < len(LINES[1].text)
    assert LINES[1].text.startswith(half)


@scenario
async def test_one_that_ends_between_lines_leaves_no_mark(tmp_path: Path) -> None:
    path, lock = tmp_path / "out", tmp_path / "lock"
    with path.open("wb") as out:
        for _ in range(2):
            sink = Stdout(out.fileno(), lock=lock)
            await sink.deliver(LINES)
            await sink.close()

    assert path.read_bytes() == TEXT + TEXT


@scenario
async def test_one_that_found_no_room_leaves_no_mark(tmp_path: Path) -> None:
    # Given a pipe that is full of whole lines
    end, begin = os.pipe()
    os.write(begin, b"\n" * 65536)
    away, other = (Stdout(begin, lock=tmp_path / "lock", patience=0.1) for _ in range(2))
    with pytest.raises(TimeoutError):
        await away.deliver(LINES)

    # When somebody reads again
    os.read(end, 65536)
    await other.deliver([LINES[0]])
    os.close(begin)

    assert read_all(end) == LINES[0].text + b"\n"
