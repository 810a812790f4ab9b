import struct
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kio.index import load_request_schema, load_response_schema
from kio.serial import entity_writer

from kordon_protocol.errors import MalformedHeader, ProtocolError, UnknownApi, UnsupportedVersion
from kordon_protocol.header import (
    peek_request,
    peek_response,
    request_head_bytes,
    request_header,
    response_header,
)
from kordon_protocol.keys import ApiKey, is_flexible, response_header_version, versions
from kordon_protocol.varints import encode_varint

EVERY_VERSION = [(key, version) for key in ApiKey for version in versions(key)]

apis = st.sampled_from(EVERY_VERSION)
correlation_ids = st.integers(-(2**31), 2**31 - 1)
client_ids = st.none() | st.text(max_size=40)
tags = st.dictionaries(st.integers(0, 2**31 - 1), st.binary(max_size=200), max_size=4)


def tag_section(fields: dict[int, bytes]) -> bytes:
    written = [encode_varint(tag) + encode_varint(len(fields[tag])) + fields[tag] for tag in sorted(fields)]
    return encode_varint(len(fields)) + b"".join(written)


def written(entity: Any) -> bytes:
    buffer = BytesIO()
    entity_writer(type(entity))(buffer, entity)
    return buffer.getvalue()


@given(apis, correlation_ids, client_ids, st.binary(max_size=20))
def test_a_request_header_is_written_as_kio_does_and_read_back(
    api: tuple[ApiKey, int], correlation_id: int, client_id: str | None, body: bytes
) -> None:
    key, version = api
    schema: Any = load_request_schema(key, version).__header_schema__
    header = request_header(key, version, correlation_id, client_id)
    assert header == written(
        schema(
            request_api_key=key,
            request_api_version=version,
            correlation_id=correlation_id,
            client_id=client_id,
        )
    )

    head = peek_request(header + body)
    assert (head.api_key, head.api_version, head.correlation_id, head.client_id) == (
        key,
        version,
        correlation_id,
        client_id,
    )
    assert head.body_offset == len(header)
    assert request_head_bytes(head, client_id) == header


@given(apis, correlation_ids, st.binary(max_size=20))
def test_a_response_header_is_written_as_kio_does_and_read_back(
    api: tuple[ApiKey, int], correlation_id: int, body: bytes
) -> None:
    schema: Any = load_response_schema(*api).__header_schema__
    header = response_header(*api, correlation_id)
    assert header == written(schema(correlation_id=correlation_id))
    head = peek_response(header + body, *api)
    assert (head.correlation_id, head.body_offset) == (correlation_id, len(header))


@given(apis, tags, st.binary(max_size=20))
def test_tagged_fields_of_a_header_are_skipped(api: tuple[ApiKey, int], fields: dict[int, bytes], body: bytes) -> None:
    request, response = request_header(*api, 7, "me"), response_header(*api, 7)
    if is_flexible(*api):
        request = request[:-1] + tag_section(fields)
        assert request_head_bytes(peek_request(request), "you") == request_header(*api, 7, "you")
    if response_header_version(*api) == 1:
        response = response[:-1] + tag_section(fields)
    assert peek_request(request + body).body_offset == len(request)
    assert peek_response(response + body, *api).body_offset == len(response)


@pytest.mark.parametrize("version", versions(ApiKey.API_VERSIONS))
def test_api_versions_are_answered_under_the_oldest_header(version: int) -> None:
    assert response_header(ApiKey.API_VERSIONS, version, 5) == b"\0\0\0\5"


def test_header_versions_follow_flexibility() -> None:
    for key, version in EVERY_VERSION:
        flexible = is_flexible(key, version)
        assert response_header_version(key, version) == (1 if flexible and key is not ApiKey.API_VERSIONS else 0)


@pytest.mark.parametrize("key", [-1, 4, 5, 6, 7, 93, 94, 10_000])
def test_an_unknown_key_keeps_what_is_known(key: int) -> None:
    with pytest.raises(UnknownApi) as caught:
        peek_request(struct.pack(">hhih", key, 2, 99, -1))
    assert (caught.value.api_key, caught.value.api_version, caught.value.correlation_id) == (key, 2, 99)


@pytest.mark.parametrize(("key", "version"), [(18, 5), (0, 2), (3, -1), (3, 14)])
def test_an_unsupported_version_keeps_what_is_known(key: int, version: int) -> None:
    with pytest.raises(UnsupportedVersion) as caught:
        peek_request(struct.pack(">hhih", key, version, 99, -1))
    assert (caught.value.api_key, caught.value.api_version, caught.value.correlation_id) == (key, version, 99)


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        struct.pack(">hhi", 3, 1, 1),
        struct.pack(">hhih", 3, 1, 1, 5) + b"four",
        struct.pack(">hhih", 3, 1, 1, -2),
        struct.pack(">hhih", 3, 1, 1, 1) + b"\xff",
        struct.pack(">hhih", 3, 9, 1, -1),
        struct.pack(">hhih", 3, 9, 1, -1) + b"\x01\x05\x09abc",
        struct.pack(">hhih", 3, 9, 1, -1) + b"\xff\xff\xff\xff\xff\x01",
        struct.pack(">hhih", 3, 9, 1, -1) + b"\xe9\x07" + bytes(2 * 1_001),  # more tagged fields than anybody sends
    ],
)
def test_a_broken_request_header_is_malformed(frame: bytes) -> None:
    with pytest.raises(MalformedHeader):
        peek_request(frame)


@pytest.mark.parametrize("frame", [b"", b"\0\0\0", b"\0\0\0\1", b"\0\0\0\1\1\2\3"])
def test_a_broken_response_header_is_malformed(frame: bytes) -> None:
    with pytest.raises(MalformedHeader):
        peek_response(frame, ApiKey.METADATA, 12)


@given(st.binary(max_size=60))
def test_no_frame_makes_anything_but_typed_errors(frame: bytes) -> None:
    try:
        head = peek_request(frame)
    except ProtocolError:
        return
    assert 10 <= head.body_offset <= len(frame)


@given(apis, st.binary(max_size=60))
def test_no_rest_of_a_header_makes_anything_but_typed_errors(api: tuple[ApiKey, int], rest: bytes) -> None:
    try:
        head = peek_request(struct.pack(">hhi", *api, 1) + rest)
    except MalformedHeader:
        return
    assert head.body_offset <= 8 + len(rest)
