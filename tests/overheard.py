"""All tests with a real Kordon run through a tap: nothing that clients get tells where a real broker is.

Each Kordon that tests start keeps what it gives to clients (`tests/inside/overhearing.py`), and when it stops, all of
that is searched for the addresses of every real broker that there has been.
"""

import os
import re
import struct
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from kordon_proxy.demo import ports
from kordon_proxy.demo.kordon import BROKERS, Kordon
from kordon_proxy.demo.node import Node

ROOT: Final = Path(__file__).parents[1]
RECORD: Final = struct.Struct(">II")
SHOWN: Final = 60
"""How many bytes before and after an address are shown."""


def marks(host: str, port: int) -> tuple[bytes, ...]:
    """What an address looks like: in a message (as int32 and, in DescribeQuorum, uint16) and in a text."""
    there = host.encode()
    alone = () if host == ports.HOST else (there,)  # which is Kordon's own host too
    return (there + struct.pack(">i", port), there + struct.pack(">H", port), f":{port}".encode(), *alone)


def streams(kept: bytes) -> Mapping[int, bytes]:
    """Number of each connection to all that it got. A process whose disk is full may leave half a record at the end."""
    found: dict[int, list[bytes]] = defaultdict(list)
    at = 0
    while at + RECORD.size <= len(kept):
        number, length = RECORD.unpack_from(kept, at)
        at += RECORD.size
        found[number].append(kept[at : at + length])
        at += length
    return {number: b"".join(pieces) for number, pieces in found.items()}


def addresses_in(stream: bytes, addresses: Iterable[tuple[str, int]]) -> list[tuple[str, int, bytes]]:
    """The addresses that are told in what a connection got, each with what stands around it."""
    marked = {mark: address for address in addresses for mark in marks(*address)}
    found: dict[bytes, bytes] = {}
    for beginning in {b":", *(host.encode() for host, _ in marked.values())}:
        alike = tuple(mark for mark in marked if mark.startswith(beginning))
        for at in _places(stream, beginning):
            for mark in alike if stream.startswith(alike, at) else ():
                if stream.startswith(mark, at):
                    found.setdefault(mark, stream[max(0, at - SHOWN) : at + SHOWN])
    return [(*marked[mark], shown) for mark, shown in found.items()]


def _places(stream: bytes, beginning: bytes) -> Iterator[int]:
    """Where something begins so. Looked for once for all that does: streams are long, and brokers many."""
    at = stream.find(beginning)
    while at >= 0:
        yield at
        at = stream.find(beginning, at + 1)


class Overheard:
    """What Kordons have told their clients, in a folder, and the addresses that they must not tell."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._addresses: set[tuple[str, int]] = set()

    def note(self, properties: str) -> None:
        """A node starts with this configuration; `listeners` are where it is, `advertised.listeners` where it says."""
        lines = re.findall(r"^(?:advertised\.)?listeners=(.*)$", properties, re.MULTILINE)
        self._addresses |= {(host, int(port)) for host, port in re.findall(r"//([^:,]+):(\d+)", ",".join(lines))}

    def got(self, home: str) -> Iterator[bytes]:
        """What each connection to a Kordon has got; `home` is the name of its folder."""
        for file in self._folder.glob(f"{home}.*"):  # one for each process that it has had
            yield from streams(file.read_bytes()).values()

    def told(self, home: str, own: Container[int]) -> list[tuple[str, int, bytes]]:
        """The real addresses that clients of a Kordon got. A port that became its own later is not one."""
        real = [(host, port) for host, port in self._addresses if port not in own]
        return [found for stream in self.got(home) for found in addresses_in(stream, real)]

    def forget(self, home: str) -> None:
        for file in self._folder.glob(f"{home}.*"):
            file.unlink()

    def after(self, stop: Callable[[Kordon], None], kordon: Kordon) -> None:
        """Stop a Kordon, and look at all that it has told."""
        if kordon._folder is None:  # it has not been started
            return stop(kordon)
        home, own = kordon.folder.name, _ports_of(kordon)
        try:
            stop(kordon)
            assert not (told := self.told(home, own)), f"real addresses of brokers were told to clients: {told}"
        finally:
            self.forget(home)


def _ports_of(kordon: Kordon) -> frozenset[int]:
    firsts = [int(kordon.listener(name).rpartition(":")[2]) for name in kordon._listeners]
    return frozenset(port for first in firsts for port in range(first, first + 1 + BROKERS))


@pytest.fixture(scope="session", autouse=True)
def overheard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Overheard]:
    """Every Kordon of every test is overheard, and whichever tells a real address fails when it stops."""
    folder = tmp_path_factory.mktemp("overheard")
    overheard = Overheard(folder)
    launch, stop = Node.launch, Kordon.stop

    def noted_launch(node: Node) -> None:
        overheard.note(node.properties.read_text())
        launch(node)

    path = os.pathsep.join(filter(None, [str(ROOT / "tests" / "inside"), str(ROOT), os.environ.get("PYTHONPATH")]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KORDON_OVERHEARD", str(folder))
        patch.setenv("PYTHONPATH", path)
        patch.setattr(Node, "launch", noted_launch)
        patch.setattr(Kordon, "stop", lambda kordon: overheard.after(stop, kordon))
        yield overheard
