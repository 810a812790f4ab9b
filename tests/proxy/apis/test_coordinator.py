"""FindCoordinator: addresses are Kordon's, and a name outside the view is found like any that does not exist."""

from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from kordon_protocol.codec import encode, response_type
from kordon_protocol.keys import ApiKey
from kordon_proxy.apis.coordinator import judge
from kordon_proxy.judging.entries import struct_type
from kordon_proxy.judging.may import May
from kordon_proxy.judging.verdict import Forward
from tests.proxy.apis.messages import a_request, a_response
from tests.proxy.apis.verdicts import answered, forwarded, hides, mended, refused
from tests.proxy.judging.worlds import make_may

POLICY = """
policies: []
tenants:
- name: acme
  roles: [devs]
  outside_view: {outside}
  resources:
  - include: [[cluster, "*", group, acme-*], [cluster, "*", transactional-id, acme-*]]
"""
KEY = ApiKey.FIND_COORDINATOR
EARLY, LATE = range(4), range(4, 7)
GROUP, TRANSACTION, SHARE = 0, 1, 2


def a_may(outside: str = "not_found", **world: Any) -> May:
    return make_may(POLICY.format(outside=outside), **world)


def located(version: int, *keys: str, node: int = 2, **values: Any) -> Any:
    """What a broker says."""
    place = {"node_id": node, "host": f"real-{node}.internal", "port": 9092, "error_code": ErrorCode.none} | values
    if version in EARLY:
        return a_response(KEY, version, error_message="NONE", **place)
    entry = struct_type(response_type(KEY, version), "coordinators")
    return a_response(KEY, version, coordinators=tuple(entry(key=key, error_message="", **place) for key in keys))


def asking(version: int, *keys: str, key_type: int = GROUP) -> Any:
    if version in EARLY:
        return a_request(KEY, version, key=keys[0], key_type=key_type)
    return a_request(KEY, version, coordinator_keys=keys, key_type=key_type)


def entries(response: Any) -> tuple[Any, ...]:
    return getattr(response, "coordinators", (response,))


@pytest.mark.parametrize("version", [*EARLY, *LATE])
def test_a_coordinator_is_at_kordons_address(version: int) -> None:
    may, request = a_may(), asking(version, "acme-g")
    verdict = judge(request, may)
    assert isinstance(verdict, Forward)
    response = mended(verdict, located(version, "acme-g"), may)
    (found,) = entries(response)
    assert (found.node_id, found.host, found.port, found.error_code) == (2, "kordon.example", 9102, ErrorCode.none)
    assert hides(response, "real-")


@pytest.mark.parametrize("version", [*EARLY, *LATE])
@pytest.mark.parametrize("key_type", [GROUP, TRANSACTION])
def test_a_name_outside_the_view_has_a_coordinator_like_one_that_does_not_exist(version: int, key_type: int) -> None:
    answers = []
    for name in ("globex-g", "nobody-g"):
        may = a_may(brokers=(1,), inferred={"globex-g": {"globex.a"}})
        response = answered(judge(asking(version, name, key_type=0 if version == 0 else key_type), may))
        (found,) = entries(response)
        assert (found.node_id, found.host, found.port, found.error_code) == (1, "kordon.example", 9101, ErrorCode.none)
        assert refused(may) == [("hidden", name)]
        answers.append(encode(response).replace(name.encode(), b"a name"))
    assert answers[0] == answers[1]


@pytest.mark.parametrize("version", [*EARLY, *LATE])
def test_a_name_outside_the_view_keeps_its_coordinator(version: int) -> None:
    found = {entries(answered(judge(asking(version, "globex-g"), a_may())))[0].node_id for _ in range(5)}
    assert len(found) == 1


def test_names_outside_the_view_are_spread_over_the_brokers() -> None:
    names = tuple(f"globex-{number}" for number in range(50))
    assert {one.node_id for one in entries(answered(judge(asking(6, *names), a_may())))} == {1, 2, 3}


@pytest.mark.parametrize("version", [*EARLY, *LATE])
@pytest.mark.parametrize(
    ("key_type", "code"),
    [
        (GROUP, ErrorCode.group_authorization_failed),
        (TRANSACTION, ErrorCode.transactional_id_authorization_failed),
    ],
)
def test_a_tenant_may_have_names_outside_its_view_denied(version: int, key_type: int, code: ErrorCode) -> None:
    if version == 0 and key_type == TRANSACTION:
        key_type, code = GROUP, ErrorCode.group_authorization_failed  # v0 knows nothing else
    (found,) = entries(answered(judge(asking(version, "globex-g", key_type=key_type), a_may("denied"))))
    assert (found.error_code, found.node_id, found.host, found.port) == (code, -1, "", -1)


@pytest.mark.parametrize("version", LATE)
def test_of_many_names_only_those_of_the_view_are_asked_for_and_the_order_stays(version: int) -> None:
    may = a_may(brokers=(1,))
    request = asking(version, "acme-1", "globex-g", "acme-2", "acme-1")
    verdict = judge(request, may)
    sent = forwarded(request, verdict)
    assert sent.coordinator_keys == ("acme-1", "acme-2", "acme-1")
    assert hides(sent, "globex")
    answer = mended(verdict, located(version, "acme-1", "acme-2", "acme-1"), may)
    assert [one.key for one in answer.coordinators] == ["acme-1", "globex-g", "acme-2", "acme-1"]
    assert [one.node_id for one in answer.coordinators] == [2, 1, 2, 2]


@pytest.mark.parametrize("version", [*EARLY, *LATE])
def test_an_error_of_the_broker_has_no_place_and_a_constant_text(version: int) -> None:
    may, request = a_may(), asking(version, "acme-g")
    answer = located(version, "acme-g", node=-1, host="", port=-1, error_code=ErrorCode.coordinator_not_available)
    (found,) = entries(mended(judge(request, may), answer, may))
    assert (found.error_code, found.node_id) == (ErrorCode.coordinator_not_available, -1)


@pytest.mark.parametrize("version", [*EARLY, *LATE])
def test_a_broker_without_an_address_of_ours_is_not_available(version: int) -> None:
    may, request = a_may(), asking(version, "acme-g")
    may.cluster = type(may.cluster)("synthetic-acme", lambda _: ("", -1))
    (found,) = entries(mended(judge(request, may), located(version, "acme-g"), may))
    assert (found.error_code, found.node_id) == (ErrorCode.coordinator_not_available, -1)
    (found,) = entries(answered(judge(asking(version, "globex-g"), may)))
    assert (found.error_code, found.node_id) == (ErrorCode.coordinator_not_available, -1)


def test_a_name_outside_the_view_is_not_sent_to_a_broker_without_an_address_of_ours() -> None:
    may = a_may()
    may.cluster = type(may.cluster)("synthetic-acme", lambda one: ("kordon.example", 9102) if one == 2 else ("", -1))
    names = tuple(f"globex-{number}" for number in range(20))
    assert {one.node_id for one in entries(answered(judge(asking(6, *names), may)))} == {2}


@pytest.mark.known_fault(22)
@pytest.mark.parametrize("version", range(1, 7))
def test_share_partition_keys_are_refused_as_a_whole(version: int) -> None:
    may = a_may()
    found = entries(answered(judge(asking(version, "acme-g:id:0", key_type=SHARE), may)))
    code = ErrorCode.cluster_authorization_failed if version == 6 else ErrorCode.invalid_request
    assert [one.error_code for one in found] == [code]
    assert all(one.error_message for one in found)
    assert refused(may) == [("denied", None)]


@pytest.mark.parametrize("version", range(1, 7))
def test_a_key_type_that_nobody_knows_is_refused(version: int) -> None:
    found = entries(answered(judge(asking(version, "acme-g", key_type=7), a_may())))
    assert [one.error_code for one in found] == [ErrorCode.invalid_request]
