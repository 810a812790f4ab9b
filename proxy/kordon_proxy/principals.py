"""Which names may be a principal. Names are literal everywhere: nothing in one is ever a pattern."""

import unicodedata
from typing import Final

MAX_NAME: Final = 256
"""Bytes of UTF-8."""
RESERVED: Final = frozenset({"*", "ANONYMOUS"})


def fault_of(name: str) -> str | None:
    """Say what keeps the name from being a principal, as the end of a sentence; None for a good one."""
    try:
        size = len(name.encode("utf-8"))
    except UnicodeEncodeError:
        return "is no valid Unicode"
    if size == 0:
        return "is empty"
    if size > MAX_NAME:
        return f"has {size} bytes, limit {MAX_NAME}"
    if name in RESERVED:
        return f"is `{name}`, which stands for others"
    if name != name.strip():
        return "begins or ends with a space"
    if any(unicodedata.category(character) in {"Cc", "Zl", "Zp"} for character in name):
        return "holds a control character"
    return None
