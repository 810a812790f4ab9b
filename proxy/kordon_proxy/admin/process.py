"""What the API works with: the parts of the running process."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kordon_proxy.audit.log import AuditLog
from kordon_proxy.explaining.live import Live
from kordon_proxy.grants import Grants
from kordon_proxy.identity.directory import Directory
from kordon_proxy.inspection.inspector import Inspector
from kordon_proxy.policies import Policies
from kordon_proxy.schedule import Schedule
from kordon_proxy.staging import Staging
from kordon_proxy.store.ledger import Ledger
from kordon_proxy.upstream import Upstream


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """The parts of one process that the API needs."""

    policies: Policies
    directory: Callable[[], Directory]
    audit: AuditLog
    ledger: Ledger
    grants: Grants
    schedule: Schedule
    staging: Staging
    inspector: Inspector
    upstreams: Mapping[str, Upstream]
    """By the names of the clusters."""
    fixed: Mapping[str, tuple[str, frozenset[str]]]
    """The principal and roles of each listener without a login, by its name."""
    live: Live
    """What questions about the policy are asked of."""
    connections: Callable[[], Awaitable[Mapping[str, int]]]
    """How many connections each principal has now."""
    reload: Callable[[], Awaitable[list[dict[str, Any]]]]
    """Look at the policy, users, groups and tokens files now. Says of each worker, or of the only process, what is in
    force there: `epoch`, `failure`, and `worker` where there are several."""
    status: Callable[[], Awaitable[dict[str, Any]]]
    """What the process is and how it is, for JSON."""
