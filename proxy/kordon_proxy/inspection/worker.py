"""The process in which records are unpacked, decoded and filtered: `python -m kordon_proxy.inspection.worker`.

It reads a job from standard input, then chunks, and writes what it finds to standard output. All messages are frames as
Kafka's: a length in four bytes, then JSON; the frame behind a chunk is what the broker sent.

A tenant may write whatever he likes, and who inspects may filter by whatever he likes. So this process has no secret
(its environment is empty: jq reads that), can open neither file nor socket (jq imports files), and has a bound on
memory and processor. How long it may take is for its parent to watch.
"""

import json
import os
import resource
import struct
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any, BinaryIO, Final

from .asked import Format
from .examine import Chunk, Examiner, ShowFramed
from .filters import FilterFault, compile_filter
from .found import Found
from .framing import SchemaRef
from .plain import to_json
from .schemas import Schema, SchemaFault

_LENGTH: Final = struct.Struct(">i")
_STANDARD: Final = 3
"""File descriptors: input, output, errors."""
_MOST_OPEN: Final = 1 << 16
"""Of them, where the system does not say how many there may be."""


class Channel:
    """Messages from and to the parent. Raises EOFError when he is gone."""

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self._source = source
        self._sink = sink

    def receive(self) -> Any:
        """The next message."""
        return json.loads(self.receive_bytes())

    def receive_bytes(self) -> bytes:
        """The next frame as it is."""
        (size,) = _LENGTH.unpack(self._read(_LENGTH.size))
        return self._read(size)

    def send(self, kind: str, content: Any, *more: bytes) -> None:
        """Send a message, and frames that go with it."""
        for data in (to_json({kind: content}).encode("ascii"), *more):
            self._sink.write(_LENGTH.pack(len(data)) + data)
        self._sink.flush()

    def send_found(self, found: Found) -> None:
        """Send a message about a record, and the record's answer in a frame of its own."""
        self.send("record", found[:-1], found.answer)

    def _read(self, size: int) -> bytes:
        data = self._source.read(size)
        if len(data) < size:
            raise EOFError
        return data


def run(channel: Channel) -> None:
    """Do one job."""
    job = channel.receive()
    schemas = _schemas(channel) if job["schemas"] else None  # imports decoders, which cannot be done later
    confine(memory=job["memory"], seconds=job["seconds"])
    try:
        wanted = None if job["filter"] is None else compile_filter(job["filter"])
    except FilterFault as fault:
        channel.send("refused", str(fault))
        return
    examiner = Examiner(
        key=Format(job["key"]),
        value=Format(job["value"]),
        wanted=wanted,
        schemas=schemas,
        at=lambda offset: channel.send("at", offset),
    )
    channel.send("ready", True)
    while True:
        message = channel.receive()
        chunk = Chunk(**message | {"aborted": tuple((one[0], one[1]) for one in message["aborted"])})
        done = examiner.examine(chunk, channel.receive_bytes(), channel.send_found)
        channel.send("done", asdict(done))


def confine(*, memory: int, seconds: int) -> None:
    """Let this process open nothing any more, and have no more than this.

    memory: bytes of address space. seconds: of a processor, for the case that nobody ends it from outside.
    """
    os.environ.clear()
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    os.closerange(_STANDARD, most if most != resource.RLIM_INFINITY else _MOST_OPEN)  # uvloop hands some down
    bounds = (
        (resource.RLIMIT_NOFILE, _STANDARD),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, memory),
    )
    for kind, bound in bounds:
        with suppress(ValueError):  # macOS does not know a bound on address space
            resource.setrlimit(kind, (bound, bound))


def _schemas(channel: Channel) -> ShowFramed:
    from .decoding import Schemas

    def find(ref: SchemaRef) -> Schema:
        channel.send("schema", ref._asdict())
        answer = channel.receive()
        if "problem" in answer:
            raise SchemaFault(answer["problem"])
        return Schema.from_json(answer)

    return Schemas(find).show


def main(work: Callable[[Channel], None] = run) -> None:
    """Work until the parent is gone or the job cannot be done."""
    channel = Channel(sys.stdin.buffer, sys.stdout.buffer)
    try:
        work(channel)
    except (EOFError, BrokenPipeError):
        pass
    except BaseException as error:
        # Neither the text of the error nor the source lines: contents of records must not get into a log.
        places = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)[-3:]]
        channel.send("failed", f"{type(error).__name__} in {' > '.join(places)}")


if __name__ == "__main__":
    main()
