from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from kordon_protocol.codec import encode
from kordon_protocol.keys import ApiKey
from kordon_proxy.apis.cluster_info import APIS
from kordon_proxy.judging.may import May
from kordon_proxy.judging.operations import CREATE, DESCRIBE, NOT_ASKED
from tests.proxy.apis.exchanges import never, pass_through, row
from tests.proxy.apis.messages import a_request, a_response, said
from tests.proxy.judging.worlds import make_may

CLUSTER = row(APIS, ApiKey.DESCRIBE_CLUSTER)
POLICY = """
policies:
  - {resource: [cluster, "*", topic, "acme.*"], effect: Allow, actions: [TOPIC_INSPECT], role: devs}
  - {resource: [cluster, "*"], effect: Allow, actions: [BROKER_EDIT], role: owners}
tenants:
  - name: acme
    resources: [{include: [cluster, "*", topic, "acme.*"]}]
    roles: [devs]
  - name: platform
    resources: [{include: [cluster, "*"]}]
    roles: [owners]
"""
ALL = 2**16 - 8


def of(*roles: str, tenant: str = "acme") -> May:
    return make_may(POLICY, roles or ("devs",), tenant, topics=("acme.a", "globex.pay"))


def describing(version: int, **values: Any) -> Any:
    return a_request(CLUSTER.key, version, **({"endpoint_type": 1} | values))


def member(request: Any) -> Any:
    version = request.__version__
    brokers = tuple(
        said(CLUSTER.key, version, "brokers", broker_id=one, host=f"real-{one}", port=9092, rack=f"zone-{one}")
        for one in (1, 2)
    )
    asked_bits = request.include_cluster_authorized_operations
    return a_response(
        CLUSTER.key,
        version,
        cluster_id="real-cluster",
        controller_id=2,
        brokers=brokers,
        cluster_authorized_operations=ALL if asked_bits else NOT_ASKED,
    )


@pytest.mark.parametrize("version", CLUSTER.versions)
def test_the_cluster_is_the_tenant_s_and_its_brokers_are_at_kordon(version: int) -> None:
    request = describing(version)

    passage = pass_through(CLUSTER, request, of(), member)

    assert passage.heard is request
    assert passage.got.cluster_id == "synthetic-acme"
    assert passage.got.controller_id == 2
    assert [(one.broker_id, one.host, one.port, one.rack) for one in passage.got.brokers] == [
        (1, "kordon.example", 9101, "zone-1"),
        (2, "kordon.example", 9102, "zone-2"),
    ]
    assert b"real" not in encode(passage.got)


@pytest.mark.parametrize("version", CLUSTER.versions)
def test_the_permission_bits_are_the_tenant_s_own(version: int) -> None:
    request = describing(version, include_cluster_authorized_operations=True)

    assert pass_through(CLUSTER, request, of(), member).got.cluster_authorized_operations == 0
    owner = pass_through(CLUSTER, request, of("owners", tenant="platform"), member).got
    assert owner.cluster_authorized_operations & DESCRIBE
    assert not owner.cluster_authorized_operations & CREATE


@pytest.mark.parametrize("version", CLUSTER.versions)
def test_permission_bits_that_were_not_asked_for_are_not_told(version: int) -> None:
    got = pass_through(CLUSTER, describing(version), of(), member).got

    assert got.cluster_authorized_operations == NOT_ASKED


@pytest.mark.parametrize("version", [version for version in CLUSTER.versions if version >= 1])
@pytest.mark.parametrize(
    ("endpoint", "code"),
    [(2, ErrorCode.mismatched_endpoint_type), (0, ErrorCode.unsupported_endpoint_type), (7, 115), (-1, 115)],
)
def test_kordon_is_no_controller(version: int, endpoint: int, code: int) -> None:
    got = pass_through(CLUSTER, describing(version, endpoint_type=endpoint), of(), never).got

    assert (got.error_code, got.brokers, got.cluster_id, got.controller_id) == (code, (), "", -1)


@pytest.mark.parametrize(("role", "tenant", "shown"), [("devs", "acme", [1]), ("owners", "platform", [1, 2])])
def test_which_brokers_are_fenced_is_told_of_those_in_the_view(role: str, tenant: str, shown: list[int]) -> None:
    def with_a_fenced_one(_: Any) -> Any:
        brokers = tuple(said(CLUSTER.key, 2, "brokers", broker_id=one, is_fenced=one == 2) for one in (1, 2))
        return a_response(CLUSTER.key, 2, brokers=brokers)

    request = describing(2, include_fenced_brokers=True)
    got = pass_through(CLUSTER, request, of(role, tenant=tenant), with_a_fenced_one).got

    assert [broker.broker_id for broker in got.brokers] == shown
