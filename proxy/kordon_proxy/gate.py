"""From a request's bytes to a verdict, and from the broker's answer to the one that leaves. No sockets here.

Everything that is not known is closed: a key or a version that the table does not admit is refused in the shape that
the client can read, and where there is no such shape the connection ends.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from kio.schema.errors import ErrorCode

from kordon_protocol.codec import Reading, encode, read_request, read_response, response_frame
from kordon_protocol.entries import has_more_entries
from kordon_protocol.errors import (
    FrameTooLarge,
    FrameTooSmall,
    MalformedBody,
    MalformedHeader,
    ProtocolError,
    UnknownApi,
    UnsupportedVersion,
)
from kordon_protocol.frames import Collected, with_prefix
from kordon_protocol.header import RequestHead, peek_response, request_head_bytes
from kordon_protocol.refusals import refusal
from kordon_protocol.varints import Buffer

from .cluster.picture import Picture
from .exchange import Exchange
from .judging.may import May
from .judging.table import Api
from .judging.verdict import Answer, Ask, Forward, Mended, Rewrite, Verdict

LARGE: Final = 1 << 16
"""Bytes of a request from which on its entries are counted."""
MOST_ENTRIES: Final = 50_000
"""What a request may have in its lists. Each is judged, answered and written down: 10 to 60 µs, in which nobody else is
served. Frames have room for millions of them, and no client needs more: a Fetch of 20,000 partitions has 40,000."""
V = TypeVar("V", Verdict, Verdict | Ask)
ADMIN_CLIENT: Final = "__admin_client"
"""With this client id a broker lets a Produce write to internal topics (`KafkaApis.handleProduceRequest`)."""


@dataclass(frozen=True, slots=True)
class Unadmitted:
    """A request that is refused before it is judged."""

    api: Api | None
    request: Any
    code: ErrorCode
    why: str


def admitted(apis: Mapping[int, Api], picture: Picture, head: RequestHead) -> Api | Unadmitted:
    """Look the key and the version up: in the table, and in what the brokers have."""
    api = apis.get(head.api_key)
    if api is None:
        return Unadmitted(None, None, ErrorCode.unsupported_version, "no such API is known here")
    if api.judge is None:
        return Unadmitted(api, None, api.code, api.why)
    theirs = picture.api_versions.get(head.api_key)
    if head.api_version not in api.versions:
        return Unadmitted(api, None, api.code, f"version {head.api_version} is not admitted")
    if theirs is None or not theirs[0] <= head.api_version <= theirs[1]:
        return Unadmitted(api, None, ErrorCode.unsupported_version, "the brokers do not have this version")
    return api


def open_request(api: Api, head: RequestHead, collected: Collected) -> Reading:
    """Read the body. Raises MalformedBody."""
    if api.decode is not None:
        return Reading(api.decode(head.api_version, collected, head.body_offset), exact=True)
    return _read(head, collected.frame())


def _read(head: RequestHead, frame: bytes) -> Reading:
    """Raises MalformedBody."""
    reading = read_request(head.api_key, head.api_version, frame, head.body_offset)
    if len(frame) > LARGE and has_more_entries(reading.message, MOST_ENTRIES):
        raise MalformedBody(f"a request of more than {MOST_ENTRIES} entries")
    return reading


def judge(api: Api, reading: Reading, may: May) -> Verdict | Ask:
    """Ask the API's judge."""
    assert api.judge is not None  # `admitted` has seen to it
    return as_read(reading, api.judge(reading.message, may))


def as_read(reading: Reading, verdict: V) -> V | Rewrite:
    """The verdict, with which nothing that the client's bytes say beyond the message is forwarded."""
    if not reading.exact and isinstance(verdict, Forward):
        return Rewrite(reading.message, verdict.plan)
    return verdict


def refusal_frame(head: RequestHead, frame: bytes, code: ErrorCode, text: str | None) -> bytes | None:
    """A well-formed refusal in the shape of the request; None where the request cannot be read."""
    try:
        request = _read(head, frame).message
    except MalformedBody:
        return None
    return response_frame(refusal(head.api_key, head.api_version, request, code, text), head.correlation_id)


def answer_frame(answer: Answer, head: RequestHead) -> bytes:
    return response_frame(answer.response, head.correlation_id)


def to_forward(verdict: Forward | Rewrite, head: RequestHead, collected: Collected) -> list[Buffer]:
    """The bytes for the broker: the client's own chunks wherever nothing changed."""
    client_id = head.client_id
    if client_id == ADMIN_CLIENT:
        client_id = f"kordon-{ADMIN_CLIENT}"
    elif type(verdict) is Forward:
        return collected.chunks
    if isinstance(verdict.plan, Mended) and verdict.plan.version is not None:
        head = head._replace(api_version=verdict.plan.version)
    header = request_head_bytes(head, client_id)
    if isinstance(verdict, Forward):
        return [with_prefix(header, memoryview(collected.frame())[head.body_offset :])]
    if isinstance(verdict.request, list):
        pieces = verdict.request
        size = len(header) + sum(map(len, pieces))
        return [size.to_bytes(4, "big") + header, *pieces]
    return [with_prefix(header, encode(verdict.request))]


def read_answer(exchange: Exchange, frame: bytes) -> Reading:
    """Decode a collected answer; `frame` has its length prefix. Raises MalformedBody, MalformedHeader."""
    key, version, plan = exchange.head.api_key, exchange.head.api_version, exchange.plan
    if isinstance(plan, Mended) and plan.version is not None:
        version = plan.version
    body = frame[4:]
    offset = peek_response(body, key, version).body_offset
    return read_response(key, version, body, offset)


def mended_frame(exchange: Exchange, frame: bytes, reading: Reading, response: Any) -> bytes:
    """The frame that leaves: the broker's own where nothing changed and nothing unseen is in it."""
    if response is reading.message and reading.exact:
        return frame
    return response_frame(response, exchange.correlation_id)


def unread_head(unsupported: UnsupportedVersion) -> RequestHead:
    """The head of a request whose version has no schema: as much of it as can be read in any version."""
    return RequestHead(
        api_key=unsupported.api_key,
        api_version=unsupported.api_version,
        correlation_id=unsupported.correlation_id,
        client_id=None,
        body_offset=0,
    )


FAULTS: Final[Mapping[type[ProtocolError], str]] = {
    FrameTooLarge: "size",
    FrameTooSmall: "size",
    UnknownApi: "unknown-api",
    UnsupportedVersion: "version",
    MalformedHeader: "header",
    MalformedBody: "body",
}


def fault(error: ProtocolError) -> str:
    """What was wrong with a client's frame, in one word; for metrics."""
    return FAULTS.get(type(error), "body")


def api_name(apis: Mapping[int, Api], error: ProtocolError, head: RequestHead | None) -> str | None:
    """What a request that cannot be read was for, if that is known; a key that nobody knows is its number."""
    if head is not None:
        key = head.api_key
    elif isinstance(error, UnknownApi | UnsupportedVersion):
        key = error.api_key
    else:
        return None
    api = apis.get(key)
    return str(key) if api is None else api.name


OWN: Final = Api(key=-1, name="Own", versions=range(0))
"""ApiVersions and the login, which Kordon ends itself."""
