"""What a client says of its make in ApiVersions v3 and later (KIP-511), and what a stranger's first bytes look like."""

import datetime
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from kio.schema.errors import ErrorCode

from kordon_policy.memo import Memo
from kordon_protocol.codec import decode_request, response_frame, response_type
from kordon_protocol.header import RequestHead
from kordon_protocol.keys import ApiKey

from .bodies import Body, is_short

NAMED_FROM: Final = 3
MAX_PART: Final = 255
_PART: Final = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?", re.ASCII)
_STRANGERS: Final = (
    (re.compile(rb"\x16\x03[\x00-\x04]"), "TLS"),
    (re.compile(rb"(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|CONNECT|PRI) "), "HTTP"),
    (re.compile(rb"SSH-"), "SSH"),
    (re.compile(rb"PROXY |\r\n\r\n\x00\r\nQUIT\n"), "a PROXY header"),
)
ApiVersions = Callable[[RequestHead], bytes]


@dataclass(frozen=True, slots=True)
class Software:
    """Name and version of a client library, as it calls itself."""

    name: str
    version: str


BAD: Final = Software("", "")


@dataclass(frozen=True, slots=True)
class VersionsAnswer:
    """The frame that answers an ApiVersions request, and what that said. `good`: it was answered without error."""

    frame: bytes
    software: Software | None
    good: bool


def answer_versions(head: RequestHead, frame: bytes, api_versions: ApiVersions) -> VersionsAnswer:
    """Answer an ApiVersions request, before and after a login alike. Raises MalformedBody.

    A software name that Kafka would not take is answered with INVALID_REQUEST (`ApiVersionsRequest.isValid`), so that
    names in metrics and audit are harmless. `api_versions` makes the frame otherwise.
    """
    software = _SAID[head.api_version, frame[head.body_offset :]]
    if software is BAD:
        return VersionsAnswer(_refusal(head), None, good=False)
    answer = api_versions(head)
    # The error code stands behind length and correlation id, whatever the version is (KIP-511).
    return VersionsAnswer(answer, software, good=answer[8:10] == b"\0\0")


def _said(body: Body) -> Software | None:
    """Who the client says that it is: None where it does not, BAD where Kafka would not take it."""
    version, said = body
    request: Any = decode_request(ApiKey.API_VERSIONS, version, said)
    if version < NAMED_FROM:
        return None
    software = Software(request.client_software_name, request.client_software_version)
    return software if _is_good(software.name) and _is_good(software.version) else BAD


_SAID: Final = Memo(_said, bound=512, keeps=is_short)  # of one client library all connections say the same


def strangeness(data: bytes) -> str | None:
    """Say what the first bytes of a connection look like, where that is no Kafka client's. For the log."""
    kind = next((name for pattern, name in _STRANGERS if pattern.match(data)), None)
    return None if kind is None else f"this looks like {kind}, not like Kafka"


def _is_good(part: str) -> bool:
    return len(part) <= MAX_PART and _PART.fullmatch(part) is not None


def _refusal(head: RequestHead) -> bytes:
    kind = response_type(ApiKey.API_VERSIONS, head.api_version)
    answer = kind(error_code=ErrorCode.invalid_request, api_keys=(), throttle_time=datetime.timedelta())
    return response_frame(answer, head.correlation_id)
