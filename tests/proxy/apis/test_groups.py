"""DescribeGroups, ListGroups, DeleteGroups."""

from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from kordon_protocol.codec import encode, response_type
from kordon_protocol.consumer_protocol import assigned_topics, subscribed_topics
from kordon_protocol.keys import ApiKey
from kordon_proxy.apis.groups import APIS, judge_delete, judge_describe, judge_list
from kordon_proxy.judging.entries import make, struct_type
from kordon_proxy.judging.may import May
from kordon_proxy.judging.member_ids import masked
from kordon_proxy.judging.table import Record
from kordon_proxy.judging.verdict import RELAY, Forward, Mended
from tests.proxy.apis.consumer_bytes import a_subscription, an_assignment
from tests.proxy.apis.messages import a_request, a_response
from tests.proxy.apis.verdicts import answered, forwarded, hides, mended, refused
from tests.proxy.judging.worlds import a_picture, make_may

POLICY = """
policies:
- {{resource: [cluster, "*", group, "acme-*"], effect: Allow, actions: [GROUP_CONSUME, GROUP_EDIT], role: devs}}
- {{resource: [cluster, "*", group, "acme-g"], effect: Allow, actions: [GROUP_DELETE], role: owners}}
tenants:
- name: acme
  roles: [devs, owners]
  outside_view: {outside}
  resources:
  - include: [[cluster, "*", topic, "acme.*"], [cluster, "*", group, "acme-*"]]
"""
DESCRIBE, LIST, DELETE = ApiKey.DESCRIBE_GROUPS, ApiKey.LIST_GROUPS, ApiKey.DELETE_GROUPS
DESCRIBES, LISTS, DELETES = range(7), range(6), range(3)
NONE, GAF, GNF = ErrorCode.none, ErrorCode.group_authorization_failed, ErrorCode.group_id_not_found
NOT_ASKED = -(2**31)
MEMBER = "app-1-3f2a9c1e-5b7d-4c11-a1b2-0123456789ab"
ALL_BITS = 8 | 64 | 256 | 1024 | 2048


def a_may(roles: tuple[str, ...] = ("devs",), outside: str = "not_found") -> May:
    picture = a_picture(("acme.a", "globex.pay"), inferred={"globex-g": {"globex.pay"}})
    return make_may(POLICY.format(outside=outside), roles, picture=picture)


# ---- describing


def describing(version: int, *groups: str, bits: bool = False) -> Any:
    return a_request(DESCRIBE, version, groups=groups, include_authorized_operations=bits)


def a_group(version: int, name: str, *members: tuple[bytes, bytes], **values: Any) -> Any:
    """What a coordinator says of a group."""
    kind = struct_type(response_type(DESCRIBE, version), "groups")
    member = struct_type(kind, "members")
    entries = tuple(
        make(
            member,
            member_id=MEMBER,
            client_id="app",
            client_host="/10.0.0.7",
            member_metadata=metadata,
            member_assignment=assignment,
        )
        for metadata, assignment in members
    )
    return make(
        kind, **({"group_id": name, "group_state": "Stable", "protocol_type": "consumer", "members": entries} | values)
    )


def described(version: int, *groups: Any) -> Any:
    return a_response(DESCRIBE, version, groups=groups)


@pytest.mark.parametrize("version", DESCRIBES)
def test_members_are_shown_with_topics_of_the_view_and_at_no_host(version: int) -> None:
    may = a_may()
    verdict = judge_describe(describing(version, "acme-g"), may)
    assert isinstance(verdict, Forward)
    group = a_group(version, "acme-g", (a_subscription("acme.a", "globex.pay"), an_assignment("globex.pay", "acme.a")))
    answer = mended(verdict, described(version, group), may)
    (member,) = answer.groups[0].members
    assert subscribed_topics(member.member_metadata) == ("acme.a",)
    assert assigned_topics(member.member_assignment) == ("acme.a",)
    assert (member.client_host, member.client_id) == ("/kordon", "app")
    assert hides(answer, "globex")
    assert hides(answer, "10.0.0.7")


@pytest.mark.parametrize("version", DESCRIBES)
def test_what_members_say_to_their_leader_alone_is_not_described(version: int) -> None:
    may = a_may()
    told = (a_subscription("acme.a", user_data=b"globex.pay"), an_assignment("acme.a", user_data=b"globex.pay"))
    answer = mended(
        judge_describe(describing(version, "acme-g"), may), described(version, a_group(version, "acme-g", told)), may
    )
    (member,) = answer.groups[0].members
    assert member.member_metadata == a_subscription("acme.a", user_data=None)
    assert member.member_assignment == an_assignment("acme.a", user_data=None)


@pytest.mark.parametrize("version", DESCRIBES)
def test_bytes_that_cannot_be_read_are_not_shown(version: int) -> None:
    may = a_may()
    group = a_group(version, "acme-g", (b"\x00\x01globex", b"\x00\x00globex"), (b"", b""))
    answer = mended(judge_describe(describing(version, "acme-g"), may), described(version, group), may)
    assert [(one.member_metadata, one.member_assignment) for one in answer.groups[0].members] == [(b"", b"")] * 2


@pytest.mark.parametrize("version", DESCRIBES)
@pytest.mark.parametrize(
    ("roles", "told"), [(("devs",), masked(MEMBER)), (("owners",), MEMBER), (("devs", "owners"), MEMBER)]
)
def test_only_who_may_remove_members_is_told_their_ids(version: int, roles: tuple[str, ...], told: str) -> None:
    may = a_may(roles)
    said = described(version, a_group(version, "acme-g", (a_subscription("acme.a"), b"")))
    answer = mended(judge_describe(describing(version, "acme-g"), may), said, may)
    (member,) = answer.groups[0].members
    assert member.member_id == told
    assert hides(answer, MEMBER) == (told != MEMBER)
    assert refused(may) == []


@pytest.mark.parametrize("version", DESCRIBES)
@pytest.mark.parametrize(("roles", "told"), [(("devs",), (b"", b"")), (("owners",), (b"private", MEMBER.encode()))])
def test_bytes_of_other_protocols_are_told_as_member_ids_are(
    version: int, roles: tuple[str, ...], told: tuple[bytes, bytes]
) -> None:
    may = a_may(roles)
    group = a_group(version, "acme-g", (b"private", MEMBER.encode()), protocol_type="connect")
    (member,) = (
        mended(judge_describe(describing(version, "acme-g"), may), described(version, group), may).groups[0].members
    )
    assert (member.member_metadata, member.member_assignment) == told
    assert member.client_host == "/kordon"


@pytest.mark.parametrize("version", DESCRIBES)
def test_a_group_outside_the_view_is_described_like_a_missing_one(version: int) -> None:
    answers = []
    for name in ("globex-g", "nobody-g"):
        may = a_may()
        response = answered(judge_describe(describing(version, name), may))
        (group,) = response.groups
        assert (group.group_state, group.error_code) == ("Dead", GNF if version == 6 else NONE)
        assert refused(may) == [("hidden", name)]
        answers.append(encode(response).replace(name.encode(), b"a name"))
    assert answers[0] == answers[1]


@pytest.mark.parametrize("version", DESCRIBES)
def test_a_missing_group_of_the_view_is_described_in_the_same_words(version: int) -> None:
    may = a_may()
    error = {"error_code": GNF, "error_message": "Group acme-x not found."} if version == 6 else {}
    missing = a_group(version, "acme-x", group_state="Dead", protocol_type="", **error)
    there = mended(judge_describe(describing(version, "acme-x"), may), described(version, missing), may)
    foreign = answered(judge_describe(describing(version, "glob-x"), may))
    assert encode(there).replace(b"acme-x", b"glob-x") == encode(foreign)


@pytest.mark.parametrize("version", DESCRIBES)
def test_a_tenant_may_have_describing_outside_its_view_denied(version: int) -> None:
    (group,) = answered(judge_describe(describing(version, "globex-g"), a_may(outside="denied"))).groups
    assert (group.error_code, group.group_state) == (GAF, "")


@pytest.mark.parametrize("version", DESCRIBES)
def test_of_many_groups_only_those_of_the_view_are_asked_for_and_the_order_stays(version: int) -> None:
    may = a_may()
    request = describing(version, "globex-g", "acme-1", "nobody-g", "acme-2", "acme-1")
    verdict = judge_describe(request, may)
    sent = forwarded(request, verdict)
    assert sent.groups == ("acme-1", "acme-2", "acme-1")
    said = described(version, *(a_group(version, name) for name in sent.groups))
    answer = mended(verdict, said, may)
    assert [group.group_id for group in answer.groups] == list(request.groups)
    assert [group.group_state for group in answer.groups] == ["Dead", "Stable", "Dead", "Stable", "Stable"]


@pytest.mark.parametrize("version", range(3, 7))
@pytest.mark.parametrize(
    ("roles", "bits"),
    [(("devs",), 8 | 256 | 1024 | 2048), (("owners",), 64 | 256 | 1024), (("devs", "owners"), ALL_BITS)],
)
def test_operations_are_those_of_the_tenants_policy(version: int, roles: tuple[str, ...], bits: int) -> None:
    may = a_may(roles)
    verdict = judge_describe(describing(version, "acme-g", bits=True), may)
    answer = mended(verdict, described(version, a_group(version, "acme-g", authorized_operations=ALL_BITS)), may)
    assert answer.groups[0].authorized_operations == bits
    fewer = mended(verdict, described(version, a_group(version, "acme-g", authorized_operations=256)), may)
    assert fewer.groups[0].authorized_operations == 256


@pytest.mark.parametrize("version", range(3, 7))
def test_nobody_may_do_anything_with_a_group_outside_the_view(version: int) -> None:
    (asked,) = answered(judge_describe(describing(version, "globex-g", bits=True), a_may())).groups
    assert asked.authorized_operations == (NOT_ASKED if version == 6 else 0)
    (not_asked,) = answered(judge_describe(describing(version, "globex-g"), a_may())).groups
    assert not_asked.authorized_operations == NOT_ASKED


def test_a_text_of_the_coordinator_is_replaced() -> None:
    may = a_may()
    group = a_group(
        6, "acme-g", error_code=ErrorCode.coordinator_not_available, error_message="real-1.internal is gone"
    )
    answer = mended(judge_describe(describing(6, "acme-g"), may), described(6, group), may)
    assert hides(answer, "real-1")


# ---- listing


@pytest.mark.parametrize("version", LISTS)
def test_groups_are_listed_as_far_as_the_view_goes(version: int) -> None:
    may = a_may()
    verdict = judge_list(a_request(LIST, version), may)
    entry = struct_type(response_type(LIST, version), "groups")
    said = a_response(
        LIST, version, groups=tuple(make(entry, group_id=name) for name in ("globex-g", "acme-1", "no-g", "acme-2"))
    )
    answer = mended(verdict, said, may)
    assert [group.group_id for group in answer.groups] == ["acme-1", "acme-2"]
    assert hides(answer, "globex")
    assert refused(may) == []


@pytest.mark.parametrize("version", LISTS)
def test_a_list_with_nothing_to_hide_is_the_brokers_own(version: int) -> None:
    may = a_may()
    verdict = judge_list(a_request(LIST, version), may)
    entry = struct_type(response_type(LIST, version), "groups")
    said = a_response(LIST, version, groups=(make(entry, group_id="acme-1"),))
    assert isinstance(verdict, Forward)
    assert isinstance(verdict.plan, Mended)
    assert verdict.plan.mend(said, may) is said


# ---- deleting


def deleting(version: int, *groups: str) -> Any:
    return a_request(DELETE, version, groups_names=groups)


def deleted(version: int, *groups: str) -> Any:
    entry = struct_type(response_type(DELETE, version), "results")
    return a_response(DELETE, version, results=tuple(make(entry, group_id=name) for name in groups))


@pytest.mark.parametrize("version", DELETES)
def test_deleting_a_group_needs_the_right_to_delete(version: int) -> None:
    request = deleting(version, "acme-g")
    assert judge_delete(request, a_may(("owners",))) == Forward(RELAY)
    (result,) = answered(judge_delete(request, a_may())).results
    assert (result.group_id, result.error_code) == ("acme-g", GAF)


@pytest.mark.parametrize("version", DELETES)
@pytest.mark.parametrize(("outside", "code"), [("not_found", GNF), ("denied", GAF)])
def test_only_groups_that_may_be_deleted_are(version: int, outside: str, code: ErrorCode) -> None:
    may = a_may(("owners",), outside)
    request = deleting(version, "globex-g", "acme-h", "acme-g", "nobody-g")
    verdict = judge_delete(request, may)
    sent = forwarded(request, verdict)
    assert sent.groups_names == ("acme-g",)
    answer = mended(verdict, deleted(version, "acme-g"), may)
    assert [(result.group_id, result.error_code) for result in answer.results] == [
        ("globex-g", code),
        ("acme-h", GAF),
        ("acme-g", NONE),
        ("nobody-g", code),
    ]


def test_deleting_is_an_event_that_names_the_groups() -> None:
    (row,) = [api for api in APIS if api.key == DELETE]
    assert row.record_for(deleting(2, "acme-g")) is Record.EVENT
    assert row.parameters is not None
    assert row.parameters(deleting(2, "acme-g", "acme-h"), None) == {"groups": ["acme-g", "acme-h"]}
