"""Record batches are read as they are, and what is wrong with one does not keep others from being read."""

import struct

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kordon_proxy.inspection.batches import Damage, Record
from kordon_proxy.inspection.unpack import Unpackable, Unpacker
from tests.proxy.inspection.given import (
    APPEND_TIME,
    AT,
    GZIP,
    LZ4,
    SNAPPY,
    TRANSACTIONAL,
    ZSTD,
    Entry,
    a_batch,
    a_marker,
    altered,
    read,
    said,
    values,
)

some_bytes = st.none() | st.binary(max_size=300)
entries: st.SearchStrategy[Entry] = st.tuples(
    some_bytes, some_bytes, st.lists(st.tuples(st.text(max_size=20), some_bytes), max_size=4)
)


@given(st.lists(st.lists(entries, min_size=1, max_size=5), max_size=4), st.sampled_from([0, GZIP, SNAPPY, LZ4, ZSTD]))
def test_what_another_library_writes_is_read_as_it_was(batches: list[list[Entry]], codec: int) -> None:
    data, wanted, offset = b"", [], 0
    for batch in batches:
        data += a_batch(*batch, first=offset, codec=codec)
        for number, (key, value, headers) in enumerate(batch):
            named = tuple((name.encode(), content) for name, content in headers)
            wanted.append(Record(offset + number, AT + number, False, key, value, named))
        offset += len(batch)

    assert read(data) == wanted


@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_an_error(data: bytes) -> None:
    read(data)


@given(st.data())
def test_any_change_of_a_batch_is_read_without_an_error(data: st.DataObject) -> None:
    batch = bytearray(values(b"one", b"two", codec=data.draw(st.sampled_from([0, GZIP, SNAPPY, LZ4, ZSTD]))))
    for _ in range(data.draw(st.integers(1, 3))):
        batch[data.draw(st.integers(0, len(batch) - 1))] = data.draw(st.integers(0, 255))
    whole = altered(bytes(batch)) if data.draw(st.booleans()) else bytes(batch)

    found = read(whole + values(b"behind", first=2), committed=data.draw(st.booleans()))

    assert all(isinstance(one, Record | Damage) for one in found)


def test_a_batch_that_is_cut_off_at_the_end_is_left_out() -> None:
    whole = values(b"one")

    for cut in range(1, len(whole)):
        assert said(read(whole + values(b"two", first=1)[:-cut])) == [b"one"]


def test_a_wrong_checksum_is_told_and_the_records_are_shown() -> None:
    damaged = bytearray(values(b"one", b"two"))
    damaged[-2] ^= 1

    found = read(bytes(damaged) + values(b"behind", first=2))

    assert found[0] == Damage(0, 1, "the checksum of the batch is wrong: clients refuse to read it")
    assert len(said(found)) == 4


def test_a_batch_that_is_compressed_wrongly_is_told_and_passed_by() -> None:
    for codec, name in ((GZIP, "gzip"), (SNAPPY, "snappy"), (LZ4, "lz4"), (ZSTD, "zstd")):
        damaged = altered(values(b"one", b"two"), first=7, attributes=codec, content=b"\xff" * 20)

        found = read(damaged + values(b"behind", first=9))

        assert isinstance(found[0], Damage)
        assert (found[0].first, found[0].last) == (7, 8)
        assert found[0].reason.startswith(f"it cannot be unpacked by {name}: ")
        assert said(found[1:]) == [b"behind"]


def test_a_compression_that_nobody_knows_is_told() -> None:
    (found,) = read(altered(values(b"one"), attributes=6))

    assert found == Damage(0, 0, "it is compressed by a method that Kordon does not know (6)")


def test_records_before_a_malformed_one_are_shown() -> None:
    batch = altered(values(b"one", b"two"), count=3, last_delta=5, first=10)

    assert read(batch)[2] == Damage(12, 15, "a record is cut off")
    assert said(read(batch))[:2] == [b"one", b"two"]


def test_a_message_of_an_old_format_is_told() -> None:
    old = struct.pack(">qiIbb", 3, 10, 0, 1, 0) + bytes(4)

    assert said(read(old + values(b"behind", first=4))) == [
        "a message of format v1, older than Kafka 0.11, which Kordon does not read",
        b"behind",
    ]


def test_a_header_name_that_is_no_text_is_as_good_as_any() -> None:
    batch = a_batch((None, b"x", [("name", b"1")]))

    (record,) = read(altered(batch, content=batch[61:].replace(b"name", b"\xff\xfe\xfd\xfc")))

    assert isinstance(record, Record)
    assert record.headers == ((b"\xff\xfe\xfd\xfc", b"1"),)


def test_the_time_of_the_broker_counts_where_it_sets_it() -> None:
    found = read(values(b"one", b"two", attributes=APPEND_TIME))

    assert [(one.timestamp, one.appended) for one in found if isinstance(one, Record)] == [(AT + 1, True)] * 2


# Transactions


def test_records_of_an_aborted_transaction_are_left_out_up_to_its_marker() -> None:
    data = b"".join(
        (
            values(b"bad", first=0, producer=7, attributes=TRANSACTIONAL),
            values(b"other", first=1, producer=8, attributes=TRANSACTIONAL),
            values(b"plain", first=2),
            values(b"bad", first=3, producer=7, attributes=TRANSACTIONAL),
            a_marker(first=4, producer=7, commit=False),
            values(b"good", first=5, producer=7, attributes=TRANSACTIONAL),
            a_marker(first=6, producer=7, commit=True),
        )
    )

    assert said(read(data, (7, 0))) == [b"other", b"plain", b"good"]
    assert said(read(data, (7, 0), committed=False)) == [b"bad", b"other", b"plain", b"bad", b"good"]


def test_of_two_aborted_transactions_of_one_producer_each_ends_at_its_own_marker() -> None:
    data = b"".join(
        (
            values(b"bad", first=0, producer=7, attributes=TRANSACTIONAL),
            a_marker(first=1, producer=7, commit=False),
            values(b"good", first=2, producer=7, attributes=TRANSACTIONAL),
            a_marker(first=3, producer=7, commit=True),
            values(b"bad", first=4, producer=7, attributes=TRANSACTIONAL),
            a_marker(first=5, producer=7, commit=False),
        )
    )

    assert said(read(data, (7, 4), (7, 0))) == [b"good"]


# Unpacking


def test_what_would_be_too_large_is_not_unpacked() -> None:
    unpack = Unpacker(most=1 << 20)
    zeros = bytes((1 << 20) + 1)
    packed = {
        GZIP: cramjam.gzip.compress(zeros),
        SNAPPY: cramjam.snappy.compress_raw(zeros),
        LZ4: cramjam.lz4.compress(zeros),
        ZSTD: cramjam.zstd.compress(zeros),
    }

    for codec, data in packed.items():
        with pytest.raises(Unpackable, match="it would be more than 1 MiB"):
            unpack(codec, memoryview(bytes(data)))


def test_what_is_just_as_large_as_it_may_be_is_unpacked() -> None:
    unpack = Unpacker(most=1 << 20)
    content = b"x" * (1 << 20)

    for codec, library in ((GZIP, cramjam.gzip), (LZ4, cramjam.lz4), (ZSTD, cramjam.zstd)):
        assert unpack(codec, memoryview(bytes(library.compress(content)))) == content


def test_snappy_in_blocks_is_bounded_as_a_whole() -> None:
    block = bytes(cramjam.snappy.compress_raw(bytes(600_000)))
    framed = b"\x82SNAPPY\x00" + struct.pack(">ii", 1, 1) + (struct.pack(">i", len(block)) + block) * 2

    with pytest.raises(Unpackable, match="it would be more than 1 MiB"):
        Unpacker(most=1 << 20)(SNAPPY, memoryview(framed))
    assert len(Unpacker(most=2 << 20)(SNAPPY, memoryview(framed))) == 1_200_000
