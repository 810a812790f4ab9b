"""An administrator who makes temporary policies from another process's place: through the store that Kordons share."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final, TypeVar

from kordon_policy.actions import Domain
from kordon_policy.model import Compat
from kordon_policy.temporary import TemporaryPolicy
from kordon_proxy.asking import Places
from kordon_proxy.audit.event import Who
from kordon_proxy.grants import Grants, Rules
from kordon_proxy.policies import Policies
from kordon_proxy.store.ledger import Ledger
from tests.kafka.looping import Looping
from tests.kafka.tenants import eventually
from tests.proxy.granting import Log
from tests.proxy.store.given import SharedStore

T = TypeVar("T")

ADA: Final = Who(principal="ada", roles=("admin",), tenant="Everything")


class Grantor(Looping):
    """Has no audit log that can be written: what is to be told of its changes, the Kordons have to tell."""

    def __init__(self, store: SharedStore, policy: Path) -> None:
        super().__init__()
        self._store, self._policy = store, policy

    async def _open(self) -> None:
        policies = Policies(self._policy, Compat())
        policies.load()
        log = Log()
        log.healthy = False
        places = Places(known={Domain.CLUSTER: [frozenset({"prod"})]}, complete=True)
        rules = Rules(places=lambda: places, compat=Compat())
        self._ledger = Ledger(self._store.make("grantor"), log, writer="grantor")
        self._grants = Grants(self._ledger, policies, rules)
        await self._ledger.start()

    async def _close(self) -> None:
        await self._ledger.close()
        await super()._close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def create(self, action: str, *resource: str, effect: str = "Allow", **asked: Any) -> TemporaryPolicy:
        """For the traders, for an hour unless said otherwise."""
        rule = {"role": "traders", "actions": [action], "effect": effect, "resource": ["cluster", "prod", *resource]}
        self._run(self._ledger.step())
        made = self._run(self._grants.create({"duration_ms": 3_600_000, "policy": rule} | asked, ADA))
        assert made.policy is not None
        return made.policy

    def end_soon(self, made: TemporaryPolicy) -> None:
        """By itself. So a test can see it in force first, however slow the machine is."""
        self._run(self._ledger.step())
        self._run(self._grants.renew(made.id, {"duration_ms": 1_500}, ADA))

    def revoke(self, made: TemporaryPolicy) -> None:
        self._run(self._ledger.step())
        self._run(self._grants.revoke(made.id, ADA, "done"))

    def wait_for_the_store(self) -> None:
        eventually(lambda: self._run(self._can()))

    async def _can(self) -> bool:
        await self._ledger.step()
        return self._ledger.problem is None
