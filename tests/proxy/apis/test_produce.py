"""Produce: what is refused is cut out of the request by its offsets, and record bytes are never looked at."""

from typing import Any, Final

import pytest
from kio.schema.errors import ErrorCode

from kordon_protocol.codec import decode_request, decode_response, encode
from kordon_protocol.frames import Collected, with_prefix
from kordon_protocol.keys import ApiKey
from kordon_proxy.apis import produce
from kordon_proxy.judging.may import Access, May
from kordon_proxy.judging.verdict import Answer, Forward, Mended, Rewrite
from tests.proxy.apis.messages import a_request, a_response, asked, said
from tests.proxy.judging.worlds import make_may, topic_id

POLICY: Final = """
policies:
  - {resource: [cluster, "*", topic, "a*"], effect: Allow, actions: [TOPIC_PRODUCE], role: devs}
  - {resource: [cluster, "*", transactional-id, "a*"], effect: Allow, actions: [TRANSACTION_PRODUCE], role: devs}
tenants:
  - name: acme
    resources:
      - include:
          - [cluster, "*", topic, "a*"]
          - [cluster, "*", topic, secret]
          - [cluster, "*", transactional-id, "*"]
    roles: [devs]
"""
VERSIONS: Final = range(3, 14)
RECORDS: Final = b"not a record batch at all"
DENIED: Final = ErrorCode.topic_authorization_failed


def may() -> May:
    return make_may(POLICY, topics=("a1", "a2", "secret", "foreign"))


def key(version: int, name: str) -> Any:
    return name if version < 13 else topic_id(name)


def request(version: int, *names: str, acks: int = 1, transactional_id: str | None = None) -> produce.ProduceRequest:
    topics = tuple(
        asked(
            ApiKey.PRODUCE,
            version,
            "topic_data",
            name=name,
            topic_id=topic_id(name),
            partition_data=tuple(
                asked(ApiKey.PRODUCE, version, "topic_data", "partition_data", index=index, records=RECORDS)
                for index in (0, 7)
            ),
        )
        for name in names
    )
    message = a_request(ApiKey.PRODUCE, version, acks=acks, topic_data=topics, transactional_id=transactional_id)
    frame = b"head" + encode(message)
    return produce.ProduceRequest(version, Collected([with_prefix(frame)], len(frame)), 4)


def answer(version: int, *names: str, **values: Any) -> Any:
    topics = tuple(
        said(
            ApiKey.PRODUCE,
            version,
            "responses",
            name=name,
            topic_id=topic_id(name),
            partition_responses=tuple(
                said(ApiKey.PRODUCE, version, "responses", "partition_responses", index=index, base_offset=42)
                for index in (0, 7)
            ),
        )
        for name in names
    )
    return a_response(ApiKey.PRODUCE, version, responses=topics, **values)


def name_of(entry: Any) -> Any:
    return entry.name if hasattr(entry, "name") else entry.topic_id


def errors(response: Any) -> list[tuple[Any, list[tuple[int, int]]]]:
    return [
        (name_of(one), [(part.index, int(part.error_code)) for part in one.partition_responses])
        for one in response.responses
    ]


def hidden(version: int) -> int:
    return ErrorCode.unknown_topic_or_partition if version < 13 else ErrorCode.unknown_topic_id


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_allowed_goes_to_the_broker_as_it_came(version: int) -> None:
    assert isinstance(produce.judge(request(version, "a1", "a2"), may()), Forward)


@pytest.mark.parametrize("version", VERSIONS)
def test_refused_topics_are_cut_out_and_answered_in_their_place(version: int) -> None:
    rights = may()

    verdict = produce.judge(request(version, "secret", "a1", "foreign", "a2"), rights)

    assert isinstance(verdict, Rewrite)
    forwarded = decode_request(ApiKey.PRODUCE, version, b"".join(verdict.request))
    assert [name_of(topic) for topic in forwarded.topic_data] == [key(version, "a1"), key(version, "a2")]
    assert {part.records for topic in forwarded.topic_data for part in topic.partition_data} == {RECORDS}
    assert isinstance(verdict.plan, Mended)
    response = verdict.plan.mend(answer(version, "a1", "a2"), rights)
    assert errors(response) == [
        (key(version, "secret"), [(0, DENIED), (7, DENIED)]),
        (key(version, "a1"), [(0, 0), (7, 0)]),
        (key(version, "foreign"), [(0, hidden(version)), (7, hidden(version))]),
        (key(version, "a2"), [(0, 0), (7, 0)]),
    ]
    decode_response(ApiKey.PRODUCE, version, encode(response))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_foreign_topic_and_a_missing_one_are_answered_alike(version: int) -> None:
    verdict = produce.judge(request(version, "foreign", "missing"), may())

    assert isinstance(verdict, Answer)
    foreign, missing = (encode(entry.partition_responses[0]) for entry in verdict.response.responses)
    assert foreign == missing


@pytest.mark.parametrize("version", VERSIONS)
def test_with_acks_0_nothing_is_ever_answered(version: int) -> None:
    mixed = request(version, "a1", "foreign", acks=0)
    assert not produce.has_answer(mixed)

    verdict = produce.judge(mixed, may())

    assert isinstance(verdict, Rewrite)
    forwarded = decode_request(ApiKey.PRODUCE, version, b"".join(verdict.request))
    assert [name_of(topic) for topic in forwarded.topic_data] == [key(version, "a1")]
    assert forwarded.acks == 0
    assert produce.judge(request(version, "foreign", acks=0), may()) == Answer(None)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_transactional_id_needs_its_right_even_without_any_other_request(version: int) -> None:
    rights = may()
    assert isinstance(produce.judge(request(version, "a1", transactional_id="a-t"), rights), Forward)

    verdict = produce.judge(request(version, "a1", transactional_id="globex-t"), rights)

    assert isinstance(verdict, Answer)
    code = ErrorCode.transactional_id_authorization_failed
    assert errors(verdict.response) == [(key(version, "a1"), [(0, code), (7, code)])]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("transactional_id", ["globex-t", "a-t", None])
def test_what_names_no_topic_is_answered_and_not_sent_on(version: int, transactional_id: str | None) -> None:
    verdict = produce.judge(request(version, transactional_id=transactional_id), may())

    assert verdict == Answer(answer(version))
    assert produce.judge(request(version, transactional_id=transactional_id, acks=0), may()) == Answer(None)


@pytest.mark.parametrize("version", range(10, 14))
def test_leader_hints_are_moved_to_kordons_addresses(version: int) -> None:
    endpoint = said(ApiKey.PRODUCE, version, "node_endpoints", node_id=2, host="real-2.internal", port=9092)

    response = produce.mend(answer(version, "a1", node_endpoints=(endpoint,)), may())

    assert [(one.host, one.port) for one in response.node_endpoints] == [("kordon.example", 9102)]


@pytest.mark.parametrize("version", range(8, 14))
def test_texts_of_the_broker_stay_behind(version: int) -> None:
    part = said(
        ApiKey.PRODUCE,
        version,
        "responses",
        "partition_responses",
        error_code=ErrorCode.invalid_record,
        error_message="real-1.internal says no",
        record_errors=(
            said(
                ApiKey.PRODUCE,
                version,
                "responses",
                "partition_responses",
                "record_errors",
                batch_index_error_message="real-1.internal",
            ),
        ),
    )
    topic = said(ApiKey.PRODUCE, version, "responses", name="a1", topic_id=topic_id("a1"), partition_responses=(part,))

    response = produce.mend(a_response(ApiKey.PRODUCE, version, responses=(topic,)), may())

    assert b"real-1" not in encode(response)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_answer_without_any_of_these_is_not_touched(version: int) -> None:
    response = answer(version, "a1")

    assert produce.mend(response, may()) is response


def test_every_refused_topic_is_noted() -> None:
    rights = may()

    produce.judge(request(12, "a1", "secret", "foreign"), rights)

    noted = [(ruling.name, ruling.access) for ruling in rights.notes]
    assert noted == [("a1", Access.ALLOWED), ("secret", Access.DENIED), ("foreign", Access.HIDDEN)]
