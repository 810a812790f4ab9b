"""StreamsGroupHeartbeat and StreamsGroupDescribe (KIP-1071)."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest
from kio.schema.errors import ErrorCode

from kordon_protocol.keys import ApiKey
from kordon_proxy.apis.streams_descriptions import judge_describe
from kordon_proxy.apis.streams_groups import APIS, judge_heartbeat
from kordon_proxy.apis.streams_status import CONSTANT, MISSING_INTERNAL, MISSING_SOURCES, SHUTDOWN
from kordon_proxy.judging.connection import Connection
from kordon_proxy.judging.may import May
from kordon_proxy.judging.member_ids import masked
from kordon_proxy.judging.recent_members import MEMBERS
from kordon_proxy.judging.streams_members import LETTERS, StreamsMember, StreamsMembers, Topology
from kordon_proxy.judging.table import Record
from kordon_proxy.judging.verdict import Ask, Forward, Verdict
from tests.proxy.apis.exchanges import row
from tests.proxy.apis.messages import a_request, a_response, asked, said
from tests.proxy.apis.verdicts import answered, forwarded, hides, mended, refused
from tests.proxy.judging.worlds import a_picture, make_may

POLICY = """
policies:
- {{resource: [cluster, "*", group, "*"], effect: Allow, actions: [GROUP_CONSUME], roles: [makers, devs]}}
- {{resource: [cluster, "*", group, "acme-no"], effect: Deny, actions: [GROUP_CONSUME], roles: [makers, devs]}}
- {{resource: [cluster, "*", topic, "*"], effect: Allow, actions: [TOPIC_INSPECT, TOPIC_PRODUCE], role: devs}}
- {{resource: [cluster, "*", topic, "*"], effect: Allow, actions: [TOPIC_CREATE], role: makers}}
- {{resource: [cluster, "*", topic, "*"], effect: Allow, actions: [TOPIC_INSPECT, TOPIC_PRODUCE], role: makers}}
- {{resource: [cluster, "*", topic, "*-secret"], effect: Deny, actions: [TOPIC_INSPECT], roles: [makers, devs]}}
- {{resource: [cluster, "*", topic, "*-sealed"], effect: Deny, actions: [TOPIC_PRODUCE], roles: [makers, devs]}}
- {{resource: [cluster, "*", topic, "*-staged"], effect: Stage, actions: [TOPIC_CREATE], role: makers}}
tenants:
- name: acme
  roles: [makers, devs]
  outside_view: {outside}
  resources:
  - include: [[cluster, "*", topic, "acme-*"], [cluster, "*", group, "acme-*"]]
"""
BEAT, DESCRIBE = ApiKey.STREAMS_GROUP_HEARTBEAT, ApiKey.STREAMS_GROUP_DESCRIBE
NONE = ErrorCode.none
TAF, GAF = ErrorCode.topic_authorization_failed, ErrorCode.group_authorization_failed
REPARTITION, CHANGELOG = "acme-app-counts-repartition", "acme-app-counts-changelog"
TOPICS: Final = ("acme-in", "acme-a-secret", "acme-a-sealed", "globex-in", "globex-read")
"""What there is besides the internal topics."""
MADE: Final = (*TOPICS, REPARTITION, CHANGELOG)


def a_may(
    *topics: str, roles: tuple[str, ...] = ("makers",), outside: str = "not_found", connection: Connection | None = None
) -> May:
    """`acme-app` reads a topic outside the explicit view."""
    picture = a_picture(topics or TOPICS, inferred={"acme-app": {"globex-read"}})
    return make_may(POLICY.format(outside=outside), roles, picture=picture, connection=connection)


def info(name: str, **values: Any) -> Any:
    return asked(BEAT, 0, "topology", "subtopologies", "state_changelog_topics", name=name, **values)


def part(**values: Any) -> Any:
    return asked(BEAT, 0, "topology", "subtopologies", **values)


def a_topology(
    *sources: str,
    sinks: tuple[str, ...] = (REPARTITION,),
    reads: tuple[str, ...] = (REPARTITION,),
    changelogs: tuple[str, ...] = (CHANGELOG,),
    pattern: str | None = None,
) -> Any:
    """Two parts with a repartition topic between them, and a changelog behind the second."""
    first = part(
        subtopology_id="0",
        source_topics=sources,
        repartition_sink_topics=sinks,
        source_topic_regex=() if pattern is None else (pattern,),
    )
    second = part(
        subtopology_id="1",
        repartition_source_topics=tuple(map(info, reads)),
        state_changelog_topics=tuple(map(info, changelogs)),
    )
    return asked(BEAT, 0, "topology", epoch=0, subtopologies=(first, second))


def joining(*sources: str, group: str = "acme-app", member: str = "m-1", topology: Any = None, **values: Any) -> Any:
    return a_request(
        BEAT,
        0,
        **{
            "group_id": group,
            "member_id": member,
            "rebalance_timeout": timedelta(minutes=5),
            "topology": topology or a_topology(*(sources or ("acme-in",))),
            "endpoint_information_epoch": -1,
        }
        | values,
    )


def beating(epoch: int = 1, *, group: str = "acme-app", member: str = "m-1", **values: Any) -> Any:
    told = {"active_tasks": None, "standby_tasks": None, "warmup_tasks": None, "endpoint_information_epoch": 0}
    return a_request(BEAT, 0, group_id=group, member_id=member, member_epoch=epoch, **told | values)


def told(epoch: int = 1, **values: Any) -> Any:
    """What the coordinator says."""
    return a_response(BEAT, 0, **{"member_id": "m-1", "member_epoch": epoch} | values)


def status(code: int, detail: str) -> Any:
    return said(BEAT, 0, "status", status_code=code, status_detail=detail)


def judged(request: Any, may: May, stored: Any = None, *, coordinator: Any = None) -> Verdict:
    """What becomes of a heartbeat where the coordinator has this topology for the group, or none (or answers this)."""
    verdict = judge_heartbeat(request, may)
    if not isinstance(verdict, Ask):
        return verdict
    assert verdict.question == a_request(DESCRIBE, 0, group_ids=(request.group_id,))
    return decided(verdict, coordinator or describes(stored), may)


def decided(asked: Ask, answer: Any, may: May) -> Verdict:
    """What becomes of it with this answer: there is no second question."""
    verdict = asked.decide(answer, may)
    assert not isinstance(verdict, Ask)
    return verdict


def describes(stored: Any, *, code: ErrorCode = ErrorCode.group_id_not_found) -> Any:
    """What the coordinator says of the group."""
    if stored is None:
        group = said(DESCRIBE, 0, "groups", error_code=code, topology=None)
    else:
        parts = tuple(map(_described_part, stored.subtopologies))
        topology = said(DESCRIBE, 0, "groups", "topology", epoch=stored.epoch, subtopologies=parts)
        group = said(DESCRIBE, 0, "groups", group_id="acme-app", topology=topology)
    return a_response(DESCRIBE, 0, groups=(group,))


def _described_part(part: Any) -> Any:
    path = ("groups", "topology", "subtopologies")
    return said(
        DESCRIBE,
        0,
        *path,
        subtopology_id=part.subtopology_id,
        source_topics=part.source_topics,
        repartition_sink_topics=part.repartition_sink_topics,
        **{
            field: tuple(said(DESCRIBE, 0, *path, field, name=topic.name) for topic in getattr(part, field))
            for field in ("repartition_source_topics", "state_changelog_topics")
        },
    )


def join(connection: Connection, *topics: str, request: Any = None, **values: Any) -> None:
    """Join as a member that the coordinator takes."""
    request = request or joining()
    may = a_may(*(topics or MADE), connection=connection, **values)
    verdict = judged(request, may)
    forwarded(request, verdict)
    mended(verdict, told(), may)


# ---- who may


@pytest.mark.parametrize("group", ["acme-no", "globex-app", "nobody-app"])
@pytest.mark.parametrize("outside", ["not_found", "denied"])
def test_being_a_member_needs_the_right_to_consume(group: str, outside: str) -> None:
    for request in (joining(group=group), *(beating(epoch, group=group) for epoch in (1, -1, -2))):
        response = answered(judged(request, a_may(outside=outside)))
        assert response.error_code is GAF
        assert response.active_tasks is None


def test_whoever_may_create_its_internal_topics_joins() -> None:
    may, request = a_may(), joining()
    assert isinstance(judged(request, may), Forward)
    assert refused(may) == []
    assert may.creates
    assert may.unknown_topics


def test_who_may_not_create_joins_where_they_are_there() -> None:
    may = a_may(*MADE, roles=("devs",))
    assert isinstance(judged(joining(), may), Forward)
    assert refused(may) == []
    assert not may.creates


@pytest.mark.parametrize("there", [(), (REPARTITION,), (CHANGELOG,)])
def test_who_may_not_create_is_refused_where_one_is_missing(there: tuple[str, ...]) -> None:
    may = a_may(*TOPICS, *there, roles=("devs",))
    response = answered(judged(joining(), may))
    assert response.error_code is TAF
    assert "TOPIC_CREATE" in response.error_message
    assert [name for _, name in refused(may)] == [name for name in (REPARTITION, CHANGELOG) if name not in there]
    assert not may.creates


def test_what_only_may_be_staged_is_not_created() -> None:
    topology = a_topology("acme-in", changelogs=("acme-app-staged",))
    response = answered(judged(joining(topology=topology), a_may()))
    assert response.error_code is ErrorCode.policy_violation


@pytest.mark.parametrize(
    "topology",
    [
        a_topology("acme-a-secret"),
        a_topology("acme-in", sinks=("acme-a-sealed",), reads=()),
        a_topology("acme-in", reads=("acme-a-secret",)),
        a_topology("acme-in", changelogs=("acme-a-sealed",)),
    ],
    ids=["a source", "a sink", "a repartition topic", "a changelog"],
)
def test_topics_are_used_by_who_may_read_or_write_them(topology: Any) -> None:
    may = a_may()
    response = answered(judged(joining(topology=topology), may))
    assert response.error_code is TAF
    assert [how for how, _ in refused(may)] == ["denied"]


@pytest.mark.parametrize("name", ["globex-in", "nobodys-in", "__consumer_offsets", "__acme-app-changelog"])
@pytest.mark.parametrize("outside", ["not_found", "denied"])
@pytest.mark.parametrize("where", ["sinks", "reads", "changelogs"])
def test_no_internal_topic_comes_into_being_outside_the_view(name: str, outside: str, where: str) -> None:
    names: dict[str, Any] = {where: (name,)}
    request = joining(topology=a_topology("acme-in", **names))
    response = answered(judged(request, a_may(outside=outside)))
    assert response.error_code is TAF
    assert response.error_message == f"topic {name} is outside the tenant acme"


def test_a_setting_that_places_replicas_is_not_for_members() -> None:
    path = ("topology", "subtopologies", "state_changelog_topics", "topic_configs")
    setting = replace(asked(BEAT, 0, *path), key="remote.storage.enable")
    parts = (
        part(
            subtopology_id="0",
            source_topics=("acme-in",),
            state_changelog_topics=(info(CHANGELOG, topic_configs=(setting,)),),
        ),
    )
    request = joining(topology=asked(BEAT, 0, "topology", subtopologies=parts))
    response = answered(judged(request, a_may()))
    assert response.error_code is TAF
    assert "BROKER_EDIT" in response.error_message


def test_a_topic_that_the_group_infers_is_a_source_and_nothing_that_it_creates() -> None:
    assert isinstance(judged(joining("globex-read"), a_may(*MADE)), Forward)
    gone = a_may("acme-in")
    topology = a_topology("acme-in", changelogs=("globex-read",))
    response = answered(judged(joining(topology=topology), gone))
    assert response.error_code is TAF


def test_sources_by_pattern_are_refused_as_coordinators_refuse_them() -> None:
    request = joining(topology=a_topology("acme-in", pattern=".*"))
    response = answered(judged(request, a_may()))
    assert response.error_code is ErrorCode.invalid_request
    assert "Regular expressions" in response.error_message


@pytest.mark.parametrize("epoch", [1, -1, -2])
def test_a_topology_comes_only_with_who_joins(epoch: int) -> None:
    response = answered(judged(joining("globex-in", member_epoch=epoch), a_may()))
    assert response.error_code is ErrorCode.invalid_request


def test_without_a_topology_the_coordinator_says_what_is_wrong() -> None:
    request = beating(0)
    assert isinstance(judged(request, a_may()), Forward)


# ---- sources that are not there for the tenant


@pytest.mark.parametrize("name", ["globex-in", "nobodys-in"])
def test_a_source_outside_the_view_is_missing(name: str) -> None:
    may = a_may()
    response = answered(judged(joining(name, "acme-in", "acme-not-yet"), may))
    assert response.error_code is NONE
    assert [(one.status_code, one.status_detail) for one in response.status] == [
        (MISSING_SOURCES, f"Source topics {', '.join(sorted(('acme-not-yet', name)))} are missing.")
    ]
    assert (response.member_id, response.member_epoch) == ("m-1", 2)
    assert response.active_tasks == response.standby_tasks == response.warmup_tasks == ()
    assert ("hidden", name) in refused(may)
    assert not may.creates


def test_many_missing_sources_are_counted() -> None:
    names = tuple(f"globex-{number}" for number in range(5))
    (one,) = answered(judged(joining(*names), a_may())).status
    assert one.status_detail == "Source topics globex-0, globex-1, globex-2 and 2 additional topics are missing."


@pytest.mark.parametrize("name", ["globex-in", "nobodys-in"])
def test_a_source_outside_the_view_is_denied_where_the_tenant_wants_it(name: str) -> None:
    response = answered(judged(joining(name), a_may(outside="denied")))
    assert response.error_code is TAF


def test_a_source_of_the_view_that_does_not_exist_is_the_coordinators_to_tell() -> None:
    assert isinstance(judged(joining("acme-not-yet"), a_may()), Forward)


def test_a_member_without_sources_is_away_until_they_are_there() -> None:
    connection = Connection()
    answered(judged(joining("globex-new"), a_may(connection=connection)))

    # Still away: told the same
    again = answered(judged(beating(), a_may(connection=connection)))
    assert [one.status_code for one in again.status] == [MISSING_SOURCES]
    assert (again.member_epoch, again.active_tasks) == (2, ())

    # There, since its group reads them now: told to join anew, and so it does
    seen = make_may(
        POLICY.format(outside="not_found"),
        ("makers",),
        picture=a_picture((*MADE, "globex-new"), inferred={"acme-app": {"globex-new"}}),
        connection=connection,
    )
    assert answered(judged(beating(), seen)).error_code is ErrorCode.fenced_member_epoch
    request = joining("globex-new")
    verdict = judged(request, seen)
    forwarded(request, verdict)
    mended(verdict, told(), seen)
    assert isinstance(judged(beating(), seen), Forward)


def test_a_member_whose_source_leaves_the_view_is_away() -> None:
    connection = Connection()
    join(connection, request=joining("globex-read"))
    lost = make_may(POLICY.format(outside="not_found"), ("makers",), topics=MADE, connection=connection)
    response = answered(judged(beating(7), lost))
    assert (response.member_epoch, response.active_tasks) == (7, ())
    assert isinstance(judged(beating(-1), lost), Forward)


def test_a_member_that_the_coordinator_never_saw_leaves_without_it() -> None:
    connection = Connection()
    answered(judged(joining("globex-in"), a_may(connection=connection)))
    response = answered(judged(beating(-1), a_may(connection=connection)))
    assert (response.error_code, response.member_epoch, response.active_tasks) == (NONE, -1, None)
    assert isinstance(judged(beating(-1), a_may(connection=connection)), Forward)


# ---- later heartbeats


def test_a_topic_that_went_is_not_created_again_by_who_may_not() -> None:
    connection = Connection()
    join(connection, roles=("devs",))
    assert isinstance(judged(beating(), a_may(*MADE, roles=("devs",), connection=connection)), Forward)
    gone = a_may(*TOPICS, REPARTITION, roles=("devs",), connection=connection)
    assert answered(judged(beating(), gone)).error_code is TAF


def test_a_later_heartbeat_that_creates_a_topic_is_known_to() -> None:
    connection = Connection()
    join(connection)
    may = a_may(*TOPICS, connection=connection)
    assert isinstance(judged(beating(), may), Forward)
    assert may.creates


def test_a_topology_that_the_coordinator_refuses_takes_the_place_of_none() -> None:
    connection = Connection()
    join(connection, roles=("devs",))
    may = a_may(*MADE, connection=connection)
    verdict = judged(joining(topology=a_topology("acme-in", reads=(), changelogs=(), sinks=())), may)
    assert isinstance(verdict, Forward)
    mended(verdict, told(error_code=ErrorCode.invalid_request), may)
    gone = a_may(roles=("devs",), connection=connection)
    assert answered(judged(beating(), gone)).error_code is TAF


def test_what_is_remembered_of_members_is_bounded() -> None:
    connection = Connection()
    for number in range(MEMBERS + 5):
        join(connection, request=joining(member=f"m-{number}"))
    assert len(connection.streams_members) == MEMBERS


# ---- the topology that the coordinator has


def test_who_comes_by_another_connection_is_judged_by_the_topology_of_the_group() -> None:
    stored = a_topology("acme-in")
    assert isinstance(judged(beating(), a_may(*MADE, roles=("devs",)), stored), Forward)
    assert answered(judged(beating(), a_may(roles=("devs",)), stored)).error_code is TAF


def test_who_joins_with_an_older_topology_creates_nothing_of_the_newer_one_without_the_right() -> None:
    older = a_topology("acme-in", sinks=(), reads=(), changelogs=())
    request, stored = joining(topology=older), a_topology("acme-in")
    assert answered(judged(request, a_may(roles=("devs",)), stored)).error_code is TAF
    may = a_may()
    assert isinstance(judged(request, may, stored), Forward)
    assert may.creates


def test_later_heartbeats_are_judged_by_what_the_coordinator_told() -> None:
    connection = Connection()
    older = joining(topology=a_topology("acme-in", sinks=(), reads=(), changelogs=()))
    may = a_may(*MADE, connection=connection)
    verdict = judged(older, may, a_topology("acme-in"))
    forwarded(older, verdict)
    mended(verdict, told(), may)
    gone = a_may(*TOPICS, roles=("devs",), connection=connection)
    assert answered(judge_at_once(beating(), gone)).error_code is TAF


def judge_at_once(request: Any, may: May) -> Verdict:
    verdict = judge_heartbeat(request, may)
    assert not isinstance(verdict, Ask)
    return verdict


@pytest.mark.parametrize("where", ["sinks", "reads", "changelogs"])
@pytest.mark.parametrize("request_of", [beating, joining], ids=["a heartbeat", "joining"])
def test_a_client_hears_no_name_that_only_the_coordinator_said(where: str, request_of: Any) -> None:
    names: dict[str, Any] = {where: ("globex-in",)}
    may = a_may(*MADE)
    response = answered(judged(request_of(), may, a_topology("acme-in", **names)))
    assert response.error_code is TAF
    assert hides(response, "globex")
    assert ("hidden", "globex-in") in refused(may)


def test_sources_that_only_the_coordinator_said_are_missing_without_their_names() -> None:
    connection = Connection()
    response = answered(judged(beating(3), a_may(*MADE, connection=connection), a_topology("globex-in")))
    assert [one.status_detail for one in response.status] == ["Source topics are missing."]
    assert response.member_epoch == 3
    assert isinstance(judge_at_once(beating(-1), a_may(connection=connection)), Forward)


@pytest.mark.parametrize(
    "code", [ErrorCode.not_coordinator, ErrorCode.coordinator_load_in_progress, ErrorCode.group_authorization_failed]
)
def test_a_coordinator_that_does_not_tell_is_heard_by_the_client(code: ErrorCode) -> None:
    for request in (beating(), joining()):
        assert answered(judged(request, a_may(), coordinator=describes(None, code=code))).error_code is code


def test_without_an_answer_of_the_coordinator_nothing_passes() -> None:
    may = a_may(*MADE, connection=Connection(broker_id=2))
    verdict = judge_heartbeat(beating(), may)
    assert isinstance(verdict, Ask)
    assert verdict.broker_id == 2
    assert answered(decided(verdict, None, may)).error_code is ErrorCode.coordinator_not_available


def test_it_is_decided_by_the_rights_of_the_moment_when_the_coordinator_has_answered() -> None:
    verdict = judge_heartbeat(joining(), a_may())
    assert isinstance(verdict, Ask)
    assert answered(decided(verdict, describes(None), a_may(roles=("devs",)))).error_code is TAF


# ---- what the coordinator says


def heard(response: Any, *, roles: tuple[str, ...] = ("makers",)) -> Any:
    may = a_may(*MADE, roles=roles)
    return mended(judged(joining(), may), response, may)


def test_an_answer_that_names_nothing_hidden_leaves_as_it_came() -> None:
    may = a_may(*MADE)
    response = told(status=(status(MISSING_INTERNAL, f"Internal topics are missing: {CHANGELOG}, {REPARTITION}"),))
    verdict = judged(joining(), may)
    assert isinstance(verdict, Forward)
    assert verdict.plan.mend(response, may) is response  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("code", "detail", "shown"),
    [
        (0, "The member's topology epoch 0 is behind the group's topology epoch 5.", None),
        (0, "something about globex-in", CONSTANT[0]),
        (1, "Source topics acme-in are missing.", None),
        (1, "Source topics acme-in, globex-in are missing.", "Source topics are missing."),
        (1, "Source topics acme-a, acme-b, acme-c and 3 additional topics are missing.", None),
        (2, "Existing topic acme-in has different number of partitions: expected 3, found 1", None),
        (2, "Existing topic globex-in has different number of partitions: expected 3, found 1", CONSTANT[2]),
        (2, "Following topics do not have the same number of partitions: [acme-in, acme-x]", None),
        (2, "Following topics do not have the same number of partitions: [acme-in, globex-in]", CONSTANT[2]),
        (3, "Internal topics are missing: globex-x", "Internal topics are missing"),
        (
            3,
            "Internal topics are missing: acme-x; Creation failed: acme-x (because globex-in collides).",
            "Internal topics are missing: acme-x; Creation failed.",
        ),
        (
            3,
            "Internal topics are missing: globex-x; Unauthorized to CREATE on topics globex-x.",
            "Internal topics are missing; Unauthorized to CREATE.",
        ),
        (4, "Streams group member 0123456789abcdef encountered a fatal error and requested …", CONSTANT[SHUTDOWN]),
        (5, "Assignment delayed due to the configured initial rebalance delay.", None),
        (9, "globex-in is on fire", "The group is not ready."),
    ],
)
def test_details_of_a_status_name_nothing_hidden(code: int, detail: str, shown: str | None) -> None:
    (one,) = heard(told(status=(status(code, detail),))).status
    assert (one.status_code, one.status_detail) == (code, shown or detail)


def test_free_text_is_kafkas_own() -> None:
    response = heard(told(error_code=ErrorCode.fenced_member_epoch, error_message="member of globex-in"))
    assert hides(response, "globex")


def test_the_table_of_endpoints_is_cut_to_the_view() -> None:
    kind = ("partitions_by_user_endpoint",)
    parts = tuple(said(BEAT, 0, *kind, "active_partitions", topic=name, partitions=(0,)) for name in MADE)
    endpoint = said(BEAT, 0, *kind, "user_endpoint", host="app.acme.example", port=7070)
    response = heard(
        told(
            partitions_by_user_endpoint=(
                said(BEAT, 0, *kind, user_endpoint=endpoint, active_partitions=parts, standby_partitions=parts),
            )
        )
    )
    (one,) = response.partitions_by_user_endpoint
    assert one.user_endpoint == endpoint
    assert [part.topic for part in one.active_partitions] == [part.topic for part in one.standby_partitions]
    assert {part.topic for part in one.active_partitions} == {*MADE} - {"globex-in"}  # its group reads the other


# ---- what is written down


def test_who_leaves_and_what_comes_into_being_is_written_down() -> None:
    api = row(APIS, BEAT)
    assert api.parameters is not None
    assert [api.record_for(beating(epoch)) for epoch in (1, -1, -2)] == [Record.NOTHING, Record.EVENT, Record.EVENT]
    assert api.record_for(beating(shutdown_application=True)) is Record.EVENT
    assert api.parameters(beating(-1), told()) == {"group": "acme-app", "members": ["m-1"], "leaves": True}
    assert api.parameters(beating(shutdown_application=True), None)["shutdown_application"] is True
    response = told(
        status=(status(3, "Internal topics are missing: a, b, c and 2 additional topics; Creation failed: d"),)
    )
    assert api.parameters(joining(), response)["creates"] == ["a", "b", "c", "2 additional topics"]


def test_only_who_joins_has_to_wait_for_a_fresh_picture() -> None:
    fresh = row(APIS, BEAT).needs_fresh_picture
    assert fresh is not None
    assert fresh(joining())
    assert not fresh(beating())


# ---- descriptions


def described(*names: str, roles: tuple[str, ...] = ("makers",)) -> Any:
    """A group as one broker describes it, as a client is told of it. The second part reads the last of the names."""
    topic = ("groups", "topology", "subtopologies", "state_changelog_topics")
    infos = tuple(said(DESCRIBE, 0, *topic, name=name) for name in (REPARTITION, *names))
    parts = tuple(
        said(
            DESCRIBE,
            0,
            "groups",
            "topology",
            "subtopologies",
            subtopology_id=number,
            source_topics=sources,
            repartition_sink_topics=names,
            state_changelog_topics=infos,
            repartition_source_topics=infos[:1],
        )
        for number, sources in (("0", ("acme-in",)), ("1", names))
    )
    offsets = tuple(said(DESCRIBE, 0, "groups", "members", "task_offsets", subtopology_id=one) for one in "01")
    tasks = tuple(
        said(DESCRIBE, 0, "groups", "members", "assignment", "active_tasks", subtopology_id=one, partitions=(0, 1))
        for one in "01"
    )
    doing = said(
        DESCRIBE, 0, "groups", "members", "assignment", active_tasks=tasks, standby_tasks=tasks, warmup_tasks=tasks
    )
    member = said(
        DESCRIBE,
        0,
        "groups",
        "members",
        member_id="0123456789abcdef",
        client_host="/10.0.0.1",
        task_offsets=offsets,
        task_end_offsets=offsets,
        assignment=doing,
        target_assignment=doing,
    )
    group = said(
        DESCRIBE,
        0,
        "groups",
        group_id="acme-app",
        topology=said(DESCRIBE, 0, "groups", "topology", subtopologies=parts),
        members=(member,),
        authorized_operations=3400,
    )
    may, request = a_may(*MADE, roles=roles), a_request(DESCRIBE, 0, group_ids=("acme-app",))
    (found,) = mended(judge_describe(request, may), a_response(DESCRIBE, 0, groups=(group,)), may).groups
    return found


def test_a_description_without_anything_hidden_is_whole() -> None:
    found = described(CHANGELOG)
    first, second = found.topology.subtopologies
    assert first.source_topics == ("acme-in",)
    assert second.source_topics == second.repartition_sink_topics == (CHANGELOG,)
    assert [topic.name for topic in second.state_changelog_topics] == [REPARTITION, CHANGELOG]
    (member,) = found.members
    assert [task.subtopology_id for task in member.assignment.active_tasks] == ["0", "1"]
    assert member.client_host == "/kordon"
    assert member.member_id == masked("0123456789abcdef")
    assert found.authorized_operations == (1 << 8) | (1 << 10) | (1 << 3)


def test_a_description_is_cut_to_the_view() -> None:
    found = described("globex-in", CHANGELOG)
    assert hides(a_response(DESCRIBE, 0, groups=(found,)), "globex")
    first, second = found.topology.subtopologies
    assert second.source_topics == first.repartition_sink_topics == (CHANGELOG,)
    assert [topic.name for topic in first.state_changelog_topics] == [REPARTITION, CHANGELOG]
    (member,) = found.members
    for doing in (member.assignment, member.target_assignment):
        for tasks in (doing.active_tasks, doing.standby_tasks, doing.warmup_tasks):
            assert [task.subtopology_id for task in tasks] == ["0"]  # the other part reads what is hidden
    assert [offset.subtopology_id for offset in (*member.task_offsets, *member.task_end_offsets)] == ["0", "0"]


@pytest.mark.parametrize("name", ["globex-app", "nobody-app"])
def test_a_group_outside_the_view_is_described_as_one_that_does_not_exist(name: str) -> None:
    request = a_request(DESCRIBE, 0, group_ids=("acme-app", name))
    may = a_may()
    verdict = judge_describe(request, may)
    assert forwarded(request, verdict).group_ids == ("acme-app",)
    answer = a_response(DESCRIBE, 0, groups=(said(DESCRIBE, 0, "groups", group_id="acme-app"),))
    groups = mended(verdict, answer, may).groups
    assert [group.group_id for group in groups] == ["acme-app", name]
    assert groups[1].error_code is ErrorCode.group_id_not_found
    denied = answered(judge_describe(a_request(DESCRIBE, 0, group_ids=(name,)), a_may(outside="denied")))
    assert denied.groups[0].error_code is GAF


def test_a_group_that_could_not_be_described_has_no_topology() -> None:
    may, request = a_may(), a_request(DESCRIBE, 0, group_ids=("acme-app",))
    group = said(
        DESCRIBE,
        0,
        "groups",
        group_id="acme-app",
        error_code=ErrorCode.group_id_not_found,
        error_message="Group acme-app is not a streams group.",
        topology=None,
    )
    (found,) = mended(judge_describe(request, may), a_response(DESCRIBE, 0, groups=(group,)), may).groups
    assert (found.topology, found.error_message) == (None, "The group id does not exist.")


def test_a_connection_remembers_topologies_of_so_many_letters_and_forgets_the_oldest() -> None:
    def named(letters: int) -> StreamsMember:
        return StreamsMember(Topology(("a" * letters,), (), (), frozenset(), claimed=True))

    known = StreamsMembers()
    for member, letters in (("small", 1), ("large", LETTERS // 2), ("larger", LETTERS // 2 + 1)):
        known.keep("g", member, named(letters))
    assert [known.get("g", member) is not None for member in ("small", "large", "larger")] == [False, False, True]

    known.keep("g", "largest", named(LETTERS + 1))
    assert [known.get("g", member) is not None for member in ("larger", "largest")] == [False, True]
