"""Bodies of requests that nearly all connections send alike, so that they are read once and remembered."""

from typing import Final

Body = tuple[int, bytes]
"""Its version, and what it says."""
_SHORT: Final = 128
"""Bytes. Strangers may send any."""


def is_short(body: Body) -> bool:
    """Whether it is short enough to be remembered."""
    return len(body[1]) <= _SHORT
