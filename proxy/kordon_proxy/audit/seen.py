"""Which events have been seen: a topic has them at least once."""

from typing import Final

_BITS: Final = 1 << 16


class Seen:
    """Remembers numbers by writer, a bit each: a year of events is a few megabytes."""

    def __init__(self) -> None:
        self._blocks: dict[tuple[str, int], bytearray] = {}

    def is_new(self, writer: str, sequence: int) -> bool:
        """Remember the event, and say whether it had not been seen before."""
        block, at = divmod(sequence, _BITS)
        bits = self._blocks.setdefault((writer, block), bytearray(_BITS // 8))
        byte, bit = divmod(at, 8)
        if bits[byte] >> bit & 1:
            return False
        bits[byte] |= 1 << bit
        return True
