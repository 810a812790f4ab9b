from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kordon_protocol.bounds import walk_of
from kordon_protocol.codec import (
    Reading,
    decode_request,
    decode_response,
    encode,
    read_request,
    reader_of,
    request_frame,
    request_type,
    response_frame,
    response_type,
)
from kordon_protocol.errors import MalformedBody, UnknownApi, UnsupportedVersion
from kordon_protocol.frames import FrameSplitter
from kordon_protocol.header import peek_request, peek_response
from kordon_protocol.keys import ApiKey
from kordon_protocol.shapes import Entity
from kordon_protocol.varints import LONGEST_STRING
from tests.protocol.schemas import EVERY_SCHEMA, EVERY_VERSION, build, messages, schema_id

every_schema = pytest.mark.parametrize("entity", EVERY_SCHEMA, ids=schema_id)
few = settings(max_examples=4, suppress_health_check=[HealthCheck.too_slow])


@every_schema
@given(data=st.data())
@few
def test_decoding_what_was_encoded_gives_the_same_message(entity: Entity, data: st.DataObject) -> None:
    message = data.draw(messages(entity))
    encoded = encode(message)
    reading, end = reader_of(entity)(b"head" + encoded, 4)
    assert reading == Reading(message, exact=True)
    assert end == len(encoded) + 4
    assert walk_of(entity)(encoded, 0) == len(encoded)


@every_schema
@given(data=st.data())
@settings(max_examples=6, suppress_health_check=[HealthCheck.too_slow])
def test_no_bytes_make_anything_but_typed_errors(entity: Entity, data: st.DataObject) -> None:
    body = bytearray(encode(data.draw(messages(entity))))
    at = data.draw(st.integers(0, len(body)))
    body[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    try:
        reading, end = reader_of(entity)(bytes(body), 0)
    except MalformedBody:
        return
    # What was read can be written, and is then read as the same.
    again, _ = reader_of(entity)(encode(reading.message), 0)
    assert encode(again.message) == encode(reading.message)
    assert end <= len(body)


@pytest.mark.parametrize(("key", "version"), EVERY_VERSION)
@given(data=st.data())
@settings(max_examples=2, suppress_health_check=[HealthCheck.too_slow])
def test_whole_frames_are_read_back(key: ApiKey, version: int, data: st.DataObject) -> None:
    request = data.draw(messages(request_type(key, version)))
    response = data.draw(messages(response_type(key, version)))
    stream = request_frame(request, 7, "me") + response_frame(response, 8)
    asked, answered = FrameSplitter(1 << 20).feed(stream)

    head = peek_request(asked)
    assert (head.api_key, head.api_version, head.correlation_id, head.client_id) == (key, version, 7, "me")
    assert decode_request(key, version, asked, head.body_offset) == request
    assert asked[head.body_offset :] == encode(request)

    answer = peek_response(answered, key, version)
    assert answer.correlation_id == 8
    assert decode_response(key, version, answered, answer.body_offset) == response
    assert answered[answer.body_offset :] == encode(response)


@pytest.mark.parametrize("version", [1, 12])
def test_bytes_behind_a_request_are_ignored_but_not_to_be_passed_on(version: int) -> None:
    request = build(request_type(ApiKey.METADATA, version), {"topics": None})
    reading = read_request(ApiKey.METADATA, version, encode(request) + b"\0\0\0")
    assert reading == Reading(request, exact=False)


@pytest.mark.parametrize("version", [1, 12])
def test_bytes_behind_a_response_are_malformed(version: int) -> None:
    body = encode(build(response_type(ApiKey.METADATA, version), {}))
    with pytest.raises(MalformedBody, match="1 bytes behind the body"):
        decode_response(ApiKey.METADATA, version, body + b"\0")


def test_a_body_that_is_cut_off_is_malformed() -> None:
    body = encode(build(request_type(ApiKey.METADATA, 12), {"topics": [{"name": "orders"}]}))
    for size in range(len(body)):
        with pytest.raises(MalformedBody):
            decode_request(ApiKey.METADATA, 12, body[:size])


# kio's reader would first ask the allocator for 8 bytes an element, and abort the process where they are not to be had.
@pytest.mark.parametrize(
    ("key", "version", "body"),
    [
        (ApiKey.METADATA, 12, b"\xff\xff\xff\xff\x7f"),
        (ApiKey.METADATA, 12, b"\xff\xff\xff\xff\x07"),
        (ApiKey.METADATA, 1, b"\x7f\xff\xff\xff"),
        (ApiKey.METADATA, 1, b"\0\0\0\x02" + b"\0\x03abc"),
        (ApiKey.DESCRIBE_GROUPS, 5, b"\xff\xff\xff\xff\x07"),
    ],
)
def test_a_count_that_the_body_cannot_hold_is_malformed_before_memory_is_asked_for(
    key: ApiKey, version: int, body: bytes
) -> None:
    with pytest.raises(MalformedBody):
        read_request(key, version, body)


def test_an_array_that_must_not_be_null_is_malformed_when_it_is() -> None:
    with pytest.raises(MalformedBody):
        decode_request(ApiKey.DESCRIBE_GROUPS, 5, b"\0\0\0")
    with pytest.raises(MalformedBody):
        decode_request(ApiKey.METADATA, 0, b"\xff\xff\xff\xff")


def test_a_count_inside_a_tagged_field_is_checked_too() -> None:
    plain = encode(build(response_type(ApiKey.FETCH, 16), {}))
    with pytest.raises(MalformedBody):
        decode_response(ApiKey.FETCH, 16, plain[:-1] + b"\x01\x00\x05\xff\xff\xff\xff\x07")


@pytest.mark.parametrize("nested", [True, False])
def test_a_string_that_is_longer_than_kafka_reads_is_malformed(nested: bool) -> None:
    def body(letters: int) -> bytes:
        text = "x" * letters
        if nested:
            return encode(build(request_type(ApiKey.METADATA, 12), {"topics": [{"name": text}]}))
        return encode(build(request_type(ApiKey.DESCRIBE_GROUPS, 5), {"groups": [text]}))

    key, version = (ApiKey.METADATA, 12) if nested else (ApiKey.DESCRIBE_GROUPS, 5)
    assert read_request(key, version, body(LONGEST_STRING)).exact
    with pytest.raises(MalformedBody, match="string of 32768 bytes"):
        read_request(key, version, body(LONGEST_STRING + 1))


def test_what_has_no_schema_is_said_so() -> None:
    for decode in (decode_request, decode_response):
        with pytest.raises(UnknownApi):
            decode(93, 0, b"")
        with pytest.raises(UnsupportedVersion):
            decode(ApiKey.METADATA, 14, b"")


@pytest.mark.parametrize(
    "values", [{"topics": [{"name": 7}]}, {"topics": [{"name": "x" * 40_000}]}, {"topics": [{"name": None}]}]
)
def test_a_message_of_ours_that_does_not_fit_is_our_mistake(values: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        encode(build(request_type(ApiKey.METADATA, 1), values))
