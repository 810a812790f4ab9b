"""The metrics of a process: named alike, documented, and nowhere but in their own registry."""

import re
from pathlib import Path

import pytest
from prometheus_client import REGISTRY, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from kordon_proxy.holds import Hold
from kordon_proxy.metrics import Metrics
from kordon_proxy.workers.families import LABEL
from kordon_proxy.workers.metrics import ParentMetrics

DOCUMENT = Path(__file__).parents[2] / "docs" / "metrics.md"
UNBOUNDED = {"topic", "group", "principal", "client_id", "user", "peer", "connection_id", "transactional_id"}


@pytest.fixture
def metrics() -> Metrics:
    """Metrics of which every one has a value."""
    metrics = Metrics()
    metrics.connections["main"].inc()
    metrics.connections_opened["main"].inc()
    metrics.connections_closed["main", "client"].inc()
    metrics.logins["main", "PLAIN", "success"].inc()
    metrics.refused_frames["too_large"].inc()
    metrics.bytes["Trading", "in"].inc(100)
    metrics.pauses["slow_client"].inc()
    metrics.pause_seconds["slow_client"].inc(0.5)
    metrics.requests["Fetch", "Trading", "allowed"].inc()
    metrics.decisions["TOPIC_INSPECT", "Allow"].inc()
    metrics.added_seconds["Fetch"].observe(0.0001)
    metrics.broker_seconds["Fetch"].observe(0.5)
    metrics.upstream_up["prod", "1"].set(1)
    metrics.unmapped_brokers["prod"].set(0)
    metrics.audit_sequence["w1"].set(42)
    metrics.audit_events["decision"].inc()
    metrics.audit_backlog["kafka"].set(0)
    metrics.audit_forwarded["kafka"].inc()
    metrics.audit_sink_up["kafka"].set(1)
    metrics.audit_given_up["webhook-ops"].inc()
    return metrics


def own_families(metrics: Metrics | ParentMetrics) -> dict[str, set[str]]:
    """Return the labels of each of Kordon's metrics by the name that Prometheus stores."""
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(generate_latest(metrics.registry).decode()):
        if family.name.startswith("kordon_") and not family.name.endswith("_created"):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            found[name] = {label for sample in family.samples for label in sample.labels if label != "le"}
    return found


def test_no_label_holds_what_a_client_chose(metrics: Metrics) -> None:
    for name, labels in own_families(metrics).items():
        assert not labels & UNBOUNDED, name


def test_every_metric_is_in_the_document_with_its_labels_and_no_other(metrics: Metrics) -> None:
    rows = re.findall(r"^\| `(kordon_\w+)` \|([^|]*)\|", DOCUMENT.read_text(), re.MULTILINE)

    documented = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}
    # With workers all samples have that label, and the table says so of those that have no other meaning.
    parents = {name: labels if "worker_" in name else labels - {LABEL} for name, labels in of_the_parent().items()}

    assert documented == {**parents, **own_families(metrics)}


def test_the_document_tells_of_every_reason_to_pause_and_of_no_other() -> None:
    told = re.search(r"^## Pauses\n(.*?)^## ", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)

    assert told is not None
    reasons = re.findall(r"^\| `([a-z-]+)` \|", told[1], re.MULTILINE)
    assert sorted(reasons) == sorted(Hold)


def of_the_parent() -> dict[str, set[str]]:
    """The metrics that the parent of workers has by itself."""
    parent = ParentMetrics(workers=2)
    parent.up(1, is_up=True)
    parent.restarted(1)
    return own_families(parent)


def test_values_come_out_under_their_labels(metrics: Metrics) -> None:
    value = metrics.registry.get_sample_value

    assert value("kordon_requests_total", {"api": "Fetch", "tenant": "Trading", "verdict": "allowed"}) == 1
    assert value("kordon_bytes_total", {"tenant": "Trading", "direction": "in"}) == 100
    assert value("kordon_connections", {"listener": "main"}) == 1
    assert value("kordon_added_seconds_bucket", {"api": "Fetch", "le": "0.0001"}) == 1


def test_a_child_is_made_once() -> None:
    metrics = Metrics()

    assert metrics.requests["Fetch", "T", "allowed"] is metrics.requests["Fetch", "T", "allowed"]
    assert metrics.connections["main"] is metrics.connections["main"]


def test_the_process_itself_is_shown(metrics: Metrics) -> None:
    text = generate_latest(metrics.registry).decode()

    for name in ("process_resident_memory_bytes", "python_gc_collections_total", "python_info", "kordon_build_info"):
        assert f"\n{name}" in text


def test_two_of_them_share_nothing_and_leave_the_librarys_registry_alone() -> None:
    before = generate_latest(REGISTRY).decode().count("kordon")
    first, second = Metrics(), Metrics()

    first.policy_epoch.set(7)

    assert second.registry.get_sample_value("kordon_policy_epoch") == 0
    assert generate_latest(REGISTRY).decode().count("kordon") == before == 0
