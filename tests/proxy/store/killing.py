"""Processes that change what is in a store, and are killed in the middle of it."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from kordon_proxy.clock import Clock
from kordon_proxy.demo.kordon import Kordon
from tests.kafka.tap import log_lines
from tests.kafka.tenants import eventually
from tests.proxy.granting import POLICY, a_process, told
from tests.proxy.store.given import Reader, SharedStore

KILLS: Final = 10
ROOT: Final = Path(__file__).parents[3]


@contextmanager
def a_changer(folder: Path, name: str, *store: str) -> Iterator["subprocess.Popen[str]"]:
    """Killed at the end; then what it has acknowledged can be read from its `stdout`."""
    with (folder / f"{name}.log").open("a") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.proxy.store.changer", str(folder), name, *store],
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


async def look(store: SharedStore) -> Reader:
    """What is in the store now."""
    one = store.make("look")
    await one.open()
    try:
        reader = Reader(one)
        await reader.look()
        return reader
    finally:
        await one.close()


def untold(store: SharedStore) -> list[str]:
    return [one.event.id for one in asyncio.run(look(store)).untold]


def kill_and_compare(folder: Path, store: SharedStore, *arguments: str, cluster: str) -> None:
    """Nothing acknowledged is lost, and every change is told, under one id.

    arguments: what tells a changer which store it is.
    """
    acks: dict[str, int] = defaultdict(int)
    (folder / "rbac.yaml").write_text(POLICY)
    settings = {"store": store.settings}
    kordons = [Kordon(clusters={"prod": cluster}, policy=POLICY, settings=settings) for _ in range(2)]
    with ExitStack() as stack:
        for kordon in kordons:
            stack.callback(kordon.stop)
            kordon.start(wait=False)
        for number in range(KILLS):
            with (
                a_changer(folder, "first", *arguments) as first,
                a_changer(folder, "second", *arguments) as second,
            ):
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
        eventually(lambda: not untold(store), instead="events in the outbox")
        for kordon in kordons:
            eventually(partial(log_lines, kordon, "started"))
            kordon.terminate()
        told_by_kordon = [event for kordon in kordons for event in temporary(kordon.audit())]

        records = asyncio.run(look(store)).records
        revisions = {key.id: record["revision"] for key, record in records.items()}
        assert len(acks) > KILLS
        lost = {
            one: (revision, revisions.get(one)) for one, revision in acks.items() if revisions.get(one, 0) < revision
        }
        assert lost == {}, f"acknowledged, and found: {lost}"
        events: dict[str, list[Any]] = defaultdict(list)
        for event in [*told_by_kordon, *temporary(told(folder))]:
            events[event["id"]].append(event["data"])
        changes = {(name, number) for name, last in revisions.items() for number in range(1, last + 1)}
        assert events.keys() == {f"{name}/{number}" for name, number in changes}
        assert [event_id for event_id, same in events.items() if any(one != same[0] for one in same)] == []

    assert asyncio.run(read(folder, store)) == revisions.keys()


def temporary(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in events if event["type"] == "kordon.audit.temporary_policy.v1"]


async def read(folder: Path, store: SharedStore) -> set[str]:
    """The ids of all that a process can read that begins now."""
    async with a_process(folder, "later", clock=Clock(), store=store.make("later")) as later:
        return {policy.id for policy in later.grants.all}
