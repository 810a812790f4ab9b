"""The parent: holds the ports, keeps the workers alive, hands on signals, and answers for all of them."""

import asyncio
import secrets
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from dataclasses import asdict
from typing import Any, Final

import structlog

from kordon_proxy.binding import CannotServe
from kordon_proxy.config.addresses import Address
from kordon_proxy.config.model import Config
from kordon_proxy.event_loop import new_event_loop
from kordon_proxy.health import Check, HealthServer, Pulse
from kordon_proxy.identity.directory import DirectoryFiles
from kordon_proxy.not_started import WorkerNotStarted
from kordon_proxy.policies import Policies

from .board import Board
from .channel import Handler
from .checks import Told, of_all
from .metrics import ParentMetrics
from .reservations import Reservations
from .worker_process import WorkerProcess

log = structlog.get_logger()

LOOK_EVERY: Final = 1.0
"""Seconds between two looks at how the workers are."""
MOST_SILENCE: Final = 5.0
"""Seconds for which a worker may answer nothing."""
_SOON: Final = 2.0
"""Seconds for an answer that is at hand."""
_END: Final = 15.0
"""Seconds for workers to write down what is left, when the start has failed."""
_RELOAD: Final = 60.0
"""Seconds for reading files, which may be large."""


def serve(settings: Config) -> None:
    """Serve with workers until SIGTERM or SIGINT.

    Raises Refused, CannotServe, WorkerNotStarted, or OSError for a policy file that cannot be read.
    """
    if sys.platform != "linux":
        raise WorkerNotStarted(f"`workers: {settings.workers}` needs Linux, where ports can be shared: leave it out")
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(Supervisor(settings).run())


class Supervisor:
    """The parent of the workers of one Kordon."""

    def __init__(self, settings: Config) -> None:
        self._settings = settings
        self._instance = f"{socket.gethostname()}-{secrets.token_hex(3)}"
        self._ports = Reservations()
        self._workers: list[WorkerProcess] = []
        self._board = Board.new(workers=settings.workers, listeners=len(settings.listeners))
        self._metrics = ParentMetrics(settings.workers)
        self._pulse = Pulse(self._metrics.event_loop_lag)
        self._health: HealthServer | None = None
        self._has_been_ready = False
        self._stop = asyncio.Event()
        self._lives: list[asyncio.Task[None]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Start all workers, keep them alive until told to stop, and let them stop.

        Raises Refused, CannotServe, WorkerNotStarted, OSError: then no worker is left.
        """
        try:
            self._look_before()
            try:
                await self._start()
            except WorkerNotStarted:
                if not self._stop.is_set():
                    raise
            await self._stop.wait()
            await self._until_all_have_ended()
        finally:
            await self._end()
        log.info("stopped", workers=len(self._workers))

    # ---- the start

    def _look_before(self) -> None:
        """Find what is wrong before any worker is started. Raises Refused, CannotServe, OSError."""
        Policies(self._settings.policy, self._settings.compat).load()
        DirectoryFiles(self._settings)
        for listener in self._settings.listeners:
            self._hold(f"listener {listener.name}", listener.bind, "its `bind`")
        if (api := self._settings.admin.api) is not None:
            self._hold("the admin API", api.bind, "`admin.api.bind`")

    def _hold(self, what: str, address: Address, key: str) -> None:
        try:
            self._ports.hold(address)
        except OSError as error:
            raise CannotServe(what, address, key, error) from error

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        self._workers = [self._worker(number) for number in range(1, self._settings.workers + 1)]
        self._metrics.ask = lambda: self._from_thread(loop, self._families(), {})
        self._health = HealthServer(
            *self._settings.admin.bind,
            self._metrics.registry,
            ready=lambda: self._from_thread(loop, self._checks(), [_NO_ANSWER]),
            live=self._live,
        )
        self._health.start()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._spawn(self._reload_all()))
        self._spawn(self._pulse.beat())
        self._lives = [asyncio.create_task(worker.live()) for worker in self._workers]
        await asyncio.gather(*(worker.begun for worker in self._workers))
        self._spawn(self._look())
        log.info(
            "started",
            workers={worker.number: worker.pid for worker in self._workers},
            instance=self._instance,
            listeners=[str(one.bind) for one in self._settings.listeners],
            admin=str(self._settings.admin.bind),
        )

    def _worker(self, number: int) -> WorkerProcess:
        handlers: dict[str, Handler] = {
            "hold": self._held,
            "files_changed": self._files_changed,
            "seen": self._seen,
            "status": self._status,
            "connections": self._connections,
            "reload": self._reload,
        }
        return WorkerProcess(
            self._settings,
            number=number,
            instance=self._instance,
            handlers=handlers,
            metrics=self._metrics,
            board=self._board,
        )

    # ---- what workers ask

    async def _held(self, host: str, port: int) -> list[Any] | None:
        """Hold a port for them; the error where that cannot be."""
        try:
            self._ports.hold(Address(host, port))
        except OSError as error:
            return [error.errno, error.strerror]
        return None

    async def _files_changed(self, worker: int) -> None:
        """One of them has a new file in use: within a second the others would have seen it by themselves."""
        await asyncio.gather(*(one.ask("reload", _RELOAD) for one in self._workers if one.number != worker))

    async def _seen(self, worker: int, cluster: str, group: str | None) -> None:
        """Hand on what one of them has seen of a cluster."""
        for one in self._workers:
            if one.number != worker:
                one.tell("seen", cluster=cluster, group=group)

    async def _connections(self) -> Counter[str]:
        whole: Counter[str] = Counter()
        for _, counted in await self._ask_all("connections", _SOON):
            whole.update(counted or {})
        return whole

    async def _reload(self) -> list[dict[str, Any]]:
        """Have all look at their files. Says of each what is in force there."""
        silent = [{"epoch": None, "failure": "it does not answer"}]
        answers = await self._ask_all("reload", _RELOAD)
        return [{"worker": worker.number, **one} for worker, answer in answers for one in answer or silent]

    async def _reload_all(self) -> None:
        await self._reload()

    async def _status(self) -> dict[str, Any]:
        """What the whole is, and how, and each worker by itself."""
        answers = await self._ask_all("status", _SOON)
        checks = await self._checks()
        connections: Counter[str] = Counter()
        for _, status in answers:
            connections.update((status or {}).get("connections", {}))
        first: dict[str, Any] = next((status for _, status in answers if status), {})
        return {
            **first,
            "policy_failure": next(
                (one["policy_failure"] for _, one in answers if one and one["policy_failure"]), None
            ),
            "instance": self._instance,
            "ready": all(check.ok for check in checks if check.required),
            "checks": [asdict(check) for check in checks],
            "connections": dict(connections),
            "workers": [_told_of(worker, status) for worker, status in answers],
        }

    async def _ask_all(self, what: str, within: float) -> list[tuple[WorkerProcess, Any]]:
        answers = await asyncio.gather(*(worker.ask(what, within) for worker in self._workers))
        return list(zip(self._workers, answers, strict=True))

    # ---- how all of them are

    async def _look(self) -> None:
        """See again and again how the workers are: who is silent, and who has become ready."""
        while True:
            await self._checks()
            await asyncio.sleep(LOOK_EVERY)

    async def _checks(self) -> list[Check]:
        answers = await self._ask_all("checks", _SOON)
        told = []
        for worker, checks in answers:
            # Until it has started, there is little to be checked.
            found = None if checks is None or not worker.is_started else [Check(**one) for one in checks]
            if found is not None and all(check.ok for check in found if check.required):
                worker.is_ready = True
            told.append(Told(worker.name, found, is_ready=worker.is_ready, down=worker.down))
        self._has_been_ready = self._has_been_ready or all(one.is_ready for one in told)
        return [self._pulse.check(), *of_all(told, has_been_ready=self._has_been_ready)]

    def _live(self) -> Iterator[Check]:
        """Whether each event loop turns. Asked from the thread of the probes."""
        yield self._pulse.check()
        now = time.monotonic()
        for worker in self._workers:
            if worker.is_started and worker.pid is not None:
                silence = now - worker.heard
                detail = f"last answer {silence:.1f} s ago"
                yield Check(name=worker.name, ok=silence < MOST_SILENCE, detail=detail)

    async def _families(self) -> dict[str, Any]:
        answers = await self._ask_all("metrics", _SOON)
        return {str(worker.number): families for worker, families in answers if families is not None}

    @staticmethod
    def _from_thread(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], otherwise: Any) -> Any:
        """Have the loop do it, from the thread of the probes, which goes on without it when it takes too long."""
        future: Future[Any] = asyncio.run_coroutine_threadsafe(work, loop)
        try:
            return future.result(2 * _SOON)
        except TimeoutError:
            future.cancel()
            return otherwise

    # ---- the end

    def stop(self) -> None:
        """Let all workers stop; a second time: at once."""
        self._stop.set()
        for worker in self._workers:
            worker.stop()

    async def _until_all_have_ended(self) -> None:
        if self._lives:
            await asyncio.wait(self._lives)

    async def _end(self) -> None:
        """Let go of everything. Workers that are still there are not let finish what they are at."""
        for worker in (*self._workers, *self._workers):
            worker.stop()
        if self._lives:
            await asyncio.wait(self._lives, timeout=_END)
        for worker in self._workers:
            worker.kill()
        await self._until_all_have_ended()
        for task in tuple(self._tasks):
            task.cancel()
        if self._health is not None:
            await asyncio.to_thread(self._health.stop)  # which waits for calls that wait for this loop
        self._ports.close()

    def _spawn(self, step: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(step)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


_NO_ANSWER: Final = Check(name="event_loop", ok=False, detail="the parent of the workers does not answer")


def _told_of(worker: WorkerProcess, status: dict[str, Any] | None) -> dict[str, Any]:
    """What the status of the whole says of one worker."""
    kept = {key: (status or {}).get(key) for key in ("instance", "epoch", "ready", "connections")}
    return {"worker": worker.number, "pid": worker.pid, "restarts": worker.restarts, **kept}
