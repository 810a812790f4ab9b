"""The worker as its parent sees it: started for one inspection, asked chunk by chunk, and ended whatever it does."""

import asyncio
import json
import math
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Final, Self

import structlog

from kordon_protocol.frames import FrameSplitter, with_prefix
from kordon_proxy.own_processes import bare_environment, command

from .asked import Inspection
from .bounds import Bounds, MiB
from .errors import Unreachable, Unusable
from .examine import Chunk, Examined
from .found import Found
from .framing import SchemaRef

log = structlog.get_logger()

_MOST: Final = 16 * MiB
"""Bytes of one message: a record has bounds that are far below."""
_READ: Final = 1 << 16

FindSchema = Callable[[SchemaRef], Awaitable[dict[str, Any]]]
"""The schema as JSON, or `{"problem": why}`. Raises nothing."""


class WorkerEnded(Exception):
    """The worker is gone: it was out of memory, or a library in it broke down."""


class WorkerProcess:
    """One worker. Made by `start`, to be ended by `end`."""

    def __init__(self, process: Process, find: FindSchema) -> None:
        self.chunk: Chunk | None = None
        """What it is looking through,"""
        self.at: int | None = None
        """and the offset of the record that it is at."""
        self._process = process
        self._find = find
        self._frames = FrameSplitter(_MOST)
        self._waiting: deque[bytes] = deque()

    @classmethod
    async def start(cls, inspection: Inspection, bounds: Bounds, find: FindSchema | None) -> Self:
        """Start one for an inspection. Without `find` no schema is asked for.

        Raises Unusable for a filter that is no jq, and Unreachable where no process can be had.
        """
        job = {
            "key": inspection.key,
            "value": inspection.value,
            "filter": inspection.filter,
            "schemas": find is not None,
            "memory": bounds.memory,
            "seconds": math.ceil(bounds.seconds) + 1,
        }
        worker = cls(await _spawn(), find or _no_schemas)
        try:
            await worker._send(_encoded(job))
            kind, content = await worker._receive()
        except WorkerEnded as ended:
            await worker.end()
            raise Unusable(f"the filter is too much for jq: {ended}") from None
        except BaseException:
            await worker.end()
            raise
        if kind == "ready":
            return worker
        await worker.end()
        raise Unusable(f"the filter is no jq: {content}")

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    async def examine(self, chunk: Chunk, data: bytes, take: Callable[[Found], None]) -> Examined:
        """Have a chunk looked through. Hands over each record that is wanted.

        Raises WorkerEnded. What was handed over before is right all the same.
        """
        self.chunk, self.at = chunk, None
        await self._send(_encoded(asdict(chunk)), data)
        while True:
            kind, content = await self._receive()
            match kind:
                case "at":
                    self.at = content
                case "record":
                    partition, offset, timestamp, size = content
                    take(Found(partition, offset, timestamp, size, await self._frame()))
                case "schema":
                    await self._send(_encoded(await self._find(SchemaRef(**content))))
                case "done":
                    self.chunk = None
                    return Examined(**content)

    async def end(self) -> None:
        """End it, whatever it is at."""
        with suppress(ProcessLookupError):
            self._process.kill()
        # Until its pipes are closed the event loop has them open, and its exit is not reaped.
        await self._process.communicate()

    async def _send(self, *frames: bytes) -> None:
        sink = self._process.stdin
        assert sink is not None
        try:
            for frame in frames:
                sink.write(with_prefix(frame))
                await sink.drain()
        except (BrokenPipeError, ConnectionResetError):
            raise await self._ended() from None

    async def _receive(self) -> tuple[str, Any]:
        ((kind, content),) = json.loads(await self._frame()).items()
        if kind == "failed":
            log.error("inspection_worker_failed", reason=content)
            raise WorkerEnded(f"Kordon's own process for it failed ({content})")
        return kind, content

    async def _frame(self) -> bytes:
        source = self._process.stdout
        assert source is not None
        while not self._waiting:
            data = await source.read(_READ)
            if not data:
                raise await self._ended()
            self._waiting += self._frames.feed(data)
        return self._waiting.popleft()

    async def _ended(self) -> WorkerEnded:
        code = await self._process.wait()
        why = f"signal {-code}" if code < 0 else f"code {code}"
        log.warning("inspection_worker_ended", reason=why)
        return WorkerEnded(f"it took more than it may have of memory or processor ({why})")


async def _spawn() -> Process:
    try:
        return await asyncio.create_subprocess_exec(
            *command("kordon_proxy.inspection.worker"),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env=bare_environment(),
            cwd="/",
            start_new_session=True,  # Ctrl-C in a terminal is for Kordon
        )
    except OSError as error:
        raise Unreachable(f"Kordon cannot start a process to look into records: {error}") from error


async def _no_schemas(_: SchemaRef) -> dict[str, Any]:
    return {"problem": "no schema registry is configured"}


def _encoded(content: Any) -> bytes:
    return json.dumps(content).encode("ascii")
