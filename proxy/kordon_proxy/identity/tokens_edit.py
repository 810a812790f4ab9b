"""Change a tokens file: one writer at a time, the whole file or nothing, readable by its owner only."""

import secrets
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

from kordon_proxy.config.document import Plain
from kordon_proxy.config.findings import Mistake
from kordon_proxy.config.quantities import spell_instant

from . import edited
from .edited import Content, Kind
from .tokens import new_token, parse_tokens

HEAD: Final = """\
# Made by `kordon tokens`, which also rewrites it: comments of your own are lost.
# It holds hashes of tokens, never tokens. Keep it readable by Kordon only (mode 0600).
"""


def _new() -> Content:
    return {"tokens": {}}


KIND: Final = Kind(head=HEAD, new=_new, check=lambda text, source: parse_tokens(text, source).findings)


def edit(path: Path, *, create: bool = False) -> AbstractContextManager[Content]:
    """Give the content of a tokens file to be changed in place, and write it when that went well.

    Raises Refused for a file with mistakes, Mistake for a change that would make some, OSError.
    """
    return edited.edit(path, KIND, create=create)


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
        entry["expires"] = spell_instant(expires)
    tokens[token_id] = entry | {"sha256": digest}
    return token_id, text


def remove_token(content: Content, token_id: str) -> None:
    """Take a token away."""
    if token_id not in _tokens(content):
        raise Mistake(f"there is no token {token_id}; `kordon tokens list` shows them")
    del _tokens(content)[token_id]


def _tokens(content: Content) -> dict[str, Any]:
    tokens: Any = content.setdefault("tokens", {})
    found: dict[str, Any] = tokens
    return found
