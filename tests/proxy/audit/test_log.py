"""The audit of a process, from what sessions say to what is on disk."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from kordon_proxy.audit.event import Event, Who
from kordon_proxy.audit.log import AuditLog
from kordon_proxy.audit.tail import Line, read_events
from kordon_proxy.metrics import Metrics
from tests.proxy.audit.events import DEV, SOURCE, TOPIC, a_config, a_denial, a_login, a_mutation
from tests.proxy.cluster.loops import on_both_loops, scenario, until

CALLER = replace(DEV, mechanism="BEARER", client_id="laptop", listener="admin-api", connection_id=None)
"""Who calls the admin API: each call has a connection, and nobody knows which."""


class Away:
    """A sink that never has anything."""

    name = "away"

    async def deliver(self, lines: Sequence[Line]) -> None:
        raise ConnectionError("away")

    async def close(self) -> None: ...


@asynccontextmanager
async def an_audit(directory: Path, metrics: Metrics | None = None, **changes: Any) -> AsyncIterator[AuditLog]:
    audit = AuditLog(a_config(directory, **changes), source=SOURCE, metrics=metrics or Metrics())
    await audit.start()
    try:
        yield audit
    finally:
        await audit.close(5)


@pytest.fixture
def broken_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Lets the journal's flushes fail, or no more."""
    state = {"broken": False}
    real = os.fdatasync

    def sync(descriptor: int) -> None:
        if state["broken"]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    monkeypatch.setattr("kordon_proxy.audit.file._sync_data", sync)
    return lambda broken: state.update(broken=broken)


def events(directory: Path, kind: str | None = None) -> list[dict[str, Any]]:
    return [event for event in read_events(directory) if kind is None or f".{kind}." in event["type"]]


def content(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(directory.glob("audit.*")))


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"kordon_{name}", labels)


@on_both_loops
@scenario
async def test_a_decision_is_on_disk_before_its_answer_leaves(tmp_path: Path, loop: str) -> None:
    async with an_audit(tmp_path) as audit:
        event, found = a_mutation(), asyncio.get_running_loop().create_future()

        audit.decision(event, lambda: found.set_result(events(tmp_path)))

        assert [each["id"] for each in await found] == [event.id]


@scenario
async def test_reads_are_one_event_at_the_end_of_the_window(tmp_path: Path) -> None:
    async with an_audit(tmp_path, window=0.05) as audit:
        for _ in range(100):
            audit.tally(DEV, "TOPIC_INSPECT", TOPIC, "Allow", 10)
        await until(lambda: events(tmp_path))

    (event,) = events(tmp_path)
    assert event["data"]["window"]["count"] == 100
    assert event["data"]["outcome"]["bytes"] == 1000
    assert "connection_id" not in event["data"]["who"]


@scenario
async def test_reads_of_more_kinds_than_fit_are_written_before_the_window_ends(tmp_path: Path) -> None:
    async with an_audit(tmp_path, window=3600, keys=100) as audit:
        for number in range(150):
            audit.tally(DEV, "TOPIC_INSPECT", ("cluster", "prod", "topic", f"t{number}"), "Allow")
        await until(lambda: len(events(tmp_path)) == 100)

    assert len(events(tmp_path)) == 150


@scenario
async def test_what_has_been_counted_is_written_at_the_end_of_the_process(tmp_path: Path) -> None:
    audit = AuditLog(a_config(tmp_path), source=SOURCE, metrics=Metrics())
    await audit.start()
    audit.tally(DEV, "TOPIC_PRODUCE", TOPIC, "Allow")
    denial = a_denial()
    for _ in range(3):
        audit.decision(denial)

    left = await audit.close()

    assert left.nothing
    assert sorted(event["type"].split(".")[2] for event in events(tmp_path)) == ["aggregate", "aggregate", "decision"]


@scenario
async def test_a_client_that_retries_at_once_is_two_events_a_window(tmp_path: Path) -> None:
    async with an_audit(tmp_path) as audit:
        answered: list[int] = []
        for number in range(1000):
            audit.decision(a_denial(time=number), partial(answered.append, number))
        await until(lambda: len(answered) == 1000)

    first, repeats = events(tmp_path)
    assert repeats["data"]["window"]["count"] == 999
    assert repeats["data"]["window"]["repeats"] == first["id"]


@pytest.mark.parametrize(
    ("record", "event", "free"),
    [(AuditLog.decision, a_denial(CALLER), 1), (AuditLog.login, a_login(58), 10)],
    ids=["denial", "login"],
)
@scenario
async def test_what_repeats_and_comes_on_no_connection_of_its_own_waits_for_the_first(
    tmp_path: Path,
    broken_disk: Callable[[bool], None],
    record: Callable[[AuditLog, Event, Callable[[], None]], None],
    event: Event,
    free: int,
) -> None:
    with capture_logs():
        async with an_audit(tmp_path) as audit:
            broken_disk(True)
            answered: list[int] = []
            for number in range(free + 2):
                record(audit, event, partial(answered.append, number))
            await until(lambda: not audit.healthy)
            during = list(answered)
            broken_disk(False)
            await until(lambda: len(answered) == free + 2)

    assert during == []
    assert answered == list(range(free + 2))


@pytest.mark.parametrize(
    "other",
    [
        a_denial(replace(DEV, connection_id="c2")),
        a_denial(what=replace(a_denial().what, api="OffsetDelete")),
        a_denial(what=replace(a_denial().what, resources=(TOPIC,))),
        a_denial(what=replace(a_denial().what, parameters={"offsets": {"tx_trade1": {"3": {"old": 41, "new": 43}}}})),
        a_denial(why=replace(a_denial().why, epoch=4)),
        a_denial(why=replace(a_denial().why, rules=("policies[7]",))),
        a_mutation(),
    ],
    ids=["connection", "api", "resource", "parameters", "epoch", "rule", "effect"],
)
@scenario
async def test_a_denial_that_differs_is_an_event_of_its_own(tmp_path: Path, other: Event) -> None:
    async with an_audit(tmp_path) as audit:
        audit.decision(a_denial())
        audit.decision(other)
        audit.decision(other)

    whole = [event["id"] for event in events(tmp_path, "decision")]
    assert whole[1] == other.id


@pytest.mark.parametrize(
    ("other", "is_repeat"),
    [
        (replace(CALLER, peer="192.0.2.7:9"), True),
        (replace(CALLER, peer="203.0.113.9:51234"), False),
        (replace(CALLER, client_id="stolen"), False),
    ],
    ids=["port", "address", "token"],
)
@scenario
async def test_without_a_connection_a_denial_repeats_for_the_same_address_and_token(
    tmp_path: Path, other: Who, is_repeat: bool
) -> None:
    async with an_audit(tmp_path) as audit:
        audit.decision(a_denial(CALLER))
        audit.decision(a_denial(other))

    assert len(events(tmp_path, "decision")) == (1 if is_repeat else 2)
    assert len(events(tmp_path, "aggregate")) == (1 if is_repeat else 0)


@scenario
async def test_mutations_are_never_counted(tmp_path: Path) -> None:
    async with an_audit(tmp_path) as audit:
        for _ in range(5):
            audit.decision(a_mutation())

    assert len(events(tmp_path)) == 5


@scenario
async def test_failed_logins_of_one_address_beyond_ten_are_counted(tmp_path: Path) -> None:
    async with an_audit(tmp_path) as audit:
        for number in range(25):
            failed = a_login(58, who=replace(DEV, peer=f"192.0.2.7:{number}", principal=f"guess{number}"))
            audit.login(failed)
        audit.login(a_login(58, who=replace(DEV, peer="192.0.2.8:1")))
        audit.login(a_login())

    assert len(events(tmp_path, "login")) == 12
    (counted,) = events(tmp_path, "aggregate")
    assert counted["data"]["window"]["count"] == 15


@scenario
async def test_of_failed_logins_beyond_ten_nothing_is_kept_while_the_disk_is_full(
    tmp_path: Path, broken_disk: Callable[[bool], None]
) -> None:
    """Anybody could have any number wait."""
    answered: list[str] = []
    with capture_logs():
        async with an_audit(tmp_path) as audit:
            broken_disk(True)
            for _ in range(10):
                audit.login(a_login(58), lambda: answered.append("one of ten"))
            await until(lambda: not audit.healthy)
            for _ in range(5):
                audit.login(a_login(58), lambda: answered.append("one beyond"))
            broken_disk(False)
            await until(lambda: audit.healthy and len(answered) >= 10)

    assert answered == ["one of ten"] * 10
    (counted,) = events(tmp_path, "aggregate")
    assert counted["data"]["window"]["count"] == 5


@scenario
async def test_every_login_that_succeeds_is_an_event(tmp_path: Path) -> None:
    async with an_audit(tmp_path) as audit:
        for _ in range(30):
            audit.login(a_login())

    assert len(events(tmp_path, "login")) == 30


@scenario
async def test_while_the_disk_is_full_mutations_are_refused_and_what_happened_comes_later(
    tmp_path: Path, broken_disk: Callable[[bool], None]
) -> None:
    metrics = Metrics()
    with capture_logs():
        async with an_audit(tmp_path, metrics) as audit:
            before = (audit.accepts_mutations, audit.healthy, value(metrics, "audit_healthy"))
            broken_disk(True)
            answered: list[bool] = []
            audit.decision(a_denial(), lambda: answered.append(True))
            await until(lambda: not audit.accepts_mutations)
            during = (audit.healthy, audit.failure, list(answered), value(metrics, "audit_waiting"))
            await until(lambda: value(metrics, "audit_healthy") == 0)
            broken_disk(False)
            await until(lambda: audit.accepts_mutations and answered)

    assert before == (True, True, 1.0)
    assert during == (False, "no space left on device", [], 1.0)
    denial, interruption = events(tmp_path)
    assert denial["data"]["why"]["effect"] == "Deny"
    assert interruption["type"] == "kordon.audit.interruption.v1"
    assert interruption["data"]["window"]["count"] == 0
    assert interruption["data"]["why"]["reason"] == "no space left on device"


@scenario
async def test_when_memory_is_full_sessions_have_to_stop_reading(
    tmp_path: Path, broken_disk: Callable[[bool], None]
) -> None:
    with capture_logs():
        async with an_audit(tmp_path, waiting=3) as audit:
            broken_disk(True)
            for _ in range(4):
                audit.record(a_mutation())
            full = audit.full
            broken_disk(False)
            await until(lambda: not audit.full)

    assert full
    assert len(events(tmp_path, "decision")) == 4


@scenario
async def test_whoever_goes_on_without_the_log_finds_in_it_how_much_is_missing(
    tmp_path: Path, broken_disk: Callable[[bool], None]
) -> None:
    metrics = Metrics()
    with capture_logs():
        async with an_audit(tmp_path, metrics, waiting=3, on_failure="continue") as audit:
            broken_disk(True)
            answered: list[int] = []
            audit.record(a_mutation(), lambda: answered.append(0))
            await until(lambda: not audit.healthy)
            for number in range(1, 6):
                audit.record(a_mutation(), partial(answered.append, number))
            await until(lambda: len(answered) == 6)
            during = (audit.accepts_mutations, audit.full, value(metrics, "audit_events_lost_total"))
            broken_disk(False)
            await until(lambda: events(tmp_path, "interruption"))

    assert during == (True, False, 3.0)
    (interruption,) = events(tmp_path, "interruption")
    assert interruption["data"]["window"]["count"] == 3
    assert len(events(tmp_path, "decision")) == 3


@pytest.mark.parametrize(("on_failure", "accepts"), [("refuse", False), ("continue", True)])
@scenario
async def test_while_the_topic_is_away_mutations_are_refused_where_that_is_asked_for(
    tmp_path: Path, on_failure: str, accepts: bool
) -> None:
    # Given a topic whose cluster nobody answers for
    config = a_config(tmp_path, kafka={"on_failure": on_failure})
    audit = AuditLog(config, source=SOURCE, metrics=Metrics(), kafka={"bootstrap_servers": "127.0.0.1:1"})
    await audit.start()
    before = audit.accepts_mutations

    # When an event comes, and cannot be forwarded
    with capture_logs():
        audit.record(a_mutation())
        await until(lambda: audit.failing)
        during = audit.accepts_mutations
        await audit.close(0.1)

    # Then
    assert (before, during, audit.needs("kafka"), audit.needs("stdout")) == (True, accepts, not accepts, False)
    assert len(events(tmp_path)) == 1


@scenario
async def test_reads_stay_counters_while_the_disk_is_full(tmp_path: Path, broken_disk: Callable[[bool], None]) -> None:
    with capture_logs():
        async with an_audit(tmp_path, window=0.05) as audit:
            broken_disk(True)
            audit.record(a_mutation())
            await until(lambda: not audit.healthy)
            for _ in range(10):
                audit.tally(DEV, "TOPIC_INSPECT", TOPIC, "Allow")
                await asyncio.sleep(0.02)
            broken_disk(False)
            await until(lambda: events(tmp_path, "aggregate"))

    (aggregate,) = events(tmp_path, "aggregate")
    assert aggregate["data"]["window"]["count"] == 10


@scenario
async def test_closing_says_what_is_left_for_whom(tmp_path: Path, broken_disk: Callable[[bool], None]) -> None:
    audit = AuditLog(a_config(tmp_path), source=SOURCE, metrics=Metrics(), sinks=[Away()])
    with capture_logs() as logged:
        await audit.start()
        audit.record(a_mutation())
        await until(lambda: events(tmp_path) and audit.backlog == {"away": 1})
        broken_disk(True)
        audit.record(a_mutation())
        audit.record(a_mutation())
        left = await audit.close(0.1)

    assert (left.unwritten, left.unforwarded, left.nothing) == (2, {"away": 1}, False)
    assert logged[-1]["event"] == "audit_left_behind"


@scenario
async def test_events_are_counted_by_kind(tmp_path: Path) -> None:
    metrics = Metrics()
    async with an_audit(tmp_path, metrics) as audit:
        audit.decision(a_mutation())
        audit.login(a_login())
        audit.login(a_login())

    assert value(metrics, "audit_events_total", kind="decision") == 1
    assert value(metrics, "audit_events_total", kind="login") == 2
    assert value(metrics, "audit_journal_bytes") == len(content(tmp_path))


@scenario
async def test_standard_output_gets_every_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with capture_logs():
        async with an_audit(tmp_path, stdout=True) as audit:
            audit.decision(a_mutation())
            audit.login(a_login())

    lines = capfd.readouterr().out.splitlines(keepends=True)
    assert "".join(lines).encode() == content(tmp_path)
    assert len(lines) == 2


def test_a_topic_without_the_settings_of_its_cluster_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs the settings of its cluster"):
        AuditLog(a_config(tmp_path, kafka={}), source=SOURCE, metrics=Metrics())
