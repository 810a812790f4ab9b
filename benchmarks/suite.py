"""A run: targets are measured one after the other in each round, in turns, and ratios are taken within a round."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from benchmarks.apart import Failed, apart
from benchmarks.figures import Compare, Figure, Row
from benchmarks.processes import forget_peak, peak_memory
from benchmarks.sizes import Sizes
from benchmarks.started import Started
from benchmarks.targets import Target
from benchmarks.topics import topics, wait_for
from benchmarks.wire import Refused

WARM_UP: Final = -1
"""The number of the round that is forgotten."""
PEAK: Final = "peak memory under load, MB"


class Suite:
    """What measures have in common: what was started, sizes, and where figures are noted.

    only: the measures that are wanted.
    cold: there is no round to warm up.
    """

    def __init__(self, there: Started, sizes: Sizes, only: frozenset[str], *, cold: bool = False) -> None:
        self.there = there
        self.sizes = sizes
        self.rows: list[Row] = []
        self.failures: list[str] = []
        self._only = only
        self._first = 0 if cold else WARM_UP
        self._peaks: dict[tuple[str, str], float] = {}
        self._stamp = f"{int(time.time()) % 1_000_000:06}"
        self._topics = 0

    @property
    def targets(self) -> tuple[Target, ...]:
        return self.there.targets

    @property
    def kordon(self) -> Target:
        """The one that is measured at everything."""
        return self.targets[-1]

    @property
    def admin(self) -> str:
        """The address of the cluster itself, where topics are made."""
        return self.there.cluster.plain

    def wants(self, *measures: str) -> bool:
        return not self._only.isdisjoint(measures)

    def rounds(self) -> range:
        """With the one that is forgotten."""
        return range(self._first, self.sizes.rounds)

    def order(self, number: int) -> Iterator[Target]:
        """All targets, beginning with another one each round."""
        count = len(self.targets)
        yield from (self.targets[(number + place) % count] for place in range(count))

    @contextmanager
    def topic(self, name: str, *targets: Target, partitions: int = 1) -> Iterator[str]:
        """A topic that nobody else uses, and that these targets know. Raises OSError and Refused."""
        self._topics += 1
        topic = f"bench-{self._stamp}-{self._topics}-{name}"
        with topics(self.admin, [topic], partitions=partitions):
            for target in targets:
                wait_for(target, topic)
            yield topic

    def each(self, name: str, partitions: int, work: Callable[[Target, int, str], None]) -> None:
        """Let each target in each round have a topic of its own."""
        for number in self.rounds():
            for target in self.order(number):
                try:
                    with self.topic(name, target, partitions=partitions) as topic:
                        work(target, number, topic)
                except (OSError, Refused) as error:
                    self.fail(f"{target.name}, {name}: {error}")

    def measure(
        self,
        target: Target,
        number: int,
        work: Callable[..., list[Figure]],
        *args: Any,
        only_for_others: bool = False,
        peak: str | None = PEAK,
    ) -> bool:
        """Run one measurement in a process of its own and note what it has found. Returns whether it went well.

        only_for_others: it is run for what it leaves behind, and its figures are not wanted.
        peak: the figure for which the memory counts that the target takes meanwhile.
        """
        if target.pid is not None:
            forget_peak(target.pid)
        begin = time.monotonic()
        try:
            figures = apart(work, target, *args)
        except Failed as failed:
            self.fail(f"{target.name}, {work.__name__}: {failed}")
            return False
        if target.pid is not None and peak is not None:
            key = peak, target.name
            self._peaks[key] = max(self._peaks.get(key, 0), peak_memory(target.pid))
        if not only_for_others:
            self.note(target, number, figures, time.monotonic() - begin)
        return True

    def note(self, target: Target, number: int, figures: Iterable[Figure], seconds: float = 0) -> None:
        told = list(figures)
        shown = ", ".join(f"{figure.name} {figure.value:.2f}" for figure in told)
        place = "warm-up " if number == WARM_UP else f"round {number + 1:2}"
        _say(f"  {place} {target.name:16} {shown} ({seconds:.1f} s)")
        if number != WARM_UP:
            self.rows += [Row(target.name, number, figure) for figure in told]

    def note_peaks(self) -> None:
        """The most memory that each target has taken in all that was measured."""
        for (name, target), value in self._peaks.items():
            self.rows.append(Row(target, 0, Figure(name, value, Compare.NOTHING)))

    def fail(self, why: str) -> None:
        """A target that fails must not end the run of the others."""
        _say(f"  FAILED {why}")
        self.failures.append(why)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
