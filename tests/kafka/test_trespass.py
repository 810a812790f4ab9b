"""Ways to get at what is outside the view that have been tried, each of which leads nowhere."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import product
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from kordon_protocol.consumer_protocol import assigned_topics
from kordon_protocol.keys import ApiKey
from tests.kafka import requests as ask
from tests.kafka.fixtures import Fresh
from tests.kafka.neighbours import PASSWORD, Neighbours
from tests.kafka.requests import GROUP, TOPIC, Things, errors_of
from tests.kafka.tenants import eventually
from tests.kafka.wire import Gone, Wire, a_batch
from tests.proxy.apis.consumer_bytes import a_subscription, an_assignment
from tests.proxy.apis.verdicts import a_request

UNKNOWN, UNKNOWN_ID = 3, 100


# A topic that a tenant's group reads is in the view: so nobody must be able to say that a group reads one.


@pytest.fixture
def group_of(neighbours: Neighbours, fresh: Fresh) -> Callable[[], Things]:
    """Acme's own topic with a group that does not exist yet."""
    return lambda: replace(neighbours.own, group=fresh("acme-claim"), member_id="", instance_id=None)


@pytest.fixture
def lent(neighbours: Neighbours, fresh: Fresh) -> Iterator[Callable[[Things], Things]]:
    """Lends a new topic of somebody else's to a group: commits for it at the broker. Returns when Acme sees it."""
    groups: list[str] = []

    def lend(to: Things) -> Things:
        with neighbours.direct() as wire, neighbours.through() as acme:
            name = fresh("lent")
            topic = Things(topic=name, topic_id=UUID(int=0), group=name, transactional_id=name)
            made = wire.ask(ask.create_topics(7, topic)).message
            topic = replace(topic, topic_id=made.topics[0].topic_id)
            eventually(lambda: not errors_of(wire.ask(ask.commit(9, to, topic)).message))
            groups.append(to.group)
            eventually(lambda: not errors_of(acme.ask(ask.find_topics(12, topic, creating=False)).message))
        return topic

    yield lend
    with neighbours.direct() as wire:
        wire.ask(ask.delete_groups(2, *groups))


def sees(neighbours: Neighbours, things: Things) -> bool:
    with neighbours.through() as wire:
        by_name = wire.ask(ask.find_topics(12, things, creating=False)).message
        by_id = wire.ask(ask.fetch(13, things)).message
    return not (errors_of(by_name) == [UNKNOWN] and errors_of(by_id) == [UNKNOWN_ID])


def raw(version: int, *names: bytes, user_data: bytes) -> bytes:
    """An assignment of the first two partitions of each of these topics, whatever the bytes of their names are."""
    parts = b"".join(len(name).to_bytes(2, "big") + name + bytes.fromhex("000000020000000000000001") for name in names)
    return version.to_bytes(2, "big") + len(names).to_bytes(4, "big") + parts + user_data


NONE: Final = b"\xff\xff\xff\xff"
FORGED: Final[dict[str, Callable[[bytes], bytes]]] = {
    "readable": lambda name: raw(3, name, user_data=NONE),
    "with a name that is not UTF-8": lambda name: raw(0, name, b"\xff", user_data=NONE),
    "with user data shorter than nothing": lambda name: raw(1, name, user_data=b"\xff\xff\xff\xfe"),
    "of a version to come": lambda name: raw(99, name, user_data=NONE),
}


SAID: Final = ((0, None), (4, None), (5, "consumer"), (5, "connect"), (5, None))
"""Versions of SyncGroup, and what they say of the protocol."""


def test_no_leader_assigns_a_topic_into_its_view(
    neighbours: Neighbours, group_of: Callable[[], Things], lent: Callable[[Things], Things]
) -> None:
    """Kafka reads assignments that it should not, and makes them the group's when the group moves to KIP-848."""
    foreign = neighbours.foreign[0]
    with neighbours.through() as wire, neighbours.direct() as direct:
        for forged, (version, protocol_type) in product(FORGED.values(), SAID):
            # Given
            member = replace(group_of(), instance_id="static")
            joined = wire.ask(ask.join(9, member, member.topic)).message
            member = replace(member, member_id=joined.member_id, generation=joined.generation_id)

            # When
            assignment = forged(foreign.topic.encode())
            wire.ask(ask.sync(version, member, protocol_type=protocol_type, assignment=assignment))
            newcomer = replace(member, member_id=str(uuid4()), instance_id=None)
            assert errors_of(wire.ask(ask.beat(1, newcomer, member.topic)).message) == []

            # Then
            (group,) = direct.ask(ask.describe_consumers(1, member.group)).message.groups
            assert len(group.members) == 2
            assigned = {part.topic_name for one in group.members for part in one.assignment.topic_partitions}
            assert assigned <= {member.topic}
        lent(group_of())  # by now Kordon has looked what all groups read
        assert not sees(neighbours, foreign)


def test_no_claim_of_any_kind_brings_a_topic_into_the_view(
    neighbours: Neighbours, group_of: Callable[[], Things], lent: Callable[[Things], Things]
) -> None:
    foreign, state = neighbours.foreign[2], neighbours.state()
    groups = [group_of() for _ in range(4)]
    classic, new, other, produced = groups
    with neighbours.through() as wire:
        # When
        joined = wire.ask(ask.join(3, classic, metadata=a_subscription(classic.topic, foreign.topic))).message
        member = replace(classic, member_id=joined.member_id, generation=joined.generation_id)
        wire.ask(ask.sync(3, member, classic.topic, foreign.topic))
        new = replace(new, member_id=str(uuid4()))
        owned = ask.owned(1, new, foreign)
        wire.ask(ask.beat(1, new, new.topic, foreign.topic, topic_partitions=owned, subscribed_topic_regex=".*"))
        claims = [
            *(ask.commit(version, member, foreign, member=True) for version in (2, 9, 10)),
            *(ask.commit(version, other, foreign) for version in (2, 9, 10)),
            *(
                ask.commit_in_transaction(version, neighbours.own, produced, foreign, member=False)
                for version in range(6)
            ),
        ]
        codes = {code for reply in wire.ask_all(claims) for code in errors_of(reply.message)}

        # Then
        assert codes == {UNKNOWN, UNKNOWN_ID}
        assert neighbours.state() == state
        lent(group_of())
        assert not sees(neighbours, foreign)
        wire.ask_all([ask.leave(2, member, member.member_id), ask.beat(1, new, epoch=-1)])


def test_what_is_lent_to_a_group_is_not_lent_on_and_can_be_taken_back(
    neighbours: Neighbours, group_of: Callable[[], Things], lent: Callable[[Things], Things]
) -> None:
    borrower, another = group_of(), group_of()
    topic = lent(borrower)
    with neighbours.through() as wire:
        assert errors_of(wire.ask(ask.commit(9, borrower, topic)).message) == []
        assert errors_of(wire.ask(ask.commit(9, another, topic)).message) == [UNKNOWN]
        assert errors_of(wire.ask(ask.commit(10, another, topic)).message) == [UNKNOWN_ID]
        assert errors_of(wire.ask(ask.create_topics(7, topic)).message) == [29]

        # When
        with neighbours.direct() as direct:
            direct.ask(ask.delete_groups(2, borrower.group))
        eventually(lambda: not sees(neighbours, topic))

        # Then
        by_id: list[Any] = [
            ask.find_topics_by_id(12, topic),
            ask.produce(13, topic),
            ask.fetch(17, topic),
            ask.delete_topics_by_id(6, topic),
            ask.commit(10, borrower, topic),
        ]
        assert [errors_of(reply.message) for reply in wire.ask_all(by_id)] == [[UNKNOWN_ID]] * len(by_id)


def test_a_leader_from_elsewhere_gives_a_member_nothing_that_is_not_the_tenants(
    neighbours: Neighbours, group_of: Callable[[], Things]
) -> None:
    group, hidden = group_of(), neighbours.foreign[1].topic
    with neighbours.direct() as leads, neighbours.through() as follows:
        # Given
        first = leads.ask(ask.join(3, group, group.topic, hidden)).message
        leader = replace(group, member_id=first.member_id)
        follows.send(ask.join(3, group, group.topic))
        eventually(lambda: errors_of(leads.ask(ask.heartbeat(3, leader)).message))
        leads.ask(ask.join(3, leader, group.topic, hidden, member_id=leader.member_id))
        joined = follows.receive().message
        leader, follower = (
            replace(group, member_id=one.member_id, generation=joined.generation_id) for one in (first, joined)
        )

        # When
        follows.send(replace(ask.sync(3, follower), assignments=()))
        given = ask.assigned_to(3, follower.member_id, an_assignment(hidden, group.topic))
        leads.ask(replace(ask.sync(3, leader), assignments=(given,)))

        # Then
        told = follows.receive()
        assert assigned_topics(told.message.assignment) == (group.topic,)
        assert not neighbours.traces(told)
        for wire, one in ((follows, follower), (leads, leader)):
            wire.ask(ask.leave(2, one, one.member_id))


# Fetch sessions belong to nobody at the broker


@pytest.mark.parametrize("version", [7, 12, 13, 18])
def test_a_fetch_session_of_others_can_be_neither_used_nor_ended(neighbours: Neighbours, version: int) -> None:
    foreign, own = neighbours.foreign[2], neighbours.own
    with neighbours.through("globex") as globex, neighbours.through() as acme, neighbours.through() as same:
        # Given
        session = globex.ask(ask.fetch(version, foreign, session=(0, 0))).message.session_id
        mine = acme.ask(ask.fetch(version, own, session=(0, 0))).message.session_id
        assert session
        assert mine
        since = len(neighbours.tap.heard)

        # When
        stolen = [
            wire.ask(ask.fetch(version, *topics, session=(number, epoch)))
            for wire, number in ((acme, session), (same, session), (same, mine))
            for topics in ((), (own,), (foreign,))
            for epoch in (1, 2, 2**31 - 1)
        ]
        heard = neighbours.tap.requests("client", since)
        ended = [acme.ask(ask.fetch(version, own, session=(session, epoch))) for epoch in (0, -1, -2, -(2**31))]

        # Then
        assert {(int(reply.message.error_code), reply.message.responses) for reply in stolen} == {(70, ())}
        assert heard == {}
        assert not [reply for reply in ended if neighbours.traces(reply) or reply.message.session_id == session]
        for wire, number in ((globex, session), (acme, mine)):
            answer = wire.ask(ask.fetch(version, session=(number, 1))).message
            assert (int(answer.error_code), answer.session_id) == (0, number)


# Transactions are told apart by numbers that anybody can guess


def test_nobody_acts_for_the_producer_of_another_by_its_numbers(neighbours: Neighbours) -> None:
    victim, idle, state = neighbours.foreign[0], neighbours.idle, neighbours.state()
    forged = replace(neighbours.own, producer_id=victim.producer_id, producer_epoch=victim.producer_epoch)
    batch = a_batch(
        b"forged",
        producer_id=victim.producer_id,
        producer_epoch=victim.producer_epoch,
        sequence=1,
        transactional=True,
    )
    with neighbours.through() as wire:
        forgeries = [
            *(ask.end_transaction(version, forged, committed=False) for version in range(6)),
            *(ask.end_transaction(version, forged, committed=True) for version in range(6)),
            *(ask.produce(version, forged, by=forged, batch=batch) for version in range(3, 14)),
            *(ask.produce(version, forged, batch=batch) for version in range(3, 14)),
            *(ask.add_partitions(version, forged, forged) for version in range(4)),
            *(ask.add_offsets(version, forged, forged.group) for version in range(5)),
            *(ask.commit_in_transaction(version, forged, idle, forged, member=False) for version in range(6)),
            *(ask.init_producer(version, forged, again=True) for version in range(3, 6)),
        ]
        replies = wire.ask_all(forgeries)

    assert all(errors_of(reply.message) for reply in replies)
    assert neighbours.state() == state


# What belongs to the cluster

CLUSTER_RESOURCES: Final = [
    *((kind, name) for kind in (4, 8) for name in ("1", "01", "+1", "", "0", "x")),
    *((16, name) for name in ("metrics", "")),
]


def test_no_setting_of_a_broker_is_shown_or_altered(neighbours: Neighbours) -> None:
    since = len(neighbours.tap.heard)
    setting = ("log.cleaner.threads", "1")
    with neighbours.through() as wire:
        described = wire.ask_all(ask.describe_settings(4, resource) for resource in CLUSTER_RESOURCES)
        altered = wire.ask_all(ask.alter_settings(1, one, setting=setting) for one in CLUSTER_RESOURCES)

    assert {tuple(errors_of(reply.message)) for reply in (*described, *altered)} == {(31,)}
    assert not [reply for reply in described if reply.message.results[0].configs]
    assert neighbours.tap.requests("client", since) == {}


# Names that are none

ODD_NAMES: Final = (
    "",
    "*",
    "acme.*",
    "ACME.PAY",
    "Globex.pay",
    "globex.pay ",
    " acme.pay",
    "acme.pay\0",
    "acme.\0",
    "acme.vault.",
    "acme.vault.pay\n",
    "../globex.pay",
    "acme.../globex.pay",
    "ａcme.pay",
    "acme.\u202epay",
    "acme.é",
    "\ufeffacme.pay",
    "acme." + "x" * 245,
    "acme." + "x" * 32_000,
    "é" * 16_000,
)


@pytest.mark.parametrize("name", ODD_NAMES, ids=lambda name: ascii(name)[:24])
def test_a_name_that_is_odd_is_just_a_name(neighbours: Neighbours, name: str) -> None:
    it, own, state = (
        Things(topic=name, topic_id=uuid4(), group=name, transactional_id=name),
        neighbours.own,
        neighbours.state(),
    )
    questions: list[Any] = [
        *(ask.find_topics(version, own, it) for version in (0, 4, 9, 13)),
        ask.describe_topics(0, own, it),
        ask.list_offsets(11, own, it),
        ask.fetch(12, own, it),
        ask.produce(12, it),
        ask.create_topics(7, it, only_validate=True),
        ask.delete_topics(6, it),
        ask.truncate(2, it),
        ask.grow_topics(3, it),
        ask.describe_settings(4, (TOPIC, name), (GROUP, name)),
        *(ask.find_coordinator(version, name) for version in (0, 6)),
        ask.find_coordinator(6, name, own.group, key_type=1),
        ask.describe_groups(6, own.group, name),
        ask.describe_consumers(1, name),
        ask.delete_groups(2, name),
        ask.fetch_all_offsets(9, it),
        ask.fetch_offsets(9, neighbours.idle, it),
        ask.commit(9, neighbours.idle, it),
        ask.init_producer(5, it),
        ask.add_partitions(3, own, it),
    ]
    with neighbours.through() as wire:
        replies = wire.ask_all(questions)
        wire.ask_all([ask.delete_groups(2, name)])

    assert not [mark for reply in replies for mark in neighbours.traces(reply) if mark not in name.encode()]
    assert neighbours.state() == state


# What is sent before anybody knows who sends it


def a_token(user: str, password: str = PASSWORD) -> bytes:
    return f"\0{user}\0{password}".encode()


def login(user: str, password: str = PASSWORD) -> list[Any]:
    return [
        a_request(ApiKey.SASL_HANDSHAKE, 1, mechanism="PLAIN"),
        a_request(ApiKey.SASL_AUTHENTICATE, 2, auth_bytes=a_token(user, password)),
    ]


def answers_until_the_end(wire: Wire, count: int) -> list[Any]:
    """As many answers as come before the connection ends."""
    found: list[Any] = []
    with suppress(Gone, ConnectionResetError):
        while len(found) < count:
            found.append(wire.receive().message)
    return found


EVERYTHING: Final = ask.find_all_topics(12)


def told(answers: Iterable[Any]) -> set[str]:
    """The topics and brokers that answers name."""
    metadata = [one for one in answers if one.__api_key__ == ApiKey.METADATA]
    return {name for one in metadata for name in (*(t.name for t in one.topics), *(b.host for b in one.brokers))}


def test_what_is_sent_together_with_a_login_is_judged_by_it(neighbours: Neighbours) -> None:
    acmes, globexs = neighbours.own.topic, neighbours.foreign[0].topic
    for user, own, foreign in (("alice", acmes, globexs), ("gus", globexs, acmes)):
        with neighbours.through("door") as wire:
            replies = [reply.message for reply in wire.ask_all([*login(user), EVERYTHING])]
        assert own in told(replies)
        assert foreign not in told(replies)


@pytest.mark.parametrize(
    "requests",
    [
        [EVERYTHING],
        [login("alice")[0], EVERYTHING],
        [*login("alice", "a-wrong-password"), EVERYTHING],
        [login("alice")[1], EVERYTHING],
        [login("alice")[0], login("alice")[0], EVERYTHING],
    ],
    ids=["nothing", "a handshake", "a wrong password", "no handshake", "two handshakes"],
)
def test_what_is_sent_without_a_login_tells_nothing(neighbours: Neighbours, requests: list[Any]) -> None:
    since = len(neighbours.tap.heard)
    with neighbours.through("door") as wire:
        wire.send(*requests, EVERYTHING)
        found = answers_until_the_end(wire, len(requests) + 1)

    assert len(found) <= len(requests)  # the connection has ended
    assert told(found) == set()
    assert neighbours.tap.requests("client", since) == {}


def test_nobody_becomes_another_on_a_connection_that_he_has(neighbours: Neighbours) -> None:
    with neighbours.through("door") as wire:
        wire.ask_all(login("alice"))
        assert neighbours.own.topic in told([wire.ask(EVERYTHING).message])
        wire.send(*login("gus"), EVERYTHING)
        assert neighbours.foreign[0].topic not in told(answers_until_the_end(wire, 3))
