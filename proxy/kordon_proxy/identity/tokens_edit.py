"""Change a tokens file: one writer at a time, the whole file or nothing, readable by its owner only."""

import contextlib
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import yaml

from kordon_proxy.config.document import Plain, read
from kordon_proxy.config.findings import Refused, has_errors

from .edited import Content, alone_in, replace_file
from .tokens import new_token, parse_tokens

HEAD: Final = """\
# Made by `kordon tokens`, which also rewrites it: comments of your own are lost.
# It holds hashes of tokens, never tokens. Keep it readable by Kordon only (mode 0600).
"""


class TokenFault(ValueError):
    """Why a tokens file is not changed as was asked for."""


@contextlib.contextmanager
def edit(path: Path, *, create: bool = False) -> Iterator[Content]:
    """Give the content of a tokens file to be changed in place, and write it when that went well.

    Raises Refused for a file with mistakes, TokenFault for a change that would make some, OSError.
    """
    path = path.resolve()  # a symbolic link stays one
    with alone_in(path.parent):
        content = _content(path, create=create)
        yield content
        text = HEAD + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000)
        findings = parse_tokens(text, str(path)).findings
        if has_errors(findings):
            raise TokenFault(findings[0].message)
        replace_file(path, text)


def add_token(
    content: Content,
    principal: str,
    *,
    roles: tuple[str, ...],
    default_tenant: str | None = None,
    expires: float | None = None,
) -> tuple[str, str]:
    """Add a token of a principal. Returns its id, and its text, which is kept nowhere."""
    tokens = _tokens(content)
    token_id = secrets.token_hex(4)
    while token_id in tokens:
        token_id = secrets.token_hex(4)
    text, digest = new_token(token_id)
    entry: dict[str, Plain] = {"principal": principal, "roles": list(roles)}
    if default_tenant is not None:
        entry["default_tenant"] = default_tenant
    if expires is not None:
        entry["expires"] = datetime.fromtimestamp(expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    tokens[token_id] = entry | {"sha256": digest}
    return token_id, text


def remove_token(content: Content, token_id: str) -> None:
    """Take a token away."""
    if token_id not in _tokens(content):
        raise TokenFault(f"there is no token {token_id}; `kordon tokens list` shows them")
    del _tokens(content)[token_id]


def _tokens(content: Content) -> dict[str, Any]:
    tokens: Any = content.setdefault("tokens", {})
    found: dict[str, Any] = tokens
    return found


def _content(path: Path, *, create: bool) -> Content:
    if create and not path.exists():
        return {"tokens": {}}
    text = path.read_bytes()
    loaded = parse_tokens(text, str(path))
    if has_errors(loaded.findings):
        raise Refused(loaded.findings)
    return read(text, str(path)).value
