from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kordon_protocol.codec import decode_request, encode, request_type
from kordon_protocol.errors import MalformedBody
from kordon_protocol.keys import ApiKey, versions
from kordon_protocol.scan import (
    ProduceScan,
    produce_names,
    produce_request_without,
    scan_produce_request,
)
from kordon_protocol.varints import LONGEST_STRING, encode_varint
from tests.protocol.newer import NewerWriter
from tests.protocol.schemas import build, messages

every_version = pytest.mark.parametrize("version", versions(ApiKey.PRODUCE))


def requests(version: int) -> st.SearchStrategy[Any]:
    return messages(request_type(ApiKey.PRODUCE, version))


def topic_of(entry: Any) -> Any:
    """Name or id of a topic, of the scan as well as of a message."""
    return entry.name if getattr(entry, "name", None) is not None else entry.topic_id


def assert_says_the_same(scan: ProduceScan, body: bytes, request: Any) -> None:
    milliseconds = round(request.timeout.total_seconds() * 1_000)
    assert (scan.transactional_id, scan.acks, scan.timeout_ms) == (request.transactional_id, request.acks, milliseconds)
    assert [topic_of(topic) for topic in scan.topics] == [topic_of(topic) for topic in request.topic_data]
    for topic, expected in zip(scan.topics, request.topic_data, strict=True):
        records = [(part.index, body[part.records_start : part.records_end]) for part in topic.partitions]
        assert records == [(part.index, part.records or b"") for part in expected.partition_data]


@every_version
@given(data=st.data())
@settings(max_examples=25)
def test_a_scan_finds_what_decoding_finds(version: int, data: st.DataObject) -> None:
    request = data.draw(requests(version))
    body = encode(request)
    scan = scan_produce_request(version, b"header" + body, 6)
    assert_says_the_same(scan, b"header" + body, request)
    assert scan.exact


@every_version
@given(data=st.data())
@settings(max_examples=25)
def test_what_is_left_of_a_request_is_a_request(version: int, data: st.DataObject) -> None:
    request = data.draw(requests(version))
    keep = data.draw(st.lists(st.booleans(), min_size=2, max_size=2))
    body = b"header" + encode(request)
    scan = scan_produce_request(version, body, 6)
    kept = {topic.start for topic, wanted in zip(scan.topics, keep, strict=False) if wanted}
    pieces = produce_request_without(scan, body, lambda topic: topic.start in kept)
    left = decode_request(ApiKey.PRODUCE, version, b"".join(pieces))
    topics = tuple(topic for topic, wanted in zip(request.topic_data, keep, strict=False) if wanted)
    assert left == type(request)(
        transactional_id=request.transactional_id, acks=request.acks, timeout=request.timeout, topic_data=topics
    )


def test_neighbours_leave_in_one_piece() -> None:
    topic = {"name": "t", "partition_data": []}
    body = encode(build(request_type(ApiKey.PRODUCE, 9), {"topic_data": [topic] * 5}))
    scan = scan_produce_request(9, body)
    second = scan.topics[2].start
    pieces = produce_request_without(scan, body, lambda topic: topic.start != second)
    assert len(pieces) == 4  # what stands before the count, the count, two topics, two topics and the end


def many(topics: int, partitions: int = 0, tags: int = 0) -> bytes:
    """A request of version 9 with so many empty topics, empty partitions in the first, and tagged fields at its end."""
    partition = bytes(4) + b"\x00\x00"
    first = b"\x01" + encode_varint(partitions + 1) + partition * partitions + b"\x00"
    section = encode_varint(tags) + b"".join(encode_varint(tag) + b"\x00" for tag in range(tags))
    return b"\x00" + bytes(6) + encode_varint(topics + 1) + first + b"\x01\x01\x00" * (topics - 1) + section


@pytest.mark.parametrize("counts", [(100_000,), (1, 99_999), (1, 0, 1_000)])
def test_as_much_as_any_producer_has_is_scanned(counts: tuple[int, ...]) -> None:
    assert len(scan_produce_request(9, many(*counts)).topics) == counts[0]


@pytest.mark.parametrize("counts", [(100_001,), (1, 100_000), (2, 99_999), (1, 0, 1_001), (1, 99_500, 501)])
def test_more_than_that_is_refused_before_it_takes_time(counts: tuple[int, ...]) -> None:
    with pytest.raises(MalformedBody):
        scan_produce_request(9, many(*counts))


@pytest.mark.parametrize("version", [9, 12, 13])
@given(data=st.data())
@settings(max_examples=25)
def test_unknown_tagged_fields_are_left_out_with_a_topic_and_without_it(version: int, data: st.DataObject) -> None:
    request = data.draw(requests(version))
    body = NewerWriter(data).write(request)
    scan = scan_produce_request(version, body)
    keep = data.draw(st.lists(st.booleans(), min_size=2, max_size=2))
    kept = {topic.start for topic, wanted in zip(scan.topics, keep, strict=False) if wanted}
    pieces = produce_request_without(scan, body, lambda topic: topic.start in kept)
    topics = tuple(topic for topic, wanted in zip(request.topic_data, keep, strict=False) if wanted)
    assert b"".join(pieces) == encode(replace(request, topic_data=topics))


@pytest.mark.parametrize("version", [9, 12, 13])
@given(data=st.data())
@settings(max_examples=25)
def test_unknown_tagged_fields_are_found_and_left_out(version: int, data: st.DataObject) -> None:
    request = data.draw(requests(version))
    writer = NewerWriter(data)
    body = writer.write(request)
    scan = scan_produce_request(version, body)
    assert scan.exact == (not writer.added)
    assert_says_the_same(scan, body, request)
    assert b"".join(produce_request_without(scan, body, lambda _: True)) == encode(request)


@every_version
@given(data=st.data(), garbage=st.binary(max_size=50))
@settings(max_examples=25)
def test_no_bytes_make_anything_but_typed_errors(version: int, data: st.DataObject, garbage: bytes) -> None:
    body = bytearray(encode(data.draw(requests(version))))
    at = data.draw(st.integers(0, len(body)))
    body[at : at + len(garbage)] = garbage
    try:
        scan = scan_produce_request(version, body)
    except MalformedBody:
        pass
    else:
        assert scan.end <= len(body)


@every_version
@given(data=st.data())
@settings(max_examples=15)
def test_a_body_that_is_cut_off_is_malformed(version: int, data: st.DataObject) -> None:
    body = encode(data.draw(requests(version)))
    with pytest.raises(MalformedBody):
        scan_produce_request(version, body[: data.draw(st.integers(0, len(body) - 1))])


@every_version
def test_bytes_behind_a_request_are_left_out(version: int) -> None:
    body = encode(build(request_type(ApiKey.PRODUCE, version), {}))
    scan = scan_produce_request(version, body + b"more")
    assert not scan.exact
    assert b"".join(produce_request_without(scan, body + b"more", lambda _: True)) == body


def test_records_are_not_looked_at() -> None:
    request = {"topic_data": [{"name": "t", "partition_data": [{"index": 0, "records": b"\xff" * 1_000}]}]}
    body = encode(build(request_type(ApiKey.PRODUCE, 9), request))
    (topic,) = scan_produce_request(9, body).topics
    (partition,) = topic.partitions
    assert body[partition.records_start : partition.records_end] == b"\xff" * 1_000


@pytest.mark.parametrize("field", ["transactional_id", "topic"])
def test_a_name_that_is_longer_than_kafka_reads_is_malformed(field: str) -> None:
    def body(letters: int) -> bytes:
        names = {"transactional_id": "id", "topic": "topic"} | {field: "x" * letters}
        topics = [{"name": names["topic"], "partition_data": []}]
        said = {"transactional_id": names["transactional_id"], "topic_data": topics}
        return encode(build(request_type(ApiKey.PRODUCE, 9), said))

    assert produce_names(9, [body(LONGEST_STRING)], 0)
    assert scan_produce_request(9, body(LONGEST_STRING)).exact
    assert produce_names(9, [body(LONGEST_STRING + 1)], 0) is None
    with pytest.raises(MalformedBody, match="string of 32768 bytes"):
        scan_produce_request(9, body(LONGEST_STRING + 1))
