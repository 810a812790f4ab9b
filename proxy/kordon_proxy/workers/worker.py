"""One worker: a whole Kordon, but for what its parent does for all."""

import asyncio
import ctypes
import os
import signal
import socket
from typing import Any, Final

from kordon_proxy.config.findings import Refused
from kordon_proxy.event_loop import new_event_loop
from kordon_proxy.heap import keep_freed_memory
from kordon_proxy.logs import configure_logging
from kordon_proxy.not_started import REASONS, why_not
from kordon_proxy.server import Server

from .board import Board
from .channel import Channel, Handler, first_bytes
from .families import told
from .job import Job, unpacked
from .supervised import Supervised

_SET_PARENT_DEATH_SIGNAL: Final = 1
"""PR_SET_PDEATHSIG of prctl(2)."""
NOT_STARTED: Final = 2
"""The exit code of a worker that could not, or need not, go on."""


def main(descriptor: int) -> int:
    """Serve until the parent says to stop, or is gone. Returns the exit code.

    descriptor: of the other end of the parent's pair of sockets.
    """
    end = socket.socket(fileno=descriptor)
    job = unpacked(first_bytes(end))
    _end_with_parent(job.parent)
    log = job.config.log
    configure_logging(level=log.level, format=log.format, always={"worker": job.number})
    keep_freed_memory()
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(_serve(end, job))


async def _serve(end: socket.socket, job: Job) -> int:
    channel = await Channel.on(end)
    board = Board(job.board, workers=job.config.workers, listeners=len(job.config.listeners))
    place = Supervised(channel, board, number=job.number, instance=job.instance, restarts=job.restarts)
    server = Server(job.config, place)
    channel.handlers = _handlers(server)
    listening = asyncio.create_task(_listen(channel))
    try:
        await server.run()
    except (Refused, *REASONS) as error:
        await channel.ask("not_started", why=why_not(error, job.config))
        return NOT_STARTED
    finally:
        listening.cancel()
        channel.close()
    return 0


async def _listen(channel: Channel) -> None:
    await channel.run()
    # Without the parent nobody holds the ports, or would end this process.
    os._exit(NOT_STARTED)


def _handlers(server: Server) -> dict[str, Handler]:
    async def metrics() -> Any:
        return told(server.metrics.registry)

    async def stop() -> None:
        server.stop()

    async def seen(cluster: str, group: str | None) -> None:
        server.upstreams[cluster].cluster.heard(group)

    return {
        "seen": seen,
        "checks": server.checks,
        "status": server.status,
        "connections": server.connections,
        "metrics": metrics,
        "reload": server.reload,
        "stop": stop,
    }


def _end_with_parent(parent: int) -> None:
    """Be killed when the parent is, whatever this process is at then: no crash of it leaves the ports taken."""
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(NOT_STARTED)  # it has gone before
