from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kordon_protocol.codec import encode, request_type
from kordon_protocol.errors import MalformedBody
from kordon_protocol.keys import ApiKey, versions
from kordon_protocol.scan import ProduceNames, is_only_partition, produce_names, scan_produce_request
from tests.protocol.newer import NewerWriter
from tests.protocol.schemas import build, messages

FIRST_WITH_IDS = 13
every_version = pytest.mark.parametrize("version", versions(ApiKey.PRODUCE))


def requests(version: int) -> st.SearchStrategy[Any]:
    return messages(request_type(ApiKey.PRODUCE, version))


def cut(draw: Any, body: bytes) -> list[bytes]:
    """Chunks that a body may come in."""
    places = sorted(draw(st.lists(st.integers(0, len(body)), max_size=3)))
    return [body[start:end] for start, end in zip([0, *places], [*places, len(body)], strict=True)]


def scanned(version: int, body: bytes, offset: int) -> ProduceNames | None:
    """What the thorough scan finds, where the request may be passed on as it is."""
    try:
        scan = scan_produce_request(version, body, offset)
    except MalformedBody:
        return None
    if not scan.exact:
        return None
    topics = tuple(topic.topic_id if topic.name is None else topic.name for topic in scan.topics)
    parts = [part for topic in scan.topics for part in topic.partitions]
    only = parts[0].start if len(topics) == len(parts) == 1 else 0
    return ProduceNames(scan.transactional_id, scan.acks, topics, only)


@every_version
@given(data=st.data())
@settings(max_examples=50)
def test_in_one_chunk_it_finds_what_a_scan_finds(version: int, data: st.DataObject) -> None:
    body = b"header" + encode(data.draw(requests(version)))
    assert produce_names(version, [body], 6) == scanned(version, body, 6) is not None


@every_version
@given(data=st.data(), garbage=st.binary(max_size=20))
@settings(max_examples=100)
def test_in_any_chunks_and_of_any_bytes_it_finds_that_or_gives_up(
    version: int, data: st.DataObject, garbage: bytes
) -> None:
    written = bytearray(encode(data.draw(requests(version))))
    if data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(written)))
        written[at : at + data.draw(st.integers(0, 20))] = garbage
    body = bytes(written)
    assert produce_names(version, cut(data.draw, body), 0) in (None, scanned(version, body, 0))


@pytest.mark.parametrize("version", [9, 12, 13])
@given(data=st.data())
@settings(max_examples=25)
def test_it_gives_up_on_what_may_not_be_passed_on(version: int, data: st.DataObject) -> None:
    writer = NewerWriter(data)
    body = writer.write(data.draw(requests(version)))
    assert (produce_names(version, [body], 0) is None) == writer.added
    assert produce_names(version, [body, b"more"], 0) is None


@every_version
@given(data=st.data(), garbage=st.binary(max_size=20))
@settings(max_examples=100)
def test_what_follows_the_names_is_one_partition_just_where_reading_it_all_says_the_same(
    version: int, data: st.DataObject, garbage: bytes
) -> None:
    called: dict[str, Any] = {"name": "one"} if version < FIRST_WITH_IDS else {"topic_id": UUID(int=7)}
    topic = {**called, "partition_data": [{"index": 3, "records": data.draw(st.binary(max_size=300))}]}
    body = encode(build(request_type(ApiKey.PRODUCE, version), {"acks": 1, "topic_data": [topic]}))
    names = produce_names(version, [body], 0)
    assert names is not None
    assert names.only
    written = bytearray(body)
    if data.draw(st.booleans()):
        at = data.draw(st.integers(names.only, len(written)))
        written[at : at + data.draw(st.integers(0, 20))] = garbage
    chunks = cut(data.draw, bytes(written))
    if len(chunks[0]) > names.only and is_only_partition(version, chunks, names.only):
        assert scanned(version, bytes(written), 0) == names
    assert is_only_partition(version, [bytes(written)], names.only) == (scanned(version, bytes(written), 0) == names)


def a_produce(version: int, records: bytes | None) -> bytes:
    topics = [
        {"name": name, "partition_data": [{"index": index, "records": records} for index in range(2)]}
        for name in ("one", "two")
    ]
    return encode(build(request_type(ApiKey.PRODUCE, version), {"acks": 1, "topic_data": topics}))


@pytest.mark.parametrize("version", [3, 8, 9, 12])
@pytest.mark.parametrize("chunk", [1_500, 4_000])
def test_records_may_go_on_in_further_chunks(version: int, chunk: int) -> None:
    body = a_produce(version, b"\xff" * 10_000)
    chunks = [body[at : at + chunk] for at in range(0, len(body), chunk)]
    assert produce_names(version, chunks, 0) == ProduceNames(None, 1, ("one", "two"))


@pytest.mark.parametrize("version", [3, 8, 9, 12])
def test_null_records_are_none(version: int) -> None:
    assert produce_names(version, [a_produce(version, None)], 0) == ProduceNames(None, 1, ("one", "two"))
