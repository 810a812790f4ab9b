"""What depends on how much there is in the cluster: Metadata of all topics, and a rebalance of a large group."""

from typing import Final

from benchmarks.measures.all_topics import all_topics
from benchmarks.measures.rebalance import rebalance
from benchmarks.suite import Suite
from benchmarks.targets import Target
from benchmarks.topics import topics, wait_for

_SHARE: Final = 50
"""One topic in so many is in the smaller view."""
_PARTITIONS: Final = 1


def metadata(suite: Suite) -> None:
    """All topics in the view, and one of fifty in the view, which is compared with Kafka that shows all."""
    count = suite.sizes.topics
    few = count // _SHARE
    # The last ones are those that the listener for the smaller view shows.
    names = [f"{'bench-' if number >= count - few else ''}many-{number:05}" for number in range(count)]
    peak = f"peak memory with {count:,} topics, MB"
    everything, a_part = f"Metadata of {count:,} topics", f"Metadata of {few:,} of {count:,} topics"
    with topics(suite.admin, names, partitions=_PARTITIONS):
        for target in (*suite.targets, *suite.there.narrow.values()):
            wait_for(target, names[-1])
        for number in suite.rounds():
            for target in suite.order(number):
                suite.measure(target, number, all_topics, everything, suite.sizes.reads, peak=peak)
                _narrow(suite, target, number, a_part)


def _narrow(suite: Suite, target: Target, number: int, name: str) -> None:
    """Where a target has a smaller view it is asked there, and the others are asked for all again."""
    asked = suite.there.narrow.get(target.name)
    if asked is not None or target.pid is None:
        suite.measure(asked or target, number, all_topics, name, suite.sizes.reads, peak=None)


def groups(suite: Suite) -> None:
    for number in suite.rounds():
        for target in suite.order(number):
            with suite.topic("groups", target) as topic:
                suite.measure(target, number, rebalance, topic, suite.sizes.members, suite.sizes.rebalances)
