import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kordon_protocol.errors import FrameTooLarge, FrameTooSmall
from kordon_protocol.frames import FrameSplitter, RequestCollector, with_prefix

LIMIT = 2_000

frames = st.lists(st.binary(min_size=8, max_size=700), max_size=8)


@st.composite
def chunked_streams(draw: st.DrawFn) -> tuple[list[bytes], list[bytes]]:
    """Some frames, and the stream of them cut anywhere."""
    whole = draw(frames)
    stream = b"".join(with_prefix(frame) for frame in whole)
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    return whole, [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


@given(chunked_streams())
def test_any_chunking_gives_the_same_frames(case: tuple[list[bytes], list[bytes]]) -> None:
    whole, chunks = case
    splitter = FrameSplitter(LIMIT)
    assert [frame for chunk in chunks for frame in splitter.feed(chunk)] == whole
    assert splitter.buffered == 0


@given(chunked_streams())
def test_any_chunking_gives_the_same_requests(case: tuple[list[bytes], list[bytes]]) -> None:
    whole, chunks = case
    collector = RequestCollector(LIMIT)
    collected = [request for chunk in chunks for request in collector.feed(chunk)]
    assert [request.frame() for request in collected] == whole
    assert [request.size for request in collected] == [len(frame) for frame in whole]
    assert [b"".join(request.chunks) for request in collected] == [with_prefix(frame) for frame in whole]
    assert collector.have == 0


@given(frames)
def test_bytes_one_by_one_give_the_same_requests_in_few_chunks(whole: list[bytes]) -> None:
    collector = RequestCollector(LIMIT)
    stream = b"".join(with_prefix(frame) for frame in whole)
    collected = [request for byte in stream for request in collector.feed(bytes((byte,)))]
    assert [request.frame() for request in collected] == whole
    assert all(len(request.chunks) <= 4 for request in collected)


def test_a_large_chunk_that_holds_one_request_is_kept_as_it_is() -> None:
    chunk = with_prefix(bytes(8_192))
    ((request,)) = RequestCollector(8_192).feed(chunk)
    assert request.chunks[0] is chunk


def test_an_unfinished_frame_is_counted() -> None:
    collector, splitter = RequestCollector(LIMIT), FrameSplitter(LIMIT)
    assert collector.feed(b"\0\0\0\x0aabc") == []
    assert splitter.feed(b"\0\0\0\x0aabc") == []
    assert collector.have == splitter.buffered == 7


@pytest.mark.parametrize("feeder", [FrameSplitter(LIMIT), RequestCollector(LIMIT)])
def test_a_length_over_the_limit_is_refused_before_its_body(feeder: FrameSplitter | RequestCollector) -> None:
    assert feeder.feed(b"\0\0") == []
    with pytest.raises(FrameTooLarge, match="frame of 2001 bytes, limit 2000") as caught:
        feeder.feed(struct.pack(">i", LIMIT + 1)[2:])
    assert (caught.value.size, caught.value.limit) == (LIMIT + 1, LIMIT)


def test_a_length_at_the_limit_passes() -> None:
    assert RequestCollector(LIMIT).feed(with_prefix(bytes(LIMIT)))[0].frame() == bytes(LIMIT)
    assert FrameSplitter(LIMIT).feed(with_prefix(bytes(LIMIT))) == [bytes(LIMIT)]


def test_only_produce_requests_may_be_as_large_as_the_limit() -> None:
    produce, fetch = b"\0\0" + bytes(LIMIT - 2), b"\0\x01" + bytes(LIMIT - 2)
    collector = RequestCollector(LIMIT, max_size_of_others=100)
    assert collector.feed(with_prefix(produce))[0].frame() == produce
    for chunks in ([with_prefix(fetch)], [with_prefix(fetch)[:5], with_prefix(fetch)[5:6]]):
        collector = RequestCollector(LIMIT, max_size_of_others=100)
        *begun, last = chunks
        assert [collector.feed(chunk) for chunk in begun] == [[]] * len(begun)
        with pytest.raises(FrameTooLarge, match="frame of 2000 bytes, limit 100"):
            collector.feed(last)
    assert RequestCollector(LIMIT, 100).feed(with_prefix(fetch[:100]))[0].size == 100


def test_an_empty_frame_can_be_admitted() -> None:
    collector = RequestCollector(LIMIT, max_size_of_others=100, least=0)
    assert [request.frame() for request in collector.feed(bytes(4) + with_prefix(b"x"))] == [b"", b"x"]


@pytest.mark.parametrize("size", [-(2**31), -1, 0, 7])
def test_a_length_without_room_for_a_header_is_refused(size: int) -> None:
    with pytest.raises(FrameTooSmall) as caught:
        RequestCollector(LIMIT).feed(struct.pack(">i", size))
    assert (caught.value.size, caught.value.least) == (size, 8)


def test_an_empty_frame_is_a_frame_but_a_negative_one_is_not() -> None:
    assert FrameSplitter(LIMIT).feed(bytes(4)) == [b""]
    with pytest.raises(FrameTooSmall):
        FrameSplitter(LIMIT).feed(b"\xff\xff\xff\xff")
