"""Fetch: every topic of the whole session at every poll, and addresses that are Kordon's."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kio.schema.errors import ErrorCode

from kordon_protocol.codec import decode_response, encode, response_frame
from kordon_protocol.header import response_header
from kordon_protocol.keys import ApiKey
from kordon_proxy.apis import fetch
from kordon_proxy.apis.fetch_stream import FetchStream, NotAsked
from kordon_proxy.judging import connection as connection_state
from kordon_proxy.judging.connection import LETTERS, SESSION_PARTITIONS, Connection, FetchSession
from kordon_proxy.judging.may import Access, May
from kordon_proxy.judging.verdict import Answer, Forward, Mended, Rewrite, Streamed
from tests.proxy.apis.messages import a_request, a_response, asked, said
from tests.proxy.judging.worlds import make_may, topic_id

POLICY: Final = """
policies:
  - {resource: [cluster, "*", topic, "a*"], effect: Allow, actions: [TOPIC_INSPECT], role: devs}
tenants:
  - name: acme
    resources: [{include: [[cluster, "*", topic, "a*"], [cluster, "*", topic, secret]]}]
    roles: [devs]
"""
REVOKED: Final = POLICY.replace('topic, "a*"], effect', "topic, a2], effect")
TOPICS: Final = ("a1", "a2", "secret", "foreign")
RANDOM_ID: Final = UUID(int=7)
VERSIONS: Final = range(4, 19)
WITH_SESSIONS: Final = range(7, 19)
DENIED: Final = ErrorCode.topic_authorization_failed


def may(policy: str = POLICY, connection: Connection | None = None) -> May:
    return make_may(policy, topics=TOPICS, connection=connection)


def key(version: int, name: str) -> Any:
    return name if version < 13 else (RANDOM_ID if name == "missing" else topic_id(name))


def topic(version: int, name: str, *partitions: int) -> Any:
    entries = tuple(asked(ApiKey.FETCH, version, "topics", "partitions", partition=one) for one in partitions or (0,))
    return asked(ApiKey.FETCH, version, "topics", topic=name, topic_id=key(version, name), partitions=entries)


def request(version: int, *names: str, session_id: int = 0, epoch: int = 0, **values: Any) -> Any:
    topics = tuple(topic(version, name) for name in names)
    return a_request(ApiKey.FETCH, version, topics=topics, session_id=session_id, session_epoch=epoch, **values)


def answer(version: int, *names: str, session_id: int = 0, records: bytes = b"records", **values: Any) -> Any:
    topics = tuple(
        said(
            ApiKey.FETCH,
            version,
            "responses",
            topic=name,
            topic_id=key(version, name),
            partitions=(said(ApiKey.FETCH, version, "responses", "partitions", records=records),),
        )
        for name in names
    )
    return a_response(ApiKey.FETCH, version, responses=topics, session_id=session_id, **values)


def errors(response: Any) -> dict[Any, list[int]]:
    return {fetch.key(one): [int(part.error_code) for part in one.partitions] for one in response.responses}


def run(stream: FetchStream, response: Any, sizes: tuple[int, ...] = (1 << 20,)) -> bytes:
    """The frame that leaves when the answer's frame arrives in chunks of these sizes."""
    data, out, position, turn = response_frame(response, 77), b"", 0, 0
    while position < len(data):
        size = sizes[turn % len(sizes)]
        chunk = data[position : position + size]
        if len(chunk) < stream.runs():
            stream.ran(len(chunk))
            out += chunk
        else:
            out += b"".join(stream.feed(chunk))
        position, turn = position + size, turn + 1
    return out


def read(version: int, frame: bytes) -> Any:
    offset = 4 + len(response_header(ApiKey.FETCH, version, 77))
    assert int.from_bytes(frame[:4], "big") == len(frame) - 4
    return decode_response(ApiKey.FETCH, version, frame, offset)


def start_session(connection: Connection, version: int, *names: str, session_id: int = 5) -> May:
    """A full request that the broker answers with a session."""
    rights = may(connection=connection)
    wanted = request(version, *names)
    verdict = fetch.judge(wanted, rights)
    assert isinstance(verdict, Forward)
    assert isinstance(verdict.plan, Streamed)
    stream = verdict.plan.stream(rights)
    assert isinstance(stream, FetchStream)
    run(stream, answer(version, *names, session_id=session_id))
    return rights


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_allowed_goes_to_the_broker_as_it_came(version: int) -> None:
    assert isinstance(fetch.judge(request(version, "a1", "a2"), may()), Forward)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_full_answer_holds_every_partition_that_was_asked(version: int) -> None:
    rights = may()

    verdict = fetch.judge(request(version, "secret", "a1", "foreign", "missing"), rights)

    assert isinstance(verdict, Rewrite)
    assert [fetch.key(one) for one in verdict.request.topics] == [key(version, "a1")]
    assert isinstance(verdict.plan, Mended)
    response = verdict.plan.mend(answer(version, "a1"), rights)
    unknown = ErrorCode.unknown_topic_or_partition if version < 13 else ErrorCode.unknown_topic_id
    assert errors(response) == {
        key(version, "secret"): [DENIED],
        key(version, "a1"): [0],
        key(version, "foreign"): [unknown],
        key(version, "missing"): [unknown],
    }
    decode_response(ApiKey.FETCH, version, encode(response))


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_refused_stands_last_as_at_kafka_and_each_partition_once(version: int) -> None:
    rights = may()
    topics = (
        topic(version, "secret", 1, 0),
        topic(version, "a1"),
        topic(version, "foreign"),
        topic(version, "secret", 0, 2),
    )

    verdict = fetch.judge(a_request(ApiKey.FETCH, version, topics=topics), rights)

    assert isinstance(verdict, Rewrite)
    assert isinstance(verdict.plan, Mended)
    response = verdict.plan.mend(answer(version, "a1"), rights)
    assert [(fetch.key(one), [part.partition_index for part in one.partitions]) for one in response.responses] == [
        (key(version, "a1"), [0]),
        (key(version, "secret"), [1, 0, 2]),
        (key(version, "foreign"), [0]),
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_decided_on_the_answer_is_told_apart_from_what_was_decided_on_the_request(version: int) -> None:
    asked_by, later = may(), may(REVOKED)
    verdict = fetch.judge(request(version, "secret", "a1", "a2"), asked_by)
    assert isinstance(verdict, Rewrite)
    assert isinstance(verdict.plan, Mended)
    decided = tuple(asked_by.notes)

    verdict.plan.mend(answer(version, "a1", "a2"), asked_by)
    verdict.plan.mend(answer(version, "a1", "a2"), later)

    assert tuple(asked_by.notes) == decided
    assert [(note.name, note.access) for note in later.notes] == [("a1", Access.DENIED), ("a2", Access.ALLOWED)]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_throttled_answer_stays_as_empty_as_it_came(version: int) -> None:
    rights = may()
    verdict = fetch.judge(request(version, "a1", "secret"), rights)
    assert isinstance(verdict, Rewrite)
    assert isinstance(verdict.plan, Mended)

    throttled = answer(version, throttle_time=timedelta(seconds=1))

    assert verdict.plan.mend(throttled, rights) == throttled


@pytest.mark.parametrize("version", WITH_SESSIONS)
def test_an_error_of_the_whole_answer_is_passed_on(version: int) -> None:
    rights, error = may(), ErrorCode.unknown_server_error
    for names in (("a1",), ("a1", "secret")):
        verdict = fetch.judge(request(version, *names), rights)
        assert isinstance(verdict, Forward | Rewrite)
        mend = verdict.plan.mend if isinstance(verdict.plan, Mended) else verdict.plan.stale
        assert mend is not None

        response = mend(answer(version, error_code=error), rights)

        assert (response.error_code, response.responses) == (error, ())


@pytest.mark.parametrize("version", range(13, 19))
def test_a_foreign_id_and_an_unknown_one_are_answered_alike(version: int) -> None:
    verdict = fetch.judge(request(version, "foreign", "missing"), may())

    assert isinstance(verdict, Answer)
    foreign, missing = (encode(entry) for entry in verdict.response.responses)
    assert foreign.replace(topic_id("foreign").bytes, b"") == missing.replace(RANDOM_ID.bytes, b"")


@pytest.mark.parametrize("version", WITH_SESSIONS)
def test_while_something_is_refused_there_is_no_session(version: int) -> None:
    rights = may()
    verdict = fetch.judge(request(version, "a1", "secret"), rights)

    assert isinstance(verdict, Rewrite)
    assert (verdict.request.session_id, verdict.request.session_epoch) == (0, -1)
    assert isinstance(verdict.plan, Mended)
    assert verdict.plan.mend(answer(version, "a1", session_id=9), rights).session_id == 0


@pytest.mark.parametrize("version", WITH_SESSIONS)
def test_a_session_that_this_connection_did_not_start_is_unknown(version: int) -> None:
    verdict = fetch.judge(request(version, session_id=1234, epoch=3), may())

    assert isinstance(verdict, Answer)
    assert verdict.response.error_code is ErrorCode.fetch_session_id_not_found
    assert verdict.response.responses == ()


@pytest.mark.parametrize("version", WITH_SESSIONS)
def test_a_full_request_cannot_close_the_session_of_somebody_else(version: int) -> None:
    verdict = fetch.judge(request(version, "a1", session_id=1234, epoch=0), may())

    assert isinstance(verdict, Rewrite)
    assert verdict.request.session_id == 0


@pytest.mark.parametrize("version", WITH_SESSIONS)
def test_an_incremental_request_without_topics_keeps_its_session(version: int) -> None:
    connection = Connection()
    start_session(connection, version, "a1", "a2")

    assert isinstance(fetch.judge(request(version, session_id=5, epoch=1), may(connection=connection)), Forward)
    assert connection.fetch_sessions.get(5) is not None


@pytest.mark.parametrize("version", WITH_SESSIONS)
def test_a_revoked_topic_ends_the_session_although_the_request_names_nothing(version: int) -> None:
    connection = Connection()
    start_session(connection, version, "a1", "a2")
    rights = may(REVOKED, connection)

    verdict = fetch.judge(request(version, session_id=5, epoch=1), rights)

    assert isinstance(verdict, Answer)
    assert verdict.response.error_code is ErrorCode.fetch_session_id_not_found
    assert [ruling.name for ruling in rights.notes if ruling.access is Access.DENIED] == ["a1"]
    assert connection.fetch_sessions.get(5) is None


def forgotten(version: int, name: str) -> Any:
    return asked(
        ApiKey.FETCH, version, "forgotten_topics_data", topic=name, topic_id=key(version, name), partitions=(0,)
    )


@pytest.mark.parametrize("version", WITH_SESSIONS)
@pytest.mark.parametrize("name", ["foreign", "missing"])
def test_the_broker_does_not_hear_of_what_was_never_in_the_session(version: int, name: str) -> None:
    connection = Connection()
    start_session(connection, version, "a1", "a2")
    ours, theirs = forgotten(version, "a1"), forgotten(version, name)

    incremental = request(version, session_id=5, epoch=1, forgotten_topics_data=(theirs, ours))
    full = request(version, "a1", forgotten_topics_data=(theirs,))

    for asking, heard in ((incremental, (ours,)), (full, ())):
        verdict = fetch.judge(asking, may(connection=connection))
        assert isinstance(verdict, Rewrite)
        assert isinstance(verdict.plan, Streamed)
        assert verdict.request == replace(asking, forgotten_topics_data=heard)


@pytest.mark.parametrize("version", WITH_SESSIONS)
def test_a_topic_that_was_forgotten_is_not_judged_again(version: int) -> None:
    connection = Connection()
    start_session(connection, version, "a1", "a2")
    forget = request(version, session_id=5, epoch=1, forgotten_topics_data=(forgotten(version, "a1"),))
    assert isinstance(fetch.judge(forget, may(connection=connection)), Forward)

    assert isinstance(fetch.judge(request(version, session_id=5, epoch=2), may(REVOKED, connection)), Forward)


@pytest.mark.parametrize("version", WITH_SESSIONS)
def test_a_refused_topic_cannot_be_added_to_a_session(version: int) -> None:
    connection = Connection()
    start_session(connection, version, "a1")

    verdict = fetch.judge(request(version, "foreign", session_id=5, epoch=1), may(connection=connection))

    assert isinstance(verdict, Answer)
    assert verdict.response.error_code is ErrorCode.fetch_session_id_not_found


@pytest.mark.parametrize("version", WITH_SESSIONS)
def test_an_answer_that_was_parked_while_the_right_went_loses_its_records(version: int) -> None:
    rights = may()
    verdict = fetch.judge(request(version, "a1", "a2"), rights)
    assert isinstance(verdict, Forward)
    assert isinstance(verdict.plan, Streamed)
    assert verdict.plan.stale is not None

    response = verdict.plan.stale(answer(version, "a1", "a2", session_id=5), may(REVOKED))

    assert errors(response) == {key(version, "a1"): [DENIED], key(version, "a2"): [0]}
    assert [part.records for one in response.responses for part in one.partitions] == [b"", b"records"]
    assert response.session_id == 0


@pytest.mark.parametrize("version", WITH_SESSIONS)
def test_a_parked_incremental_answer_is_dropped_with_its_session(version: int) -> None:
    connection = Connection()
    rights = start_session(connection, version, "a1", "a2")
    verdict = fetch.judge(request(version, session_id=5, epoch=1), rights)
    assert isinstance(verdict, Forward)
    assert isinstance(verdict.plan, Streamed)
    assert verdict.plan.stale is not None

    response = verdict.plan.stale(answer(version, "a1", session_id=5), may(REVOKED, connection))

    assert response.error_code is ErrorCode.fetch_session_id_not_found
    assert response.responses == ()


@pytest.mark.parametrize("version", range(4, 15))
def test_nobody_fetches_as_a_replica(version: int) -> None:
    verdict = fetch.judge(request(version, "a1", replica_id=2), may())

    assert isinstance(verdict, Rewrite)
    assert verdict.request.replica_id == -1


@pytest.mark.parametrize("version", range(15, 19))
def test_nobody_fetches_as_a_replica_by_a_tag(version: int) -> None:
    state = asked(ApiKey.FETCH, version, "replica_state", replica_id=2, replica_epoch=1)

    verdict = fetch.judge(request(version, "a1", replica_state=state, cluster_id="real"), may())

    assert isinstance(verdict, Rewrite)
    assert (verdict.request.replica_state.replica_id, verdict.request.cluster_id) == (-1, None)


@given(
    version=st.sampled_from(VERSIONS),
    sizes=st.lists(st.integers(1, 60), min_size=1, max_size=5),
    names=st.lists(st.sampled_from(["a1", "a2"]), max_size=2, unique=True),
    records=st.binary(max_size=80),
)
def test_an_answer_without_hints_runs_through_unchanged(
    version: int, sizes: list[int], names: list[str], records: bytes
) -> None:
    response = answer(version, *names, records=records)
    stream = FetchStream(request(version, *names), may(), {key(version, name) for name in names})

    assert run(stream, response, tuple(sizes)) == response_frame(response, 77)
    assert stream.sizes() == ({name: len(records) for name in names} if records else {})


@given(
    version=st.sampled_from(range(16, 19)),
    sizes=st.lists(st.integers(1, 60), min_size=1, max_size=5),
    hosts=st.lists(st.sampled_from(["real-1.internal", "r", "a-very-long-name.of.a.real.broker.internal"]), min_size=1),
)
def test_hints_never_tell_a_real_address(version: int, sizes: list[int], hosts: list[str]) -> None:
    endpoints = tuple(
        said(ApiKey.FETCH, version, "node_endpoints", node_id=place, host=host, port=9092, rack="rack")
        for place, host in enumerate(hosts)
    )
    response = answer(version, "a1", node_endpoints=endpoints)

    frame = run(FetchStream(request(version, "a1"), may(), {key(version, "a1")}), response, tuple(sizes))

    assert len(frame) == len(response_frame(response, 77))
    assert not [host for host in hosts if len(host) > 1 and host.encode() in frame]


@pytest.mark.parametrize("version", range(16, 19))
@pytest.mark.parametrize(
    ("names", "later"), [(("a1", "secret"), False), (("a1", "secret"), True), (("a1",), True), ((), True)]
)
def test_hints_in_an_answer_that_is_put_together_tell_kordons_address(
    version: int, names: tuple[str, ...], later: bool
) -> None:
    """With something refused beside it, or once the policy has moved; in a session where nothing is named."""
    connection = Connection()
    rights = start_session(connection, version, "a1")
    verdict = fetch.judge(request(version, *names, session_id=0 if names else 5, epoch=0 if names else 1), rights)
    assert isinstance(verdict, Forward | Rewrite)
    mend = verdict.plan.mend if isinstance(verdict.plan, Mended) else verdict.plan.stale
    assert mend is not None
    node = said(ApiKey.FETCH, version, "node_endpoints", node_id=2, host="real-2.internal", port=9092)

    response = mend(
        answer(version, "a1", session_id=5, node_endpoints=(node,)), may(connection=connection) if later else rights
    )

    assert [(node.node_id, node.host, node.port) for node in response.node_endpoints] == [(2, "kordon.example", 9102)]


def test_a_session_goes_when_the_broker_says_so() -> None:
    connection = Connection()
    rights = start_session(connection, 12, "a1")
    gone = a_response(ApiKey.FETCH, 12, error_code=ErrorCode.fetch_session_id_not_found)

    run(FetchStream(request(12, session_id=5, epoch=1), rights, {"a1"}), gone)

    assert connection.fetch_sessions.get(5) is None


@pytest.mark.parametrize("version", WITH_SESSIONS)
def test_a_session_holds_so_many_partitions_and_not_more(version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (fetch, connection_state):
        monkeypatch.setattr(module, "SESSION_PARTITIONS", 3)
    connection = Connection()
    start_session(connection, version, "a1", "a2")

    def asks(*partitions: int, session_id: int, epoch: int) -> Any:
        wanted = a_request(
            ApiKey.FETCH,
            version,
            topics=(topic(version, "a1", *partitions),),
            session_id=session_id,
            session_epoch=epoch,
        )
        return fetch.judge(wanted, may(connection=connection))

    assert isinstance(asks(0, 1, session_id=5, epoch=1), Forward)
    more = asks(2, session_id=5, epoch=2)
    assert isinstance(more, Answer)
    assert more.response.error_code is ErrorCode.fetch_session_id_not_found
    assert connection.fetch_sessions.get(5) is None

    full = asks(0, 1, 2, 3, session_id=0, epoch=0)
    assert isinstance(full, Rewrite)
    assert (full.request.session_id, full.request.session_epoch) == (0, -1)


def test_a_session_forgets_what_it_counts() -> None:
    session = FetchSession(None, [("a", {1}), ("b", {1}), ("a", {2})])
    session.add([("a", {2, 3}), ("c", set())])
    session.forget([("a", (3, 4)), ("b", (1,)), ("none", (1,)), ("a", (1,))])

    assert dict(session.topics) == {"a": frozenset({2})}
    assert session.size == 1


def test_what_a_session_held_stays_what_it_was() -> None:
    session = FetchSession(None, [("a", {1})])
    held = session.topics
    session.add([("a", {1})])
    assert session.topics is held

    session.add([("a", {2}), ("b", {1})])
    session.forget([("a", (1, 2))])

    assert [dict(held), dict(session.topics)] == [{"a": frozenset({1})}, {"b": frozenset({1})}]


def test_the_sessions_of_a_connection_are_bounded() -> None:
    connection = Connection()
    for number in range(1, 100):
        connection.fetch_sessions.start(number, FetchSession(None))

    kept = [number for number in range(1, 100) if connection.fetch_sessions.get(number) is not None]
    assert kept == list(range(84, 100))


def test_the_sessions_of_a_connection_hold_so_many_partitions_together() -> None:
    connection = Connection()
    for number, size in ((1, 1), (2, SESSION_PARTITIONS - 1), (3, 1)):
        connection.fetch_sessions.start(number, FetchSession(None, [("a", set(range(size)))]))

    kept = [number for number in (1, 2, 3) if connection.fetch_sessions.get(number) is not None]
    assert kept == [2, 3]


def test_the_sessions_of_a_connection_hold_so_many_letters_together() -> None:
    connection = Connection()
    longest = SESSION_PARTITIONS * LETTERS - 1
    for number, name in ((1, "a"), (2, "b" * longest), (3, "c")):
        connection.fetch_sessions.start(number, FetchSession(None, [(name, {0})]))

    kept = [number for number in (1, 2, 3) if connection.fetch_sessions.get(number) is not None]
    assert kept == [3]


# ---- numbers of sessions are given to others when they are free


@pytest.mark.parametrize("version", WITH_SESSIONS)
def test_an_answer_without_a_session_ends_it(version: int) -> None:
    connection = Connection()
    rights = start_session(connection, version, "a1")
    forget = request(version, session_id=5, epoch=1, forgotten_topics_data=(forgotten(version, "a1"),))
    verdict = fetch.judge(forget, rights)
    assert isinstance(verdict, Forward)
    assert isinstance(verdict.plan, Streamed)

    verdict.plan.stream(rights).feed(response_frame(answer(version, session_id=0), 77))

    assert connection.fetch_sessions.get(5) is None


@pytest.mark.parametrize(
    ("version", "incremental"),
    [*((version, False) for version in VERSIONS), *((version, True) for version in WITH_SESSIONS)],
)
def test_an_answer_with_a_topic_that_was_not_asked_for_does_not_leave(version: int, incremental: bool) -> None:
    connection = Connection()
    rights = start_session(connection, version, "a1") if incremental else may(connection=connection)
    wanted = request(version, session_id=5, epoch=1) if incremental else request(version, "a1")
    verdict = fetch.judge(wanted, rights)
    assert isinstance(verdict, Forward)
    assert isinstance(verdict.plan, Streamed)

    with pytest.raises(NotAsked):
        verdict.plan.stream(rights).feed(response_frame(answer(version, "a1", "a2", session_id=5), 77))


@pytest.mark.parametrize("version", WITH_SESSIONS)
def test_an_answer_on_its_way_may_hold_what_a_later_request_forgets(version: int) -> None:
    connection = Connection()
    rights = start_session(connection, version, "a1", "a2")
    polled = fetch.judge(request(version, session_id=5, epoch=1), rights)
    assert isinstance(polled, Forward)
    assert isinstance(polled.plan, Streamed)
    assert polled.plan.stale is not None
    response = answer(version, "a1", "a2", session_id=5)

    forget = request(version, session_id=5, epoch=2, forgotten_topics_data=(forgotten(version, "a1"),))
    assert isinstance(fetch.judge(forget, rights), Forward)

    assert b"".join(polled.plan.stream(rights).feed(response_frame(response, 77))) == response_frame(response, 77)
    gone = polled.plan.stale(response, may(REVOKED, connection))
    assert (gone.error_code, gone.responses) == (ErrorCode.fetch_session_id_not_found, ())


@pytest.mark.parametrize("version", WITH_SESSIONS)
@pytest.mark.parametrize(("epoch", "names"), [(0, ("a1", "secret")), (-1, ("a1", "secret")), (-1, ("a1",))])
def test_a_full_request_ends_its_own_session_at_the_broker_too(version: int, epoch: int, names: tuple[str]) -> None:
    connection = Connection()
    start_session(connection, version, "a1")

    wanted = request(version, *names, session_id=5, epoch=epoch)
    verdict = fetch.judge(wanted, may(connection=connection))

    heard = verdict.request if isinstance(verdict, Rewrite) else wanted
    assert (heard.session_id, heard.session_epoch) == (5, -1)
    assert connection.fetch_sessions.get(5) is None


@pytest.mark.parametrize("version", VERSIONS)
def test_an_answer_that_has_to_be_collected_is_asked_for_in_small_portions(version: int) -> None:
    def asks(*names: str, size: int) -> Any:
        verdict = fetch.judge(request(version, *names, max_bytes=size), may())
        return verdict.request.max_bytes if isinstance(verdict, Rewrite) else size

    assert asks("a1", size=50 << 20) == 50 << 20
    assert asks("a1", "secret", size=50 << 20) == fetch.COLLECTED
    assert asks("a1", "secret", size=1000) == 1000
