"""The way back: the broker's answers and Kordon's own, in the order of the requests. No sockets here.

Strategy: an answer that needs no mending is never collected. Its length is known from its first bytes, so every chunk
that lies inside it leaves as it came; runs of such answers leave as one piece. An answer is collected only when it
must be mended, and stored only when an earlier one is still held back.
"""

import struct
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from kordon_protocol.errors import FrameTooLarge, ProtocolError
from kordon_protocol.varints import Buffer

from .exchange import Exchange
from .judging.verdict import Mended, Plan, Relay, Stream, Streamed

HEAD: Final = struct.Struct(">ii")
MAX_FRAME: Final = 2**31 - 1
BEGINNING: Final = 4_096
"""Bytes of a larger piece that are looked at before the rest: with luck records follow, which nobody looks at."""
AS_IT_CAME: Final[list[bytes]] = []
"""Stands for an answer that was looked at and not changed."""


class UnexpectedAnswer(ProtocolError):
    """The broker answered something that was not asked, or out of order."""


class Handler(Protocol):
    """What the queue asks of the session."""

    def begin(self, exchange: Exchange) -> Plan:
        """How to treat the answer that begins to arrive now; asked once for each answer."""
        ...

    def stream(self, exchange: Exchange, plan: Streamed) -> Stream: ...

    def mend(self, exchange: Exchange, frame: bytes) -> bytes | None:
        """Give the frame to send for a collected one; None holds it back until `settle`."""
        ...

    def passed(self, exchange: Exchange) -> None:
        """An answer has run through, whole."""
        ...


Sink = Callable[[bytes], None]


class AnswerQueue:
    """Answers in request order.

    `feed` takes the broker's bytes; every method gives what may leave to the client now.
    """

    __slots__ = (
        "_awaiting",
        "_current",
        "_handler",
        "_left",
        "_out",
        "_parts",
        "_queue",
        "_ran",
        "_runs",
        "_sink",
        "_split",
        "_stream",
        "stored",
    )
    __deletable__ = ("_handler",)  # mypyc asks for it

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        # Lists, although their first is taken: they are short, and an empty deque has 600 bytes in every connection.
        self._queue: list[Exchange] = []
        """Everything that the client waits for, oldest first."""
        self._awaiting: list[Exchange] = []
        """Those of them that the broker has to answer."""
        self._split = b""
        """The first bytes of a frame whose head is not whole yet."""
        self._current: Exchange | None = None
        self._left = 0
        self._sink: Sink | None = None
        """Takes the bytes of the current answer; None: they run through."""
        self._stream: Stream | None = None
        """What the current answer runs through, if it is streamed."""
        self._runs = 0
        """How many of the next bytes leave as they come, whatever they are: `passes`."""
        self._ran = 0
        """How many of the current answer have left so, which nobody here knows of yet."""
        self._parts: list[bytes] | None = None
        """Pieces of the current answer where it is collected to be mended."""
        self._out: list[Buffer] = []
        self.stored = 0
        """Bytes that wait behind an earlier answer."""

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def waits_for_broker(self) -> bool:
        """Whether it is the broker's next bytes that the client is to get next."""
        if not self._queue:
            return False
        first = self._queue[0]
        return first is self._current or (self._current is None and bool(self._awaiting) and first is self._awaiting[0])

    @property
    def awaits_broker(self) -> bool:
        """Whether the broker has not answered everything yet."""
        return self._current is not None or bool(self._awaiting)

    def pending(self) -> tuple[Exchange, ...]:
        """What has no answer yet; for the audit of a connection that ends."""
        return tuple(exchange for exchange in self._queue if not exchange.done)

    def end(self) -> None:
        """Let go of the session: the broker's bytes come no more. What was held back may still be settled."""
        del self._handler
        self._sink = None

    def expect(self, exchange: Exchange) -> None:
        """A request has gone to the broker."""
        self._queue.append(exchange)
        self._awaiting.append(exchange)

    def answer(self, exchange: Exchange, frame: bytes | None) -> list[Buffer]:
        """Kordon's own answer takes its place in the order. None: it is held back until `settle`."""
        self._queue.append(exchange)
        return self.settle(exchange, frame) if frame is not None else []

    def settle(self, exchange: Exchange, frame: bytes) -> list[Buffer]:
        """An answer that was held back may leave."""
        self._store(exchange, frame)
        exchange.done = True
        self._advance()
        return self._take()

    def passes(self, size: int) -> bool:
        """Whether the broker's next bytes leave as they come, so many of them. Then they need not be fed."""
        if size > self._runs:
            return False
        self._runs -= size
        self._ran += size
        return True

    def feed(self, data: Buffer) -> list[Buffer]:
        """Take bytes from the broker.

        Raises UnexpectedAnswer or FrameTooLarge when they are not answers to what was asked: nothing more can be
        trusted then.
        """
        if isinstance(data, bytes):
            return self._look(data)
        out: list[Buffer] = []
        while data:
            if self._runs:
                run = min(self._runs, len(data))
                self.passes(run)
                out.append(data[:run])
            else:
                run = min(len(data), BEGINNING)
                out += self._look(bytes(data[:run]))
                if not self._runs:
                    return out + self._look(bytes(data[run:]))
            data = data[run:]
        return out

    def _look(self, data: bytes) -> list[Buffer]:
        self._catch_up()
        out = self._feed(data)
        if self._current is not None:
            self._runs = self._running()
        return out

    def _catch_up(self) -> None:
        if self._ran:
            self._left -= self._ran
            if self._stream is not None:
                self._stream.ran(self._ran)
        self._runs = self._ran = 0

    def _running(self) -> int:
        """Of the current answer, whose last byte ends it and so is not among them."""
        if self._queue[0] is not self._current or self._parts is not None:
            return 0
        return self._left - 1 if self._stream is None else min(self._left - 1, self._stream.runs())

    def _feed(self, data: bytes) -> list[Buffer]:
        if self._split:
            data, self._split = self._split + data, b""
        size = len(data)
        position = run = self._whole_answers(data) if self._current is None else 0  # data[run:position] runs through
        while position < size:
            if self._current is None:
                if size - position < HEAD.size:
                    self._through(data, run, position)
                    self._split = data[position:]
                    return self._take()
                length, correlation_id = HEAD.unpack_from(data, position)
                self._begin(length, correlation_id)
                if self._sink is not None:
                    self._through(data, run, position)
                    run = position
            end = min(size, position + self._left)
            if self._sink is not None:
                self._sink(data if position == 0 and end == size else data[position:end])
                run = end
            self._left -= end - position
            position = end
            if self._left == 0:
                if (
                    self._sink is None
                    and self._queue[0] is self._current
                    and len(self._queue) > 1
                    and self._queue[1].done
                ):
                    self._through(data, run, position)  # a stored answer follows: keep the order
                    run = position
                self._end()
        self._through(data, run, position)
        return self._take()

    def _whole_answers(self, data: bytes) -> int:
        """Take the whole answers that data begins with while it is their turn, which is nearly all there is to do.

        The offset behind them.
        """
        queue, awaiting, handler = self._queue, self._awaiting, self._handler
        position = run = 0
        while awaiting and queue[0] is awaiting[0] and len(data) - position >= HEAD.size:
            length: int
            length, correlation_id = HEAD.unpack_from(data, position)
            exchange, end = queue[0], position + 4 + length
            if length < 4 or end > len(data) or correlation_id != exchange.head.correlation_id:
                break
            del awaiting[0]
            plan = handler.begin(exchange)
            if isinstance(plan, Relay):
                handler.passed(exchange)
            else:
                frame = data[position:end]
                leaves = self._mended(exchange, plan, frame)
                if leaves is not AS_IT_CAME:
                    self._through(data, run, position)
                    run = end
                    if leaves is None:  # it is held back
                        return end
                    self._out += leaves
            position = end
            exchange.done = True
            del queue[0]
            if queue and (queue[0].done or queue[0].store):  # what is stored follows: keep the order
                self._through(data, run, position)
                run = position
                self._advance()
        self._through(data, run, position)
        return position

    def _mended(self, exchange: Exchange, plan: Mended | Streamed, frame: bytes) -> Iterable[bytes] | None:
        """What leaves of a whole answer, in pieces; None: it is held back."""
        if isinstance(plan, Mended):
            mended = self._handler.mend(exchange, frame)
            if mended is frame:
                return AS_IT_CAME
            return None if mended is None else (mended,)
        pieces = self._handler.stream(exchange, plan).feed(frame)
        self._handler.passed(exchange)
        return pieces

    def _begin(self, length: int, correlation_id: int) -> None:
        if not 4 <= length <= MAX_FRAME:
            raise FrameTooLarge(length, MAX_FRAME)
        if not self._awaiting:
            raise UnexpectedAnswer(f"the broker sent correlation id {correlation_id}, but no request waits")
        exchange = self._awaiting[0]
        if exchange.head.correlation_id != correlation_id:
            raise UnexpectedAnswer(
                f"the broker answered correlation id {correlation_id} where {exchange.head.correlation_id} is due"
            )
        self._current = self._awaiting.pop(0)
        self._left = length + 4
        self._sink = self._sink_for(exchange, self._handler.begin(exchange))

    def _sink_for(self, exchange: Exchange, plan: Plan) -> Sink | None:
        match plan:
            case Mended():
                self._parts = []
                return self._parts.append
            case Streamed():
                stream = self._stream = self._handler.stream(exchange, plan)
                return lambda data: self._emit(exchange, stream.feed(data))
            case Relay():
                return None if self._queue[0] is exchange else lambda data: self._emit(exchange, (data,))

    def _emit(self, exchange: Exchange, pieces: Iterable[bytes]) -> None:
        """Bytes of an answer that is not collected: out when it is its turn, stored otherwise."""
        if self._queue[0] is exchange:
            self._out.extend(pieces)
        else:
            for piece in pieces:
                self._store(exchange, piece)

    def _store(self, exchange: Exchange, piece: bytes) -> None:
        if exchange.store is None:
            exchange.store = []
        exchange.store.append(piece)
        self.stored += len(piece)

    def _end(self) -> None:
        exchange, sink, parts = self._current, self._sink, self._parts
        assert exchange is not None
        self._current = self._sink = self._parts = self._stream = None
        if parts is not None:
            mended = self._handler.mend(exchange, parts[0] if len(parts) == 1 else b"".join(parts))
            if mended is None:
                return
            self._store(exchange, mended)
        else:
            self._handler.passed(exchange)
        exchange.done = True
        if sink is None:
            self._queue.pop(0)
        self._advance()

    def _advance(self) -> None:
        """Let out what is whole and first in line, and as much of the next answer as has come."""
        queue = self._queue
        while queue and queue[0].done:
            self._let_out(queue.pop(0))
        if queue:
            # What has come of it is out of the way now: the rest may only be read once there is room again.
            self._let_out(queue[0])

    def _let_out(self, exchange: Exchange) -> None:
        if exchange.store is not None:
            self._out.extend(exchange.store)
            self.stored -= sum(map(len, exchange.store))
            exchange.store = None

    def _through(self, data: bytes, start: int, end: int) -> None:
        if start < end:
            self._out.append(data if start == 0 and end == len(data) else data[start:end])

    def _take(self) -> list[Buffer]:
        out, self._out = self._out, []
        return out
