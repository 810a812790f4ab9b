"""Keeps every byte that clients get, before TLS hides it: a tap at the last line of code that Kordon has.

One file for each process, named after the folder of its configuration and made of records: number of the connection and
length (two unsigned 32-bit integers), bytes. `tests.overheard` reads it.
"""

import asyncio
import itertools
import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kordon_proxy.session import Session

RECORD = struct.Struct(">II")


class Overheard:
    """A transport to a client, with somebody listening."""

    __slots__ = ("_keep", "_transport")

    def __init__(self, transport: asyncio.Transport, keep: Callable[[list[bytes]], None]) -> None:
        self._transport = transport
        self._keep = keep

    def write(self, data: bytes) -> None:
        self._keep([data])
        self._transport.write(data)

    def writelines(self, pieces: list[bytes]) -> None:
        self._keep(pieces)
        self._transport.writelines(pieces)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def keep_what_clients_get(folder: str) -> None:
    given = sys.orig_argv
    config = Path(given[given.index("--config") + 1] if "--config" in given else "kordon.yaml")
    home = config.absolute().parent.name
    file = os.open(Path(folder) / f"{home}.{os.getpid()}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    numbers = itertools.count()
    made = Session.connection_made

    def connection_made(self: Session, transport: asyncio.BaseTransport) -> None:
        number = next(numbers)

        def keep(pieces: list[bytes]) -> None:
            # At once and by one call, so that nothing is missing when the process is killed.
            os.write(file, b"".join([RECORD.pack(number, sum(map(len, pieces))), *pieces]))

        made(self, Overheard(transport, keep))  # type: ignore[arg-type]

    Session.connection_made = connection_made  # type: ignore[method-assign]
