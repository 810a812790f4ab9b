"""Metrics of several processes on one page: each sample says in a label, `worker`, whose it is.

Nothing is added up. A counter begins anew with its process, which Prometheus sees in a series of its own; in a sum it
would look as if all of it had been counted again. `sum without (worker)` adds up what is to be.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

LABEL: Final = "worker"


def told(registry: Collector | CollectorRegistry) -> list[dict[str, Any]]:
    """All metrics of a process, for JSON."""
    return [
        {
            "name": family.name,
            "text": family.documentation,
            "type": family.type,
            "samples": [[one.name, one.labels, one.value] for one in family.samples],
        }
        for family in registry.collect()
    ]


def merged(processes: Mapping[str, Iterable[Mapping[str, Any]]]) -> Iterator[Metric]:
    """The metrics of processes by their names; a label of that name, where there is one, is left as it is."""
    families: dict[str, Metric] = {}
    for process, told_families in processes.items():
        for one in told_families:
            family = families.get(one["name"])
            if family is None:
                family = families[one["name"]] = Metric(one["name"], one["text"], one["type"])
            for name, labels, value in one["samples"]:
                family.add_sample(name, {LABEL: process, **labels}, value)
    yield from families.values()
