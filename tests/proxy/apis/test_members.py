"""JoinGroup, SyncGroup, Heartbeat, LeaveGroup."""

from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from kordon_protocol.codec import encode, request_type, response_type
from kordon_protocol.consumer_protocol import assigned_topics, subscribed_topics
from kordon_protocol.keys import ApiKey
from kordon_proxy.apis.members import APIS, NOTHING
from kordon_proxy.judging.entries import make, struct_type
from kordon_proxy.judging.may import May
from kordon_proxy.judging.member_ids import masked
from kordon_proxy.judging.table import Record
from kordon_proxy.judging.verdict import RELAY, Forward, Mended, Relay
from tests.proxy.apis.consumer_bytes import a_subscription, an_assignment
from tests.proxy.apis.messages import a_request, a_response
from tests.proxy.apis.verdicts import answered, forwarded, hides, mended, refused
from tests.proxy.judging.worlds import a_picture, make_may

POLICY = """
policies:
- {{resource: [cluster, "*", group, "acme-*"], effect: Allow, actions: [GROUP_CONSUME], role: devs}}
- {{resource: [cluster, "*", group, "acme-*"], effect: Allow, actions: [GROUP_DELETE], role: owners}}
- {{resource: [cluster, "*", group, "acme-no"], effect: Deny, actions: [GROUP_CONSUME, GROUP_DELETE], role: "*"}}
tenants:
- name: acme
  roles: [devs, owners, guests]
  outside_view: {outside}
  resources:
  - include: [[cluster, "*", topic, "acme.*"], [cluster, "*", group, "acme-*"]]
"""
JOIN, SYNC, BEAT, LEAVE = ApiKey.JOIN_GROUP, ApiKey.SYNC_GROUP, ApiKey.HEARTBEAT, ApiKey.LEAVE_GROUP
JOINS, SYNCS, BEATS, LEAVES = range(10), range(6), range(5), range(6)
JUDGES = {api.key: api.judge for api in APIS}
ROWS = {api.key: api for api in APIS}
NONE, GAF = ErrorCode.none, ErrorCode.group_authorization_failed
UNKNOWN = ErrorCode.unknown_member_id
UNREADABLE = b"\x00\x01\x7f"
PRIVATE = b"\x00\x01globex.pay"
"""What only the members of some other protocol can read."""
FORGIVEN = b"\0\0" + b"\0\0\0\1" + b"\0\x0aglobex.pay" + b"\0\0\0\1\0\0\0\0" + b"\xff\xff\xff\xfe"
"""What Kafka takes for an assignment although its user data are shorter than nothing."""
TOPICS = ("acme.a", "globex.pay", "globex.read")


def a_may(roles: tuple[str, ...] = ("devs",), outside: str = "not_found") -> May:
    """`acme-g` reads a topic outside the explicit view."""
    picture = a_picture(TOPICS, inferred={"acme-g": {"globex.read"}})
    return make_may(POLICY.format(outside=outside), roles, picture=picture)


def judge(request: Any, may: May) -> Any:
    found = JUDGES[request.__api_key__]
    assert found is not None
    return found(request, may)


# ---- joining


def joining(version: int, *metadata: bytes, group: str = "acme-g", kind: str = "consumer") -> Any:
    protocol = struct_type(request_type(JOIN, version), "protocols")
    protocols = tuple(make(protocol, name=f"p{n}", metadata=data) for n, data in enumerate(metadata))
    return a_request(JOIN, version, group_id=group, protocol_type=kind, protocols=protocols)


def joined(version: int, *metadata: bytes) -> Any:
    """What the coordinator tells the leader (the others get no members)."""
    member = struct_type(response_type(JOIN, version), "members")
    members = tuple(make(member, member_id=f"m{n}", metadata=data) for n, data in enumerate(metadata))
    return a_response(JOIN, version, leader="m0", member_id="m0", members=members)


@pytest.mark.parametrize("version", JOINS)
def test_a_member_joins_with_topics_of_its_view(version: int) -> None:
    may = a_may()
    verdict = judge(joining(version, a_subscription("acme.a", "acme.none", "globex.read")), may)
    assert isinstance(verdict, Forward)
    assert refused(may) == []


@pytest.mark.parametrize("version", JOINS)
@pytest.mark.parametrize("group", ["acme-no", "globex-g", "nobody-g"])
@pytest.mark.parametrize("outside", ["not_found", "denied"])
@pytest.mark.parametrize("kind", ["consumer", "connect"])
def test_joining_needs_the_right_to_consume(version: int, group: str, outside: str, kind: str) -> None:
    may = a_may(outside=outside)
    answer = answered(judge(joining(version, a_subscription("acme.a"), group=group, kind=kind), may))
    assert (answer.error_code, answer.members) == (GAF, ())
    assert [name for _, name in refused(may)] == [group]


@pytest.mark.parametrize("version", JOINS)
@pytest.mark.parametrize("format_version", range(4))
def test_hidden_topics_are_cut_from_a_subscription(version: int, format_version: int) -> None:
    for name in ("globex.pay", "globex.none"):
        may = a_may()
        request = joining(version, a_subscription("acme.a", name, version=format_version), a_subscription("acme.b"))
        sent = forwarded(request, judge(request, may))
        assert hides(sent, name)
        assert [subscribed_topics(one.metadata) for one in sent.protocols] == [("acme.a",), ("acme.b",)]
        assert sent.protocols[1] is request.protocols[1]
        assert b"mine" in sent.protocols[0].metadata


@pytest.mark.parametrize("version", JOINS)
def test_a_topic_inferred_by_another_group_is_cut_from_a_subscription(version: int) -> None:
    request = joining(version, a_subscription("globex.read"), group="acme-other")
    assert hides(forwarded(request, judge(request, a_may())), "globex.read")


@pytest.mark.parametrize("version", JOINS)
def test_a_subscription_that_cannot_be_read_is_refused(version: int) -> None:
    answer = answered(judge(joining(version, a_subscription("acme.a"), UNREADABLE), a_may()))
    assert answer.error_code is ErrorCode.inconsistent_group_protocol


@pytest.mark.parametrize("version", JOINS)
def test_what_members_of_other_protocols_say_is_their_own_affair(version: int) -> None:
    may = a_may()
    verdict = judge(joining(version, PRIVATE, kind="connect"), may)
    assert isinstance(verdict, Forward)
    assert mended(verdict, joined(version, PRIVATE), may) == joined(version, PRIVATE)


@pytest.mark.parametrize("version", JOINS)
def test_the_leader_is_told_topics_of_its_view_only(version: int) -> None:
    may = a_may()
    verdict = judge(joining(version, a_subscription("acme.a")), may)
    said = joined(version, a_subscription("acme.a"), a_subscription("globex.pay", "globex.read"), UNREADABLE)
    answer = mended(verdict, said, may)
    assert [subscribed_topics(one.metadata) for one in answer.members] == [("acme.a",), ("globex.read",), ()]
    assert [one.member_id for one in answer.members] == ["m0", "m1", "m2"]
    assert [b"mine" in one.metadata for one in answer.members] == [True, False, False]
    assert hides(answer, "globex.pay")


@pytest.mark.parametrize("version", JOINS)
def test_what_assignors_keep_in_user_data_does_not_tell_the_leader_what_was_cut(version: int) -> None:
    """Sticky ones keep the topics and partitions of the last assignment there."""
    may = a_may()
    verdict = judge(joining(version, a_subscription("acme.a")), may)
    said = joined(version, a_subscription("acme.a", "globex.pay", user_data=b"globex.pay 0 1"))
    assert hides(mended(verdict, said, may), "globex.pay")


@pytest.mark.parametrize("version", JOINS)
def test_an_answer_with_nothing_to_hide_is_the_coordinators_own(version: int) -> None:
    may = a_may()
    verdict = judge(joining(version, a_subscription("acme.a")), may)
    said = joined(version, a_subscription("acme.a"), b"")
    assert isinstance(verdict.plan, Mended)
    assert verdict.plan.mend(said, may) is said


ME, LEADER = "app-1-3f2a9c1e-5b7d-4c11-a1b2-0123456789ab", "app-2-77777777-5b7d-4c11-a1b2-cba987654321"


def following(version: int) -> Any:
    return a_response(JOIN, version, leader=LEADER, member_id=ME)


@pytest.mark.parametrize("version", JOINS)
@pytest.mark.parametrize("kind", ["consumer", "connect"])
def test_who_does_not_lead_learns_no_id_but_its_own(version: int, kind: str) -> None:
    may = a_may()
    verdict = judge(joining(version, a_subscription("acme.a"), kind=kind), may)
    answer = mended(verdict, following(version), may)
    assert (answer.member_id, answer.leader) == (ME, masked(LEADER))
    assert hides(answer, LEADER)


@pytest.mark.parametrize("version", JOINS)
def test_who_may_remove_members_learns_who_leads(version: int) -> None:
    may = a_may(("devs", "owners"))
    verdict = judge(joining(version, a_subscription("acme.a")), may)
    assert mended(verdict, following(version), may).leader == LEADER


# ---- sharing the assignment out


def syncing(version: int, *assignments: bytes, group: str = "acme-g", kind: str | None = "consumer") -> Any:
    entry = struct_type(request_type(SYNC, version), "assignments")
    shared = tuple(make(entry, member_id=f"m{n}", assignment=data) for n, data in enumerate(assignments))
    return a_request(SYNC, version, group_id=group, protocol_type=kind, assignments=shared)


def synced(version: int, assignment: bytes) -> Any:
    return a_response(SYNC, version, assignment=assignment)


@pytest.mark.parametrize("version", SYNCS)
@pytest.mark.parametrize("group", ["acme-no", "globex-g", "nobody-g"])
@pytest.mark.parametrize("outside", ["not_found", "denied"])
def test_syncing_needs_the_right_to_consume(version: int, group: str, outside: str) -> None:
    answer = answered(judge(syncing(version, group=group), a_may(outside=outside)))
    assert (answer.error_code, answer.assignment) == (GAF, b"")


@pytest.mark.parametrize("version", SYNCS)
@pytest.mark.parametrize("format_version", range(4))
def test_a_leader_assigns_topics_of_its_view_only(version: int, format_version: int) -> None:
    may = a_may()
    request = syncing(
        version, an_assignment("acme.a", "globex.pay", version=format_version), an_assignment("globex.read"), b""
    )
    sent = forwarded(request, judge(request, may))
    assert hides(sent, "globex.pay")
    assert [assigned_topics(one.assignment) for one in sent.assignments] == [("acme.a",), ("globex.read",), ()]
    assert [one.member_id for one in sent.assignments] == ["m0", "m1", "m2"]


@pytest.mark.parametrize("version", SYNCS)
def test_an_assignment_of_visible_topics_goes_on_as_it_came(version: int) -> None:
    assert isinstance(judge(syncing(version, an_assignment("acme.a", "globex.read")), a_may()), Forward)


@pytest.mark.parametrize("version", SYNCS)
def test_a_member_is_told_topics_of_its_view_only(version: int) -> None:
    may = a_may()
    verdict = judge(syncing(version), may)
    answer = mended(verdict, synced(version, an_assignment("globex.pay", "acme.a")), may)
    assert assigned_topics(answer.assignment) == ("acme.a",)
    assert b"mine" not in answer.assignment
    said = synced(version, an_assignment("acme.a"))
    assert verdict.plan.mend(said, may) is said


def test_an_assignment_that_cannot_be_read_is_refused_and_never_shown() -> None:
    answer = answered(judge(syncing(5, UNREADABLE), a_may()))
    assert answer.error_code is ErrorCode.inconsistent_group_protocol
    may = a_may()
    assert mended(judge(syncing(5), may), synced(5, UNREADABLE), may).assignment == NOTHING


@pytest.mark.parametrize("version", range(5))
def test_where_nothing_says_the_protocol_only_what_reads_as_an_assignment_is_cut(version: int) -> None:
    may = a_may()
    verdict = judge(syncing(version, PRIVATE), may)
    assert isinstance(verdict, Forward)
    assert mended(verdict, synced(version, PRIVATE), may) == synced(version, PRIVATE)


@pytest.mark.parametrize("version", SYNCS)
def test_what_the_coordinator_may_take_for_an_assignment_is_refused_and_never_shown(version: int) -> None:
    answer = answered(judge(syncing(version, FORGIVEN), a_may()))
    assert answer.error_code is ErrorCode.inconsistent_group_protocol
    may = a_may()
    assert mended(judge(syncing(version), may), synced(version, FORGIVEN), may).assignment == NOTHING


def test_assignments_of_other_protocols_are_their_own_affair() -> None:
    may = a_may()
    data = an_assignment("globex.pay")
    verdict = judge(syncing(5, data, kind="connect"), may)
    assert isinstance(verdict, Forward)
    assert mended(verdict, synced(5, data), may) == synced(5, data)


@pytest.mark.parametrize("version", SYNCS)
def test_an_empty_assignment_stays_empty(version: int) -> None:
    may = a_may()
    assert mended(judge(syncing(version), may), synced(version, b""), may).assignment == b""


@pytest.mark.parametrize("kind", ["consumer", "connect"])
@pytest.mark.parametrize(
    ("request_of", "answer_of"),
    [
        (lambda kind: joining(9, a_subscription(), kind=kind), lambda: joined(9, a_subscription("acme.a"))),
        (lambda kind: syncing(5, kind=kind), lambda: synced(5, an_assignment("acme.a"))),
    ],
    ids=["JoinGroup", "SyncGroup"],
)
def test_a_right_that_went_while_the_rebalance_lasted_is_gone(kind: str, request_of: Any, answer_of: Any) -> None:
    request = request_of(kind)
    plan = judge(request, a_may()).plan
    mend: Any = plan.stale if isinstance(plan, Relay) else plan.mend
    assert mend(answer_of(), a_may()).error_code is NONE
    later = a_may(("owners",))
    answer = mend(answer_of(), later)
    assert answer.error_code is GAF
    assert hides(answer, "acme.a")
    assert refused(later) == [("denied", "acme-g")]


# ---- staying and leaving


@pytest.mark.parametrize("version", BEATS)
def test_a_heartbeat_needs_the_right_to_consume(version: int) -> None:
    assert judge(a_request(BEAT, version, group_id="acme-g", member_id="m"), a_may()) == Forward(RELAY)
    for group in ("acme-no", "globex-g", "nobody-g"):
        assert answered(judge(a_request(BEAT, version, group_id=group, member_id="m"), a_may())).error_code is GAF


def leaving(version: int, *members: tuple[str, str | None], group: str = "acme-g") -> Any:
    if version < 3:
        return a_request(LEAVE, version, group_id=group, member_id=members[0][0])
    entry = struct_type(request_type(LEAVE, version), "members")
    entries = tuple(make(entry, member_id=member, group_instance_id=instance) for member, instance in members)
    return a_request(LEAVE, version, group_id=group, members=entries)


OWN: list[tuple[tuple[str, str | None], ...]] = [((ME, None),), ((ME, "instance-1"),)]
OTHERS: list[tuple[tuple[str, str | None], ...]] = [
    (("", "instance-1"),),
    ((masked(ME), None),),
    (("m-1", None), ("m-2", None)),
    (("m-1", None), ("", "instance-1")),
    (("", None),),
]


@pytest.mark.parametrize("version", LEAVES)
@pytest.mark.parametrize("members", OWN)
def test_a_member_leaves_with_the_right_to_consume(version: int, members: Any) -> None:
    request = leaving(version, *members)
    may = a_may()
    assert judge(request, may) == Forward(RELAY)
    assert [note.action for note in may.notes] == ["GROUP_CONSUME"]
    assert answered(judge(request, a_may(("guests",)))).error_code is GAF
    for group in ("acme-no", "globex-g", "nobody-g"):
        assert answered(judge(leaving(version, *members, group=group), a_may())).error_code is GAF


@pytest.mark.parametrize("version", LEAVES)
@pytest.mark.parametrize("members", OWN)
def test_who_may_remove_members_may_remove_one(version: int, members: Any) -> None:
    may = a_may(("owners",))
    assert judge(leaving(version, *members), may) == Forward(RELAY)
    assert [note.action for note in may.notes] == ["GROUP_DELETE"]


@pytest.mark.parametrize("version", range(3))
def test_an_id_as_others_are_told_it_is_no_members_own(version: int) -> None:
    may = a_may()
    assert answered(judge(leaving(version, (masked(ME), None)), may)).error_code is GAF
    assert [(note.action, note.access.value) for note in may.notes] == [("GROUP_DELETE", "denied")]


@pytest.mark.parametrize("version", LEAVES)
@pytest.mark.parametrize("members", [*OWN, (("", "instance-1"),)])
def test_whoever_leaves_it_is_an_event(version: int, members: Any) -> None:
    assert ROWS[LEAVE].record_for(leaving(version, *members)) is Record.EVENT


@pytest.mark.parametrize("version", range(3, 6))
@pytest.mark.parametrize("members", OTHERS)
def test_removing_members_needs_the_right_to_delete(version: int, members: Any) -> None:
    request = leaving(version, *members)
    may = a_may()
    assert answered(judge(request, may)).error_code is GAF
    assert refused(may) == [("denied", "acme-g")]
    assert judge(request, a_may(("owners",))) == Forward(RELAY)


@pytest.mark.parametrize("version", range(3))
def test_a_member_without_an_id_is_none_that_leaves(version: int) -> None:
    assert answered(judge(leaving(version, ("", None)), a_may())).error_code is GAF


@pytest.mark.parametrize("version", LEAVES)
def test_a_group_outside_the_view_has_no_members_to_remove(version: int) -> None:
    answers = []
    for group in ("globex-g", "nobody-g"):
        answer = answered(judge(leaving(version, ("", "instance-1"), group=group), a_may(("owners",))))
        answers.append(encode(answer))
        if version < 3:
            assert answer.error_code is UNKNOWN
        else:
            found = [(one.member_id, one.group_instance_id, one.error_code) for one in answer.members]
            assert (answer.error_code, found) == (NONE, [("", "instance-1", UNKNOWN)])
    assert answers[0] == answers[1]


@pytest.mark.parametrize("version", LEAVES)
def test_a_tenant_may_have_removing_from_a_group_outside_its_view_denied(version: int) -> None:
    answer = answered(judge(leaving(version, ("", "i"), group="globex-g"), a_may(("owners",), "denied")))
    assert answer.error_code is GAF


def test_leaving_with_no_member_removes_nobody() -> None:
    assert judge(leaving(5), a_may()) == Forward(RELAY)


def test_the_audit_names_the_members_that_left() -> None:
    parameters = ROWS[LEAVE].parameters
    assert parameters is not None
    request = leaving(5, ("m-1", None), ("", "instance-1"))
    assert parameters(request, None) == {"group": "acme-g", "members": ["m-1", "instance-1"]}
