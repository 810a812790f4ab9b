"""Decode and encode messages: kio's native reader where it can, the tolerant one where it refuses what is legal.

Only `MalformedBody` comes out of decoding, whatever the bytes are (`UnknownApi` and `UnsupportedVersion` where there is
no schema). Encoding takes messages of our own making, so there a fault is a `TypeError` or `ValueError`.
"""

import struct
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple, TypeAlias

from kio.index import load_request_schema, load_response_schema
from kio.serial import entity_reader

from kordon_protocol.bounds import walk_of
from kordon_protocol.errors import MalformedBody, UnsupportedVersion
from kordon_protocol.frames import with_prefix
from kordon_protocol.header import request_header, response_header
from kordon_protocol.keys import versions
from kordon_protocol.shapes import Entity
from kordon_protocol.tolerant import TolerantReader
from kordon_protocol.writer import writer_of


class Reading(NamedTuple):
    """A message, and whether it holds all that its bytes say.

    Where it does not (an unknown tagged field, an unknown error code), the bytes must not be passed on in its place.
    """

    message: Any
    exact: bool


Reader: TypeAlias = Callable[[bytes, int], tuple[Reading, int]]
"""From bytes and the offset of a message to the message and the offset behind it. Raises `MalformedBody`."""


@cache  # kio looks its modules up by name each time
def request_type(api_key: int, api_version: int) -> Entity:
    """Return kio's class of a request. Raises `UnknownApi`, `UnsupportedVersion`."""
    return _schema(load_request_schema, api_key, api_version)


@cache
def response_type(api_key: int, api_version: int) -> Entity:
    """Return kio's class of a response. Raises `UnknownApi`, `UnsupportedVersion`."""
    return _schema(load_response_schema, api_key, api_version)


def decode_request(api_key: int, api_version: int, body: bytes, offset: int = 0) -> Any:
    """Return the request that begins at offset. What follows it is ignored, as a broker does."""
    return read_request(api_key, api_version, body, offset).message


def decode_response(api_key: int, api_version: int, body: bytes, offset: int = 0) -> Any:
    """Return the response that takes the body from offset to its end."""
    return read_response(api_key, api_version, body, offset).message


def read_request(api_key: int, api_version: int, body: bytes, offset: int = 0) -> Reading:
    """Like `decode_request`, and say whether the body may be forwarded as it is."""
    reader = _REQUEST_READERS.get((api_key, api_version))
    if reader is None:
        reader = _REQUEST_READERS[api_key, api_version] = reader_of(request_type(api_key, api_version))
    reading, end = reader(body, offset)
    # Brokers do not look at what follows a request, and librdkafka 2.16 has three bytes too many behind a Metadata
    # request for all topics. They are read as a broker reads them, and not passed on.
    return reading if end == len(body) else Reading(reading.message, exact=False)


def read_response(api_key: int, api_version: int, body: bytes, offset: int = 0) -> Reading:
    """Like `decode_response`, and say whether the body may be relayed as it is."""
    reader = _RESPONSE_READERS.get((api_key, api_version))
    if reader is None:
        reader = _RESPONSE_READERS[api_key, api_version] = reader_of(response_type(api_key, api_version))
    return _whole(reader, body, offset)


def request_frame(request: Any, correlation_id: int, client_id: str | None) -> bytes:
    """Return a whole request: length prefix, header, body."""
    header = request_header(request.__api_key__, request.__version__, correlation_id, client_id)
    return with_prefix(header, encode(request))


def response_frame(response: Any, correlation_id: int) -> bytes:
    """Return a whole response: length prefix, header, body."""
    header = response_header(response.__api_key__, response.__version__, correlation_id)
    return with_prefix(header, encode(response))


def encode(message: Any) -> bytes:
    """Return the bytes of any message or struct of kio. Raises `TypeError`, `ValueError` where one does not fit."""
    entity: Entity = type(message)
    out = bytearray()
    try:
        writer_of(entity)(message, out)
    except (AttributeError, struct.error) as error:
        raise ValueError(f"cannot encode {entity.__name__}: {error}") from error
    return bytes(out)


@cache
def reader_of(entity: Entity) -> Reader:
    """Return the reader of any message or struct of kio."""
    walk = walk_of(entity)
    read_natively = entity_reader(entity)

    def read(buffer: bytes, offset: int) -> tuple[Reading, int]:
        try:
            end = walk(buffer, offset)
        except (IndexError, struct.error):
            raise MalformedBody(f"body cut off at byte {len(buffer)}") from None
        try:
            message, size = read_natively(buffer, offset)
        except Exception:  # noqa: S110 -- kio has no common class for what it refuses
            pass
        else:
            if offset + size == end:
                return Reading(message, exact=True), end
        tolerant = TolerantReader(buffer, offset)
        return Reading(tolerant.read(entity), tolerant.exact), tolerant.offset

    return read


def _whole(reader: Reader, body: bytes, offset: int) -> Reading:
    reading, end = reader(body, offset)
    if end != len(body):
        raise MalformedBody(f"{len(body) - end} bytes behind the body")
    return reading


def _schema(load: Callable[[int, int], Entity], api_key: int, api_version: int) -> Entity:
    if api_version not in versions(api_key):
        raise UnsupportedVersion(api_key, api_version)
    return load(api_key, api_version)


_REQUEST_READERS: dict[tuple[int, int], Reader] = {}
_RESPONSE_READERS: dict[tuple[int, int], Reader] = {}
