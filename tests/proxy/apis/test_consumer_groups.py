"""ConsumerGroupHeartbeat and ConsumerGroupDescribe (KIP-848)."""

from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from kordon_policy.actions import Kind
from kordon_protocol.codec import encode, request_type, response_type
from kordon_protocol.keys import ApiKey
from kordon_proxy.apis.consumer_groups import APIS, judge_describe, judge_heartbeat, says_a_pattern
from kordon_proxy.judging import patterns
from kordon_proxy.judging.connection import Connection
from kordon_proxy.judging.entries import make, struct_type
from kordon_proxy.judging.may import May
from kordon_proxy.judging.member_ids import masked
from kordon_proxy.judging.patterns import Pattern
from kordon_proxy.judging.subscriptions import NAMES
from kordon_proxy.judging.table import Record
from kordon_proxy.judging.verdict import Forward
from tests.proxy.apis.messages import a_request, a_response
from tests.proxy.apis.verdicts import answered, forwarded, hides, mended, refused
from tests.proxy.judging.worlds import a_picture, make_may, topic_id

POLICY = """
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
TOPICS = ("acme.a", "acme.b", "acme.secret", "globex.pay", "globex.read")
BEAT, DESCRIBE = ApiKey.CONSUMER_GROUP_HEARTBEAT, ApiKey.CONSUMER_GROUP_DESCRIBE
VERSIONS = range(2)
NONE = ErrorCode.none
TAF, GAF = ErrorCode.topic_authorization_failed, ErrorCode.group_authorization_failed


def a_may(
    connection: Connection | None = None,
    topics: tuple[str, ...] = TOPICS,
    *,
    roles: tuple[str, ...] = ("devs",),
    outside: str = "not_found",
    version: int = 1,
) -> May:
    """`acme-g` reads a topic outside the explicit view."""
    picture = a_picture(topics, inferred={"acme-g": {"globex.read"}}, version=version)
    return make_may(POLICY.format(outside=outside), roles, picture=picture, connection=connection)


def parts(entity: Any, *names: str) -> tuple[Any, ...]:
    kind = struct_type(entity, "topic_partitions")
    return tuple(make(kind, topic_id=topic_id(name), topic_name=name, partitions=(0, 1)) for name in names)


def a_heartbeat(
    version: int,
    *,
    names: tuple[str, ...] | None = None,
    pattern: str | None = None,
    owned: tuple[str, ...] | None = None,
    epoch: int = 0,
    group: str = "acme-g",
    member: str = "m-1",
) -> Any:
    return a_request(
        BEAT,
        version,
        group_id=group,
        member_id=member,
        member_epoch=epoch,
        subscribed_topic_names=names,
        subscribed_topic_regex=pattern,
        topic_partitions=None if owned is None else parts(request_type(BEAT, version), *owned),
    )


def beaten(version: int, *assigned: str, unchanged: bool = False, **values: Any) -> Any:
    """What the coordinator says."""
    entity = struct_type(response_type(BEAT, version), "assignment")
    assignment = None if unchanged else make(entity, topic_partitions=parts(entity, *assigned))
    values = {"member_id": "m-1", "member_epoch": 1, "assignment": assignment} | values
    return a_response(BEAT, version, **values)


def beat(request: Any, may: May) -> Any:
    """The heartbeat as the coordinator gets it, after which it says that all is well."""
    verdict = judge_heartbeat(request, may)
    sent = forwarded(request, verdict)
    mended(verdict, beaten(request.__version__, unchanged=True), may)
    return sent


def assigned(response: Any) -> list[str] | None:
    if response.assignment is None:
        return None
    known = {topic_id(name): name for name in (*TOPICS, "acme.new")}
    return [known[part.topic_id] for part in response.assignment.topic_partitions]


# ---- who may


@pytest.mark.parametrize("version", VERSIONS)
def test_a_member_subscribes_to_topics_that_it_may_read(version: int) -> None:
    may = a_may()
    verdict = judge_heartbeat(a_heartbeat(version, names=("acme.a", "globex.read"), owned=()), may)
    assert isinstance(verdict, Forward)
    assert refused(may) == []


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("group", ["acme-no", "globex-g", "nobody-g"])
@pytest.mark.parametrize("epoch", [0, 3, -1, -2])
@pytest.mark.parametrize("outside", ["not_found", "denied"])
def test_being_a_member_needs_the_right_to_consume(version: int, group: str, epoch: int, outside: str) -> None:
    may = a_may(outside=outside)
    answer = answered(judge_heartbeat(a_heartbeat(version, names=("acme.a",), group=group, epoch=epoch), may))
    assert answer.error_code is GAF
    assert len(may.connection.subscriptions) == 0


@pytest.mark.parametrize("version", VERSIONS)
def test_one_topic_that_may_not_be_read_refuses_the_heartbeat(version: int) -> None:
    may = a_may()
    answer = answered(judge_heartbeat(a_heartbeat(version, names=("acme.a", "acme.secret")), may))
    assert answer.error_code is TAF
    assert refused(may) == [("denied", "acme.secret")]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("epoch", [-1, -2])
def test_leaving_needs_no_right_to_topics(version: int, epoch: int) -> None:
    may = a_may()
    beat(a_heartbeat(version, names=("acme.a",)), may)
    assert len(may.connection.subscriptions) == 1
    request = a_heartbeat(version, names=("acme.secret",), epoch=epoch)
    assert isinstance(judge_heartbeat(request, may), Forward)
    assert len(may.connection.subscriptions) == 0


@pytest.mark.parametrize("version", VERSIONS)
def test_whoever_leaves_it_is_an_event_that_names_the_member(version: int) -> None:
    (row,) = [api for api in APIS if api.key == BEAT]
    assert row.parameters is not None
    assert [row.record_for(a_heartbeat(version, epoch=epoch)) for epoch in (-2, -1, 0, 7)] == [
        Record.EVENT,
        Record.EVENT,
        Record.NOTHING,
        Record.NOTHING,
    ]
    assert row.parameters(a_heartbeat(version, epoch=-1), None) == {"group": "acme-g", "members": ["m-1"]}


# ---- names


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("outside", ["not_found", "denied"])
def test_a_subscription_to_a_hidden_topic_is_one_to_a_topic_that_does_not_exist(version: int, outside: str) -> None:
    for name in ("globex.pay", "globex.none"):
        may = a_may(outside=outside)
        sent = beat(a_heartbeat(version, names=("acme.a", name, "acme.none"), owned=()), may)
        assert sent.subscribed_topic_names == ("acme.a", "acme.none")
        assert hides(sent, name)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_topic_inferred_by_another_group_cannot_be_subscribed(version: int) -> None:
    sent = beat(a_heartbeat(version, names=("globex.read",), group="acme-other"), a_may())
    assert sent.subscribed_topic_names == ()


@pytest.mark.parametrize("version", VERSIONS)
def test_partitions_of_a_hidden_topic_are_not_owned(version: int) -> None:
    sent = beat(a_heartbeat(version, names=("acme.a",), owned=("globex.pay", "acme.a", "globex.read")), a_may())
    assert [part.topic_id for part in sent.topic_partitions] == [topic_id("acme.a"), topic_id("globex.read")]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_heartbeat_without_news_goes_on_as_it_came(version: int) -> None:
    may = a_may()
    beat(a_heartbeat(version, names=("acme.a", "globex.pay")), may)
    assert isinstance(judge_heartbeat(a_heartbeat(version, epoch=1), may), Forward)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_name_is_subscribed_once_the_group_may_use_it(version: int) -> None:
    connection = Connection()
    names = ("acme.a", "globex.new")
    beat(a_heartbeat(version, names=names), a_may(connection))
    later = make_may(
        POLICY.format(outside="not_found"),
        picture=a_picture((*TOPICS, "globex.new"), inferred={"acme-g": {"globex.new"}}),
        connection=connection,
    )
    assert beat(a_heartbeat(version, epoch=1), later).subscribed_topic_names == names


# ---- patterns


def test_a_pattern_becomes_the_names_that_it_matches_in_the_view() -> None:
    sent = beat(a_heartbeat(1, names=(), pattern=".*", owned=()), a_may())
    assert sent.subscribed_topic_regex == ""
    assert sent.subscribed_topic_names == ("acme.a", "acme.b", "globex.read")


def test_a_pattern_leaves_out_what_another_group_infers() -> None:
    sent = beat(a_heartbeat(1, pattern=".*", group="acme-other"), a_may())
    assert sent.subscribed_topic_names == ("acme.a", "acme.b")


def test_a_pattern_matches_whole_names() -> None:
    assert beat(a_heartbeat(1, pattern="acme"), a_may()).subscribed_topic_names == ()


def test_names_and_a_pattern_add_up() -> None:
    sent = beat(a_heartbeat(1, names=("acme.none", "acme.b"), pattern=r"acme\.[ab]"), a_may())
    assert sent.subscribed_topic_names == ("acme.a", "acme.b", "acme.none")


def test_an_invalid_pattern_is_told_and_changes_nothing() -> None:
    may = a_may()
    beat(a_heartbeat(1, names=("acme.a",)), may)
    answer = answered(judge_heartbeat(a_heartbeat(1, pattern="(", epoch=1), may))
    assert answer.error_code is ErrorCode.invalid_regular_expression
    assert isinstance(judge_heartbeat(a_heartbeat(1, epoch=1), may), Forward)


def test_a_new_topic_of_the_view_is_subscribed_with_a_later_heartbeat() -> None:
    connection = Connection()
    beat(a_heartbeat(1, pattern=".*"), a_may(connection))
    later = a_may(connection, (*TOPICS, "acme.new", "globex.new"), version=2)
    sent = beat(a_heartbeat(1, epoch=1), later)
    assert sent.subscribed_topic_names == ("acme.a", "acme.b", "acme.new", "globex.read")
    assert sent.subscribed_topic_regex is None
    assert isinstance(judge_heartbeat(a_heartbeat(1, epoch=1), later), Forward)


def test_a_null_pattern_changes_nothing_and_an_empty_one_ends_it() -> None:
    connection = Connection()
    beat(a_heartbeat(1, pattern=".*"), a_may(connection))
    assert isinstance(judge_heartbeat(a_heartbeat(1, epoch=1), a_may(connection)), Forward)
    assert beat(a_heartbeat(1, pattern="", epoch=1), a_may(connection)).subscribed_topic_names == ()
    later = a_may(connection, (*TOPICS, "acme.new"), version=2)
    assert isinstance(judge_heartbeat(a_heartbeat(1, epoch=1), later), Forward)


def test_new_names_leave_the_pattern_as_it_was() -> None:
    connection = Connection()
    beat(a_heartbeat(1, names=(), pattern=r"acme\.a"), a_may(connection))
    sent = beat(a_heartbeat(1, names=("acme.b",), epoch=1), a_may(connection))
    assert sent.subscribed_topic_names == ("acme.a", "acme.b")
    assert sent.subscribed_topic_regex is None


def test_a_member_that_joins_again_begins_anew() -> None:
    connection = Connection()
    beat(a_heartbeat(1, pattern=".*"), a_may(connection))
    assert beat(a_heartbeat(1, names=("acme.a",)), a_may(connection)).subscribed_topic_names == ("acme.a",)


def test_what_the_coordinator_refused_is_said_again() -> None:
    may = a_may()
    request = a_heartbeat(1, pattern=r"acme\.a")
    mended(judge_heartbeat(request, may), beaten(1, unchanged=True, error_code=ErrorCode.not_coordinator), may)
    assert beat(a_heartbeat(1, epoch=1), may).subscribed_topic_names == ("acme.a",)


def elsewhere(may: May) -> May:
    """The same rights on another connection."""
    return May(may.standing, may.picture, may.cluster, Connection())


@pytest.mark.known_fault(7)
def test_members_of_a_group_with_the_same_pattern_look_at_each_topic_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    def fullmatch(_: Pattern, name: str) -> object | None:
        looked.append(name)
        return True if name == "acme.a" else None

    monkeypatch.setattr(Pattern, "fullmatch", fullmatch)
    may = a_may()

    for member in ("m-1", "m-2"):
        sent = beat(a_heartbeat(1, pattern="acme.+", member=member), elsewhere(may))
        assert sent.subscribed_topic_names == ("acme.a",)

    assert looked == ["acme.a", "acme.b", "acme.secret", "globex.read"]


@pytest.mark.known_fault(7)
def test_thousands_of_topics_that_a_pattern_finds_are_no_news_for_the_audit() -> None:
    topics = tuple(f"acme.{number}" for number in range(3000))
    may = a_may(topics=topics)
    asked = [a_heartbeat(1, pattern=".*"), a_heartbeat(1, epoch=1)]

    sent = [beat(request, may).subscribed_topic_names for request in asked]

    assert [names and len(names) for names in sent] == [3000, None]
    assert {(ruling.kind, ruling.name) for ruling in may.notes} == {(Kind.GROUP, "acme-g")}


def test_what_one_group_finds_is_not_what_another_with_the_same_pattern_finds() -> None:
    may = a_may()
    assert beat(a_heartbeat(1, pattern=".*"), may).subscribed_topic_names[-1] == "globex.read"
    assert beat(a_heartbeat(1, pattern=".*", group="acme-other"), may).subscribed_topic_names[-1] == "acme.b"


def test_a_costly_pattern_is_evaluated_with_several_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "STEPS", 1)
    may = a_may()
    sent = [beat(a_heartbeat(1, pattern=".*"), may), *(beat(a_heartbeat(1, epoch=1), may) for _ in range(4))]

    assert [request.subscribed_topic_names for request in sent] == [
        ("acme.a",),
        ("acme.a", "acme.b"),
        None,  # the secret one
        ("acme.a", "acme.b", "globex.read"),
        None,
    ]
    assert isinstance(judge_heartbeat(a_heartbeat(1, epoch=1), may), Forward)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_member_that_names_too_many_topics_is_told_so(version: int) -> None:
    may = a_may()
    names = tuple(map(str, range(NAMES + 1)))
    answer = answered(judge_heartbeat(a_heartbeat(version, names=names), may))
    assert answer.error_code is ErrorCode.invalid_request
    assert len(may.connection.subscriptions) == 0
    assert isinstance(judge_heartbeat(a_heartbeat(version, names=("acme.a",)), may), Forward)


def test_only_a_new_pattern_needs_a_fresh_picture() -> None:
    assert says_a_pattern(a_heartbeat(1, pattern=".*"))
    assert not any(says_a_pattern(a_heartbeat(version, names=("acme.a",), pattern="")) for version in VERSIONS)
    assert not says_a_pattern(a_heartbeat(1))


# ---- reconnecting


def test_a_member_that_comes_from_elsewhere_is_asked_once_to_say_everything() -> None:
    may = a_may()
    answer = answered(judge_heartbeat(a_heartbeat(1, epoch=5), may))
    assert answer.error_code is ErrorCode.not_coordinator
    assert refused(may) == []
    sent = beat(a_heartbeat(1, names=(), pattern=r"acme\.a", epoch=5), may)
    assert sent.subscribed_topic_names == ("acme.a",)


def test_a_client_that_does_not_say_everything_is_not_asked_again() -> None:
    may = a_may()
    answered(judge_heartbeat(a_heartbeat(1, epoch=5), may))
    assert isinstance(judge_heartbeat(a_heartbeat(1, epoch=5), may), Forward)


def test_a_member_without_patterns_goes_on_where_it_was() -> None:
    assert isinstance(judge_heartbeat(a_heartbeat(0, epoch=5), a_may()), Forward)


# ---- assignments


@pytest.mark.parametrize("version", VERSIONS)
def test_an_assignment_has_only_topics_that_the_group_may_use(version: int) -> None:
    may = a_may()
    verdict = judge_heartbeat(a_heartbeat(version, names=("acme.a",)), may)
    answer = mended(verdict, beaten(version, "globex.pay", "acme.a", "globex.read"), may)
    assert assigned(answer) == ["acme.a", "globex.read"]
    assert topic_id("globex.pay").bytes not in encode(answer)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_assignment_that_may_be_seen_is_the_coordinators_own(version: int) -> None:
    may = a_may()
    verdict = judge_heartbeat(a_heartbeat(version, names=("acme.a",)), may)
    said = beaten(version, "acme.a")
    assert isinstance(verdict, Forward)
    assert verdict.plan.mend(said, may) is said  # type: ignore[union-attr]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_topic_newer_than_the_picture_is_shown_with_the_next_answer(version: int) -> None:
    connection = Connection()
    asked = a_may(connection)
    verdict = judge_heartbeat(a_heartbeat(version, names=("acme.new",)), asked)
    assert assigned(mended(verdict, beaten(version, "acme.new"), asked)) == []
    assert asked.news

    later = a_may(connection, (*TOPICS, "acme.new"), version=2)
    verdict = judge_heartbeat(a_heartbeat(version, owned=(), epoch=1), later)
    assert assigned(mended(verdict, beaten(version, unchanged=True), later)) == ["acme.new"]
    assert not later.news
    verdict = judge_heartbeat(a_heartbeat(version, epoch=1), later)
    assert assigned(mended(verdict, beaten(version, unchanged=True), later)) is None


@pytest.mark.parametrize("version", VERSIONS)
def test_a_topic_that_leaves_the_view_leaves_the_assignment(version: int) -> None:
    connection = Connection()
    may = a_may(connection)
    verdict = judge_heartbeat(a_heartbeat(version, names=("globex.read", "acme.a")), may)
    assert assigned(mended(verdict, beaten(version, "globex.read", "acme.a"), may)) == ["globex.read", "acme.a"]
    narrower = make_may(POLICY.format(outside="not_found"), picture=a_picture(TOPICS), connection=connection)
    verdict = judge_heartbeat(a_heartbeat(version, epoch=1), narrower)
    sent = forwarded(a_heartbeat(version, epoch=1), verdict)
    assert sent.subscribed_topic_names == ("acme.a",)
    assert assigned(mended(verdict, beaten(version, unchanged=True), narrower)) == ["acme.a"]


def test_a_member_of_v0_is_known_by_the_id_of_its_first_answer() -> None:
    connection = Connection()
    may = a_may(connection)
    verdict = judge_heartbeat(a_heartbeat(0, names=("acme.new",), member=""), may)
    mended(verdict, beaten(0, "acme.new", member_id="given"), may)
    later = a_may(connection, (*TOPICS, "acme.new"), version=2)
    verdict = judge_heartbeat(a_heartbeat(0, epoch=1, member="given"), later)
    assert assigned(mended(verdict, beaten(0, unchanged=True), later)) == ["acme.new"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("epoch", [0, -1])
def test_a_text_of_the_coordinator_is_replaced(version: int, epoch: int) -> None:
    may = a_may()
    verdict = judge_heartbeat(a_heartbeat(version, names=("acme.a",), epoch=epoch), may)
    said = beaten(version, error_code=ErrorCode.unreleased_instance_id, error_message="at real-1.internal")
    assert hides(mended(verdict, said, may), "real-1")


# ---- describing

MEMBER = "Qm9yZGVyLWNhc2UtaWQtMQ"
ALL_GROUP_BITS = 8 | 64 | 256 | 1024 | 2048


def describing(version: int, *groups: str, bits: bool = False) -> Any:
    return a_request(DESCRIBE, version, group_ids=groups, include_authorized_operations=bits)


def described(version: int, *groups: str, bits: int = -(2**31), pattern: str | None = ".*") -> Any:
    """What a coordinator says of groups with one member that has to do with topics of two tenants."""
    kind = struct_type(response_type(DESCRIBE, version), "groups")
    member = struct_type(kind, "members")
    entity = struct_type(member, "assignment")
    assignment = make(entity, topic_partitions=parts(entity, "acme.a", "globex.pay"))
    members = (
        make(
            member,
            member_id=MEMBER,
            client_host="/10.0.0.7",
            subscribed_topic_names=("globex.pay", "acme.b", "globex.none"),
            subscribed_topic_regex=pattern,
            assignment=assignment,
            target_assignment=assignment,
        ),
    )
    return a_response(
        DESCRIBE,
        version,
        groups=tuple(
            make(kind, group_id=group, group_state="Stable", members=members, authorized_operations=bits)
            for group in groups
        ),
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_a_description_has_only_topics_of_the_view(version: int) -> None:
    may = a_may(roles=("guests",))
    request = describing(version, "acme-g")
    verdict = judge_describe(request, may)
    assert isinstance(verdict, Forward)
    answer = mended(verdict, described(version, "acme-g", pattern="globex[.]pay"), may)
    (member,) = answer.groups[0].members
    assert member.subscribed_topic_names == ("acme.b",)
    assert member.subscribed_topic_regex == ""
    assert [part.topic_name for part in member.assignment.topic_partitions] == ["acme.a"]
    assert [part.topic_name for part in member.target_assignment.topic_partitions] == ["acme.a"]
    assert member.client_host == "/kordon"
    assert hides(answer, "globex")
    assert hides(answer, "10.0.0.7")
    assert topic_id("globex.pay").bytes not in encode(answer)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("roles", "told"), [(("devs",), masked(MEMBER)), (("owners",), MEMBER)])
def test_only_who_may_remove_members_is_told_their_ids(version: int, roles: tuple[str, ...], told: str) -> None:
    may = a_may(roles=roles)
    answer = mended(judge_describe(describing(version, "acme-g"), may), described(version, "acme-g"), may)
    (member,) = answer.groups[0].members
    assert member.member_id == told
    assert refused(may) == []


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("outside", "code"), [("not_found", ErrorCode.group_id_not_found), ("denied", GAF)])
def test_groups_outside_the_view_are_not_described_and_the_order_stays(
    version: int, outside: str, code: ErrorCode
) -> None:
    may = a_may(outside=outside)
    request = describing(version, "globex-g", "acme-g", "nobody-g", "acme-h")
    verdict = judge_describe(request, may)
    sent = forwarded(request, verdict)
    assert sent.group_ids == ("acme-g", "acme-h")
    answer = mended(verdict, described(version, "acme-g", "acme-h"), may)
    assert [(group.group_id, group.error_code) for group in answer.groups] == [
        ("globex-g", code),
        ("acme-g", NONE),
        ("nobody-g", code),
        ("acme-h", NONE),
    ]
    alone = [encode(answered(judge_describe(describing(version, name), may))) for name in ("globex-g", "nobodyxx")]
    assert alone[0].replace(b"globex-g", b"nobodyxx") == alone[1]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_missing_group_of_the_view_is_described_like_a_foreign_one(version: int) -> None:
    may = a_may()
    kind = struct_type(response_type(DESCRIBE, version), "groups")
    missing = make(
        kind, group_id="acme-x", error_code=ErrorCode.group_id_not_found, error_message="Group acme-x not found."
    )
    said = a_response(DESCRIBE, version, groups=(missing,))
    there = mended(judge_describe(describing(version, "acme-x"), may), said, may)
    foreign = answered(judge_describe(describing(version, "glob-x"), may))
    assert encode(there).replace(b"acme-x", b"glob-x") == encode(foreign)


@pytest.mark.parametrize("version", VERSIONS)
def test_operations_are_those_of_the_tenants_policy(version: int) -> None:
    may = a_may()
    request = describing(version, "acme-g", bits=True)
    answer = mended(judge_describe(request, may), described(version, "acme-g", bits=ALL_GROUP_BITS), may)
    assert answer.groups[0].authorized_operations == 8 | 256 | 1024
    answer = mended(judge_describe(request, may), described(version, "acme-g"), may)
    assert answer.groups[0].authorized_operations == -(2**31)
