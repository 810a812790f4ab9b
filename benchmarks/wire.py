"""A connection that costs its client nearly nothing: ready-made bytes go out, answers go into one buffer.

What a client library costs would hide what a proxy does.
"""

import socket
import struct
import time
from types import TracebackType
from typing import Any, Final, Self

from benchmarks.messages import a_request
from benchmarks.targets import PASSWORD, USER, Target
from kordon_protocol.codec import decode_response, request_frame
from kordon_protocol.header import peek_response
from kordon_protocol.keys import ApiKey

CLIENT_ID: Final = "bench"
TIMEOUT: Final = 60.0
_SIZE: Final = struct.Struct(">i")


def framed(message: Any) -> bytes:
    """A request as it goes over the wire."""
    return request_frame(message, 1, CLIENT_ID)


class Refused(Exception):
    """The other side has answered with an error, or with less than was asked for."""


class Connection:
    """A connection that is ready for use: ApiVersions was asked, and the login is over where there is one."""

    def __init__(self, target: Target) -> None:
        self._buffer = bytearray(1 << 16)
        self._head = bytearray(4)
        self._size = 0
        self.socket = socket.create_connection((target.host, target.port), TIMEOUT)
        try:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.ask_message(
                a_request(ApiKey.API_VERSIONS, 3, client_software_name="bench", client_software_version="1")
            )
            if target.sasl:
                self._log_in()
        except BaseException:
            self.socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def close(self) -> None:
        self.socket.close()

    def fileno(self) -> int:
        """For selectors."""
        return self.socket.fileno()

    def send(self, frame: bytes) -> None:
        self.socket.sendall(frame)

    def receive(self) -> int:
        """Take one answer, of which `answer` is a view until the next. Returns its size. Raises Refused at the end."""
        self._receive_into(memoryview(self._head))
        (size,) = _SIZE.unpack(self._head)
        if size > len(self._buffer):
            self._buffer = bytearray(size)
        self._receive_into(memoryview(self._buffer)[:size])
        self._size = int(size)
        return self._size

    @property
    def answer(self) -> memoryview:
        """The last answer, without its length."""
        return memoryview(self._buffer)[: self._size]

    def ask(self, frame: bytes) -> int:
        """One round trip. Returns the size of the answer."""
        self.socket.sendall(frame)
        return self.receive()

    def timed(self, frame: bytes) -> float:
        """One round trip. Returns its milliseconds."""
        begin = time.perf_counter()
        self.ask(frame)
        return 1_000 * (time.perf_counter() - begin)

    def ask_message(self, message: Any) -> Any:
        """One round trip, with the answer decoded. Raises Refused for one with an error on top."""
        answer = self.ask_anything(message)
        if getattr(answer, "error_code", 0):
            raise Refused(f"{type(message).__name__}: {answer.error_code!r}")
        return answer

    def ask_anything(self, message: Any) -> Any:
        """One round trip, with the answer decoded, whatever it says."""
        self.ask(framed(message))
        return self.decoded(message.__api_key__, message.__version__)

    def decoded(self, key: int, version: int) -> Any:
        """The last answer as a message."""
        frame = bytes(self.answer)
        return decode_response(key, version, frame, peek_response(frame, key, version).body_offset)

    def _log_in(self) -> None:
        self.ask_message(a_request(ApiKey.SASL_HANDSHAKE, 1, mechanism="PLAIN"))
        token = f"\0{USER}\0{PASSWORD}".encode()
        self.ask_message(a_request(ApiKey.SASL_AUTHENTICATE, 1, auth_bytes=token))

    def _receive_into(self, view: memoryview) -> None:
        while view:
            count = self.socket.recv_into(view)
            if not count:
                raise Refused("the connection was closed")
            view = view[count:]
