"""`tokens.yaml`: who may use the admin API by a bearer token. The file holds hashes, never tokens.

A token is `kordon_ID_SECRET`, of which the secret has 256 random bits: nobody guesses it, so that a plain SHA-256 keeps
it as well as a slow hash would, and a wrong one costs nothing.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, ValidationError

from kordon_proxy.config.document import Document, read
from kordon_proxy.config.findings import Finding, Refused, has_errors
from kordon_proxy.config.mistakes import finding, findings_of
from kordon_proxy.config.quantities import parse_instant
from kordon_proxy.config.section import Section
from kordon_proxy.config.values import OneOrMore, Principal, Role

BEARER: Final = "BEARER"
"""The mechanism, as the audit tells it."""
PREFIX: Final = "kordon"
TokenId = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]


class TokenEntry(Section):
    """One token, as the file has it."""

    principal: Principal
    roles: Annotated[tuple[Role, ...], OneOrMore()] = ()
    default_tenant: Annotated[str, Field(min_length=1)] | None = None
    expires: Annotated[float, BeforeValidator(lambda value: parse_instant(str(value)))] | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", repr=False)]


class TokensEntry(Section):
    """The whole file."""

    tokens: Mapping[TokenId, TokenEntry] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What a bearer may do. expires: seconds since the epoch."""

    id: str
    principal: str
    roles: frozenset[str] = frozenset()
    default_tenant: str | None = None
    expires: float | None = None
    sha256: str = field(repr=False)

    def is_live(self, now: float) -> bool:
        """Whether it may still be used."""
        return self.expires is None or now < self.expires


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """The tokens of one file at one time."""

    by_id: Mapping[str, Token] = field(default_factory=dict)

    def find(self, text: str, now: float) -> Token | None:
        """The token that somebody shows, if it is one and has not ended. now: seconds since the epoch."""
        prefix, _, rest = text.partition("_")
        token_id, _, secret = rest.partition("_")
        token = self.by_id.get(token_id)
        if prefix != PREFIX or token is None or not token.is_live(now):
            return None
        return token if hmac.compare_digest(token.sha256, hash_secret(secret)) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedTokens:
    """What a tokens file gave: tokens unless there are errors, and all findings."""

    tokens: Tokens | None
    document: Document | None
    findings: tuple[Finding, ...]


def new_token(token_id: str) -> tuple[str, str]:
    """Make a token: its text, which is shown once, and what the file keeps of it."""
    secret = secrets.token_urlsafe(32)
    return f"{PREFIX}_{token_id}_{secret}", hash_secret(secret)


def hash_secret(secret: str) -> str:
    """What the file keeps of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def load_tokens(path: Path) -> LoadedTokens:
    """Read a tokens file. Raises OSError."""
    return parse_tokens(path.read_bytes(), str(path))


def parse_tokens(content: bytes | str, source: str) -> LoadedTokens:
    """Read the text of a tokens file."""
    try:
        document = read(content, source)
        entry = TokensEntry.model_validate(document.value)
    except Refused as refused:
        return LoadedTokens(tokens=None, document=None, findings=refused.findings)
    except ValidationError as error:
        findings = tuple(findings_of(error, document, TokensEntry))
        return LoadedTokens(tokens=None, document=document, findings=findings)
    findings = tuple(_check(entry, document))
    tokens = (
        None if has_errors(findings) else Tokens(by_id={key: _token(key, one) for key, one in entry.tokens.items()})
    )
    return LoadedTokens(tokens=tokens, document=document, findings=findings)


def _token(token_id: str, entry: TokenEntry) -> Token:
    return Token(
        id=token_id,
        principal=entry.principal,
        roles=frozenset(entry.roles),
        default_tenant=entry.default_tenant,
        expires=entry.expires,
        sha256=entry.sha256,
    )


def _check(entry: TokensEntry, document: Document) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for token_id, token in entry.tokens.items():
        if token.sha256 in seen:
            message = f"this is the hash of {seen[token.sha256]}, too"
            yield finding(document, ("tokens", token_id, "sha256"), message, "`kordon tokens add` makes a new one")
        seen[token.sha256] = token_id
