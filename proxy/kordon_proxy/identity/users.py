"""`users.yaml`: who may log in by a password, and which roles that gives. The file holds hashes, never passwords."""

import base64
import binascii
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from kordon_proxy.config.document import Document, read
from kordon_proxy.config.findings import Finding, Mistake, Refused, Severity
from kordon_proxy.config.mistakes import finding, findings_of
from kordon_proxy.config.quantities import parse_instant
from kordon_proxy.config.section import Section
from kordon_proxy.config.values import OneOrMore, Role
from kordon_proxy.principals import fault_of

from .scrypt import LOG_N, ScryptHash, parse_scrypt

MAX_CREDENTIALS: Final = 2
MAX_LOGIN_NAME: Final = 255


def _parse_scrypt(value: object) -> ScryptHash:
    if isinstance(value, ScryptHash):
        return value
    try:
        return parse_scrypt(value if isinstance(value, str) else "")
    except ValueError as error:
        raise Mistake(str(error), "`kordon users passwd` makes a new one") from None


def _check_key(text: str) -> str:
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        key = b""
    if len(key) < 16:
        raise Mistake("the key must be base64 of 16 bytes or more", "`kordon users` makes one when the line is missing")
    return text


class CredentialEntry(Section):
    """One password of a user, as the file has it."""

    id: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]
    expires: Annotated[float, BeforeValidator(lambda value: parse_instant(str(value)))] | None = None
    scrypt: Annotated[ScryptHash, BeforeValidator(_parse_scrypt)]


class UserEntry(Section):
    """One user, as the file has it."""

    roles: Annotated[tuple[Role, ...], OneOrMore()] = ()
    default_tenant: Annotated[str, Field(min_length=1)] | None = None
    credentials: Annotated[tuple[CredentialEntry, ...], Field(min_length=1, max_length=MAX_CREDENTIALS)]


class UsersEntry(Section):
    """The whole file."""

    fake_salt_key: Annotated[str, AfterValidator(_check_key), Field(repr=False)]
    users: Mapping[str, UserEntry] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """One password of a user. While a password is changed there are two."""

    id: str
    scrypt: ScryptHash
    expires: float | None = None

    def is_live(self, now: float) -> bool:
        """Whether it may still be used."""
        return self.expires is None or now < self.expires


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Who may log in, with the roles that come with it."""

    name: str
    roles: frozenset[str] = frozenset()
    default_tenant: str | None = None
    credentials: tuple[Credential, ...] = ()

    def credential(self, credential_id: str | None) -> Credential | None:
        """The credential of that id, unless it has been taken away."""
        return next((credential for credential in self.credentials if credential.id == credential_id), None)


@dataclass(frozen=True, kw_only=True)
class Users:
    """The users of one file at one time."""

    by_name: Mapping[str, User] = field(default_factory=dict)

    @cached_property
    def usual_cost(self) -> int:
        """The cost (log n) of most hashes: what an unknown user is made to cost."""
        costs = Counter(credential.scrypt.log_n for user in self.by_name.values() for credential in user.credentials)
        return costs.most_common(1)[0][0] if costs else LOG_N


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedUsers:
    """What a users file gave: users unless there are errors, and all findings."""

    users: Users | None
    document: Document | None
    findings: tuple[Finding, ...]


def load_users(path: Path, *, separators: Iterable[str] = ()) -> LoadedUsers:
    """Read a users file. Raises OSError.

    `separators` are the tenant suffixes of the listeners that use it: a name may not hold one.
    """
    return parse_users(path.read_bytes(), str(path), separators=separators)


def parse_users(content: bytes | str, source: str, *, separators: Iterable[str] = ()) -> LoadedUsers:
    """Read the text of a users file."""
    try:
        document = read(content, source)
        entry = UsersEntry.model_validate(document.value)
    except Refused as refused:
        return LoadedUsers(users=None, document=None, findings=refused.findings)
    except ValidationError as error:
        findings = tuple(findings_of(error, document, UsersEntry))
        return LoadedUsers(users=None, document=document, findings=findings)
    findings = tuple(_check(entry, document, tuple(separators)))
    faulty = any(found.severity is Severity.ERROR for found in findings)
    users = None if faulty else Users(by_name={name: _user(name, user) for name, user in entry.users.items()})
    return LoadedUsers(users=users, document=document, findings=findings)


def _user(name: str, entry: UserEntry) -> User:
    return User(
        name=name,
        roles=frozenset(entry.roles),
        default_tenant=entry.default_tenant,
        credentials=tuple(
            Credential(id=credential.id, scrypt=credential.scrypt, expires=credential.expires)
            for credential in entry.credentials
        ),
    )


def _check(entry: UsersEntry, document: Document, separators: tuple[str, ...]) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    costs = {credential.scrypt.log_n for user in entry.users.values() for credential in user.credentials}
    for name, user in entry.users.items():
        where = ("users", name)
        if fault := fault_of(name) or _too_long(name):
            yield finding(document, where, f"the name {fault}", "take another one", key=True)
        for separator in separators:
            if separator in name:
                message = f"the name holds `{separator}`, behind which a listener expects a tenant"
                yield finding(document, where, message, "another name, or another `tenant_suffix`", key=True)
        for index, credential in enumerate(user.credentials):
            if credential.id in seen:
                message = f"the credential id is taken by {seen[credential.id]}"
                yield finding(document, (*where, "credentials", index, "id"), message)
            seen[credential.id] = name
        if len({credential.scrypt.salt for credential in user.credentials}) > 1:
            message = "two passwords with different salts: a failed login takes twice as long as for others"
            hint = "`kordon users rotate` gives both the same salt"
            yield finding(document, (*where, "credentials"), message, hint, severity=Severity.WARNING)
    if len(costs) > 1:
        message = "hashes of different cost: the time of a failed login tells which users exist"
        yield finding(document, ("users",), message, "renew the cheaper ones", severity=Severity.WARNING)


def _too_long(name: str) -> str | None:
    return None if len(name.encode("utf-8", "replace")) <= MAX_LOGIN_NAME else f"is over {MAX_LOGIN_NAME} bytes"
