"""What is measured at all targets in turns: throughput, round trips, latency. Measures of a block share a topic."""

from benchmarks.figures import MEGABYTE
from benchmarks.measures.latency import latency
from benchmarks.measures.raw import raw_fetch, raw_produce
from benchmarks.measures.round_trips import round_trips
from benchmarks.measures.throughput import consume, produce
from benchmarks.sizes import PARTITIONS
from benchmarks.suite import WARM_UP, Suite
from benchmarks.targets import Target


def clients(suite: Suite) -> None:
    """Produce with acks=1, then consume that."""

    def work(target: Target, number: int, topic: str) -> None:
        size = suite.sizes.megabytes * MEGABYTE
        there = suite.measure(target, number, produce, topic, size, "1", only_for_others=not suite.wants("produce"))
        if there and suite.wants("consume"):
            suite.measure(target, number, consume, topic, size)

    suite.each("clients", PARTITIONS, work)


def acknowledged(suite: Suite) -> None:
    def work(target: Target, number: int, topic: str) -> None:
        if number != WARM_UP:
            suite.measure(target, number, produce, topic, suite.sizes.megabytes * MEGABYTE, "all")

    suite.each("acks-all", PARTITIONS, work)


def raw(suite: Suite) -> None:
    """Plain sockets: produce, then fetch that."""

    def work(target: Target, number: int, topic: str) -> None:
        size = suite.sizes.megabytes * MEGABYTE
        unwanted = not suite.wants("raw-produce")
        there = suite.measure(target, number, raw_produce, topic, 2 * size, only_for_others=unwanted)
        if there and suite.wants("raw-fetch"):
            suite.measure(target, number, raw_fetch, topic, 4 * size)

    suite.each("raw", PARTITIONS, work)


def trips(suite: Suite) -> None:
    def work(target: Target, number: int, topic: str) -> None:
        suite.measure(target, number, round_trips, topic, suite.sizes.round_trips)

    suite.each("trips", PARTITIONS, work)


def latencies(suite: Suite) -> None:
    def work(target: Target, number: int, topic: str) -> None:
        for rate in suite.sizes.rates[: 1 if number == WARM_UP else None]:
            suite.measure(target, number, latency, topic, rate, suite.sizes.seconds)

    suite.each("latency", 1, work)
