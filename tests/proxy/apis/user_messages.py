"""Requests about quotas and credentials of users, for tests."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from kordon_protocol.codec import request_type
from kordon_protocol.keys import ApiKey
from kordon_proxy.judging.entries import make, struct_type
from tests.proxy.apis.messages import a_request, asked

EXACT, DEFAULT, ANY = range(3)
"""How a filter of quotas matches the name of an entity: this one, that of the default, whichever."""
SALT, SALTED = b"the-very-salt", b"the-salted-password-has-32-bytes"
QUOTA: Final[Mapping[str, float | None]] = {"producer_byte_rate": 1_000_000_000.0}
"""A quota that slows nobody down."""

Entity = tuple[tuple[str, str | None], ...]
"""Pairs of type and name; a name of None is the default."""


def describe_quotas(version: int, *components: tuple[str, int, str | None], strict: bool = False) -> Any:
    key = ApiKey.DESCRIBE_CLIENT_QUOTAS
    entries = (
        asked(key, version, "components", entity_type=kind, match_type=how, match=name)
        for kind, how, name in components
    )
    return a_request(key, version, components=tuple(entries), strict=strict)


def alter_quotas(
    version: int, *entities: Entity, values: Mapping[str, float | None] = QUOTA, validate: bool = False
) -> Any:
    """The same for each entity; a value of None removes it."""
    key = ApiKey.ALTER_CLIENT_QUOTAS
    kind = struct_type(request_type(key, version), "entries")
    wanted = tuple(
        make(struct_type(kind, "ops"), key=name, value=0.0 if value is None else value, remove=value is None)
        for name, value in values.items()
    )
    entries = (
        make(
            kind,
            entity=tuple(make(struct_type(kind, "entity"), entity_type=of, entity_name=name) for of, name in entity),
            ops=wanted,
        )
        for entity in entities
    )
    return a_request(key, version, entries=tuple(entries), validate_only=validate)


def entity_of(entry: Any) -> Entity:
    """That of an entry of an answer or a request."""
    return tuple((part.entity_type, part.entity_name) for part in entry.entity)


def describe_credentials(*users: str, everybody: bool = False) -> Any:
    key = ApiKey.DESCRIBE_USER_SCRAM_CREDENTIALS
    entries = tuple(asked(key, 0, "users", name=name) for name in users)
    return a_request(key, 0, users=None if everybody else entries)


def alter_credentials(*, delete: Iterable[str] = (), write: Iterable[str] = (), mechanism: int = 1) -> Any:
    key = ApiKey.ALTER_USER_SCRAM_CREDENTIALS
    deletions = (asked(key, 0, "deletions", name=name, mechanism=mechanism) for name in delete)
    upsertions = (
        asked(key, 0, "upsertions", name=name, mechanism=mechanism, iterations=8192, salt=SALT, salted_password=SALTED)
        for name in write
    )
    return a_request(key, 0, deletions=tuple(deletions), upsertions=tuple(upsertions))
