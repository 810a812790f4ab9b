"""A process that is killed, and a disk that is really full: what was promised is kept."""

import asyncio
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path

from kordon_proxy.audit.reading import verify
from kordon_proxy.audit.segments import list_segments
from kordon_proxy.audit.tail import read_events
from kordon_proxy.audit.verification import Verifier
from tests.proxy.audit.events import a_journal, a_mutation, durable
from tests.proxy.cluster.loops import scenario, until


def write_and_kill(directory: Path, after: int) -> list[str]:
    """Let a process write, kill it once it has told so much, and return the events that it said are durable."""
    command = [sys.executable, "-m", "tests.proxy.audit.writer", str(directory)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as writer:
        assert writer.stdout is not None
        told = writer.stdout.read(after)
        writer.send_signal(signal.SIGKILL)
        told += writer.stdout.read()
    return [line.decode() for line in told.split(b"\n")[:-1]]


def test_what_a_killed_process_promised_is_there_whole_and_without_holes(tmp_path: Path) -> None:
    promised: list[str] = []

    for after in (1, 20_000, 60_000):
        promised += write_and_kill(tmp_path, after)
        # A journal that is opened again has nothing in it that is half.
        asyncio.run(open_and_close(tmp_path))

    events = list(read_events(tmp_path))
    assert len(promised) > 1000
    assert set(promised) <= {event["id"] for event in events}
    assert [int(event["sequence"]) for event in events] == list(range(1, len(events) + 1))
    assert len({event["writer"] for event in events}) == 1
    assert list(verify(tmp_path, Verifier())) == []
    assert len(list_segments(tmp_path)) > 1


async def open_and_close(directory: Path) -> None:
    assert a_journal(directory).close(5) == 0


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let this process write no file beyond that size: the system takes a part of the line, and then refuses."""
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, most))


@scenario
async def test_when_a_file_can_really_not_grow_nothing_is_lost_half_or_twice(tmp_path: Path) -> None:
    # Given a journal that has something in it
    changes: list[str | None] = []
    journal = a_journal(tmp_path, on_change=changes.append)
    await durable(journal, a_mutation())
    path = list_segments(tmp_path)[0].path

    # When there is room for one event and a half
    told: list[int] = []
    with files_of_at_most(path.stat().st_size * 5 // 2):
        for number in count(1):
            journal.append(a_mutation(), partial(told.append, number))
            await asyncio.sleep(0.01)
            if not journal.healthy:
                break
        await asyncio.sleep(0)  # what was durable before is told by now
        waiting = journal.waiting
        told_by_then = list(told)
    await until(lambda: len(told) == number)

    # Then
    assert waiting >= 1
    assert told_by_then == list(range(1, number - waiting + 1))
    assert told == list(range(1, number + 1))
    assert [int(event["sequence"]) for event in read_events(tmp_path)] == list(range(1, number + 2))
    assert list(verify(tmp_path, Verifier())) == []
    assert changes == ["file too large", None]
    journal.close(5)
