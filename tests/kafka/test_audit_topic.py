"""The audit topic as an auditor's witness, with real Kafkas."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest
from confluent_kafka import Producer

from kordon_proxy.audit.event import Who
from kordon_proxy.audit.kafka_sink import KafkaSink
from kordon_proxy.audit.segments import segment_path
from kordon_proxy.audit.tail import Line
from kordon_proxy.config.audit import KafkaTopic
from kordon_proxy.demo.kafka import Kafka
from tests.kafka.fixtures import Fresh
from tests.kafka.tenants import QUIET
from tests.proxy.audit.events import NOON, a_denial, a_login, a_mutation, sealed
from tests.proxy.cli.command import Run, runner
from tests.proxy.cli.conftest import POLICY

LINES: Final = sealed([a_login(id="e1"), a_denial(id="e2"), a_mutation(id="e3"), a_login(id="e4")])
OTHERS: Final = sealed([a_login(id="o1"), a_login(id="o2")], writer="w2")


@pytest.fixture
def kordon(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    return runner(capsys, monkeypatch)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kafka: Kafka, fresh: Fresh) -> Path:
    """A folder with a configuration that logs in, an audit topic of its own, and a journal."""
    monkeypatch.chdir(tmp_path)
    topic = fresh("__kordon_audit")
    login = {"mechanism": "SCRAM-SHA-256", "username": "kordon", "password": "${env:KORDON_PASSWORD}"}
    monkeypatch.setenv("KORDON_PASSWORD", "kordon-secret")
    config = {
        "clusters": [{"name": "prod", "bootstrap": kafka.listener("SASL_PLAINTEXT"), "own_login": login}],
        "listeners": [
            {
                "name": "side",
                "bind": "127.0.0.1:29092",
                "cluster": "prod",
                "tenant": "Trading",
                "identity": {"principal": "svc", "roles": ["devs"]},
            }
        ],
        "audit": {"kafka": {"topic": topic, "partitions": 3}},
    }
    (tmp_path / "kordon.yaml").write_text(json.dumps(config))
    (tmp_path / "rbac.yaml").write_text(POLICY)
    (tmp_path / "audit").mkdir()
    write(tmp_path, LINES)
    return tmp_path


def write(folder: Path, lines: Sequence[bytes]) -> None:
    segment_path(folder / "audit", "w1", 1).write_bytes(b"".join(lines))


def forward(kafka: Kafka, folder: Path, *lines: bytes) -> None:
    """Put lines into the audit topic, as a sink does."""
    topic = KafkaTopic.model_validate(json.loads((folder / "kordon.yaml").read_text())["audit"]["kafka"])

    async def deliver() -> None:
        sink = KafkaSink(topic, {"bootstrap_servers": kafka.bootstrap})
        await sink.deliver([Line(number, line.rstrip()) for number, line in enumerate(lines)])
        await sink.close()

    asyncio.run(asyncio.wait_for(deliver(), 60))


def test_a_journal_and_a_topic_with_the_same_events_agree_whatever_came_twice(
    kordon: Run, kafka: Kafka, folder: Path
) -> None:
    forward(kafka, folder, *LINES[1:3], *OTHERS, *LINES[1:3])

    ran = kordon("audit", "verify", "--against-topic")

    assert (ran.code, ran.err) == (0, "")
    assert "no breaks, and nothing else in the topic __kordon_audit" in ran.out


def test_a_journal_whose_end_was_cut_off_and_written_anew_is_found(kordon: Run, kafka: Kafka, folder: Path) -> None:
    forward(kafka, folder, *LINES)
    anew = sealed([a_login(id="e3")], first=3, previous=json.loads(LINES[1])["chain"].encode())
    write(folder, [*LINES[:2], *anew])

    found = kordon("audit", "verify", "--against-topic")
    forward(kafka, folder, *anew)
    found_later = kordon("audit", "verify", "--against-topic")
    alone = kordon("audit", "verify")

    for ran in (found, found_later):
        assert ran.code == 1
        assert "event w1/3: not-as-noted: the topic has another event with this number" in ran.out
        assert "the topic knows of event 4, and the journal ends with 3: its end was cut off" in ran.out
    assert alone.code == 0  # the journal by itself cannot tell


def test_a_topic_that_is_missing_is_told_and_not_made(kordon: Run, folder: Path) -> None:
    for _ in range(2):
        ran = kordon("audit", "verify", "--against-topic")

        assert (ran.code, ran.out) == (2, "")
        assert "kordon: there is no topic __kordon_audit" in ran.err


def test_a_cluster_that_is_away_is_told_in_one_line(kordon: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = (folder / "kordon.yaml").read_text()
    bootstrap = json.loads(config)["clusters"][0]["bootstrap"]
    (folder / "kordon.yaml").write_text(config.replace(bootstrap, "127.0.0.1:1"))
    away = kordon("audit", "verify", "--against-topic")
    (folder / "kordon.yaml").write_text(config)
    monkeypatch.setenv("KORDON_PASSWORD", "wrong")
    refused = kordon("audit", "verify", "--against-topic")

    for ran in (away, refused):
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.startswith("kordon: cannot read the topic __kordon_audit")
        assert ran.err.count("\n") == 1


# ---- reading


def ids(out: str) -> list[str]:
    return [json.loads(line)["id"] for line in out.splitlines()]


def test_a_topic_is_read_with_each_event_once_and_those_of_all_writers(kordon: Run, kafka: Kafka, folder: Path) -> None:
    forward(kafka, folder, *LINES[:3], *OTHERS, *LINES[1:])

    ran = kordon("audit", "--topic", "--output", "json")
    found = kordon("audit", "--topic", "--output", "json", "--verdict", "deny", "--since", "2026-01-01T00:00:00Z")
    late = kordon("audit", "--topic", "--since", "-1m")

    assert (ran.code, ran.err) == (0, "")
    assert sorted(ids(ran.out)) == ["e1", "e2", "e3", "e4", "o1", "o2"]
    assert {line.encode() for line in ran.out.splitlines(keepends=True)} == {*LINES, *OTHERS}
    assert ids(found.out) == ["e2"]
    assert (late.code, late.out, late.err) == (0, "", "kordon: there is no such event\n")


def test_the_newest_of_a_topic_are_those_of_the_latest_times(kordon: Run, kafka: Kafka, folder: Path) -> None:
    # Given events whose keys bring them into several partitions
    events = [a_login(id=f"e{n}", time=NOON + n, who=Who(principal=f"p{n}")) for n in range(40)]
    forward(kafka, folder, *sealed(events))

    ran = kordon("audit", "--topic", "--output", "json", "--limit", "7")

    assert ids(ran.out) == [f"e{n}" for n in range(33, 40)]
    assert kordon("audit", "--topic", "--output", "json", "--limit", "0").out == ""


def test_what_is_no_event_of_kordons_is_passed_over(kordon: Run, kafka: Kafka, folder: Path) -> None:
    forward(kafka, folder, *LINES[:2])
    topic = json.loads((folder / "kordon.yaml").read_text())["audit"]["kafka"]["topic"]
    producer = Producer({"bootstrap.servers": kafka.bootstrap, **QUIET})
    for value in (b"a note", b"{}", b"[1]", b"\xff\n", None):
        producer.produce(topic, value)
    assert producer.flush(30) == 0

    ran = kordon("audit", "--topic", "--output", "json")

    assert sorted(ids(ran.out)) == ["e1", "e2"]
    assert ran.err == "kordon: 4 records are no events of Kordon\n"


def test_a_topic_is_followed(kafka: Kafka, folder: Path) -> None:
    forward(kafka, folder, *LINES[:2])
    command = [sys.executable, "-m", "kordon_proxy", "audit", "--topic", "-f", "-n", "1", "--output", "json"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == LINES[1]
            forward(kafka, folder, *LINES[1:3])
            assert process.stdout.readline() == LINES[2]
        finally:
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=30)

    assert (process.returncode, told) == (130, b"")
