"""Which names may be a principal. Names are literal everywhere: nothing in one is ever a pattern."""

import unicodedata
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

MAX_NAME: Final = 256
"""Bytes of UTF-8."""
OWN: Final = "kordon"
"""Who does, in the audit, what Kordon does by itself. So nobody else is called that."""
RESERVED: Final[Mapping[str, str]] = MappingProxyType(
    {"*": "stands for others", "ANONYMOUS": "stands for others", OWN: "is Kordon itself in the audit"}
)
"""Names that are nobody's, and why."""


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
        return f"is `{name}`, which {RESERVED[name]}"
    if name != name.strip():
        return "begins or ends with a space"
    # What is printable holds none; it is asked first as it takes no loop.
    if not name.isprintable() and any(unicodedata.category(one) in {"Cc", "Zl", "Zp"} for one in name):
        return "holds a control character"
    return None
