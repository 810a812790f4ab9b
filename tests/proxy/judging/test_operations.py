import pytest

from kordon_proxy.judging.may import May
from kordon_proxy.judging.operations import (
    ALTER,
    ALTER_CONFIGS,
    CREATE,
    DELETE,
    DESCRIBE,
    DESCRIBE_CONFIGS,
    IDEMPOTENT_WRITE,
    NOT_ASKED,
    READ,
    SEEN,
    WRITE,
    cluster_operations,
    group_operations,
    topic_operations,
)
from tests.proxy.judging.worlds import make_may

ALL = 2**16 - 8
POLICY = """
policies:
  - {resource: [cluster, "*", topic, "acme.*"], effect: Allow, actions: [TOPIC_INSPECT], role: readers}
  - {resource: [cluster, "*", topic, "acme.*"], effect: Allow, actions: [TOPIC_PRODUCE], role: writers}
  - {resource: [cluster, "*", topic, "*"], effect: Allow, actions: [TOPIC_CREATE], role: makers}
  - {resource: [cluster, "*", topic, "acme.*"], effect: Allow, actions: [TOPIC_EDIT], role: editors}
  - {resource: [cluster, "*", topic, "acme.*"], effect: Allow, actions: [TOPIC_DELETE], role: deleters}
  - {resource: [cluster, "*", topic, "acme.*"], effect: Stage, actions: [TOPIC_DELETE], role: askers}
  - {resource: [cluster, "*", group, "acme-*"], effect: Allow, actions: [GROUP_CONSUME], role: readers}
  - {resource: [cluster, "*", group, "acme-*"], effect: Allow, actions: [GROUP_EDIT], role: editors}
  - {resource: [cluster, "*", group, "acme-*"], effect: Allow, actions: [GROUP_DELETE], role: deleters}
  - {resource: [cluster, "*"], effect: Allow, actions: [BROKER_EDIT], role: operators}
  - {resource: [cluster, "*", broker, "1"], effect: Allow, actions: [BROKER_EDIT], role: one-broker}
authorized_roles: ["*"]
tenants:
  - name: acme
    resources: [{include: [[cluster, "*", topic, "acme.*"], [cluster, "*", group, "acme-*"]]}]
    roles: ["*"]
  - name: platform
    resources: [{include: [[cluster, "*"]]}]
    roles: ["*"]
"""


def of(*roles: str, tenant: str = "acme") -> May:
    inferred = {"acme-g": ["lent.to.acme"]}
    return make_may(POLICY, roles, tenant, topics=("acme.a", "globex.pay", "lent.to.acme"), inferred=inferred)


@pytest.mark.parametrize(
    ("role", "bits"),
    [
        ("nobody", 0),
        ("readers", READ),
        ("writers", WRITE),
        ("makers", CREATE),
        ("editors", ALTER | ALTER_CONFIGS),
        ("deleters", DELETE),
        ("askers", 0),
    ],
)
def test_a_topic_of_the_view_can_be_described_and_what_the_policy_allows(role: str, bits: int) -> None:
    assert topic_operations(of(role), "acme.a", ALL) == SEEN | bits


@pytest.mark.parametrize(
    ("role", "bits"), [("nobody", 0), ("readers", READ), ("editors", ALTER_CONFIGS), ("deleters", DELETE)]
)
def test_a_group_of_the_view_can_be_described_and_what_the_policy_allows(role: str, bits: int) -> None:
    assert group_operations(of(role), "acme-g", ALL) == SEEN | bits


@pytest.mark.parametrize(
    ("role", "bits"),
    [
        ("nobody", 0),
        ("writers", IDEMPOTENT_WRITE),
        ("makers", 0),
        ("one-broker", 0),
        ("operators", DESCRIBE | ALTER | DESCRIBE_CONFIGS | ALTER_CONFIGS),
    ],
)
def test_the_cluster_has_the_bits_of_whoever_may_edit_every_broker_or_produce_somewhere(role: str, bits: int) -> None:
    assert cluster_operations(of(role, tenant="platform"), ALL) == bits


def test_editing_brokers_counts_for_nothing_in_a_tenant_without_brokers() -> None:
    assert cluster_operations(of("operators"), ALL) == 0


def test_nothing_is_said_of_what_was_not_asked_for() -> None:
    may = of("readers")

    assert topic_operations(may, "acme.a", NOT_ASKED) == NOT_ASKED
    assert group_operations(may, "acme-g", NOT_ASKED) == NOT_ASKED
    assert cluster_operations(may, NOT_ASKED) == NOT_ASKED


def test_the_cluster_s_own_bits_are_an_upper_bound() -> None:
    may = of("readers", "editors", "writers")

    assert topic_operations(may, "acme.a", READ | DELETE) == READ
    assert group_operations(may, "acme-g", DESCRIBE | DELETE) == DESCRIBE
    assert cluster_operations(may, ALL & ~IDEMPOTENT_WRITE) == 0


def test_outside_the_view_there_are_no_bits_whatever_the_policy_says() -> None:
    assert topic_operations(of("makers"), "globex.pay", ALL) == 0
    assert group_operations(of("readers"), "globex-g", ALL) == 0


def test_an_inferred_topic_is_seen_but_not_created() -> None:
    assert topic_operations(of("makers"), "lent.to.acme", ALL) == SEEN


def test_no_bit_is_noted_as_somebody_s_try() -> None:
    may = of("nobody")

    topic_operations(may, "acme.a", ALL)
    group_operations(may, "acme-g", ALL)
    cluster_operations(may, ALL)

    assert may.notes == []
