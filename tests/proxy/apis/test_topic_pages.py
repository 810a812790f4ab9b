from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kio.schema.describe_topic_partitions.v0.request import Cursor
from kio.schema.errors import ErrorCode
from kio.schema.types import TopicName
from kio.static.primitive import i32

from kordon_protocol.codec import encode
from kordon_protocol.keys import ApiKey
from kordon_proxy.apis.topic_pages import APIS, PAGE
from kordon_proxy.judging.may import May
from kordon_proxy.judging.operations import NOT_ASKED, READ, SEEN
from tests.proxy.apis.exchanges import Passage, never, pass_through, row
from tests.proxy.apis.messages import a_request, a_response, asked, said
from tests.proxy.judging.worlds import make_may

TOPICS = row(APIS, ApiKey.DESCRIBE_TOPIC_PARTITIONS)
POLICY = """
policies:
  - {resource: [cluster, "*", topic, "acme.*"], effect: Allow, actions: [TOPIC_INSPECT], role: devs}
tenants:
  - name: acme
    resources: [{include: [cluster, "*", topic, "acme.*"]}, {exclude: [cluster, "*", topic, "acme.secret*"]}]
    roles: [devs]
  - name: strict
    resources: [{include: [cluster, "*", topic, "acme.*"]}]
    roles: [devs]
    outside_view: denied
"""
ALL = 2**16 - 8
UTP = ErrorCode.unknown_topic_or_partition
TAF = ErrorCode.topic_authorization_failed
IR = ErrorCode.invalid_request
WORLD = {
    "abc.first": 1,
    "acme.a": 3,
    "acme.b": 1,
    "acme.secret": 2,
    "acme.z": 2,
    "globex.pay": 4,
    "zzz": 1,
}
"""Topics and their numbers of partitions."""


def of(*roles: str, tenant: str = "acme", topics: Iterable[str] = WORLD) -> May:
    return make_may(POLICY, roles or ("devs",), tenant, topics=topics)


def asking(*names: str, limit: int = 2000, cursor: tuple[str, int] | None = None) -> Any:
    topics = tuple(asked(TOPICS.key, 0, "topics", name=name) for name in names)
    start = None if cursor is None else Cursor(topic_name=TopicName(cursor[0]), partition_index=i32(cursor[1]))
    return a_request(TOPICS.key, 0, topics=topics, response_partition_limit=limit, cursor=start)


def broker_of(world: Mapping[str, int], *, most: int = 2000) -> Callable[[Any], Any]:
    """A broker that pages as Kafka 4.3 does, and takes only explicit lists."""

    def describe(request: Any) -> Any:
        assert request.topics, "an empty list means all topics of the cluster"
        cursor = request.cursor
        names = sorted({topic.name for topic in request.topics if cursor is None or topic.name >= cursor.topic_name})
        assert cursor is None or cursor.topic_name in names
        left = max(1, min(most, request.response_partition_limit))
        entries: list[Any] = []
        for name in names:
            if left == 0:
                return page(entries, (name, 0))
            if name not in world:
                entries.append(entry(name, error_code=UTP))
                continue
            first = cursor.partition_index if cursor is not None and cursor.topic_name == name else 0
            taken = range(first, world[name])[:left]
            entries.append(entry(name, taken))
            left -= len(taken)
            if first + len(taken) < world[name]:
                return page(entries, (name, first + len(taken)))
        return page(entries, None)

    return describe


def entry(name: str, partitions: Iterable[int] = (), **values: Any) -> Any:
    described = tuple(said(TOPICS.key, 0, "topics", "partitions", partition_index=index) for index in partitions)
    return said(TOPICS.key, 0, "topics", name=name, partitions=described, topic_authorized_operations=ALL, **values)


def page(entries: Iterable[Any], cursor: tuple[str, int] | None) -> Any:
    following = (
        None if cursor is None else said(TOPICS.key, 0, "next_cursor", topic_name=cursor[0], partition_index=cursor[1])
    )
    return a_response(TOPICS.key, 0, topics=tuple(entries), next_cursor=following)


def outcome(passage: Passage) -> list[tuple[str, ErrorCode, list[int]]]:
    return [
        (topic.name, topic.error_code, [part.partition_index for part in topic.partitions])
        for topic in passage.got.topics
    ]


def next_of(passage: Passage) -> tuple[str, int] | None:
    cursor = passage.got.next_cursor
    return None if cursor is None else (cursor.topic_name, cursor.partition_index)


def test_all_topics_are_those_of_the_view() -> None:
    passage = pass_through(TOPICS, asking(), of(), broker_of(WORLD))

    assert [topic.name for topic in passage.heard.topics] == ["acme.a", "acme.b", "acme.z"]
    assert outcome(passage) == [
        ("acme.a", ErrorCode.none, [0, 1, 2]),
        ("acme.b", ErrorCode.none, [0]),
        ("acme.z", ErrorCode.none, [0, 1]),
    ]
    assert next_of(passage) is None


def test_a_tenant_without_topics_is_answered_without_the_broker() -> None:
    passage = pass_through(TOPICS, asking(), of(topics=["globex.pay"]), never)

    assert (outcome(passage), next_of(passage)) == ([], None)


def test_past_the_last_topic_there_is_nothing() -> None:
    passage = pass_through(TOPICS, asking(cursor=("acme.zz", 0)), of(), never)

    assert (outcome(passage), next_of(passage)) == ([], None)


def test_named_topics_outside_the_view_are_missing_and_never_forwarded() -> None:
    passage = pass_through(
        TOPICS, asking("globex.pay", "acme.b", "acme.secret", "nope", "acme.no"), of(), broker_of(WORLD)
    )

    assert [topic.name for topic in passage.heard.topics] == ["acme.b", "acme.no"]
    assert outcome(passage) == [
        ("acme.b", ErrorCode.none, [0]),
        ("acme.no", UTP, []),
        ("acme.secret", UTP, []),
        ("globex.pay", UTP, []),
        ("nope", UTP, []),
    ]


@pytest.mark.parametrize(("tenant", "code"), [("acme", UTP), ("strict", TAF)])
def test_a_foreign_topic_and_a_missing_one_are_answered_alike(tenant: str, code: ErrorCode) -> None:
    foreign, missing = (
        pass_through(TOPICS, asking(name), of(tenant=tenant), never) for name in ("globex.pay", "globex.nop")
    )

    assert encode(foreign.got).replace(b"globex.pay", b"globex.nop") == encode(missing.got)
    assert outcome(foreign) == [("globex.pay", code, [])]


def test_the_permission_bits_of_a_topic_are_the_tenant_s_own() -> None:
    got = pass_through(TOPICS, asking("acme.b", "globex.pay"), of(), broker_of(WORLD)).got

    assert [topic.topic_authorized_operations for topic in got.topics] == [SEEN | READ, NOT_ASKED]


@pytest.mark.parametrize("names", [("acme.a", "acme.b"), ("acme.a", "globex.pay")])
def test_a_cursor_that_the_list_lacks_is_refused_by_what_the_request_says(names: tuple[str, ...]) -> None:
    for cursor in ("acme.z", "globex.pay2", "zzz"):
        passage = pass_through(TOPICS, asking(*names, cursor=(cursor, 0)), of(), never)

        assert outcome(passage) == [(name, IR, []) for name in names]


def test_a_cursor_before_the_first_partition_is_refused() -> None:
    assert outcome(pass_through(TOPICS, asking("acme.a", cursor=("acme.a", -1)), of(), never)) == [("acme.a", IR, [])]
    assert outcome(pass_through(TOPICS, asking(cursor=("acme.a", -1)), of(), never)) == []


@pytest.mark.parametrize("cursor", ["acme.secret", "acme.gone", "acme.c", "acme.b\x00", "acme.bé"])
def test_a_cursor_outside_the_view_only_says_where_to_begin(cursor: str) -> None:
    passage = pass_through(TOPICS, asking(cursor=(cursor, 5)), of(), broker_of(WORLD))

    assert passage.heard.cursor is None
    assert outcome(passage) == [("acme.z", ErrorCode.none, [0, 1])]


def test_a_hidden_name_may_be_the_cursor_of_a_list_that_has_it() -> None:
    request = asking("acme.a", "acme.secret", "acme.z", cursor=("acme.secret", 1))

    passage = pass_through(TOPICS, request, of(), broker_of(WORLD))

    assert passage.heard.cursor is None
    assert outcome(passage) == [("acme.secret", UTP, []), ("acme.z", ErrorCode.none, [0, 1])]


def test_a_topic_that_has_gone_meanwhile_is_left_out_of_all_and_answered_by_name() -> None:
    broker = broker_of({name: count for name, count in WORLD.items() if name != "acme.b"})

    assert [name for name, *_ in outcome(pass_through(TOPICS, asking(), of(), broker))] == ["acme.a", "acme.z"]
    assert outcome(pass_through(TOPICS, asking("acme.b"), of(), broker)) == [("acme.b", UTP, [])]


def test_what_left_the_view_while_the_broker_answered_is_not_shown() -> None:
    smaller = make_may(POLICY.replace("acme.secret*", "acme.b"), topics=WORLD)
    everything = pass_through(TOPICS, asking(limit=3), of(), broker_of(WORLD), leaving=smaller)
    named = pass_through(TOPICS, asking("acme.b", "acme.z"), of(), broker_of(WORLD), leaving=smaller)

    # The broker's cursor named acme.b.
    assert [name for name, *_ in outcome(everything)] == ["acme.a"]
    assert next_of(everything) == ("acme.z", 0)
    assert outcome(named) == [("acme.b", UTP, []), ("acme.z", ErrorCode.none, [0, 1])]


def test_no_more_names_are_sent_than_a_page_can_hold() -> None:
    many = {f"acme.{number:05}": 1 for number in range(5_000)}

    passage = pass_through(TOPICS, asking(limit=2**31 - 1), of(topics=many), broker_of(many))

    assert len(passage.heard.topics) == PAGE + 1
    assert next_of(passage) == ("acme.02000", 0)


def test_pages_go_on_even_if_all_that_was_sent_has_gone() -> None:
    many = [f"acme.{number}" for number in range(9)]

    passage = pass_through(TOPICS, asking(limit=2), of(topics=many), broker_of({}))

    assert (outcome(passage), next_of(passage)) == ([], ("acme.3", 0))


NAMES = st.sampled_from(
    ["acme.a", "acme.b", "acme.secret", "acme.secret2", "acme.z", "abc", "globex.pay", "zz", "acme.y"]
)


@given(
    world=st.dictionaries(NAMES, st.integers(1, 4), min_size=0),
    asked_for=st.none() | st.sets(NAMES, min_size=1),
    limit=st.integers(-1, 6),
    most=st.integers(1, 4),
)
def test_page_by_page_everything_of_the_view_comes_once_and_no_cursor_is_foreign(
    world: dict[str, int], asked_for: set[str] | None, limit: int, most: int
) -> None:
    may = of(topics=world)
    visible = {name for name in world if name.startswith("acme.") and not name.startswith("acme.secret")}
    found: list[tuple[str, int]] = []
    absent: list[str] = []
    cursor: tuple[str, int] | None = None

    for _ in range(60):
        request = asking(*(asked_for or ()), limit=limit, cursor=cursor)
        passage = pass_through(TOPICS, request, may, broker_of(world, most=most))
        for name, code, partitions in outcome(passage):
            found += [(name, index) for index in partitions]
            absent += [name] if code is UTP else []
        cursor = next_of(passage)
        if cursor is None:
            break
        assert cursor[0].startswith("acme.")
        assert not cursor[0].startswith("acme.secret")

    wanted = visible if asked_for is None else visible & asked_for
    assert found == [(name, index) for name in sorted(wanted) for index in range(world[name])]
    assert absent == ([] if asked_for is None else sorted(asked_for - visible))


def test_only_the_all_form_needs_a_fresh_picture() -> None:
    assert TOPICS.needs_fresh_picture is not None
    assert TOPICS.needs_fresh_picture(asking())
    assert not TOPICS.needs_fresh_picture(asking("acme.a"))
