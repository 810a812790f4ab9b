"""ACLs, quotas and credentials among those of others: all that is listed, altered and deleted is the tenant's own."""

from typing import Any, Final

import pytest

from kordon_protocol.codec import decode_request
from kordon_protocol.header import peek_request
from kordon_protocol.keys import ApiKey
from kordon_proxy.apis.bindings import Binding
from kordon_proxy.table import APIS
from tests.kafka.access import access, acls_of, quotas_of
from tests.kafka.fixtures import Fresh
from tests.kafka.neighbours import Neighbours, is_acmes
from tests.kafka.requests import errors_of
from tests.kafka.tenants import eventually
from tests.proxy.apis.acl_messages import a_filter, binding, create, delete, describe, exact
from tests.proxy.apis.user_messages import (
    alter_credentials,
    alter_quotas,
    describe_credentials,
    describe_quotas,
    entity_of,
)

OUTSIDERS: Final = [pytest.param("foreign", id="foreign"), pytest.param("missing", id="missing")]


def outsider(neighbours: Neighbours, which: str) -> Any:
    return getattr(neighbours, which)[1]


@pytest.mark.parametrize("version", APIS[ApiKey.DESCRIBE_ACLS].versions)
def test_all_acls_are_all_acls_of_the_tenant(neighbours: Neighbours, version: int) -> None:
    with neighbours.through() as wire:
        reply = wire.ask(describe(version))

    found = Binding.described(reply.message)
    assert {*acls_of(neighbours.own), *acls_of(neighbours.idle)} <= set(found)
    assert all(is_acmes(one.resource_name) and is_acmes(one.principal) for one in found)
    assert not neighbours.traces(reply)


@pytest.mark.parametrize("version", APIS[ApiKey.DESCRIBE_CLIENT_QUOTAS].versions)
def test_all_quotas_are_all_quotas_of_the_tenants_users(neighbours: Neighbours, version: int) -> None:
    with neighbours.through() as wire:
        reply = wire.ask(describe_quotas(version))

    found = {frozenset(entity_of(entry)) for entry in reply.message.entries}
    assert {frozenset(entity) for one in (neighbours.own, neighbours.idle) for entity in quotas_of(one)} <= found
    assert all(is_acmes(dict(entity).get("user") or "") for entity in found)
    assert not neighbours.traces(reply)


@pytest.mark.parametrize("everybody", [True, False])
def test_all_credentials_are_all_credentials_of_the_tenants_users(neighbours: Neighbours, everybody: bool) -> None:
    with neighbours.through() as wire:
        reply = wire.ask(describe_credentials(everybody=everybody))

    found = [result.user for result in reply.message.results]
    assert {neighbours.own.user, neighbours.idle.user} <= set(found)
    assert all(map(is_acmes, found))
    assert not neighbours.traces(reply)


@pytest.mark.parametrize("which", OUTSIDERS)
@pytest.mark.parametrize("version", APIS[ApiKey.CREATE_ACLS].versions)
def test_acls_of_the_tenant_are_created_beside_those_that_are_refused(
    neighbours: Neighbours, fresh: Fresh, version: int, which: str
) -> None:
    own, other, state, host = neighbours.own, outsider(neighbours, which), neighbours.state(), fresh("host")
    first, last = binding(own.topic, own.principal, host=host), binding(own.group, own.principal, host=host, kind=3)
    with neighbours.through() as wire:
        reply = wire.ask(create(version, first, *acls_of(other), last))
        eventually(lambda: set(Binding.described(wire.ask(describe(3, host_filter=host)).message)) == {first, last})

    codes = [int(result.error_code) for result in reply.message.results]
    assert codes == [0, *[31] * len(acls_of(other)), 0]
    assert neighbours.state() == state


@pytest.mark.parametrize("version", APIS[ApiKey.DELETE_ACLS].versions)
def test_by_a_filter_for_all_only_the_tenants_acls_are_deleted(
    neighbours: Neighbours, fresh: Fresh, version: int
) -> None:
    own, foreign, host = neighbours.own, neighbours.foreign[2], fresh("host")
    ours = {binding(own.topic, own.principal, host=host), binding(own.topic, own.principal, host=host, operation=4)}
    theirs = {binding(foreign.topic, foreign.principal, host=host), binding(own.topic, foreign.principal, host=host)}
    with neighbours.direct() as direct, neighbours.through() as wire:
        # Given
        assert not errors_of(direct.ask(create(3, *ours, *theirs)).message)
        eventually(lambda: ours | theirs <= access(direct)[0])
        state, since = neighbours.state(), len(neighbours.tap.heard)

        # When
        reply = wire.ask(delete(version, {"host_filter": host}))
        heard = deletions(neighbours, since)
        eventually(lambda: not ours & access(direct)[0])

    # Then
    (result,) = reply.message.filter_results
    assert {Binding.deleted(one) for one in result.matching_acls} == ours
    assert sorted(heard, key=repr) == sorted((a_filter(version, **exact(one)) for one in ours), key=repr)
    assert not neighbours.traces(reply)
    assert neighbours.state() == state


def deletions(neighbours: Neighbours, since: int) -> list[Any]:
    """By which filters the broker has been asked to delete, on whatever connection."""
    found: list[Any] = []
    for frame in neighbours.tap.heard[since:]:
        head = peek_request(frame)
        if head.api_key == ApiKey.DELETE_ACLS:
            found += decode_request(head.api_key, head.api_version, frame, head.body_offset).filters
    return found


@pytest.mark.parametrize("which", OUTSIDERS)
@pytest.mark.parametrize("version", APIS[ApiKey.ALTER_CLIENT_QUOTAS].versions)
def test_quotas_of_the_tenant_are_altered_beside_those_that_are_refused(
    neighbours: Neighbours, fresh: Fresh, version: int, which: str
) -> None:
    other, state = outsider(neighbours, which), neighbours.state()
    first, last = (("user", fresh("acme-user")),), (("user", fresh("acme-user")), ("client-id", "app"))
    with neighbours.through() as wire:
        reply = wire.ask(alter_quotas(version, first, *quotas_of(other), (("client-id", "app"),), last))
        eventually(lambda: {frozenset(first), frozenset(last)} <= set(access(wire)[1]))
        wire.ask(alter_quotas(version, first, last, values={"producer_byte_rate": None}))

    assert [int(entry.error_code) for entry in reply.message.entries] == [0, 31, 31, 31, 31, 0]
    assert neighbours.state() == state


@pytest.mark.parametrize("which", OUTSIDERS)
def test_credentials_of_the_tenant_are_altered_beside_those_that_are_refused(
    neighbours: Neighbours, fresh: Fresh, which: str
) -> None:
    other, state = outsider(neighbours, which), neighbours.state()
    first, last = fresh("acme-user"), fresh("acme-user")
    with neighbours.through() as wire:
        written = wire.ask(alter_credentials(write=[first, other.user, last]))
        eventually(lambda: {first, last} <= set(access(wire)[2]))
        deleted = wire.ask(alter_credentials(delete=[first, other.user, last]))

    assert [(one.user, int(one.error_code)) for one in written.message.results] == [
        (first, 0),
        (other.user, 31),
        (last, 0),
    ]
    assert [int(one.error_code) for one in deleted.message.results] == [0, 91, 0]
    assert neighbours.state() == state
