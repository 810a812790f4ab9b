"""How the C library keeps the memory that the data path gives back."""

import ctypes
from typing import Final

_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
_ARENA_MAX: Final = -8
"""Names of `mallopt(3)`, from malloc.h."""
KEPT: Final = 16 << 20
"""Bytes of free memory that stay with the process."""
LARGE: Final = 2 << 20
"""Bytes from which a block is mapped on its own, and unmapped when it is freed."""


def keep_freed_memory() -> bool:
    """Let freed blocks be used again, in place of giving them back to the kernel at once. False where that cannot be.

    The event loop reads up to 256,000 bytes into a new object each time. glibc gives the end of its heap back when
    twice that is free, so that each read would fault in 62 pages anew: a seventh of the CPU time of produced bytes.

    All threads share one heap. With one for each, which glibc gives them so that they need not wait for each other,
    what one has freed is of no use to the next, and each reload of a large policy would leave some megabytes behind.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # another C library, which has its own ways
        return False
    return all([mallopt(_TRIM_THRESHOLD, KEPT), mallopt(_MMAP_THRESHOLD, LARGE), mallopt(_ARENA_MAX, 1)])
