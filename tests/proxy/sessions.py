"""A session without sockets: a listener whose surroundings are fakes, a client's transport and a broker's link."""

import asyncio
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, cast

import pytest

from kordon_policy.load import load
from kordon_policy.snapshot import Snapshot, compile_snapshot
from kordon_protocol.codec import decode_response, request_frame, response_frame
from kordon_protocol.frames import FrameSplitter
from kordon_protocol.header import peek_request, peek_response
from kordon_protocol.keys import ApiKey
from kordon_proxy.audit.event import Event
from kordon_proxy.cluster.errors import UpstreamError
from kordon_proxy.cluster.picture import Picture
from kordon_proxy.cluster.watch import State
from kordon_proxy.config import listeners as config
from kordon_proxy.identity.directory import Directory, door_of
from kordon_proxy.identity.users import Users
from kordon_proxy.identity.values import Mechanism
from kordon_proxy.judging.table import Api
from kordon_proxy.link import BrokerLink
from kordon_proxy.listener import Listener
from kordon_proxy.memory import SIZE
from kordon_proxy.metrics import Metrics
from kordon_proxy.session import Session
from kordon_proxy.standings import Standings
from kordon_proxy.table import APIS
from kordon_proxy.upstream import Upstream
from tests.proxy.apis.messages import a_request, a_response
from tests.proxy.judging.worlds import a_picture

POLICY: Final = """
policies:
  - resource: [cluster, prod, topic, "tx_*"]
    effect: Allow
    actions: [TOPIC_INSPECT, TOPIC_PRODUCE, TOPIC_DELETE]
    role: devs
  - {resource: [cluster, prod, topic, "tx_secret*"], effect: Deny, actions: [TOPIC_INSPECT, TOPIC_PRODUCE], role: devs}
  - {resource: [cluster, prod, group, "g_*"], effect: Allow, actions: [GROUP_CONSUME], role: devs}
tenants:
  - name: Trading
    roles: [devs]
    resources: [{include: [[cluster, prod, topic, "tx_*"], [cluster, prod, group, "g_*"]]}]
"""
TOPICS: Final = ("tx_one", "tx_secret", "pay_one")
PEER: Final = ("127.0.0.1", 50123)
UNSAID: Final = object()


def a_snapshot(policy: str = POLICY, epoch: int = 1) -> Snapshot:
    document = load(policy, "rbac.yaml").document
    assert document is not None
    return compile_snapshot(document, epoch=epoch)


def spoken(apis: Mapping[int, Api] = APIS) -> dict[int, tuple[int, int]]:
    """Brokers that have every version that Kordon admits."""
    return {key: (api.versions.start, api.versions.stop - 1) for key, api in apis.items() if api.judge is not None}


def arrive(protocol: asyncio.BufferedProtocol, data: bytes) -> None:
    """As an event loop reads it."""
    for begin in range(0, len(data), SIZE):
        piece = data[begin : begin + SIZE]
        protocol.get_buffer(-1)[: len(piece)] = piece  # type: ignore[index]
        protocol.buffer_updated(len(piece))


class FakeTransport(asyncio.Transport):
    """A client's connection: what was written to it, and whether it is read from."""

    def __init__(self) -> None:
        super().__init__({"peername": PEER})
        self.written = b""
        self.reading = True
        self.closing = False
        self.aborted = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        self.written += b"".join(map(bytes, list_of_data))

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = self.aborted = True


class FakeLink:
    """A session's connection to the broker: what was sent over it, and whether it is read from."""

    def __init__(self, link: BrokerLink, address: tuple[str, int]) -> None:
        self.link = link
        self.address = address
        self.transport = FakeTransport()

    def comes_up(self) -> None:
        self.link.connection_made(self.transport)

    @property
    def sent(self) -> bytes:
        return self.transport.written

    @property
    def held(self) -> bool:
        return not self.transport.reading

    @property
    def closed(self) -> bool:
        return self.transport.closing


class Links:
    """Connects links in place of the network. `ready`: they are at once; `error`: they cannot be connected."""

    def __init__(self) -> None:
        self.made: list[FakeLink] = []
        self.ready = True
        self.error: Exception | None = None

    async def open(self, link: BrokerLink, host: str, port: int, _: object) -> None:
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        made = FakeLink(link, (host, port))
        self.made.append(made)
        if self.ready:
            made.comes_up()

    def of(self, session: Session) -> list[FakeLink]:
        return [made for made in self.made if made.link is session._link]


class FakeCluster:
    """As much of a watched cluster as sessions and listeners use."""

    def __init__(self, picture: Picture | None) -> None:
        self.picture = picture
        self.age = 0.0
        self.hints = 0
        self.hinted_groups: list[tuple[Any, ...]] = []
        self.refreshes = 0
        self.may_refresh = asyncio.Event()
        self.may_refresh.set()
        self.error: UpstreamError | None = None
        self.questions: list[Any] = []
        self.answer: Any = None
        self.answers: dict[int, Any] = {}
        """By API key; `answer` is that to all others."""

    @property
    def state(self) -> State:
        return State(
            reachable=self.error is None,
            error="no broker has answered yet" if self.picture is None else None,
            unreachable={},
            surveyed=True,
        )

    async def refresh(self, max_age: float) -> Picture | None:
        self.refreshes += 1
        await self.may_refresh.wait()
        if self.error is not None:
            raise self.error
        return self.picture

    async def ask(self, question: Any, broker_id: int | None = None) -> Any:
        self.questions.append((question, broker_id))
        await self.may_refresh.wait()
        if self.error is not None:
            raise self.error
        return self.answers.get(getattr(question, "__api_key__", -1), self.answer)

    def hint(self) -> None:
        self.hints += 1

    def hint_group(self, *what: Any) -> None:
        self.hinted_groups.append(what)


class FakeAudit:
    """Remembers events. While `stuck`, nothing becomes durable."""

    def __init__(self) -> None:
        self.accepts_mutations = True
        self.full = False
        self.stuck = False
        self.events: list[Event] = []
        self.tallies: list[tuple[Any, ...]] = []
        self._waiting: list[Callable[[], None]] = []

    def decision(self, event: Event, on_durable: Callable[[], None] | None = None) -> None:
        self.events.append(event)
        if on_durable is not None and self.stuck:
            self._waiting.append(on_durable)
        elif on_durable is not None:
            asyncio.get_running_loop().call_soon(on_durable)

    login = decision

    def tally(self, *what: Any) -> None:
        self.tallies.append(what)

    def recover(self) -> None:
        self.stuck = False
        waiting, self._waiting = self._waiting, []
        for durable in waiting:
            durable()


class FakePolicies:
    """The policy in force."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    def current(self) -> Snapshot:
        return self.snapshot

    def at(self, _: int) -> Snapshot:
        return self.snapshot


@dataclass
class World:
    """What stands around sessions. `listener` has all of it."""

    listener: Listener
    cluster: FakeCluster
    audit: FakeAudit
    policies: FakePolicies
    links: Links
    sessions: list["Connected"] = field(default_factory=list)

    def connect(self, broker_id: int | None = None) -> "Connected":
        """A client connects."""
        connected = Connected(self, broker_id)
        self.sessions.append(connected)
        return connected

    def metric(self, name: str, *labels: str) -> float:
        counts = getattr(self.listener.metrics, name)
        return float(counts[labels if len(labels) > 1 else labels[0]].value)


class Connected:
    """A client and its session."""

    def __init__(self, world: World, broker_id: int | None) -> None:
        self._ids = itertools.count(1)
        self._asked: dict[int, tuple[int, int]] = {}
        self._split = FrameSplitter(1 << 30)
        self._read = 0
        self._forwarded = 0
        self.world = world
        self.transport = FakeTransport()
        self.session = Session(world.listener, broker_id)
        self.session.connection_made(self.transport)

    def asks(self, key: int, version: int, **fields: Any) -> int:
        """Send a request; its correlation id."""
        return self.sends(a_request(key, version, **fields))

    def sends(self, message: Any) -> int:
        return self.sends_together([message])[0]

    def sends_together(self, messages: Iterable[Any], *, end: bytes = b"") -> list[int]:
        """Send requests in one piece, and anything behind them; their correlation ids."""
        frames = []
        for message in messages:
            number = next(self._ids)
            self._asked[number] = (message.__api_key__, message.__version__)
            frames.append((number, request_frame(message, number, "test")))
        arrive(self.session, b"".join(frame for _, frame in frames) + end)
        return [number for number, _ in frames]

    def sends_bytes(self, data: bytes) -> None:
        arrive(self.session, data)

    @property
    def link(self) -> FakeLink:
        (link,) = self.world.links.of(self.session)
        return link

    def frames(self) -> list[bytes]:
        """The answers that have come since the last call, without their length."""
        new = self.transport.written[self._read :]
        self._read = len(self.transport.written)
        return self._split.feed(new)

    def answers(self) -> dict[int, Any]:
        """The same, decoded, by correlation id, in the order in which they came."""
        found = {}
        for frame in self.frames():
            number = int.from_bytes(frame[:4], "big", signed=True)
            key, version = self._asked[number]
            found[number] = decode_response(key, version, frame, peek_response(frame, key, version).body_offset)
        return found

    def forwarded(self) -> list[int]:
        """The correlation ids of what has gone to the broker since the last call."""
        new, self._forwarded = self.link.sent[self._forwarded :], len(self.link.sent)
        return [peek_request(frame).correlation_id for frame in FrameSplitter(1 << 30).feed(new)]

    def broker_answers(self, number: int, **fields: Any) -> None:
        """The broker answers a request; fields that are not given have their defaults."""
        self.session.from_broker(self.broker_frame(number, **fields))

    def broker_frame(self, number: int, **fields: Any) -> bytes:
        """The broker answers in the version in which it was asked, which may be another one than the client's."""
        heads = map(peek_request, FrameSplitter(1 << 30).feed(bytes(self.link.sent)))
        sent = {head.correlation_id: head.api_version for head in heads}
        key, version = self._asked[number]
        return response_frame(a_response(key, sent.get(number, version), **fields), number)

    @property
    def open(self) -> bool:
        return not self.session.closed and not self.transport.closing


async def tick(times: int = 5) -> None:
    """Let the loop come round: what was to be called soon has been."""
    for _ in range(times):
        await asyncio.sleep(0)


@pytest.fixture
def links() -> Links:
    """Links without sockets, for all sessions of a test."""
    return Links()


def a_listener_section(**section: Any) -> config.Listener:
    given = {"name": "main", "bind": "127.0.0.1:9092", "cluster": "prod", **section}
    if "sasl" not in given:
        given.setdefault("identity", {"principal": "tina", "roles": ["devs"]})
    return config.Listener.model_validate(given)


def a_world(
    links: Links | None = None,
    *,
    policy: str = POLICY,
    picture: Picture | object | None = UNSAID,
    apis: Mapping[int, Api] = APIS,
    section: Mapping[str, Any] | None = None,
    limits: Mapping[str, Any] | None = None,
    users: Mapping[str, Users] | None = None,
    mechanisms: Mapping[str, Mechanism] | None = None,
) -> World:
    """A listener in front of three brokers. To be called in a loop."""
    settings = a_listener_section(**(section or {}))
    seen = replace(a_picture(TOPICS), api_versions=spoken(apis)) if picture is UNSAID else picture
    cluster = FakeCluster(cast("Picture | None", seen))
    audit, policies = FakeAudit(), FakePolicies(a_snapshot(policy))
    directory = Directory(doors={settings.name: door_of(settings)}, users=users or {})
    links = links or Links()
    listener = Listener(
        settings=settings,
        limits=config.Limits.model_validate(dict(limits or {})),
        instance="test",
        upstream=Upstream(
            cluster=cast("Any", cluster),
            name="prod",
            standings=Standings(frozenset({"prod"})),
            tls=None,
            logins=(),
            open_link=links.open,
        ),
        apis=apis,
        policies=cast("Any", policies),
        directory=lambda: directory,
        audit=cast("Any", audit),
        metrics=Metrics(),
        mechanisms=mechanisms or {},
    )
    return World(listener, cluster, audit, policies, links)


def heartbeat(group: str = "g_one", version: int = 4) -> Any:
    """A request that is forwarded as it is and relayed."""
    return a_request(ApiKey.HEARTBEAT, version, group_id=group, member_id="m")
