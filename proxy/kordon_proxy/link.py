"""The broker's side of one client connection: its own connection to a broker."""

import asyncio
import ssl
import time
from typing import Final, Protocol, cast

from kordon_protocol.errors import ProtocolError
from kordon_protocol.frames import FrameSplitter, with_prefix
from kordon_protocol.varints import Buffer

from .holds import Hold, Holds
from .identity.upstream import LoggedIn, LoginFailed, UpstreamLogin
from .memory import Memory
from .meter import Meter

CONNECT_TIMEOUT: Final = 10.0
"""Seconds for connecting and for the login behind it."""
LOGIN_FRAME: Final = 1 << 20
LAST_BYTES: Final = 10.0
"""Seconds that a broker, or a client, has to take what was sent to it when the connection is closed."""


def has_unsent(transport: asyncio.Transport) -> bool:
    """Whether something may be left of what was sent. What a transport of TLS has encrypted it does not count."""
    return transport.get_write_buffer_size() > 0 or transport.get_extra_info("sslcontext") is not None


class Owner(Protocol):
    """The session, as the link sees it."""

    def link_ready(self) -> None: ...
    def link_refused(self, reason: str) -> None: ...
    def from_broker(self, data: Buffer) -> None: ...
    def link_lost(self, error: Exception | None) -> None: ...
    def broker_is_slow(self, slow: bool) -> None: ...


class _Nobody:
    """The owner of a link that is closed. What happens to it then is nobody's concern, and a session that had it, and
    that it had, would be freed by the collector alone."""

    def link_ready(self) -> None: ...
    def link_refused(self, reason: str) -> None: ...
    def from_broker(self, data: Buffer) -> None: ...
    def link_lost(self, error: Exception | None) -> None: ...
    def broker_is_slow(self, slow: bool) -> None: ...


_NOBODY: Final = _Nobody()


class BrokerLink(asyncio.BufferedProtocol):
    """Logs in with Kordon's own credentials where the cluster asks for them, then passes bytes on.

    What is put into it before it is ready waits in it. `holds` says why the broker is not read from now.
    """

    __slots__ = (
        "_begun",
        "_end",
        "_login",
        "_memory",
        "_owner",
        "_splitter",
        "_waiting",
        "closed",
        "holds",
        "ready",
        "transport",
    )

    def __init__(self, owner: Owner, meter: Meter, memory: Memory) -> None:
        self._owner: Owner = owner
        self._memory = memory
        self._begun: float | None = None
        self._end: asyncio.TimerHandle | None = None
        self._login: UpstreamLogin | None = None
        self._splitter: FrameSplitter | None = None
        self._waiting: list[Buffer] = []
        self.holds = Holds(meter)
        self.ready = False
        """The broker takes requests."""
        self.closed = False
        self.transport: asyncio.Transport | None = None

    # ---- connecting

    @property
    def begun(self) -> bool:
        """Whether it has been told to connect."""
        return self._begun is not None

    def overdue(self, now: float) -> bool:
        """Whether it has been connecting for too long."""
        return not self.ready and self._begun is not None and now - self._begun > CONNECT_TIMEOUT

    def begin(self, login: UpstreamLogin | None) -> None:
        """It is going to be connected, by `open_link`."""
        self._begun = time.monotonic()
        self._login = login
        self._splitter = None if login is None else FrameSplitter(LOGIN_FRAME)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        if self.closed:
            self.transport.abort()
        elif self._login is None:
            self._is_ready()
        else:
            self.transport.write(self._login.start())

    def _is_ready(self) -> None:
        self.ready = True
        if self.holds:
            self._read(False)
        self.flush()
        self._owner.link_ready()

    def _step(self, frame: bytes) -> None:
        assert self._login is not None
        assert self.transport is not None
        match self._login.feed(frame):
            case LoggedIn():
                self._login = None
                self._is_ready()
            case LoginFailed() as failure:
                self._owner.link_refused(str(failure))
            case token:
                self.transport.write(token)

    # ---- what comes from the broker

    def get_buffer(self, _: int) -> memoryview:
        return self._memory.free()

    def buffer_updated(self, nbytes: int) -> None:
        data = self._memory.read(nbytes)
        if self._splitter is None:
            self._owner.from_broker(data)
            return
        try:
            frames = self._splitter.feed(bytes(data))
        except ProtocolError as error:
            self._owner.link_refused(f"the broker answered something that is no answer to a login: {error}")
            return
        for frame in frames:
            if self._login is not None:
                self._step(frame)
            else:
                self._owner.from_broker(with_prefix(frame))
        if self._login is None:
            self._splitter = None

    def connection_lost(self, exc: Exception | None) -> None:
        if self._end is not None:
            self._end.cancel()
        self._owner.link_lost(exc)

    def hold(self, reason: Hold) -> None:
        """Stop reading for this reason."""
        if not self.holds:
            self._read(False)
        self.holds.add(reason)

    def release(self, reason: Hold) -> None:
        """Go on reading when it was the last one."""
        self.holds.remove(reason)
        if not self.holds:
            self._read(True)

    def _read(self, on: bool) -> None:
        if self.transport is None or self.transport.is_closing() or not self.ready:
            return
        if on:
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()

    # ---- what goes to it

    def put(self, pieces: list[Buffer]) -> None:
        """Send with the next `flush`, or when it is ready."""
        self._waiting += pieces

    def flush(self) -> None:
        """Send what was put in."""
        if not self.ready or not self._waiting:
            return
        assert self.transport is not None
        pieces, self._waiting = self._waiting, []
        if len(pieces) == 1:
            self.transport.write(pieces[0])
        else:
            self.transport.writelines(pieces)

    def pause_writing(self) -> None:
        self._owner.broker_is_slow(True)

    def resume_writing(self) -> None:
        self._owner.broker_is_slow(False)

    def close(self) -> None:
        """Close as soon as what was sent has left: a producer that wants no answers (acks=0) closes right behind them.

        A broker that does not take it is not waited for long.
        """
        self.closed = True
        self._owner = _NOBODY
        self.holds.clear()
        if self.transport is None:
            return
        if has_unsent(self.transport) and not self.transport.is_closing():
            self.transport.close()
            self._end = asyncio.get_running_loop().call_later(LAST_BYTES, self.transport.abort)
        else:
            self.transport.abort()


async def open_link(link: BrokerLink, host: str, port: int, context: ssl.SSLContext | None) -> None:
    """Connect the link. Raises OSError (ssl.SSLError included) when the broker cannot be reached.

    Who has the link gives up when it is `overdue`: a timer here would cost every connection more than that look does.
    """
    await asyncio.get_running_loop().create_connection(
        lambda: link, host, port, ssl=context, server_hostname=host if context else None
    )
