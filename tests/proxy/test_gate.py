"""From bytes to a verdict and back: what is admitted, what is refused, and which bytes leave."""

import struct
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import pytest
from kio.schema.errors import ErrorCode

from kordon_protocol.codec import decode_request, decode_response, encode, request_frame, request_type, response_frame
from kordon_protocol.errors import (
    FrameTooLarge,
    FrameTooSmall,
    MalformedBody,
    MalformedHeader,
    ProtocolError,
    UnknownApi,
    UnsupportedVersion,
)
from kordon_protocol.frames import Collected, with_prefix
from kordon_protocol.header import RequestHead, peek_request
from kordon_protocol.keys import ApiKey
from kordon_proxy import gate
from kordon_proxy.apis.produce import ProduceRequest
from kordon_proxy.cluster.picture import Picture
from kordon_proxy.exchange import Exchange
from kordon_proxy.gate import Unadmitted
from kordon_proxy.judging.entries import make, struct_type
from kordon_proxy.judging.table import Api
from kordon_proxy.judging.verdict import Forward, Mended, Rewrite
from kordon_proxy.table import APIS
from tests.proxy.apis.messages import a_request, a_response
from tests.proxy.judging.worlds import a_picture, make_may
from tests.proxy.sessions import POLICY, heartbeat, spoken

GARBAGE: Final = b"\xff\xff\xff\xff\x7f"


def a_head(key: int, version: int, client_id: str | None = "test") -> RequestHead:
    return RequestHead(api_key=key, api_version=version, correlation_id=7, client_id=client_id, body_offset=0)


def seen(versions: Mapping[int, tuple[int, int]] | None = None) -> Picture:
    return replace(a_picture(), api_versions=spoken() if versions is None else versions)


def read(message: Any, client_id: str = "test") -> tuple[RequestHead, bytes, Collected]:
    """A request as the gate gets it."""
    frame = request_frame(message, 7, client_id)[4:]
    return peek_request(frame), frame, whole(frame)


def whole(frame: bytes) -> Collected:
    """A frame in one chunk."""
    return Collected([with_prefix(frame)], len(frame))


# ---- what is admitted


@pytest.mark.parametrize("key", [key for key, api in APIS.items() if api.judge is not None])
def test_what_the_table_and_the_brokers_have_is_admitted_and_no_version_more(key: int) -> None:
    api = APIS[key]
    for version in api.versions:
        assert gate.admitted(APIS, seen(), a_head(key, version)) is api
    for version in (api.versions.start - 1, api.versions.stop):
        assert isinstance(gate.admitted(APIS, seen(), a_head(key, version)), Unadmitted)


def test_a_version_that_the_brokers_lack_is_unsupported() -> None:
    picture = seen({ApiKey.HEARTBEAT: (0, 2)})

    assert isinstance(gate.admitted(APIS, picture, a_head(ApiKey.HEARTBEAT, 2)), Api)
    for head in (a_head(ApiKey.HEARTBEAT, 3), a_head(ApiKey.JOIN_GROUP, 5)):
        found = gate.admitted(APIS, picture, head)
        assert isinstance(found, Unadmitted)
        assert found.code is ErrorCode.unsupported_version


@pytest.mark.parametrize(
    ("key", "version", "code"),
    [
        (ApiKey.INIT_PRODUCER_ID, 6, ErrorCode.unsupported_version),
        (ApiKey.ADD_PARTITIONS_TO_TXN, 4, ErrorCode.cluster_authorization_failed),
    ],
)
def test_a_version_that_the_table_lacks_is_refused_with_its_code(key: int, version: int, code: ErrorCode) -> None:
    found = gate.admitted(APIS, seen({key: (0, 99)}), a_head(key, version))

    assert isinstance(found, Unadmitted)
    assert found.code is code


def test_what_nobody_may_use_has_its_reason() -> None:
    found = gate.admitted(APIS, seen(), a_head(ApiKey.VOTE, 1))

    assert isinstance(found, Unadmitted)
    assert (found.code, bool(found.why)) == (ErrorCode.cluster_authorization_failed, True)


def test_a_key_that_is_not_in_the_table_is_unknown() -> None:
    found = gate.admitted({}, seen(), a_head(ApiKey.FETCH, 4))

    assert found == Unadmitted(None, None, ErrorCode.unsupported_version, "no such API is known here")


# ---- reading and judging


def test_a_body_that_cannot_be_read_is_malformed() -> None:
    head, frame, _ = read(heartbeat())
    with pytest.raises(MalformedBody):
        gate.open_request(APIS[head.api_key], head, whole(frame[: head.body_offset] + GARBAGE))


def test_a_request_has_only_so_many_entries_as_can_be_judged_in_a_while() -> None:
    partition = make(struct_type(request_type(ApiKey.LIST_OFFSETS, 8), "topics", "partitions"), partition_index=0)
    topic = make(struct_type(request_type(ApiKey.LIST_OFFSETS, 8), "topics"), name="t", partitions=(partition,) * 99)
    tokens = a_request(ApiKey.CREATE_DELEGATION_TOKEN, 3)
    renewer = make(struct_type(type(tokens), "renewers"), principal_type="User", principal_name="p")
    for enough, too_many in (
        (
            a_request(ApiKey.DESCRIBE_GROUPS, 5, groups=("g",) * 50_000),
            a_request(ApiKey.DESCRIBE_GROUPS, 5, groups=("g",) * 50_001),
        ),
        (
            a_request(ApiKey.LIST_OFFSETS, 8, topics=(topic,) * 500),
            a_request(ApiKey.LIST_OFFSETS, 8, topics=(topic,) * 501),
        ),
        (replace(tokens, renewers=(renewer,) * 50_000), replace(tokens, renewers=(renewer,) * 50_001)),
    ):
        head, frame, collected = read(enough)
        assert gate.open_request(APIS[head.api_key], head, collected).message == enough
        assert gate.refusal_frame(head, frame, ErrorCode.unknown_server_error, None) is not None
        head, frame, collected = read(too_many)
        with pytest.raises(MalformedBody, match="more than 50000 entries"):
            gate.open_request(APIS[head.api_key], head, collected)
        assert gate.refusal_frame(head, frame, ErrorCode.unknown_server_error, None) is None


def test_a_request_that_is_allowed_goes_on_as_it_came() -> None:
    head, _, collected = read(heartbeat())
    api = APIS[head.api_key]
    verdict = gate.judge(api, gate.open_request(api, head, collected), make_may(POLICY, tenant="Trading"))

    assert isinstance(verdict, Forward)
    assert gate.to_forward(verdict, head, collected) is collected.chunks


@pytest.mark.parametrize(
    "more",
    [b"behind the body", b"\x01\x63\x05hello"],
    ids=["bytes behind the body", "an unknown tagged field"],
)
def test_what_the_bytes_say_beyond_the_message_is_not_forwarded(more: bytes) -> None:
    head, frame, _ = read(heartbeat())
    said = frame[:-1] + more if more[0] == 1 else frame + more
    api = APIS[head.api_key]

    verdict = gate.judge(api, gate.open_request(api, head, whole(said)), make_may(POLICY, tenant="Trading"))

    assert isinstance(verdict, Rewrite)
    (sent,) = gate.to_forward(verdict, head, whole(said))
    assert sent[4:] == frame


def test_the_client_id_that_opens_internal_topics_is_never_forwarded() -> None:
    head, _, collected = read(heartbeat(), "__admin_client")

    (sent,) = gate.to_forward(Forward(), head, collected)

    assert peek_request(sent[4:]).client_id == "kordon-__admin_client"
    assert struct.unpack_from(">i", sent) == (len(sent) - 4,)
    forwarded = peek_request(sent[4:])
    assert decode_request(head.api_key, head.api_version, bytes(sent[4:]), forwarded.body_offset) == heartbeat()


def test_a_body_in_slices_has_its_length_and_header_before_it() -> None:
    head, frame, collected = read(heartbeat())
    body = frame[head.body_offset :]

    sent = gate.to_forward(Rewrite([body[:3], memoryview(body)[3:]]), head, collected)

    assert b"".join(sent)[4:] == frame
    assert struct.unpack_from(">i", sent[0]) == (len(frame),)


@pytest.mark.parametrize("body", [lambda request: request, lambda request: [encode(request)]], ids=["whole", "slices"])
def test_a_request_may_go_on_in_another_version_and_is_answered_in_that(body: Callable[[Any], Any]) -> None:
    head, frame, collected = read(a_request(ApiKey.METADATA, 1, topics=None))
    later = a_request(ApiKey.METADATA, 4, topics=())
    plan = Mended(lambda answer, _: answer, version=4)

    sent = b"".join(gate.to_forward(Rewrite(body(later), plan), head, collected))

    forwarded = peek_request(sent[4:])
    assert forwarded[:4] == (head.api_key, 4, head.correlation_id, head.client_id)
    assert decode_request(ApiKey.METADATA, 4, sent[4:], forwarded.body_offset) == later
    exchange = Exchange(head, APIS[head.api_key], None, None, 0.0, len(frame), plan)
    answer = a_response(ApiKey.METADATA, 4, cluster_id="c")
    assert gate.read_answer(exchange, response_frame(answer, 7)).message == answer


# ---- refusing and answering


def test_a_refusal_has_the_shape_of_its_request() -> None:
    head, frame, _ = read(heartbeat())
    answer = gate.refusal_frame(head, frame, ErrorCode.group_authorization_failed, None)

    assert answer is not None
    response = decode_response(head.api_key, head.api_version, answer, 9)
    assert response.error_code is ErrorCode.group_authorization_failed


def test_a_request_that_cannot_be_read_has_no_refusal() -> None:
    head, frame, _ = read(heartbeat())
    assert gate.refusal_frame(head, frame[: head.body_offset] + GARBAGE, ErrorCode.invalid_request, None) is None


def an_exchange() -> Exchange:
    head, frame, _ = read(heartbeat())
    return Exchange(head, APIS[head.api_key], None, heartbeat(), 0.0, len(frame), Mended(lambda answer, _: answer))


def answer_with(tags: bytes) -> bytes:
    """The broker's answer to a Heartbeat v4 without an error."""
    return with_prefix(struct.pack(">ibih", 7, 0, 0, 0), tags)


def test_an_answer_that_nothing_changed_leaves_as_the_brokers_own_bytes() -> None:
    exchange = an_exchange()
    frame = answer_with(tags=b"\0")
    reading = gate.read_answer(exchange, frame)

    assert gate.mended_frame(exchange, frame, reading, reading.message) is frame
    other = a_response(ApiKey.HEARTBEAT, 4, error_code=ErrorCode.rebalance_in_progress)
    changed = gate.mended_frame(exchange, frame, reading, other)
    assert decode_response(ApiKey.HEARTBEAT, 4, changed, 9) == other


def test_an_unknown_tagged_field_of_an_answer_does_not_leave() -> None:
    exchange = an_exchange()
    frame = answer_with(tags=b"\x01\x63\x05hello")
    reading = gate.read_answer(exchange, frame)

    assert b"hello" not in gate.mended_frame(exchange, frame, reading, reading.message)


# ---- what is said of bytes without an answer


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (FrameTooLarge(9, 8), "size"),
        (FrameTooSmall(1, 8), "size"),
        (UnknownApi(9999, 0, 7), "unknown-api"),
        (UnsupportedVersion(ApiKey.FETCH, 99, 7), "version"),
        (MalformedHeader("cut off"), "header"),
        (MalformedBody("cut off"), "body"),
        (ProtocolError("anything else"), "body"),
    ],
)
def test_each_fault_has_a_word(error: ProtocolError, word: str) -> None:
    assert gate.fault(error) == word


@pytest.mark.parametrize(
    ("error", "head", "name"),
    [
        (UnknownApi(9999, 0, 7), None, "9999"),
        (UnsupportedVersion(ApiKey.FETCH, 99, 7), None, "Fetch"),
        (MalformedBody("cut off"), a_head(ApiKey.HEARTBEAT, 4), "Heartbeat"),
        (MalformedHeader("cut off"), None, None),
    ],
)
def test_an_api_is_named_as_far_as_it_is_known(
    error: ProtocolError, head: RequestHead | None, name: str | None
) -> None:
    assert gate.api_name(APIS, error, head) == name


def test_a_head_without_a_schema_keeps_what_can_be_answered() -> None:
    head = gate.unread_head(UnsupportedVersion(ApiKey.API_VERSIONS, 99, 41))

    assert (head.api_key, head.api_version, head.correlation_id) == (ApiKey.API_VERSIONS, 99, 41)


def test_a_request_is_read_by_its_apis_own_reader_where_it_has_one() -> None:
    api = APIS[ApiKey.PRODUCE]
    head, _, collected = read(a_request(ApiKey.PRODUCE, 9, acks=0))

    reading = gate.open_request(api, head, collected)

    assert reading.exact
    assert isinstance(reading.message, ProduceRequest)
    assert api.has_answer is not None
    assert not api.has_answer(reading.message)
