"""What may be written down of a value that might hold a secret.

Used by the log and the audit alike: one place says what a secret looks like. Both masks are a second line of defence.
The first one is that nobody hands a secret over.
"""

import math
import re
from collections.abc import Mapping, Set
from functools import lru_cache
from typing import Any, Final

MASK: Final = "***"

# `token` and `secret` alone would do for most; the rest are Kafka's own names (configs of type PASSWORD, KIP-554).
_SECRET_KEY: Final = re.compile(
    r"passw|passphrase|secret|token|authorization|jaas|hmac|salt|assertion|cookie|credentials?$"
    r"|private.?key|key(store)?.key|ssl.?key|(stored|server|access).?key|certificate.chain|truststore.certificates",
    re.IGNORECASE,
)
_SECRET_TEXT: Final = (
    (re.compile(r"\b(bearer|basic)(\s+)[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE), rf"\1\2{MASK}"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*"), MASK),  # JSON Web Token
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s/:@]*):[^\s/@]+@", re.IGNORECASE), rf"\1:{MASK}@"),
    (
        re.compile(
            r"((?:passw(?:or)?d|secret|token|assertion)[\"']?\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|[^\s,;&}]+)", re.IGNORECASE
        ),
        rf"\1{MASK}",
    ),
)


@lru_cache(maxsize=4096)  # bounded, as names of topics come by here too
def is_secret_key(key: str) -> bool:
    """Whether a value under that name is masked."""
    return _SECRET_KEY.search(key) is not None


def masked(value: Any, *, secret: bool = False) -> Any:
    """Return the value as plain JSON types, with every text beneath a secret name masked.

    Numbers and truth values are kept even there: a topic may be named `payments-token`, and the offsets beneath that
    name must stay in the audit. Bytes are never kept, only their number.
    """
    match value:
        case str():
            return MASK if secret else str(value)
        case bool() | int() | None:
            return value
        case float():
            return value if math.isfinite(value) else str(value)  # JSON has no word for NaN, a quota on the wire does
        case bytes() | bytearray() | memoryview():
            return f"{len(value)} bytes"
        case Mapping():
            return {str(key): masked(item, secret=secret or is_secret_key(str(key))) for key, item in value.items()}
        case Set():
            return [masked(item, secret=secret) for item in sorted(value, key=str)]
        case list() | tuple():
            return [masked(item, secret=secret) for item in value]
        case _:
            return MASK if secret else str(value)


def masked_text(text: str) -> str:
    """Return the text with what looks like a credential masked: bearer tokens, JWTs, `password=…`, `user:pass@`."""
    for pattern, replacement in _SECRET_TEXT:
        text = pattern.sub(replacement, text)
    return text
