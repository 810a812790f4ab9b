"""Plain counters and histograms, against the library's own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from kordon_proxy.counts import Counts, Spreads

BOUNDS = (0.001, 0.5, 1.0, 30.0)


def shown(registry: CollectorRegistry) -> set[str]:
    lines = generate_latest(registry).decode().splitlines()
    return {line for line in lines if "_created" not in line}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), st.integers(0, 1000))))
def test_a_counter_shows_what_the_librarys_own_would(amounts: list[tuple[str, str, int]]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    counts = Counts("kordon_things", "Things", "first", "second")
    ours.register(counts)
    counter = Counter("kordon_things", "Things", ("first", "second"), registry=theirs)

    for first, second, amount in amounts:
        counts[first, second].inc(amount)
        counter.labels(first, second).inc(amount)

    assert shown(ours) == shown(theirs)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(BOUNDS) | st.floats(0, 100))))
def test_a_histogram_shows_what_the_librarys_own_would(values: list[tuple[str, float]]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    spreads = Spreads("kordon_seconds", "Seconds", BOUNDS, "api")
    ours.register(spreads)
    histogram = Histogram("kordon_seconds", "Seconds", ("api",), registry=theirs, buckets=BOUNDS)

    for api, value in values:
        spreads[api].observe(value)
        histogram.labels(api).observe(value)

    assert shown(ours) == shown(theirs)


def test_label_values_that_would_break_the_format_are_escaped() -> None:
    registry = CollectorRegistry()
    counts = Counts("kordon_things", "Things", "name")
    registry.register(counts)

    counts['a"b\nc\\'].inc()

    assert registry.get_sample_value("kordon_things_total", {"name": 'a"b\nc\\'}) == 1
    assert 'kordon_things_total{name="a\\"b\\nc\\\\"} 1.0' in generate_latest(registry).decode().splitlines()


def test_a_set_of_labels_that_is_not_closed_is_cut_off() -> None:
    registry = CollectorRegistry()
    counts = Counts("kordon_things", "Things", "name", most=2)
    registry.register(counts)

    for name in ("a", "b", "c", "d", "a"):
        counts[name].inc()

    values = {
        name: registry.get_sample_value("kordon_things_total", {"name": name}) for name in ("a", "b", "c", "other")
    }
    assert values == {"a": 2, "b": 1, "c": None, "other": 2}


@pytest.mark.parametrize("labels", ["one", ("one", "two", "three"), ()])
def test_a_wrong_number_of_labels_is_a_mistake(labels: str | tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="kordon_things has the labels first, second"):
        Counts("kordon_things", "Things", "first", "second")[labels]
