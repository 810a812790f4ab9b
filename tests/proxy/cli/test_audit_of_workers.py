"""`kordon audit` where several workers have a journal each: one log to who reads it, and every journal verified."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kordon_proxy.audit.journals import directory_of, journal_directories
from kordon_proxy.audit.segments import AuditError, segment_path
from tests.proxy.audit.events import NOON, a_login, a_mutation, sealed
from tests.proxy.cli.command import Run
from tests.proxy.cli.test_audit_command import ids

WORKERS = {1: [0, 3], 2: [1, 2, 5], 12: [4]}
"""By worker: when its events were, in seconds after noon; they are called by that."""


def lines_of(worker: int) -> list[bytes]:
    events = [replace(a_mutation(id=f"e{second}"), time=NOON + 1000 * second) for second in WORKERS[worker]]
    return sealed(events, writer=f"w{worker}")


def write(audit: Path, worker: int, lines: Sequence[bytes] | None = None) -> Path:
    path = segment_path(directory_of(audit, worker), f"w{worker}", 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(lines_of(worker) if lines is None else lines))
    return path


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    for worker in WORKERS:
        write(tmp_path / "audit", worker)
    (tmp_path / "audit" / "worker-3").mkdir()  # of one that was never there for long
    (tmp_path / "audit" / "worker-x").mkdir()
    return tmp_path / "audit"


def test_the_journals_are_those_of_workers_by_their_numbers(audit: Path) -> None:
    assert journal_directories(audit) == [audit, audit / "worker-2", audit / "worker-12"]


def test_where_there_is_none_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="there is no journal in"):
        journal_directories(tmp_path)


def test_events_of_all_are_in_order_of_time(kordon: Run, audit: Path) -> None:
    ran = kordon("audit", "-d", audit, "--output", "json")

    assert ids(ran.out) == ["e0", "e1", "e2", "e3", "e4", "e5"]


@pytest.mark.parametrize("limit", [0, 1, 3, 6, 9])
def test_the_newest_are_the_newest_of_all(kordon: Run, audit: Path, limit: int) -> None:
    ran = kordon("audit", "-d", audit, "--output", "json", "--limit", limit)

    assert ids(ran.out) == [f"e{second}" for second in range(6)][max(0, 6 - limit) :]


def test_one_journal_alone_can_be_read(kordon: Run, audit: Path) -> None:
    assert ids(kordon("audit", "-d", audit / "worker-2", "--output", "json").out) == ["e1", "e2", "e5"]


def test_what_comes_is_shown_whichever_worker_writes_it_and_were_it_a_new_one(tmp_path: Path) -> None:
    audit = tmp_path / "audit"
    first, second, third = (lines_of(worker) for worker in WORKERS)
    paths = [write(audit, 1, first[:1]), write(audit, 2, second[:1])]
    command = [sys.executable, "-m", "kordon_proxy", "audit", "-d", str(audit), "-f", "--output", "json"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        try:
            shown = [process.stdout.readline() for _ in range(2)]
            for path, lines in zip(paths, (first, second), strict=True):
                with path.open("ab") as file:
                    file.write(lines[1])
                shown.append(process.stdout.readline())
            write(audit, 12)
            shown.append(process.stdout.readline())
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)

    assert shown == [first[0], second[0], first[1], second[1], third[0]]


def note(worker: int) -> str:
    lines = lines_of(worker)
    return f"w{worker}/{len(lines)}/{json.loads(lines[-1])['chain']}"


def test_each_journal_is_verified_and_told_with_what_to_note(kordon: Run, audit: Path) -> None:
    ran = kordon("audit", "verify", "-d", audit)

    assert (ran.code, ran.err) == (0, "")
    assert [line for line in ran.out.splitlines() if line.startswith("w")] == [
        "w1: 2 events, 1 to 2, in 1 file",
        "w2: 3 events, 1 to 3, in 1 file",
        "w12: 1 event, 1 to 1, in 1 file",
    ]
    assert [line.split()[-1] for line in ran.out.splitlines() if "--expect" in line] == [note(1), note(2), note(12)]


def test_a_break_in_any_of_them_is_told(kordon: Run, audit: Path) -> None:
    changed = [line.replace(b'"dee"', b'"eve"') for line in lines_of(2)]
    path = write(audit, 2, changed)

    ran = kordon("audit", "verify", "-d", audit)

    assert ran.code == 1
    assert f"{path.name}:1: event w2/1: changed" in ran.out
    assert ran.out.count("no breaks") == 2


def test_what_was_noted_of_each_has_to_be_there(kordon: Run, audit: Path) -> None:
    noted = [word for worker in WORKERS for word in ("--expect", note(worker))]

    assert kordon("audit", "verify", "-d", audit, *noted).code == 0
    write(audit, 2, lines_of(2)[:2])
    ran = kordon("audit", "verify", "-d", audit, *noted)

    assert ran.code == 1
    assert "--expect knows of event 3, and the journal ends with 2" in ran.out


def test_a_journal_that_is_gone_as_a_whole_is_found_by_what_was_noted_of_it(kordon: Run, audit: Path) -> None:
    write(audit, 12).unlink()

    ran = kordon("audit", "verify", "-d", audit, "--expect", note(12))

    assert ran.code == 1
    assert ran.out.count("--expect knows of writer w12") == 1


def test_programs_are_told_of_each_journal(kordon: Run, audit: Path) -> None:
    write(audit, 12, [lines_of(12)[0].replace(b'"dee"', b'"eve"')])

    ran = kordon("audit", "verify", "-d", audit, "--output", "json")

    told: dict[str, Any] = json.loads(ran.out)
    assert ran.code == 1
    assert told["number_of_breaks"] == 1
    assert [(one["writer"], one["number_of_breaks"]) for one in told["journals"]] == [("w1", 0), ("w2", 0), ("w12", 1)]


def test_an_event_of_any_worker_can_be_explained_by_its_id(audit: Path) -> None:
    from kordon_proxy.cli.explain_event import find_event

    assert find_event(audit, "e4")["writer"] == "w12"
    assert find_event(audit, a_login(id="e0").id)["writer"] == "w1"
