"""One real cluster that two tenants cut apart, full of things that the one has and the other must not find.

Acme has `acme.…` and `acme-…` without `acme.vault.…`; Globex has what stands before it in the alphabet, in its midst
and behind it. Policies allow everybody everything, so that the view alone stands between them. Between Kordon and
Kafka there is a tap, and Kafka creates topics that are asked for. It has an authorizer, to which Kordon may do all.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pytest

from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from kordon_proxy.identity import users_edit
from tests.kafka import share_requests as share
from tests.kafka.access import access
from tests.kafka.access import settle as settle_access
from tests.kafka.requests import (
    GROUP,
    LONG,
    TOPIC,
    Things,
    describe_consumers,
    describe_flows,
    describe_groups,
    describe_producers,
    describe_settings,
    describe_transactions,
    fetch_many_offsets,
    find_all_topics,
    list_groups,
    list_offsets,
)
from tests.kafka.settlers import Settlers
from tests.kafka.wire import Reply, Tap, Wire

POLICY: Final = """\
policies:
  - resource: [cluster, prod]
    effect: Allow
    actions: [TOPIC_INSPECT, TOPIC_PRODUCE, TOPIC_CREATE, TOPIC_EDIT, TOPIC_DELETE, TOPIC_TRUNCATE, GROUP_CONSUME,
              GROUP_EDIT, GROUP_DELETE, TRANSACTION_PRODUCE, TOPIC_ELECT_LEADER, TOPIC_ALTER_REASSIGNMENTS, ACL_EDIT,
              QUOTA_EDIT]
    roles: [acme, strict, globex, worker, keeper]
  - resource: [cluster, prod]
    effect: Allow
    actions: [BROKER_EDIT]
    roles: [acme, strict, globex, keeper]
  - resource: [cluster, prod]
    effect: Allow
    actions: [TOPIC_INSPECT, TOPIC_PRODUCE, GROUP_CONSUME, TRANSACTION_PRODUCE]
    role: reader
  - resource: [cluster, prod, topic, "acme.secret.*"]
    effect: Deny
    actions: [TOPIC_INSPECT, TOPIC_PRODUCE]
    role: reader
tenants:
  - name: Acme
    resources: &acme
      - &acmes
        include:
          - [cluster, prod, topic, "acme.*"]
          - [cluster, prod, group, "acme-*"]
          - [cluster, prod, transactional-id, "acme-*"]
          - [cluster, prod, principal, "User:acme-*"]
      - &vault
        exclude:
          - [cluster, prod, topic, "acme.vault.*"]
          - [cluster, prod, group, "acme-vault-*"]
          - [cluster, prod, transactional-id, "acme-vault-*"]
          - [cluster, prod, principal, "User:acme-vault-*"]
    roles: [acme, reader]
  - name: Strict
    resources: *acme
    roles: [strict]
    outside_view: denied
  - name: Works
    resources:
      - include: [cluster, prod, broker, "*"]
      - *acmes
      - *vault
    roles: [worker, keeper]
  - name: Globex
    resources:
      - include:
          - [cluster, prod, topic, "abba.*"]
          - [cluster, prod, group, "abba-*"]
          - [cluster, prod, transactional-id, "abba-*"]
          - [cluster, prod, principal, "User:abba-*"]
      - include:
          - [cluster, prod, topic, "acme.vault.*"]
          - [cluster, prod, group, "acme-vault-*"]
          - [cluster, prod, transactional-id, "acme-vault-*"]
          - [cluster, prod, principal, "User:acme-vault-*"]
      - include:
          - [cluster, prod, topic, "globex.*"]
          - [cluster, prod, group, "globex-*"]
          - [cluster, prod, transactional-id, "globex-*"]
          - [cluster, prod, principal, "User:globex-*"]
    roles: [globex]
"""
LISTENERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "acme": {"identity": {"principal": "alice", "roles": ["acme"]}},
    "strict": {"identity": {"principal": "sue", "roles": ["strict"]}},
    "globex": {"identity": {"principal": "gus", "roles": ["globex"]}},
    "worker": {"identity": {"principal": "walt", "roles": ["worker"]}},
    "keeper": {"identity": {"principal": "kim", "roles": ["keeper"]}},
    "reader": {"identity": {"principal": "rita", "roles": ["reader"]}},
    "door": {"sasl": {"PLAIN": "staff"}},
}
PASSWORD: Final = "a-password-of-everybodys"

SESSION: Final = int(LONG.total_seconds() * 1000)
LOCK: Final = 3_600_000
LASTING: Final[Mapping[str, object]] = {
    "group.max.session.timeout.ms": SESSION,
    "group.consumer.max.session.timeout.ms": SESSION,
    "group.consumer.session.timeout.ms": SESSION,
    "group.share.max.session.timeout.ms": SESSION,
    "group.share.session.timeout.ms": SESSION,
    # What a member has got and not accepted stays his, or the group's offsets would move by themselves.
    "group.share.max.record.lock.duration.ms": LOCK,
    "group.share.record.lock.duration.ms": LOCK,
    "group.streams.max.session.timeout.ms": SESSION,
    "group.streams.session.timeout.ms": SESSION,
    "group.streams.initial.rebalance.delay.ms": 0,
    "transaction.max.timeout.ms": SESSION,
    # At once: else what a member is told depends on how many milliseconds ago another came.
    "group.consumer.assignor.offload.enable": "false",
    "group.consumer.assignment.interval.ms": 0,
}
"""Settings of a broker by which members and transactions outlive all tests, and consumers are assigned theirs at
once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """The cluster, and who has what in it."""

    kafka: Kafka
    tap: Tap
    kordon: Kordon
    foreign: tuple[Things, ...]
    """What Globex has, and one topic that is Kafka's own."""
    missing: tuple[Things, ...]
    """Their counterparts that do not exist, in the same order."""
    own: Things
    """Acme's, with a consumer in the middle of its work."""
    idle: Things
    """Acme's too, and nobody is at it."""
    secret: Things
    """A topic of Acme's that a reader may neither read nor write."""
    mixed: tuple[Things, ...]
    """Groups of Acme's, which somebody at the broker has made work on Globex's topics too: idle, classic, new."""

    @property
    def shared(self) -> Things:
        """A share group of Acme's, which somebody at the broker has made work on one of Globex's topics too."""
        return replace(self.own, group="acme-share", instance_id=None)

    @property
    def marks(self) -> tuple[bytes, ...]:
        """What Acme must never get to see: names and ids of others, the real addresses, the real cluster id."""
        (node,) = self.kafka.nodes.values()
        ports = (node.listeners["PLAINTEXT"], self.tap.port)
        addresses = (mark for port in ports for mark in (port.to_bytes(4, "big"), f":{port}".encode()))
        names = {mark for things in self.foreign for mark in things.marks}
        return (self.kafka.cluster_id.encode(), *addresses, *names)

    def traces(self, reply: Reply, *, besides: Things | None = None) -> list[bytes]:
        """The marks that an answer has; what was asked for it may say."""
        asked = () if besides is None else besides.marks
        return [mark for mark in self.marks if mark in reply.frame and mark not in asked]

    def direct(self) -> Wire:
        """A connection to Kafka that nobody overhears."""
        (node,) = self.kafka.nodes.values()
        return Wire(node.address("PLAINTEXT"), "direct")

    def through(self, listener: str = "acme", client_id: str = "client") -> Wire:
        """A connection through Kordon; Acme's unless another listener is named."""
        return Wire(self.kordon.listener(listener), client_id)

    def state(self) -> tuple[Any, ...]:
        """All that there is of what Acme must not touch, and of what must not come into being."""
        things = (*self.foreign, *self.missing)
        topics = tuple({one.topic: one for one in self.foreign if not one.topic.startswith("__")}.values())
        groups = tuple({one.group: None for one in things})
        settings = (*((TOPIC, one.topic) for one in topics), *((GROUP, group) for group in groups))
        with self.direct() as wire:
            everything, listed, *rest = (
                reply.message
                for reply in wire.ask_all(
                    [
                        find_all_topics(12),
                        list_groups(5),
                        describe_groups(6, *groups),
                        describe_consumers(1, *groups),
                        describe_flows(0, *groups),
                        share.describe(1, *groups),
                        share.describe_offsets(1, *((one, None) for one in topics)),
                        fetch_many_offsets(9, *((one, None) for one in topics)),
                        *(list_offsets(11, *topics, timestamp=timestamp) for timestamp in (-1, -2)),
                        describe_settings(4, *settings),
                        describe_transactions(*{one.transactional_id: None for one in things}),
                        describe_producers(*topics),
                    ]
                )
            )
            acls, quotas, credentials = access(wire)
        names = {topic.name: (topic.topic_id, len(topic.partitions)) for topic in everything.topics}
        outside = {name: found for name, found in names.items() if not is_acmes(name)}
        groups_outside = {group.group_id: group for group in listed.groups if not is_acmes(group.group_id)}
        foreign_access = (
            {acl for acl in acls if not (is_acmes(acl.resource_name) and is_acmes(acl.principal))},
            {quota: values for quota, values in quotas.items() if not is_acmes(dict(quota).get("user") or "")},
            {user: found for user, found in credentials.items() if not is_acmes(user)},
        )
        return outside, groups_outside, foreign_access, *rest


def is_acmes(name: str) -> bool:
    """Whether Acme sees what has this name; of a principal, that of its user."""
    name = name.removeprefix("User:")
    return name.startswith(("acme.", "acme-")) and not name.startswith(("acme.vault.", "acme-vault-"))


def a_cluster(tap: Tap) -> Kafka:
    """One node behind the tap, with an authorizer, where members and transactions outlive all tests."""
    return Kafka(
        authorizer=True,
        auto_create_topics=True,
        properties={
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{tap.port}",
            **LASTING,
        },
    )


def a_kordon(tap: Tap, users: Path, *, inference: str = "1s") -> Kordon:
    """Kordon in front of the tap. `inference`: how often it looks at what groups consume from."""
    if not users.exists():
        with users_edit.edit(users, create=True) as content:
            users_edit.add_user(content, "alice", PASSWORD, roles=("acme",))
            users_edit.add_user(content, "gus", PASSWORD, roles=("globex",))
    return Kordon(
        clusters={"prod": f"127.0.0.1:{tap.port}"},
        policy=POLICY,
        listeners=LISTENERS,
        settings={
            "inference": {"interval": inference},
            "providers": {"staff": {"type": "users", "file": "users.yaml"}},
        },
        files={"users.yaml": users.read_text()},
    )


@pytest.fixture(scope="session")
def neighbours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neighbours]:
    """The cluster with everything in it, and Kordon in front of it."""
    with settled(tmp_path_factory.mktemp("users")) as neighbours:
        yield neighbours


@contextmanager
def settled(folder: Path) -> Iterator[Neighbours]:
    """One more such cluster, for whoever wants one alone. `folder`: for the users' file."""
    with ExitStack() as stack:
        tap = Tap(lambda: ("127.0.0.1", next(iter(kafka.nodes.values())).listeners["PLAINTEXT"]))
        stack.enter_context(tap)
        kafka = stack.enter_context(a_cluster(tap))
        (node,) = kafka.nodes.values()
        with Wire(node.address("PLAINTEXT"), "direct") as wire:
            by = Settlers(wire)
            foreign, own, idle, secret = by.globex(), by.own(), by.idle(), by.topic("acme.secret")
            mixed = by.mixed(own, foreign[1])
            by.shared(replace(own, group="acme-share"), own, foreign[1])
            settle_access(wire, *foreign, own, idle, between=(own, foreign[2]))
        kordon = stack.enter_context(a_kordon(tap, folder / "users.yaml"))
        yield Neighbours(
            kafka=kafka,
            tap=tap,
            kordon=kordon,
            foreign=foreign,
            missing=tuple(things.without_trace() for things in foreign),
            own=own,
            idle=idle,
            secret=secret,
            mixed=mixed,
        )
