"""Who has which roles: the users and groups files of one moment, and what the listeners say."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from kordon_proxy.config.files import is_open
from kordon_proxy.config.findings import Finding, Refused
from kordon_proxy.config.listeners import Listener
from kordon_proxy.config.model import Config
from kordon_proxy.watched import WatchedFile

from .groups import Groups, parse_groups
from .tokens import Tokens, parse_tokens
from .users import User, Users, parse_users
from .values import NO_LOGIN, Facts

NO_ROLES: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """What a listener says of those who come in by it."""

    tenant: str | None = None
    roles: frozenset[str] = NO_ROLES
    """The roles of everybody, where there is no login."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """Everything that identities are made of, but the policy. Immutable; a changed file makes a new one."""

    revision: int = 0
    users: Mapping[str, Users] = field(default_factory=dict)
    """By provider."""
    groups: Groups = field(default_factory=dict)
    doors: Mapping[str, Door] = field(default_factory=dict)
    """By listener."""
    tokens: Tokens = field(default_factory=Tokens)
    """Of the admin API."""

    def user(self, facts: Facts) -> User | None:
        """The user that the facts are about; None where the provider keeps none, or not any more."""
        users = self.users.get(facts.provider) if facts.provider is not None else None
        return None if users is None else users.by_name.get(facts.name)


def anonymous(listener: Listener) -> Facts:
    """Return what is known of everybody at a listener without login. Raises ValueError at one with a login."""
    if listener.identity is None:
        raise ValueError(f"listener {listener.name} has a login")
    return Facts(mechanism=NO_LOGIN, name=listener.identity.principal)


class DirectoryFiles:
    """Keeps the directory up to date with its files. `current` is the newest one."""

    def __init__(self, config: Config) -> None:
        """Read the files. Raises Refused with every mistake in them, OSError."""
        self._allow_open = config.allow_open_files
        self._suffixes = suffixes_of(config)
        self._users = {name: self._watch_users(name, provider.file) for name, provider in config.providers.items()}
        self._groups = None if config.groups_file is None else self._watch_groups(config.groups_file)
        api = config.admin.api
        self._tokens = None if api is None else self._watch_tokens(api.tokens)
        self._watched: tuple[WatchedFile[Any], ...] = (
            *self._users.values(),
            *(file for file in (self._groups, self._tokens) if file is not None),
        )
        self._doors = {listener.name: door_of(listener) for listener in config.listeners}
        self.current = self._directory(revision=1)

    async def poll(self) -> bool:
        """Read what has changed; to be called every few seconds. Never raises.

        Says whether there is a new directory, or another problem than before.
        """
        before = [file.value for file in self._watched]
        changed = [await file.poll() for file in self._watched]
        if any(file.value is not value for file, value in zip(self._watched, before, strict=True)):
            self.current = self._directory(revision=self.current.revision + 1)
        return any(changed)

    @property
    def problems(self) -> tuple[str, ...]:
        """Why the newest version of a file is not in use. The last good one is."""
        return tuple(file.problem for file in self._watched if file.problem is not None)

    def _directory(self, revision: int) -> Directory:
        return Directory(
            revision=revision,
            users={name: file.value for name, file in self._users.items()},
            groups=self._groups.value if self._groups is not None else {},
            doors=self._doors,
            tokens=self._tokens.value if self._tokens is not None else Tokens(),
        )

    def _watch_users(self, provider: str, path: Path) -> WatchedFile[Users]:
        return WatchedFile(path, lambda content: self._read_users(provider, path, content), mode_matters=True)

    def _watch_groups(self, path: Path) -> WatchedFile[Groups]:
        return WatchedFile(path, lambda content: parse_groups(content, str(path)))

    def _watch_tokens(self, path: Path) -> WatchedFile[Tokens]:
        return WatchedFile(path, lambda content: self._read_tokens(path, content), mode_matters=True)

    def _read_tokens(self, path: Path, content: bytes) -> Tokens:
        self._is_closed(path)
        loaded = parse_tokens(content, str(path))
        if loaded.tokens is None:
            raise Refused(loaded.findings)
        return loaded.tokens

    def _is_closed(self, path: Path) -> None:
        if not self._allow_open and is_open(path):
            raise Refused(
                [Finding(message="others may read this file", hint=f"chmod 600 {path.name}", source=str(path))]
            )

    def _read_users(self, provider: str, path: Path, content: bytes) -> Users:
        self._is_closed(path)
        loaded = parse_users(content, str(path), separators=self._suffixes.get(provider, ()))
        if loaded.users is None:
            raise Refused(loaded.findings)
        return loaded.users


def door_of(listener: Listener) -> Door:
    """Return what a listener says of those who come in by it."""
    roles = frozenset(listener.identity.roles) if listener.identity is not None else NO_ROLES
    return Door(tenant=listener.tenant, roles=roles)


def suffixes_of(config: Config) -> dict[str, tuple[str, ...]]:
    """Return by provider the separators behind which its listeners expect a tenant: no user name may hold one."""
    found: dict[str, tuple[str, ...]] = {}
    for listener in config.listeners:
        for provider in listener.sasl.values():
            if listener.tenant_suffix is not None:
                found[provider] = (*found.get(provider, ()), listener.tenant_suffix)
    return found
