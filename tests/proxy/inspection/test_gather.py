"""Of what was found in several partitions, the first records or the last ones are shown, and no more is held."""

import heapq

from hypothesis import given
from hypothesis import strategies as st

from kordon_proxy.inspection.found import Found, FoundRecord, Stop
from kordon_proxy.inspection.gather import Progress, in_order, prune
from tests.proxy.inspection.given import as_found

PLENTY = 10**9


def a_record(partition: int, offset: int, timestamp: int | None, size: int = 10) -> Found:
    record = FoundRecord(
        partition=partition, offset=offset, timestamp=timestamp, timestamp_type="CreateTime", key=None, value=None
    )
    return as_found(record, size)


def progress(partition: int, *timestamps: int, size: int = 10) -> Progress:
    """A partition that was looked through whole, whose records have these timestamps and the offsets 0, 1, …."""
    found = [a_record(partition, offset, timestamp, size) for offset, timestamp in enumerate(timestamps)]
    end = len(timestamps)
    return Progress(partition=partition, beginning=0, end=end, first_offset=0, next_offset=end, found=found)


def shown(*partitions: Progress, newest: bool = False) -> list[tuple[int, int]]:
    return [(one.partition, one.offset) for one in in_order(partitions, newest=newest)]


def test_the_first_records_are_kept_and_the_others_are_for_later() -> None:
    one, two = progress(0, 1, 4, 5), progress(1, 2, 3, 6)

    prune([one, two], count=4, room=PLENTY, newest=False)

    assert shown(one, two) == [(0, 0), (1, 0), (1, 1), (0, 1)]
    assert (one.next_offset, two.next_offset) == (2, 2)
    assert (one.closed, two.closed) == (Stop.COUNT, Stop.COUNT)


def test_the_last_records_are_kept_and_the_older_ones_are_for_later() -> None:
    one, two = progress(0, 1, 4, 5), progress(1, 2, 3, 6)

    prune([one, two], count=4, room=PLENTY, newest=True)

    assert shown(one, two, newest=True) == [(1, 1), (0, 1), (0, 2), (1, 2)]
    assert (one.first_offset, two.first_offset) == (1, 1)


def test_a_partition_that_may_still_have_earlier_records_stays_open() -> None:
    one, two = progress(0, 1, 2), progress(1, 5, 6)
    one.end = two.end = 10

    prune([one, two], count=3, room=PLENTY, newest=False)

    assert one.is_open(newest=False)
    assert not two.is_open(newest=False)


def test_room_is_kept_to_but_for_a_single_record() -> None:
    one = progress(0, 1, 2, 3, size=40)
    large = progress(0, 1, 2, size=400)

    prune([one], count=10, room=100, newest=False)
    prune([large], count=10, room=100, newest=True)

    assert (shown(one), one.next_offset, one.closed) == ([(0, 0), (0, 1)], 2, Stop.BYTES)
    assert (shown(large), large.first_offset, large.closed) == ([(0, 1)], 1, Stop.BYTES)


def test_times_that_do_not_rise_do_not_change_the_order_of_a_partition() -> None:
    one, two = progress(0, 9, 1, 8), progress(1, 5, 6, 7)

    assert shown(one, two) == [(1, 0), (1, 1), (1, 2), (0, 0), (0, 1), (0, 2)]
    prune([one, two], count=2, room=PLENTY, newest=True)
    assert shown(one, two, newest=True) == [(1, 2), (0, 2)]


def test_records_without_a_time_come_first() -> None:
    one, two = progress(0, 1), progress(1)
    two.found = [a_record(1, 0, None)]

    assert shown(one, two) == [(1, 0), (0, 0)]


logs = st.lists(st.lists(st.integers(0, 20), max_size=8).map(sorted), min_size=1, max_size=4)


@given(logs, st.integers(1, 8), st.booleans(), st.data())
def test_pruned_at_any_moment_it_is_what_all_at_once_would_be(
    times: list[list[int]], count: int, newest: bool, data: st.DataObject
) -> None:
    everything = [progress(number, *found) for number, found in enumerate(times)]
    logs_of = [one.found for one in everything]
    whole = shown(*everything, newest=newest)
    partitions = [progress(number) for number in range(len(times))]
    for one in partitions:
        one.end = len(logs_of[one.partition])
        one.first_offset = one.next_offset = one.end if newest else 0

    while ready := [one for one in partitions if one.is_open(newest=newest)]:
        one = data.draw(st.sampled_from(ready))
        log = logs_of[one.partition]
        some = data.draw(st.integers(1, 3))
        if newest:
            first = max(0, one.first_offset - some)
            one.found, one.first_offset = log[first : one.first_offset] + one.found, first
        else:
            one.found += log[one.next_offset : one.next_offset + some]
            one.next_offset = min(one.end, one.next_offset + some)
        prune(partitions, count=count, room=PLENTY, newest=newest)

    assert shown(*partitions, newest=newest) == (whole[-count:] if newest else whole[:count])
    for one in partitions:
        offsets = [found.offset for found in one.found]
        assert offsets == list(range(one.first_offset, one.next_offset))


def test_merging_agrees_with_sorting_where_times_rise() -> None:
    times = [[1, 3, 5], [2, 3, 9], []]

    merged = [one.timestamp for one in in_order([progress(i, *t) for i, t in enumerate(times)], newest=False)]

    assert merged == list(heapq.merge(*times))
