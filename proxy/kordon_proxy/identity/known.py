"""Everybody whom a Kordon knows by name: who could come in, by what, and with which roles."""

from collections.abc import Mapping
from dataclasses import dataclass

from .directory import Directory


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPrincipal:
    """One principal. sources: where the roles come from, as `users staff`, `groups`, `token 7f3a`, `listener side`."""

    name: str
    roles: frozenset[str]
    sources: tuple[str, ...]


def known_principals(directory: Directory, fixed: Mapping[str, tuple[str, frozenset[str]]]) -> list[KnownPrincipal]:
    """All of them, by name. fixed: the principals of listeners without a login, by the names of these."""
    roles: dict[str, set[str]] = {}
    sources: dict[str, list[str]] = {}

    def add(name: str, held: frozenset[str], source: str) -> None:
        roles.setdefault(name, set()).update(held)
        sources.setdefault(name, []).append(source)

    for provider, users in directory.users.items():
        for user in users.by_name.values():
            add(user.name, user.roles, f"users {provider}")
    for token in directory.tokens.by_id.values():
        add(token.principal, token.roles, f"token {token.id}")
    for listener, (name, held) in fixed.items():
        add(name, held, f"listener {listener}")
    for name, held in directory.groups.items():
        add(name, held, "groups")
    return [
        KnownPrincipal(name=name, roles=frozenset(roles[name]), sources=tuple(sources[name])) for name in sorted(roles)
    ]
