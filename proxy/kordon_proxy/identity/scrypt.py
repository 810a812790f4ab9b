"""Memory-hard hashes of passwords (RFC 7914), written as `ln=15,r=8,p=1$salt$hash` with base64."""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from typing import Final

LOG_N: Final = 15
"""32 MiB and about 0.13 s for one hash."""
ACCEPTED: Final = range(14, 18)
BLOCK_SIZE: Final = 8
SALT_SIZE: Final = 16
HASH_SIZE: Final = 32
_FORM: Final = re.compile(r"ln=(\d{1,2}),r=8,p=1\$([A-Za-z0-9+/]{22,88}={0,2})\$([A-Za-z0-9+/]{43}=)", re.ASCII)


@dataclass(frozen=True, slots=True)
class ScryptHash:
    """A hash with all that it takes to check a password against it."""

    log_n: int
    salt: bytes = field(repr=False)
    hash: bytes = field(repr=False)

    def __str__(self) -> str:
        """The form in which files keep it."""
        salt, digest = (base64.b64encode(part).decode("ascii") for part in (self.salt, self.hash))
        return f"ln={self.log_n},r={BLOCK_SIZE},p=1${salt}${digest}"


def parse_scrypt(text: str) -> ScryptHash:
    """Return the hash that a text describes. Raises ValueError, which does not repeat the text."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError("this is no scrypt hash of the form ln=15,r=8,p=1$salt$hash")
    log_n = int(match[1])
    if log_n not in ACCEPTED:
        raise ValueError(f"scrypt with ln={log_n}: from {ACCEPTED[0]} to {ACCEPTED[-1]} is accepted")
    try:
        return ScryptHash(log_n, *(base64.b64decode(part, validate=True) for part in match.groups()[1:]))
    except binascii.Error:
        raise ValueError("salt or hash is not base64") from None


def hash_password(password: str, *, like: ScryptHash | None = None) -> ScryptHash:
    """Return a hash to keep, with a new salt, or with the salt and cost of another one. Takes about 0.13 s."""
    log_n, salt = (LOG_N, secrets.token_bytes(SALT_SIZE)) if like is None else (like.log_n, like.salt)
    return ScryptHash(log_n, salt, _scrypt(password, log_n, salt))


def matches(password: str, hashes: tuple[ScryptHash, ...]) -> frozenset[int]:
    """Return which of the hashes are of this password. Hashes that share cost and salt cost one computation."""
    computed: dict[tuple[int, bytes], bytes] = {}
    for known in hashes:
        key = (known.log_n, known.salt)
        if key not in computed:
            computed[key] = _scrypt(password, *key)
    return frozenset(
        index
        for index, known in enumerate(hashes)
        if hmac.compare_digest(computed[known.log_n, known.salt], known.hash)
    )


def _scrypt(password: str, log_n: int, salt: bytes) -> bytes:
    n = 1 << log_n
    # OpenSSL's own limit is 32 MiB, a little less than what ln=15 needs.
    memory = 128 * BLOCK_SIZE * (n + 2) + (1 << 20)
    return hashlib.scrypt(password.encode("utf-8"), salt=salt, n=n, r=BLOCK_SIZE, p=1, maxmem=memory, dklen=HASH_SIZE)
