import struct
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from kordon_protocol.record_batch import batch_headers, is_transactional, producer_id


def a_batch(*, attributes: int = 0, producer: int = -1, payload: bytes = b"", magic: int = 2) -> bytes:
    rest = struct.pack(">ibIhiqqqhii", 7, magic, 0, attributes, 0, 0, 0, producer, 5, 11, 1) + payload
    return struct.pack(">qi", 42, len(rest)) + rest


def test_a_header_is_read() -> None:
    (header,) = batch_headers(a_batch(attributes=0x31, producer=9, payload=b"records"))
    assert header.is_transactional
    assert header.is_control
    assert (header.base_offset, header.producer_id, header.producer_epoch) == (42, 9, 5)
    assert (header.base_sequence, header.records_count) == (11, 1)
    assert (header.start, header.end) == (0, 61 + 7)


def test_any_batch_makes_records_transactional() -> None:
    plain, transactional = a_batch(payload=b"x"), a_batch(attributes=0x10)
    assert not is_transactional(plain + plain)
    assert is_transactional(plain + transactional)


def test_only_what_lies_between_start_and_end_counts() -> None:
    plain, transactional = a_batch(payload=b"x"), a_batch(attributes=0x10, producer=3)
    buffer = b"head" + plain + transactional
    assert not is_transactional(buffer, 4, 4 + len(plain))
    assert is_transactional(memoryview(buffer), 4 + len(plain))
    assert producer_id(buffer, 4 + len(plain)) == 3
    assert producer_id(buffer, 4, 4 + len(plain)) == -1


def test_older_formats_have_no_producer() -> None:
    assert list(batch_headers(a_batch(attributes=0x10, magic=1))) == []
    assert not is_transactional(b"")
    assert producer_id(b"") == -1


@given(st.binary(max_size=300))
def test_no_bytes_make_an_error_or_an_endless_walk(records: bytes) -> None:
    headers = list(batch_headers(a_batch() + records))
    assert headers[0].end == 61
    assert all(before.end <= after.start for before, after in pairwise(headers))
