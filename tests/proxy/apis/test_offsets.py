"""OffsetCommit, OffsetFetch, OffsetDelete."""

from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from kordon_protocol.codec import encode, request_type, response_type
from kordon_protocol.keys import ApiKey
from kordon_proxy.apis.offsets import APIS
from kordon_proxy.judging.entries import make, struct_type
from kordon_proxy.judging.may import May
from kordon_proxy.judging.table import Record
from kordon_proxy.judging.verdict import RELAY, Forward
from tests.proxy.apis.messages import a_request, a_response
from tests.proxy.apis.verdicts import answered, forwarded, hides, mended, refused
from tests.proxy.judging.worlds import make_may, topic_id

POLICY = """
policies:
- {{resource: [cluster, "*", group, "acme-*"], effect: Allow, actions: [GROUP_CONSUME], role: devs}}
- {{resource: [cluster, "*", group, "acme-*"], effect: Allow, actions: [GROUP_EDIT], role: owners}}
- {{resource: [cluster, "*", topic, "*"], effect: Allow, actions: [TOPIC_INSPECT], role: devs}}
- {{resource: [cluster, "*", topic, "acme.secret"], effect: Deny, actions: [TOPIC_INSPECT], role: devs}}
tenants:
- name: acme
  roles: [devs, owners]
  outside_view: {outside}
  resources:
  - include: [[cluster, "*", topic, "acme.*"], [cluster, "*", group, "acme-*"]]
"""
TOPICS = ("acme.a", "acme.b", "acme.secret", "globex.pay", "globex.read")
COMMIT, FETCH, DELETE = ApiKey.OFFSET_COMMIT, ApiKey.OFFSET_FETCH, ApiKey.OFFSET_DELETE
JUDGES = {api.key: api.judge for api in APIS}
ROWS = {api.key: api for api in APIS}
COMMITS, FETCHES = range(2, 11), range(1, 11)
NAMED = range(1, 10)
NONE, UTP, UTI = ErrorCode.none, ErrorCode.unknown_topic_or_partition, ErrorCode.unknown_topic_id
TAF, GAF = ErrorCode.topic_authorization_failed, ErrorCode.group_authorization_failed


def a_may(roles: tuple[str, ...] = ("devs",), outside: str = "not_found", **world: Any) -> May:
    """`acme-g` reads a topic outside the explicit view."""
    world = {"topics": TOPICS, "inferred": {"acme-g": {"globex.read"}}} | world
    return make_may(POLICY.format(outside=outside), roles, **world)


def judge(request: Any, may: May) -> Any:
    found = JUDGES[request.__api_key__]
    assert found is not None
    return found(request, may)


def naming(kind: Any, name: str, **values: Any) -> Any:
    """An entry for a topic, by name or by id as the version has it."""
    return make(kind, name=name, topic_id=topic_id(name), **values)


def named(entry: Any) -> str:
    """The topic of an entry."""
    if hasattr(entry, "name"):
        return str(entry.name)
    return next((name for name in (*TOPICS, "globex.none") if topic_id(name) == entry.topic_id), "?")


# ---- committing


def a_commit(version: int, *topics: str, group: str = "acme-g", generation: int = 5, member: str = "m-1") -> Any:
    kind = struct_type(request_type(COMMIT, version), "topics")
    partition = struct_type(kind, "partitions")
    partitions = tuple(make(partition, partition_index=index, committed_offset=7) for index in (0, 1))
    return a_request(
        COMMIT,
        version,
        group_id=group,
        generation_id_or_member_epoch=generation,
        member_id=member,
        topics=tuple(naming(kind, name, partitions=partitions) for name in topics),
    )


def commit_answer(request: Any) -> Any:
    """The coordinator took it all."""
    kind = struct_type(response_type(COMMIT, request.__version__), "topics")
    partition = struct_type(kind, "partitions")
    topics = tuple(
        make(
            kind,
            name=getattr(topic, "name", ""),
            topic_id=getattr(topic, "topic_id", None),
            partitions=tuple(make(partition, partition_index=one.partition_index) for one in topic.partitions),
        )
        for topic in request.topics
    )
    return a_response(COMMIT, request.__version__, topics=topics)


def commit_codes(response: Any) -> list[tuple[str, ErrorCode]]:
    for topic in response.topics:
        assert [one.partition_index for one in topic.partitions] == [0, 1]
        assert len({one.error_code for one in topic.partitions}) == 1
    return [(named(topic), topic.partitions[0].error_code) for topic in response.topics]


@pytest.mark.parametrize("version", COMMITS)
def test_a_member_commits_what_it_may_read(version: int) -> None:
    request = a_commit(version, "acme.a", "globex.read")
    assert judge(request, a_may()) == Forward(RELAY)


@pytest.mark.parametrize("version", COMMITS)
def test_of_a_members_commit_only_what_it_may_read_goes_on(version: int) -> None:
    may = a_may()
    request = a_commit(version, "globex.pay", "acme.a", "acme.secret", "acme.b", "globex.none")
    verdict = judge(request, may)
    sent = forwarded(request, verdict)
    assert [named(topic) for topic in sent.topics] == ["acme.a", "acme.b"]
    outside = UTI if version == 10 else UTP
    assert commit_codes(mended(verdict, commit_answer(sent), may)) == [
        ("globex.pay", outside),
        ("acme.a", NONE),
        ("acme.secret", TAF),
        ("acme.b", NONE),
        ("globex.none", outside),
    ]


@pytest.mark.parametrize("version", COMMITS)
def test_a_topic_inferred_by_another_group_cannot_be_committed(version: int) -> None:
    may = a_may()
    request = a_commit(version, "globex.read", group="acme-other")
    assert commit_codes(answered(judge(request, may))) == [("globex.read", UTI if version == 10 else UTP)]
    assert refused(may) == [("hidden", "globex.read")]


@pytest.mark.parametrize("version", COMMITS)
@pytest.mark.parametrize("group", ["globex-g", "nobody-g"])
@pytest.mark.parametrize("generation", [-1, 3])
@pytest.mark.parametrize("roles", [("devs",), ("owners",)])
def test_a_commit_never_makes_a_group_outside_the_view(
    version: int, group: str, generation: int, roles: tuple[str, ...]
) -> None:
    answer = answered(judge(a_commit(version, "acme.a", group=group, generation=generation), a_may(roles)))
    assert commit_codes(answer) == [("acme.a", GAF)]


@pytest.mark.parametrize("version", COMMITS)
@pytest.mark.parametrize(("generation", "member"), [(-1, ""), (-1, "m-1"), (-2, ""), (-2147483648, "m-1")])
def test_a_commit_without_a_generation_is_an_edit_whatever_the_member_id(
    version: int, generation: int, member: str
) -> None:
    request = a_commit(version, "acme.a", generation=generation, member=member)
    may = a_may()
    assert commit_codes(answered(judge(request, may))) == [("acme.a", GAF)]
    assert refused(may) == [("denied", "acme-g")]
    assert judge(request, a_may(("owners",))) == Forward(RELAY)
    assert ROWS[COMMIT].record_for(request) is Record.EVENT


@pytest.mark.parametrize("version", COMMITS)
def test_editing_offsets_does_not_make_a_member(version: int) -> None:
    request = a_commit(version, "acme.a")
    assert commit_codes(answered(judge(request, a_may(("owners",))))) == [("acme.a", GAF)]
    assert ROWS[COMMIT].record_for(request) is Record.COUNTED


@pytest.mark.parametrize("version", COMMITS)
def test_editing_offsets_needs_no_right_to_read_but_a_topic_of_the_group(version: int) -> None:
    may = a_may(("owners",))
    request = a_commit(version, "acme.secret", "globex.read", "globex.pay", generation=-1, member="")
    verdict = judge(request, may)
    assert [named(topic) for topic in forwarded(request, verdict).topics] == ["acme.secret", "globex.read"]


@pytest.mark.parametrize("version", range(2, 10))
def test_a_tenant_may_have_names_outside_its_view_denied_in_a_commit(version: int) -> None:
    answer = answered(judge(a_commit(version, "globex.pay", "globex.none"), a_may(outside="denied")))
    assert commit_codes(answer) == [("globex.pay", TAF), ("globex.none", TAF)]


def test_ids_outside_the_view_are_unknown_even_where_names_are_denied() -> None:
    answer = answered(judge(a_commit(10, "globex.pay", "globex.none"), a_may(outside="denied")))
    assert commit_codes(answer) == [("globex.pay", UTI), ("globex.none", UTI)]


@pytest.mark.parametrize("version", COMMITS)
def test_a_commit_on_a_hidden_topic_is_answered_like_one_on_a_missing_topic(version: int) -> None:
    request = a_commit(version, "globex.pay")
    there = answered(judge(request, a_may()))
    gone = answered(judge(request, a_may(topics=("acme.a",))))
    assert encode(there) == encode(gone)


def test_the_audit_of_an_edit_has_the_new_offsets() -> None:
    parameters = ROWS[COMMIT].parameters
    assert parameters is not None
    assert parameters(a_commit(9, "acme.a", generation=-1), None) == {
        "group": "acme-g",
        "offsets": {"acme.a-0": 7, "acme.a-1": 7},
    }


# ---- fetching


def a_fetch(version: int, *groups: tuple[str, tuple[str, ...] | None]) -> Any:
    entity = request_type(FETCH, version)
    kind = entity if version < 8 else struct_type(entity, "groups")
    topic = struct_type(kind, "topics")
    parts = tuple(
        make(
            kind,
            group_id=group,
            topics=None if names is None else tuple(naming(topic, name, partition_indexes=(0, 1)) for name in names),
        )
        for group, names in groups
    )
    return parts[0] if version < 8 else a_request(FETCH, version, groups=parts)


def fetch_answer(version: int, *groups: tuple[str, tuple[str, ...]], code: ErrorCode = NONE, offset: int = 42) -> Any:
    """What a coordinator says that has an offset for all of these."""
    entity = response_type(FETCH, version)
    kind = entity if version < 8 else struct_type(entity, "groups")
    topic = struct_type(kind, "topics")
    partition = struct_type(topic, "partitions")
    partitions = tuple(make(partition, partition_index=index, committed_offset=offset, metadata="") for index in (0, 1))
    parts = tuple(
        make(
            kind,
            group_id=group,
            error_code=code,
            topics=tuple(naming(topic, name, partitions=partitions) for name in names),
        )
        for group, names in groups
    )
    return parts[0] if version < 8 else a_response(FETCH, version, groups=parts)


def fetched(response: Any) -> list[tuple[str, ErrorCode, list[tuple[str, int, ErrorCode]]]]:
    """Group, its error, and of each topic the offset and error of both partitions."""
    return [
        (
            getattr(group, "group_id", "acme-g"),
            getattr(group, "error_code", NONE),
            [
                (named(topic), part.committed_offset, part.error_code)
                for topic in group.topics
                for part in topic.partitions[:1]
            ],
        )
        for group in getattr(response, "groups", (response,))
    ]


@pytest.mark.parametrize("version", FETCHES)
def test_whoever_sees_a_group_may_fetch_its_offsets(version: int) -> None:
    request = a_fetch(version, ("acme-g", ("acme.a", "acme.secret", "globex.read")))
    assert judge(request, a_may(("owners",))) == Forward(RELAY)


@pytest.mark.parametrize("version", FETCHES)
def test_a_topic_outside_the_view_is_not_asked_for(version: int) -> None:
    may = a_may()
    request = a_fetch(version, ("acme-g", ("globex.pay", "acme.a", "globex.none")))
    verdict = judge(request, may)
    sent = forwarded(request, verdict)
    assert hides(sent, "globex.pay")
    answer = mended(verdict, fetch_answer(version, ("acme-g", ("acme.a",))), may)
    outside = UTI if version == 10 else NONE
    assert fetched(answer) == [
        ("acme-g", NONE, [("globex.pay", -1, outside), ("acme.a", 42, NONE), ("globex.none", -1, outside)])
    ]


@pytest.mark.parametrize("version", NAMED)
def test_a_hidden_topic_has_no_offset_in_the_very_words_of_the_coordinator(version: int) -> None:
    may = a_may()
    request = a_fetch(version, ("acme-g", ("globex.pay",)))
    answer = mended(judge(request, may), fetch_answer(version, ("acme-g", ())), may)
    assert encode(answer) == encode(fetch_answer(version, ("acme-g", ("globex.pay",)), offset=-1))


@pytest.mark.parametrize("version", range(2, 11))
def test_an_error_of_the_group_stays_alone(version: int) -> None:
    may = a_may()
    request = a_fetch(version, ("acme-g", ("globex.pay", "acme.a")))
    answer = fetch_answer(version, ("acme-g", ()), code=ErrorCode.not_coordinator)
    assert fetched(mended(judge(request, may), answer, may)) == [("acme-g", ErrorCode.not_coordinator, [])]


@pytest.mark.parametrize("version", range(2, 11))
def test_all_topics_means_all_of_the_view(version: int) -> None:
    may = a_may()
    request = a_fetch(version, ("acme-g", None))
    verdict = judge(request, may)
    assert isinstance(verdict, Forward)
    answer = mended(verdict, fetch_answer(version, ("acme-g", ("globex.pay", "acme.a", "globex.read"))), may)
    assert fetched(answer) == [("acme-g", NONE, [("acme.a", 42, NONE), ("globex.read", 42, NONE)])]
    assert refused(may) == []
    assert hides(answer, "globex.pay")


@pytest.mark.parametrize("version", FETCHES)
@pytest.mark.parametrize("group", ["globex-g", "nobody-g"])
def test_a_group_outside_the_view_has_no_offsets(version: int, group: str) -> None:
    may = a_may()
    answer = answered(judge(a_fetch(version, (group, ("acme.a", "globex.pay"))), may))
    ((_, code, topics),) = fetched(answer)
    assert code is NONE
    assert topics == [("acme.a", -1, NONE), ("globex.pay", -1, UTI if version == 10 else NONE)]
    if version in NAMED:
        missing = fetch_answer(version, (group, ("acme.a", "globex.pay")), offset=-1)
        assert encode(answer) == encode(missing)


@pytest.mark.parametrize("version", range(2, 11))
def test_a_group_outside_the_view_has_no_topics_at_all(version: int) -> None:
    answer = answered(judge(a_fetch(version, ("globex-g", None)), a_may()))
    assert encode(answer) == encode(fetch_answer(version, ("globex-g", ())))


@pytest.mark.parametrize("version", FETCHES)
def test_a_tenant_may_have_a_group_outside_its_view_denied(version: int) -> None:
    ((_, code, topics),) = fetched(
        answered(judge(a_fetch(version, ("globex-g", ("acme.a",))), a_may(outside="denied")))
    )
    assert (code, topics) == ((NONE, [("acme.a", -1, GAF)]) if version == 1 else (GAF, []))


@pytest.mark.parametrize("version", FETCHES)
def test_a_tenant_may_have_a_topic_outside_its_view_denied(version: int) -> None:
    may = a_may(outside="denied")
    request = a_fetch(version, ("acme-g", ("globex.pay",)))
    answer = mended(judge(request, may), fetch_answer(version, ("acme-g", ())), may)
    assert fetched(answer) == [("acme-g", NONE, [("globex.pay", -1, UTI if version == 10 else TAF)])]


@pytest.mark.parametrize("version", range(8, 11))
def test_many_groups_are_judged_one_by_one_and_stay_in_order(version: int) -> None:
    may = a_may()
    request = a_fetch(
        version,
        ("globex-g", None),
        ("acme-g", None),
        ("nobody-g", ("acme.a",)),
        ("acme-h", ("globex.pay", "acme.a")),
        ("acme-g", ("acme.b",)),
    )
    verdict = judge(request, may)
    sent = forwarded(request, verdict)
    assert [group.group_id for group in sent.groups] == ["acme-g", "acme-h", "acme-g"]
    assert hides(sent, "globex")
    said = fetch_answer(version, ("acme-g", ("acme.a", "globex.pay")), ("acme-h", ("acme.a",)), ("acme-g", ("acme.b",)))
    outside = UTI if version == 10 else NONE
    assert fetched(mended(verdict, said, may)) == [
        ("globex-g", NONE, []),
        ("acme-g", NONE, [("acme.a", 42, NONE)]),
        ("nobody-g", NONE, [("acme.a", -1, NONE)]),
        ("acme-h", NONE, [("globex.pay", -1, outside), ("acme.a", 42, NONE)]),
        ("acme-g", NONE, [("acme.b", 42, NONE)]),
    ]


def test_only_all_topics_by_id_needs_a_fresh_picture() -> None:
    needs = ROWS[FETCH].needs_fresh_picture
    assert needs is not None
    assert needs(a_fetch(10, ("acme-g", ("acme.a",)), ("acme-h", None)))
    assert not needs(a_fetch(10, ("acme-g", ("acme.a",))))
    assert not any(needs(a_fetch(version, ("acme-g", None))) for version in range(2, 10))


# ---- deleting


def a_deletion(*topics: str, group: str = "acme-g") -> Any:
    kind = struct_type(request_type(DELETE, 0), "topics")
    partition = struct_type(kind, "partitions")
    partitions = tuple(make(partition, partition_index=index) for index in (0, 1))
    return a_request(
        DELETE, 0, group_id=group, topics=tuple(make(kind, name=name, partitions=partitions) for name in topics)
    )


def deletion_answer(*topics: str, code: ErrorCode = NONE) -> Any:
    kind = struct_type(response_type(DELETE, 0), "topics")
    partition = struct_type(kind, "partitions")
    partitions = tuple(make(partition, partition_index=index) for index in (0, 1))
    return a_response(
        DELETE, 0, error_code=code, topics=tuple(make(kind, name=name, partitions=partitions) for name in topics)
    )


def test_deleting_offsets_needs_the_right_to_edit_the_group() -> None:
    request = a_deletion("acme.a", "globex.read")
    assert judge(request, a_may(("owners",))) == Forward(RELAY)
    answer = answered(judge(request, a_may()))
    assert (answer.error_code, answer.topics) == (GAF, ())


def test_of_the_offsets_to_delete_only_those_of_the_view_go_on() -> None:
    may = a_may(("owners",))
    request = a_deletion("globex.pay", "acme.a", "globex.none")
    verdict = judge(request, may)
    sent = forwarded(request, verdict)
    assert [topic.name for topic in sent.topics] == ["acme.a"]
    assert hides(sent, "globex")
    assert commit_codes(mended(verdict, deletion_answer("acme.a"), may)) == [
        ("globex.pay", UTP),
        ("acme.a", NONE),
        ("globex.none", UTP),
    ]


def test_an_error_of_the_group_outweighs_its_topics() -> None:
    may = a_may(("owners",))
    request = a_deletion("globex.pay")
    answer = mended(judge(request, may), deletion_answer(code=ErrorCode.group_id_not_found), may)
    assert (answer.error_code, answer.topics) == (ErrorCode.group_id_not_found, ())


@pytest.mark.parametrize(("outside", "code"), [("not_found", ErrorCode.group_id_not_found), ("denied", GAF)])
def test_a_group_outside_the_view_is_not_there_to_delete_from(outside: str, code: ErrorCode) -> None:
    answers = [
        answered(judge(a_deletion("acme.a", group=group), a_may(("owners",), outside)))
        for group in ("globex-g", "no-g")
    ]
    assert [answer.error_code for answer in answers] == [code, code]
    assert encode(answers[0]) == encode(answers[1])


def test_the_zero_topic_id_is_unknown() -> None:
    kind = struct_type(request_type(COMMIT, 10), "topics")
    partition = make(struct_type(kind, "partitions"), partition_index=0, committed_offset=7)
    topic = make(kind, topic_id=None, partitions=(partition,))
    request = a_request(COMMIT, 10, group_id="acme-g", generation_id_or_member_epoch=1, topics=(topic,))
    (answer,) = judge(request, a_may()).response.topics
    assert answer.partitions[0].error_code is UTI
