"""Whatever was acknowledged is there after kill -9, and each change is told, under one id, by somebody."""

import asyncio
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from kordon_proxy.demo.kordon import Kordon
from kordon_proxy.store.ledger import Clock
from tests.kafka.tap import log_lines
from tests.kafka.tenants import eventually
from tests.proxy.granting import POLICY, a_process, file_of, told, untold

KILLS: Final = 10
NOBODY: Final = "127.0.0.1:1"
ROOT: Final = Path(__file__).parents[2]


@contextmanager
def a_changer(folder: Path, name: str) -> Iterator["subprocess.Popen[str]"]:
    """Killed at the end; then what it has acknowledged can be read from its `stdout`."""
    with (folder / f"{name}.log").open("a") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.proxy.store.changer", str(folder), name],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def acknowledged(process: "subprocess.Popen[str]") -> Iterator[tuple[str, int]]:
    assert process.stdout is not None
    for line in process.stdout:
        if line.endswith("\n"):  # else it was killed in the middle of it
            policy_id, revision = line.split()
            yield policy_id, int(revision)


def kept(folder: Path) -> dict[str, int]:
    """The revision of each temporary policy in the store."""
    database = sqlite3.connect(file_of(folder))
    found = {policy_id: json.loads(record)["revision"] for policy_id, record in database.execute(
        "SELECT id, record FROM records")}  # fmt: skip
    database.close()
    return found


def test_nothing_acknowledged_is_lost_and_every_change_is_told(tmp_path: Path) -> None:
    acks: dict[str, int] = defaultdict(int)
    (tmp_path / "rbac.yaml").write_text(POLICY)
    settings = {"store": {"file": str(file_of(tmp_path))}}
    kordons = [Kordon(clusters={"prod": NOBODY}, policy=POLICY, settings=settings) for _ in range(2)]
    with ExitStack() as stack:
        for kordon in kordons:
            stack.callback(kordon.stop)
            kordon.start(wait=False)
        for number in range(KILLS):
            with a_changer(tmp_path, "first") as first, a_changer(tmp_path, "second") as second:
                begun = next(acknowledged(first))
                time.sleep(random.uniform(0, 0.3))
                kordons[number % 2].kill()
                first.send_signal(signal.SIGKILL)
                time.sleep(random.uniform(0, 0.1))
                second.send_signal(signal.SIGKILL)
                for process in (first, second):
                    process.wait()
                for process in (first, second):
                    for policy_id, revision in [begun, *acknowledged(process)]:
                        acks[policy_id] = max(acks[policy_id], revision)
                kordons[number % 2].start(wait=False)

        # Kordon goes on with what the killed ones have left.
        eventually(lambda: not untold(tmp_path), instead="events in the outbox")
        for kordon in kordons:
            eventually(partial(log_lines, kordon, "started"))
            kordon.terminate()
        told_by_kordon = [event for kordon in kordons for event in temporary(kordon.audit())]

        revisions = kept(tmp_path)
        assert len(acks) > KILLS
        assert [policy_id for policy_id, revision in acks.items() if revisions.get(policy_id, 0) < revision] == []
        events: dict[str, list[Any]] = defaultdict(list)
        for event in [*told_by_kordon, *temporary(told(tmp_path))]:
            events[event["id"]].append(event["data"])
        changes = {(name, number) for name, last in revisions.items() for number in range(1, last + 1)}
        assert events.keys() == {f"{name}/{number}" for name, number in changes}
        assert [event_id for event_id, same in events.items() if any(one != same[0] for one in same)] == []

    asyncio.run(opened(tmp_path))


def temporary(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in events if event["type"] == "kordon.audit.temporary_policy.v1"]


async def opened(folder: Path) -> None:
    """Every record can be read."""
    async with a_process(folder, "later", clock=Clock()) as later:
        assert {policy.id: policy.revision for policy in later.grants.all}.keys() == kept(folder).keys()
