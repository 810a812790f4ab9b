"""One worker as the parent sees it: started, asked, and started again when it has ended."""

import asyncio
import os
import socket
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

import structlog

from kordon_proxy.cluster.backoff import Backoff
from kordon_proxy.config.model import Config
from kordon_proxy.not_started import WorkerNotStarted
from kordon_proxy.own_processes import command, where_code_is

from .board import Board
from .channel import Channel, ChannelClosed, Handler, NotDone
from .job import Job, packed, settings_of
from .metrics import ParentMetrics

log = structlog.get_logger()

FIRST_PAUSE: Final = 0.2
MOST_PAUSE: Final = 30.0
"""Seconds before a worker that ended is started again: the first time, and at most."""
PROVED: Final = 60.0
"""Seconds after which a worker has shown that it can live."""


class WorkerProcess:
    """One of the workers, from `live` on until `stop`."""

    def __init__(
        self,
        config: Config,
        *,
        number: int,
        instance: str,
        handlers: Mapping[str, Handler],
        metrics: ParentMetrics,
        board: Board,
    ) -> None:
        """handlers: what it may ask."""
        self.number = number
        self.restarts = 0
        self.begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when it has started for the first time; or WorkerNotStarted."""
        self.begun.add_done_callback(_see)
        self.is_started = False
        """Whether this process of it has everything open that opens at the start."""
        self.is_ready = False
        """Whether this process of it has ever been ready."""
        self.heard = time.monotonic()
        """When it last answered, or was started."""
        self.ended: str | None = None
        """How its last process ended; None while there is one."""
        self._board = board
        self._job = Job(
            number=number,
            instance=f"{instance}-w{number}",
            parent=os.getpid(),
            board=board.descriptor,
            config=settings_of(config, number),
        )
        self._metrics = metrics
        self._handlers = {**handlers, "started": self._started, "not_started": self._not_started}
        self._backoff = Backoff(FIRST_PAUSE, MOST_PAUSE)
        self._process: Process | None = None
        self._channel: Channel | None = None
        self._why_not: str | None = None
        self._stopping = asyncio.Event()

    @property
    def name(self) -> str:
        """As checks and metrics call it."""
        return f"worker {self.number}"

    @property
    def pid(self) -> int | None:
        """Of its process, if there is one."""
        return None if self._process is None else self._process.pid

    @property
    def down(self) -> str | None:
        """Why it serves nobody now; None from when it has started."""
        if self.ended is not None or (self.is_started and self._channel is None):
            return f"it has ended ({self.ended or 'just now'}), and starts again"
        return None if self.is_started else "it starts"

    async def live(self) -> None:
        """Start it, and again whenever it has ended, until it is told to stop or has never started."""
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                self.ended = await self._live_once()
            except Exception as error:  # no process can be had, or a mistake of ours: the others must not miss it
                log.exception("worker_failed", worker=self.number)
                self.ended = f"failed: {error}"
                self._kill()
            self._metrics.up(self.number, is_up=False)
            self._board.clear(self.number)
            if not self.begun.done():
                self.begun.set_exception(
                    WorkerNotStarted(self._why_not or f"{self.name} ended while it started: {self.ended}")
                )
                return
            if self._stopping.is_set():
                return
            if time.monotonic() - began > PROVED:
                self._backoff.succeed()
            pause = self._backoff.fail()
            log.error("worker_ended", worker=self.number, reason=self.ended, again_in=round(pause, 2))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
            self.restarts += 1
            self._metrics.restarted(self.number)

    async def ask(self, what: str, within: float, /, **words: Any) -> Any:
        """Its answer; None: there is none."""
        if self._channel is None:
            return None
        try:
            answer = await self._channel.ask(what, within, **words)
        except (ChannelClosed, NotDone, TimeoutError):
            return None
        self.heard = time.monotonic()
        return answer

    def tell(self, what: str, /, **words: Any) -> None:
        """Say something, if it is there."""
        if self._channel is not None:
            self._channel.tell(what, **words)

    def stop(self) -> None:
        """Let it stop, gracefully; a second time, or while it starts: at once."""
        self._stopping.set()
        if self.is_started:
            self.tell("stop")
        else:  # it may be waiting for a store that does not answer
            self._kill()

    def kill(self) -> None:
        """End it, whatever it is at."""
        self._stopping.set()
        self._kill()

    def _kill(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()

    async def _live_once(self) -> str:
        """One process of it, from its start to its end. Says how it ended. Raises OSError."""
        ours, theirs = socket.socketpair()
        try:
            self._process = await _spawn(theirs, self._board)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self.ended, self.is_started, self.is_ready, self.heard = None, False, False, time.monotonic()
        self._metrics.up(self.number, is_up=True)
        channel = self._channel = await Channel.on(ours)
        channel.handlers = self._handlers
        channel.send(packed(replace(self._job, restarts=self.restarts)))
        if self._stopping.is_set():  # meanwhile
            self._kill()
        await channel.run()
        self._channel = None
        code = await self._process.wait()
        self._process = None
        return f"signal {-code}" if code < 0 else f"code {code}"

    async def _started(self) -> None:
        self.is_started, self.heard = True, time.monotonic()
        log.info("worker_started", worker=self.number, pid=self.pid, restarts=self.restarts)
        if not self.begun.done():
            self.begun.set_result(None)

    async def _not_started(self, why: str) -> None:
        self._why_not = why
        if self.begun.done():
            log.error("worker_not_started", worker=self.number, reason=why)


def _see(begun: "asyncio.Future[None]") -> None:
    """Look at the outcome: when one worker cannot start, nobody asks for those of the others, and asyncio complains."""
    if not begun.cancelled():
        begun.exception()


async def _spawn(end: socket.socket, board: Board) -> Process:
    return await asyncio.create_subprocess_exec(
        *command("kordon_proxy.workers", str(end.fileno())),
        stdin=DEVNULL,
        pass_fds=[end.fileno(), board.descriptor],
        env=os.environ | where_code_is(),
        start_new_session=True,  # Ctrl-C in a terminal is for the parent, which tells the workers
    )
