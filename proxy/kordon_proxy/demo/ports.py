"""Ports of the loopback address, and whether Kafka answers there."""

import random
import socket
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Final

HOST: Final = "127.0.0.1"

# Metadata v1 with an empty list of topics, which asks for the brokers only. No client id.
_METADATA: Final = struct.pack(">hhihi", 3, 1, 0, -1, 0)


def free_port(wanted: int | None = None, *, besides: Iterable[int] = ()) -> int:
    """Return a port that can be listened on: the wanted one if possible, and never one of `besides`.

    Raises OSError when there is none.
    """
    taken = frozenset(besides)
    if wanted is not None and wanted not in taken and _can_listen(wanted):
        return wanted
    # Below the ports that outgoing connections get: there, somebody who keeps trying to reach a stopped node could be
    # given the node's port, connect to himself, and keep it from coming back.
    candidates = range(20_000, _first_ephemeral_port())
    # Not by the seed that tests may share: two of them would want the same ports at the same time.
    for port in random.SystemRandom().sample(candidates, k=min(1_000, len(candidates))):
        if port not in taken and _can_listen(port):
            return port
    raise OSError("no free port on the loopback address")


def brokers(port: int, *, timeout: float = 2.0) -> dict[int, tuple[str, int]]:
    """Ask a PLAINTEXT listener for the cluster's brokers: node id to advertised host and port.

    A broker answers only once it has joined its cluster. Raises OSError when nobody answers within `timeout` seconds.
    """
    with socket.create_connection((HOST, port), timeout) as connection:
        connection.sendall(struct.pack(">i", len(_METADATA)) + _METADATA)
        with connection.makefile("rb") as answer:
            (size,) = struct.unpack(">i", _exactly(answer.read(4), 4))
            return _brokers_of(_exactly(answer.read(size), size))


def _brokers_of(answer: bytes) -> dict[int, tuple[str, int]]:
    found = {}
    (count,) = struct.unpack_from(">i", answer, 4)
    at = 8
    for _ in range(count):
        node, length = struct.unpack_from(">ih", answer, at)
        at += 6
        host = answer[at : at + length].decode()
        port, rack_length = struct.unpack_from(">ih", answer, at + length)
        at += length + 6 + max(rack_length, 0)
        found[node] = (host, port)
    return found


def _exactly(data: bytes, size: int) -> bytes:
    if len(data) < size:
        raise ConnectionResetError("the broker closed the connection instead of answering")
    return data


def _can_listen(port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Kafka does
        try:
            listener.bind((HOST, port))
            listener.listen()
        except OSError:
            return False
    return True


def _first_ephemeral_port() -> int:
    try:
        return max(int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0]), 21_000)
    except OSError:
        return 49_152  # RFC 6335, 6
