"""Metrics of several processes are one page in which each sample says whose it is."""

import json

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from kordon_proxy.metrics import Metrics
from kordon_proxy.workers.families import merged, told


def a_process(requests: int) -> Metrics:
    metrics = Metrics()
    metrics.requests["Fetch", "Trading", "allowed"].inc(requests)
    metrics.added_seconds["Fetch"].observe(0.002)
    metrics.policy_epoch.set(3)
    return metrics


def page(**processes: Metrics) -> str:
    registry = CollectorRegistry()

    class Page:
        def collect(self) -> object:
            return merged({name: json.loads(json.dumps(told(one.registry))) for name, one in processes.items()})

        def describe(self) -> list[object]:
            return []

    registry.register(Page())  # type: ignore[arg-type]
    return generate_latest(registry).decode()


def test_nothing_is_added_up() -> None:
    lines = page(one=a_process(2), two=a_process(5)).splitlines()

    for sample in (
        'kordon_requests_total{api="Fetch",tenant="Trading",verdict="allowed",worker="one"} 2.0',
        'kordon_requests_total{api="Fetch",tenant="Trading",verdict="allowed",worker="two"} 5.0',
        'kordon_policy_epoch{worker="two"} 3.0',
        'kordon_added_seconds_bucket{api="Fetch",le="+Inf",worker="one"} 1.0',
    ):
        assert sample in lines


def test_each_metric_is_named_once() -> None:
    lines = page(one=a_process(1), two=a_process(1)).splitlines()

    named = [line for line in lines if line.startswith("# TYPE")]
    assert len(named) == len(set(named))


def test_the_page_of_workers_has_all_metrics_of_a_single_process() -> None:
    single = generate_latest(a_process(1).registry).decode()

    def names(text: str) -> set[str]:
        return {line for line in text.splitlines() if line.startswith("# TYPE")}

    assert names(page(one=a_process(1))) == names(single)


def test_a_label_of_that_name_is_left_as_it_is() -> None:
    registry = CollectorRegistry()
    Gauge("up", "Whether it is.", ["worker"], registry=registry).labels("2").set(1)

    (family,) = merged({"parent": told(registry)})

    assert [one.labels for one in family.samples] == [{"worker": "2"}]
