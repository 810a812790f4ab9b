from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kordon_protocol.codec import encode, response_type
from kordon_protocol.errors import MalformedBody
from kordon_protocol.keys import ApiKey, versions
from kordon_protocol.scan import (
    encode_metadata_head,
    encode_topics_count,
    metadata_response_head,
    read_topics_count,
)
from tests.protocol.newer import NewerWriter
from tests.protocol.schemas import messages

every_version = pytest.mark.parametrize("version", versions(ApiKey.METADATA))


def responses(version: int) -> st.SearchStrategy[Any]:
    return messages(response_type(ApiKey.METADATA, version))


def head_of(response: Any) -> dict[str, Any]:
    """What the head of a response says, in the words of the scan."""
    throttle = getattr(response, "throttle_time", None)
    return {
        "throttle_ms": round(throttle.total_seconds() * 1_000) if throttle is not None else 0,
        "brokers": tuple((b.node_id, b.host, b.port, getattr(b, "rack", None)) for b in response.brokers),
        "cluster_id": getattr(response, "cluster_id", None),
        "controller_id": getattr(response, "controller_id", -1),
        "topics_count": len(response.topics),
    }


def encoded(version: int, response: Any) -> bytes:
    head = head_of(response)
    count = head.pop("topics_count")
    return encode_metadata_head(version, **head) + encode_topics_count(version, count)


@every_version
@given(data=st.data())
@settings(max_examples=25)
def test_the_head_is_read_as_soon_as_it_is_there(version: int, data: st.DataObject) -> None:
    response = data.draw(responses(version))
    body = encode(response)
    head = metadata_response_head(version, body)
    assert head is not None
    found = head._asdict()
    start = found.pop("topics_start")
    assert found.pop("count_start") < start
    assert found == head_of(response)
    assert metadata_response_head(version, body[:start]) == head
    for end in range(start):
        assert metadata_response_head(version, body[:end]) is None


@every_version
@given(data=st.data())
@settings(max_examples=25)
def test_a_head_is_written_as_it_was(version: int, data: st.DataObject) -> None:
    response = data.draw(responses(version))
    body = encode(response)
    head = metadata_response_head(version, body)
    assert head is not None
    assert encoded(version, response) == body[: head.topics_start]
    assert read_topics_count(version, body, head.count_start) == (head.topics_count, head.topics_start)
    assert read_topics_count(version, body[: head.topics_start - 1], head.count_start) is None


@pytest.mark.parametrize("version", [9, 12, 13])
@given(data=st.data())
@settings(max_examples=25)
def test_unknown_tagged_fields_of_brokers_are_dropped(version: int, data: st.DataObject) -> None:
    response = data.draw(responses(version))
    plain, newer = encode(response), NewerWriter(data).write(response)
    head = metadata_response_head(version, newer)
    expected = metadata_response_head(version, plain)
    assert head is not None
    assert expected is not None
    assert encoded(version, response) == plain[: expected.topics_start]
    assert head.brokers == expected.brokers


@every_version
@given(data=st.data(), garbage=st.binary(max_size=50))
@settings(max_examples=25)
def test_no_bytes_make_anything_but_typed_errors(version: int, data: st.DataObject, garbage: bytes) -> None:
    body = bytearray(encode(data.draw(responses(version))))
    at = data.draw(st.integers(0, len(body)))
    body[at : at + len(garbage)] = garbage
    try:
        head = metadata_response_head(version, body)
    except MalformedBody:
        return
    assert head is None or head.topics_start <= len(body)


def test_a_head_that_would_never_end_is_malformed() -> None:
    with pytest.raises(MalformedBody, match="metadata of 2000000000 brokers"):
        metadata_response_head(1, (2_000_000_000).to_bytes(4, "big"))
