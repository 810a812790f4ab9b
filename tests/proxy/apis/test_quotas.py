"""Quotas in a tenant: those of its users are its own, all others belong to the whole cluster."""

import math
from collections.abc import Iterable
from typing import Any, Final

import pytest
from kio.schema.errors import ErrorCode

from kordon_protocol.keys import ApiKey
from kordon_proxy.apis.quotas import APIS
from kordon_proxy.judging.may import May
from kordon_proxy.judging.table import Record
from kordon_proxy.redaction import masked
from tests.proxy.apis.exchanges import never, pass_through, row
from tests.proxy.apis.messages import a_response, said
from tests.proxy.apis.user_messages import ANY, DEFAULT, EXACT, Entity, alter_quotas, describe_quotas, entity_of
from tests.proxy.apis.verdicts import refused
from tests.proxy.judging.worlds import make_may

DESCRIBE, ALTER = row(APIS, ApiKey.DESCRIBE_CLIENT_QUOTAS), row(APIS, ApiKey.ALTER_CLIENT_QUOTAS)
VERSIONS: Final = range(2)
POLICY: Final = """
policies:
  - {resource: [cluster, "*", principal, "User:acme-*"], effect: Allow, actions: [QUOTA_EDIT], role: devs}
  - {resource: [cluster, "*", principal, "User:acme-root"], effect: Deny, actions: [QUOTA_EDIT], role: devs}
  - {resource: [cluster, "*", principal, "User:acme-ask"], effect: Stage, actions: [QUOTA_EDIT], role: devs}
  - {resource: [cluster, "*"], effect: Allow, actions: [QUOTA_EDIT], role: owners}
tenants:
  - name: acme
    resources: &acme [{include: [cluster, "*", principal, "User:acme-*"]}]
    roles: [devs, readers]
  - name: strict
    resources: *acme
    roles: [devs]
    outside_view: denied
  - name: platform
    resources: [{include: [cluster, "*"]}, {exclude: [cluster, "*", principal, "User:hr-*"]}]
    roles: [owners, devs]
"""
CAF: Final = ErrorCode.cluster_authorization_failed
NONE: Final = ErrorCode.none
OWN: Final[tuple[Entity, ...]] = (
    (("user", "acme-al"),),
    (("client-id", "app"), ("user", "acme-al")),
    (("client-id", None), ("user", "acme-bo")),
)
WHOLE: Final[tuple[Entity, ...]] = (
    (("user", None),),
    (("client-id", None), ("user", None)),
    (("client-id", "acme-app"),),
    (("client-id", None),),
    (("ip", "10.1.2.3"),),
    (("ip", None),),
)
FOREIGN: Final[tuple[Entity, ...]] = ((("user", "globex-al"),), (("client-id", "acme-app"), ("user", "globex-al")))


def of(*roles: str, tenant: str = "acme") -> May:
    return make_may(POLICY, roles or ("devs",), tenant)


# DescribeClientQuotas


def a_broker(*entities: Entity, **values: Any) -> Any:
    def answer(request: Any) -> Any:
        version = request.__version__
        entries = (
            said(
                DESCRIBE.key,
                version,
                "entries",
                entity=tuple(
                    said(DESCRIBE.key, version, "entries", "entity", entity_type=kind, entity_name=name)
                    for kind, name in entity
                ),
            )
            for entity in entities
        )
        return a_response(DESCRIBE.key, version, **{"entries": tuple(entries), **values})

    return answer


def shown(answer: Any) -> list[Entity]:
    return [tuple((part.entity_type, part.entity_name) for part in entry.entity) for entry in answer.entries]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("who", ["devs", "readers"])
@pytest.mark.parametrize("components", [(), (("user", ANY, None),), (("user", DEFAULT, None),), (("ip", ANY, None),)])
def test_of_all_quotas_those_of_the_tenants_users_are_shown_and_it_needs_no_action(
    version: int, who: str, components: tuple[Any, ...]
) -> None:
    request = describe_quotas(version, *components)

    passage = pass_through(DESCRIBE, request, of(who), a_broker(*WHOLE, *OWN, *FOREIGN))

    assert passage.heard == request
    assert sorted(shown(passage.got), key=repr) == sorted(OWN, key=repr)


def test_the_whole_cluster_is_shown_all_quotas_but_those_of_users_that_it_excludes() -> None:
    hr = ((("user", "hr-al"),), (("client-id", "x"), ("user", "hr-al")))

    got = pass_through(
        DESCRIBE, describe_quotas(1), of("owners", tenant="platform"), a_broker(*WHOLE, *OWN, *hr, *FOREIGN)
    ).got

    assert set(shown(got)) == {*WHOLE, *OWN, *FOREIGN}


def test_the_order_of_what_is_shown_tells_nothing_of_what_else_there_is() -> None:
    alone = pass_through(DESCRIBE, describe_quotas(1), of(), a_broker(*OWN)).got

    assert pass_through(DESCRIBE, describe_quotas(1), of(), a_broker(*reversed((*FOREIGN, *OWN)))).got == alone


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("also", [(), (("client-id", EXACT, "app"),), (("client-id", ANY, None),)])
def test_of_a_user_outside_the_view_there_are_no_quotas_and_nobody_is_asked(
    version: int, also: tuple[Any, ...]
) -> None:
    may = of()

    got = pass_through(DESCRIBE, describe_quotas(version, *also, ("user", EXACT, "globex-al")), may, never).got
    denied = pass_through(
        DESCRIBE, describe_quotas(version, ("user", EXACT, "globex-al")), of(tenant="strict"), never
    ).got

    assert got == pass_through(DESCRIBE, describe_quotas(version, ("user", EXACT, "acme-no")), of(), a_broker()).got
    assert refused(may) == [("hidden", "User:globex-al")]
    assert (denied.error_code, denied.entries) == (CAF, None)


@pytest.mark.parametrize("how", [EXACT, DEFAULT])
def test_a_name_is_judged_however_it_is_to_be_matched(how: int) -> None:
    """A broker takes a name only with an exact match; it is not told foreign ones to say so."""
    assert pass_through(DESCRIBE, describe_quotas(1, ("user", how, "globex-al")), of(), never).got.entries == ()


def test_an_address_that_is_named_belongs_to_the_whole_cluster() -> None:
    request = describe_quotas(1, ("ip", EXACT, "10.1.2.3"))
    may = of()

    hidden = pass_through(DESCRIBE, request, may, never).got
    denied = pass_through(DESCRIBE, request, of(tenant="strict"), never).got
    shown_all = pass_through(DESCRIBE, request, of("owners", tenant="platform"), a_broker(*WHOLE[-2:])).got

    assert (hidden.error_code, hidden.entries) == (NONE, ())
    assert [how for how, _ in refused(may)] == ["hidden"]
    assert (denied.error_code, denied.entries) == (CAF, None)
    assert set(shown(shown_all)) == set(WHOLE[-2:])


def test_an_error_of_the_brokers_has_no_entries_and_not_its_words() -> None:
    broker = a_broker(entries=None, error_code=CAF, error_message="principal User:kordon")

    got = pass_through(DESCRIBE, describe_quotas(1), of(), broker).got

    assert (got.error_code, got.error_message, got.entries) == (CAF, "Cluster authorization failed.", None)


def test_a_filter_that_names_no_user_where_it_should_is_the_brokers_to_refuse() -> None:
    request = describe_quotas(1, ("user", EXACT, None))

    assert pass_through(DESCRIBE, request, of(), a_broker()).heard == request


# AlterClientQuotas


def altered(request: Any) -> Any:
    """Brokers answer in the order of a hash table, and the parts of an entity too; each entity once."""
    version, entities = request.__version__, {frozenset(entity): entity for entity in map(entity_of, request.entries)}
    entries = (
        said(
            ALTER.key,
            version,
            "entries",
            error_message=None,
            entity=tuple(
                said(ALTER.key, version, "entries", "entity", entity_type=kind, entity_name=name)
                for kind, name in reversed(entity)
            ),
        )
        for entity in reversed(entities.values())
    )
    return a_response(ALTER.key, version, entries=tuple(entries))


def outcome(answer: Any) -> list[tuple[frozenset[Any], ErrorCode]]:
    return [(frozenset(entity_of(entry)), entry.error_code) for entry in answer.entries]


def expected(entities: Iterable[Entity], *codes: ErrorCode) -> list[tuple[frozenset[Any], ErrorCode]]:
    return list(zip(map(frozenset, entities), codes, strict=True))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("validate", [True, False])
def test_quotas_of_the_tenants_users_are_altered_and_all_others_are_refused_in_their_places(
    version: int, validate: bool
) -> None:
    mixed = [entity for pair in zip(OWN, WHOLE, strict=False) for entity in pair] + list(FOREIGN)

    passage = pass_through(ALTER, alter_quotas(version, *mixed, validate=validate), of(), altered)

    assert passage.heard == alter_quotas(version, *OWN, validate=validate)
    assert outcome(passage.got) == expected(mixed, *[NONE, CAF] * 3, CAF, CAF)
    assert all(entry.error_message for entry in passage.got.entries if entry.error_code)


@pytest.mark.parametrize("tenant", ["acme", "strict"])
@pytest.mark.parametrize("entity", [*WHOLE, *FOREIGN, (), (("foo", "acme-al"),)])
def test_what_concerns_others_is_refused_and_nobody_is_asked(entity: Entity, tenant: str) -> None:
    may = of(tenant=tenant)

    got = pass_through(ALTER, alter_quotas(1, entity), may, never).got

    assert outcome(got) == expected([entity], CAF)
    assert [how for how, _ in refused(may)] == ["hidden"]


def test_a_user_outside_is_said_to_be_outside() -> None:
    (entry,) = pass_through(ALTER, alter_quotas(1, FOREIGN[0]), of(), never).got.entries
    assert entry.error_message == "principal User:globex-al is outside the tenant acme"


@pytest.mark.parametrize(
    ("who", "user", "code", "how"),
    [
        ("devs", "acme-root", CAF, "denied"),
        ("devs", "acme-ask", ErrorCode.policy_violation, "staged"),
        ("readers", "acme-al", CAF, "denied"),
    ],
)
def test_altering_takes_quota_edit_on_the_principal(who: str, user: str, code: ErrorCode, how: str) -> None:
    may = of(who)

    (entry,) = pass_through(ALTER, alter_quotas(1, (("user", user),)), may, never).got.entries

    assert entry.error_code is code
    assert "QUOTA_EDIT" in entry.error_message
    assert refused(may) == [(how, f"User:{user}")]


def test_the_whole_clusters_quotas_take_quota_edit_on_the_cluster() -> None:
    everything = (*WHOLE, *OWN)

    allowed = pass_through(ALTER, alter_quotas(1, *everything), of("owners", tenant="platform"), altered).got
    denied = pass_through(ALTER, alter_quotas(1, *everything), of("devs", tenant="platform"), altered).got

    assert dict(outcome(allowed)) == dict.fromkeys(map(frozenset, everything), NONE)
    assert outcome(denied) == expected(everything, *[CAF] * len(WHOLE), *[NONE] * len(OWN))


@pytest.mark.parametrize(
    "entity",
    [
        (("user", "acme-al"), ("user", "globex-al")),
        (("user", "globex-al"), ("user", "acme-al")),
        (("user", "acme-al"), ("user", None)),
        (("user", "acme-al"), ("client-id", "a"), ("client-id", "b")),
    ],
)
def test_an_entity_of_two_names_of_which_brokers_take_the_last_is_refused(entity: Entity) -> None:
    for who in (of(), of("owners", tenant="platform")):
        (entry,) = pass_through(ALTER, alter_quotas(1, entity), who, never).got.entries
        assert entry.error_code is ErrorCode.invalid_request


def test_an_entity_that_comes_twice_is_answered_once_as_the_broker_does() -> None:
    passage = pass_through(ALTER, alter_quotas(1, OWN[0], FOREIGN[0], OWN[0]), of(), altered)

    assert passage.heard == alter_quotas(1, OWN[0], OWN[0])
    assert outcome(passage.got) == expected([OWN[0], FOREIGN[0]], NONE, CAF)


def test_only_looking_whether_it_could_be_done_changes_nothing() -> None:
    assert ALTER.record_for(alter_quotas(1, OWN[0], validate=True)) is Record.COUNTED
    assert ALTER.record_for(alter_quotas(1, OWN[0])) is Record.EVENT


def test_the_audit_tells_whose_quotas_become_what() -> None:
    assert ALTER.parameters is not None
    told = ALTER.parameters(
        alter_quotas(1, OWN[1], WHOLE[0], values={"producer_byte_rate": math.nan, "request_percentage": None}), None
    )

    assert masked(told) == {
        "quotas": [
            {"entity": {"client-id": "app", "user": "acme-al"}, "values": values}
            for values in ({"producer_byte_rate": "nan", "request_percentage": None},)
        ]
        + [{"entity": {"user": None}, "values": {"producer_byte_rate": "nan", "request_percentage": None}}],
        "validate_only": False,
    }
