"""What parent and worker say to each other: frames of JSON on a pair of sockets that nobody else has.

Either side may ask the other, and gets one answer; or tell it something, and gets none.
"""

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from itertools import count
from typing import Any, Final, Self

import structlog

log = structlog.get_logger()

Handler = Callable[..., Awaitable[Any]]
"""Takes the words of a question, and returns what can be JSON."""

_LENGTH: Final = struct.Struct(">I")


class ChannelClosed(Exception):
    """The other side is gone."""


class NotDone(Exception):
    """The other side could not do what was asked; the text says why."""


class Channel:
    """One end of the pair. `run` has to run for questions to be answered, from both sides."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.handlers: Mapping[str, Handler] = {}
        """What the other side may ask, or tell."""
        self._reader = reader
        self._writer = writer
        self._numbers = count()
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._at_work: set[asyncio.Task[None]] = set()

    @classmethod
    async def on(cls, end: socket.socket) -> Self:
        """Speak by this end of a pair."""
        return cls(*await asyncio.open_unix_connection(sock=end))

    async def run(self) -> None:
        """Take what the other side says until it is gone."""
        try:
            while True:
                (size,) = _LENGTH.unpack(await self._reader.readexactly(_LENGTH.size))
                self._take(json.loads(await self._reader.readexactly(size)))
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self.close()

    def close(self) -> None:
        """Say no more, and wait for nothing more."""
        self._writer.close()
        for future in self._asked.values():
            if not future.done():
                future.set_exception(ChannelClosed("the process at the other end has ended"))

    async def ask(self, what: str, within: float | None = None, /, **words: Any) -> Any:
        """The other side's answer. within: seconds to wait for it.

        Raises NotDone, ChannelClosed, TimeoutError.
        """
        if self._writer.is_closing():
            raise ChannelClosed("the process at the other end has ended")
        number = next(self._numbers)
        future = self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            self._say({"ask": what, "number": number, "words": words})
            async with asyncio.timeout(within):
                return await future
        finally:
            del self._asked[number]

    def tell(self, what: str, /, **words: Any) -> None:
        """Say something that has no answer. To somebody who is gone, nothing is said."""
        self._say({"ask": what, "words": words})

    def send(self, content: bytes) -> None:
        """Send bytes that are no message, for `first_bytes` at the other end."""
        if not self._writer.is_closing():
            self._writer.write(_LENGTH.pack(len(content)) + content)

    def _say(self, message: Any) -> None:
        self.send(json.dumps(message).encode("ascii"))

    def _take(self, message: dict[str, Any]) -> None:
        if "ask" in message:
            task = asyncio.get_running_loop().create_task(self._answer(**message))
            self._at_work.add(task)
            task.add_done_callback(self._at_work.discard)
            return
        future = self._asked.get(message["number"])
        if future is None or future.done():
            return  # nobody waits for it any more
        if "problem" in message:
            future.set_exception(NotDone(message["problem"]))
        else:
            future.set_result(message["answer"])

    async def _answer(self, ask: str, words: dict[str, Any], number: int | None = None) -> None:
        try:
            answer = {"answer": await self.handlers[ask](**words)}
        except NotDone as problem:
            answer = {"problem": str(problem)}
        except Exception as error:
            log.exception("worker_question_failed", question=ask)
            answer = {"problem": f"{ask} failed: {error}"}
        if number is not None:
            self._say({"number": number, **answer})


def first_bytes(end: socket.socket) -> bytes:
    """What the other side has sent, before there is a channel on this end. Blocks. Raises OSError, EOFError."""
    (size,) = _LENGTH.unpack(_exactly(end, _LENGTH.size))
    return _exactly(end, size)


def _exactly(end: socket.socket, size: int) -> bytes:
    data = end.recv(size, socket.MSG_WAITALL)
    if len(data) < size:
        raise EOFError("the process at the other end has ended")
    return data
