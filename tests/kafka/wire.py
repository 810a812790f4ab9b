"""Kafka's protocol over a bare socket, for what no client library sends; and a tap that overhears a connection."""

import itertools
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

from aiokafka.record.default_records import DefaultRecordBatchBuilder

from kordon_protocol.codec import decode_response, request_frame
from kordon_protocol.frames import FrameSplitter
from kordon_protocol.header import peek_request, peek_response

CLIENT_ID: Final = "wire"
TIMEOUT: Final = 30.0
CHUNK: Final = 1 << 16
MAX_FRAME: Final = 1 << 28
WHEN: Final = time.time_ns() // 1_000_000
"""The timestamp of all records, in milliseconds: now, or else they would be too old to be kept."""


class Gone(Exception):
    """The other side has closed the connection."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer: decoded, and its bytes without the length prefix."""

    message: Any
    frame: bytes

    @property
    def body(self) -> bytes:
        """All but the correlation id, which counts the requests of the connection."""
        return self.frame[4:]


class Wire:
    """One connection. Requests may be sent ahead of their answers, which come in their order.

    with Wire(kordon.listener("main")) as wire:
        reply = wire.ask(message)
    """

    def __init__(self, address: str, client_id: str | None = CLIENT_ID) -> None:
        host, _, port = address.rpartition(":")
        self.client_id = client_id
        self._socket = socket.create_connection((host, int(port)), TIMEOUT)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._splitter = FrameSplitter(MAX_FRAME)
        self._frames: list[bytes] = []
        self._ids = itertools.count(1)
        self._asked: list[tuple[int, int, int]] = []
        """Correlation id, key and version of what waits for its answer."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    @property
    def peer(self) -> str:
        """Where the other side sees it."""
        host, port = self._socket.getsockname()
        return f"{host}:{port}"

    def ask(self, message: Any) -> Reply:
        """Send one request and wait for its answer. Raises Gone, and TimeoutError when nothing comes."""
        return self.ask_all([message])[0]

    def ask_all(self, messages: Iterable[Any]) -> list[Reply]:
        """Send all requests in one piece, and wait for all answers."""
        asked = list(messages)
        self.send(*asked)
        return [self.receive() for _ in asked]

    def send(self, *messages: Any, answered: bool = True) -> tuple[int, ...]:
        """Send requests in one piece; their correlation ids. `answered` False: none of them gets an answer."""
        numbers, frames = [], []
        for message in messages:
            number = next(self._ids)
            frames.append(request_frame(message, number, self.client_id))
            numbers.append(number)
            if answered:
                self._asked.append((number, message.__api_key__, message.__version__))
        self._socket.sendall(b"".join(frames))
        return tuple(numbers)

    def send_bytes(self, data: bytes) -> None:
        """Send anything."""
        self._socket.sendall(data)

    def receive(self) -> Reply:
        """The next answer; it has to be for the oldest request that waits for one."""
        frame = self.receive_frame()
        number, key, version = self._asked.pop(0)
        head = peek_response(frame, key, version)
        assert head.correlation_id == number, f"an answer for {head.correlation_id} where {number} is due"
        return Reply(decode_response(key, version, frame, head.body_offset), frame)

    def receive_frame(self) -> bytes:
        """The next frame, whatever it is, without its length prefix."""
        while not self._frames:
            data = self._socket.recv(CHUNK)
            if not data:
                raise Gone
            self._frames += self._splitter.feed(data)
        return self._frames.pop(0)

    def receive_bytes(self, size: int) -> bytes:
        """So many of the next bytes, whatever they are."""
        data = bytearray()
        while len(data) < size:
            chunk = self._socket.recv(min(CHUNK, size - len(data)))
            if not chunk:
                raise Gone
            data += chunk
        return bytes(data)


def a_batch(
    *values: bytes, producer_id: int = -1, producer_epoch: int = -1, sequence: int = -1, transactional: bool = False
) -> bytes:
    """A record batch, of a transaction if wanted."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=int(transactional),
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        base_sequence=sequence,
        batch_size=1 << 20,
    )
    for offset, value in enumerate(values):
        builder.append(offset, WHEN, None, value, [])
    return bytes(builder.build())


class Tap:
    """Stands between Kordon and a broker, passes everything on, and keeps what Kordon says.

    It has a port from the beginning; `target` tells, at each connection, where the broker is.
    """

    def __init__(self, target: Callable[[], tuple[str, int]]) -> None:
        self.heard: list[bytes] = []
        """The requests of all connections in the order in which they were whole, without their length prefixes."""
        self._target = target
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="tap")

    @property
    def port(self) -> int:
        port: int = self._server.server_address[1]
        return port

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def requests(self, client_id: str, since: int = 0) -> dict[int, bytes]:
        """What was heard from this client, by correlation id: without it, and from the `since`-th frame on."""
        found = {}
        for frame in self.heard[since:]:
            head = peek_request(frame)
            if head.client_id == client_id:
                found[head.correlation_id] = frame[:4] + frame[8:]
        return found

    def connect(self) -> socket.socket:
        """A connection to the broker."""
        return socket.create_connection(self._target(), TIMEOUT)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, tap: Tap) -> None:
        super().__init__(("127.0.0.1", 0), _Overheard)
        self.tap = tap


class _Overheard(socketserver.BaseRequestHandler):
    """One connection: a thread for each direction."""

    server: _Server

    def handle(self) -> None:
        client: socket.socket = self.request
        splitter = FrameSplitter(MAX_FRAME)
        with self.server.tap.connect() as broker:
            broker.settimeout(None)
            back = threading.Thread(target=_pass_on, args=(_chunks(broker), client), daemon=True)
            back.start()
            for data in _chunks(client):
                # Noted before it goes on, so that what has been answered has been noted.
                self.server.tap.heard += splitter.feed(data)
                broker.sendall(data)
            _hang_up(broker)
            back.join()


def _chunks(source: socket.socket) -> Iterator[bytes]:
    try:
        while data := source.recv(CHUNK):
            yield data
    except OSError:
        return


def _pass_on(chunks: Iterable[bytes], to: socket.socket) -> None:
    try:
        for data in chunks:
            to.sendall(data)
    except OSError:
        return
    finally:
        _hang_up(to)


def _hang_up(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
