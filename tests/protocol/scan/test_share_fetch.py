from dataclasses import replace
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kordon_protocol.codec import encode, read_response, response_type
from kordon_protocol.errors import MalformedBody
from kordon_protocol.keys import ApiKey, versions
from kordon_protocol.scan import ShareFetchWalker, share_endpoints, share_endpoints_replacement
from tests.protocol.newer import NewerWriter
from tests.protocol.schemas import build, messages

every_version = pytest.mark.parametrize("version", versions(ApiKey.SHARE_FETCH))
Said = tuple[bytes, int]
"""A free text, and the code that it explains."""


def responses(version: int) -> st.SearchStrategy[Any]:
    return messages(response_type(ApiKey.SHARE_FETCH, version))


class Walked:
    """Feeds a walker as the proxy does: what was not understood comes again."""

    def __init__(self, body: bytes, cuts: list[int]) -> None:
        self.topics: list[UUID | None] = []
        self.texts: list[Said] = []
        self.kept = 0
        self.walker = ShareFetchWalker(self.topics.append)
        bounds = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
        held = b""
        self.end = 0
        """Where the last topic ends."""
        for start, stop in pairwise(bounds):
            held += body[start:stop]
            size, texts = self.walker.walk(held)
            self.texts += [(held[text.start : text.end], text.error_code) for text in texts]
            assert all(0 <= text.start < text.end <= size for text in texts)
            held = held[size:]
            self.end += size
            self.kept = max(self.kept, 0 if self.walker.done else len(held))


def texts_of(response: Any) -> list[Said]:
    found = [(response.error_message, response.error_code)]
    for topic in response.responses:
        for part in topic.partitions:
            found.append((part.error_message, part.error_code))
            found.append((part.acknowledge_error_message, part.acknowledge_error_code))
    return [(text.encode(), int(code)) for text, code in found if text]


def sizes_of(response: Any) -> dict[UUID | None, int]:
    found: dict[UUID | None, int] = {}
    for topic in response.responses:
        size = sum(len(part.records or b"") for part in topic.partitions)
        if size:
            found[topic.topic_id] = found.get(topic.topic_id, 0) + size
    return found


def assert_says_the_same(walked: Walked, response: Any) -> None:
    assert walked.walker.done
    assert walked.walker.error_code == response.error_code
    assert walked.topics == [topic.topic_id for topic in response.responses]
    assert walked.texts == texts_of(response)
    assert walked.walker.sizes == sizes_of(response)


def nodes_of(response: Any) -> list[tuple[int, str, int, str | None]]:
    return [(node.node_id, node.host, node.port, node.rack) for node in response.node_endpoints]


@every_version
@given(data=st.data(), cuts=st.lists(st.integers(0, 2_000), max_size=8))
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_any_chunking_gives_what_decoding_gives(version: int, data: st.DataObject, cuts: list[int]) -> None:
    response = data.draw(responses(version))
    body = encode(response)
    walked = Walked(body, cuts)
    assert_says_the_same(walked, response)
    assert list(share_endpoints(body[walked.end :])) == nodes_of(response)


@every_version
@given(data=st.data())
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
def test_byte_by_byte_gives_what_decoding_gives(version: int, data: st.DataObject) -> None:
    response = data.draw(responses(version))
    body = encode(response)
    assert_says_the_same(Walked(body, list(range(len(body)))), response)


@every_version
@given(data=st.data(), cuts=st.lists(st.integers(0, 5_000), max_size=8))
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
def test_unknown_tagged_fields_are_stepped_over(version: int, data: st.DataObject, cuts: list[int]) -> None:
    response = data.draw(responses(version))
    body = NewerWriter(data).write(response)
    walked = Walked(body, cuts)
    assert_says_the_same(walked, response)
    assert list(share_endpoints(body[walked.end :])) == nodes_of(response)


def test_a_topic_is_told_before_any_byte_of_it_counts_as_understood() -> None:
    def refuse(topic: UUID | None) -> None:
        raise MalformedBody(f"{topic} is not wanted")

    topics = [{"topic_id": UUID(int=5), "partitions": [{"records": b"records"}]}]
    body = encode(build(response_type(ApiKey.SHARE_FETCH, 2), {"responses": topics}))
    for cut in range(len(body)):
        walker = ShareFetchWalker(refuse)
        try:
            size, _ = walker.walk(body[:cut])
        except MalformedBody:
            continue
        assert UUID(int=5).bytes not in body[:size]


def test_many_acquired_records_are_stepped_over_and_not_kept() -> None:
    acquired = [{"first_offset": number, "last_offset": number, "delivery_count": 1} for number in range(5_000)]
    partition = {"partition_index": 3, "acquired_records": acquired, "records": b"r" * 9}
    topic = {"topic_id": UUID(int=5), "partitions": [partition, partition]}
    response = build(response_type(ApiKey.SHARE_FETCH, 2), {"responses": [topic]})
    body = encode(response)
    for size in (7, 1_000, len(body)):
        walked = Walked(body, list(range(0, len(body), size)))
        assert_says_the_same(walked, response)
        assert walked.kept < 100


def test_records_are_not_kept() -> None:
    partition = {"partition_index": 3, "records": bytes(1_000_000)}
    response = {"responses": [{"topic_id": UUID(int=5), "partitions": [partition]}]}
    body = encode(build(response_type(ApiKey.SHARE_FETCH, 2), response))
    assert Walked(body, list(range(0, len(body), 10_000))).kept < 100


@every_version
@given(data=st.data(), garbage=st.binary(max_size=50), cuts=st.lists(st.integers(0, 500), max_size=3))
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
def test_no_bytes_make_anything_but_typed_errors(
    version: int, data: st.DataObject, garbage: bytes, cuts: list[int]
) -> None:
    body = bytearray(encode(data.draw(responses(version))))
    at = data.draw(st.integers(0, len(body)))
    body[at : at + len(garbage)] = garbage
    try:
        walked = Walked(bytes(body), cuts)
    except MalformedBody:
        return
    assert 0 <= walked.end <= len(body)


# --- the end of the response ---

endpoints = st.lists(
    st.tuples(
        st.integers(-1, 2**31 - 1), st.text(max_size=70), st.integers(-1, 65_535), st.none() | st.text(max_size=9)
    ),
    max_size=4,
)


def section_of(nodes: list[tuple[int, str, int, str | None]]) -> bytes:
    keys = ("node_id", "host", "port", "rack")
    response = {"node_endpoints": [dict(zip(keys, node, strict=True)) for node in nodes]}
    body = encode(build(response_type(ApiKey.SHARE_FETCH, 2), response))
    return body[Walked(body, []).end :]


@given(theirs=endpoints, ours=endpoints)
def test_other_endpoints_take_the_place_where_they_fit(
    theirs: list[tuple[int, str, int, str | None]], ours: list[tuple[int, str, int, str | None]]
) -> None:
    section = section_of(theirs)
    ours = ours if theirs else []
    replaced = share_endpoints_replacement(section, ours)
    assert len(replaced) == len(section)
    fits = len(section) - len(section_of(ours)) not in {1, *range(-len(section_of(ours)), 0)}
    assert list(share_endpoints(replaced)) == (ours if fits else [])


@every_version
@given(data=st.data())
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
def test_a_response_without_its_endpoints_is_read_as_such(version: int, data: st.DataObject) -> None:
    response = data.draw(responses(version))
    body = encode(response)
    end = Walked(body, []).end
    spliced = body[:end] + share_endpoints_replacement(body[end:], ())
    assert len(spliced) == len(body)
    assert read_response(ApiKey.SHARE_FETCH, version, spliced).message == replace(response, node_endpoints=())


@given(st.binary(max_size=80))
def test_no_section_makes_anything_but_typed_errors(section: bytes) -> None:
    try:
        nodes = share_endpoints(section)
    except MalformedBody:
        return
    assert len(share_endpoints_replacement(section, nodes)) == len(section)
