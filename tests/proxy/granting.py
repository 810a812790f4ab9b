"""Processes that share a store of temporary policies, in one event loop, each with an audit log of its own."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from kordon_policy.actions import Action, Domain, Kind
from kordon_policy.model import Compat
from kordon_policy.temporary import TemporaryPolicy
from kordon_proxy.asking import Places
from kordon_proxy.audit.event import Event, Who
from kordon_proxy.audit.log import AuditLog
from kordon_proxy.audit.tail import read_events
from kordon_proxy.clock import Clock
from kordon_proxy.grants import Grants, Rules
from kordon_proxy.metrics import Metrics
from kordon_proxy.policies import Policies
from kordon_proxy.store.interface import Store
from kordon_proxy.store.ledger import Ledger
from kordon_proxy.store.sqlite import SqliteStore
from tests.proxy.audit.events import SOURCE, a_config

POLICY: Final = """\
admin_roles: [owners, outsiders]
policies:
  - {resource: [cluster, prod, group, "trade_*"], effect: Allow, actions: [GROUP_EDIT], role: owners}
tenants:
  - {name: Trading, resources: [{include: [cluster, "*", group, "trade_*"]}], roles: [owners, devs]}
  - {name: Payments, resources: [{include: [cluster, "*", group, "pay_*"]}], roles: [outsiders]}
"""
ANN: Final = Who(principal="ann", roles=("owners",), tenant="Trading", peer="192.0.2.7:1")
PROD: Final = frozenset({"prod"})
HOUR: Final = 3_600_000
NOON: Final = 1_771_978_189_708


class Clocks:
    """A clock on the wall, which may be set, and one that only goes forward. In ms."""

    def __init__(self) -> None:
        self.wall, self.monotonic = NOON, 5_000

    def pass_by(self, ms: int) -> None:
        self.wall += ms
        self.monotonic += ms

    @property
    def clock(self) -> Clock:
        return Clock(wall=lambda: self.wall, monotonic=lambda: self.monotonic)


class Log:
    """An audit log of which a test says whether it can be written, and when it is."""

    def __init__(self) -> None:
        self.healthy = True
        self.flushes = True
        self.events: list[Event] = []
        self._waiting: list[Callable[[], None]] = []

    def record(self, event: Event, on_durable: Callable[[], None] | None = None) -> None:
        self.events.append(event)
        if on_durable is not None:
            self._waiting.append(on_durable)
        if self.flushes:
            self.flush()

    def flush(self) -> None:
        """All of it is on disk."""
        for on_durable in self._waiting:
            on_durable()
        self._waiting.clear()


@dataclass
class Process:
    grants: Grants
    ledger: Ledger
    policies: Policies
    places: Places = field(default_factory=lambda: Places(known={Domain.CLUSTER: [PROD]}, complete=True))

    def may_edit(self, group: str = "trade_b2", principal: str = "dana") -> bool:
        """Whether the devs may, and dana among them."""
        rights = self.policies.current().rights(frozenset({"devs"}), PROD, principal)
        return rights.decide(Action.GROUP_EDIT, Kind.GROUP, group).allowed

    async def create(self, group: str = "trade_b2", who: Who = ANN, **asked: Any) -> TemporaryPolicy:
        made = await self.grants.create(a_body(group, **asked), who)
        assert made.policy is not None
        return made.policy

    def state(self, policy_id: str) -> str:
        (found,) = (one for one in self.grants.all if one.id == policy_id)
        return found.state.value


def a_body(group: str = "trade_b2", effect: str = "Allow", **asked: Any) -> dict[str, Any]:
    policy = {
        "role": "devs",
        "actions": ["GROUP_EDIT"],
        "effect": effect,
        "resource": ["cluster", "prod", "group", group],
    }
    return {"duration_ms": HOUR, "reason": "poison", "ticket": "OPS-7", "policy": policy} | asked


def file_of(folder: Path) -> Path:
    return folder / "kordon.db"


@asynccontextmanager
async def a_process(
    folder: Path,
    name: str = "one",
    clocks: Clocks | None = None,
    *,
    store: Store | None = None,
    log: Log | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[Process]:
    """One that has started. What it tells the audit is in `told`."""
    policy = folder / "rbac.yaml"
    if not policy.exists():
        policy.write_text(POLICY)
    clock = clock or (clocks or Clocks()).clock
    policies = Policies(policy, Compat(), clock=clock.wall)
    policies.load()
    audit = AuditLog(a_config(folder / f"audit-{name}"), source=SOURCE, metrics=Metrics())
    await audit.start()
    rules = Rules(places=lambda: process.places, compat=Compat())
    ledger = Ledger(store or SqliteStore(file_of(folder), name), log or audit, writer=name, clock=clock)
    process = Process(Grants(ledger, policies, rules), ledger, policies)
    try:
        await ledger.start()
        yield process
        await ledger.close()
    finally:
        await audit.close()


def told(folder: Path, name: str = "*") -> list[dict[str, Any]]:
    """What is in the audit logs, sorted by policy and revision."""
    events = [event for log in folder.glob(f"audit-{name}") for event in read_events(log)]
    return sorted(events, key=lambda event: str(event["id"]))


def ids(folder: Path, name: str = "*") -> Counter[str]:
    """How often each event was told, by what happened."""
    return Counter(event["data"]["what"]["action"].removeprefix("TEMPORARY_POLICY_") for event in told(folder, name))


async def stepped(*processes: Process, times: int = 1) -> None:
    for _ in range(times):
        await asyncio.gather(*(process.ledger.step() for process in processes))


async def until_told(folder: Path, *happened: str, by: Sequence[Process]) -> None:
    """Step until these are in the logs, each once, and nothing else."""
    for _ in range(200):
        await stepped(*by)
        if ids(folder) == Counter(happened):
            return
        await asyncio.sleep(0.01)
    assert ids(folder) == Counter(happened)


async def until_taken_out(folder: Path, *, by: Sequence[Process]) -> None:
    """Step until nothing is left that the audit has not been told."""
    for _ in range(200):
        await stepped(*by)
        if not untold(folder):
            return
        await asyncio.sleep(0.01)
    assert untold(folder) == []


def untold(folder: Path) -> list[str]:
    """The ids of the events in the outbox."""
    database = sqlite3.connect(file_of(folder))
    found = [row[0] for row in database.execute("SELECT id FROM outbox")]
    database.close()
    return found
