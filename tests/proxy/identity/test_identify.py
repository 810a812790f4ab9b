"""Identity is derived from facts: again for each snapshot, and never more than the facts give."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kordon_proxy.identity.directory import Directory, Door
from kordon_proxy.identity.identify import Identities, identify, identify_again
from kordon_proxy.identity.users import Users
from kordon_proxy.identity.values import NO_LOGIN, Facts, Identity, Refused
from tests.proxy.identity.talk import PEER, a_directory, a_snapshot, a_user, some_users

ALICE = Facts(mechanism="PLAIN", provider="staff", name="alice", credential="alice-1")
ANONYMOUS = Facts(mechanism=NO_LOGIN, name="svc-trade")


def facts(tenant: str | None = None) -> Facts:
    return Facts(mechanism="PLAIN", provider="staff", name="alice", credential="alice-1", tenant=tenant)


def users(*roles: str, default_tenant: str | None = None) -> Users:
    return some_users(a_user("alice", roles=roles, default_tenant=default_tenant))


def reason_of(outcome: Identity | Refused) -> str:
    assert isinstance(outcome, Refused)
    return outcome.reason


def tenant_of(outcome: Identity | Refused) -> str | None:
    assert isinstance(outcome, Identity), outcome
    return outcome.tenant


def test_roles_are_those_of_the_users_file_and_the_groups_file_that_the_policy_names() -> None:
    directory = Directory(
        users={"staff": users("devs", "strangers")},
        groups={"alice": frozenset({"owners", "guests"}), "bob": frozenset({"devs"})},
        doors={"apps": Door()},
    )

    assert identify(ALICE, PEER, a_snapshot(), directory) == Identity(
        principal="alice", roles=frozenset({"devs", "owners"}), tenant="Trading"
    )


def test_a_listeners_roles_are_for_those_without_login_only() -> None:
    directory = a_directory(users("devs"), Door(roles=frozenset({"owners"})))

    known = identify(ALICE, PEER, a_snapshot(), directory)
    anonymous = identify(ANONYMOUS, PEER, a_snapshot(), directory)

    assert isinstance(known, Identity)
    assert known.roles == {"devs"}
    assert isinstance(anonymous, Identity)
    assert (anonymous.principal, anonymous.roles) == ("svc-trade", frozenset({"owners"}))


def test_a_star_is_never_a_role_that_somebody_has() -> None:
    snapshot = a_snapshot("admin_roles: [owners]\nauthorized_roles: ['*']\npolicies: []\n")

    outcome = identify(ALICE, PEER, snapshot, a_directory(users("*", "owners")))

    assert isinstance(outcome, Identity)
    assert outcome.roles == {"owners"}


def test_no_authorized_role_is_refused_with_the_reason() -> None:
    assert reason_of(identify(ALICE, PEER, a_snapshot(), a_directory(users()))) == "no role of alice may log in"


def test_a_user_that_was_removed_is_refused() -> None:
    directory = a_directory(some_users(a_user("bob")))

    assert "taken away" in reason_of(identify(ALICE, PEER, a_snapshot(), directory))


def test_a_credential_that_was_retired_is_refused() -> None:
    retired = Facts(mechanism="PLAIN", provider="staff", name="alice", credential="alice-0")

    assert "taken away" in reason_of(identify(retired, PEER, a_snapshot(), a_directory()))


def test_a_provider_that_is_gone_is_refused() -> None:
    unknown = Facts(mechanism="PLAIN", provider="other", name="alice", credential="alice-1")

    assert "taken away" in reason_of(identify(unknown, PEER, a_snapshot(), a_directory()))


@pytest.mark.parametrize("name", ["*", "ANONYMOUS", "kordon", "a\nb"])
def test_a_name_that_is_nobodys_is_refused(name: str) -> None:
    outcome = identify(Facts(mechanism=NO_LOGIN, name=name), PEER, a_snapshot(), a_directory())

    assert isinstance(outcome, Refused)


@pytest.mark.parametrize(
    ("pinned", "asked", "default", "tenant"),
    [
        (None, None, None, "Trading"),
        (None, None, "Billing", "Billing"),
        (None, "Trading", "Billing", "Trading"),
        ("Billing", None, "Trading", "Billing"),
        ("Billing", "Billing", None, "Billing"),
    ],
)
def test_the_tenant_is_the_one_chosen_else_the_default_else_the_first(
    pinned: str | None, asked: str | None, default: str | None, tenant: str
) -> None:
    directory = a_directory(users("owners", default_tenant=default), Door(tenant=pinned))

    assert tenant_of(identify(facts(asked), PEER, a_snapshot(), directory)) == tenant


@pytest.mark.parametrize(
    ("pinned", "asked", "default"),
    [
        ("Billing", None, None),  # not for devs
        (None, "Billing", None),
        (None, None, "Billing"),
        ("Trading", "Billing", None),  # two choices
        ("Nowhere", None, None),
    ],
)
def test_a_choice_that_is_not_held_or_two_that_differ_fail_and_never_fall_through(
    pinned: str | None, asked: str | None, default: str | None
) -> None:
    directory = a_directory(users("devs", default_tenant=default), Door(tenant=pinned))

    outcome = identify(facts(asked), PEER, a_snapshot(), directory)

    assert isinstance(outcome, Refused)
    assert outcome.told.startswith("Authentication failed: ")


def test_who_is_in_no_tenant_is_in_an_empty_cluster() -> None:
    snapshot = a_snapshot(
        "policies: [{resource: ['*'], effect: Allow, actions: [TOPIC_INSPECT], role: guests}]\n"
        "tenants: [{name: T, resources: [{include: [cluster, '*', topic, x]}], roles: [owners]}]\n"
    )

    outcome = identify(ALICE, PEER, snapshot, a_directory(users("guests")))

    assert outcome == Identity(principal="alice", roles=frozenset({"guests"}), tenant=None)


def test_a_role_that_is_taken_away_ends_the_connection() -> None:
    snapshot, before = a_snapshot(), identify(ALICE, PEER, a_snapshot(), a_directory(users("devs")))
    assert isinstance(before, Identity)

    assert "may log in" in reason_of(identify_again(before, ALICE, PEER, snapshot, a_directory(users())))


def test_a_role_that_is_added_bites_on_the_connection() -> None:
    snapshot, before = a_snapshot(), identify(ALICE, PEER, a_snapshot(), a_directory(users("devs")))
    assert isinstance(before, Identity)

    after = identify_again(before, ALICE, PEER, snapshot, a_directory(users("devs", "owners")))

    assert isinstance(after, Identity)
    assert after.roles == {"devs", "owners"}


def test_a_tenant_that_changes_ends_the_connection() -> None:
    before = identify(ALICE, PEER, a_snapshot(), a_directory(users("owners")))
    assert isinstance(before, Identity)

    after = identify_again(before, ALICE, PEER, a_snapshot(), a_directory(users("owners", default_tenant="Billing")))

    assert reason_of(after) == "the tenant of alice has changed"


@given(
    st.sets(st.sampled_from(["owners", "devs", "strangers", "*"])),
    st.sampled_from([None, "Trading", "Billing", "Nowhere"]),
    st.sampled_from([None, "Trading", "Billing", "Nowhere"]),
    st.sampled_from([None, "Trading", "Billing", "Nowhere"]),
)
def test_nobody_is_in_a_tenant_that_none_of_his_roles_has(
    roles: set[str], pinned: str | None, asked: str | None, default: str | None
) -> None:
    directory = a_directory(users(*roles, default_tenant=default), Door(tenant=pinned))
    has = {"Trading": {"owners", "devs"}, "Billing": {"owners"}}

    outcome = identify(facts(asked), PEER, a_snapshot(), directory)

    if isinstance(outcome, Identity):
        assert outcome.tenant is not None
        assert roles & has[outcome.tenant]
        assert {pinned, asked} <= {None, outcome.tenant}


@pytest.mark.parametrize(
    ("before", "after", "stays"),
    [(None, 5.0, False), (9.0, 5.0, False), (9.0, 9.0, True), (9.0, 12.0, True), (9.0, None, True), (None, None, True)],
)
def test_an_end_that_is_set_earlier_than_it_was_at_the_login_ends_the_connection(
    before: float | None, after: float | None, stays: bool
) -> None:
    user = a_user()
    (credential,) = user.credentials
    changed = some_users(replace(user, credentials=(replace(credential, expires=after),)))

    found = identify(replace(ALICE, expires=before), PEER, a_snapshot(), a_directory(changed))

    assert isinstance(found, Identity) is stays
    assert stays or reason_of(found) == "the credential ends earlier than it was to"


def test_who_proves_the_same_is_the_same_under_one_policy_and_directory() -> None:
    snapshot, directory, identities = a_snapshot(), a_directory(users("devs")), Identities()

    first = identities.of(facts(), PEER, snapshot, directory)

    assert first == identify(facts(), PEER, snapshot, directory)
    assert identities.of(facts(), replace(PEER, port=1), snapshot, directory) is first
    assert reason_of(identities.of(facts("Nowhere"), PEER, snapshot, directory))


def test_another_policy_or_directory_makes_identities_anew() -> None:
    snapshot, directory, identities = a_snapshot(), a_directory(users("devs")), Identities()
    assert isinstance(identities.of(facts(), PEER, snapshot, directory), Identity)

    others_only = a_snapshot("authorized_roles: [others]\npolicies: []\n")
    assert reason_of(identities.of(facts(), PEER, others_only, directory)) == "no role of alice may log in"
    assert isinstance(identities.of(facts(), PEER, snapshot, directory), Identity)
    nobody = a_directory(some_users(a_user("bob")))
    assert reason_of(identities.of(facts(), PEER, snapshot, nobody)) == "the credential has been taken away"
