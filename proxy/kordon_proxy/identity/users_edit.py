"""Change a users file: one writer at a time, the whole file or nothing, readable by its owner only."""

import base64
import secrets
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

from kordon_proxy.config.document import Plain
from kordon_proxy.config.findings import Mistake
from kordon_proxy.config.quantities import spell_instant
from kordon_proxy.principals import fault_of

from . import edited
from .edited import Content, Kind
from .scrypt import ScryptHash, hash_password, parse_scrypt
from .users import MAX_CREDENTIALS, parse_users

HEAD: Final = """\
# Made by `kordon users`, which also rewrites it: comments of your own are lost.
# It holds hashes of passwords, never passwords. Keep it readable by Kordon only (mode 0600).
"""
LEAST_PASSWORD: Final = 8
MOST_PASSWORD: Final = 256


def _new() -> Content:
    return {"fake_salt_key": base64.b64encode(secrets.token_bytes(32)).decode("ascii"), "users": {}}


KIND: Final = Kind(head=HEAD, new=_new, check=lambda text, source: parse_users(text, source).findings)


def edit(path: Path, *, create: bool = False) -> AbstractContextManager[Content]:
    """Give the content of a users file to be changed in place, and write it when that went well.

    Raises Refused for a file with mistakes, Mistake for a change that would make some, OSError.
    """
    return edited.edit(path, KIND, create=create)


def new_password() -> str:
    """Return a password that nobody can guess: 32 letters, digits, hyphens and underscores."""
    return secrets.token_urlsafe(24)


def check_password(password: str) -> None:
    """Raise Mistake for a password that is short, or that clients might send in different bytes."""
    if not (password.isascii() and password.isprintable()):
        raise Mistake("a password is of printable ASCII characters: clients differ in how they send others")
    if not LEAST_PASSWORD <= len(password) <= MOST_PASSWORD:
        raise Mistake(f"a password has {LEAST_PASSWORD} to {MOST_PASSWORD} characters")


def add_user(
    content: Content,
    name: str,
    password: str,
    *,
    roles: tuple[str, ...] = (),
    default_tenant: str | None = None,
    expires: float | None = None,
) -> str:
    """Add a user with one password. Returns the id of the credential."""
    users = _users(content)
    if name in users:
        raise Mistake(f"there is a user {name} already; `kordon users passwd` changes the password")
    if fault := fault_of(name):
        raise Mistake(f"the name {fault}")
    credential = _credential(content, password, expires)
    users[name] = (
        {"roles": list(roles)}
        | ({"default_tenant": default_tenant} if default_tenant is not None else {})
        | {"credentials": [credential]}
    )
    return str(credential["id"])


def remove_user(content: Content, name: str) -> None:
    """Remove a user with all passwords."""
    _user(content, name)
    del _users(content)[name]


def set_password(content: Content, name: str, password: str, *, expires: float | None = None) -> str:
    """Replace all passwords of a user by one, at once. Returns its id."""
    user = _user(content, name)
    credential = _credential(content, password, expires)
    user["credentials"] = [credential]
    return str(credential["id"])


def rotate(content: Content, name: str, password: str, *, expires: float | None = None) -> str:
    """Add a second password to a user, so that clients can move to it one by one. Returns its id."""
    credentials = _credentials(content, name)
    if len(credentials) >= MAX_CREDENTIALS:
        raise Mistake(f"{name} has two passwords already; `kordon users retire` takes the older one away")
    # The same salt, so that a failed login costs one hash whether a rotation is going on or not.
    credential = _credential(content, password, expires, like=parse_scrypt(str(credentials[0]["scrypt"])))
    credentials.append(credential)
    return str(credential["id"])


def retire(content: Content, name: str, credential_id: str | None = None) -> str:
    """Take one of two passwords away: the older one, or the one of this id. Returns its id."""
    credentials = _credentials(content, name)
    ids = [str(credential["id"]) for credential in credentials]
    if credential_id is not None and credential_id not in ids:
        raise Mistake(f"{name} has no credential {credential_id}; there is {', '.join(ids)}")
    if len(credentials) < 2:
        raise Mistake(f"{name} has one password only; `kordon users rotate` adds another, `remove` removes the user")
    gone = credentials.pop(ids.index(credential_id) if credential_id is not None else 0)
    return str(gone["id"])


def _users(content: Content) -> dict[str, Any]:
    users: Any = content.setdefault("users", {})
    found: dict[str, Any] = users
    return found


def _user(content: Content, name: str) -> dict[str, Any]:
    user: dict[str, Any] | None = _users(content).get(name)
    if user is None:
        raise Mistake(f"there is no user {name}")
    return user


def _credentials(content: Content, name: str) -> list[dict[str, Any]]:
    credentials: list[dict[str, Any]] = _user(content, name)["credentials"]
    return credentials


def _credential(
    content: Content, password: str, expires: float | None, *, like: ScryptHash | None = None
) -> dict[str, Plain]:
    check_password(password)
    taken = {str(credential["id"]) for user in _users(content).values() for credential in user["credentials"]}
    credential_id = secrets.token_hex(4)
    while credential_id in taken:
        credential_id = secrets.token_hex(4)
    made: dict[str, Plain] = {"id": credential_id, "scrypt": str(hash_password(password, like=like))}
    if expires is not None:
        made["expires"] = spell_instant(expires)
    return made
