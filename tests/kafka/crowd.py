"""Many bare connections at the same time, each with what it sends and when it has had enough."""

import selectors
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from kordon_protocol.frames import FrameSplitter
from tests.kafka.wire import CHUNK, MAX_FRAME, TIMEOUT

RESET: Final = struct.pack("ii", 1, 0)
"""To close with a reset, and without what is still to be sent."""


@dataclass(frozen=True, slots=True)
class Script:
    """What one connection does."""

    address: str
    sends: bytes
    reads: int | None = None
    """After how many bytes it is reset; with 0 as soon as all is sent. None: it stays until the other side hangs up."""
    answers: int | None = None
    """After how many whole answers it is reset."""


@dataclass(slots=True)
class Course:
    """What one connection has got."""

    script: Script
    received: bytearray = field(default_factory=bytearray)
    ended: bool = False
    """Whether the other side has hung up, or it has had enough."""

    def frames(self) -> list[bytes]:
        """Whole ones, without their length prefixes."""
        return FrameSplitter(MAX_FRAME).feed(bytes(self.received))


def at_once(scripts: Iterable[Script], *, patience: float) -> list[Course]:
    """All of them, until each has ended or nothing has come for so many seconds."""
    courses = [Course(script) for script in scripts]
    with selectors.DefaultSelector() as selector:
        for course in courses:
            host, _, port = course.script.address.rpartition(":")
            connection = socket.create_connection((host, int(port)), TIMEOUT)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setblocking(False)
            both = selectors.EVENT_READ | selectors.EVENT_WRITE
            selector.register(connection, both, (course, bytearray(course.script.sends)))
        while selector.get_map() and (events := selector.select(patience)):
            for key, mask in events:
                _go_on(selector, key, mask)
        for key in list(selector.get_map().values()):
            _connection(key).close()
    return courses


def _connection(key: selectors.SelectorKey) -> socket.socket:
    assert isinstance(key.fileobj, socket.socket)
    return key.fileobj


def _go_on(selector: selectors.BaseSelector, key: selectors.SelectorKey, mask: int) -> None:
    connection = _connection(key)
    course, rest = key.data
    try:
        if mask & selectors.EVENT_READ:
            _read(course, connection)
        if mask & selectors.EVENT_WRITE and not course.ended:
            if rest:
                del rest[: connection.send(rest[:CHUNK])]
            if not rest:
                selector.modify(connection, selectors.EVENT_READ, key.data)
                course.ended = course.script.reads == 0
    except OSError:
        course.ended = True
    if course.ended:
        selector.unregister(connection)
        if course.script.reads is not None or course.script.answers is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        connection.close()


def _read(course: Course, connection: socket.socket) -> None:
    most, answers = course.script.reads, course.script.answers
    data = connection.recv(CHUNK if most is None else max(1, most - len(course.received)))
    course.received += data
    course.ended = not data or (most is not None and len(course.received) >= most)
    if answers is not None:
        course.ended |= len(course.frames()) >= answers
