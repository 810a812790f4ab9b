"""Which tenant a connection is in."""

import base64
import re

from hypothesis import given
from hypothesis import strategies as st

from kordon_policy.actions import Kind
from kordon_policy.model import Tenant
from kordon_policy.tenants import NoTenant, Refused, tenant_cluster_id
from tests.policy.given import PROD, a_snapshot, tenants

ALL = [{"include": ["*"]}]
TWO = tenants(
    {"name": "Trading", "resources": ALL, "roles": ["devs", "owners"]},
    {"name": "Risk", "resources": ALL, "roles": ["owners"]},
)


def name_of(choice: Tenant | NoTenant | Refused) -> str:
    assert isinstance(choice, Tenant)
    return choice.name


def test_a_tenant_that_is_chosen_must_be_held() -> None:
    snapshot = a_snapshot(TWO)
    assert name_of(snapshot.choose_tenant({"owners"}, "Risk")) == "Risk"
    assert isinstance(snapshot.choose_tenant({"devs"}, "Risk"), Refused)
    assert isinstance(snapshot.choose_tenant({"devs"}, "risk"), Refused)


def test_a_choice_that_is_not_held_sounds_like_one_that_does_not_exist() -> None:
    snapshot = a_snapshot(TWO)
    held, missing = snapshot.choose_tenant({"devs"}, "Risk"), snapshot.choose_tenant({"devs"}, "Rusk")
    assert isinstance(held, Refused)
    assert isinstance(missing, Refused)
    assert held.reason.replace("Risk", "Rusk") == missing.reason


def test_a_choice_that_is_not_held_does_not_fall_through_to_the_default() -> None:
    assert isinstance(a_snapshot(TWO).choose_tenant({"devs"}, "Risk", "Trading"), Refused)


def test_without_a_choice_the_default_counts_and_must_be_held() -> None:
    snapshot = a_snapshot(TWO)
    assert name_of(snapshot.choose_tenant({"owners"}, None, "Risk")) == "Risk"
    assert isinstance(snapshot.choose_tenant({"devs"}, None, "Risk"), Refused)


def test_without_choice_and_default_it_is_the_first_in_the_file_that_is_held() -> None:
    snapshot = a_snapshot(TWO)
    assert name_of(snapshot.choose_tenant({"owners"})) == "Trading"
    assert snapshot.choose_tenant({"auditors"}) == NoTenant()
    assert snapshot.choose_tenant({"*"}) == NoTenant()


def test_without_tenants_in_the_file_there_are_global_and_kordon_hidden() -> None:
    snapshot = a_snapshot("policies: []")
    assert name_of(snapshot.choose_tenant({"devs"})) == "Kordon Hidden"
    assert name_of(snapshot.choose_tenant(set(), "Global")) == "Global"
    assert isinstance(snapshot.choose_tenant({"devs"}, "Trading"), Refused)


def test_global_shows_everything_but_what_is_kordons_own() -> None:
    view = a_snapshot("policies: []").view("Global", PROD)
    assert view.sees(Kind.TOPIC, "__consumer_offsets")
    assert view.sees(Kind.TOPIC, "oprtr_a")
    assert view.whole_cluster
    assert not view.sees(Kind.TOPIC, "__kordon_audit_log")
    assert a_snapshot("policies: []").view("Global", PROD, admin=True).sees(Kind.TOPIC, "__kordon_audit_log")


def test_kordon_hidden_shows_neither_internal_topics_nor_what_kordon_and_kpow_keep() -> None:
    for admin in (False, True):
        view = a_snapshot("policies: []").view("Kordon Hidden", PROD, admin=admin)
        assert view.sees(Kind.TOPIC, "a")
        assert view.whole_cluster
        for name in ("__consumer_offsets", "__kordon_audit_log", "oprtr-x", "__oprtr_x"):
            assert not view.sees(Kind.TOPIC, name)
        for kind in (Kind.GROUP, Kind.TRANSACTIONAL_ID):
            assert not view.sees(kind, "oprtr-x")
            assert not view.sees(kind, "__kordon")


def test_a_tenant_of_the_file_named_global_is_like_any_other() -> None:
    snapshot = a_snapshot(tenants({"name": "Global", "resources": ALL}))
    assert not snapshot.view("Global", PROD).sees(Kind.TOPIC, "__consumer_offsets")
    assert isinstance(snapshot.choose_tenant({"owners"}, "Global"), Refused)


def test_nobody_is_in_a_shadow_tenant_and_a_file_with_no_other_has_the_built_in_ones() -> None:
    shadow = {"name": "Trial", "resources": ALL, "mode": "shadow", "shadow_until": "2026-01-31"}
    alone = a_snapshot(tenants(shadow))
    assert isinstance(alone.choose_tenant({"devs"}, "Trial"), Refused)
    assert name_of(alone.choose_tenant({"devs"})) == "Kordon Hidden"
    assert not alone.view("Trial", PROD).sees(Kind.TOPIC, "a")
    beside = a_snapshot(tenants(shadow, {"name": "Trading", "resources": ALL, "roles": ["owners"]}))
    assert beside.choose_tenant({"devs"}) == NoTenant()


@given(real=st.text(), tenant=st.text())
def test_a_tenants_cluster_id_looks_like_kafkas_and_never_changes(real: str, tenant: str) -> None:
    derived = tenant_cluster_id(real, tenant)
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{21}", derived)
    assert len(base64.urlsafe_b64decode(derived + "==")) == 16
    assert derived == tenant_cluster_id(real, tenant)


def test_a_tenants_cluster_id_is_the_same_on_every_replica_and_release() -> None:
    assert tenant_cluster_id("N9xnGujkR32eYxHICeaHuQ", "Trading") == "qIackhfo3MrPxcWSHnD94A"


def test_cluster_ids_tell_tenants_and_clusters_apart() -> None:
    pairs = [("1", "2"), ("12", ""), ("", "12"), ("2", "1"), ("1:", "2"), ("1", ":2")]
    assert len({tenant_cluster_id(real, tenant) for real, tenant in pairs}) == len(pairs)
