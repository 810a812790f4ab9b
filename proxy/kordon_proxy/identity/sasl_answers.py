"""Kordon's answers to SaslHandshake (17) and SaslAuthenticate (36), and to what comes in their place: whole frames.

Codes and texts are Kafka's (`SaslServerAuthenticator`, `KafkaApis.handleSaslAuthenticateRequest`).
"""

import datetime
from collections.abc import Iterable
from typing import Final

from kio.schema.errors import ErrorCode

from kordon_protocol.codec import read_request, response_frame, response_type
from kordon_protocol.errors import MalformedBody
from kordon_protocol.header import RequestHead
from kordon_protocol.keys import ApiKey
from kordon_protocol.refusals import refusal

LATE: Final = "SaslAuthenticate request received after successful authentication"
NO_MESSAGE: Final = ""
"""Kafka never writes the null that the schema allows."""


def handshake_answer(head: RequestHead, mechanisms: Iterable[str], code: ErrorCode = ErrorCode.none) -> bytes:
    """Answer a SaslHandshake. The list stands in good answers too: some clients look for their mechanism in it."""
    kind = response_type(ApiKey.SASL_HANDSHAKE, head.api_version)
    return response_frame(kind(error_code=code, mechanisms=tuple(mechanisms)), head.correlation_id)


def token_answer(head: RequestHead, token: bytes, lifetime: float = 0.0) -> bytes:
    """Answer a SaslAuthenticate with the mechanism's next token. `lifetime`: seconds of the session, 0 for no end."""
    kind = response_type(ApiKey.SASL_AUTHENTICATE, head.api_version)
    session = (
        {"session_lifetime": datetime.timedelta(milliseconds=int(lifetime * 1000))} if head.api_version >= 1 else {}
    )
    return response_frame(
        kind(error_code=ErrorCode.none, error_message=NO_MESSAGE, auth_bytes=token, **session), head.correlation_id
    )


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
