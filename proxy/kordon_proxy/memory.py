"""The memory that connections read into.

Event loops give a protocol what they have read in a copy of its own, unless it has them read into its own memory
(`asyncio.BufferedProtocol`). Records go on from there to the other side at once, so that nearly always the next read
finds the memory free again: it stays in the processor's caches, and nothing is allocated for what only passes through.
"""

import asyncio
from typing import Final

from kordon_protocol.varints import Buffer

SIZE: Final = 256 << 10
"""Bytes that are read at a time, at most."""
VIEWED: Final = 32 << 10
"""Bytes from which what was read is passed on as a view. Of less, a copy is cheaper than what views need."""


class Memory:
    """One for all connections of an event loop, since they read one after the other."""

    __slots__ = ("_bytes",)

    def __init__(self) -> None:
        self._bytes = bytearray()

    def free(self) -> memoryview:
        """Memory that nobody looks at. Whoever still has a view of what was read last keeps that.

        As a view: asyncio reads each record of TLS but the first into a slice of it, which of a bytearray is a copy.
        The reader would be given what others have read before.
        """
        memory = self._bytes
        try:
            memory.pop()  # which a bytearray refuses while there is a view of it
        except (BufferError, IndexError):
            memory = self._bytes = bytearray(SIZE)
        else:
            memory.append(0)
        return memoryview(memory)

    def read(self, size: int) -> Buffer:
        """What has been read into what was free: so many bytes."""
        view = memoryview(self._bytes)[:size]
        return bytes(view) if size < VIEWED else view.toreadonly()


def passed_on(data: Buffer, to: asyncio.Transport | None) -> Buffer:
    """What was read, as it goes to the other side.

    What waits there to leave is a copy, but for the first: a few bytes of a view keep all of the memory.
    """
    if isinstance(data, bytes) or to is None or not to.get_write_buffer_size():
        return data
    return bytes(data)
