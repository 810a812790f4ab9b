"""Reads, produces and repeated denials are counted, and every one of them is."""

from collections import Counter
from dataclasses import replace
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from kordon_proxy.audit.aggregate import Aggregates, Repeats
from kordon_proxy.audit.event import Event, EventType, Path, Who
from tests.proxy.audit.events import DEV, GROUP, NOON, TOPIC, a_denial

OTHER = replace(DEV, principal="sam")


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> int:
        return self.now


def some_aggregates(most: int = 1000) -> tuple[Aggregates, Clock, list[int]]:
    clock, early = Clock(), [0]

    def note() -> None:
        early[0] += 1

    return Aggregates(most=most, now=clock, on_full=note), clock, early


def closed(aggregates: Aggregates) -> list[Event]:
    aggregates.close_window()
    return list(aggregates.events())


def test_a_window_is_one_event_with_count_bytes_and_times() -> None:
    aggregates, clock, _ = some_aggregates()
    aggregates.tally(DEV, "TOPIC_INSPECT", TOPIC, "Allow", bytes=100)
    clock.now += 700
    aggregates.tally(DEV, "TOPIC_INSPECT", TOPIC, "Allow", bytes=50, count=3)

    (event,) = closed(aggregates)

    assert event.type is EventType.AGGREGATE
    assert event.who == DEV.without_connection()
    assert (event.what.action, event.what.cluster, event.what.resources) == ("TOPIC_INSPECT", "prod", (TOPIC,))
    assert event.why.effect == "Allow"
    assert event.outcome.bytes == 150
    assert event.window is not None
    assert (event.window.count, event.window.first, event.window.last) == (4, NOON, NOON + 700)


def test_nothing_is_written_before_the_window_ends_and_nothing_without_a_count() -> None:
    aggregates, _, _ = some_aggregates()
    aggregates.tally(DEV, "TOPIC_INSPECT", TOPIC, "Allow")

    assert list(aggregates.events()) == []
    assert len(closed(aggregates)) == 1
    assert closed(aggregates) == []


@given(
    st.lists(
        st.tuples(
            st.sampled_from([DEV, OTHER, replace(DEV, connection_id="c2")]),
            st.sampled_from(["TOPIC_INSPECT", "TOPIC_PRODUCE"]),
            st.sampled_from([TOPIC, GROUP]),
            st.sampled_from(["Allow", "Deny"]),
            st.integers(0, 1000),
            st.integers(1, 5),
        ),
        max_size=60,
    ),
    st.integers(1, 4),
    st.integers(1, 20),
)
def test_everything_is_counted_once_however_many_kinds_there_are_and_whenever_windows_end(
    tallies: list[tuple[Who, str, Path, str, int, int]], most: int, every: int
) -> None:
    # Given
    aggregates, _, _ = some_aggregates(most)
    expected: Counter[tuple[str, str, Path, str]] = Counter()
    sizes = 0
    events: list[Event] = []

    # When
    for number, (who, action, path, verdict, size, count) in enumerate(tallies):
        aggregates.tally(who, action, path, verdict, size, count)
        expected[who.principal, action, path, verdict] += count
        sizes += size
        if number % every == 0:
            aggregates.close_window()
            events += islice(aggregates.events(), 2)
    events += closed(aggregates)

    # Then
    found: Counter[tuple[str, str, Path, str]] = Counter()
    for event in events:
        assert event.window is not None
        key = (event.who.principal, str(event.what.action), event.what.resources[0], str(event.why.effect))
        found[key] += event.window.count
    assert found == expected
    assert sum(event.outcome.bytes or 0 for event in events) == sizes


def test_one_kind_too_many_ends_the_window_early() -> None:
    aggregates, _, early = some_aggregates(most=2)
    for name in ("a", "b", "c"):
        aggregates.tally(DEV, "TOPIC_INSPECT", ("cluster", "prod", "topic", name), "Allow")

    written = list(aggregates.events())

    assert early == [1]
    assert {event.what.resources[0][3] for event in written} == {"a", "b"}
    assert [event.what.resources[0][3] for event in closed(aggregates)] == ["c"]


def test_of_denials_that_are_alike_the_first_is_written_and_the_rest_is_counted() -> None:
    repeats = Repeats(free=1, most=10)
    first = a_denial()
    later = [replace(first, id=f"e{number}", time=NOON + number) for number in range(1, 6)]

    verdicts = [repeats.is_repeat("key", event) for event in [first, *later]]

    assert verdicts == [False, True, True, True, True, True]
    (event,) = repeats.close_window()
    assert event.type is EventType.AGGREGATE
    assert event.window is not None
    assert (event.window.count, event.window.repeats) == (5, first.id)
    assert (event.window.first, event.window.last, event.time) == (NOON, NOON + 5, NOON + 5)
    assert (event.who, event.what, event.why) == (first.who, first.what, first.why)
    assert event.id != first.id


def test_a_denial_that_did_not_repeat_gives_no_second_event() -> None:
    repeats = Repeats(free=1, most=10)
    repeats.is_repeat("key", a_denial())

    assert repeats.close_window() == []


def test_the_next_window_begins_with_an_event_again() -> None:
    repeats = Repeats(free=1, most=10)
    repeats.is_repeat("key", a_denial())
    repeats.close_window()

    assert not repeats.is_repeat("key", a_denial())


def test_with_more_kinds_than_can_be_kept_all_of_them_are_written() -> None:
    repeats = Repeats(free=1, most=1)

    verdicts = [repeats.is_repeat(key, a_denial()) for key in ("a", "b", "b", "a")]

    assert verdicts == [False, False, False, True]


def test_of_large_denials_as_many_are_kept_as_there_is_room_for_in_each_window() -> None:
    large = a_denial(what=replace(a_denial().what, resources=(GROUP,) * 100, parameters={}))
    wordy = a_denial(what=replace(a_denial().what, parameters={"group": "x" * 40_000}))
    repeats = Repeats(free=1, most=10, most_text=50_000)

    for _ in range(2):
        verdicts = [repeats.is_repeat(key, event) for key, event in [("a", large), ("b", wordy), ("b", wordy)]]
        assert verdicts == [False, False, False]
        assert repeats.is_repeat("a", large)
        assert len(repeats.close_window()) == 1
