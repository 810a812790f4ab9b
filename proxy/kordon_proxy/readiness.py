"""What has to be well for clients to be sent here, part by part. Asked from the thread of the probes."""

from collections.abc import Iterable, Iterator

from .audit.log import AuditLog
from .health import Check
from .listener import Listener
from .policies import Policies
from .store.ledger import Ledger
from .upstream import Upstream


def audit_checks(audit: AuditLog) -> Iterator[Check]:
    """The journal, and each sink that takes no events."""
    failure = audit.failure
    yield Check(name="audit", ok=failure is None, detail=failure or "")
    for sink, reason in audit.failing.items():
        detail = f"does not take events: {reason}"
        yield Check(name=f"audit {sink}", ok=False, detail=detail, required=audit.needs(sink))


def store_check(ledger: Ledger) -> Check:
    """The store, which may be away for a while: what is known stays in force."""
    problem = ledger.problem
    return Check(name="store", ok=problem is None, detail=problem or "", required=ledger.stale)


def policy_check(policies: Policies) -> Check:
    """The policy file; the last good one stays in force."""
    failure = policies.last_failure
    return Check(name="policy", ok=failure is None, detail=failure or "", required=False)


def cluster_check(upstream: Upstream, listeners: Iterable[Listener]) -> Check:
    """A cluster, and whether its listeners have their ports."""
    state = upstream.cluster.state
    bound = all(one.bound for one in listeners if one.upstream is upstream)
    # Kordon's own connections may stand long after no new one can be made.
    fault = None if upstream.tls is None else upstream.tls.fault
    return Check(
        name=f"cluster {upstream.name}",
        ok=state.reachable and state.surveyed and bound and fault is None,
        detail=fault or state.error or ("" if state.surveyed else "the groups have not been asked yet"),
    )


def listener_checks(listener: Listener) -> Iterator[Check]:
    """Whether anybody can log in there, and whether each broker has its port."""
    if (why := listener.shut) is not None:
        yield Check(name=f"logins at {listener.name}", ok=False, detail=f"nobody can log in: {why}", required=False)
    without = listener.without_port
    detail = f"no port for brokers {sorted(without)}" if without else ""
    yield Check(name=f"listener {listener.name}", ok=not without, detail=detail)
