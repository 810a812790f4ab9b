"""ShareFetch and ShareAcknowledge: every topic of the whole session, acknowledgements as well, Kordon's addresses."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kio.schema.errors import ErrorCode

from kordon_protocol.codec import decode_response, encode, response_frame
from kordon_protocol.errors import MalformedBody, MalformedHeader
from kordon_protocol.keys import ApiKey
from kordon_proxy.apis import share_acknowledge, share_fetch
from kordon_proxy.apis.share_fetch_stream import HEAD, ShareFetchStream
from kordon_proxy.judging.connection import Connection
from kordon_proxy.judging.may import Access, May
from kordon_proxy.judging.recent_members import MEMBERS
from kordon_proxy.judging.texts import constant_text
from kordon_proxy.judging.verdict import Forward, Mended, Rewrite, Streamed, Verdict
from tests.proxy.apis.messages import a_request, a_response, asked, said
from tests.proxy.apis.verdicts import answered, forwarded, hides
from tests.proxy.judging.worlds import a_picture, make_may, topic_id

POLICY: Final = """
policies:
  - {resource: [cluster, "*", topic, "a*"], effect: Allow, actions: [TOPIC_INSPECT], role: devs}
  - {resource: [cluster, "*", group, "g*"], effect: Allow, actions: [GROUP_CONSUME], role: devs}
tenants:
  - name: acme
    resources:
      - include:
          - [cluster, "*", topic, "a*"]
          - [cluster, "*", topic, secret]
          - [cluster, "*", group, "g*"]
          - [cluster, "*", group, denied]
    roles: [devs]
"""
REVOKED: Final = POLICY.replace('topic, "a*"], effect', "topic, a2], effect")
"""Without the right to a1."""
EXPELLED: Final = POLICY.replace('group, "g*"], effect', "group, none], effect")
TOPICS: Final = ("a1", "a2", "secret", "foreign", "lent")
"""`lent` is seen because another group reads it."""
VERSIONS: Final = range(1, 3)
DENIED: Final = ErrorCode.topic_authorization_failed
UNKNOWN: Final = ErrorCode.unknown_topic_id
NONE: Final = ErrorCode.none
GROUP, MEMBER = "g", "member-1"

every_version = pytest.mark.parametrize("version", VERSIONS)


def may(policy: str = POLICY, connection: Connection | None = None) -> May:
    return make_may(policy, picture=a_picture(TOPICS, inferred={"g-other": {"lent"}}), connection=connection)


NAMES: Final = {topic_id(name): name for name in (*TOPICS, "missing")}


def topic(version: int, name: str, *partitions: int, acks: bool = False, key: ApiKey = ApiKey.SHARE_FETCH) -> Any:
    path = (key, version, "topics", "partitions")
    batch = asked(*path, "acknowledgement_batches", first_offset=0, last_offset=3, acknowledge_types=(1,))
    entries = tuple(
        asked(*path, partition_index=one, acknowledgement_batches=(batch,) if acks else ())
        for one in partitions or (0,)
    )
    return asked(key, version, "topics", topic_id=topic_id(name), partitions=entries)


def request(version: int, *topics: Any, epoch: int = 0, forgets: Mapping[str, tuple[int, ...]] | None = None) -> Any:
    forgotten = tuple(
        asked(ApiKey.SHARE_FETCH, version, "forgotten_topics_data", topic_id=topic_id(name), partitions=partitions)
        for name, partitions in (forgets or {}).items()
    )
    entries = tuple(topic(version, one) if isinstance(one, str) else one for one in topics)
    return a_request(
        ApiKey.SHARE_FETCH,
        version,
        group_id=GROUP,
        member_id=MEMBER,
        share_session_epoch=epoch,
        topics=entries,
        forgotten_topics_data=forgotten,
    )


def part(version: int, **values: Any) -> Any:
    return said(ApiKey.SHARE_FETCH, version, "responses", "partitions", **values)


def answer(version: int, *names: str, records: bytes = b"records", **values: Any) -> Any:
    acquired = said(ApiKey.SHARE_FETCH, version, "responses", "partitions", "acquired_records", last_offset=3)
    topics = tuple(
        said(
            ApiKey.SHARE_FETCH,
            version,
            "responses",
            topic_id=topic_id(name),
            partitions=(part(version, records=records, acquired_records=(acquired,)),),
        )
        for name in names
    )
    return a_response(ApiKey.SHARE_FETCH, version, responses=topics, **values)


def errors(response: Any) -> dict[str, list[tuple[int, int, int]]]:
    """Topic -> partition, what became of the fetch and of the acknowledgement."""
    return {
        NAMES[one.topic_id]: [
            (each.partition_index, int(each.error_code), each.acknowledge_error_code) for each in one.partitions
        ]
        for one in response.responses
    }


def opened(version: int, *names: Any, rights: May) -> Connection:
    """The connection after a session was opened."""
    share_fetch.judge(request(version, *names), rights)
    return rights.connection


def told(verdict: Verdict, response: Any, now: May) -> Any:
    """The broker's answer as the client gets it, whatever way it takes."""
    assert isinstance(verdict, Forward | Rewrite)
    if isinstance(verdict.plan, Mended):
        mended = verdict.plan.mend(response, now)
        assert decode_response(ApiKey.SHARE_FETCH, mended.__version__, encode(mended)) == mended
        return mended
    assert isinstance(verdict.plan, Streamed)
    stream = verdict.plan.stream(now)
    frame = b"".join(stream.feed(response_frame(response, 77)))
    assert int.from_bytes(frame[:4], "big") == len(frame) - 4
    return decode_response(ApiKey.SHARE_FETCH, response.__version__, frame, HEAD)


def stale(verdict: Verdict, response: Any, now: May) -> Any:
    """The same where the policy moved meanwhile."""
    assert isinstance(verdict, Forward | Rewrite)
    mend = verdict.plan.mend if isinstance(verdict.plan, Mended) else verdict.plan.stale
    assert mend is not None
    return mend(response, now)


# --- who may


@every_version
def test_what_is_allowed_goes_to_the_broker_as_it_came(version: int) -> None:
    rights = may()
    for asking in (request(version, "a1", "a2"), request(version, topic(version, "a1", 0, 1, acks=True), epoch=1)):
        verdict = share_fetch.judge(asking, rights)
        assert isinstance(verdict, Forward)
        assert isinstance(verdict.plan, Streamed)


@every_version
@pytest.mark.parametrize("group", ["denied", "foreign"])
@pytest.mark.parametrize("epoch", [0, 1, -1])
def test_reading_in_a_group_needs_the_right_to_consume(version: int, group: str, epoch: int) -> None:
    for key, judge in ((ApiKey.SHARE_FETCH, share_fetch.judge), (ApiKey.SHARE_ACKNOWLEDGE, share_acknowledge.judge)):
        asking = a_request(key, version, group_id=group, member_id=MEMBER, share_session_epoch=epoch)
        response = answered(judge(asking, may()))
        assert response.error_code is ErrorCode.group_authorization_failed
        assert response.responses == ()


@every_version
@pytest.mark.parametrize(("group", "member"), [(None, MEMBER), (GROUP, None), (GROUP, ""), (GROUP, "x" * 37)])
def test_a_request_without_a_group_or_a_member_is_invalid(version: int, group: str | None, member: str | None) -> None:
    for key, judge in ((ApiKey.SHARE_FETCH, share_fetch.judge), (ApiKey.SHARE_ACKNOWLEDGE, share_acknowledge.judge)):
        asking = a_request(key, version, group_id=group, member_id=member)
        assert answered(judge(asking, may())).error_code is ErrorCode.invalid_request


@every_version
def test_a_session_is_not_opened_with_acknowledgements(version: int) -> None:
    """As at the broker, which so never hears of the topics."""
    rights = may()
    response = answered(share_fetch.judge(request(version, topic(version, "foreign", acks=True)), rights))
    assert response.error_code is ErrorCode.invalid_request
    assert len(rights.connection.share_sessions) == 0


# --- sessions


@every_version
@pytest.mark.parametrize("epoch", [1, 7, -1])
def test_a_session_that_this_connection_did_not_open_is_not_there(version: int, epoch: int) -> None:
    opened(version, "a1", rights=may())
    fetched = share_fetch.judge(request(version, "a1", epoch=epoch), may())
    acknowledged = share_acknowledge.judge(acknowledgement(version, "a1", epoch=epoch), may())

    assert answered(fetched).error_code is ErrorCode.share_session_not_found
    assert answered(acknowledged).error_code is ErrorCode.share_session_not_found


@every_version
def test_another_member_does_not_go_on_with_a_session(version: int) -> None:
    rights = may()
    opened(version, "a1", rights=rights)
    for change in ({"member_id": "member-2"}, {"group_id": "g2"}):
        response = answered(share_fetch.judge(replace(request(version, epoch=1), **change), rights))
        assert response.error_code is ErrorCode.share_session_not_found


@every_version
def test_what_is_refused_is_an_error_and_the_broker_does_not_hear_of_it(version: int) -> None:
    rights = may()
    asking = request(version, "secret", topic(version, "a1", 0, 1), "foreign", "missing", "lent")

    verdict = share_fetch.judge(asking, rights)

    sent = forwarded(asking, verdict)
    assert [NAMES[one.topic_id] for one in sent.topics] == ["a1"]
    assert errors(told(verdict, answer(version, "a1"), rights)) == {
        "a1": [(0, 0, 0)],
        "secret": [(0, DENIED, 0)],
        "foreign": [(0, UNKNOWN, 0)],
        "missing": [(0, UNKNOWN, 0)],
        "lent": [(0, UNKNOWN, 0)],
    }
    denied = [(note.name, note.access) for note in rights.notes if note.access is not Access.ALLOWED]
    assert denied == [
        ("secret", Access.DENIED),
        (str(topic_id("foreign")), Access.HIDDEN),
        (str(topic_id("missing")), Access.HIDDEN),
        ("lent", Access.HIDDEN),
    ]


@every_version
def test_it_stays_an_error_at_every_poll_until_it_is_forgotten(version: int) -> None:
    rights = may()
    opened(version, "a1", "secret", rights=rights)

    quiet = share_fetch.judge(request(version, epoch=1), rights)
    forgetting = request(version, epoch=2, forgets={"secret": (0,)})
    forgotten = share_fetch.judge(forgetting, rights)

    assert isinstance(quiet, Forward)
    assert errors(told(quiet, answer(version), rights)) == {"secret": [(0, DENIED, 0)]}
    assert forwarded(forgetting, forgotten).forgotten_topics_data == ()
    assert errors(told(forgotten, answer(version, "a1"), rights)) == {"a1": [(0, 0, 0)]}


@every_version
def test_a_foreign_id_and_an_unknown_one_are_answered_alike(version: int) -> None:
    rights = may()
    verdict = share_fetch.judge(request(version, "foreign", "missing"), rights)
    response = told(verdict, answer(version), rights)
    foreign, missing = (encode(entry) for entry in response.responses)
    assert foreign.replace(topic_id("foreign").bytes, b"") == missing.replace(topic_id("missing").bytes, b"")


@every_version
def test_a_revoked_topic_is_forgotten_at_the_broker_although_the_request_names_nothing(version: int) -> None:
    connection = opened(version, topic(version, "a1", 0, 3), "a2", rights=may())
    rights, asking = may(REVOKED, connection), request(version, epoch=1)

    verdict = share_fetch.judge(asking, rights)

    sent = forwarded(asking, verdict)
    assert {NAMES[one.topic_id]: one.partitions for one in sent.forgotten_topics_data} == {"a1": (0, 3)}
    assert errors(told(verdict, answer(version, "a2"), rights)) == {
        "a2": [(0, 0, 0)],
        "a1": [(0, DENIED, 0), (3, DENIED, 0)],
    }
    assert [note.name for note in rights.notes if note.access is Access.DENIED] == ["a1"]


@every_version
def test_a_topic_that_is_allowed_later_is_added_at_the_broker(version: int) -> None:
    connection = opened(version, topic(version, "a1", 0, 3), "a2", rights=may(REVOKED))
    rights, asking = may(POLICY, connection), request(version, epoch=1)

    verdict = share_fetch.judge(asking, rights)

    (entry,) = forwarded(asking, verdict).topics
    assert (NAMES[entry.topic_id], [one.partition_index for one in entry.partitions]) == ("a1", [0, 3])
    assert errors(told(verdict, answer(version, "a1"), rights)) == {"a1": [(0, 0, 0)]}


@every_version
def test_a_topic_that_kordon_gets_to_know_later_is_added_at_the_broker(version: int) -> None:
    rights = may()
    opened(version, "a-new", rights=rights)
    later = May(rights.standing, a_picture((*TOPICS, "a-new"), version=2), rights.cluster, rights.connection)

    sent = forwarded(request(version, epoch=1), share_fetch.judge(request(version, epoch=1), later))

    assert [one.topic_id for one in sent.topics] == [topic_id("a-new")]


@every_version
def test_an_acknowledgement_of_what_is_refused_is_refused(version: int) -> None:
    connection = opened(version, "a1", "a2", rights=may())
    rights = may(REVOKED, connection)
    asking = request(
        version, topic(version, "a1", acks=True), topic(version, "a2", acks=True), topic(version, "secret"), epoch=1
    )

    verdict = share_fetch.judge(asking, rights)

    assert [NAMES[one.topic_id] for one in forwarded(asking, verdict).topics] == ["a2"]
    assert errors(told(verdict, answer(version, "a2"), rights)) == {
        "a2": [(0, 0, 0)],
        "a1": [(0, DENIED, DENIED)],
        "secret": [(0, DENIED, DENIED)],
    }


@every_version
def test_a_closing_session_answers_acknowledgements_alone_and_is_gone(version: int) -> None:
    rights = may()
    opened(version, "a1", "secret", rights=rights)
    asking = request(version, topic(version, "secret", acks=True), epoch=-1, forgets={"foreign": (0,)})

    verdict = share_fetch.judge(asking, rights)

    sent = forwarded(asking, verdict)
    assert (sent.topics, sent.forgotten_topics_data, sent.share_session_epoch) == ((), (), -1)
    assert errors(told(verdict, answer(version), rights)) == {"secret": [(0, 0, DENIED)]}
    assert len(rights.connection.share_sessions) == 0


def test_a_request_that_renews_locks_fetches_nothing() -> None:
    rights = may()
    opened(2, "a1", "secret", rights=rights)
    asking = replace(request(2, topic(2, "secret", 1, acks=True), epoch=1), is_renew_ack=True)

    verdict = share_fetch.judge(asking, rights)

    assert errors(told(verdict, answer(2), rights)) == {"secret": [(1, 0, DENIED)]}


@every_version
def test_a_throttled_answer_tells_of_acknowledgements_alone(version: int) -> None:
    rights = may()
    opened(version, "a1", topic(version, "secret", 0, 1), rights=rights)
    throttled = answer(version, throttle_time=timedelta(seconds=1))

    quiet = share_fetch.judge(request(version, epoch=1), rights)
    acknowledging = share_fetch.judge(request(version, topic(version, "secret", 1, acks=True), epoch=2), rights)

    assert errors(told(quiet, throttled, rights)) == {}
    assert errors(told(acknowledging, throttled, rights)) == {"secret": [(1, 0, DENIED)]}


@every_version
@pytest.mark.parametrize("names", [("a1",), ("a1", "secret")])
def test_an_error_of_the_whole_answer_is_passed_on_and_ends_the_session(version: int, names: tuple[str, ...]) -> None:
    rights = may()
    verdict = share_fetch.judge(request(version, *names), rights)
    assert len(rights.connection.share_sessions) == 1

    error = ErrorCode.share_session_limit_reached
    response = told(verdict, answer(version, error_code=error), rights)

    assert (response.error_code, response.responses) == (error, ())
    assert len(rights.connection.share_sessions) == 0


@every_version
def test_a_late_error_does_not_end_the_session_that_was_opened_meanwhile(version: int) -> None:
    rights = may()
    first = share_fetch.judge(request(version, "a1"), rights)
    opened(version, "a2", rights=rights)

    told(first, answer(version, error_code=ErrorCode.unknown_server_error), rights)

    assert len(rights.connection.share_sessions) == 1


@every_version
def test_a_session_holds_so_many_partitions_and_not_more(version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(share_fetch, "MOST_PARTITIONS", 3)
    rights = may()
    opened(version, topic(version, "a1", 0, 1, 2), rights=rights)

    again = share_fetch.judge(request(version, topic(version, "a1", 0, 2, acks=True), epoch=1), rights)
    more = share_fetch.judge(request(version, "foreign", epoch=2), rights)

    assert isinstance(again, Forward)
    assert answered(more).error_code is ErrorCode.share_session_limit_reached
    assert len(rights.connection.share_sessions) == 0


@every_version
def test_the_sessions_of_a_connection_are_bounded_and_so_is_what_they_refuse(version: int) -> None:
    rights = may()
    for number in range(100):
        asking = replace(request(version, topic(version, "foreign")), member_id=f"member-{number}")
        share_fetch.judge(asking, rights)
    empty = asked(ApiKey.SHARE_FETCH, version, "topics", topic_id=UUID(int=9), partitions=())
    share_fetch.judge(replace(request(version, empty, epoch=1), member_id="member-99"), rights)

    assert len(rights.connection.share_sessions) == MEMBERS
    session = rights.connection.share_sessions.get(GROUP, "member-99")
    assert session is not None
    assert session.refused.keys() == session.topics.keys() == {topic_id("foreign")}


# --- while a fetch was parked


@every_version
@pytest.mark.parametrize("names", [("a1", "a2"), ("a1", "a2", "secret")])
def test_an_answer_that_was_parked_while_the_right_went_gives_nothing(version: int, names: tuple[str, ...]) -> None:
    verdict = share_fetch.judge(request(version, *names), may())
    later = may(REVOKED)

    response = stale(verdict, answer(version, "a1", "a2"), later)

    assert {name: codes for name, codes in errors(response).items() if name != "secret"} == {
        "a1": [(0, DENIED, 0)],
        "a2": [(0, 0, 0)],
    }
    first, second = (one.partitions[0] for one in response.responses[:2])
    assert (first.records, first.acquired_records) == (b"", ())
    assert (second.records, len(second.acquired_records)) == (b"records", 1)
    assert [note.name for note in later.notes if note.access is Access.DENIED] == ["a1"]


@every_version
def test_a_member_that_was_parked_while_it_was_expelled_gets_nothing(version: int) -> None:
    connection = Connection()
    verdict = share_fetch.judge(request(version, "a1"), may(connection=connection))

    response = stale(verdict, answer(version, "a1"), may(EXPELLED, connection))

    assert (response.error_code, response.responses) == (ErrorCode.group_authorization_failed, ())
    assert len(connection.share_sessions) == 0


# --- on the way back

chunks = st.lists(st.integers(1, 60), min_size=1, max_size=5)


def run(stream: ShareFetchStream, response: Any, sizes: Iterable[int], out: bytearray | None = None) -> bytes:
    """What leaves, also in `out`, when the answer's frame arrives in chunks of these sizes."""
    data, left = response_frame(response, 77), list(sizes)
    out = bytearray() if out is None else out
    while data:
        size = left.pop(0) if left else len(data)
        for piece in stream.feed(data[:size]):
            out += piece
        data = data[size:]
    return bytes(out)


def nothing() -> None:
    raise AssertionError("it did not fail")


@given(
    version=st.sampled_from(VERSIONS),
    sizes=chunks,
    names=st.lists(st.sampled_from(["a1", "a2"]), max_size=2, unique=True),
    records=st.binary(max_size=80),
)
def test_an_answer_without_texts_and_addresses_runs_through_unchanged(
    version: int, sizes: list[int], names: list[str], records: bytes
) -> None:
    response = answer(version, *names, records=records)
    stream = ShareFetchStream(may(), GROUP, nothing)

    assert run(stream, response, sizes) == response_frame(response, 77)
    assert stream.sizes() == ({name: len(records) for name in names} if records else {})


@given(
    version=st.sampled_from(VERSIONS), sizes=chunks, text=st.text(min_size=1, max_size=90), code=st.integers(-2, 140)
)
def test_no_text_of_the_broker_leaves(version: int, sizes: list[int], text: str, code: int) -> None:
    mark = f"real-1.internal {text}"
    parts = (part(version, acknowledge_error_code=code, acknowledge_error_message=mark, error_message=mark),)
    topics = (said(ApiKey.SHARE_FETCH, version, "responses", topic_id=topic_id("a1"), partitions=parts),)
    response = a_response(ApiKey.SHARE_FETCH, version, responses=topics)

    frame = run(ShareFetchStream(may(), GROUP, nothing), response, sizes)

    assert b"real" not in frame
    (topic_told,) = decode_response(ApiKey.SHARE_FETCH, version, frame, HEAD).responses
    told_text = topic_told.partitions[0].acknowledge_error_message.rstrip()
    known = code in ErrorCode.__members__.values()
    expected = (constant_text(ErrorCode(code)) or "") if known else ""
    assert expected.startswith(told_text)


@every_version
@pytest.mark.parametrize("names", [("a1",), ("a1", "secret")])
@pytest.mark.parametrize("later", [False, True])
def test_an_answer_that_is_put_together_has_kordons_texts_and_addresses(
    version: int, names: tuple[str, ...], later: bool
) -> None:
    """With something refused beside it, or once the policy has moved."""
    error, said_by_broker = ErrorCode.invalid_record_state, "of globex.pay at real-1.internal"
    parts = (
        part(
            version,
            error_code=error,
            error_message=said_by_broker,
            acknowledge_error_code=int(error),
            acknowledge_error_message=said_by_broker,
        ),
    )
    response = a_response(
        ApiKey.SHARE_FETCH,
        version,
        error_message=said_by_broker,
        responses=(said(ApiKey.SHARE_FETCH, version, "responses", topic_id=topic_id("a1"), partitions=parts),),
        node_endpoints=(
            said(ApiKey.SHARE_FETCH, version, "node_endpoints", node_id=2, host="real-2.internal", port=9092),
        ),
    )
    rights = may()

    mended = stale(share_fetch.judge(request(version, *names), rights), response, may() if later else rights)

    assert hides(mended, "real-")
    assert hides(mended, "globex")
    assert [(node.node_id, node.host, node.port) for node in mended.node_endpoints] == [(2, "kordon.example", 9102)]
    told_part = mended.responses[0].partitions[0]
    assert {told_part.error_message, told_part.acknowledge_error_message} == {constant_text(error)}


@given(
    version=st.sampled_from(VERSIONS),
    sizes=chunks,
    hosts=st.lists(st.sampled_from(["real-1.internal", "r", "a-very-long-name.of.a.real.broker.internal"]), min_size=1),
)
def test_no_real_address_leaves(version: int, sizes: list[int], hosts: list[str]) -> None:
    nodes = tuple(
        said(ApiKey.SHARE_FETCH, version, "node_endpoints", node_id=place, host=host, port=9092, rack="rack")
        for place, host in enumerate(hosts)
    )
    response = answer(version, "a1", node_endpoints=nodes)

    frame = run(ShareFetchStream(may(), GROUP, nothing), response, sizes)

    assert not [host for host in hosts if len(host) > 1 and host.encode() in frame]
    response = decode_response(ApiKey.SHARE_FETCH, version, frame, HEAD)
    assert {node.host for node in response.node_endpoints} <= {"kordon.example"}


@given(version=st.sampled_from(VERSIONS), sizes=chunks, name=st.sampled_from(["foreign", "missing", "secret", "lent"]))
def test_what_is_not_this_sessions_ends_the_connection_before_it_leaves(
    version: int, sizes: list[int], name: str
) -> None:
    out = bytearray()
    with pytest.raises(MalformedBody):
        run(ShareFetchStream(may(), GROUP, nothing), answer(version, "a1", name, records=b"theirs"), sizes, out)

    assert topic_id(name).bytes not in out
    assert out.count(b"theirs") <= 1


@every_version
def test_what_is_not_this_sessions_does_not_leave_beside_an_error_either(version: int) -> None:
    rights = may()
    verdict = share_fetch.judge(request(version, "a1", "secret"), rights)
    assert errors(told(verdict, answer(version, "a1", "foreign"), rights)) == {
        "a1": [(0, 0, 0)],
        "secret": [(0, DENIED, 0)],
    }


def test_an_answer_that_is_cut_off_or_goes_on_is_malformed() -> None:
    frame = response_frame(answer(1, "a1"), 77)
    for body in (frame[4:-3], frame[4:] + b"\0"):
        with pytest.raises(MalformedBody):
            ShareFetchStream(may(), GROUP, nothing).feed(len(body).to_bytes(4, "big") + body)
    with pytest.raises(MalformedHeader):
        ShareFetchStream(may(), GROUP, nothing).feed(frame[:8] + b"\1" + frame[9:])


# --- ShareAcknowledge


def acknowledgement(version: int, *names: str, epoch: int = 1) -> Any:
    key = ApiKey.SHARE_ACKNOWLEDGE
    topics = tuple(topic(version, name, acks=True, key=key) for name in names)
    return a_request(key, version, group_id=GROUP, member_id=MEMBER, share_session_epoch=epoch, topics=topics)


def acknowledged(version: int, *names: str, **values: Any) -> Any:
    key = ApiKey.SHARE_ACKNOWLEDGE
    parts = (said(key, version, "responses", "partitions"),)
    topics = tuple(said(key, version, "responses", topic_id=topic_id(name), partitions=parts) for name in names)
    return a_response(key, version, responses=topics, **values)


def codes(response: Any) -> dict[str, int]:
    return {NAMES[one.topic_id]: int(one.partitions[0].error_code) for one in response.responses}


@every_version
def test_what_may_be_read_may_be_acknowledged(version: int) -> None:
    rights = may()
    opened(version, "a1", rights=rights)
    verdict = share_acknowledge.judge(acknowledgement(version, "a1"), rights)
    assert isinstance(verdict, Forward)


@every_version
@pytest.mark.parametrize("names", [("secret", "a1", "foreign", "missing"), ("foreign",)])
def test_what_may_not_be_read_is_not_acknowledged_and_the_epoch_counts_all_the_same(
    version: int, names: tuple[str, ...]
) -> None:
    rights = may()
    opened(version, "a1", rights=rights)
    asking = acknowledgement(version, *names)

    verdict = share_acknowledge.judge(asking, rights)

    kept = [name for name in names if name == "a1"]
    assert [NAMES[one.topic_id] for one in forwarded(asking, verdict).topics] == kept
    assert isinstance(verdict, Rewrite)
    assert isinstance(verdict.plan, Mended)
    response = verdict.plan.mend(acknowledged(version, *kept), rights)
    expected = {"a1": 0, "secret": int(DENIED), "foreign": int(UNKNOWN), "missing": int(UNKNOWN)}
    assert codes(response) == {name: expected[name] for name in names}
    decode_response(ApiKey.SHARE_ACKNOWLEDGE, version, encode(response))


@every_version
def test_a_session_is_not_opened_by_an_acknowledgement(version: int) -> None:
    response = answered(share_acknowledge.judge(acknowledgement(version, "a1", epoch=0), may()))
    assert response.error_code is ErrorCode.invalid_share_session_epoch


@every_version
def test_the_last_acknowledgement_closes_the_session(version: int) -> None:
    rights = may()
    opened(version, "a1", rights=rights)
    assert isinstance(share_acknowledge.judge(acknowledgement(version, "a1", epoch=-1), rights), Forward)
    assert len(rights.connection.share_sessions) == 0


@every_version
def test_an_answer_to_an_acknowledgement_has_kordons_texts_and_addresses(version: int) -> None:
    rights = may()
    opened(version, "a1", rights=rights)
    key, error = ApiKey.SHARE_ACKNOWLEDGE, ErrorCode.not_leader_or_follower
    parts = (said(key, version, "responses", "partitions", error_code=error, error_message="at real-1.internal"),)
    node = said(key, version, "node_endpoints", node_id=2, host="real-2.internal", port=9092)
    response = a_response(
        key,
        version,
        responses=(said(key, version, "responses", topic_id=topic_id("a1"), partitions=parts),),
        node_endpoints=(node,),
    )

    verdict = share_acknowledge.judge(acknowledgement(version, "a1"), rights)
    assert isinstance(verdict, Forward)
    assert isinstance(verdict.plan, Mended)
    mended = verdict.plan.mend(response, rights)

    assert hides(mended, "real-")
    assert [(node.node_id, node.host, node.port) for node in mended.node_endpoints] == [(2, "kordon.example", 9102)]
    assert mended.responses[0].partitions[0].error_message == constant_text(error)


# --- all together

ACTIONS = st.lists(
    st.tuples(
        st.sampled_from([POLICY, REVOKED]),
        st.dictionaries(st.sampled_from(TOPICS), st.sets(st.integers(0, 2), min_size=1), max_size=3),
        st.dictionaries(st.sampled_from(TOPICS), st.sets(st.integers(0, 2), min_size=1), max_size=2),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


@given(version=st.sampled_from(VERSIONS), actions=ACTIONS)
def test_whatever_happens_the_broker_has_of_the_session_what_is_allowed(version: int, actions: list[Any]) -> None:
    connection = Connection()
    client: dict[str, set[int]] = {}
    broker: dict[str, set[int]] = {}
    for epoch, (policy, adds, forgets, acks) in enumerate(actions):
        rights = may(policy, connection)
        acks = acks and epoch > 0
        topics = [topic(version, name, *sorted(parts), acks=acks) for name, parts in adds.items()]
        leaving = {name: tuple(sorted(parts)) for name, parts in forgets.items()} if epoch else {}
        asking = request(version, *topics, epoch=epoch, forgets=leaving)

        verdict = share_fetch.judge(asking, rights)
        sent = forwarded(asking, verdict)
        for side, heard in ((client, asking), (broker, sent)):
            follow(side, heard)
        allowed = {"a1", "a2"} if policy is POLICY else {"a2"}
        response = told(verdict, answer(version), rights)

        assert broker == {name: parts for name, parts in client.items() if name in allowed}
        assert {name: {index for index, code, _ in parts if code} for name, parts in errors(response).items()} == {
            name: client.get(name, set()) for name in (*client, *(adds if acks else ())) if name not in allowed
        }
        named = {NAMES[one.topic_id] for one in (*sent.topics, *sent.forgotten_topics_data)}
        assert named <= {"a1", "a2"}
        acknowledged_topics = [NAMES[one.topic_id] for one in sent.topics if one.partitions[0].acknowledgement_batches]
        assert acknowledged_topics == ([name for name in adds if name in allowed] if acks else [])


def follow(session: dict[str, set[int]], heard: Any) -> None:
    """As `ShareSession.update` of a broker."""
    for entry in heard.topics:
        session.setdefault(NAMES[entry.topic_id], set()).update(one.partition_index for one in entry.partitions)
    for entry in heard.forgotten_topics_data:
        left = session.get(NAMES[entry.topic_id], set())
        left -= set(entry.partitions)
        if not left:
            session.pop(NAMES[entry.topic_id], None)
