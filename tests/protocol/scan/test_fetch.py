from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kordon_protocol.codec import encode, read_response, response_type
from kordon_protocol.errors import MalformedBody
from kordon_protocol.keys import ApiKey, versions
from kordon_protocol.scan import FetchedPartition, FetchResponseWalker, endpoints_replacement, node_endpoints
from tests.protocol.newer import NewerWriter
from tests.protocol.schemas import build, messages

every_version = pytest.mark.parametrize("version", versions(ApiKey.FETCH))
FLEXIBLE = 12


def responses(version: int) -> st.SearchStrategy[Any]:
    return messages(response_type(ApiKey.FETCH, version))


def topic_of(topic: Any) -> Any:
    return topic.topic if hasattr(topic, "topic") else topic.topic_id


def walked(walker: FetchResponseWalker, body: bytes, cuts: list[int]) -> list[FetchedPartition]:
    cuts = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    chunks = [body[a:b] for a, b in pairwise(cuts)]
    return [partition for chunk in chunks for partition in stepped(walker, chunk)]


def stepped(walker: FetchResponseWalker, chunk: bytes) -> Sequence[FetchedPartition]:
    """As a stream does it: what is inside of records is stepped over, and the walk may begin within a chunk."""
    if len(chunk) < walker.records_left:
        walker.step_over(len(chunk))
        return ()
    return walker.feed(b"before" + chunk, len(b"before"))


def assert_says_the_same(
    walker: FetchResponseWalker, found: list[FetchedPartition], body: bytes, response: Any
) -> None:
    assert walker.head is not None
    assert walker.head.throttle_ms == round(response.throttle_time.total_seconds() * 1_000)
    assert walker.head.session_id == getattr(response, "session_id", 0)
    assert walker.head.error_code == getattr(response, "error_code", 0)
    assert walker.head.topics_count == len(response.responses)
    expected = [(topic_of(topic), part) for topic in response.responses for part in topic.partitions]
    assert [(part.topic, part.index, part.error_code, part.high_watermark) for part in found] == [
        (topic, part.partition_index, part.error_code, part.high_watermark) for topic, part in expected
    ]
    records = [body[part.records_start : part.records_start + part.records_size] for part in found]
    assert records == [part.records or b"" for _, part in expected]


@every_version
@given(data=st.data(), cuts=st.lists(st.integers(0, 2_000), max_size=8))
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
def test_any_chunking_gives_what_decoding_gives(version: int, data: st.DataObject, cuts: list[int]) -> None:
    response = data.draw(responses(version))
    body = encode(response)
    walker = FetchResponseWalker(version)
    assert_says_the_same(walker, walked(walker, body, cuts), body, response)
    assert walker.end_of_topics is not None
    if version < FLEXIBLE:
        assert walker.end_of_topics == len(body)
    else:
        endpoints = [
            (node.node_id, node.host, node.port, node.rack) for node in getattr(response, "node_endpoints", ())
        ]
        assert list(node_endpoints(body[walker.end_of_topics :])) == endpoints


@pytest.mark.parametrize("version", [4, 12, 18])
@given(data=st.data())
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
def test_byte_by_byte_gives_what_decoding_gives(version: int, data: st.DataObject) -> None:
    response = data.draw(responses(version))
    body = encode(response)
    walker = FetchResponseWalker(version)
    found = [partition for byte in body for partition in walker.feed(bytes((byte,)))]
    assert_says_the_same(walker, found, body, response)


@pytest.mark.parametrize("version", [12, 13, 18])
@given(data=st.data(), cuts=st.lists(st.integers(0, 5_000), max_size=8))
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
def test_unknown_tagged_fields_are_stepped_over(version: int, data: st.DataObject, cuts: list[int]) -> None:
    response = data.draw(responses(version))
    body = NewerWriter(data).write(response)
    walker = FetchResponseWalker(version)
    assert_says_the_same(walker, walked(walker, body, cuts), body, response)


@pytest.mark.parametrize("version", [4, 12])
def test_many_aborted_transactions_are_stepped_over(version: int) -> None:
    aborted = [{"producer_id": -1, "first_offset": number} for number in range(5_000)]
    partition = {"partition_index": 3, "aborted_transactions": aborted, "records": b"r" * 9}
    topic = {"topic": "orders", "partitions": [partition, partition]}
    response = build(response_type(ApiKey.FETCH, version), {"responses": [topic]})
    body = encode(response)
    for size in (7, 1_000, len(body)):
        walker = FetchResponseWalker(version)
        assert_says_the_same(walker, walked(walker, body, list(range(0, len(body), size))), body, response)


def test_records_are_not_kept() -> None:
    partition = {"partition_index": 3, "records": bytes(1_000_000)}
    response = {"responses": [{"topic": "orders", "partitions": [partition]}]}
    body = encode(build(response_type(ApiKey.FETCH, 12), response))
    walker = FetchResponseWalker(12)
    for start in range(0, len(body), 10_000):
        walker.feed(body[start : start + 10_000])
        assert len(walker._kept) < 100


def test_structure_that_never_ends_is_malformed() -> None:
    walker = FetchResponseWalker(12)
    walker.feed(encode(build(response_type(ApiKey.FETCH, 12), {"responses": []}))[:-2] + b"\x02")
    walker.feed(b"\xff\xff\xff\xff\x07")  # a topic name of two gigabytes
    walker.feed(bytes(1_000_000))
    with pytest.raises(MalformedBody, match="bytes between two partitions"):
        walker.feed(bytes(100_000))


def test_bytes_behind_a_body_without_tagged_fields_are_malformed() -> None:
    body = encode(build(response_type(ApiKey.FETCH, 4), {"responses": []}))
    with pytest.raises(MalformedBody):
        FetchResponseWalker(4).feed(body + b"\0")
    walker = FetchResponseWalker(4)
    walker.feed(body)
    with pytest.raises(MalformedBody):
        walker.feed(b"\0")


@every_version
@given(data=st.data(), garbage=st.binary(max_size=50), cuts=st.lists(st.integers(0, 500), max_size=3))
@settings(max_examples=25)
def test_no_bytes_make_anything_but_typed_errors(
    version: int, data: st.DataObject, garbage: bytes, cuts: list[int]
) -> None:
    body = bytearray(encode(data.draw(responses(version))))
    at = data.draw(st.integers(0, len(body)))
    body[at : at + len(garbage)] = garbage
    try:
        found = walked(FetchResponseWalker(version), bytes(body), cuts)
    except MalformedBody:
        return
    assert all(0 <= part.records_start <= len(body) for part in found)


# --- the end of the response ---

endpoints = st.lists(
    st.tuples(
        st.integers(-1, 2**31 - 1), st.text(max_size=70), st.integers(-1, 65_535), st.none() | st.text(max_size=9)
    ),
    max_size=4,
)


@given(st.integers(1, 300) | st.integers(16_300, 16_500) | st.integers(2_097_100, 2_097_300))
def test_endpoints_are_replaced_by_padding_of_any_length(size: int) -> None:
    if size == 2:
        with pytest.raises(ValueError, match="2 bytes"):
            endpoints_replacement(bytes(size))
        return
    section = endpoints_replacement(bytes(size))
    assert len(section) == size
    assert node_endpoints(section) == ()


def test_every_length_can_be_reached() -> None:
    sizes = [1, *range(3, 40_000)]
    assert [len(endpoints_replacement(bytes(size))) for size in sizes] == sizes


@given(endpoints, st.integers(3, 700))
def test_other_endpoints_take_the_place_where_they_fit(
    nodes: list[tuple[int, str, int, str | None]], size: int
) -> None:
    section = endpoints_replacement(bytes(size), nodes)
    assert len(section) == size
    assert node_endpoints(section) in (tuple(nodes), ())


@given(endpoints, st.integers(0, 20_000).filter(lambda room: room not in {1, 2}))
def test_endpoints_fit_where_there_is_room(nodes: list[tuple[int, str, int, str | None]], room: int) -> None:
    keys = ("node_id", "host", "port", "rack")
    response = {"node_endpoints": [dict(zip(keys, node, strict=True)) for node in nodes]}
    body = encode(build(response_type(ApiKey.FETCH, 18), response))
    walker = FetchResponseWalker(18)
    walker.feed(body)
    section = body[walker.end_of_topics :]
    assert endpoints_replacement(section, nodes) == section
    if nodes:
        assert node_endpoints(endpoints_replacement(section + bytes(room), nodes)) == tuple(nodes)


@given(st.sampled_from([16, 18]), st.data())
def test_a_response_with_its_endpoints_replaced_is_read_like_one_without(version: int, data: st.DataObject) -> None:
    response = data.draw(responses(version))
    body = encode(response)
    walker = FetchResponseWalker(version)
    walker.feed(body)
    assert walker.end_of_topics is not None
    section = body[walker.end_of_topics :]
    spliced = body[: walker.end_of_topics] + endpoints_replacement(section)
    assert read_response(ApiKey.FETCH, version, spliced).message == replace(response, node_endpoints=())


@given(st.binary(max_size=80))
def test_no_section_makes_anything_but_typed_errors(section: bytes) -> None:
    try:
        node_endpoints(section)
    except MalformedBody:
        return
