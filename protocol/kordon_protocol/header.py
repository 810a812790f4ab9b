"""Request and response headers, read and written without decoding the body.

Schemas: RequestHeader.json, ResponseHeader.json. The client id is an old-style two-byte-length nullable string even
in header version 2, so that a broker can read the header of an ApiVersions request that it does not know.
"""

import struct
from typing import NamedTuple

from kordon_protocol.errors import MalformedBody, MalformedHeader, UnknownApi, UnsupportedVersion
from kordon_protocol.keys import is_flexible, response_header_version
from kordon_protocol.tagged import MOST_FIELDS
from kordon_protocol.varints import Buffer, read_varint

_FIXED = struct.Struct(">hhih")  # key, version, correlation id, length of the client id
_INT32 = struct.Struct(">i")

LEAST_REQUEST = 8
"""Bytes of the shortest header that a broker ever accepted (version 0, without a client id)."""


class RequestHead(NamedTuple):
    """What stands before the body of a request. `body_offset` counts from the start of the frame."""

    api_key: int
    api_version: int
    correlation_id: int
    client_id: str | None
    body_offset: int


class ResponseHead(NamedTuple):
    """What stands before the body of a response. `body_offset` counts from the start of the frame."""

    correlation_id: int
    body_offset: int


def peek_request(frame: Buffer, start: int = 0) -> RequestHead:
    """Read the header of a request from a frame that begins at start, behind its length prefix if it has one.

    Tagged fields of the header are skipped, known or not. Raises `MalformedHeader`, and `UnknownApi` or
    `UnsupportedVersion` (which carry key, version and correlation id) where there is no schema to go on with.
    """
    try:
        api_key, api_version, correlation_id, client_id_length = _FIXED.unpack_from(frame, start)
    except struct.error:
        raise MalformedHeader(f"request header cut off after {max(0, len(frame) - start)} bytes") from None
    flexible = _FLEXIBLE.get((api_key, api_version))
    if flexible is None:
        flexible = _flexible_or_refused(api_key, api_version, correlation_id)
    client_id = None
    offset = start + _FIXED.size
    if client_id_length >= 0:
        client_id, offset = _client_id(frame, offset, offset + client_id_length)
    elif client_id_length != -1:
        raise MalformedHeader(f"client id of {client_id_length} bytes")
    if flexible:
        offset = _skip_tags(frame, offset)
    return RequestHead(api_key, api_version, correlation_id, client_id, offset - start)


def peek_response(frame: Buffer, api_key: int, api_version: int) -> ResponseHead:
    """Read the header of a response to a request of that key and version, from a frame without its length prefix.

    Raises `MalformedHeader`, `UnknownApi`, `UnsupportedVersion`.
    """
    try:
        (correlation_id,) = _INT32.unpack_from(frame)
    except struct.error:
        raise MalformedHeader(f"response header cut off after {len(frame)} bytes") from None
    offset = _INT32.size
    if response_header_version(api_key, api_version) == 1:
        offset = _skip_tags(frame, offset)
    return ResponseHead(correlation_id=correlation_id, body_offset=offset)


def request_header(api_key: int, api_version: int, correlation_id: int, client_id: str | None) -> bytes:
    """Write the header of a request, without tagged fields. Raises `UnknownApi`, `UnsupportedVersion`."""
    encoded = b"" if client_id is None else client_id.encode()
    length = -1 if client_id is None else len(encoded)
    tags = b"\x00" if is_flexible(api_key, api_version) else b""
    return _FIXED.pack(api_key, api_version, correlation_id, length) + encoded + tags


def request_head_bytes(head: RequestHead, client_id: str | None) -> bytes:
    """Write a header like head but with another client id. Tagged fields are dropped: none of them is defined."""
    return request_header(head.api_key, head.api_version, head.correlation_id, client_id)


def response_header(api_key: int, api_version: int, correlation_id: int) -> bytes:
    """Write the header of a response, without tagged fields. Raises `UnknownApi`, `UnsupportedVersion`."""
    tags = b"\x00" if response_header_version(api_key, api_version) == 1 else b""
    return _INT32.pack(correlation_id) + tags


def _flexible_or_refused(api_key: int, api_version: int, correlation_id: int) -> bool:
    try:
        known = _FLEXIBLE[api_key, api_version] = is_flexible(api_key, api_version)
    except UnknownApi:
        raise UnknownApi(api_key, api_version, correlation_id) from None
    except UnsupportedVersion:
        raise UnsupportedVersion(api_key, api_version, correlation_id) from None
    return known


def _client_id(frame: Buffer, start: int, end: int) -> tuple[str, int]:
    if end > len(frame):
        raise MalformedHeader("client id cut off")
    try:
        return str(frame[start:end], "utf-8"), end
    except UnicodeDecodeError:
        raise MalformedHeader("client id is not valid UTF-8") from None


def _skip_tags(frame: Buffer, offset: int) -> int:
    try:
        if frame[offset] == 0:  # nearly always
            return offset + 1
        count, offset = read_varint(frame, offset)
        if count > MOST_FIELDS:
            raise MalformedHeader(f"{count} tagged fields in the header")
        for _ in range(count):
            _, offset = read_varint(frame, offset)
            size, offset = read_varint(frame, offset)
            offset += size
    except (IndexError, MalformedBody):
        raise MalformedHeader("tagged fields of the header cut off") from None
    if offset > len(frame):
        raise MalformedHeader("tagged fields of the header cut off")
    return offset


# One dictionary in place of several cached calls: this is looked up for every request.
_FLEXIBLE: dict[tuple[int, int], bool] = {}
