"""Two clusters with the same things in them: one judged by Kafka's own authorizer, one by Kordon, by the same rights.

What a thing is called begins with what Alice may do with it; for Kafka that is said by ACLs, for Kordon by a policy and
a view. Both clusters are filled in the same way, past whoever judges.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import NAMESPACE_OID, UUID, uuid5

from kordon_protocol.keys import ApiKey
from kordon_proxy.apis.bindings import CLUSTER, GROUP, LITERAL, PREFIXED, TOPIC, TRANSACTIONAL_ID, Binding
from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from tests.kafka import requests as ask
from tests.kafka import share_requests as share
from tests.kafka.access import access
from tests.kafka.neighbours import LASTING
from tests.kafka.requests import Things, errors_of
from tests.kafka.settlers import Settlers
from tests.kafka.tenants import eventually
from tests.kafka.wire import Gone, Reply, Wire
from tests.proxy.apis.acl_messages import binding, create
from tests.proxy.apis.messages import a_request

ALL, READ, WRITE, CREATE, DELETE, ALTER, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS = 2, 3, 4, 5, 6, 7, 8, 10, 11
"""Operations of Kafka's ACLs."""
ALICE, OLGA, BOB = "alice", "olga", "bob"
"""Who asks: with rights to some things, to the whole cluster, to nothing."""
PEOPLE: Final[Mapping[str, str]] = {name: f"{name}-secret" for name in (ALICE, OLGA, BOB)}
GRANTED: Final[Mapping[str, Mapping[int, tuple[int, ...]]]] = {
    "allowed": {TOPIC: (ALL,), GROUP: (ALL,), TRANSACTIONAL_ID: (ALL,)},
    "second": {TOPIC: (ALL,), GROUP: (ALL,), TRANSACTIONAL_ID: (ALL,)},
    "readable": {TOPIC: (READ,), GROUP: (READ,), TRANSACTIONAL_ID: (DESCRIBE,)},
    "writable": {TOPIC: (WRITE,), GROUP: (DESCRIBE,), TRANSACTIONAL_ID: (WRITE,)},
    "deletable": {TOPIC: (DELETE,), GROUP: (DELETE,), TRANSACTIONAL_ID: (DESCRIBE,)},
    "alterable": {TOPIC: (ALTER, ALTER_CONFIGS), GROUP: (DESCRIBE, ALTER_CONFIGS), TRANSACTIONAL_ID: (DESCRIBE,)},
    "creatable": {TOPIC: (CREATE,)},
    "visible": {
        TOPIC: (DESCRIBE, DESCRIBE_CONFIGS),
        GROUP: (DESCRIBE, DESCRIBE_CONFIGS),
        TRANSACTIONAL_ID: (DESCRIBE,),
    },
    "denied": {},
}
"""What Alice may do with what is called like that, as ACLs."""
ACTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "allowed": (
        "TOPIC_INSPECT",
        "TOPIC_PRODUCE",
        "TOPIC_CREATE",
        "TOPIC_EDIT",
        "TOPIC_DELETE",
        "TOPIC_TRUNCATE",
        "GROUP_CONSUME",
        "GROUP_EDIT",
        "GROUP_DELETE",
        "TRANSACTION_PRODUCE",
    ),
    "readable": ("TOPIC_INSPECT", "GROUP_CONSUME"),
    "writable": ("TOPIC_PRODUCE", "TRANSACTION_PRODUCE"),
    "deletable": ("TOPIC_DELETE", "TOPIC_TRUNCATE", "GROUP_DELETE"),
    "alterable": ("TOPIC_EDIT", "GROUP_EDIT"),
    "creatable": ("TOPIC_CREATE",),
    "visible": (),
}
"""The same as actions; all of these are in her view."""
ACTIONS_OF_ALL: Final = (
    *ACTIONS["allowed"],
    *("TOPIC_ELECT_LEADER", "TOPIC_ALTER_REASSIGNMENTS", "BROKER_EDIT", "BROKER_UNREGISTER"),
    *("ACL_EDIT", "QUOTA_EDIT", "PRODUCER_EDIT"),
)


def acls() -> Iterator[Binding]:
    """All rights of all, for Kafka."""
    for standing, kinds in GRANTED.items():
        for kind, operations in kinds.items():
            for operation in operations:
                yield binding(standing, f"User:{ALICE}", kind=kind, pattern=PREFIXED, operation=operation)
    for kind in (TOPIC, GROUP, TRANSACTIONAL_ID):
        yield binding("*", f"User:{OLGA}", kind=kind, operation=ALL)
    yield binding("kafka-cluster", f"User:{OLGA}", kind=CLUSTER, pattern=LITERAL, operation=ALL)


def policy() -> str:
    """The same for Kordon."""
    kinds = ("topic", "group", "transactional-id")
    seen = [name for name in GRANTED if name != "denied"]
    rules = [
        f"  - {{role: {ALICE}, effect: Allow, actions: [{', '.join(actions)}], resources: [{_paths(names, kinds)}]}}"
        for names, actions in ((_alike(name), actions) for name, actions in ACTIONS.items())
        if actions
    ]
    return "\n".join(
        (
            "policies:",
            *rules,
            f"  - {{role: {OLGA}, effect: Allow, actions: [{', '.join(ACTIONS_OF_ALL)}], resource: [cluster, '*']}}",
            "tenants:",
            f"  - {{name: Alice, roles: [{ALICE}], outside_view: denied, resources: [{{include: "
            f"[{_paths(seen, kinds)}]}}, {{exclude: [{_paths(['denied'], kinds)}]}}]}}",
            f"  - {{name: Olga, roles: [{OLGA}], outside_view: denied, resources: [{{include: [[cluster, '*'], "
            '[cluster, "*", topic, "__*"]]}]}',
            f"  - {{name: Bob, roles: [{BOB}], outside_view: denied, "
            "resources: [{include: [[cluster, '*', topic, nothing]]}]}",
            "",
        )
    )


def _alike(name: str) -> list[str]:
    return [name, "second"] if name == "allowed" else [name]


def _paths(names: Iterable[str], kinds: Iterable[str]) -> str:
    return ", ".join(f'[cluster, "*", {kind}, "{name}*"]' for name in names for kind in kinds)


class World(Settlers):
    """One of the two clusters, and the door to it where people are judged."""

    shared_topics: Final = ("allowed", "second", "readable")

    def __init__(self, kafka: Kafka, kordon: Kordon | None = None, doors: str = "") -> None:
        """`doors`: what the names of Kordon's listeners end with."""
        super().__init__(Wire(kafka.bootstrap, "direct"))
        self._suffix = doors
        self.kafka = kafka
        self.kordon = kordon
        self.case = ""
        """What the names of new things end with."""
        self.used: dict[str, Things] = {}
        """By topic, those that the requests since `begin` were about."""
        self.labels: dict[object, str] = {}
        """What ids that differ between clusters stand for."""
        self._settled: dict[tuple[str, str], Things] = {}
        self._doors: dict[str, Wire] = {}
        self._fresh: list[Things] = []

    def settle(self) -> None:
        """Make the coordinators find their topics, and what many requests are about."""
        for key_type in (0, 1):
            self._ask(ask.find_coordinator(4, "first", key_type=key_type))

    def grant(self) -> None:
        """Give the rights, and return when they are in force."""
        self._ask(create(3, *acls()))
        eventually(lambda: not errors_of(self.door(ALICE).ask(ask.describe_groups(5, "allowed")).message))
        eventually(lambda: not errors_of(self.door(OLGA).ask(ask.list_all_moves(0)).message))

    def close(self) -> None:
        for wire in (self.wire, *self._doors.values()):
            wire.close()

    def door(self, who: str) -> Wire:
        """Where this person is known and judged."""
        if who not in self._doors:
            self._doors[who] = self._enter(who)
        return self._doors[who]

    def _enter(self, who: str) -> Wire:
        if self.kordon is not None:
            return Wire(self.kordon.listener(f"{who}{self._suffix}"))
        wire = Wire(self.kafka.listener("SASL_PLAINTEXT"))
        wire.ask(a_request(ApiKey.SASL_HANDSHAKE, 1, mechanism="PLAIN"))
        token = f"\0{who}\0{PEOPLE[who]}".encode()
        answer = wire.ask(a_request(ApiKey.SASL_AUTHENTICATE, 2, auth_bytes=token)).message
        assert not errors_of(answer), answer
        return wire

    def answer(self, who: str, request: Any) -> Reply | None:
        """None: the connection is closed instead."""
        try:
            return self.door(who).ask(request)
        except (Gone, ConnectionError):
            self._doors.pop(who).close()
            return None

    @property
    def host(self) -> str:
        """A host in ACLs that only this world has."""
        host = "10.0.0.1" if self.kordon is None else "10.0.0.2"
        self.labels[host] = "a host"
        return host

    def own_acls(self, acls: Iterable[Binding]) -> Iterator[Binding]:
        """Those that nobody makes in the other world of the same cluster."""
        return (one for one in acls if one.host in ("*", self.host))

    def guarded(self, one: Binding) -> Binding:
        """An ACL, which is there from now on."""
        self._ask(create(3, one))
        eventually(lambda: one in self.rights()[0])
        return one

    # ---- things

    def __call__(self, standing: str, kind: str = "idle") -> Things:
        """What is there from the beginning: a topic, and a group of this kind that works on it."""
        if (standing, kind) not in self._settled:
            self._settled[standing, kind] = self._named(self._make(standing, kind, f"{standing}-{kind}"))
            self._made(kind, self._settled[standing, kind])
        found = self._settled[standing, kind]
        self.used[found.topic] = found
        return found

    def new(self, standing: str, kind: str = "topic") -> Things:
        """The same, made for this one request."""
        made = self._named(self._make(standing, kind, f"{standing}-{kind}-{self.case}"))
        self.used[made.topic] = made
        self._made(kind, made)
        return made

    def _made(self, kind: str, things: Things) -> None:
        if kind != "producer":  # which has no topic
            self._fresh.append(things)

    def missing(self, standing: str) -> Things:
        """What is not there, under a name of its own."""
        name = f"{standing}-missing-{self.case}"
        topic_id = uuid5(NAMESPACE_OID, name)
        things = Things(topic=name, topic_id=topic_id, group=name, transactional_id=name)
        self.labels[topic_id] = self.labels[str(topic_id)] = f"id of {name}"
        self.used[name] = things
        return things

    def _make(self, standing: str, kind: str, name: str) -> Things:
        makers: Mapping[str, Callable[[Things], Things]] = {
            "topic": lambda things: things,
            "records": lambda things: things,
            "idle": self._idle,
            "classic": self._classic,
            "consumer": self._consumer,
            "flow": self._flow,
            "shared": self.shared,
            "unshared": self._unshared,
            "sharing": self._sharing,
            "idle, mixed": lambda things: self._idle_on(things, things, self("denied")),
            "classic, mixed": lambda things: self._classic(things, things, self("denied")),
            "consumer, mixed": lambda things: self._consumer(things, things, self("denied")),
            "shared, mixed": lambda things: self.shared(things, things, self("denied")),
            "producer": self._producer,
            "open": lambda things: self._transaction(things, ended=None),
        }
        name = name.replace(", ", "-")
        if kind == "producer":
            return makers[kind](Things(topic=name, topic_id=UUID(int=0), group=name, transactional_id=name))
        things = self._a_topic(name)
        if kind != "topic":
            self.write(things)
        return makers[kind](things)

    def _unshared(self, things: Things) -> Things:
        """A share group that nobody is in any more."""
        things = self.shared(things)
        self._ask(share.beat(1, things, epoch=-1))
        return things

    def _idle_on(self, things: Things, *topics: Things) -> Things:
        self._ask(ask.commit(9, things, *topics))
        return things

    def _sharing(self, things: Things) -> Things:
        """A share group that reads what Alice may read."""
        return self.shared(things, *(self(standing) for standing in self.shared_topics))

    def write(self, *topics: Things) -> None:
        """A record more in each."""
        if topics:
            self._ask(ask.produce(12, *topics))

    def _a_topic(self, name: str) -> Things:
        things = Things(topic=name, topic_id=UUID(int=0), group=name, transactional_id=name)
        made = self._ask(ask.create_topics(7, things, num_partitions=2))
        return replace(things, topic_id=made.topics[0].topic_id)

    def _named(self, things: Things) -> Things:
        self.labels |= {
            things.topic_id: things.topic,
            str(things.topic_id): things.topic,
            things.producer_id: f"producer of {things.topic}",
            things.member_id: f"member of {things.group}",
        }
        return things

    def begin(self) -> None:
        self.used = {}

    def known(self) -> None:
        """Return when whoever judges knows of all topics that were made."""
        if self._fresh:
            eventually(lambda: not errors_of(self.wire.ask(ask.list_offsets(11, *self._fresh)).message))
        if self.kordon is not None and self._fresh:
            wire = self.door(OLGA)
            eventually(lambda: not errors_of(wire.ask(ask.find_topics(12, *self._fresh, creating=False)).message))
        self._fresh = []

    def catch_up(self) -> None:
        """Let whoever judges know of the topics that the last requests have made: lists may be a second old."""
        self.door(OLGA).ask(ask.find_topics(12, *self.used.values(), creating=False))

    # ---- what is there

    def state(self, *, settings: bool = False) -> Iterator[tuple[str, Any]]:
        """All that there is of the things that were used, by what it is."""
        things = tuple(self.used.values())
        groups = tuple(one.group for one in things)
        resources = (*((ask.TOPIC, one.topic) for one in things), *((ask.GROUP, one.group) for one in things))
        requests: dict[str, Any] = {
            "topics": ask.find_topics(12, *things, creating=False),
            "ends": ask.list_offsets(11, *things),
            "beginnings": ask.list_offsets(11, *things, timestamp=-2),
            "members": ask.describe_groups(6, *groups),
            "new members": ask.describe_consumers(1, *groups),
            "flows": ask.describe_flows(0, *groups),
            "sharers": share.describe(1, *groups),
            "offsets": ask.fetch_many_offsets(9, *((one, None) for one in things)),
            "share offsets": share.describe_offsets(1, *((one, None) for one in things)),
            "transactions": ask.describe_transactions(*(one.transactional_id for one in things)),
            "moves": ask.list_all_moves(0),
        }
        if settings:
            requests["settings"] = ask.describe_settings(4, *resources)
        replies = self.wire.ask_all(requests.values())
        yield from ((name, reply.message) for name, reply in zip(requests, replies, strict=True))

    def rights(self) -> Any:
        return access(self.wire)


@dataclass(frozen=True, slots=True)
class Worlds:
    """Kafka with its authorizer, Kafka without one behind Kordon, and Kordon before the first."""

    kafka: World
    kordon: World
    guarded: World


BEFORE_THE_FIRST: Final = "-guarded"


@contextmanager
def all_worlds() -> Iterator[Worlds]:
    """Start them, and give the rights."""
    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        judging = Kafka(users=PEOPLE, authorizer=True, auto_create_topics=True, properties=LASTING)
        plain = Kafka(auto_create_topics=True, properties=LASTING)
        for started in [pool.submit(stack.enter_context, kafka) for kafka in (judging, plain)]:
            started.result()
        doors = {who: {"identity": {"principal": who, "roles": [who]}} for who in PEOPLE}
        others = {f"{who}{BEFORE_THE_FIRST}": {**door, "cluster": "guarded"} for who, door in doors.items()}
        kordon = stack.enter_context(
            Kordon(
                clusters={"prod": plain.bootstrap, "guarded": judging.bootstrap},
                policy=policy(),
                listeners={**doors, **others},
            )
        )
        worlds = Worlds(World(judging), World(plain, kordon), World(judging, kordon, BEFORE_THE_FIRST))
        for world in (worlds.kafka, worlds.kordon, worlds.guarded):
            stack.callback(world.close)
        for _ in pool.map(World.settle, (worlds.kafka, worlds.kordon)):
            pass
        worlds.kafka.grant()
        yield worlds
