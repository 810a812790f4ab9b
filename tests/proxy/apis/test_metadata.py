"""Metadata: the tenant's topics at Kordon's addresses, whatever form the question has."""

from dataclasses import replace
from typing import Any, Final
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kio.schema.errors import ErrorCode

from kordon_policy.actions import Action
from kordon_protocol.codec import decode_request, decode_response, encode, response_frame
from kordon_protocol.header import response_header
from kordon_protocol.keys import ApiKey
from kordon_proxy.apis import metadata
from kordon_proxy.judging.may import Access, May
from kordon_proxy.judging.operations import cluster_operations
from kordon_proxy.judging.verdict import Answer, Forward, Mended, Rewrite, Streamed
from tests.proxy.apis.messages import a_request, a_response, asked, said
from tests.proxy.judging.worlds import a_picture, make_may, topic_id

POLICY: Final = """
policies:
  - {resource: [cluster, "*", topic, "a*"], effect: Allow, actions: [TOPIC_CREATE, TOPIC_INSPECT], role: makers}
tenants:
  - name: acme
    resources: [{include: [cluster, "*", topic, "a*"]}]
    roles: [devs, makers]
"""
TOPICS: Final = ("a1", "a2", "foreign", "__consumer_offsets")
VERSIONS: Final = range(14)
NOT_FOUND: Final = ErrorCode.unknown_topic_or_partition
RANDOM_ID: Final = UUID(int=9)


def may(*roles: str, policy: str = POLICY) -> May:
    return make_may(policy, roles=roles or ("devs",), topics=TOPICS)


def request(version: int, *names: str, **values: Any) -> Any:
    topics = tuple(asked(ApiKey.METADATA, version, "topics", name=name) for name in names)
    return a_request(ApiKey.METADATA, version, **{"topics": topics, "allow_auto_topic_creation": False, **values})


def everything(version: int) -> Any:
    return request(version, topics=() if version == 0 else None)


def answer(version: int, *names: str, **values: Any) -> Any:
    brokers = tuple(
        said(ApiKey.METADATA, version, "brokers", node_id=one, host=f"real-{one}.internal", port=9092, rack="r1")
        for one in (1, 2)
    )
    topics = tuple(
        said(
            ApiKey.METADATA,
            version,
            "topics",
            name=name,
            topic_id=topic_id(name),
            partitions=(said(ApiKey.METADATA, version, "topics", "partitions", leader_id=2, replica_nodes=(1, 2)),),
        )
        for name in names
    )
    given_values = {"brokers": brokers, "topics": topics, "cluster_id": "real-cluster", "controller_id": 2, **values}
    return a_response(ApiKey.METADATA, version, **given_values)


def names_of(message: Any) -> list[str | None]:
    return [topic.name for topic in message.topics]


def sent(version: int) -> int:
    """The version in which the broker is asked where it must not create anything."""
    return max(version, metadata.WITH_FLAG)


def asked_instead(verdict: Any, version: int) -> Any:
    """What the broker is asked in place of the client's own request."""
    assert isinstance(verdict, Rewrite)
    return decode_request(ApiKey.METADATA, sent(version), b"".join(verdict.request))


def leave(verdict: Forward | Rewrite, response: Any, rights: May, sizes: tuple[int, ...] = (1 << 20,)) -> Any:
    """The answer that the client reads when the broker gives this one."""
    plan = verdict.plan
    if isinstance(plan, Mended):
        assert plan.version in (None, response.__version__)
        return plan.mend(response, rights)
    assert isinstance(plan, Streamed)
    stream, version = plan.stream(rights), response.__version__
    data, out, position, turn = response_frame(response, 3), b"", 0, 0
    while position < len(data):
        size = sizes[turn % len(sizes)]
        out += b"".join(stream.feed(data[position : position + size]))
        position, turn = position + size, turn + 1
    assert int.from_bytes(out[:4], "big") == len(out) - 4
    return decode_response(ApiKey.METADATA, version, out, 4 + len(response_header(ApiKey.METADATA, version, 3)))


def leave_later(verdict: Forward | Rewrite, response: Any, rights: May) -> Any:
    """The answer that the client reads when its rights have changed meanwhile."""
    if isinstance(verdict.plan, Mended):
        return leave(verdict, response, rights)
    assert isinstance(verdict.plan, Streamed)
    assert verdict.plan.stale is not None
    return verdict.plan.stale(response, rights)


@pytest.mark.parametrize("version", VERSIONS)
def test_asking_for_everything_asks_the_broker_for_the_view_alone(version: int) -> None:
    rights = may()

    for _ in range(2):  # the second time it is remembered
        wanted = asked_instead(metadata.judge(everything(version), rights), version)
        assert names_of(wanted) == ["a1", "a2"]
        assert not wanted.allow_auto_topic_creation


@pytest.mark.parametrize("version", range(8, 14))
def test_questions_for_everything_that_differ_are_asked_differently(version: int) -> None:
    rights = may()
    for bits in (False, True, False):
        question = request(version, topics=None, include_topic_authorized_operations=bits)
        wanted = asked_instead(metadata.judge(question, rights), version)
        assert (names_of(wanted), wanted.include_topic_authorized_operations) == (["a1", "a2"], bits)
    later = May(rights.standing, a_picture(["a3"], version=2), rights.cluster, rights.connection)
    assert names_of(asked_instead(metadata.judge(everything(version), later), version)) == ["a3"]


@pytest.mark.parametrize("version", VERSIONS)
def test_in_an_empty_tenant_everything_is_nothing(version: int) -> None:
    rights = make_may(POLICY, topics=("foreign",))

    verdict = metadata.judge(everything(version), rights)

    if version == 0:
        assert isinstance(verdict, Answer)
        response = verdict.response
    else:
        assert asked_instead(verdict, version).topics == ()
        assert isinstance(verdict, Rewrite)
        response = leave(verdict, answer(sent(version)), rights)
    assert response.topics == ()
    assert {broker.host for broker in response.brokers} == {"kordon.example"}


@pytest.mark.parametrize("version", range(1, 14))
def test_an_empty_list_asks_for_the_brokers_only(version: int) -> None:
    rights = may()
    verdict = metadata.judge(request(version), rights)

    assert isinstance(verdict, Forward if version >= metadata.WITH_FLAG else Rewrite)
    response = leave(verdict, answer(sent(version)), rights)
    assert [(one.node_id, one.host, one.port) for one in response.brokers] == [
        (1, "kordon.example", 9101),
        (2, "kordon.example", 9102),
    ]
    assert getattr(response, "cluster_id", "synthetic-acme") == "synthetic-acme"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_foreign_name_is_answered_like_a_missing_one_and_never_forwarded(version: int) -> None:
    rights = may()

    verdict = metadata.judge(request(version, "foreign", "a1", "nowhere", "__consumer_offsets"), rights)

    assert isinstance(verdict, Rewrite)
    assert names_of(verdict.request) == ["a1"]
    response = leave(verdict, answer(sent(version), "a1"), rights)
    told = {topic.name: topic for topic in response.topics}
    assert told["a1"].error_code is ErrorCode.none
    foreign, missing = (encode(told[name]) for name in ("foreign", "nowhere"))
    assert foreign == missing.replace(b"nowhere", b"foreign")
    assert told["foreign"].error_code is NOT_FOUND


@pytest.mark.parametrize("version", range(8, 11))
def test_the_bits_of_the_cluster_are_told_where_no_broker_is_asked_too(version: int) -> None:
    rights = may()
    wanted = request(version, "foreign", include_cluster_authorized_operations=True)
    verdict = metadata.judge(wanted, rights)

    assert isinstance(verdict, Answer)
    bits = verdict.response.cluster_authorized_operations
    assert bits == cluster_operations(rights, 2**31 - 1) >= 0


@pytest.mark.parametrize("version", range(10, 14))
def test_a_foreign_id_is_answered_like_an_unknown_one(version: int) -> None:
    topics = tuple(
        asked(ApiKey.METADATA, version, "topics", topic_id=one, name=None) for one in (topic_id("foreign"), RANDOM_ID)
    )

    verdict = metadata.judge(request(version, topics=topics), may())

    assert isinstance(verdict, Answer)
    foreign, missing = (encode(topic) for topic in verdict.response.topics)
    assert foreign.replace(topic_id("foreign").bytes, RANDOM_ID.bytes) == missing
    assert {topic.error_code for topic in verdict.response.topics} == {ErrorCode.unknown_topic_id}


@pytest.mark.parametrize("version", range(12, 14))
def test_names_beside_ids_are_ignored_as_brokers_do(version: int) -> None:
    topics = (
        asked(ApiKey.METADATA, version, "topics", topic_id=topic_id("a1"), name=None),
        asked(ApiKey.METADATA, version, "topics", topic_id=None, name="a2"),
    )

    verdict = metadata.judge(request(version, topics=topics), may())

    assert isinstance(verdict, Rewrite)
    assert verdict.request.topics == topics[:1]


@pytest.mark.parametrize("version", range(10, 14))
@pytest.mark.parametrize("name", ["foreign", "nowhere"])
def test_the_broker_is_told_no_other_name_under_an_id_of_the_view(version: int, name: str) -> None:
    topic = asked(ApiKey.METADATA, version, "topics", topic_id=topic_id("a1"), name=name)

    verdict = metadata.judge(request(version, topics=(topic,)), may())

    if version >= 12:
        assert isinstance(verdict, Rewrite)
        assert verdict.request.topics == (replace(topic, name=None),)
    else:  # brokers take no ids yet, and one that did might go by the name
        assert isinstance(verdict, Answer)
        assert [answer.error_code for answer in verdict.response.topics] == [NOT_FOUND]


@pytest.mark.parametrize("version", range(4, 14))
def test_a_missing_topic_is_created_only_where_it_may_be(version: int) -> None:
    wanted = request(version, "a-new", allow_auto_topic_creation=True)

    denied, allowed = metadata.judge(wanted, may("devs")), metadata.judge(wanted, may("makers"))

    assert isinstance(denied, Rewrite)
    assert not denied.request.allow_auto_topic_creation
    assert isinstance(allowed, Forward)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_topic_that_is_created_by_asking_for_it_is_noted_as_created(version: int) -> None:
    makers, devs = may("makers"), may("devs")
    for rights in (makers, devs):
        metadata.judge(request(version, "a1", "a-new", allow_auto_topic_creation=True), rights)

    assert (makers.creates, devs.creates) == (True, False)
    noted = [(note.access, note.name) for note in makers.notes if note.action is Action.TOPIC_CREATE]
    assert noted == [(Access.ALLOWED, "a-new")]
    assert [note.action for note in devs.notes] == [None, None]  # it was not meant, and so is no denial


@pytest.mark.parametrize("version", range(4, 14))
def test_nothing_is_created_while_it_could_not_be_recorded(version: int) -> None:
    rights = may("makers")
    rights.recordable = False

    verdict = metadata.judge(request(version, "a-new", allow_auto_topic_creation=True), rights)

    assert isinstance(verdict, Rewrite)
    assert not verdict.request.allow_auto_topic_creation
    assert not rights.creates


@pytest.mark.parametrize("version", range(4))
def test_a_request_without_the_flag_becomes_one_with_it_where_nothing_may_be_created(version: int) -> None:
    """Whether a topic is there or was deleted a moment ago."""
    rights = may()
    verdict = metadata.judge(request(version, "a1", "foreign", "a-new"), rights)

    assert isinstance(verdict, Rewrite)
    assert (verdict.request.__version__, names_of(verdict.request)) == (4, ["a1", "a-new"])
    assert not verdict.request.allow_auto_topic_creation
    topics = (*answer(4, "a1").topics, said(ApiKey.METADATA, 4, "topics", name="a-new", error_code=NOT_FOUND))
    response = leave(verdict, answer(4, topics=topics), rights)
    told = {topic.name: topic.error_code for topic in response.topics}
    assert told == {"foreign": NOT_FOUND, "a1": ErrorCode.none, "a-new": NOT_FOUND}
    assert decode_response(ApiKey.METADATA, version, encode(response)) == response
    only_a1 = replace(response, topics=tuple(topic for topic in response.topics if topic.name == "a1"))
    assert only_a1 == metadata._mend(request(version, "a1"), ())(answer(version, "a1"), rights)


@pytest.mark.parametrize("version", VERSIONS)
def test_where_one_topic_may_not_be_created_none_is(version: int) -> None:
    """One that the picture of the cluster has may have been deleted since."""
    rights = may("makers", "devs", policy=POLICY.replace('topic, "a*"], effect', 'topic, "a-new"], effect'))

    both, one = (
        metadata.judge(request(version, *names, allow_auto_topic_creation=True), rights)
        for names in (("a1", "a-new"), ("a-new",))
    )

    assert isinstance(both, Rewrite)
    assert names_of(both.request) == ["a1", "a-new"]
    assert not both.request.allow_auto_topic_creation
    assert isinstance(one, Forward)
    assert rights.creates


@pytest.mark.parametrize("version", range(8, 14))
def test_permission_bits_are_cut_to_what_the_policy_allows(version: int) -> None:
    rights = may("makers")
    values = {"include_topic_authorized_operations": True, "include_cluster_authorized_operations": True}
    verdict = metadata.judge(request(version, "a1", **values), rights)
    assert isinstance(verdict, Forward)
    topic = said(
        ApiKey.METADATA, version, "topics", name="a1", topic_id=topic_id("a1"), topic_authorized_operations=0xFFFF
    )

    response = leave(verdict, answer(sent(version), topics=(topic,), cluster_authorized_operations=0xFFFF), rights)

    read, write, create, describe = 1 << 3, 1 << 4, 1 << 5, 1 << 8
    bits = response.topics[0].topic_authorized_operations
    assert bits & (read | write | create | describe) == read | create | describe
    assert getattr(response, "cluster_authorized_operations", 0) & (1 << 9) == 0


@pytest.mark.parametrize("version", VERSIONS)
def test_a_topic_that_left_the_view_meanwhile_is_not_shown(version: int) -> None:
    narrower = POLICY.replace('topic, "a*"]}', "topic, a1]}")
    for wanted in (everything(version), request(version, "a1", "a2")):
        verdict = metadata.judge(wanted, may())
        assert isinstance(verdict, Forward | Rewrite)

        response = leave_later(verdict, answer(sent(version), "a1", "a2"), may(policy=narrower))

        shown = [topic.name for topic in response.topics if topic.error_code is ErrorCode.none]
        assert shown == ["a1"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_name_that_left_the_view_meanwhile_is_answered_like_any_that_is_not_there(version: int) -> None:
    narrower = POLICY.replace('topic, "a*"]}', "topic, a1]}")
    verdict = metadata.judge(request(version, "a2"), may())
    assert isinstance(verdict, Forward | Rewrite)

    (left,) = leave_later(verdict, answer(sent(version), "a2"), may(policy=narrower)).topics

    gone = metadata.judge(request(version, "a2"), may(policy=narrower))
    assert isinstance(gone, Answer)
    assert (left,) == gone.response.topics


@pytest.mark.parametrize("version", range(12, 14))
def test_an_id_that_left_the_view_meanwhile_is_answered_like_an_unknown_one(version: int) -> None:
    narrower = POLICY.replace('topic, "a*"]}', "topic, a1]}")
    wanted = request(version, topics=(asked(ApiKey.METADATA, version, "topics", topic_id=topic_id("a2"), name=None),))
    verdict = metadata.judge(wanted, may())
    assert isinstance(verdict, Forward)
    assert isinstance(verdict.plan, Streamed)
    assert verdict.plan.stale is not None

    (left,) = verdict.plan.stale(answer(version, "a2"), may(policy=narrower)).topics

    assert (left.error_code, left.name, left.topic_id) == (ErrorCode.unknown_topic_id, None, topic_id("a2"))


@given(
    version=st.sampled_from(VERSIONS[metadata.WITH_FLAG :]),
    names=st.lists(st.sampled_from(["a1", "a2"]), unique=True),
    hidden=st.lists(st.sampled_from(["foreign", "nowhere"]), unique=True),
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=4),
)
def test_splicing_gives_the_same_answer_as_decoding_and_encoding(
    version: int, names: list[str], hidden: list[str], sizes: list[int]
) -> None:
    rights = may()
    verdict = metadata.judge(request(version, *names, *hidden), rights)
    if not isinstance(verdict, Forward | Rewrite) or not names:
        return
    response = answer(version, *names)
    assert isinstance(verdict.plan, Streamed)
    assert verdict.plan.stale is not None

    spliced, mended = leave(verdict, response, rights, tuple(sizes)), verdict.plan.stale(response, rights)

    assert spliced == mended
    assert b"real" not in encode(spliced)


@given(
    version=st.sampled_from(VERSIONS),
    brokers=st.lists(st.sets(st.integers(1, 4), min_size=1), min_size=2, max_size=6),
    hidden=st.lists(st.sampled_from(["foreign", "nowhere"]), unique=True),
    sizes=st.lists(st.integers(1, 80), min_size=1, max_size=4),
    data=st.data(),
)
def test_what_began_an_answer_before_begins_it_again_only_where_the_brokers_said_the_same(
    version: int, brokers: list[set[int]], hidden: list[str], sizes: list[int], data: st.DataObject
) -> None:
    rights = may()
    for ids in brokers:
        names = data.draw(st.lists(st.sampled_from(["a1", "a2"]), min_size=1, unique=True))
        nodes = tuple(
            said(
                ApiKey.METADATA,
                sent(version),
                "brokers",
                node_id=one,
                host=f"real-{one}.internal",
                port=9092,
                rack=None,
            )
            for one in ids
        )
        response = answer(sent(version), *names, brokers=nodes, controller_id=min(ids))
        verdict = metadata.judge(request(version, *names, *hidden), rights)
        assert isinstance(verdict, Forward | Rewrite)

        spliced = leave(verdict, response, rights, tuple(sizes))

        assert spliced == leave(verdict, response, may(), tuple(sizes))
        assert {broker.node_id: broker.port for broker in spliced.brokers} == {one: 9100 + one for one in ids}


def test_asking_for_a_topic_that_the_picture_lacks_makes_kordon_look_again() -> None:
    rights = may()

    verdict = metadata.judge(request(12, "a-new"), rights)

    assert rights.unknown_topics
    assert isinstance(verdict, Forward)
    assert isinstance(verdict.plan, Mended)
    verdict.plan.mend(
        answer(12, topics=(said(ApiKey.METADATA, 12, "topics", name="a-new", error_code=NOT_FOUND),)), rights
    )
    assert not rights.news
    verdict.plan.mend(answer(12, "a-new"), rights)
    assert rights.news  # the answer waits until the new topic is known
