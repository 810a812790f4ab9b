from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kio.schema.errors import ErrorCode

from kordon_protocol.codec import decode_response, response_frame, response_type
from kordon_protocol.frames import with_prefix
from kordon_protocol.header import peek_response, response_header
from kordon_protocol.keys import ApiKey, versions
from kordon_protocol.scan import is_plain_produce_response
from tests.protocol.newer import NewerWriter
from tests.protocol.schemas import build, messages

every_version = pytest.mark.parametrize("version", versions(ApiKey.PRODUCE))


def responses(version: int) -> st.SearchStrategy[Any]:
    return messages(response_type(ApiKey.PRODUCE, version))


def says_nothing_but_success(response: Any) -> bool:
    parts = [part for topic in response.responses for part in topic.partition_responses]
    return not getattr(response, "node_endpoints", ()) and not any(
        part.error_code or getattr(part, "record_errors", ()) or getattr(part, "error_message", None) is not None
        for part in parts
    )


def a_success(version: int, partitions: int = 3) -> Any:
    parts = [{"index": index, "error_code": ErrorCode.none, "base_offset": 2**40} for index in range(partitions)]
    names = [{"topic_id": UUID(int=one)} if version >= 13 else {"name": f"topic{one}"} for one in (1, 2)]
    topics = [{**name, "partition_responses": parts} for name in names]
    return build(response_type(ApiKey.PRODUCE, version), {"responses": topics})


@every_version
@pytest.mark.parametrize("partitions", [0, 1, 120])
def test_a_success_is_plain(version: int, partitions: int) -> None:
    assert is_plain_produce_response(version, response_frame(a_success(version, partitions), 7))


@every_version
@given(data=st.data())
@settings(max_examples=50)
def test_whatever_says_more_is_not(version: int, data: st.DataObject) -> None:
    response = data.draw(responses(version))
    if is_plain_produce_response(version, response_frame(response, 7)):
        assert says_nothing_but_success(response)


@pytest.mark.parametrize("version", [9, 10, 13])
@given(data=st.data())
@settings(max_examples=25)
def test_what_no_schema_knows_is_not(version: int, data: st.DataObject) -> None:
    writer = NewerWriter(data)
    body = writer.write(a_success(version))
    header = response_header(ApiKey.PRODUCE, version, 7)
    assert is_plain_produce_response(version, with_prefix(header, body)) == (not writer.added)


@every_version
@given(data=st.data(), garbage=st.lists(st.integers(0, 0x7F), max_size=50))  # the names in it are still UTF-8
@settings(max_examples=100)
def test_what_is_plain_can_be_read(version: int, data: st.DataObject, garbage: list[int]) -> None:
    frame = bytearray(response_frame(a_success(version), 7))
    at = data.draw(st.integers(8, len(frame)))
    frame[at : at + data.draw(st.integers(0, 50))] = garbage
    if is_plain_produce_response(version, frame):
        body = bytes(frame[4:])
        start = peek_response(body, ApiKey.PRODUCE, version).body_offset
        response = decode_response(ApiKey.PRODUCE, version, body, start)
        assert says_nothing_but_success(response)
