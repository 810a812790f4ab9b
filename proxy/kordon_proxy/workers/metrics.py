"""The metrics of all processes of one Kordon, on the one page of the parent."""

from collections.abc import Callable, Iterable
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from .families import LABEL, merged, told

PARENT: Final = "parent"
"""What the label of a worker says of the parent itself."""


class ParentMetrics:
    """What the parent knows by itself, and `registry`, which is all there is."""

    def __init__(self, workers: int) -> None:
        self.ask: Callable[[], dict[str, Any]] = dict
        """By worker: its metrics. Called in the thread of the probes."""
        self._own = CollectorRegistry(auto_describe=True)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._own)
        self.event_loop_lag = self._gauge("event_loop_lag_seconds", "How late the event loop came to its last beat")
        self._gauge("workers", "Workers that there are to be").set(workers)
        self._up = self._gauge("worker_up", "1 while there is a process of this worker", LABEL)
        self._restarts = Counter(
            "kordon_worker_restarts", "Times that a worker was started again", [LABEL], registry=self._own
        )
        for worker in range(1, workers + 1):
            self._restarts.labels(str(worker))
        self.registry = CollectorRegistry()
        self.registry.register(_All(self))

    def up(self, worker: int, *, is_up: bool) -> None:
        """Say whether there is a process of a worker."""
        self._up.labels(str(worker)).set(is_up)

    def restarted(self, worker: int) -> None:
        """Count that a worker is started again."""
        self._restarts.labels(str(worker)).inc()

    def families(self) -> Iterable[Metric]:
        """All of it."""
        return merged({PARENT: told(self._own), **self.ask()})

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"kordon_{name}", text, labels, registry=self._own)


class _All(Collector):
    def __init__(self, metrics: ParentMetrics) -> None:
        self._metrics = metrics

    def describe(self) -> Iterable[Metric]:
        """Name nothing: workers that are yet to start cannot be asked."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Show the values of now."""
        return self._metrics.families()
