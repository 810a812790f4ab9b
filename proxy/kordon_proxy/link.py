"""The connection to the broker that belongs to one client connection."""

import asyncio
import ssl
from typing import Final, Protocol, cast

from kordon_protocol.errors import ProtocolError
from kordon_protocol.frames import FrameSplitter, with_prefix

from .identity.upstream import LoggedIn, LoginFailed, UpstreamLogin

LOGIN_FRAME: Final = 1 << 20
LAST_BYTES: Final = 10.0
"""Seconds that a broker has to take what was sent to it when the connection is closed."""


class Owner(Protocol):
    """The session, as the link sees it."""

    def link_ready(self, link: "BrokerLink") -> None: ...
    def link_refused(self, reason: str) -> None: ...
    def from_broker(self, data: bytes) -> None: ...
    def link_lost(self, error: Exception | None) -> None: ...
    def broker_is_slow(self, slow: bool) -> None: ...


class BrokerLink(asyncio.Protocol):
    """Logs in with Kordon's own credentials where the cluster asks for them, then passes bytes on."""

    __slots__ = ("_login", "_owner", "_splitter", "transport")

    def __init__(self, owner: Owner, login: UpstreamLogin | None) -> None:
        self._owner = owner
        self._login = login
        self._splitter = None if login is None else FrameSplitter(LOGIN_FRAME)
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        if self._login is None:
            self._owner.link_ready(self)
        else:
            self.transport.write(self._login.start())

    def data_received(self, data: bytes) -> None:
        if self._splitter is None:
            self._owner.from_broker(data)
            return
        try:
            frames = self._splitter.feed(data)
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

    def _step(self, frame: bytes) -> None:
        assert self._login is not None
        assert self.transport is not None
        match self._login.feed(frame):
            case LoggedIn():
                self._login = None
                self._owner.link_ready(self)
            case LoginFailed() as failure:
                self._owner.link_refused(str(failure))
            case token:
                self.transport.write(token)

    def connection_lost(self, exc: Exception | None) -> None:
        self._owner.link_lost(exc)

    def pause_writing(self) -> None:
        self._owner.broker_is_slow(True)

    def resume_writing(self) -> None:
        self._owner.broker_is_slow(False)

    def send(self, pieces: list[bytes]) -> None:
        assert self.transport is not None
        if len(pieces) == 1:
            self.transport.write(pieces[0])
        else:
            self.transport.writelines(pieces)

    def hold(self, held: bool) -> None:
        """Stop or go on reading."""
        if self.transport is None or self.transport.is_closing():
            return
        if held:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def close(self) -> None:
        """Close as soon as what was sent has left: a producer that wants no answers (acks=0) closes right behind them.

        A broker that does not take it is not waited for long.
        """
        if self.transport is None:
            return
        if self.transport.get_write_buffer_size() and not self.transport.is_closing():
            self.transport.close()
            asyncio.get_running_loop().call_later(LAST_BYTES, self.transport.abort)
        else:
            self.transport.abort()


async def connect(
    owner: Owner, host: str, port: int, context: ssl.SSLContext | None, login: UpstreamLogin | None
) -> BrokerLink:
    """Open the link. Raises OSError (ssl.SSLError included) when the broker cannot be reached."""
    loop = asyncio.get_running_loop()
    _, link = await loop.create_connection(
        lambda: BrokerLink(owner, login), host, port, ssl=context, server_hostname=host if context else None
    )
    return link
