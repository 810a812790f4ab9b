"""Every number that Kordon shows to Prometheus.

Labels come from closed sets (APIs, actions, configured tenants and listeners, reasons in the code), never from what a
client chose: no topic, group, principal or client id. Should a set turn out not to be closed, what comes beyond
`MOST_CHILDREN` is counted under `other`.

`metric[labels]` is the child for those labels, kept, so that the hot path pays one dictionary look-up:
`metrics.requests["Fetch", "Trading", "allowed"].inc()`. Counters and histograms with labels belong to the event loop's
thread; gauges, and counters without labels, may be set from any.
"""

from importlib.metadata import PackageNotFoundError, version
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Info,
    PlatformCollector,
    ProcessCollector,
)

from .counts import Counts, Spreads

# Kordon's own part takes microseconds, a broker's up to the half second of a long poll.
_ADDED_BOUNDS: Final = (0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0)
_BROKER_BOUNDS: Final = (0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0)


class Gauges(dict[str | tuple[str, ...], Gauge]):
    """The children of one gauge by their labels: a text where there is one label, else a tuple."""

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge

    def __missing__(self, key: str | tuple[str, ...]) -> Gauge:
        child = self[key] = self._gauge.labels(*((key,) if isinstance(key, str) else key))
        return child


class Metrics:
    """All metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self._clients()
        self._requests()
        self._policy()
        self._audit()
        self._process()

    def _clients(self) -> None:
        self.connections = self._gauges("connections", "Open client connections", "listener")
        self.connections_opened = self._counters("connections_opened", "Client connections accepted", "listener")
        self.connections_closed = self._counters("connections_closed", "Client connections ended", "listener", "reason")
        self.logins = self._counters("logins", "Logins of clients", "listener", "mechanism", "result")
        self.refused_frames = self._counters("refused_frames", "Frames refused before they were judged", "reason")
        self.bytes = self._counters("bytes", "Bytes relayed: in from clients, out to them", "tenant", "direction")
        self.pauses = self._counters("pauses", "Times that reading from one side was paused", "reason")
        self.pause_seconds = self._counters("pause_seconds", "Seconds that reading was paused", "reason")

    def _requests(self) -> None:
        self.requests = self._counters("requests", "Requests of clients, as answered", "api", "tenant", "verdict")
        self.decisions = self._counters("decisions", "Decisions of the policy", "action", "verdict")
        self.added_seconds = self._histograms(
            "added_seconds", "Time that Kordon added to a request, without the broker's", _ADDED_BOUNDS, "api"
        )
        self.broker_seconds = self._histograms(
            "broker_seconds", "Time from sending a request to the broker to its answer", _BROKER_BOUNDS, "api"
        )
        self.upstream_up = self._gauges("upstream_up", "1 while Kordon's own connection stands", "cluster", "broker")
        self.unmapped_brokers = self._gauges("unmapped_brokers", "Brokers without a port of ours", "cluster")

    def _policy(self) -> None:
        self.policy_epoch = self._gauge("policy_epoch", "Number of the policy snapshot in force")
        self.policy_loaded = self._gauge("policy_loaded_timestamp_seconds", "When the policy file in force was loaded")
        self.policy_reload_failures = self._counter("policy_reload_failures", "Policy files that were not taken over")
        self.temporary_policies = self._gauge("temporary_policies", "Temporary policies in force")
        self.staged_mutations = self._gauge("staged_mutations", "Staged mutations that wait for an approval")
        self.store_healthy = self._gauge("store_healthy", "1 while the store of temporary policies answers")
        self.users_reload_failures = self._counter(
            "users_reload_failures", "Users and groups files that were not taken over"
        )

    def _audit(self) -> None:
        self.audit_healthy = self._gauge("audit_healthy", "1 while the audit journal can be written")
        self.audit_waiting = self._gauge("audit_waiting", "Audit events that are not on disk yet")
        self.audit_journal_bytes = self._gauge("audit_journal_bytes", "Size of the audit journal on disk")
        self.audit_sequence = self._gauges("audit_sequence", "Number of the last audit event on disk", "writer")
        self.audit_events = self._counters("audit_events", "Audit events", "kind")
        self.audit_lost = self._counter("audit_events_lost", "Audit events without room (on_failure: continue)")
        self.audit_backlog = self._gauges("audit_backlog", "Audit events that a sink has not got yet", "sink")
        self.audit_sink_up = self._gauges("audit_sink_up", "1 while a sink takes audit events", "sink")
        self.audit_given_up = self._counters("audit_given_up", "Audit events that a webhook will not get", "sink")
        self.audit_forwarded = self._counters("audit_forwarded", "Audit events handed to a sink", "sink")

    def _process(self) -> None:
        self.event_loop_lag = self._gauge("event_loop_lag_seconds", "How late the event loop came to its last beat")
        self.unexpected_errors = self._counter("unexpected_errors", "Connections closed by an error nobody foresaw")
        self.draining = self._gauge("draining", "1 while Kordon is stopping")
        Info("kordon_build", "Which Kordon this is", registry=self.registry).info({"version": _version()})

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(f"kordon_{name}", text, registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"kordon_{name}", text, registry=self.registry)

    def _gauges(self, name: str, text: str, *labels: str) -> Gauges:
        return Gauges(Gauge(f"kordon_{name}", text, labels, registry=self.registry))

    def _counters(self, name: str, text: str, *labels: str) -> Counts:
        counts = Counts(f"kordon_{name}", text, *labels)
        self.registry.register(counts)
        return counts

    def _histograms(self, name: str, text: str, bounds: tuple[float, ...], *labels: str) -> Spreads:
        spreads = Spreads(f"kordon_{name}", text, bounds, *labels)
        self.registry.register(spreads)
        return spreads


def _version() -> str:
    try:
        return version("kordon")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "unknown"
