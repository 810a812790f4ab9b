from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kordon_protocol.codec import encode, read_request, request_type
from kordon_protocol.keys import ApiKey, versions
from kordon_protocol.scan import behind_partitions, partitions_of_only_topic
from tests.protocol.newer import NewerWriter
from tests.protocol.schemas import messages

FIRST_WITH_TAGS = 17
"""The first version in which partitions have fields that are tagged."""
every_version = pytest.mark.parametrize("version", versions(ApiKey.FETCH))


def requests(version: int) -> st.SearchStrategy[Any]:
    return messages(request_type(ApiKey.FETCH, version))


def said(version: int, body: bytes) -> bytes | None:
    """Everything but the partitions of the only topic, of a body behind a header of six bytes."""
    at = partitions_of_only_topic(version, body, 6)
    end = behind_partitions(version, body, at) if at else 0
    return body[:at] + body[end:] if end else None


def without_partitions(request: Any) -> Any:
    return replace(request, topics=tuple(replace(topic, partitions=()) for topic in request.topics))


@every_version
@given(data=st.data())
@settings(max_examples=60)
def test_what_is_said_beside_the_partitions_of_the_only_topic(version: int, data: st.DataObject) -> None:
    one, other = data.draw(requests(version)), data.draw(requests(version))
    if len(other.topics) == 1 and len(one.topics) == 1 and data.draw(st.booleans()):
        (topic,), (partitions,) = one.topics, (other.topics[0].partitions,)
        other = replace(one, topics=(replace(topic, partitions=partitions),))
    texts = [said(version, b"header" + encode(request)) for request in (one, other)]

    for text, request in zip(texts, (one, other), strict=True):
        assert (text is not None) == (len(request.topics) == 1) or (text is None and version >= FIRST_WITH_TAGS)
    if None not in texts:
        assert (texts[0] == texts[1]) == (without_partitions(one) == without_partitions(other))


@every_version
@given(data=st.data(), garbage=st.binary(max_size=20))
@settings(max_examples=60)
def test_bytes_that_say_the_same_beside_them_are_read_alike(version: int, data: st.DataObject, garbage: bytes) -> None:
    """Whatever they are, and if they can be read at all."""
    body = b"header" + encode(data.draw(requests(version)))
    written = bytearray(body)
    at = data.draw(st.integers(6, len(written)))
    written[at : at + data.draw(st.integers(0, 20))] = garbage
    if (text := said(version, body)) is None or said(version, bytes(written)) != text:
        return
    first, second = (read_request(ApiKey.FETCH, version, one, 6) for one in (body, bytes(written)))
    assert first.exact == second.exact
    assert without_partitions(first.message) == without_partitions(second.message)


@pytest.mark.parametrize("version", [12, 13, 17])
@given(data=st.data())
@settings(max_examples=25)
def test_fields_that_nobody_knows_are_never_left_out(version: int, data: st.DataObject) -> None:
    request = data.draw(requests(version))
    writer = NewerWriter(data)
    body = b"header" + writer.write(request)
    if writer.added and said(version, body) is not None:
        assert said(version, body) != said(version, b"header" + encode(request))


@every_version
@given(garbage=st.binary(max_size=60), at=st.integers(0, 70))
def test_any_bytes_are_looked_at_without_a_fault(version: int, garbage: bytes, at: int) -> None:
    assert 0 <= partitions_of_only_topic(version, garbage, at) <= len(garbage)
    assert 0 <= behind_partitions(version, garbage, at) <= len(garbage)
