"""How records name their schemas."""

import struct
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kordon_proxy.inspection.framing import (
    KEY_HEADER,
    VALUE_HEADER,
    Framed,
    Misframed,
    SchemaRef,
    framed,
    message_indexes,
)

GUID = uuid.UUID("89791762-2336-4186-9674-299b90a802e2")


def test_a_schema_is_named_before_the_payload() -> None:
    assert framed(b"\x00\x00\x00\x00\x2apayload") == Framed(SchemaRef(42, None), b"payload", None)


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x00\x00\x00\x01", b"\x01\x00\x00\x00\x01x", b"plain text", bytes(8)])
def test_other_bytes_name_none(data: bytes) -> None:
    assert framed(data) is None


def test_a_number_of_eight_bytes_names_none_unless_it_is_huge() -> None:
    assert [framed(struct.pack(">q", number)) for number in (0, 1, 42, 2**23)] == [None] * 4


def test_a_schema_is_named_in_a_header_of_the_key_or_the_value() -> None:
    headers = [(VALUE_HEADER, b"\x01" + GUID.bytes), (KEY_HEADER, b"\x00" + struct.pack(">i", 7))]

    assert framed(b"payload", headers, VALUE_HEADER) == Framed(SchemaRef(None, str(GUID)), b"payload", b"")
    assert framed(b"payload", headers, KEY_HEADER) == Framed(SchemaRef(7, None), b"payload", b"")


@pytest.mark.parametrize("value", [None, b"", b"\x01short", b"\x02" + GUID.bytes])
def test_a_header_that_names_nothing_is_overlooked(value: bytes | None) -> None:
    assert framed(b"payload", [(VALUE_HEADER, value)], VALUE_HEADER) is None


def test_which_message_of_a_file_it_is_stands_before_the_payload_or_in_the_header() -> None:
    plain = Framed(SchemaRef(1, None), b"\x00payload", None)
    nested = Framed(SchemaRef(1, None), b"\x04\x02\x00payload", None)
    in_header = Framed(SchemaRef(None, str(GUID)), b"payload", b"\x02\x04")

    assert [message_indexes(one) for one in (plain, nested, in_header)] == [
        ((0,), b"payload"),
        ([1, 0], b"payload"),
        ([2], b"payload"),
    ]


@pytest.mark.parametrize("data", [b"", b"\x02", b"\x80", b"\x01", b"\xff\xff\xff\xff\xff\xff", b"\xfe\xff\x7f"])
def test_indexes_that_are_none_are_refused(data: bytes) -> None:
    with pytest.raises(Misframed):
        message_indexes(Framed(SchemaRef(1, None), data, None))


@given(st.binary(), st.lists(st.tuples(st.sampled_from([VALUE_HEADER, b"x"]), st.none() | st.binary())))
def test_any_bytes_are_looked_at_without_an_error(data: bytes, headers: list[tuple[bytes, bytes | None]]) -> None:
    found = framed(data, headers, VALUE_HEADER)

    assert found is None or isinstance(found, Framed)
