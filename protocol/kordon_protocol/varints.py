"""Unsigned variable-length integers (KIP-482: lengths, counts and tags of flexible versions)."""

from typing import TypeAlias

from kordon_protocol.errors import MalformedBody

Buffer: TypeAlias = bytes | bytearray | memoryview

# Java reads them into an int, so that a larger number would mean one thing to the broker and another to us.
LARGEST = 2**31 - 1

LONGEST_STRING = 2**15 - 1
"""Bytes of a string in any version. Compact lengths could say more, which Kafka neither writes nor reads (its generated
messages see to that), so no name that a client chooses is larger."""


def encode_varint(value: int) -> bytes:
    """Return the shortest encoding of a number from 0 to 2^31 - 1."""
    if value < 0x80:
        return _SMALL[value]
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def read_varint(buffer: Buffer, offset: int) -> tuple[int, int]:
    """Return the number at offset and the offset behind it.

    Raises `IndexError` where the buffer ends too early and `MalformedBody` on numbers over 2^31 - 1.
    """
    byte = buffer[offset]
    offset += 1
    if byte < 0x80:
        return byte, offset
    value = byte & 0x7F
    for shift in (7, 14, 21, 28):
        byte = buffer[offset]
        offset += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value > LARGEST:
                break
            return value, offset
    raise MalformedBody("variable-length integer over 2147483647")


_SMALL = tuple(bytes((value,)) for value in range(0x80))
