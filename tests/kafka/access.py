"""Who may come to the brokers themselves: ACLs, quotas and credentials, of tenants and of nobody's."""

import time
from collections.abc import Mapping
from typing import Any, Final

from kordon_proxy.apis.bindings import CLUSTER, EVERYBODY, GROUP, PREFIXED, TRANSACTIONAL_ID, USER, Binding
from tests.kafka.requests import Things, errors_of
from tests.kafka.wire import Wire
from tests.proxy.apis.acl_messages import binding, create, describe, prefixed
from tests.proxy.apis.user_messages import (
    Entity,
    alter_credentials,
    alter_quotas,
    describe_credentials,
    describe_quotas,
    entity_of,
)

CREATE_TOKENS: Final = 13
NOBODYS: Final[tuple[Entity, ...]] = (
    (("user", None),),
    (("user", None), ("client-id", None)),
    (("client-id", "app"),),
    (("client-id", None),),
    (("ip", "10.9.8.7"),),
    (("ip", None),),
)
"""Quotas of no user: they are for whoever comes."""
CONNECTIONS: Final[Mapping[str, float | None]] = {"connection_creation_rate": 1_000_000.0}


def acls_of(one: Things) -> tuple[Binding, ...]:
    """What lets a principal use its own things."""
    who = one.principal
    return (
        binding(one.topic, who),
        prefixed(f"{one.topic}.", who, operation=4),
        binding(one.group, who, kind=GROUP, host="10.0.0.1"),
        binding(one.transactional_id, who, kind=TRANSACTIONAL_ID, operation=4),
        binding(who, who, kind=USER, operation=CREATE_TOKENS),
    )


def acls_between(one: Things, other: Things) -> tuple[Binding, ...]:
    """What is neither's alone: of each principal on the other's topic, of everybody, on everything."""
    return (
        binding(one.topic, other.principal),
        binding(other.topic, one.principal),
        binding(one.topic, EVERYBODY),
        binding("*", one.principal),
        binding("a", one.principal, pattern=PREFIXED),
        binding("acme.", one.principal, pattern=PREFIXED),  # a part of that is kept from Acme
        binding("kafka-cluster", one.principal, kind=CLUSTER, operation=7),
        binding(other.principal, one.principal, kind=USER, operation=CREATE_TOKENS),
    )


def quotas_of(one: Things) -> tuple[Entity, ...]:
    return (("user", one.user),), (("user", one.user), ("client-id", "app")), (("user", one.user), ("client-id", None))


def settle(wire: Wire, *all_things: Things, between: tuple[Things, Things]) -> None:
    """Give ACLs, quotas and credentials to each, and some to nobody in particular."""
    ours, theirs = between
    each = tuple({one.user: one for one in all_things}.values())
    acls = [acl for one in each for acl in acls_of(one)]
    addresses = [entity for entity in NOBODYS if entity[0][0] == "ip"]
    others = [entity for entity in NOBODYS if entity[0][0] != "ip"]
    for request in (
        create(3, *acls, *acls_between(ours, theirs)),
        alter_quotas(1, *others, *(entity for one in each for entity in quotas_of(one))),
        alter_quotas(1, *addresses, values=CONNECTIONS),
        alter_credentials(write=[one.user for one in each]),
    ):
        answer = wire.ask(request).message
        assert not errors_of(answer), answer
    while len(access(wire)[2]) < len(each):  # brokers hear of it a moment later
        time.sleep(0.02)


def access(wire: Wire) -> tuple[set[Binding], dict[frozenset[Any], Any], dict[str, Any]]:
    """All ACLs; entities with their quotas; users with their credentials."""
    acls, quotas, credentials = (
        reply.message for reply in wire.ask_all([describe(3), describe_quotas(1), describe_credentials()])
    )
    return (
        set(Binding.described(acls)),
        {frozenset(entity_of(entry)): sorted((v.key, v.value) for v in entry.values) for entry in quotas.entries},
        {one.user: sorted((c.mechanism, c.iterations) for c in one.credential_infos) for one in credentials.results},
    )
