"""Ports that are this Kordon's, whichever of its workers listens there.

Workers share a port by SO_REUSEPORT, and so could a second Kordon of the same user: half of the clients would come to
each. So the parent has each port first, alone, as a single process has it; whoever comes later is refused.
"""

import socket
from typing import Any, Final

from kordon_proxy.config.addresses import Address

_ALONE: Final = 1
"""The shortest queue: nobody is to come in."""


class Reservations:
    """All that are held."""

    def __init__(self) -> None:
        self._held: dict[Address, list[socket.socket]] = {}

    def hold(self, address: Address) -> None:
        """Have a port, for the workers alone. What is held is held once. Raises OSError."""
        if address in self._held:
            return
        held: list[socket.socket] = []
        try:
            for family, place in _places(address):
                held.append(_hold(family, place))
        except OSError:
            for one in held:
                one.close()
            raise
        self._held[address] = held

    def close(self) -> None:
        """Give all of them back."""
        for held in self._held.values():
            for one in held:
                one.close()
        self._held.clear()


def _places(address: Address) -> set[tuple[int, Any]]:
    """What a host's name stands for. Raises OSError."""
    found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return {(family, place) for family, _, _, _, place in found}


def _hold(family: int, place: Any) -> socket.socket:
    """A socket that has the port and takes no connection. Raises OSError.

    It listens for a moment, as that is what only one can do. Until then others could have the port too: with
    SO_REUSEADDR, without which the connections of an earlier Kordon would keep it taken for a minute, Linux lets
    several have it as long as none of them listens. From then on this one has no such leniency, and another Kordon
    meets a port in use.
    """
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(place)
        one.listen(_ALONE)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        one.shutdown(socket.SHUT_RD)  # it listens no more, and keeps the port
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except BaseException:
        one.close()
        raise
    return one
