"""Kordon's answers to SaslHandshake (17) and SaslAuthenticate (36), and to what comes in their place: whole frames.

Codes and texts are Kafka's (`SaslServerAuthenticator`, `KafkaApis.handleSaslAuthenticateRequest`).
"""

import datetime
from collections.abc import Iterable
from functools import cache, lru_cache
from typing import Final

from kio.schema.errors import ErrorCode

from kordon_policy.memo import Memo
from kordon_protocol.codec import decode_request, read_request, response_frame, response_type
from kordon_protocol.errors import MalformedBody
from kordon_protocol.frames import with_correlation_id
from kordon_protocol.header import RequestHead
from kordon_protocol.keys import ApiKey
from kordon_protocol.refusals import refusal

from .bodies import Body, is_short

LATE: Final = "SaslAuthenticate request received after successful authentication"
NO_MESSAGE: Final = ""
"""Kafka never writes the null that the schema allows."""


def mechanism_of(head: RequestHead, frame: bytes) -> str:
    """Return which mechanism a SaslHandshake asks for. Raises MalformedBody."""
    return _MECHANISMS[head.api_version, frame[head.body_offset :]]


def handshake_answer(head: RequestHead, mechanisms: Iterable[str], code: ErrorCode = ErrorCode.none) -> bytes:
    """Answer a SaslHandshake. The list stands in good answers too: some clients look for their mechanism in it."""
    return with_correlation_id(_handshake_frame(head.api_version, tuple(mechanisms), code), head.correlation_id)


def token_answer(head: RequestHead, token: bytes, lifetime: float = 0.0) -> bytes:
    """Answer a SaslAuthenticate with the mechanism's next token. `lifetime`: seconds of the session, 0 for no end."""
    # What everybody is told at the end of PLAIN is remembered; what a token says is not.
    frame = _token_frame(head.api_version, token, lifetime) if token or lifetime else _welcome(head.api_version)
    return with_correlation_id(frame, head.correlation_id)


def failure_answer(head: RequestHead, code: ErrorCode, text: str) -> bytes:
    """Answer a SaslAuthenticate that has failed."""
    kind = response_type(ApiKey.SASL_AUTHENTICATE, head.api_version)
    return response_frame(kind(error_code=code, error_message=text, auth_bytes=b""), head.correlation_id)


def out_of_turn(head: RequestHead, frame: bytes) -> bytes | None:
    """Answer any request with ILLEGAL_SASL_STATE in its own shape; None where its body cannot be read."""
    if head.api_key == ApiKey.SASL_AUTHENTICATE:
        return failure_answer(head, ErrorCode.illegal_sasl_state, LATE)
    if head.api_key == ApiKey.SASL_HANDSHAKE:
        return handshake_answer(head, (), ErrorCode.illegal_sasl_state)
    try:
        request = read_request(head.api_key, head.api_version, frame, head.body_offset).message
    except MalformedBody:
        return None
    response = refusal(head.api_key, head.api_version, request, ErrorCode.illegal_sasl_state)
    return response_frame(response, head.correlation_id)


def _mechanism(body: Body) -> str:
    version, said = body
    mechanism: str = decode_request(ApiKey.SASL_HANDSHAKE, version, said).mechanism
    return mechanism


_MECHANISMS: Final = Memo(_mechanism, bound=64, keeps=is_short)


@lru_cache(maxsize=64)  # by the listeners' mechanisms
def _handshake_frame(version: int, mechanisms: tuple[str, ...], code: ErrorCode) -> bytes:
    kind = response_type(ApiKey.SASL_HANDSHAKE, version)
    return response_frame(kind(error_code=code, mechanisms=mechanisms), 0)


@cache
def _welcome(version: int) -> bytes:
    return _token_frame(version, b"", 0.0)


def _token_frame(version: int, token: bytes, lifetime: float) -> bytes:
    kind = response_type(ApiKey.SASL_AUTHENTICATE, version)
    session = {"session_lifetime": datetime.timedelta(milliseconds=int(lifetime * 1000))} if version >= 1 else {}
    answer = kind(error_code=ErrorCode.none, error_message=NO_MESSAGE, auth_bytes=token, **session)
    return response_frame(answer, 0)
