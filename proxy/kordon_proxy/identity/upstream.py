"""Kordon's own login to a broker, as a conversation of frames. No sockets here.

SaslHandshake v1, then SaslAuthenticate v2 (brokers since 2.5). SCRAM is scramp's, which verifies the server's last
message too: a broker that does not know the password is not believed.
"""

import re
from dataclasses import dataclass
from typing import Any, Final, Protocol

from kio.schema.errors import ErrorCode

from kordon_protocol.codec import decode_response, request_frame, request_type
from kordon_protocol.errors import ProtocolError
from kordon_protocol.header import peek_response
from kordon_protocol.keys import ApiKey
from kordon_protocol.outcomes import error_name
from kordon_proxy.config.clusters import OwnLogin

HANDSHAKE_VERSION: Final = 1
AUTHENTICATE_VERSION: Final = 2
MAX_ITERATIONS: Final = 100_000
"""Six times what Kafka lets anybody set: more would only serve to keep Kordon busy."""
MAX_TOLD: Final = 500
_ITERATIONS: Final = re.compile(r"(?:^|,)i=([0-9]{1,20})(?:,|$)", re.ASCII)


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """The broker took the login. `session_lifetime`: seconds until it wants another one; None: it does not."""

    session_lifetime: float | None = None


@dataclass(frozen=True, slots=True)
class LoginFailed:
    """The broker did not take the login, or did not prove itself. `refused`: it said that the credential is wrong."""

    reason: str
    refused: bool = False

    def __str__(self) -> str:
        return self.reason


class Unproved(Exception):
    """The broker's part of the mechanism is wrong."""


class Prover(Protocol):
    """The client's side of one SASL mechanism."""

    def answer(self, token: bytes) -> bytes | None:
        """Return the answer to the broker's token (empty at first); None: that was its last, and it is right.

        Raises Unproved.
        """
        ...


class PlainProver:
    """PLAIN: one token, and nothing to check."""

    def __init__(self, login: OwnLogin) -> None:
        self._login = login
        self._said = False

    def answer(self, _token: bytes, /) -> bytes | None:
        """Return user and password, once."""
        if self._said:
            return None
        self._said = True
        return f"\0{self._login.username}\0{self._login.password.reveal()}".encode()


class ScramProver:
    """SCRAM: two tokens, and a signature by which the broker proves that it knows the password too."""

    def __init__(self, login: OwnLogin) -> None:
        # Late: scramp takes a tenth of a second to import, and who logs in by PLAIN, or not at all, has no need of it.
        import scramp  # type: ignore[import-untyped]

        self._broken: type[Exception] = scramp.ScramException
        self._client = scramp.ScramClient([login.mechanism], login.username, login.password.reveal())
        self._steps = iter((self._begin, self._prove, self._check))

    def answer(self, token: bytes, /) -> bytes | None:
        """Return client-first, client-final, and then nothing (RFC 5802)."""
        try:
            text = token.decode("utf-8")
            return next(self._steps)(text)
        except UnicodeDecodeError:
            raise Unproved("the broker's token is not text") from None
        except self._broken:
            # Not scramp's own text, which may repeat what the broker sent.
            raise Unproved("the broker breaks the rules of SCRAM, or does not know the password") from None

    def _begin(self, _nothing: str) -> bytes:
        return str(self._client.get_client_first()).encode()

    def _prove(self, challenge: str) -> bytes:
        iterations = _ITERATIONS.search(challenge)
        if iterations is not None and int(iterations[1]) > MAX_ITERATIONS:
            raise Unproved(f"the broker asks for {iterations[1]} iterations of SCRAM, limit {MAX_ITERATIONS}")
        self._client.set_server_first(challenge)
        return str(self._client.get_client_final()).encode()

    def _check(self, last: str) -> None:
        self._client.set_server_final(last)


class UpstreamLogin:
    """One login: `start` gives the first frame to send, `feed` takes each answer. Frames to send have their prefix."""

    def __init__(self, login: OwnLogin, client_id: str = "kordon") -> None:
        self._login = login
        self._client_id = client_id
        self._correlation_id = 0
        self._prover: Prover = PlainProver(login) if login.mechanism == "PLAIN" else ScramProver(login)
        self._in_handshake = True

    def start(self) -> bytes:
        """Return the first frame to send."""
        message = request_type(ApiKey.SASL_HANDSHAKE, HANDSHAKE_VERSION)(mechanism=self._login.mechanism)
        return self._send(message)

    def feed(self, frame: bytes) -> bytes | LoggedIn | LoginFailed:
        """Take the broker's answer, without its length prefix. Return the next frame to send, or how it ended."""
        key, version = (
            (ApiKey.SASL_HANDSHAKE, HANDSHAKE_VERSION)
            if self._in_handshake
            else (ApiKey.SASL_AUTHENTICATE, AUTHENTICATE_VERSION)
        )
        try:
            head = peek_response(frame, key, version)
            answer = decode_response(key, version, frame, head.body_offset)
        except ProtocolError:
            return LoginFailed("the broker answered something that is no answer to a login")
        if head.correlation_id != self._correlation_id:
            return LoginFailed("the broker answered another request than the one that was sent")
        try:
            return self._handshaken(answer) if self._in_handshake else self._authenticated(answer)
        except Unproved as fault:
            return LoginFailed(str(fault))

    def _handshaken(self, answer: Any) -> bytes | LoginFailed:
        mechanism = self._login.mechanism
        if answer.error_code is not ErrorCode.none:
            offered = ", ".join(answer.mechanisms) or "none"
            return LoginFailed(f"the broker does not offer {mechanism}; it offers {offered}"[:MAX_TOLD])
        self._in_handshake = False
        token = self._prover.answer(b"")
        assert token is not None  # in every mechanism the client speaks first
        return self._token(token)

    def _authenticated(self, answer: Any) -> bytes | LoggedIn | LoginFailed:
        if answer.error_code is not ErrorCode.none:
            told = answer.error_message or error_name(answer.error_code)
            reason = f"the broker refuses {self._login.username}: {told}"[:MAX_TOLD]
            return LoginFailed(reason, refused=answer.error_code is ErrorCode.sasl_authentication_failed)
        if (token := self._prover.answer(answer.auth_bytes)) is not None:
            return self._token(token)
        lifetime = answer.session_lifetime.total_seconds()
        return LoggedIn(lifetime if lifetime > 0 else None)

    def _token(self, token: bytes) -> bytes:
        return self._send(request_type(ApiKey.SASL_AUTHENTICATE, AUTHENTICATE_VERSION)(auth_bytes=token))

    def _send(self, message: Any) -> bytes:
        self._correlation_id += 1
        return request_frame(message, self._correlation_id, self._client_id)
