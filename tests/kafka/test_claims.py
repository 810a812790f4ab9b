"""A topic that a group of the tenant's reads is in the view, so nobody must be able to claim that a group reads one."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from kordon_protocol.consumer_protocol import assigned_topics
from tests.kafka import requests as ask
from tests.kafka.fixtures import Fresh
from tests.kafka.neighbours import Neighbours
from tests.kafka.requests import Things, errors_of
from tests.kafka.tenants import eventually
from tests.proxy.apis.consumer_bytes import a_subscription, an_assignment

UNKNOWN, UNKNOWN_ID = 3, 100


@pytest.fixture
def group_of(neighbours: Neighbours, fresh: Fresh) -> Callable[[], Things]:
    """Acme's own topic with a group that does not exist yet."""
    return lambda: replace(neighbours.own, group=fresh("acme-claim"), member_id="", instance_id=None)


@pytest.fixture
def lent(neighbours: Neighbours, fresh: Fresh) -> Iterator[Callable[[Things], Things]]:
    """Lends a new topic of somebody else's to a group: commits for it at the broker. Returns when Acme sees it."""
    given: list[tuple[str, Things]] = []

    def lend(to: Things) -> Things:
        with neighbours.direct() as wire, neighbours.through() as acme:
            name = fresh("lent")
            topic = Things(topic=name, topic_id=UUID(int=0), group=name, transactional_id=name)
            made = wire.ask(ask.create_topics(7, topic)).message
            topic = replace(topic, topic_id=made.topics[0].topic_id)
            given.append((to.group, topic))
            eventually(lambda: not errors_of(wire.ask(ask.commit(9, to, topic)).message))
            eventually(lambda: not errors_of(acme.ask(ask.find_topics(12, topic, creating=False)).message))
        return topic

    yield lend
    topics = [topic for _, topic in given]
    with neighbours.direct() as wire, neighbours.through() as acme:
        wire.ask(ask.delete_groups(2, *(group for group, _ in given)))
        wire.ask(ask.delete_topics(6, *topics))
        acme.ask(ask.delete_topics_by_id(6, *topics))  # an id makes Kordon look at once
    eventually(lambda: not any(sees(neighbours, topic) for topic in topics))


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
        given = ask.assigned_to(3, follower.member_id, an_assignment(hidden, group.topic, user_data=hidden.encode()))
        leads.ask(replace(ask.sync(3, leader), assignments=(given,)))

        # Then
        told = follows.receive()
        assert assigned_topics(told.message.assignment) == (group.topic,)
        assert not neighbours.traces(told)
        for wire, one in ((follows, follower), (leads, leader)):
            wire.ask(ask.leave(2, one, one.member_id))
