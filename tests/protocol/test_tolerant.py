from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from kio.schema.errors import ErrorCode

from kordon_protocol.codec import (
    Reading,
    decode_response,
    encode,
    read_request,
    read_response,
    reader_of,
    request_type,
    response_type,
)
from kordon_protocol.errors import MalformedBody
from kordon_protocol.keys import ApiKey
from kordon_protocol.odd_times import OddDuration, OddTimestamp
from kordon_protocol.shapes import Entity, Shape, shape_of
from kordon_protocol.tolerant import TolerantReader
from kordon_protocol.varints import encode_varint
from tests.protocol.newer import NewerWriter
from tests.protocol.schemas import EVERY_SCHEMA, build, messages, schema_id

every_schema = pytest.mark.parametrize("entity", EVERY_SCHEMA, ids=schema_id)
few = settings(max_examples=3, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


def has_codes(shape: Shape) -> bool:
    return any(f.wire == "error_code" or (f.struct and has_codes(f.struct)) for f in (*shape.fields, *shape.tagged))


@every_schema
@given(data=st.data())
@few
def test_the_tolerant_reader_reads_what_the_native_one_reads(entity: Entity, data: st.DataObject) -> None:
    message = data.draw(messages(entity))
    reader = TolerantReader(b"head" + encode(message), 4)
    assert reader.read(entity) == message
    assert reader.exact
    assert reader.offset == 4 + len(encode(message))


@pytest.mark.parametrize("entity", [entity for entity in EVERY_SCHEMA if entity.__flexible__], ids=schema_id)
@given(data=st.data())
@few
def test_unknown_tagged_fields_are_dropped(entity: Entity, data: st.DataObject) -> None:
    message = data.draw(messages(entity))
    writer = NewerWriter(data)
    reading, _ = reader_of(entity)(writer.write(message), 0)
    assert reading == Reading(message, exact=not writer.added)


@pytest.mark.parametrize("entity", [e for e in EVERY_SCHEMA if has_codes(shape_of(e))], ids=schema_id)
@given(data=st.data())
@few
def test_unknown_error_codes_become_unknown_server_error(entity: Entity, data: st.DataObject) -> None:
    message = data.draw(messages(entity))
    writer = NewerWriter(data, tags=False, codes=True)
    written = writer.write(message)
    assume(writer.added)
    reading, end = reader_of(entity)(written, 0)
    assert end == len(written)
    assert not reading.exact
    assert encode(reading.message) == as_unknown_server_errors(written, encode(message))


def as_unknown_server_errors(newer: bytes, plain: bytes) -> bytes:
    """The newer bytes with -1 wherever they differ from the plain ones: the two have the same length."""
    result = bytearray(newer)
    for place in range(len(plain) - 1):
        code = int.from_bytes(newer[place : place + 2], "big", signed=True)
        if newer[place : place + 2] != plain[place : place + 2] and code in {134, 135, 136, 9_999, -2}:
            result[place : place + 2] = b"\xff\xff"
    return bytes(result)


def test_an_error_code_of_kafka_4_4_is_read() -> None:
    heartbeat = build(response_type(ApiKey.HEARTBEAT, 4), {})
    body = bytearray(encode(heartbeat))
    body[4:6] = (136).to_bytes(2, "big")
    reading = read_response(ApiKey.HEARTBEAT, 4, bytes(body))
    assert reading.message.error_code is ErrorCode.unknown_server_error
    assert not reading.exact


@pytest.mark.parametrize("milliseconds", [-1, -(2**63), 253_402_300_800_000, 2**63 - 1])
@pytest.mark.parametrize(
    ("key", "version", "field"),
    [
        (ApiKey.RENEW_DELEGATION_TOKEN, 2, "expiry_timestamp"),
        (ApiKey.EXPIRE_DELEGATION_TOKEN, 1, "expiry_timestamp"),
        (ApiKey.CREATE_DELEGATION_TOKEN, 3, "max_timestamp"),
    ],
)
def test_a_timestamp_that_python_cannot_hold_comes_back_as_it_was(
    key: ApiKey, version: int, field: str, milliseconds: int
) -> None:
    body = encode(build(response_type(key, version), {field: OddTimestamp(milliseconds)}))
    assert milliseconds.to_bytes(8, "big", signed=True) in body
    reading = read_response(key, version, body)
    assert getattr(reading.message, field).milliseconds == milliseconds
    assert reading.exact
    assert encode(reading.message) == body


def test_a_transaction_that_has_not_started_is_read() -> None:
    state = {"transactional_id": "t", "transaction_start_time": OddTimestamp(-1)}
    body = encode(build(response_type(ApiKey.DESCRIBE_TRANSACTIONS, 0), {"transaction_states": [state]}))
    (found,) = decode_response(ApiKey.DESCRIBE_TRANSACTIONS, 0, body).transaction_states
    assert found.transaction_start_time == OddTimestamp(-1)
    assert found.transaction_start_time != OddTimestamp(-2)


def test_a_lifetime_without_end_is_read() -> None:
    request = build(request_type(ApiKey.CREATE_DELEGATION_TOKEN, 2), {"max_lifetime": OddDuration(2**63 - 1)})
    reading = read_request(ApiKey.CREATE_DELEGATION_TOKEN, 2, encode(request))
    assert reading == Reading(request, exact=True)
    assert reading.message.max_lifetime.milliseconds == 2**63 - 1


def test_any_byte_but_zero_is_true() -> None:
    request = build(request_type(ApiKey.METADATA, 4), {"topics": None})
    body = encode(request)[:-1] + b"\x07"
    reading = read_request(ApiKey.METADATA, 4, body)
    assert reading.message.allow_auto_topic_creation is True
    assert not reading.exact


def test_a_tagged_field_may_be_null_where_its_schema_says_so() -> None:
    plain = encode(build(request_type(ApiKey.FETCH, 12), {"cluster_id": None}))
    reading = read_request(ApiKey.FETCH, 12, plain[:-1] + b"\x01\x00\x01\x00")
    assert reading.message.cluster_id is None


@pytest.mark.parametrize(
    "tags",
    [
        b"\x02\x00\x02\x02a\x00\x02\x02b",  # one field twice
        b"\x02\x05\x00\x00\x02\x02a",  # out of order
        b"\x01\x00\x03\x02a\x00",  # longer than its value
        b"\x01\x00\x01\x02a",  # shorter than its value
        b"\x01\x80\x80\x80\x80\x10\x00",  # a number that Java takes for zero
        b"\x01\x05\x09abc",  # cut off
        encode_varint(1_001) + b"".join(encode_varint(tag) + b"\x00" for tag in range(10, 1_011)),  # too many
    ],
)
def test_tagged_fields_that_can_be_read_in_two_ways_or_take_long_are_malformed(tags: bytes) -> None:
    plain = encode(build(request_type(ApiKey.FETCH, 12), {}))
    with pytest.raises(MalformedBody):
        read_request(ApiKey.FETCH, 12, plain[:-1] + tags)
    with pytest.raises(MalformedBody):
        TolerantReader(plain[:-1] + tags).read(request_type(ApiKey.FETCH, 12))


@every_schema
@given(data=st.data())
@few
def test_a_message_cut_off_is_malformed_for_the_tolerant_reader(entity: Entity, data: st.DataObject) -> None:
    body: Any = encode(data.draw(messages(entity)))
    if body:
        with pytest.raises(MalformedBody):
            TolerantReader(body[: data.draw(st.integers(0, len(body) - 1))]).read(entity)
