"""The tagged fields at the end of a Fetch response from version 16 on: addresses of new leaders (KIP-951).

The length of a response has left long before its end is seen. So what takes their place must have the same length: the
rest is filled with a tagged field that no version knows, which every client has to skip (KIP-482).
"""

from collections.abc import Iterable
from typing import Final

from kordon_protocol.errors import MalformedBody
from kordon_protocol.scan.pieces import CUT_OFF, Endpoint, compact_length, count_of, encode_endpoint, endpoint
from kordon_protocol.tagged import tagged_fields
from kordon_protocol.varints import Buffer, encode_varint

_NODE_ENDPOINTS: Final = 0
# Far from the numbers that Kafka gives, which are counted up from 0, and of two, three and one byte.
_PADDING_TAGS: Final = (10_007, 1_000_007, 107)


def node_endpoints(section: Buffer) -> tuple[Endpoint, ...]:
    """Read the endpoints from the tagged fields at the end of a response. Raises `MalformedBody`."""
    try:
        fields, end = tagged_fields(section, 0)
        if end != len(section):
            raise MalformedBody(f"tagged fields end at byte {end} of {len(section)}")
        if _NODE_ENDPOINTS not in fields:
            return ()
        start, end = fields[_NODE_ENDPOINTS]
        return _endpoints(section[start:end])
    except CUT_OFF:
        raise MalformedBody("tagged fields cut off") from None


def endpoints_replacement(section: bytes, endpoints: Iterable[tuple[int, str, int, str | None]] = ()) -> bytes:
    """Return tagged fields of the length of section that hold the endpoints given and nothing else of it.

    Where they do not fit they are left out, and clients ask for metadata instead. An empty section stays as it is.
    Raises `ValueError` for one of two bytes: none with a field in it can be that short.
    """
    if len(section) == 1:
        return section
    endpoints = tuple(endpoints)
    if endpoints:
        value = _encoded(endpoints)
        field = encode_varint(_NODE_ENDPOINTS) + encode_varint(len(value)) + value
        filled = _filled(field, len(section))
        if filled is not None:
            return filled
    filled = _filled(b"", len(section))
    if filled is None:
        raise ValueError(f"no tagged field fits into {len(section)} bytes")
    return filled


def _filled(field: bytes, size: int) -> bytes | None:
    """A section of exactly that size with the field, or with none, and padding behind it if there is room."""
    if field and len(field) + 1 == size:
        return b"\x01" + field
    count = b"\x02" if field else b"\x01"
    for tag in map(encode_varint, _PADDING_TAGS):
        room = size - len(count) - len(field) - len(tag)
        for length_size in (1, 2, 3, 4):
            padding = room - length_size
            if padding >= 0 and len(encode_varint(padding)) == length_size:
                return count + field + tag + encode_varint(padding) + bytes(padding)
    return None


def _endpoints(value: Buffer) -> tuple[Endpoint, ...]:
    count, offset = count_of(compact_length, value, 0)
    found = []
    for _ in range(count):
        one, offset = endpoint(value, offset, flexible=True)
        found.append(one)
    if offset != len(value):
        raise MalformedBody(f"node endpoints end at byte {offset} of {len(value)}")
    return tuple(found)


def _encoded(endpoints: tuple[tuple[int, str, int, str | None], ...]) -> bytes:
    written = (encode_endpoint(one, flexible=True) for one in endpoints)
    return encode_varint(len(endpoints) + 1) + b"".join(written)
