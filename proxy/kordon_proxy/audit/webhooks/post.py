"""Posts to one address. What can go wrong is told in words of ours: the address is a secret, and libraries name it."""

import asyncio
import os
import re
import ssl
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

import httpx

from kordon_proxy.audit.forward import NotNow
from kordon_proxy.config.clusters import UpstreamTls
from kordon_proxy.config.webhooks import Webhook
from kordon_proxy.identity.tls import TlsFault, tls_context
from kordon_proxy.reasons import reason_of

LONGEST_WAIT: Final = 3600.0
"""Seconds that a receiver may ask to be left alone for."""
_MOST_READ: Final = 100
"""Bytes of an answer that are looked at."""
_LATER: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
_WORD: Final = re.compile(rb"[a-z]+(_[a-z]+)+")
"""What Slack says is wrong: `invalid_payload`, `no_service`. Anything else that a receiver says may hold anything."""


class NotPosted(Exception):
    """There is no answer, or one that may be another the next time."""


class Rejected(Exception):
    """The receiver does not want this post, nor the same again."""


class Receiver:
    """The address of a webhook."""

    def __init__(self, webhook: Webhook) -> None:
        self._url = webhook.url
        self._timeout = webhook.timeout
        self._tls = UpstreamTls(ca=webhook.ca)
        self._client: httpx.AsyncClient | None = None

    async def post(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Return once the receiver has it. Raises NotPosted, NotNow, Rejected."""
        try:
            async with asyncio.timeout(self._timeout):
                status, after, said = await self._post(body, headers)
        except (TimeoutError, httpx.TimeoutException):
            await self.close()
            raise NotPosted(f"no answer in {self._timeout:g} s") from None
        except (httpx.HTTPError, OSError) as error:
            await self.close()  # what was read from files may be better the next time
            raise NotPosted(_fault(error)) from None
        _judge(status, after, said)

    async def close(self) -> None:
        """End the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _post(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, str | None, bytes]:
        """Return the status, what `Retry-After` says, and the beginning of the body."""
        if self._client is None:
            self._client = await self._connect()
        async with self._client.stream("POST", self._url.reveal(), content=body, headers=headers) as response:
            said = b""
            # As it comes: nobody knows to how much it would unpack, or how long it goes on.
            async for chunk in response.aiter_raw():
                said += chunk
                if len(said) > _MOST_READ:
                    break
            return response.status_code, response.headers.get("retry-after"), said

    async def _connect(self) -> httpx.AsyncClient:
        """Raises TlsFault."""
        return httpx.AsyncClient(
            verify=await asyncio.to_thread(tls_context, self._tls),  # which reads some hundred certificates
            timeout=self._timeout,
            follow_redirects=False,  # an event goes where the configuration says, and nowhere else
            trust_env=False,  # nor through what a variable says, nor with a password from ~/.netrc
            headers={"user-agent": "kordon", "accept-encoding": "identity"},
            limits=httpx.Limits(max_connections=1),
        )


def _judge(status: int, after: str | None, said: bytes) -> None:
    """Raises NotPosted, NotNow, Rejected for an answer that is no success."""
    if 200 <= status < 300:
        return
    word = said.strip() if len(said) <= _MOST_READ else b""
    answer = f"it answered {status}{f' {word.decode()}' if _WORD.fullmatch(word) else ''}"
    if status < 500 and status not in _LATER:
        raise Rejected(answer)
    if (wait := seconds_of(after)) is not None:
        raise NotNow(answer, wait)
    raise NotPosted(answer)


def seconds_of(after: str | None) -> float | None:
    """Return how long `Retry-After` asks to wait, in seconds or until a date (RFC 9110, 10.2.3); None: it does not."""
    if after is None:
        return None
    try:
        seconds = float(int(after)) if after.strip().isdigit() else _seconds_until(parsedate_to_datetime(after))
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_WAIT)


def _seconds_until(instant: datetime) -> float:
    return ((instant if instant.tzinfo else instant.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds()


def _fault(error: Exception) -> str:
    """Why there is no answer."""
    if isinstance(error, TlsFault):
        return str(error)
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            # OpenSSL's sentence may name the host.
            return f"its certificate is not to be trusted ({cause.verify_message.partition(',')[0].lower()})"
        if isinstance(cause, ssl.SSLError):
            return (
                f"it speaks no TLS that Kordon takes ({(cause.reason or 'unknown reason').lower().replace('_', ' ')})"
            )
        if isinstance(cause, OSError) and cause.errno is not None:
            # Asyncio's sentence names the host. A name that is not found has a number below 0, and its own sentence.
            known = os.strerror(cause.errno).lower() if cause.errno > 0 else reason_of(cause)
            return f"it cannot be reached: {known}"
    return f"the connection broke ({type(error).__name__})"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and what it came from."""
    seen: list[BaseException] = [error]
    for one in seen:
        yield one
        behind = [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]
        seen += [other for other in behind if other is not None and other not in seen]
