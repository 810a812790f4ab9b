"""Sections of tagged fields (KIP-482): a count, then for each field its tag, its size and its value."""

from typing import Final

from kordon_protocol.errors import MalformedBody
from kordon_protocol.varints import Buffer, read_varint

MOST_FIELDS: Final = 1_000
"""In one section; schemas define up to ten. Each costs time to skip, and a frame has room for millions."""


def tagged_fields(buffer: Buffer, offset: int) -> tuple[dict[int, tuple[int, int]], int]:
    """Return by tag where each value begins and ends, and the offset behind the section.

    Raises `IndexError` where the buffer ends too early, and `MalformedBody` for more than `MOST_FIELDS`, and for tags
    that are repeated or out of order: two readers could understand them in two ways.
    """
    count, offset = read_varint(buffer, offset)
    if count > MOST_FIELDS:
        raise MalformedBody(f"{count} tagged fields in one section")
    fields: dict[int, tuple[int, int]] = {}
    last = -1
    for _ in range(count):
        tag, offset = read_varint(buffer, offset)
        size, offset = read_varint(buffer, offset)
        if tag <= last:
            raise MalformedBody(f"tagged field {tag} after {last}")
        last = tag
        fields[tag] = offset, offset + size
        offset += size
    if offset > len(buffer):
        raise IndexError
    return fields, offset
