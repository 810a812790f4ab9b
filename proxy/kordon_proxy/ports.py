"""The ports that clients come in by: one for each listener, and behind it one for each broker of its cluster.

They follow the cluster. Those of brokers that went stay open: they may come back.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import structlog

from .binding import CannotServe
from .cluster.picture import Picture
from .config.addresses import Address
from .health import Check
from .listener import Listener
from .session import Session

log = structlog.get_logger()

BACKLOG: Final = 1024


class Ports:
    """All that are open, and those that somebody else has."""

    def __init__(self, hold: Callable[[Address], Awaitable[None]] | None = None) -> None:
        """hold: has a port for several workers, which share it then; it raises OSError. None: there is one process.

        A worker opens no port before it knows the cluster: clients come to those that do.
        """
        self._hold = hold
        self._open: dict[tuple[str, int], asyncio.Server] = {}
        self._errors: dict[tuple[str, int], str] = {}
        self._following = asyncio.Lock()

    @property
    def some_are_taken(self) -> bool:
        """Whether there are brokers whose ports could not be opened."""
        return bool(self._errors)

    def checks(self) -> list[Check]:
        """What is not well. It is asked from another thread."""
        return [Check(name=f"port {port}", ok=False, detail=why) for (_, port), why in tuple(self._errors.items())]

    async def open(self, listener: Listener) -> None:
        """Open the port by which clients find all brokers. Raises CannotServe."""
        await self._bind(listener, listener.settings.bind.port, None)

    async def follow(self, listeners: Iterable[Listener], picture: Picture) -> None:
        """Open the ports of brokers that are new, or that could not be opened so far."""
        async with self._following:  # two pictures in a row must not both open the same port
            for listener in listeners:
                await self._open_brokers(listener, picture)

    def close(self) -> None:
        """Let nobody in any more."""
        for port in self._open.values():
            port.close()

    async def _bind(self, listener: Listener, port: int, broker_id: int | None) -> None:
        host = listener.settings.bind.host
        loop = asyncio.get_running_loop()
        try:
            if self._hold is not None:
                await self._hold(Address(host, port))
            self._open[host, port] = await loop.create_server(
                lambda: Session(listener, broker_id),
                host,
                port,
                backlog=BACKLOG,
                reuse_port=None if self._hold is None else True,
            )
        except OSError as error:
            what, key = f"listener {listener.name}", "its `bind`"
            if broker_id is not None:
                what, key = f"broker {broker_id} at {what}", "its `ports`"
            raise CannotServe(what, Address(host, port), key, error) from error

    async def _open_brokers(self, listener: Listener, picture: Picture) -> None:
        without = set()
        for broker_id in picture.brokers:
            port = listener.settings.port_of(broker_id)
            if port is None:
                without.add(broker_id)
            elif (listener.settings.bind.host, port) not in self._open:
                await self._try_to_open(listener, port, broker_id)
        bind = listener.settings.bind
        if self._hold is not None and (bind.host, bind.port) not in self._open:
            await self._try_to_open(listener, bind.port, None)
        if without - listener.without_port:
            log.error("brokers_without_a_port", listener=listener.name, brokers=sorted(without))
        listener.without_port = without
        listener.bound = True

    async def _try_to_open(self, listener: Listener, port: int, broker_id: int | None) -> None:
        place = (listener.settings.bind.host, port)
        try:
            await self._bind(listener, port, broker_id)
        except CannotServe as error:
            if place not in self._errors:
                log.error("port_taken", listener=listener.name, port=port, broker=broker_id, reason=str(error))
            self._errors[place] = str(error)
        else:
            if self._errors.pop(place, None) is not None:
                log.info("port_open", listener=listener.name, port=port, broker=broker_id)
