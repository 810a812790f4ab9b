"""Several workers are started, kept and stopped as one Kordon, and refused as one. No broker is needed for that."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from kordon_proxy.audit.journals import journal_directories
from kordon_proxy.audit.tail import read_events
from kordon_proxy.demo import processes
from kordon_proxy.demo.kordon import Kordon
from tests.kafka.tap import log_lines, metric, readiness
from tests.kafka.tenants import eventually
from tests.proxy.test_server import NOBODY, POLICY, SIDE

BOTH = {"1", "2"}


def a_kordon(bootstrap: str = NOBODY, **settings: Any) -> Kordon:
    return Kordon(
        clusters={"prod": bootstrap},
        policy=POLICY,
        listeners={"side": {"identity": SIDE}},
        settings={"workers": 2} | settings,
    )


@contextmanager
def started() -> Iterator[Kordon]:
    kordon = a_kordon()
    kordon.start(wait=False)
    try:
        eventually(lambda: log_lines(kordon, "worker_started")[1:])
        yield kordon
    finally:
        kordon.stop()


@pytest.fixture
def kordon() -> Iterator[Kordon]:
    """One that a test may end."""
    with started() as kordon:
        yield kordon


@pytest.fixture(scope="module")
def running() -> Iterator[Kordon]:
    """One that no test harms."""
    with started() as kordon:
        yield kordon


def pids(kordon: Kordon) -> dict[int, int]:
    """The workers' processes by their numbers."""
    return {line["worker"]: line["pid"] for line in log_lines(kordon, "worker_started")}


def serve(kordon: Kordon, *options: str) -> "subprocess.CompletedProcess[str]":
    """Another Kordon with the same configuration, which ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", "kordon_proxy", "serve", "--config", str(kordon.config_file), *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_there_is_a_parent_and_as_many_workers_as_are_wanted(running: Kordon) -> None:
    assert sorted(processes.children(running.pid)) == sorted(pids(running).values())
    assert set(pids(running)) == {1, 2}


def test_one_worker_is_the_only_process() -> None:
    kordon = a_kordon(workers=1)
    kordon.start(wait=False)
    try:
        eventually(lambda: log_lines(kordon, "started"))

        assert processes.children(kordon.pid) == []
    finally:
        kordon.stop()


def test_another_kordon_is_refused_with_the_words_of_a_single_process(running: Kordon) -> None:
    several, single = serve(running), serve(running, "--workers", "1")

    assert several.returncode == single.returncode == 2
    assert several.stderr.splitlines()[-1] == (
        f"kordon: cannot serve listener side on {running.listener('side')}: "
        "address already in use; free the port, or change its `bind`"
    )
    assert "address already in use" in single.stderr or "in use by another process" in single.stderr


def test_a_port_that_somebody_else_has_is_refused_before_any_worker_starts(kordon: Kordon) -> None:
    kordon.terminate()
    host, port = kordon.listener("side").split(":")
    with socket.create_server((host, int(port))):
        refused = serve(kordon)

    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1].endswith("address already in use; free the port, or change its `bind`")
    assert "worker" not in refused.stderr


def test_a_bad_policy_is_refused_before_any_worker_starts(kordon: Kordon) -> None:
    kordon.terminate()
    kordon.policy_file.write_text("policies: [{role: devs}]\n")

    refused = serve(kordon)

    assert refused.returncode == 1
    assert "error" in refused.stderr
    assert "worker" not in refused.stderr


def test_what_one_worker_cannot_have_keeps_all_from_starting(kordon: Kordon) -> None:
    kordon.terminate()
    journal = kordon.folder / "audit" / "worker-2"
    (journal / "audit.0000.00000000000000000001.jsonl").touch()

    refused = serve(kordon)

    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1].startswith(f"kordon: audit directory {journal} holds journals of several")
    assert "worker_ended" not in refused.stderr


def test_a_worker_that_was_killed_is_started_again(kordon: Kordon) -> None:
    first = pids(kordon)

    os.kill(first[2], signal.SIGKILL)

    eventually(lambda: pids(kordon)[2] != first[2] and metric(kordon, "kordon_worker_up") == 2)
    assert pids(kordon)[1] == first[1]
    (line,) = log_lines(kordon, "worker_ended")
    assert (line["worker"], line["reason"]) == (2, "signal 9")
    assert metric(kordon, "kordon_worker_restarts_total", worker="2") == 1
    assert metric(kordon, "kordon_worker_restarts_total", worker="1") == 0


def test_a_worker_that_was_told_to_stop_drains_and_is_started_again(kordon: Kordon) -> None:
    first = pids(kordon)

    os.kill(first[1], signal.SIGTERM)

    eventually(lambda: pids(kordon)[1] != first[1])
    (line,) = log_lines(kordon, "worker_ended")
    assert (line["worker"], line["reason"]) == (1, "code 0")
    assert [line["worker"] for line in log_lines(kordon, "stopped")] == [1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_all_stop_with_the_parent(kordon: Kordon, number: int) -> None:
    workers = pids(kordon).values()

    kordon.signal(number)

    assert kordon.terminate() == 0
    assert not any(map(processes.is_alive, workers))
    assert [line.get("worker") for line in log_lines(kordon, "stopped")][-1] is None
    assert {line.get("worker") for line in log_lines(kordon, "stopped")} == {1, 2, None}


def test_who_is_told_to_stop_while_workers_start_stops() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # a broker that says nothing, and has the store
        kordon = a_kordon(bootstrap=f"127.0.0.1:{silent.getsockname()[1]}", store={"type": "kafka"})
        kordon.start(wait=False)
        try:
            eventually(lambda: log_lines(kordon, "audit_journal_opened"))

            assert kordon.terminate() == 0
            assert log_lines(kordon, "worker_started") == []
        finally:
            kordon.stop()


def test_no_worker_outlives_a_parent_that_was_killed(kordon: Kordon) -> None:
    workers = pids(kordon).values()

    kordon.kill()

    processes.wait_for_the_end_of(workers)
    kordon.start(wait=False)
    eventually(lambda: len(log_lines(kordon, "worker_started")) == 4)  # on the ports and journals of before


def test_each_worker_has_a_journal_of_its_own(kordon: Kordon) -> None:
    kordon.terminate()

    directories = journal_directories(kordon.folder / "audit")

    assert [path.relative_to(kordon.folder).as_posix() for path in directories] == ["audit", "audit/worker-2"]
    assert len({event["writer"] for event in kordon.audit()}) == 2


def test_there_is_one_page_of_metrics_and_one_of_readiness(running: Kordon) -> None:
    _, page = running.get("/metrics")

    assert set(re.findall(r'^kordon_policy_epoch\{worker="(\w+)"\}', page, re.MULTILINE)) == BOTH
    assert set(re.findall(r'^process_resident_memory_bytes\{worker="(\w+)"\}', page, re.MULTILINE)) == BOTH | {"parent"}
    assert readiness(running).keys() >= {"worker 1", "worker 2", "cluster prod", "audit", "store"}
    assert running.get("/readyz")[0] == 503  # as no broker answers
    status, live = running.get("/livez")
    assert status == 200
    assert {check["name"] for check in json.loads(live)["checks"]} == {"event_loop", "worker 1", "worker 2"}


def test_a_worker_that_is_stuck_is_told_by_liveness(running: Kordon) -> None:
    os.kill(pids(running)[2], signal.SIGSTOP)
    try:
        eventually(lambda: running.get("/livez")[0] == 503)

        _, live = running.get("/livez")
        assert {check["name"]: check["ok"] for check in json.loads(live)["checks"]}["worker 2"] is False
        assert readiness(running)["worker 2"] == (False, "it does not answer")
    finally:
        os.kill(pids(running)[2], signal.SIGCONT)
    eventually(lambda: running.get("/livez")[0] == 200)


def test_what_a_worker_has_left_behind_is_forwarded_when_there_are_fewer(kordon: Kordon) -> None:
    kordon.terminate()
    journals = [kordon.folder / "audit", kordon.folder / "audit" / "worker-2"]
    left = {event["id"] for journal in journals for event in read_events(journal)}
    configuration = json.loads(kordon.config_file.read_text())
    configuration |= {"workers": 1, "audit": {"stdout": True}}
    kordon.config_file.write_text(json.dumps(configuration))

    kordon.start(wait=False)

    eventually(lambda: all(event in kordon.log for event in left), instead=left)
