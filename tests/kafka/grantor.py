"""An administrator who makes temporary policies from another process's place: through the store that Kordons share."""

import asyncio
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from kordon_policy.actions import Domain
from kordon_policy.model import Compat
from kordon_policy.temporary import TemporaryPolicy
from kordon_proxy.audit.event import Who
from kordon_proxy.grants import Grants, Places, Rules
from kordon_proxy.policies import Policies
from kordon_proxy.store.ledger import Ledger
from kordon_proxy.store.sqlite import SqliteStore
from tests.proxy.granting import Log

ADA: Final = Who(principal="ada", roles=("admin",), tenant="Everything")


class Grantor:
    """Has no audit log that can be written: what is to be told of its changes, the Kordons have to tell."""

    def __init__(self, store: Path, policy: Path) -> None:
        self._runner = asyncio.Runner()
        self._store, self._policy = store, policy

    def __enter__(self) -> Self:
        self._runner.run(self._start())
        return self

    async def _start(self) -> None:
        policies = Policies(self._policy, Compat())
        policies.load()
        log = Log()
        log.healthy = False
        places = Places(known={Domain.CLUSTER: [frozenset({"prod"})]}, complete=True)
        rules = Rules(places=lambda: places, compat=Compat())
        self._ledger = Ledger(SqliteStore(self._store, "grantor"), log, writer="grantor")
        self._grants = Grants(self._ledger, policies, rules)
        await self._ledger.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runner.run(self._ledger.close())
        self._runner.close()

    def create(self, action: str, *resource: str, effect: str = "Allow", **asked: Any) -> TemporaryPolicy:
        """For the traders, for an hour unless said otherwise."""
        rule = {"role": "traders", "actions": [action], "effect": effect, "resource": ["cluster", "prod", *resource]}
        self._runner.run(self._ledger.step())
        made = self._runner.run(self._grants.create({"duration_ms": 3_600_000, "policy": rule} | asked, ADA))
        assert made.policy is not None
        return made.policy

    def end_soon(self, made: TemporaryPolicy) -> None:
        """By itself. So a test can see it in force first, however slow the machine is."""
        self._runner.run(self._ledger.step())
        self._runner.run(self._grants.renew(made.id, {"duration_ms": 1_500}, ADA))

    def revoke(self, made: TemporaryPolicy) -> None:
        self._runner.run(self._ledger.step())
        self._runner.run(self._grants.revoke(made.id, ADA, "done"))
