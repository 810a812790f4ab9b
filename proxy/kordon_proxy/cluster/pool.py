"""Kordon's own connections to one cluster: at most one to each address, opened when needed, shared by all who ask."""

import asyncio
import ssl
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final

from .addresses import Address
from .backoff import Backoff
from .connection import BrokerConnection, LoginFactory
from .errors import UpstreamError, UpstreamLoginRefused, UpstreamUnavailable

PATIENCE: Final = 5.0
"""Seconds for answers that are still due on a connection whose session ends (KIP-368)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How Kordon reaches the brokers of one cluster with its own credentials."""

    tls: Callable[[], ssl.SSLContext] | None = None
    """Asked for each connection, so that renewed certificates count; may raise OSError for files that cannot be used.
    The host name it verifies is the broker's own."""
    logins: tuple[LoginFactory, ...] = ()
    """Ways to log in; the first that works is used, so that credentials can be rotated. Empty: no login."""
    connect_timeout: float = 5.0
    """Seconds for connecting, TLS, login and the first question together."""


DIRECT: Final = Reach()
"""No TLS and no login."""


@dataclass(slots=True)
class _Place:
    """One address: its connection, or why there is none and until when nobody should try again."""

    backoff: Backoff
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    connection: BrokerConnection | None = None
    not_before: float = 0.0
    error: UpstreamError | None = None


class Pool:
    """Connections by address."""

    def __init__(self, reach: Reach, *, backoff: Callable[[], Backoff] = Backoff) -> None:
        self._reach = reach
        self._backoff = backoff
        self._places: dict[Address, _Place] = {}
        self._retiring: set[asyncio.Task[None]] = set()
        self._closed = False

    async def connection(self, address: Address) -> BrokerConnection:
        """The connection to an address: the one there is, or a new one.

        Raises UpstreamError; for an address that failed just now at once, without trying again.
        """
        place = self._places.setdefault(address, _Place(self._backoff()))
        async with place.lock:
            return await self._at(place, address)

    async def _at(self, place: _Place, address: Address) -> BrokerConnection:
        if self._closed:
            raise UpstreamUnavailable("Kordon is closing its connections")
        if place.connection is not None:
            if place.connection.usable:
                return place.connection
            await self._drop(place, patience=PATIENCE)
        if place.error is not None and time.monotonic() < place.not_before:
            raise place.error.with_traceback(None)
        try:
            place.connection = await self._open(address)
        except UpstreamError as error:
            place.error = error
            place.not_before = time.monotonic() + place.backoff.fail()
            raise
        place.error = None
        place.backoff.succeed()
        return place.connection

    async def _open(self, address: Address) -> BrokerConnection:
        tls = self._tls()
        within = self._reach.connect_timeout
        if not self._reach.logins:
            return await BrokerConnection.open(address, tls=tls, within=within)
        refusals = []
        for login in self._reach.logins:
            try:
                return await BrokerConnection.open(address, tls=tls, login=login, within=within)
            except UpstreamLoginRefused as error:
                refusals.append(error)
        raise refusals[0]

    def _tls(self) -> ssl.SSLContext | None:
        try:
            return None if self._reach.tls is None else self._reach.tls()
        except OSError as error:
            raise UpstreamUnavailable(str(error)) from error

    def is_connected(self, address: Address) -> bool:
        """Whether `connection` would have one at hand."""
        place = self._places.get(address)
        return place is not None and place.connection is not None and place.connection.usable

    def keep(self, addresses: Collection[Address]) -> None:
        """Forget everything but these and close it soon: brokers that have left, or moved."""
        for address in self._places.keys() - set(addresses):
            task = asyncio.create_task(self._retire(self._places.pop(address)))
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)

    async def _retire(self, place: _Place) -> None:
        async with place.lock:  # who came before may be opening its connection; nobody comes after
            await self._drop(place)

    async def close(self) -> None:
        """Close all connections, and open none any more."""
        self._closed = True
        self.keep(())
        await asyncio.gather(*self._retiring)

    async def _drop(self, place: _Place, patience: float = 0.0) -> None:
        connection, place.connection = place.connection, None
        if connection is not None:
            await connection.close(patience)
