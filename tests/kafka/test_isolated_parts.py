"""What is allowed in a request happens, and is answered in its place, whatever is asked for beside it."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from kordon_protocol.keys import ApiKey
from kordon_protocol.outcomes import body_error_codes
from kordon_proxy.table import APIS
from tests.kafka import requests as ask
from tests.kafka.fixtures import Fresh
from tests.kafka.neighbours import Neighbours
from tests.kafka.requests import TOPIC, Things, errors_of
from tests.kafka.tenants import eventually
from tests.kafka.wire import Wire


def named(entries: Iterable[Any], attribute: str = "name") -> list[str]:
    return [getattr(entry, attribute) for entry in entries]


def ends(neighbours: Neighbours, *all_things: Things) -> list[int]:
    """Where the first partitions end."""
    with neighbours.direct() as wire:
        answer = wire.ask(ask.list_offsets(11, *all_things)).message
    return [topic.partitions[0].offset for topic in answer.topics]


@pytest.fixture
def anew(neighbours: Neighbours, fresh: Fresh) -> Callable[[], Things]:
    """Makes a topic of Acme's with a fresh name; the group and the transactional id are only names."""

    def make() -> Things:
        name = fresh("acme.new")
        other = name.replace(".", "-")
        with neighbours.through() as wire:
            (topic,) = wire.ask(ask.create_topics(7, named_like(name))).message.topics
            things = replace(named_like(name), topic_id=topic.topic_id, group=other, transactional_id=other)
            eventually(lambda: not errors_of(wire.ask(ask.list_offsets(11, things)).message))
        return things

    return make


def named_like(topic: str) -> Things:
    return Things(topic=topic, topic_id=UUID(int=0), group=topic, transactional_id=topic)


def topics_at(wire: Wire, *all_things: Things) -> list[int]:
    """How many partitions each topic has as the broker sees it, which hears of changes a moment later."""
    answer = wire.ask(ask.find_topics(12, *all_things, creating=False)).message
    return [len(topic.partitions) for topic in answer.topics]


def codes(message: Any) -> list[int]:
    """The error codes in their order; 0 where it went well."""
    return [int(code) for _, code in body_error_codes(message)]


OUTSIDERS: Final = [pytest.param(0, id="foreign"), pytest.param(1, id="missing")]


def outsider(neighbours: Neighbours, which: int) -> Things:
    """What stands between `acme.pay` and `acme.z.pay`, or would."""
    return (neighbours.foreign, neighbours.missing)[which][1]


@pytest.mark.known_fault(18)
@pytest.mark.parametrize("which", OUTSIDERS)
@pytest.mark.parametrize("version", APIS[ApiKey.PRODUCE].versions)
def test_records_get_to_the_topics_that_are_the_tenants(neighbours: Neighbours, version: int, which: int) -> None:
    own, idle, other = neighbours.own, neighbours.idle, outsider(neighbours, which)
    before, state = ends(neighbours, own, idle), neighbours.state()

    with neighbours.through() as wire:
        reply = wire.ask(ask.produce(version, own, other, idle))

    assert codes(reply.message) == [0, 100 if version >= 13 else 3, 0]
    topics = [topic.topic_id if version >= 13 else topic.name for topic in reply.message.responses]
    assert topics == [one.topic_id if version >= 13 else one.topic for one in (own, other, idle)]
    assert ends(neighbours, own, idle) == [end + 1 for end in before]
    assert neighbours.state() == state


@pytest.mark.known_fault(4)
@pytest.mark.parametrize("which", OUTSIDERS)
@pytest.mark.parametrize("version", APIS[ApiKey.FETCH].versions)
def test_records_come_from_the_topics_that_are_the_tenants(neighbours: Neighbours, version: int, which: int) -> None:
    own, idle, other = neighbours.own, neighbours.idle, outsider(neighbours, which)
    with neighbours.through() as wire:
        reply = wire.ask(ask.fetch(version, own, other, idle, session=(0, 0)))

    parts = [part for topic in reply.message.responses for part in topic.partitions]
    assert [int(part.error_code) for part in parts] == [0, 0, 100 if version >= 13 else 3]  # Kafka puts errors last
    assert [b"one" in (part.records or b"") for part in parts] == [True, True, False]
    assert (parts[2].high_watermark, parts[2].records or b"") == (-1, b"")
    assert getattr(reply.message, "session_id", 0) == 0


@pytest.mark.parametrize("which", OUTSIDERS)
@pytest.mark.parametrize("version", APIS[ApiKey.CREATE_TOPICS].versions)
def test_topics_of_the_tenant_come_into_being(neighbours: Neighbours, fresh: Fresh, version: int, which: int) -> None:
    first, last, other = named_like(fresh("acme.a")), named_like(fresh("acme.b")), outsider(neighbours, which)
    state = neighbours.state()

    with neighbours.through() as wire:
        reply = wire.ask(ask.create_topics(version, first, other, last))
        eventually(lambda: topics_at(wire, first, last) == [1, 1])

    assert named(reply.message.topics) == [first.topic, last.topic, other.topic]  # as Kafka puts what is refused
    assert [int(topic.error_code) for topic in reply.message.topics] == [0, 0, 29]
    assert neighbours.state() == state


@pytest.mark.known_fault(19)
@pytest.mark.parametrize("which", OUTSIDERS)
@pytest.mark.parametrize("version", APIS[ApiKey.DELETE_TOPICS].versions)
@pytest.mark.parametrize("by_id", [False, True], ids=["by name", "by id"])
def test_topics_of_the_tenant_go(
    neighbours: Neighbours, anew: Callable[[], Things], version: int, which: int, by_id: bool
) -> None:
    if by_id and version < 6:
        by_id = False
    first, last, other, state = anew(), anew(), outsider(neighbours, which), neighbours.state()
    build = ask.delete_topics_by_id if by_id else ask.delete_topics

    with neighbours.through() as wire:
        reply = wire.ask(build(version, first, other, last))
        eventually(lambda: topics_at(wire, first, last) == [0, 0])

    assert [int(one.error_code) for one in reply.message.responses] == [0, 100 if by_id else 3, 0]
    assert named(reply.message.responses) == [first.topic, None if by_id else other.topic, last.topic]
    assert neighbours.state() == state


@pytest.mark.parametrize("which", OUTSIDERS)
@pytest.mark.parametrize("version", APIS[ApiKey.CREATE_PARTITIONS].versions)
def test_topics_of_the_tenant_grow(
    neighbours: Neighbours, anew: Callable[[], Things], version: int, which: int
) -> None:
    first, last, other, state = anew(), anew(), outsider(neighbours, which), neighbours.state()
    with neighbours.through() as wire:
        reply = wire.ask(ask.grow_topics(version, first, other, last, count=3))
        eventually(lambda: topics_at(wire, first, last) == [3, 3])

    assert [int(one.error_code) for one in reply.message.results] == [0, 3, 0]
    assert named(reply.message.results) == [first.topic, other.topic, last.topic]
    assert neighbours.state() == state


@pytest.mark.parametrize("which", OUTSIDERS)
@pytest.mark.parametrize("version", APIS[ApiKey.DELETE_RECORDS].versions)
def test_records_of_the_tenant_go(neighbours: Neighbours, anew: Callable[[], Things], version: int, which: int) -> None:
    first, last, other, state = anew(), anew(), outsider(neighbours, which), neighbours.state()
    with neighbours.through() as wire:
        wire.ask(ask.produce(12, first, last))
        reply = wire.ask(ask.truncate(version, first, other, last))
        earliest = wire.ask(ask.list_offsets(11, first, last, timestamp=-2)).message

    assert codes(reply.message) == [0, 3, 0]
    assert named(reply.message.topics) == [first.topic, other.topic, last.topic]
    assert [topic.partitions[0].offset for topic in earliest.topics] == [1, 1]
    assert neighbours.state() == state


@pytest.mark.parametrize("which", OUTSIDERS)
@pytest.mark.parametrize("version", APIS[ApiKey.DELETE_GROUPS].versions)
def test_groups_of_the_tenant_go(neighbours: Neighbours, fresh: Fresh, version: int, which: int) -> None:
    first, last = (replace(neighbours.own, group=fresh("acme-group")) for _ in range(2))
    other, state = outsider(neighbours, which), neighbours.state()
    with neighbours.through() as wire:
        wire.ask_all(ask.commit(9, one, neighbours.own) for one in (first, last))
        reply = wire.ask(ask.delete_groups(version, first.group, other.group, last.group))
        listed = named(wire.ask(ask.list_groups(4)).message.groups, "group_id")

    assert codes(reply.message) == [0, 69, 0]
    assert named(reply.message.results, "group_id") == [first.group, other.group, last.group]
    assert not {first.group, last.group} & set(listed)
    assert neighbours.state() == state


@pytest.mark.known_fault(4)
@pytest.mark.parametrize("which", OUTSIDERS)
@pytest.mark.parametrize("version", APIS[ApiKey.OFFSET_COMMIT].versions)
def test_offsets_of_the_tenants_topics_are_committed(
    neighbours: Neighbours, fresh: Fresh, version: int, which: int
) -> None:
    group, other, state = (
        replace(neighbours.own, group=fresh("acme-group")),
        outsider(neighbours, which),
        neighbours.state(),
    )
    with neighbours.through() as wire:
        reply = wire.ask(ask.commit(version, group, neighbours.own, other, neighbours.idle, offset=2))
    with neighbours.direct() as wire:
        committed = wire.ask(ask.fetch_all_offsets(9, group)).message.groups[0].topics

    assert codes(reply.message) == [0, 100 if version >= 10 else 3, 0]
    assert {(topic.name, topic.partitions[0].committed_offset) for topic in committed} == {
        (neighbours.own.topic, 2),
        (neighbours.idle.topic, 2),
    }
    assert neighbours.state() == state


@pytest.mark.parametrize("which", OUTSIDERS)
@pytest.mark.parametrize("version", APIS[ApiKey.INCREMENTAL_ALTER_CONFIGS].versions)
def test_settings_of_the_tenants_topics_are_altered(
    neighbours: Neighbours, anew: Callable[[], Things], version: int, which: int
) -> None:
    first, last, other, state = anew(), anew(), outsider(neighbours, which), neighbours.state()
    resources = [(TOPIC, one.topic) for one in (first, other, last)]
    with neighbours.through() as wire:
        reply = wire.ask(ask.alter_settings(version, *resources, setting=("max.message.bytes", "4321")))
        seen = wire.ask(ask.describe_settings(4, *resources, keys=("max.message.bytes",))).message.results

    assert codes(reply.message) == [0, 3, 0]
    assert named(reply.message.responses, "resource_name") == [first.topic, other.topic, last.topic]
    assert [named(one.configs, "value") for one in seen] == [["4321"], [], ["4321"]]
    assert neighbours.state() == state


@pytest.mark.parametrize("which", OUTSIDERS)
@pytest.mark.parametrize("version", APIS[ApiKey.CONSUMER_GROUP_HEARTBEAT].versions)
def test_a_member_is_assigned_the_tenants_topics_only(
    neighbours: Neighbours, fresh: Fresh, version: int, which: int
) -> None:
    other, state, since = outsider(neighbours, which), neighbours.state(), len(neighbours.tap.heard)
    member = replace(neighbours.own, group=fresh("acme-group"), member_id="" if version == 0 else str(uuid4()))
    topics = (neighbours.own.topic, other.topic, neighbours.idle.topic)
    found: list[Any] = []

    def is_assigned(wire: Wire) -> bool:
        asking = replace(member, member_id=found[-1].message.member_id if found else member.member_id)
        found.append(wire.ask(ask.beat(version, asking, *topics, epoch=found[-1].message.member_epoch if found else 0)))
        assignment = found[-1].message.assignment
        return assignment is not None and len(assignment.topic_partitions) == 2

    with neighbours.through() as wire:
        eventually(lambda: is_assigned(wire))
        last = found[-1].message
        wire.ask(ask.beat(version, replace(member, member_id=last.member_id), epoch=-1))

    ids = {part.topic_id for part in last.assignment.topic_partitions}
    assert ids == {neighbours.own.topic_id, neighbours.idle.topic_id}
    assert not [reply for reply in found if neighbours.traces(reply)]
    assert not [frame for frame in neighbours.tap.requests("client", since).values() if other.topic.encode() in frame]
    assert neighbours.state() == state
