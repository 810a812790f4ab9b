"""Ports of the loopback address, and whether Kafka answers there."""

import random
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from kordon_protocol.codec import decode_response, request_frame, request_type
from kordon_protocol.frames import FrameSplitter
from kordon_protocol.header import peek_response
from kordon_protocol.keys import ApiKey

HOST: Final = "127.0.0.1"

_METADATA: Final = (ApiKey.METADATA, 1)
_LARGEST_ANSWER: Final = 1 << 20


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

    A broker answers only once it has joined its cluster. Raises OSError when nobody answers within `timeout` seconds,
    ProtocolError when somebody answers who is no broker.
    """
    question = request_type(*_METADATA)(topics=())  # an empty list of topics: only the brokers are asked for
    with socket.create_connection((HOST, port), timeout) as connection:
        connection.sendall(request_frame(question, 0, None))
        frame = _frame_from(connection)
    answer = decode_response(*_METADATA, frame, peek_response(frame, *_METADATA).body_offset)
    return {broker.node_id: (broker.host, broker.port) for broker in answer.brokers}


def _frame_from(connection: socket.socket) -> bytes:
    splitter = FrameSplitter(_LARGEST_ANSWER)
    while data := connection.recv(65_536):
        if frames := splitter.feed(data):
            return frames[0]
    raise ConnectionResetError("the broker closed the connection instead of answering")


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
