"""ShareGroupHeartbeat and ShareGroupDescribe (KIP-932). What a heartbeat has in common with one of a consumer group is
tested there."""

from typing import Any, Final

import pytest
from kio.schema.errors import ErrorCode

from kordon_protocol.codec import response_type
from kordon_protocol.keys import ApiKey
from kordon_proxy.apis.groups import HOST
from kordon_proxy.apis.share_groups import APIS, NO_TOPIC, judge_describe, judge_heartbeat
from kordon_proxy.judging.connection import Connection
from kordon_proxy.judging.entries import make, struct_type
from kordon_proxy.judging.may import May
from kordon_proxy.judging.member_ids import masked
from kordon_proxy.judging.table import Record
from kordon_proxy.judging.verdict import Forward
from tests.proxy.apis.exchanges import row
from tests.proxy.apis.messages import a_request, a_response
from tests.proxy.apis.verdicts import answered, forwarded, hides, mended, refused
from tests.proxy.judging.worlds import a_picture, make_may, topic_id

POLICY: Final = """
policies:
- {{resource: [cluster, "*", group, "acme-*"], effect: Allow, actions: [GROUP_CONSUME], role: devs}}
- {{resource: [cluster, "*", group, "acme-no"], effect: Deny, actions: [GROUP_CONSUME], role: devs}}
- {{resource: [cluster, "*", group, "acme-*"], effect: Allow, actions: [GROUP_DELETE], role: owners}}
- {{resource: [cluster, "*", topic, "*"], effect: Allow, actions: [TOPIC_INSPECT], role: devs}}
- {{resource: [cluster, "*", topic, "acme.secret"], effect: Deny, actions: [TOPIC_INSPECT], role: devs}}
tenants:
- name: acme
  roles: [devs, guests, owners]
  outside_view: {outside}
  resources:
  - include: [[cluster, "*", topic, "acme.*"], [cluster, "*", group, "acme-*"]]
"""
TOPICS: Final = ("acme.a", "acme.b", "acme.secret", "globex.pay", "globex.read")
BEAT, DESCRIBE = ApiKey.SHARE_GROUP_HEARTBEAT, ApiKey.SHARE_GROUP_DESCRIBE
TAF, GAF = ErrorCode.topic_authorization_failed, ErrorCode.group_authorization_failed
ASSIGNMENT: Final = struct_type(response_type(BEAT, 1), "assignment")


def a_may(
    connection: Connection | None = None, *, roles: tuple[str, ...] = ("devs",), outside: str = "not_found"
) -> May:
    """`acme-g` reads a topic outside the explicit view."""
    picture = a_picture(TOPICS, inferred={"acme-g": {"globex.read"}})
    return make_may(POLICY.format(outside=outside), roles, picture=picture, connection=connection)


def a_heartbeat(*names: str, epoch: int = 0, group: str = "acme-g", unchanged: bool = False) -> Any:
    subscribed = None if unchanged else names
    return a_request(BEAT, 1, group_id=group, member_id="m-1", member_epoch=epoch, subscribed_topic_names=subscribed)


def assigned(*names: str) -> Any:
    """What the coordinator assigns."""
    kind = struct_type(ASSIGNMENT, "topic_partitions")
    parts = tuple(make(kind, topic_id=topic_id(name), partitions=(0, 1)) for name in names)
    return a_response(BEAT, 1, member_id="m-1", member_epoch=1, assignment=make(ASSIGNMENT, topic_partitions=parts))


def shown(response: Any) -> list[str]:
    known = {topic_id(name): name for name in TOPICS}
    return [known[part.topic_id] for part in response.assignment.topic_partitions]


def test_a_member_subscribes_to_topics_that_it_may_read() -> None:
    may = a_may()
    assert isinstance(judge_heartbeat(a_heartbeat("acme.a", "globex.read"), may), Forward)
    assert refused(may) == []


@pytest.mark.parametrize("group", ["acme-no", "globex-g"])
@pytest.mark.parametrize("epoch", [0, 3, -1])
@pytest.mark.parametrize("outside", ["not_found", "denied"])
def test_being_a_member_needs_the_right_to_consume(group: str, epoch: int, outside: str) -> None:
    response = answered(judge_heartbeat(a_heartbeat("acme.a", epoch=epoch, group=group), a_may(outside=outside)))
    assert response.error_code is GAF


def test_a_topic_that_may_not_be_read_refuses_the_heartbeat() -> None:
    may = a_may()
    response = answered(judge_heartbeat(a_heartbeat("acme.a", "acme.secret"), may))
    assert (response.error_code, refused(may)) == (TAF, [("denied", "acme.secret")])
    assert response.error_message is not None
    assert "TOPIC_INSPECT" in response.error_message


@pytest.mark.parametrize("name", ["globex.pay", "globex.none"])
def test_a_name_outside_the_view_is_a_topic_that_does_not_exist(name: str) -> None:
    """A broker accepts one, and does not accept to hear of none."""
    beside, alone = a_heartbeat("acme.a", name), a_heartbeat(name)

    assert forwarded(beside, judge_heartbeat(beside, a_may())).subscribed_topic_names == ("acme.a",)
    verdict = judge_heartbeat(alone, a_may())
    assert forwarded(alone, verdict).subscribed_topic_names == (NO_TOPIC,)
    assert shown(mended(verdict, assigned(), a_may())) == []


def test_the_assignment_is_cut_to_what_the_group_may_use_and_to_the_rights_of_every_answer() -> None:
    connection = Connection()
    joining = judge_heartbeat(a_heartbeat("acme.a", "acme.b"), a_may(connection))
    assert shown(mended(joining, assigned("acme.a", "globex.pay", "globex.read"), a_may(connection))) == [
        "acme.a",
        "globex.read",
    ]

    going_on = judge_heartbeat(a_heartbeat(epoch=1, unchanged=True), a_may(connection))
    picture = a_picture(TOPICS)  # the group does not read the other tenant's topic any more
    later = make_may(POLICY.format(outside="not_found"), picture=picture, connection=connection)
    unchanged = a_response(BEAT, 1, member_id="m-1", member_epoch=1, assignment=None)
    assert shown(mended(going_on, unchanged, later)) == ["acme.a"]


def test_a_member_that_comes_back_on_another_connection_is_asked_to_say_everything_once() -> None:
    may = a_may()
    asking = a_heartbeat(epoch=4, unchanged=True)
    assert answered(judge_heartbeat(asking, may)).error_code is ErrorCode.not_coordinator
    assert isinstance(judge_heartbeat(asking, may), Forward)


def test_leaving_is_written_down() -> None:
    api = row(APIS, BEAT)
    assert api.record_for(a_heartbeat(epoch=-1)) is Record.EVENT
    assert api.record_for(a_heartbeat("acme.a")) is Record.NOTHING
    assert api.parameters is not None
    assert api.parameters(a_heartbeat(epoch=-1), None) == {"group": "acme-g", "members": ["m-1"]}


def test_texts_of_the_broker_are_constant() -> None:
    verdict = judge_heartbeat(a_heartbeat("acme.a"), a_may())
    error = a_response(BEAT, 1, error_code=ErrorCode.invalid_request, error_message="globex.pay at real-1")
    assert hides(mended(verdict, error, a_may()), "globex")


# ---- ShareGroupDescribe


def described(*groups: str, members: tuple[str, ...] = ("member-0000-0000-0000",)) -> Any:
    """Of a broker."""
    group = struct_type(response_type(DESCRIBE, 1), "groups")
    kind = struct_type(group, "members")
    part = struct_type(kind, "assignment", "topic_partitions")
    parts = tuple(
        make(part, topic_id=topic_id(name), topic_name=name, partitions=(0,)) for name in ("acme.a", "globex.pay")
    )
    assignment = make(struct_type(kind, "assignment"), topic_partitions=parts)
    entries = tuple(
        make(
            kind,
            member_id=member,
            client_host="/10.0.0.7",
            subscribed_topic_names=("acme.a", "globex.pay"),
            assignment=assignment,
        )
        for member in members
    )
    return a_response(
        DESCRIBE,
        1,
        groups=tuple(make(group, group_id=name, members=entries, authorized_operations=-(2**31)) for name in groups),
    )


def describe(*groups: str) -> Any:
    return a_request(DESCRIBE, 1, group_ids=groups)


def test_a_description_tells_of_the_tenants_topics_alone() -> None:
    may, asking = a_may(), describe("acme-g")
    response = mended(judge_describe(asking, may), described("acme-g"), may)

    (member,) = response.groups[0].members
    assert member.subscribed_topic_names == ("acme.a",)
    assert [part.topic_name for part in member.assignment.topic_partitions] == ["acme.a"]
    assert (member.client_host, member.member_id) == (HOST, masked("member-0000-0000-0000"))
    assert hides(response, "globex")


def test_who_may_remove_members_is_told_their_ids() -> None:
    may = a_may(roles=("owners",))
    response = mended(judge_describe(describe("acme-g"), may), described("acme-g"), may)
    assert response.groups[0].members[0].member_id == "member-0000-0000-0000"


@pytest.mark.parametrize(("outside", "code"), [("not_found", ErrorCode.group_id_not_found), ("denied", GAF)])
def test_a_group_outside_the_view_is_not_asked_about(outside: str, code: ErrorCode) -> None:
    may, asking = a_may(outside=outside), describe("globex-g", "acme-g", "globex-none")
    verdict = judge_describe(asking, may)

    assert forwarded(asking, verdict).group_ids == ("acme-g",)
    groups = mended(verdict, described("acme-g"), may).groups
    assert [(group.group_id, group.error_code) for group in groups] == [
        ("globex-g", code),
        ("acme-g", ErrorCode.none),
        ("globex-none", code),
    ]
