"""What looks into records can do no harm: it has no secrets, opens nothing, and is ended when it takes too much."""

import asyncio
import json
import os
import signal
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from kordon_proxy.inspection.asked import Inspection
from kordon_proxy.inspection.bounds import Bounds, MiB
from kordon_proxy.inspection.errors import Unusable
from kordon_proxy.inspection.examine import Chunk, Examined
from kordon_proxy.inspection.found import Found, FoundRecord
from kordon_proxy.inspection.framing import SchemaRef
from kordon_proxy.inspection.process import FindSchema, WorkerEnded, WorkerProcess
from tests.proxy.cluster.loops import on_both_loops, scenario
from tests.proxy.inspection.given import values

CHUNK = Chunk(partition=0, first=0, until=100, want=100, room=MiB, scan=100)
CANARY = "environment-canary"


@asynccontextmanager
async def a_worker(
    expression: str | None = None, *, find: FindSchema | None = None, **bounds: Any
) -> AsyncIterator[WorkerProcess]:
    worker = await WorkerProcess.start(Inspection(topic="t", filter=expression), Bounds(**bounds), find)
    try:
        yield worker
    finally:
        await worker.end()


async def examine(worker: WorkerProcess, data: bytes) -> tuple[Examined, list[FoundRecord]]:
    taken: list[Found] = []
    done = await worker.examine(CHUNK, data, taken.append)
    return done, [one.record for one in taken]


async def wanted(expression: str, **bounds: Any) -> bool:
    """Whether a filter takes a record."""
    async with a_worker(expression, **bounds) as worker:
        done, taken = await examine(worker, values(b"x"))
        assert done.filter_errors == 0, done.filter_error
        return bool(taken)


@on_both_loops
@scenario
async def test_chunks_are_looked_through_one_after_the_other(loop: str) -> None:
    async with a_worker() as worker:
        for first in (0, 2):
            done, taken = await examine(worker, values(b"a", b"b", first=first))

            assert [record.offset for record in taken] == [first, first + 1]
            assert done.next_offset == first + 2


@on_both_loops
@scenario
async def test_none_is_left_when_it_was_ended(loop: str) -> None:
    async with a_worker() as worker:
        os.kill(worker.pid, 0)

    assert is_gone(worker)


@scenario
async def test_a_filter_sees_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KORDON_SECRET", CANARY)

    assert await wanted("env == {} and $ENV == {}")


@scenario
async def test_a_filter_can_import_no_file(tmp_path: Path) -> None:
    (tmp_path / "data.json").write_text('["secret"]')
    (tmp_path / "code.jq").write_text("def secret: true;")
    imports = ('import "data" as $x', 'import "code" as x', 'include "code"', 'import "none" as $x', 'include "none"')

    for one in imports:
        with pytest.raises(Unusable, match="the filter is no jq: modules and files cannot be imported"):
            await wanted(f'{one} {{search: "{tmp_path}"}}; true')


@scenario
async def test_what_a_filter_writes_for_people_gets_nowhere(capfd: pytest.CaptureFixture[str]) -> None:
    assert await wanted("debug | stderr | input_filename == null")

    assert capfd.readouterr() == ("", "")


@on_both_loops
@scenario
async def test_a_worker_has_nothing_open_and_nothing_of_our_environment(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KORDON_SECRET", CANARY)
    inheritable, other = os.pipe()
    os.set_inheritable(inheritable, True)

    async with a_worker() as worker:
        descriptors, environment = of_process(worker.pid)

    assert descriptors == {"0", "1", "2"}
    assert CANARY.encode() not in environment
    os.close(inheritable)
    os.close(other)


@scenario
async def test_a_filter_that_wants_all_memory_ends_the_worker_and_nothing_else() -> None:
    expression = "if .offset == 1 then [range(1e12)] else true end"
    async with a_worker(expression, memory=256 * MiB, seconds=50) as worker:
        with pytest.raises(WorkerEnded, match="it took more than it may have"):
            await examine(worker, values(b"a", b"b", b"c"))

        assert worker.at == 1


@scenario
async def test_a_filter_that_never_ends_can_be_ended_at_any_time() -> None:
    async with a_worker("if .offset == 1 then until(false; .) else true end") as worker:
        looking = asyncio.create_task(examine(worker, values(b"a", b"b")))
        while worker.at != 1:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)

    assert is_gone(worker)


@scenario
async def test_an_expression_that_takes_all_memory_before_it_is_used_is_refused() -> None:
    with pytest.raises(Unusable, match="the filter is too much for jq: it took more than it may have"):
        await wanted('"x" * 1e9 | length', memory=256 * MiB)


@scenario
async def test_an_expression_that_never_comes_to_a_value_is_ended() -> None:
    async with a_worker("def f(x): f(f(x)); f(1)", memory=256 * MiB, seconds=50) as process:
        with pytest.raises(WorkerEnded):
            await examine(process, values(b"a"))


@scenario
async def test_a_worker_that_is_killed_is_told() -> None:
    async with a_worker() as worker:
        os.kill(worker.pid, signal.SIGKILL)

        with pytest.raises(WorkerEnded, match="signal 9"):
            await examine(worker, values(b"a"))


@scenario
async def test_schemas_are_asked_for_once_each() -> None:
    asked: list[SchemaRef] = []

    async def find(ref: SchemaRef) -> dict[str, Any]:
        asked.append(ref)
        return {"type": "JSON", "text": "{}", "references": []} if ref.id == 1 else {"problem": "there is none"}

    framed = [struct.pack(">bi", 0, number) + b'{"a": 1}' for number in (1, 2, 1, 2)]
    async with a_worker(find=find) as worker:
        _, taken = await examine(worker, values(*framed))

    assert asked == [SchemaRef(1, None), SchemaRef(2, None)]
    assert [one.value and (one.value.format, one.value.problem) for one in taken] == [
        ("json-schema", None),
        ("hex", "there is none"),
    ] * 2


def test_a_worker_whose_parent_is_gone_ends_by_itself() -> None:
    for messages in ((), ({"filter": "until(false; .)"}, {"chunk": True})):
        worker = subprocess.Popen(
            [sys.executable, "-m", "kordon_proxy.inspection.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env={"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert worker.stdin is not None
        worker.stdin.write(b"".join(framed_messages(messages)))
        worker.stdin.close()

        code = worker.wait(60)

        assert code in ({-signal.SIGKILL, -signal.SIGXCPU} if messages else {0})


def framed_messages(kinds: Iterable[dict[str, Any]]) -> Iterable[bytes]:
    job = {"key": "auto", "value": "auto", "filter": None, "schemas": False, "memory": 256 * MiB, "seconds": 1}
    chunk = {"partition": 0, "first": 0, "until": 9, "want": 9, "room": 9, "scan": 9, "aborted": []}
    for kind in kinds:
        parts = [json.dumps(chunk).encode(), values(b"x")] if "chunk" in kind else [json.dumps(job | kind).encode()]
        yield from (struct.pack(">i", len(part)) + part for part in parts)


def is_gone(worker: WorkerProcess) -> bool:
    """Whether there is no such process any more, not even one that nobody has looked after."""
    try:
        os.kill(worker.pid, 0)
    except ProcessLookupError:
        return True
    return False


def of_process(pid: int) -> tuple[set[str], bytes]:
    """Its file descriptors, and the environment that it was given."""
    place = Path(f"/proc/{pid}")
    return {one.name for one in (place / "fd").iterdir()}, (place / "environ").read_bytes()
