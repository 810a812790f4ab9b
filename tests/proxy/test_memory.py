"""What connections read into is used again only when nobody looks at what it held."""

import asyncio
import hashlib
import tracemalloc
from collections.abc import Callable
from typing import Final, cast

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from kordon_protocol.frames import RequestCollector, with_prefix
from kordon_protocol.varints import Buffer
from kordon_proxy.memory import SIZE, VIEWED, Memory

LOOPS: Final = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def read(memory: Memory, data: bytes) -> Buffer:
    """As an event loop does it."""
    memory.free()[: len(data)] = data
    return memory.read(len(data))


def test_it_is_the_same_memory_while_nobody_looks_at_it() -> None:
    memory = Memory()
    assert len(memory.free()) == SIZE
    first = memory.free().obj
    assert read(memory, b"a" * VIEWED) == b"a" * VIEWED
    assert memory.free().obj is first


@pytest.mark.parametrize("part", [slice(None), slice(5, 6), slice(VIEWED - 1, None)])
def test_a_part_that_somebody_keeps_is_never_written_over(part: slice) -> None:
    memory = Memory()
    first = memory.free().obj
    kept = read(memory, b"a" * VIEWED)[part]
    assert memory.free().obj is not first
    read(memory, b"b" * SIZE)
    assert set(bytes(kept)) == {ord("a")}


def test_what_is_small_is_a_copy() -> None:
    memory = Memory()
    first = memory.free().obj
    kept = read(memory, b"a" * (VIEWED - 1))
    assert memory.free().obj is first
    read(memory, b"b" * SIZE)
    assert kept == b"a" * (VIEWED - 1)


def test_nobody_can_write_into_what_was_read() -> None:
    kept = read(Memory(), bytes(VIEWED))
    assert isinstance(kept, memoryview)
    assert kept.readonly


@given(st.lists(st.integers(10, 200_000), min_size=1, max_size=5), st.lists(st.integers(1, SIZE), min_size=1))
def test_requests_are_what_was_sent_however_it_is_read(sizes: list[int], reads: list[int]) -> None:
    sent = [bytes([number]) * size for number, size in enumerate(sizes)]
    stream, memory, collector = b"".join(map(with_prefix, sent)), Memory(), RequestCollector(SIZE)
    collected, position, turn = [], 0, 0
    while position < len(stream):
        size = reads[turn % len(reads)] + 1_000  # few of them
        collected += collector.feed(read(memory, stream[position : position + min(size, SIZE)]))
        position, turn = position + min(size, SIZE), turn + 1
    assert [request.frame() for request in collected] == sent


def test_a_request_that_is_half_there_takes_no_more_than_its_bytes() -> None:
    memory, collector = Memory(), RequestCollector(1 << 30)
    beginning = (1 << 29).to_bytes(4, "big") + bytes(VIEWED - 4)  # of a Produce
    tracemalloc.start()
    try:
        for _ in range(64):
            assert collector.feed(read(memory, beginning)) == []
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert collector.have == 64 * VIEWED
    assert taken < collector.have + 2 * SIZE


class Echo(asyncio.BufferedProtocol):
    """Sends back what it reads, and never waits for who takes it."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def get_buffer(self, _: int) -> memoryview:
        return self.memory.free()

    def buffer_updated(self, nbytes: int) -> None:
        self.transport.write(self.memory.read(nbytes))


@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS)
def test_what_a_slow_reader_has_not_taken_yet_stays_as_it_was(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    pieces = [bytes([number]) * 100_000 for number in range(200)]

    async def talk() -> str:
        memory = Memory()  # shared by both, as those of a listener share one
        server = await asyncio.get_running_loop().create_server(lambda: Echo(memory), "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            slow, sink = await asyncio.open_connection("127.0.0.1", port)
            other, noise = await asyncio.open_connection("127.0.0.1", port)
            for piece in pieces:
                sink.write(piece)
                noise.write(b"\xff" * len(piece))
                await sink.drain()
                await other.readexactly(len(piece))
            read = hashlib.sha256()
            for piece in pieces:
                read.update(await slow.readexactly(len(piece)))
            for writer in (sink, noise):
                writer.close()
                await writer.wait_closed()
        return read.hexdigest()

    with asyncio.Runner(loop_factory=loop) as runner:
        found = runner.run(asyncio.wait_for(talk(), 60))
    assert found == hashlib.sha256(b"".join(pieces)).hexdigest()
