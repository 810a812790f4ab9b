"""Processes that stage what their clients ask for: sessions without sockets, a store on disk, brokers with sockets."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

from kordon_policy.staged import StagedMutation
from kordon_protocol.keys import ApiKey
from kordon_proxy.audit.event import Event, EventType, Who
from kordon_proxy.cluster.picture import Broker as SeenBroker
from kordon_proxy.cluster.watch import Settings
from kordon_proxy.staging import Rules, Staging
from kordon_proxy.store.entries import change_lines
from kordon_proxy.store.interface import Step, Store, StoreUnavailable
from kordon_proxy.store.kafka_appender import MOST_BYTES
from kordon_proxy.store.ledger import Ledger
from kordon_proxy.store.sqlite import SqliteStore
from kordon_proxy.table import APIS
from tests.proxy.apis.messages import a_request, a_response, said
from tests.proxy.cluster.brokers import Broker, speaks
from tests.proxy.cluster.loops import until
from tests.proxy.granting import Clocks, Log, file_of
from tests.proxy.judging.worlds import a_picture
from tests.proxy.sessions import Connected, Links, World, a_snapshot, a_world, spoken

POLICY: Final = """
admin_roles: [owners, clerks]
policies:
  - {resource: [cluster, prod, topic, "tx_*"], effect: Allow, actions: [TOPIC_DELETE, TOPIC_CREATE, TOPIC_EDIT, TOPIC_TRUNCATE], roles: [devs, owners]}
  - {resource: [cluster, prod, topic, "tx_keep*"], effect: Stage, actions: [TOPIC_DELETE, TOPIC_CREATE, TOPIC_EDIT, TOPIC_TRUNCATE], roles: [devs, owners]}
  - {resource: [cluster, prod, topic, "tx_never*"], effect: Deny, actions: [TOPIC_DELETE], role: devs}
  - {resource: [cluster, prod, group, "g_*"], effect: Allow, actions: [GROUP_EDIT, GROUP_DELETE, GROUP_CONSUME], roles: [devs, owners]}
  - {resource: [cluster, prod, group, "g_*"], effect: Stage, actions: [GROUP_EDIT, GROUP_DELETE], role: devs}
  - {resource: [cluster, prod, principal, "User:app"], effect: Allow, actions: [ACL_EDIT], roles: [devs, owners]}
  - {resource: [cluster, prod, principal, "User:app"], effect: Stage, actions: [ACL_EDIT], role: devs}
tenants:
  - name: Trading
    roles: [devs, owners, clerks]
    resources: [{include: [[cluster, prod, topic, "tx_*"], [cluster, prod, group, "g_*"], [cluster, prod, principal, "User:app"]]}]
  - {name: Payments, roles: [owners], resources: [{include: [cluster, prod, topic, "pay_*"]}]}
"""  # noqa: E501 -- a policy a line
TOPICS: Final = ("tx_one", "tx_keep", "tx_keep_2", "tx_never", "pay_one")
TINA: Final = Who(principal="tina", roles=("devs",), tenant="Trading")
DANA: Final = Who(principal="dana", roles=("devs",), tenant="Trading")
OLGA: Final = Who(principal="olga", roles=("owners",), tenant="Trading")
CLARA: Final = Who(principal="clara", roles=("clerks",), tenant="Trading")
OSCAR: Final = Who(principal="oscar", roles=("owners",), tenant="Payments")


@dataclass
class Stage:
    """One process. brokers: those of its cluster, by id."""

    world: World
    staging: Staging
    ledger: Ledger
    log: Log
    brokers: Mapping[int, Broker]

    def connect(self, broker_id: int | None = None) -> Connected:
        return self.world.connect(broker_id)

    def answers_with(self, key: ApiKey, answer: Any) -> None:
        """What all brokers answer to Kordon's own requests."""
        for broker in self.brokers.values():
            broker.on[key] = answer

    def put_in_force(self, policy: str) -> None:
        self.world.policies.snapshot = a_snapshot(policy, epoch=self.world.policies.snapshot.epoch + 1)

    def one(self, mutation_id: str) -> StagedMutation:
        """A mutation as it is known here."""
        (found,) = (one for one in self.staged() if one.id == mutation_id)
        return found

    def staged(self, who: Who = TINA) -> list[StagedMutation]:
        """Those that somebody sees, in the order in which they came."""
        seen = (one[0] for one in self.staging.seen_by(who) if one is not None)
        return sorted(seen, key=lambda one: (one.created_ts, one.id))

    async def waits(self, *requests: Any) -> StagedMutation:
        """What of these requests waits, after they have been answered."""
        client = self.connect()
        for request in requests:
            await answered(client, client.sends(request))
        (found,) = self.staged()
        return found

    async def waits_besides(self, request: Any) -> StagedMutation:
        """What of a request waits, beside others that are over."""
        client = self.connect()
        await answered(client, client.sends(request))
        (found,) = (one for one in self.staged() if not one.state.final)
        return found

    async def until_over(self, mutation_id: str) -> StagedMutation:
        """Step until it is over."""
        while not self.one(mutation_id).state.final:
            await self.ledger.step()
            await asyncio.sleep(0.005)
        return self.one(mutation_id)

    def asked(self, key: ApiKey) -> list[Any]:
        """The requests of an API that have come to any broker from Kordon itself."""
        return [request for broker in self.brokers.values() for request in broker.asked_for(key)]

    @property
    def events(self) -> list[Event]:
        """What the audit was told of staged mutations."""
        return [event for event in self.log.events if event.type is EventType.STAGED_MUTATION]

    async def told(self) -> list[str]:
        """What has happened, as the audit was told."""
        await self.ledger.step()
        return [str(event.what.action).removeprefix("STAGED_MUTATION_") for event in self.events]


class HeldStore(SqliteStore):
    """Changes wait while it is held, and fail while it is away."""

    def __init__(self, folder: Path) -> None:
        super().__init__(file_of(folder), "one")
        self.asked, self.goes_on = asyncio.Event(), asyncio.Event()
        self.away = False

    async def take(self, step: Step) -> bool:
        self.asked.set()
        await self.goes_on.wait()
        if self.away:
            raise StoreUnavailable("the store cannot be written: no space left")
        return await super().take(step)


class SmallStore(SqliteStore):
    """It takes as much at a time as a topic of Kafka's does."""

    def __init__(self, folder: Path) -> None:
        super().__init__(file_of(folder), "one")

    async def take(self, step: Step) -> bool:
        lines = change_lines("store", "one", "attempt", step)
        if sum(len(line.key) + len(line.value or b"") for line in lines) > MOST_BYTES:
            raise StoreUnavailable("it is too large")
        return await super().take(step)


@asynccontextmanager
async def a_stage(
    links: Links,
    folder: Path,
    *,
    policy: str = POLICY,
    name: str = "one",
    clocks: Clocks | None = None,
    store: Store | None = None,
    rules: Rules | None = None,
) -> AsyncIterator[Stage]:
    """A process whose brokers have every API that Kordon admits."""
    own = {1: Broker(), 2: Broker()}
    for broker in own.values():
        broker.on = {ApiKey.API_VERSIONS: speaks({**spoken(), ApiKey.API_VERSIONS: (0, 4)})}
        await broker.start()
    picture = replace(
        a_picture(TOPICS),
        api_versions=spoken(APIS),
        brokers={
            number: SeenBroker(id=number, host=broker.address[0], port=broker.address[1], rack=None)
            for number, broker in own.items()
        },
    )
    world = a_world(links, policy=policy, picture=picture)
    cast("Any", world.cluster).settings = Settings(name="prod", bootstrap=())
    log = Log()
    clock = (clocks or Clocks()).clock
    ledger = Ledger(store or SqliteStore(file_of(folder), name), log, writer=name, clock=clock)
    staging = Staging(ledger, cast("Any", world.policies), {"prod": world.listener.upstream}, rules=rules or Rules())
    world.listener.staging = staging
    await ledger.start()
    try:
        yield Stage(world, staging, ledger, log, own)
        await staging.close()
        await ledger.close()
    finally:
        for broker in own.values():
            await broker.stop()


async def answered(client: Connected, number: int) -> Any:
    """The answer to a request, when it has come."""
    answers: dict[int, Any] = {}

    def has_come() -> bool:
        answers.update(client.answers())
        return number in answers

    await until(has_come)
    return answers[number]


def delete(*names: str) -> Any:
    return a_request(ApiKey.DELETE_TOPICS, 5, topic_names=names)


def deleted(request: Any) -> Any:
    """A broker's answer to it: all are gone."""
    responses = (said(ApiKey.DELETE_TOPICS, 5, "responses", name=name) for name in request.topic_names)
    return a_response(ApiKey.DELETE_TOPICS, 5, responses=tuple(responses))
