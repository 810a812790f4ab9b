"""A tap in front of Kordon, which keeps every byte that clients receive; and looks at Kordon's log and metrics."""

import asyncio
import json
import re
import select
import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from kordon_protocol.frames import FrameSplitter
from kordon_proxy.demo.kordon import BROKERS, Kordon
from tests.kafka.looping import Looping
from tests.kafka.tenants import eventually
from tests.kafka.wire import Gone, Wire

TAP_HOST: Final = "127.0.0.2"
"""Where clients connect to; Kordon itself is at 127.0.0.1, on the same ports. (macOS needs an alias for it.)"""
CHUNK: Final = 1 << 18


class FrontTap(Looping):
    """Listens at TAP_HOST on all ports of one listener of Kordon, and passes everything on.

    The listener has to advertise TAP_HOST, so that clients stay in front of the tap.
    """

    def __init__(self, kordon: Kordon, listener: str) -> None:
        super().__init__()
        host, _, port = kordon.listener(listener).rpartition(":")
        self._target = host
        self._ports = range(int(port), int(port) + 1 + BROKERS)
        self.asked: set[tuple[int, int]] = set()
        """API key and version of all requests."""
        self._received: list[bytearray] = []

    @property
    def bootstrap(self) -> str:
        return f"{TAP_HOST}:{self._ports[0]}"

    def received(self) -> list[bytes]:
        """What clients have received so far, by connection."""
        return [bytes(data) for data in self._received]

    async def _open(self) -> None:
        for port in self._ports:
            self._servers.append(await asyncio.start_server(self._accept(port), TAP_HOST, port))

    def _accept(self, port: int) -> Any:
        async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                there, back = await asyncio.open_connection(self._target, port)
            except OSError:  # as if nobody listened here
                writer.transport.abort()
                return
            kept = bytearray()
            self._received.append(kept)
            splitter = FrameSplitter(1 << 30)
            pumps = [
                asyncio.create_task(_pump(reader, back, lambda data: self._note(splitter.feed(data)))),
                asyncio.create_task(_pump(there, writer, kept.extend)),
            ]
            self._tasks.update(pumps)
            await asyncio.wait(pumps)
            self._tasks.difference_update(pumps)

        return accepted

    def _note(self, frames: Iterable[bytes]) -> None:
        self.asked.update(struct.unpack_from(">hh", frame) for frame in frames)


async def _pump(source: asyncio.StreamReader, to: asyncio.StreamWriter, seen: Callable[[bytes], object]) -> None:
    try:
        while data := await source.read(CHUNK):
            seen(data)
            to.write(data)
            await to.drain()
    except OSError:
        pass
    finally:
        to.close()


def ended(wire: Wire) -> bool:
    """Wait for the end of a connection, after which nothing more has come. Raises TimeoutError when it stays."""
    try:
        frame = wire.receive_frame()
    except (Gone, ConnectionError):
        return True
    raise AssertionError(f"an answer where the connection should end: {frame!r}")


def silent(*wires: Wire) -> bool:
    """Whether nothing has come on these connections that was not read."""
    return not select.select([wire._socket for wire in wires], [], [], 0)[0]


def log_lines(kordon: Kordon, event: str | None = None) -> list[dict[str, Any]]:
    """What Kordon has logged so far, if wanted only of one kind."""
    lines = [json.loads(line) for line in kordon.log.splitlines() if line.startswith("{")]
    return [line for line in lines if event in (None, line["event"])]


def closings(kordon: Kordon, since: int = 0) -> list[tuple[str, str | None]]:
    """Reason and detail of the connections that Kordon has ended, but those before the first `since`."""
    lines = log_lines(kordon, "connection_closed")[since:]
    return [(line["reason"], line.get("detail")) for line in lines]


def readiness(kordon: Kordon) -> dict[str, tuple[bool, str]]:
    """Name of each check to whether it holds, and its detail."""
    _, page = kordon.get("/readyz")
    return {check["name"]: (check["ok"], check["detail"]) for check in json.loads(page)["checks"]}


def metric(kordon: Kordon, name: str, /, **labels: str) -> float:
    """The sum of a metric over all children that have these labels."""
    _, page = kordon.get("/metrics")
    return sum(value for found, value in _samples(page, name) if labels.items() <= found.items())


def resident(kordon: Kordon) -> int:
    """Bytes of memory that Kordon has now."""
    return int(metric(kordon, "process_resident_memory_bytes"))


def unforeseen(kordon: Kordon) -> list[Any]:
    """What Kordon has said of its own mistakes, and what it did not understand of the broker's answers."""
    lines = [line for line in log_lines(kordon) if "exception" in line or line["level"] in {"error", "critical"}]
    traces = [line for line in kordon.log.splitlines() if "Traceback" in line or "Task exception" in line]
    return [*lines, *traces]


def resting(kordon: Kordon) -> int:
    """Its memory when it has nothing to do."""
    eventually(lambda: metric(kordon, "kordon_connections") == 0)
    return resident(kordon)


def _samples(page: str, name: str) -> Iterable[tuple[Mapping[str, str], float]]:
    for line in page.splitlines():
        found = re.fullmatch(rf"{name}(?:\{{(.*)\}})? (\S+)", line)
        if found:
            yield dict(re.findall(r'(\w+)="([^"]*)"', found[1] or "")), float(found[2])
