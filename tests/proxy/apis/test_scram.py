"""SCRAM credentials in a tenant: of its users alone, and never what they are made of."""

import json
from collections.abc import Mapping
from typing import Any, Final

import pytest
from kio.schema.errors import ErrorCode

from kordon_protocol.keys import ApiKey
from kordon_proxy.apis.scram import APIS
from kordon_proxy.judging.may import May
from tests.proxy.apis.exchanges import never, pass_through, row
from tests.proxy.apis.messages import a_response, said
from tests.proxy.apis.user_messages import SALT, SALTED, alter_credentials, describe_credentials
from tests.proxy.apis.verdicts import refused
from tests.proxy.judging.worlds import make_may

KEY, ALTER_KEY = ApiKey.DESCRIBE_USER_SCRAM_CREDENTIALS, ApiKey.ALTER_USER_SCRAM_CREDENTIALS
DESCRIBE, ALTER = row(APIS, KEY), row(APIS, ALTER_KEY)
POLICY: Final = """
policies:
  - {resource: [cluster, "*", principal, "User:acme-*"], effect: Allow, actions: [ACL_EDIT], role: devs}
  - {resource: [cluster, "*", principal, "User:acme-root"], effect: Deny, actions: [ACL_EDIT], role: devs}
  - {resource: [cluster, "*", principal, "User:acme-ask"], effect: Stage, actions: [ACL_EDIT], role: devs}
tenants:
  - name: acme
    resources: &acme [{include: [cluster, "*", principal, "User:acme-*"]}]
    roles: [devs, readers]
  - name: strict
    resources: *acme
    roles: [devs]
    outside_view: denied
"""
CAF: Final = ErrorCode.cluster_authorization_failed
GONE: Final = ErrorCode.resource_not_found
NONE: Final = ErrorCode.none


def of(*roles: str, tenant: str = "acme") -> May:
    return make_may(POLICY, roles or ("devs",), tenant)


# DescribeUserScramCredentials


def a_broker(*users: str) -> Any:
    """Has credentials of these users, and answers in the order of a hash table."""

    def answer(request: Any) -> Any:
        wanted = sorted({user.name for user in request.users} or users, key=lambda name: name[::-1])
        known = (said(KEY, 0, "results", "credential_infos", mechanism=1, iterations=4096),)
        results = (
            said(KEY, 0, "results", user=name, credential_infos=known)
            if name in users
            else said(
                KEY,
                0,
                "results",
                user=name,
                error_code=GONE,
                error_message=f"Attempt to describe a user credential that does not exist: {name}",
            )
            for name in wanted
        )
        return a_response(KEY, 0, results=tuple(results))

    return answer


def outcome(answer: Any) -> list[tuple[str, ErrorCode]]:
    return [(result.user, result.error_code) for result in answer.results]


@pytest.mark.parametrize("request_for_all", [describe_credentials(), describe_credentials(everybody=True)])
@pytest.mark.parametrize("who", ["devs", "readers"])
def test_of_all_users_the_tenants_are_shown_and_it_needs_no_action(request_for_all: Any, who: str) -> None:
    passage = pass_through(DESCRIBE, request_for_all, of(who), a_broker("globex-al", "acme-bo", "kordon", "acme-al"))

    assert passage.heard == describe_credentials()  # a null means the same, and fails a broker that refuses
    assert outcome(passage.got) == [("acme-al", NONE), ("acme-bo", NONE)]
    assert passage.got == pass_through(DESCRIBE, describe_credentials(), of(who), a_broker("acme-bo", "acme-al")).got


def test_a_user_outside_the_view_has_no_credentials_as_one_that_does_not_exist() -> None:
    may = of()

    passage = pass_through(
        DESCRIBE, describe_credentials("globex-al", "acme-al", "acme-no"), may, a_broker("acme-al", "globex-al")
    )

    assert passage.heard == describe_credentials("acme-al", "acme-no")
    hidden, _, missing = passage.got.results
    assert outcome(passage.got) == [("globex-al", GONE), ("acme-al", NONE), ("acme-no", GONE)]
    assert hidden.error_message.replace("globex-al", "acme-no") == missing.error_message
    assert refused(may) == [("hidden", "User:globex-al")]


def test_when_nobody_is_left_to_ask_for_the_broker_is_not_asked_for_everybody() -> None:
    got = pass_through(DESCRIBE, describe_credentials("globex-al", "globex-no", ""), of(), never).got
    assert outcome(got) == [("globex-al", GONE), ("globex-no", GONE), ("", GONE)]


def test_a_tenant_that_wants_to_be_told_is_denied_users_outside() -> None:
    got = pass_through(
        DESCRIBE, describe_credentials("globex-al", "acme-al"), of(tenant="strict"), a_broker("acme-al")
    ).got
    assert outcome(got) == [("globex-al", CAF), ("acme-al", NONE)]


def test_a_user_that_is_named_twice_is_refused_once_wherever_he_is() -> None:
    users = ("globex-al", "acme-al", "acme-bo", "acme-al", "globex-al")

    passage = pass_through(DESCRIBE, describe_credentials(*users), of(), a_broker("acme-al", "acme-bo"))

    assert passage.heard == describe_credentials("acme-bo")
    twice = ErrorCode.duplicate_resource
    assert outcome(passage.got) == [("globex-al", twice), ("acme-al", twice), ("acme-bo", NONE)]


def test_the_brokers_text_is_not_passed_on() -> None:
    def broker(_: Any) -> Any:
        return a_response(KEY, 0, error_code=CAF, error_message="principal User:kordon")

    got = pass_through(DESCRIBE, describe_credentials(), of(), broker).got
    assert (got.error_code, got.error_message) == (CAF, "Cluster authorization failed.")


# AlterUserScramCredentials


def altered(request: Any) -> Any:
    """Brokers answer each user once, in the order of a hash table."""
    names = sorted({entry.name for entry in (*request.deletions, *request.upsertions)}, key=lambda name: name[::-1])
    results = (said(ALTER_KEY, 0, "results", user=name, error_message=None) for name in names)
    return a_response(ALTER_KEY, 0, results=tuple(results))


def test_credentials_of_the_tenants_users_are_altered_and_all_others_refused_in_their_places() -> None:
    may = of()
    request = alter_credentials(delete=("globex-al", "acme-al"), write=("acme-bo", "globex-bo", "acme-cy"))

    passage = pass_through(ALTER, request, may, altered)

    assert passage.heard == alter_credentials(delete=("acme-al",), write=("acme-bo", "acme-cy"))
    assert outcome(passage.got) == [
        ("globex-al", GONE),
        ("acme-al", NONE),
        ("acme-bo", NONE),
        ("globex-bo", CAF),
        ("acme-cy", NONE),
    ]
    deleted, *_, written, _ = passage.got.results
    assert deleted.error_message == "Attempt to delete a user credential that does not exist"
    assert written.error_message == "principal User:globex-bo is outside the tenant acme"
    assert refused(may) == [("hidden", "User:globex-al"), ("hidden", "User:globex-bo")]


def test_a_request_that_is_allowed_as_a_whole_is_passed_on_as_it_is() -> None:
    request = alter_credentials(delete=("acme-al",), write=("acme-al", "acme-bo"))

    passage = pass_through(ALTER, request, of(), altered)

    assert passage.heard == request
    assert outcome(passage.got) == [("acme-al", NONE), ("acme-bo", NONE)]


@pytest.mark.parametrize("tenant", ["acme", "strict"])
def test_nothing_is_altered_outside_the_view_and_nobody_is_asked(tenant: str) -> None:
    request = alter_credentials(delete=("globex-al", "globex-bo"), write=("globex-bo", "kordon"))

    got = pass_through(ALTER, request, of(tenant=tenant), never).got

    only_deleted = GONE if tenant == "acme" else CAF
    assert outcome(got) == [("globex-al", only_deleted), ("globex-bo", CAF), ("kordon", CAF)]


@pytest.mark.parametrize(
    ("who", "user", "code", "how"),
    [
        ("devs", "acme-root", CAF, "denied"),
        ("devs", "acme-ask", ErrorCode.policy_violation, "staged"),
        ("readers", "acme-al", CAF, "denied"),
    ],
)
@pytest.mark.parametrize("what", ["delete", "write"])
def test_altering_takes_acl_edit_on_the_principal(who: str, user: str, code: ErrorCode, how: str, what: str) -> None:
    may = of(who)
    named: Mapping[str, Any] = {what: (user,)}

    (result,) = pass_through(ALTER, alter_credentials(**named), may, never).got.results

    assert result.error_code is code
    assert "ACL_EDIT" in result.error_message
    assert refused(may) == [(how, f"User:{user}")]


def test_a_request_for_nobody_is_answered_by_the_broker() -> None:
    assert pass_through(ALTER, alter_credentials(), of(), altered).got.results == ()


def test_the_brokers_words_are_not_passed_on() -> None:
    def broker(_: Any) -> Any:
        result = said(ALTER_KEY, 0, "results", user="acme-al", error_code=CAF, error_message="principal User:kordon")
        return a_response(ALTER_KEY, 0, results=(result,))

    (result,) = pass_through(ALTER, alter_credentials(delete=("acme-al",)), of(), broker).got.results
    assert result.error_message == "Cluster authorization failed."


def test_the_audit_tells_whose_credentials_and_never_what_they_are_made_of() -> None:
    assert ALTER.parameters is not None
    told = ALTER.parameters(alter_credentials(delete=("acme-al",), write=("acme-bo",), mechanism=2), None)

    assert told == {
        "deleted": [{"user": "acme-al", "mechanism": "SCRAM-SHA-512"}],
        "set": [{"user": "acme-bo", "mechanism": "SCRAM-SHA-512", "iterations": 8192}],
    }
    assert not [secret for secret in (SALT, SALTED) if secret.decode() in json.dumps(told)]
