"""Cut a byte stream into Kafka frames: a signed 32-bit length, then that many bytes. No sockets here.

`RequestCollector` is for the data path: it keeps the chunks as they came, so that a Produce request can leave the way
it arrived. A growing `bytearray` in its place cost four times as much CPU. `FrameSplitter` is the simple one.
"""

import struct
from typing import NamedTuple

from kordon_protocol.errors import FrameTooLarge, FrameTooSmall, MalformedHeader
from kordon_protocol.header import LEAST_REQUEST, RequestHead, peek_request
from kordon_protocol.keys import ApiKey
from kordon_protocol.varints import Buffer

_LENGTH = struct.Struct(">i")
_KEY = struct.Struct(">h")
PREFIX_SIZE = _LENGTH.size
_KEY_END = PREFIX_SIZE + _KEY.size
_TINY = 512
_LARGE = 4_096


def with_prefix(*parts: Buffer) -> bytes:
    """Join the parts of a frame and put their length before them."""
    return b"".join((_LENGTH.pack(sum(map(len, parts))), *parts))


def with_correlation_id(frame: Buffer, correlation_id: int) -> bytes:
    """Give an answer, which has its length before it, to another request."""
    return b"".join((frame[:PREFIX_SIZE], _LENGTH.pack(correlation_id), frame[PREFIX_SIZE + 4 :]))


class FrameSplitter:
    """Collect whole frames, for own connections and tests."""

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Return the frames that data completes, without their length prefix.

        Raises `FrameTooLarge`, `FrameTooSmall`; what came before the wrong length in the same data is lost with it.
        """
        self._buffer += data
        frames = []
        start = 0
        while len(self._buffer) - start >= PREFIX_SIZE:
            (size,) = _LENGTH.unpack_from(self._buffer, start)
            _check_size(size, 0, self._max_size)
            end = start + PREFIX_SIZE + size
            if len(self._buffer) < end:
                break
            frames.append(bytes(self._buffer[start + PREFIX_SIZE : end]))
            start = end
        del self._buffer[:start]
        return frames

    @property
    def buffered(self) -> int:
        """Bytes that wait for the rest of their frame."""
        return len(self._buffer)


class Collected(NamedTuple):
    """One request as it came: `chunks` joined are its length prefix and its frame, `size` is that of the frame."""

    chunks: list[Buffer]
    size: int

    def head(self) -> RequestHead:
        """Return its header, without joining chunks if that can be. Raises what `peek_request` does."""
        try:
            return peek_request(self.chunks[0], PREFIX_SIZE)
        except MalformedHeader:
            if len(self.chunks) == 1:
                raise
        return peek_request(self.frame())  # the header goes on in the next chunk

    def frame(self) -> bytes:
        """Return the frame without its prefix, in one piece: no more than one copy."""
        first = memoryview(self.chunks[0])
        if len(first) >= PREFIX_SIZE:
            return b"".join((first[PREFIX_SIZE:], *self.chunks[1:]))
        return b"".join(self.chunks)[PREFIX_SIZE:]


class RequestCollector:
    """Collect whole requests without copying chunks together.

    Only Produce requests are large for a reason, and of these only the structure is read. The others are decoded whole,
    so they may have a lower limit: a hundred megabytes of empty names would keep a processor busy for minutes.
    """

    # There is one in every connection, idle ones too.
    __slots__ = ("_chunks", "_least", "_max_size", "_max_size_of_others", "_want", "have")

    def __init__(self, max_size: int, max_size_of_others: int | None = None, least: int = LEAST_REQUEST) -> None:
        self._max_size = max_size
        self._max_size_of_others = max_size if max_size_of_others is None else max_size_of_others
        self._least = least
        self._chunks: list[Buffer] = []
        self.have = 0
        """Bytes that wait for the rest of their request."""
        self._want = 0  # bytes of the request in progress with its prefix; 0 while its beginning is incomplete

    def feed(self, chunk: Buffer) -> list[Collected]:
        """Return the requests that chunk completes.

        Raises `FrameTooLarge` and `FrameTooSmall` as soon as a length is known, before its body arrives. What came
        before the wrong length in the same chunk is lost with it: the connection ends here anyway.
        """
        done: list[Collected] = []
        start, size = 0, len(chunk)
        while not self.have and size - start >= _KEY_END:  # whole requests, of which a chunk nearly always consists
            (length,) = _LENGTH.unpack_from(chunk, start)
            end = start + PREFIX_SIZE + length
            if end > size or not self._least <= length <= self._max_size_of_others:
                break
            done.append(Collected([_part(chunk, start, end)], length))
            start = end
        while start < size:
            if not self._want and not self._learn_size(chunk, start):
                self._keep(bytes(chunk[start:]))
                break
            end = start + self._want - self.have
            if end > size:
                # A copy, as it may wait for long: a view would keep all that was read into, which is often larger.
                self._keep(bytes(chunk[start:]))
                break
            self._chunks.append(_part(chunk, start, end))
            done.append(Collected(self._chunks, self._want - PREFIX_SIZE))
            self._chunks = []
            self.have = self._want = 0
            start = end
        return done

    def _learn_size(self, chunk: Buffer, start: int) -> bool:
        """Learn the size of the request that begins in chunks and goes on at start, if enough of it is there."""
        if self.have or len(chunk) - start < _KEY_END:  # the beginning is spread over several chunks
            chunk = b"".join((*self._chunks, chunk[start : start + _KEY_END]))
            start = 0
        if len(chunk) - start < PREFIX_SIZE:
            return False
        (size,) = _LENGTH.unpack_from(chunk, start)
        _check_size(size, self._least, self._max_size)
        if size > self._max_size_of_others:
            if len(chunk) - start < _KEY_END:
                return False
            (api_key,) = _KEY.unpack_from(chunk, start + PREFIX_SIZE)
            if api_key != ApiKey.PRODUCE:
                raise FrameTooLarge(size, self._max_size_of_others)
        self._want = size + PREFIX_SIZE
        return True

    def _keep(self, piece: Buffer) -> None:
        self.have += len(piece)
        # A peer that sends byte by byte must not cost forty times its bytes in small objects.
        if self._chunks and len(self._chunks[-1]) + len(piece) <= _TINY:
            self._chunks[-1] = bytes(self._chunks[-1]) + piece
        else:
            self._chunks.append(piece)


def _part(chunk: Buffer, start: int, end: int) -> Buffer:
    """The chunk itself where that is all of it; of a large one a view, of a small one a copy.

    Views cost no copy. A small one would keep a large chunk from being freed.
    """
    if end - start < _LARGE:
        return bytes(chunk[start:end])
    return memoryview(chunk)[start:end] if end - start < len(chunk) else chunk


def _check_size(size: int, least: int, limit: int) -> None:
    if size > limit:
        raise FrameTooLarge(size, limit)
    if size < least:
        raise FrameTooSmall(size, least)
