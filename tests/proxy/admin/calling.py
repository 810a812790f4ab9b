"""The admin API of a process, called without a network."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from kordon_proxy.admin.api import PREFIX, create_app
from kordon_proxy.admin.process import Process
from kordon_proxy.audit.log import AuditLog
from kordon_proxy.explaining.live import Live
from kordon_proxy.identity.directory import Directory
from kordon_proxy.identity.tokens import Token, Tokens, new_token
from kordon_proxy.inspection.inspector import Inspector
from kordon_proxy.metrics import Metrics
from kordon_proxy.schedule import Rules, Schedule
from kordon_proxy.staging import Staging
from kordon_proxy.upstream import Upstream
from tests.proxy import granting
from tests.proxy.audit.events import SOURCE, a_config

POLICY: Final = """\
admin_roles: [owners, outsiders]
policies:
  - {resource: [cluster, prod, group, "trade_*"], effect: Allow, actions: [GROUP_EDIT], role: owners}
tenants:
  - {name: Trading, resources: [{include: [cluster, "*", group, "trade_*"]}], roles: [owners, devs]}
  - {name: Payments, resources: [{include: [cluster, "*", group, "pay_*"]}], roles: [outsiders, owners]}
"""
HOLDERS: Final = {"ann": "owners", "dana": "devs", "oscar": "outsiders", "guest": "guests"}
ADDRESS: Final = f"http://kordon{PREFIX}"


@dataclass
class Api:
    """The API, and what becomes of its calls."""

    client: httpx.AsyncClient
    process: Process
    granted: granting.Process
    folder: Path
    tokens: dict[str, str] = field(default_factory=dict)
    reloads: int = 0

    async def call(
        self, method: str, path: str, by: str = "ann", body: Any = None, tenant: str | None = None, **more: Any
    ) -> httpx.Response:
        """One call of somebody who has a token."""
        headers = {"Authorization": f"Bearer {self.tokens[by]}"} | ({"Kordon-Tenant": tenant} if tenant else {})
        content = None if body is None else body if isinstance(body, bytes) else json.dumps(body)
        return await self.client.request(method, f"{ADDRESS}{path}", headers=headers, content=content, **more)

    async def made(self, by: str = "ann", **asked: Any) -> dict[str, Any]:
        """A temporary policy that somebody makes."""
        answer = await self.call("POST", "/temporary-policies", by, granting.a_body(**asked))
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()["temporary_policy"]
        return made

    def told(self) -> list[dict[str, Any]]:
        """What is in the audit, in order."""
        return granting.told(self.folder)


@asynccontextmanager
async def an_api(folder: Path, upstreams: Mapping[str, Upstream] | None = None) -> AsyncIterator[Api]:
    """The API of a process with a policy, a store and an audit log of its own. upstreams: none unless given."""
    (folder / "rbac.yaml").write_text(POLICY)
    audit = AuditLog(a_config(folder / "audit-one"), source=SOURCE, metrics=Metrics())
    await audit.start()
    try:
        async with granting.a_process(folder, "grants", log=_Shared(audit)) as granted:
            tokens = {name: new_token(name) for name in HOLDERS}
            known = Tokens(
                by_id={
                    name: Token(id=name, principal=name, roles=frozenset({HOLDERS[name]}), sha256=digest)
                    for name, (_, digest) in tokens.items()
                }
            )
            directory = Directory(tokens=known)

            async def reload() -> list[dict[str, Any]]:
                api.reloads += 1
                return [{"epoch": granted.policies.snapshot.epoch, "failure": granted.policies.last_failure}]

            async def connections() -> dict[str, int]:
                return {"dana": 3}

            async def status() -> dict[str, Any]:
                return {"version": "0", "epoch": granted.policies.snapshot.epoch, "instance": "one"}

            schedule = Schedule(granted.ledger, granted.policies, {}, Rules(places=lambda: granted.places))
            process = Process(
                policies=granted.policies,
                directory=lambda: directory,
                audit=audit,
                ledger=granted.ledger,
                grants=granted.grants,
                schedule=schedule,
                staging=Staging(granted.ledger, granted.policies, upstreams or {}, schedule),
                inspector=Inspector(()),
                upstreams=upstreams or {},
                fixed={"side": ("svc", frozenset({"devs"}))},
                live=Live(granted.policies, granted.grants, lambda: directory, upstreams or {}, ()),
                connections=connections,
                reload=reload,
                status=status,
            )
            transport = httpx.ASGITransport(create_app(process), client=("192.0.2.9", 7))
            async with httpx.AsyncClient(transport=transport) as client:
                api = Api(client, process, granted, folder, {name: text for name, (text, _) in tokens.items()})
                yield api
    finally:
        await audit.close()


class _Shared(granting.Log):
    """The process's audit log, so that all of it is in one."""

    def __init__(self, audit: AuditLog) -> None:
        super().__init__()
        self._audit = audit

    def record(self, event: Any, on_durable: Any = None) -> None:
        self._audit.record(event, on_durable)
