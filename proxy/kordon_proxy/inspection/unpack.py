"""Decompress a record batch, up to a bound: a few bytes can say that they are many gigabytes."""

import mmap
import struct
from collections.abc import Callable
from typing import Final

import cramjam

from .bounds import MiB

MOST: Final = 64 * MiB
"""Bytes of one batch, unpacked."""

_XERIAL: Final = b"\x82SNAPPY\x00"
_XERIAL_HEADER: Final = len(_XERIAL) + 8
_LENGTH: Final = struct.Struct(">i")


class Unpackable(ValueError):
    """What cannot be decompressed, and why."""


class Unpacker:
    """Decompresses into one piece of memory, used again and again: what a call returned holds until the next."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._room: memoryview | None = None

    def __call__(self, codec: int, data: memoryview) -> memoryview:
        """Return the bytes. codec: as in the attributes of a batch. Raises Unpackable."""
        if codec == 0:
            return data
        if codec not in _CODECS:
            raise Unpackable(f"it is compressed by a method that Kordon does not know ({codec})")
        name, decompress = _CODECS[codec]
        if self._room is None:
            self._room = memoryview(mmap.mmap(-1, self._most))  # of which only what is written to costs memory
        try:
            return self._room[: decompress(data, self._room)]
        except _TooLarge:
            reason = f"it would be more than {self._most // MiB} MiB"
        except cramjam.DecompressionError as error:
            # The library does not tell these two apart but by its words.
            too_large = "whole buffer" in str(error)
            reason = f"it would be more than {self._most // MiB} MiB" if too_large else str(error)
        raise Unpackable(f"it cannot be unpacked by {name}: {reason}")


class _TooLarge(Exception):
    pass


def _snappy(data: memoryview, room: memoryview) -> int:
    """Snappy is one block, or blocks in the framing of the xerial library, which Java's clients use."""
    if bytes(data[: len(_XERIAL)]) != _XERIAL:
        return _snappy_block(data, room)
    position, size = _XERIAL_HEADER, 0
    while position + _LENGTH.size <= len(data):
        (length,) = _LENGTH.unpack_from(data, position)
        position += _LENGTH.size
        if not 0 < length <= len(data) - position:
            raise cramjam.DecompressionError(f"a block of {length} bytes where {len(data) - position} are left")
        size += _snappy_block(data[position : position + length], room[size:])
        position += length
    return size


def _snappy_block(data: memoryview, room: memoryview) -> int:
    if cramjam.snappy.decompress_raw_len(data) > len(room):
        raise _TooLarge
    return cramjam.snappy.decompress_raw_into(data, room)


_CODECS: Final[dict[int, tuple[str, Callable[[memoryview, memoryview], int]]]] = {
    1: ("gzip", cramjam.gzip.decompress_into),
    2: ("snappy", _snappy),
    3: ("lz4", cramjam.lz4.decompress_into),
    4: ("zstd", cramjam.zstd.decompress_into),
}
