"""A connection of Kordon's own to one broker: pipelined questions, one answer each, in order.

Frames have one order for logins and for requests alike, so a queue of futures is all the bookkeeping there is. Clients'
requests never travel here, and Kordon's questions never travel on a client's connection.
"""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Callable
from importlib import metadata
from typing import Any, Final, Protocol, Self, cast

from kio.schema.errors import ErrorCode

from kordon_protocol.codec import decode_response, request_frame, request_type
from kordon_protocol.errors import ProtocolError
from kordon_protocol.frames import FrameSplitter
from kordon_protocol.header import peek_response
from kordon_protocol.keys import ApiKey
from kordon_protocol.outcomes import error_name
from kordon_proxy.identity.upstream import LoggedIn, LoginFailed
from kordon_proxy.reasons import reason_of

from .addresses import Address
from .errors import (
    UpstreamError,
    UpstreamGarbled,
    UpstreamLoginRefused,
    UpstreamTimeout,
    UpstreamTooOld,
    UpstreamUnavailable,
)
from .picture import NO_FEATURES, Spoken, read_spoken

CLIENT_ID: Final = "kordon"
SOFTWARE: Final = metadata.version("kordon")
MAX_ANSWER: Final = 256 * 1024 * 1024
"""Bytes. Metadata of some hundred thousand partitions stays under a tenth of it."""
API_VERSIONS: Final = range(3, 5)
"""Below v3 there are no features (brokers since 2.4 speak it); v4 also tells those whose lowest version is 0."""
RENEW_AT: Final = 0.85
"""Part of a session's lifetime after which no new question is asked on it (KIP-368), as Java's client does."""


class UpstreamLogin(Protocol):
    """One login as a conversation of frames, with no sockets in it."""

    def start(self) -> bytes: ...
    def feed(self, frame: bytes) -> bytes | LoggedIn | LoginFailed: ...


LoginFactory = Callable[[], UpstreamLogin]


class _Link(asyncio.Protocol):
    """Frames out, frames in, each to whoever waits longest. Says once why it ended."""

    def __init__(self, max_answer: int, broker: str, untried: str) -> None:
        self._broker = broker
        self._untried = untried
        self._answers = 0
        self._frames = FrameSplitter(max_answer)
        self._waiting: deque[asyncio.Future[bytes]] = deque()
        self._transport: asyncio.Transport | None = None
        self.gone = asyncio.Event()
        self.error: UpstreamError | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._frames.feed(data):
                self._answers += 1
                if not self._waiting:
                    return self.end(UpstreamGarbled(f"{self._broker} sent an answer to a question that nobody asked"))
                future = self._waiting.popleft()
                if not future.done():  # who asked may have stopped waiting; the order stays
                    future.set_result(frame)
        except ProtocolError as error:
            self.end(UpstreamGarbled(f"{self._broker} sends no Kafka answer: {error}{self._doubt()}"))
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        reason = f": {exc}" if exc else ""
        self.end(UpstreamUnavailable(f"{self._broker} closed the connection{reason}{self._doubt()}"))
        self.gone.set()

    def _doubt(self) -> str:
        """A broker that expects TLS or a login does not say so: it hangs up, at the latest after the first answer."""
        return f"; does it want {self._untried}?" if self._untried and self._answers < 2 else ""

    def send(self, data: bytes) -> asyncio.Future[bytes]:
        if self.error is not None or self._transport is None:
            raise self.error or UpstreamUnavailable("not connected")
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._transport.write(data)
        return future

    def end(self, error: UpstreamError) -> None:
        """Fail everybody who waits; the first reason is the one that counts."""
        if self.error is None:
            self.error = error
        if self._transport is not None:
            self._transport.close()
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_exception(self.error)

    async def drain(self, patience: float) -> None:
        """Wait until everybody has his answer, at most `patience` seconds. The last one in line tells."""
        if self._waiting and patience > 0:
            await asyncio.wait([self._waiting[-1]], timeout=patience)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def _named(address: Address) -> str:
    return f"broker at {address[0]}:{address[1]}"


def _untried(tls: ssl.SSLContext | None, login: LoginFactory | None) -> str:
    """What the broker may want that it is not given, by the keys of kordon.yaml."""
    return " or ".join(key for key, given in (("`tls`", tls), ("`own_login`", login)) if given is None)


class BrokerConnection:
    """One logged-in connection, which knows what its broker speaks. Made by `open`."""

    def __init__(self, address: Address, link: _Link) -> None:
        self.address = address
        self.spoken = Spoken(versions={}, features=NO_FEATURES)
        self._link = link
        self._correlation_id = 0
        self._renew_at: float | None = None

    @classmethod
    async def open(
        cls,
        address: Address,
        *,
        tls: ssl.SSLContext | None = None,
        login: LoginFactory | None = None,
        within: float = 5.0,
        max_answer: int = MAX_ANSWER,
    ) -> Self:
        """Connect, log in, and ask what the broker speaks, all within so many seconds.

        Raises UpstreamUnavailable (UpstreamTimeout among it), UpstreamLoginRefused, UpstreamTooOld, UpstreamGarbled.
        """
        link = _Link(max_answer, _named(address), _untried(tls, login))
        connection = cls(address, link)
        try:
            async with asyncio.timeout(within):
                await connection._connect(link, tls)
                if login is not None:
                    await connection._log_in(login())
                await connection.ask_spoken(within)
        except TimeoutError:
            link.abort()
            raise UpstreamTimeout(f"{connection} did not answer within {within:g} s") from None
        except BaseException:
            link.abort()
            raise
        return connection

    def __str__(self) -> str:
        return _named(self.address)

    async def _connect(self, link: _Link, tls: ssl.SSLContext | None) -> None:
        host, port = self.address
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: link, host, port, ssl=tls, server_hostname=host if tls is not None else None
            )
        except ssl.SSLError as error:
            reason = getattr(error, "verify_message", None) or error.reason or error
            raise UpstreamUnavailable(f"{self}: TLS failed: {reason}; check its certificate and `tls`") from error
        except OSError as error:
            hung_up = tls is not None and isinstance(error, ConnectionResetError | ConnectionAbortedError)
            reason = "it hung up when TLS began; does it speak TLS on this port?" if hung_up else reason_of(error)
            raise UpstreamUnavailable(f"{self} cannot be reached: {reason}") from error

    async def _log_in(self, login: UpstreamLogin) -> None:
        step: bytes | LoggedIn | LoginFailed = login.start()
        while isinstance(step, bytes):
            step = login.feed(await self._link.send(step))
        if isinstance(step, LoginFailed):
            raise UpstreamLoginRefused(f"{self} refuses Kordon's own login: {step.reason}")
        if step.session_lifetime is not None:
            self._renew_at = time.monotonic() + RENEW_AT * step.session_lifetime

    @property
    def usable(self) -> bool:
        """Whether a new question may be asked: it is connected, and its session is not about to end."""
        if self._link.error is not None:
            return False
        return self._renew_at is None or time.monotonic() < self._renew_at

    def version(self, key: ApiKey, ours: range) -> int:
        """The newest version of an API that the broker and we have. Raises UpstreamTooOld when there is none."""
        low, high = self.spoken.versions.get(key, (0, -1))
        best = min(high, ours[-1])
        if best < max(low, ours.start):
            wanted = f"{ours.start}-{ours[-1]}"
            has = f"has {low}-{high}" if high >= 0 else "does not have it"
            raise UpstreamTooOld(f"Kordon needs {key.name} in a version of {wanted}, and the {self} {has}")
        return best

    def speaks(self, key: ApiKey, ours: range) -> bool:
        """Whether `version` would find one."""
        try:
            self.version(key, ours)
        except UpstreamTooOld:
            return False
        return True

    async def ask_spoken(self, within: float) -> Spoken:
        """Ask what the broker speaks now: features are finalized while connections live."""
        version = min(self.spoken.versions.get(ApiKey.API_VERSIONS, (0, API_VERSIONS[-1]))[1], API_VERSIONS[-1])
        answer = await self._ask_versions(version, within)
        if answer.error_code is ErrorCode.unsupported_version:
            version = max((int(api.max_version) for api in answer.api_keys), default=0)
            answer = await self._ask_versions(min(version, API_VERSIONS[-1] - 1), within)
        if answer.error_code is not ErrorCode.none:
            raise UpstreamGarbled(f"{self} does not say what it speaks: {error_name(answer.error_code)}")
        self.spoken = read_spoken(answer)
        return self.spoken

    async def _ask_versions(self, version: int, within: float) -> Any:
        names = {"client_software_name": CLIENT_ID, "client_software_version": SOFTWARE} if version >= 3 else {}
        message = request_type(ApiKey.API_VERSIONS, version)(**names)
        frame = await self.exchange(message, within)
        # A broker that does not know the version answers with a body of v0, whatever it was asked (KIP-511).
        refused = frame[4:6] == ErrorCode.unsupported_version.to_bytes(2, "big")
        return self._decode(ApiKey.API_VERSIONS, 0 if refused else version, frame)

    async def request(self, message: Any, within: float) -> Any:
        """Ask, and decode the answer. An error code inside an answer is the caller's to read.

        within: seconds. When they are over the connection is closed, for nobody can tell whether the broker is there.
        Raises UpstreamUnavailable, UpstreamTimeout, UpstreamGarbled.
        """
        return self.decode(message, await self.exchange(message, within))

    async def exchange(self, message: Any, within: float) -> bytes:
        """Ask, and give the answer's frame as it is, header included. Raises as `request` does."""
        self._correlation_id = correlation_id = (self._correlation_id + 1) & 0x7FFFFFFF
        future = self._link.send(request_frame(message, correlation_id, CLIENT_ID))
        try:
            async with asyncio.timeout(within):
                frame = await future
        except TimeoutError:
            raise self._end(UpstreamTimeout(f"{self} did not answer within {within:g} s")) from None
        if frame[:4] != correlation_id.to_bytes(4, "big"):
            raise self._end(UpstreamGarbled(f"{self} answers another question than the one that is due"))
        return frame

    def decode(self, message: Any, frame: bytes) -> Any:
        """Decode the frame that answers a question. Raises UpstreamGarbled."""
        return self._decode(message.__api_key__, message.__version__, frame)

    def _end(self, error: UpstreamError) -> UpstreamError:
        self._link.end(error)
        return error

    def _decode(self, key: int, version: int, frame: bytes) -> Any:
        try:
            return decode_response(key, version, frame, peek_response(frame, key, version).body_offset)
        except ProtocolError as error:
            raise UpstreamGarbled(f"{self} answers something that cannot be read: {error}") from error

    async def close(self, patience: float = 0.0) -> None:
        """Close, and wait until it is closed. Who still waits for an answer then gets UpstreamUnavailable.

        patience: seconds to let answers come that are due already.
        """
        await self._link.drain(patience)
        self._link.end(UpstreamUnavailable(f"the connection to the {self} was closed"))
        try:
            async with asyncio.timeout(1.0):
                await self._link.gone.wait()
        except TimeoutError:
            self._link.abort()
            await self._link.gone.wait()
