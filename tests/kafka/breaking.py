"""A proxy between Kordon and Kafka whose connections break: it cuts, drips or holds.

What becomes of a connection of Kordon's is told by the client id in its first request, which Kordon passes on as it is.
"""

import asyncio
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from kordon_protocol.errors import ProtocolError
from kordon_protocol.header import peek_request
from tests.kafka.crowd import RESET
from tests.kafka.looping import Looping

CHUNK: Final = 1 << 16


@dataclass(slots=True)
class Fate:
    """What becomes of a connection to the broker."""

    up: int | None = None
    """After so many bytes to the broker it is reset."""
    down: int | None = None
    """After so many bytes from the broker it is reset."""
    drips: bool = False
    """What the broker says comes a byte at a time."""
    held: threading.Event | None = None
    """What the broker says comes when this is set."""


@dataclass(slots=True, eq=False)
class _Side:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def reset(self) -> None:
        connection = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.writer.transport.abort()


class Breaker(Looping):
    """Listens where the broker is said to be, and passes on what each connection's fate lets pass.

    `target` tells, at each connection, where the broker is. What no client id has been given passes.
    """

    def __init__(self, target: Callable[[], int]) -> None:
        super().__init__()
        self.target = target
        self.fates: dict[str, Fate] = {}
        self.port = 0

    async def _open(self) -> None:
        server = await asyncio.start_server(self._accepted, "127.0.0.1", 0, backlog=512)
        self._servers.append(server)
        self.port = server.sockets[0].getsockname()[1]

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        kordon = _Side(reader, writer)
        try:
            broker = _Side(*await asyncio.open_connection("127.0.0.1", self.target()))
            try:
                await self._pass_on(kordon, broker)
            finally:
                broker.reset()
        except OSError:
            pass
        finally:
            kordon.reset()
            self._tasks.discard(task)

    async def _pass_on(self, kordon: _Side, broker: _Side) -> None:
        """Until one of them has hung up, or fate has come."""
        first = await kordon.reader.read(CHUNK)
        fate = self._fate(first)
        both = [
            asyncio.create_task(_pump(kordon.reader, broker.writer, first, fate.up)),
            asyncio.create_task(_pump(broker.reader, kordon.writer, b"", fate.down, fate)),
        ]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in both:
                one.cancel()
            await asyncio.gather(*both, return_exceptions=True)

    def _fate(self, first: bytes) -> Fate:
        try:
            return self.fates.get(peek_request(first, 4).client_id or "", Fate())
        except (ProtocolError, IndexError):
            return Fate()


async def _pump(
    source: asyncio.StreamReader, to: asyncio.StreamWriter, first: bytes, most: int | None, fate: Fate | None = None
) -> None:
    passed, data = 0, first or await source.read(CHUNK)
    while data:
        if fate is not None and fate.held is not None:
            await asyncio.to_thread(fate.held.wait)
        data = data if most is None else data[: most - passed]
        for piece in (data[place : place + 1] for place in range(len(data))) if fate and fate.drips else (data,):
            to.write(piece)
            await to.drain()
            await asyncio.sleep(0)
        passed += len(data)
        if passed == most:
            return
        data = await source.read(CHUNK)
