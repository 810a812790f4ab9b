"""Forwarders: at least once, in order, from where they were, whatever fails meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from kordon_proxy.audit.cursor import load_cursor, save_cursor
from kordon_proxy.audit.forward import Forwarder
from kordon_proxy.audit.journal import Journal
from kordon_proxy.audit.segments import list_segments
from kordon_proxy.audit.tail import Line
from kordon_proxy.cluster.backoff import Backoff
from kordon_proxy.metrics import Metrics
from tests.proxy.audit.events import a_journal, a_mutation, durable
from tests.proxy.cluster.loops import scenario, until


class Notes:
    """A sink that notes what it gets, and fails as often as it is told to."""

    name = "notes"

    def __init__(self) -> None:
        self.got: list[int] = []
        self.failures = 0
        self.closed = False

    async def deliver(self, lines: Sequence[Line]) -> None:
        if self.failures:
            self.failures -= 1
            self.got.append(lines[0].sequence)  # the first arrived, and then the connection broke
            raise ConnectionError("broken")
        self.got += [line.sequence for line in lines]

    async def close(self) -> None:
        self.closed = True


@asynccontextmanager
async def forwarding(
    journal: Journal, sink: Notes, metrics: Metrics | None = None, backlog_warning: int = 1000, patience: float = 30.0
) -> AsyncIterator[Forwarder]:
    forwarder = Forwarder(
        journal,
        sink,
        metrics or Metrics(),
        backlog_warning=backlog_warning,
        backoff=Backoff(first=0.002, most=0.02),
        patience=patience,
    )
    task = asyncio.create_task(forwarder.run())
    try:
        yield forwarder
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await forwarder.close()


def backlog(metrics: Metrics) -> float | None:
    return metrics.registry.get_sample_value("kordon_audit_backlog", {"sink": "notes"})


class Silent(Notes):
    """A sink that takes nothing and says nothing, until it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.let = asyncio.Event()

    async def deliver(self, lines: Sequence[Line]) -> None:
        await self.let.wait()
        await super().deliver(lines)


@scenario
async def test_a_sink_that_is_silent_is_told_once_and_so_is_that_it_is_back(tmp_path: Path) -> None:
    journal, sink = a_journal(tmp_path), Silent()
    await durable(journal, a_mutation())

    with capture_logs() as logs:
        async with forwarding(journal, sink, patience=0.01):
            await until(lambda: logs)
            sink.let.set()
            await until(lambda: sink.got == [1])
            await durable(journal, a_mutation())
            await until(lambda: sink.got == [1, 2])

    told = [(line["event"], line.get("reason")) for line in logs]
    assert told == [("audit_sink_failing", "silent for 0.01 s"), ("audit_sink_recovered", None)]
    journal.close(5)


@scenario
async def test_what_is_in_the_journal_and_what_comes_is_forwarded_in_order(tmp_path: Path) -> None:
    journal, sink = a_journal(tmp_path), Notes()
    await durable(journal, a_mutation(), a_mutation())

    async with forwarding(journal, sink):
        await until(lambda: sink.got == [1, 2])
        await durable(journal, a_mutation())
        await until(lambda: sink.got == [1, 2, 3])

    assert sink.closed
    journal.close(5)


@scenario
async def test_it_goes_on_after_a_restart_where_it_was(tmp_path: Path) -> None:
    journal, first, second = a_journal(tmp_path), Notes(), Notes()
    await durable(journal, *(a_mutation() for _ in range(5)))
    async with forwarding(journal, first) as forwarder:
        await forwarder.catch_up()
    journal.close(5)

    again = a_journal(tmp_path)
    async with forwarding(again, second):
        await durable(again, a_mutation())
        await until(lambda: second.got)

    assert (first.got, second.got) == ([1, 2, 3, 4, 5], [6])
    again.close(5)


@scenario
async def test_a_crash_repeats_a_little_and_leaves_nothing_out(tmp_path: Path) -> None:
    # Given a forwarder that ends without noting how far it got
    journal, first, second = a_journal(tmp_path), Notes(), Notes()
    await durable(journal, *(a_mutation() for _ in range(5)))
    save_cursor(tmp_path, "notes", journal.writer, 2)
    crashed = asyncio.create_task(Forwarder(journal, first, Metrics(), backlog_warning=10).run())
    await until(lambda: first.got)
    crashed.cancel()

    # When
    async with forwarding(journal, second) as forwarder:
        await forwarder.catch_up()

    # Then
    assert first.got == second.got == [3, 4, 5]
    journal.close(5)


@scenario
async def test_idle_it_notes_how_far_it_got(tmp_path: Path) -> None:
    journal = a_journal(tmp_path)
    async with forwarding(journal, Notes()):
        await durable(journal, a_mutation())
        await until(lambda: load_cursor(tmp_path, "notes", journal.writer) == 1)
    journal.close(5)


@pytest.mark.known_fault(9)
@scenario
async def test_a_sink_that_fails_gets_everything_again_until_it_has_it(tmp_path: Path) -> None:
    journal, sink, metrics = a_journal(tmp_path), Notes(), Metrics()
    sink.failures = 3

    with capture_logs() as logged:
        async with forwarding(journal, sink, metrics) as forwarder:
            await durable(journal, a_mutation(), a_mutation())
            await forwarder.catch_up()
            await durable(journal, a_mutation())
            await forwarder.catch_up()

    assert sink.got[:3] == [1, 1, 1]
    assert sink.got[3:] == [1, 2, 3]
    said = [entry["event"] for entry in logged]
    assert said == ["audit_sink_failing", "audit_sink_recovered"]
    journal.close(5)


@scenario
async def test_the_journal_keeps_what_a_sink_that_is_away_has_not_got(tmp_path: Path) -> None:
    journal, sink = a_journal(tmp_path, rotation={"size": 4096, "keep": 0}), Notes()
    sink.failures = 1_000_000
    async with forwarding(journal, sink) as forwarder:
        for _ in range(30):
            await durable(journal, a_mutation())
        kept = len(list_segments(tmp_path))

        sink.failures, sink.got = 0, []
        await forwarder.catch_up()

    assert kept > 3
    assert sink.got == list(range(1, 31))
    assert len(list_segments(tmp_path)) == 1
    journal.close(5)


@scenario
async def test_a_restart_keeps_what_any_of_several_sinks_has_not_got(tmp_path: Path) -> None:
    # Given a journal of which one sink has everything, and another nothing
    rotation = {"size": 4096, "keep": 0}
    journal = a_journal(tmp_path, rotation=rotation)
    save_cursor(tmp_path, "other", journal.writer, 0)
    save_cursor(tmp_path, "notes", journal.writer, 30)
    journal.forwarded("other", 0)
    for _ in range(30):
        await durable(journal, a_mutation())
    journal.close(5)

    # When both go on after a restart, first the one that has everything
    again, ahead, behind = a_journal(tmp_path, rotation=rotation), Notes(), Notes()
    behind.name = "other"
    async with forwarding(again, ahead), forwarding(again, behind) as forwarder:
        await forwarder.catch_up()

    # Then
    assert (ahead.got, behind.got) == ([], list(range(1, 31)))
    again.close(5)


@scenario
async def test_a_journal_that_was_begun_anew_is_forwarded_from_its_beginning(tmp_path: Path) -> None:
    save_cursor(tmp_path, "notes", "another-writer", 99)
    journal, sink = a_journal(tmp_path), Notes()
    await durable(journal, a_mutation())

    async with forwarding(journal, sink) as forwarder:
        await forwarder.catch_up()

    assert sink.got == [1]
    journal.close(5)


@scenario
async def test_a_broken_cursor_means_everything_again(tmp_path: Path) -> None:
    (tmp_path / "cursor.notes.json").write_text("{")

    assert load_cursor(tmp_path, "notes", "w") == 0


@scenario
async def test_a_cursor_that_cannot_be_kept_stops_nothing(tmp_path: Path) -> None:
    journal, sink = a_journal(tmp_path), Notes()
    (tmp_path / "cursor.notes.draft").mkdir()

    with capture_logs() as logged:
        async with forwarding(journal, sink) as forwarder:
            await durable(journal, a_mutation())
            await forwarder.catch_up()

    assert sink.got == [1]
    assert [entry["event"] for entry in logged] == ["audit_cursor_not_saved"]
    journal.close(5)


@pytest.mark.known_fault(9)
@scenario
async def test_the_backlog_is_shown_and_warned_of_once(tmp_path: Path) -> None:
    journal, sink, metrics = a_journal(tmp_path), Notes(), Metrics()
    sink.failures = 1_000_000

    with capture_logs() as logged:
        async with forwarding(journal, sink, metrics, backlog_warning=4) as forwarder:
            for _ in range(6):
                await durable(journal, a_mutation())
            await until(lambda: backlog(metrics) == 6)
            sink.failures = 0
            await forwarder.catch_up()

    assert backlog(metrics) == 0
    said = [entry["event"] for entry in logged if "behind" in entry["event"]]
    assert said == ["audit_sink_behind", "audit_sink_not_behind_any_more"]
    journal.close(5)


@scenario
async def test_after_the_end_was_cut_off_no_number_that_was_forwarded_is_given_again(tmp_path: Path) -> None:
    # Given a sink that has more than the journal, and one that has less
    journal, ahead, behind = a_journal(tmp_path), Notes(), Notes()
    behind.name = "other"
    await durable(journal, *(a_mutation() for _ in range(5)))
    journal.close(5)
    save_cursor(tmp_path, "notes", journal.writer, 5)
    save_cursor(tmp_path, "other", journal.writer, 2)
    path = list_segments(tmp_path)[0].path
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:3]))

    # When it is gone on with
    with capture_logs() as logged:
        journal = a_journal(tmp_path)
        async with forwarding(journal, ahead), forwarding(journal, behind) as forwarder:
            await forwarder.catch_up()
            before = (list(ahead.got), list(behind.got))
            await durable(journal, a_mutation())
            await until(lambda: ahead.got and len(behind.got) == 2)

    # Then nobody waits for what is gone, and what is new is new to everybody
    assert before == ([], [3])
    assert (ahead.got, behind.got) == ([6], [3, 6])
    (told,) = [line for line in logged if line["event"] == "audit_journal_ends_early"]
    assert (told["sink"], told["forwarded"], told["last_sequence"]) == ("notes", 5, 3)
    assert [(line["first"], line["last"]) for line in logged if line["event"] == "audit_gap"] == [(4, 5)]
    journal.close(5)
