"""Counters and histograms for the hot path, shown to Prometheus when it asks.

The library's own are safe for threads, with a lock for each increment: 4 µs for what one request counts. These are
plain numbers, for the event loop's thread alone: 0.6 µs. Prometheus' thread only reads.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final, Generic, TypeVar

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

MOST_CHILDREN: Final = 5_000
"""Combinations of labels that one metric keeps apart."""

Labels = str | tuple[str, ...]
"""A text where there is one label, else as many as there are labels."""


class Count:
    """A number that only grows."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def inc(self, amount: float = 1.0) -> None:
        """Count so many more."""
        self.value += amount


class Spread:
    """How often a value fell under each bound. A value that equals a bound falls under it, as Prometheus has it."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Note one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


C = TypeVar("C", Count, Spread)


class _Children(dict[Labels, C], Collector, Generic[C]):
    """The children of one metric by their labels: `children["Fetch", "Trading"]` makes them as they are asked for."""

    __hash__ = object.__hash__  # type: ignore[assignment]  # the registry keeps collectors as keys

    def __init__(self, name: str, text: str, labels: Sequence[str], most: int) -> None:
        self._name, self._text, self._labels, self._most = name, text, labels, most
        self._other: C | None = None

    def __missing__(self, key: Labels) -> C:
        if len(self._as_tuple(key)) != len(self._labels):
            raise ValueError(f"{self._name} has the labels {', '.join(self._labels)}, got {key}")
        if len(self) < self._most:
            child = self[key] = self._new()
            return child
        if self._other is None:
            self._other = self._new()
        return self._other

    def _new(self) -> C:
        raise NotImplementedError

    def _rows(self) -> Iterable[tuple[Sequence[str], C]]:
        # A copy in one step, as the loop goes on adding to the dictionary meanwhile.
        for key, child in list(self.items()):
            yield self._as_tuple(key), child
        if self._other is not None:
            yield ["other"] * len(self._labels), self._other

    @staticmethod
    def _as_tuple(key: Labels) -> tuple[str, ...]:
        return (key,) if isinstance(key, str) else key


class Counts(_Children[Count]):
    """A counter with labels."""

    def __init__(self, name: str, text: str, *labels: str, most: int = MOST_CHILDREN) -> None:
        super().__init__(name, text, labels, most)

    def _new(self) -> Count:
        return Count()

    def describe(self) -> Iterable[Metric]:
        """Name the metric without its values."""
        return [CounterMetricFamily(self._name, self._text, labels=self._labels)]

    def collect(self) -> Iterable[Metric]:
        """Show the values of now."""
        family = CounterMetricFamily(self._name, self._text, labels=self._labels)
        for labels, count in self._rows():
            family.add_metric(labels, count.value)
        return [family]


class Spreads(_Children[Spread]):
    """A histogram with labels."""

    def __init__(self, name: str, text: str, bounds: Sequence[float], *labels: str, most: int = MOST_CHILDREN) -> None:
        super().__init__(name, text, labels, most)
        self._bounds = tuple(bounds)

    def _new(self) -> Spread:
        return Spread(self._bounds)

    def describe(self) -> Iterable[Metric]:
        """Name the metric without its values."""
        return [HistogramMetricFamily(self._name, self._text, labels=self._labels)]

    def collect(self) -> Iterable[Metric]:
        """Show the values of now."""
        family = HistogramMetricFamily(self._name, self._text, labels=self._labels)
        for labels, spread in self._rows():
            below = list(accumulate(list(spread.counts)))
            buckets = list(zip([*map(str, self._bounds), "+Inf"], below, strict=True))
            family.add_metric(labels, buckets=buckets, sum_value=spread.sum)
        return [family]
