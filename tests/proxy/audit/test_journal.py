"""The durable path: order, group commit, and a disk that refuses for a while."""

import asyncio
import errno
import os
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from kordon_proxy.audit.file import JournalFile
from kordon_proxy.audit.journal import Journal
from kordon_proxy.audit.segments import AuditError, list_segments
from kordon_proxy.audit.tail import read_events
from kordon_proxy.cluster.backoff import Backoff
from kordon_proxy.config.audit import Rotation
from tests.proxy.audit.events import SOURCE, TOPIC, a_config, a_denial, a_journal, a_mutation, durable
from tests.proxy.cluster.loops import on_both_loops, scenario, until


class Disk(JournalFile):
    """A journal's file on a disk that can be stopped, and made to refuse."""

    def __init__(self, directory: Path, rotation: Rotation | None = None) -> None:
        super().__init__(directory, rotation or Rotation())
        self.asked = 0
        self.stops_at = 0
        self.batches: list[int] = []
        self.error: int | None = None
        self.goes_on = threading.Event()
        self.goes_on.set()

    def append(self, bodies: Sequence[bytes], first: int) -> bool:
        self.asked += 1
        if self.asked == self.stops_at:
            self.goes_on.clear()
        self.goes_on.wait()
        if self.error is not None:
            raise OSError(self.error, os.strerror(self.error))
        self.batches.append(len(bodies))
        return super().append(bodies, first)


def a_journal_on(disk: Disk, on_change: Callable[[str | None], None] | None = None, **changes: Any) -> Journal:
    journal = Journal(
        a_config(disk.directory, **changes),
        source=SOURCE,
        loop=asyncio.get_running_loop(),
        file=disk,
        backoff=Backoff(first=0.002, most=0.02),
        on_change=on_change,
    )
    journal.start()
    return journal


def ids(directory: Path) -> list[str]:
    return [event["id"] for event in read_events(directory)]


def numbers(directory: Path) -> list[int]:
    return [int(event["sequence"]) for event in read_events(directory)]


@on_both_loops
@scenario
async def test_an_event_is_on_disk_when_its_answer_may_leave(tmp_path: Path, loop: str) -> None:
    journal = a_journal(tmp_path)
    event = a_mutation()
    found: list[list[str]] = []

    journal.append(event, lambda: found.append(ids(tmp_path)))

    await until(lambda: found)
    assert found == [[event.id]]
    assert journal.close(5) == 0


@on_both_loops
@scenario
async def test_callbacks_come_in_order_and_on_the_loops_thread(tmp_path: Path, loop: str) -> None:
    journal = a_journal(tmp_path)
    called: list[tuple[int, int]] = []

    def note(number: int) -> None:
        called.append((number, threading.get_ident()))

    for number in range(500):
        journal.append(a_mutation(), partial(note, number))

    await until(lambda: len(called) == 500)
    assert called == [(number, threading.get_ident()) for number in range(500)]
    assert numbers(tmp_path) == list(range(1, 501))
    journal.close(5)


@scenario
async def test_what_comes_while_the_disk_is_busy_is_flushed_together(tmp_path: Path) -> None:
    # Given a disk that is busy with one event
    disk = Disk(tmp_path)
    journal = a_journal_on(disk)
    disk.goes_on.clear()
    journal.append(a_mutation())
    await until(lambda: disk.asked)

    # When
    for _ in range(100):
        journal.append(a_mutation())
    disk.goes_on.set()

    # Then
    await until(lambda: journal.durable == 101)
    assert disk.batches == [1, 100]
    journal.close(5)


@scenario
async def test_an_event_that_came_too_late_for_a_flush_is_told_of_after_the_next(tmp_path: Path) -> None:
    # Given a disk that is busy with one event, and will be with the next
    disk = Disk(tmp_path)
    journal = a_journal_on(disk)
    told: list[int] = []
    disk.stops_at = 1
    journal.append(a_mutation(), partial(told.append, 1))
    await until(lambda: disk.asked == 1)
    disk.stops_at = 2

    # When
    journal.append(a_mutation(), partial(told.append, 2))
    disk.goes_on.set()
    await until(lambda: told and disk.asked == 2)

    # Then
    assert told == [1]
    disk.goes_on.set()
    await until(lambda: told == [1, 2])
    journal.close(5)


@scenario
async def test_whoever_waits_for_all_before_is_told_after_it_in_order(tmp_path: Path) -> None:
    # Given an event that the disk does not take yet
    disk = Disk(tmp_path)
    journal = a_journal_on(disk)
    told: list[str] = []
    journal.when_durable(partial(told.append, "nothing waits"))
    await until(lambda: told)
    disk.goes_on.clear()
    journal.append(a_mutation(), partial(told.append, "first"))

    # When
    journal.when_durable(partial(told.append, "second"))
    journal.when_durable(partial(told.append, "third"))
    await asyncio.sleep(0.05)
    before = list(told)
    disk.goes_on.set()
    await until(lambda: len(told) == 4)

    # Then
    assert before == ["nothing waits"]
    assert told[1:] == ["first", "second", "third"]
    journal.close(5)


@scenario
async def test_whoever_may_go_on_without_the_disk_does_not_wait_for_all_before(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    journal = a_journal_on(disk, on_failure="continue")
    disk.error = errno.ENOSPC
    journal.append(a_mutation())
    await until(lambda: not journal.healthy)
    told: list[int] = []

    journal.when_durable(partial(told.append, 1))

    await until(lambda: told)
    assert journal.waiting == 1
    journal.close(0.1)


@scenario
async def test_appending_never_waits_for_the_disk(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    journal = a_journal_on(disk)
    disk.goes_on.clear()

    for _ in range(1000):
        journal.append(a_mutation())

    assert (journal.durable, journal.waiting) == (0, 1000)
    disk.goes_on.set()
    assert journal.close(5) == 0


@scenario
async def test_one_broken_callback_costs_the_others_nothing(tmp_path: Path) -> None:
    journal = a_journal(tmp_path)
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
    called: list[int] = []

    journal.append(a_mutation(), lambda: called.append(1))
    journal.append(a_mutation(), lambda: called.append(1 // 0))
    journal.append(a_mutation(), lambda: called.append(3))

    await until(lambda: len(called) == 2)
    assert called == [1, 3]
    assert [type(complaint["exception"]) for complaint in complaints] == [ZeroDivisionError]
    journal.close(5)


@scenario
async def test_nothing_is_lost_while_the_disk_refuses_and_it_recovers_by_itself(tmp_path: Path) -> None:
    # Given
    disk = Disk(tmp_path)
    changes: list[str | None] = []
    journal = a_journal_on(disk, changes.append)
    disk.error = errno.ENOSPC
    events = [a_mutation() for _ in range(50)]
    told: list[str] = []

    # When
    with capture_logs() as logged:
        for event in events:
            journal.append(event, partial(told.append, event.id))
        await until(lambda: not journal.healthy and disk.asked > 3)
        told_while_failing = list(told)
        disk.error = None
        await until(lambda: len(told) == 50)

    # Then
    assert told_while_failing == []
    assert told == [event.id for event in events] == ids(tmp_path)
    assert changes == ["no space left on device", None]
    assert [entry["event"] for entry in logged] == ["audit_journal_failing", "audit_journal_recovered"]
    journal.close(5)


@scenario
async def test_it_is_full_at_its_bound_and_keeps_what_comes_all_the_same(tmp_path: Path) -> None:
    # Given
    disk = Disk(tmp_path)
    journal = a_journal_on(disk, waiting=10)
    disk.error = errno.EIO

    # When
    fullness = []
    for _ in range(12):
        journal.append(a_mutation())
        fullness.append(journal.full)

    # Then: what was under way when it got full is not dropped
    assert fullness == [False] * 9 + [True] * 3
    disk.error = None
    await until(lambda: journal.durable == 12)
    assert not journal.full
    journal.close(5)


@scenario
async def test_few_events_that_are_large_fill_it_as_well(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    journal = a_journal_on(disk)
    disk.goes_on.clear()
    large = a_mutation(what=a_mutation().what.__class__(parameters={"x": "y" * (8 << 20)}))

    for _ in range(8):
        journal.append(large)

    assert journal.full
    disk.goes_on.set()
    await until(lambda: not journal.full)
    journal.close(5)


@scenario
async def test_whoever_may_go_on_without_the_disk_does_and_the_number_of_lost_events_is_known(tmp_path: Path) -> None:
    # Given
    disk = Disk(tmp_path)
    journal = a_journal_on(disk, waiting=5, on_failure="continue")
    disk.error = errno.ENOSPC
    told: list[int] = []
    journal.append(a_mutation(), lambda: told.append(0))
    await until(lambda: not journal.healthy)

    # When
    kept = [journal.append(a_mutation(), partial(told.append, number)) for number in range(1, 9)]

    # Then
    await until(lambda: len(told) == 9)
    assert told == list(range(9))
    assert kept == [True] * 4 + [False] * 4
    disk.error = None
    await until(lambda: journal.durable == 5)
    assert numbers(tmp_path) == [1, 2, 3, 4, 5]
    assert journal.take_lost() == 4
    assert journal.take_lost() == 0
    assert told == list(range(9))
    journal.close(5)


@scenario
async def test_the_sequence_has_no_holes_over_restarts(tmp_path: Path) -> None:
    for _ in range(3):
        journal = a_journal(tmp_path)
        await durable(journal, a_denial(), a_mutation())
        journal.close(5)

    assert numbers(tmp_path) == [1, 2, 3, 4, 5, 6]
    assert {event["writer"] for event in read_events(tmp_path)} == {journal.writer}


@scenario
async def test_events_that_were_never_durable_leave_no_hole(tmp_path: Path) -> None:
    # Given a process that ends while its disk refuses
    disk = Disk(tmp_path)
    journal = a_journal_on(disk)
    await durable(journal, a_mutation())
    disk.error = errno.ENOSPC
    for _ in range(3):
        journal.append(a_mutation())

    # When
    left = journal.close(5)

    # Then
    assert left == 3
    again = a_journal(tmp_path)
    await durable(again, a_mutation())
    assert numbers(tmp_path) == [1, 2]
    again.close(5)


@scenario
async def test_closing_writes_what_waits(tmp_path: Path) -> None:
    journal = a_journal(tmp_path)
    for _ in range(5000):
        journal.append(a_denial())

    assert journal.close(10) == 0
    assert numbers(tmp_path) == list(range(1, 5001))


@scenario
async def test_closing_does_not_wait_for_ever_for_a_disk_that_hangs(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    journal = a_journal_on(disk)
    disk.goes_on.clear()
    journal.append(a_mutation())

    assert journal.close(0.05) == 1
    disk.goes_on.set()


@scenario
async def test_an_error_that_nobody_foresaw_closes_it_for_mutations(tmp_path: Path) -> None:
    # Given
    disk = Disk(tmp_path)
    journal = a_journal_on(disk, waiting=2)
    disk.append = lambda bodies, first: 1 // 0 == 1  # type: ignore[method-assign]

    # When
    with capture_logs() as logged:
        journal.append(a_mutation())
        await until(lambda: not journal.healthy)

    # Then
    assert "unexpected error" in str(journal.failure)
    assert [entry["event"] for entry in logged] == ["audit_journal_stopped", "audit_journal_failing"]
    assert journal.close(5) == 1


@scenario
async def test_a_request_that_names_many_things_is_told_of_once_and_has_a_number_for_each_part(tmp_path: Path) -> None:
    journal = a_journal(tmp_path)
    told: list[int] = []
    event = a_denial(what=a_denial().what.__class__(resources=(TOPIC,) * 5000))

    journal.append(event, lambda: told.append(journal.durable))

    await until(lambda: told)
    assert told == [len(numbers(tmp_path))]
    assert sum(len(part["data"]["what"]["resources"]) for part in read_events(tmp_path)) == 5000
    journal.close(5)


@scenario
async def test_old_segments_go_as_new_ones_are_begun(tmp_path: Path) -> None:
    journal = a_journal(tmp_path, rotation={"size": 4096, "keep": 2})
    for _ in range(60):
        await durable(journal, a_mutation())

    assert len(list_segments(tmp_path)) == 3
    assert numbers(tmp_path)[-1] == 60
    journal.close(5)


@scenario
async def test_the_slowest_sink_is_waited_for_before_anything_goes(tmp_path: Path) -> None:
    # Given
    journal = a_journal(tmp_path, rotation={"size": 4096, "keep": 0})
    journal.forwarded("fast", 0)
    journal.forwarded("slow", 0)
    for _ in range(30):
        await durable(journal, a_mutation())
    before = numbers(tmp_path)

    # When
    journal.forwarded("fast", 30)
    with_fast = numbers(tmp_path)
    journal.forwarded("slow", 20)

    # Then
    assert before == with_fast == list(range(1, 31))
    assert 1 < numbers(tmp_path)[0] <= 21
    journal.close(5)


@scenario
async def test_where_the_chain_stands_is_told_at_the_start_at_each_new_file_and_at_the_end(tmp_path: Path) -> None:
    with capture_logs() as logged:
        for _ in range(2):
            journal = a_journal(tmp_path, rotation={"size": 4096})
            for _ in range(5):
                await durable(journal, a_mutation())
            journal.close(5)

    told = [(line["event"], line["sequence"]) for line in logged if line["event"].startswith("audit_journal")]
    opened, closed = "audit_journal_opened", "audit_journal_closed"
    assert told == [(opened, 0), (closed, 5), (opened, 5), (closed, 10)]
    chains = {int(event["sequence"]): event["chain"] for event in read_events(tmp_path)}
    assert [line["chain"] for line in logged] == [chains.get(line["sequence"]) for line in logged]
    assert {line["event"] for line in logged} == {opened, closed, "audit_segment_begun"}


@scenario
async def test_a_directory_that_cannot_be_used_is_said_at_the_start(tmp_path: Path) -> None:
    first = a_journal(tmp_path)

    with pytest.raises(AuditError, match="in use by another process"):
        a_journal(tmp_path)
    first.close(5)
