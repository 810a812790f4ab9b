"""Whoever asks for everything gets what is the tenant's: lists, pages, descriptions, and bytes that others wrote."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from kordon_protocol.consumer_protocol import assigned_topics, subscribed_topics
from kordon_protocol.keys import ApiKey
from kordon_proxy.table import APIS
from tests.kafka import requests as ask
from tests.kafka.neighbours import Neighbours, is_acmes
from tests.kafka.requests import errors_of
from tests.kafka.tenants import eventually
from tests.kafka.wire import Wire
from tests.proxy.apis.consumer_bytes import a_subscription, an_assignment
from tests.proxy.apis.messages import a_request


def named(entries: Iterable[Any], attribute: str = "name") -> list[str]:
    return [getattr(entry, attribute) for entry in entries]


@pytest.mark.parametrize("version", APIS[ApiKey.METADATA].versions)
def test_all_topics_are_all_topics_of_the_tenant(neighbours: Neighbours, version: int) -> None:
    with neighbours.through() as wire:
        reply = wire.ask(ask.find_all_topics(version))

    found = named(reply.message.topics)
    assert {neighbours.own.topic, neighbours.idle.topic, neighbours.secret.topic} <= set(found)
    assert all(map(is_acmes, found))
    assert not neighbours.traces(reply)


@pytest.mark.known_fault(24)
@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_no_page_and_no_cursor_names_what_is_between_the_tenants_topics(neighbours: Neighbours, limit: int) -> None:
    with neighbours.through() as wire:
        # Brokers hear of topics that other tests have deleted a moment later.
        eventually(lambda: paged(neighbours, wire, limit) == sorted(everything(wire)))


def everything(wire: Wire) -> list[str]:
    return named(wire.ask(ask.find_all_topics(12)).message.topics)


def paged(neighbours: Neighbours, wire: Wire, limit: int) -> list[str]:
    """All topics in the order of their pages."""
    found: list[tuple[str, int]] = []
    cursor = None
    while True:
        reply = wire.ask(ask.describe_topics(0, limit=limit, cursor=cursor))
        assert not neighbours.traces(reply)
        page = [(topic.name, part.partition_index) for topic in reply.message.topics for part in topic.partitions]
        assert len(page) <= limit
        found += page
        following = reply.message.next_cursor
        if following is None:
            break
        cursor = following.topic_name, following.partition_index
    assert len(set(found)) == len(found)
    return list(dict.fromkeys(name for name, _ in found))


@pytest.mark.parametrize("version", APIS[ApiKey.LIST_GROUPS].versions)
def test_all_groups_are_all_groups_of_the_tenant(neighbours: Neighbours, version: int) -> None:
    with neighbours.through() as wire:
        reply = wire.ask(ask.list_groups(version))

    found = named(reply.message.groups, "group_id")
    assert {neighbours.own.group, neighbours.idle.group, *(one.group for one in neighbours.mixed)} <= set(found)
    assert all(map(is_acmes, found))
    assert not neighbours.traces(reply)


@pytest.mark.parametrize("version", APIS[ApiKey.OFFSET_FETCH].versions[1:])
def test_all_offsets_of_a_group_are_those_of_the_tenants_topics(neighbours: Neighbours, version: int) -> None:
    with neighbours.through() as wire:
        replies = wire.ask_all(ask.fetch_all_offsets(version, group) for group in neighbours.mixed)

    for reply in replies:
        answer = reply.message.groups[0] if version >= 8 else reply.message
        (topic,) = answer.topics
        assert (topic.topic_id if version >= 10 else topic.name) == (
            neighbours.own.topic_id if version >= 10 else neighbours.own.topic
        )
        assert topic.partitions[0].committed_offset == 1
        assert not neighbours.traces(reply)


@pytest.mark.known_fault(25)
@pytest.mark.parametrize("version", APIS[ApiKey.DESCRIBE_CLUSTER].versions)
def test_each_tenant_is_in_a_cluster_of_its_own(neighbours: Neighbours, version: int) -> None:
    found = []
    for listener in ("acme", "globex"):
        with neighbours.through(listener) as wire:
            reply = wire.ask(
                a_request(ApiKey.DESCRIBE_CLUSTER, version, endpoint_type=1, include_cluster_authorized_operations=True)
            )
        (broker,) = reply.message.brokers
        assert broker.port == int(neighbours.kordon.listener(listener).rpartition(":")[2]) + 1 + broker.broker_id
        assert neighbours.kafka.cluster_id.encode() not in reply.frame
        found.append(reply.message.cluster_id)
        assert not neighbours.traces(reply)

    assert len(set(found)) == len(found)


@pytest.mark.parametrize("version", APIS[ApiKey.DESCRIBE_GROUPS].versions)
def test_the_bytes_of_a_member_name_topics_of_the_tenant_only(neighbours: Neighbours, version: int) -> None:
    _, classic, _ = neighbours.mixed
    with neighbours.through() as wire:
        reply = wire.ask(ask.describe_groups(version, classic.group))

    (group,) = reply.message.groups
    (member,) = group.members
    assert subscribed_topics(member.member_metadata) == (neighbours.own.topic,)
    assert assigned_topics(member.member_assignment) == (neighbours.own.topic,)
    assert "127.0.0.1" not in member.client_host
    assert not neighbours.traces(reply)


@pytest.mark.known_fault(11)
@pytest.mark.parametrize("version", APIS[ApiKey.CONSUMER_GROUP_DESCRIBE].versions)
def test_a_member_of_the_new_protocol_has_topics_of_the_tenant_only(neighbours: Neighbours, version: int) -> None:
    _, _, new = neighbours.mixed
    with neighbours.through() as wire:
        reply = wire.ask(ask.describe_consumers(version, new.group))

    (group,) = reply.message.groups
    by_id = {member.member_id: member for member in group.members}
    assert len(by_id) == 2  # one of them subscribes by a pattern
    assert by_id[new.member_id].subscribed_topic_names == (neighbours.own.topic,)
    assert named(by_id[new.member_id].assignment.topic_partitions, "topic_name") == [neighbours.own.topic]
    assert not {member.subscribed_topic_regex for member in group.members} - {"", None}
    assert not neighbours.traces(reply)


def test_a_description_tells_nothing_of_what_members_tell_their_leader(neighbours: Neighbours) -> None:
    group = replace(neighbours.own, group="acme-sticky", instance_id=None)
    hidden = neighbours.foreign[1].topic
    said = a_subscription(group.topic, user_data=hidden.encode())
    with neighbours.direct() as direct, neighbours.through() as wire:
        joined = direct.ask(ask.join(3, group, metadata=said)).message
        member = replace(group, member_id=joined.member_id, generation=joined.generation_id)
        direct.ask(ask.sync(3, member, assignment=an_assignment(group.topic, user_data=hidden.encode())))
        described = wire.ask(ask.describe_groups(6, group.group))
        direct.ask(ask.leave(2, member, member.member_id))

    (told,) = described.message.groups[0].members
    assert subscribed_topics(told.member_metadata) == assigned_topics(told.member_assignment) == (group.topic,)
    assert not neighbours.traces(described)


def test_a_leader_is_told_of_no_topic_that_others_of_its_group_subscribe_to(neighbours: Neighbours) -> None:
    group = replace(neighbours.own, group="acme-lead", instance_id=None)
    hidden = neighbours.foreign[1].topic
    subscription = a_subscription(neighbours.own.topic, hidden, user_data=hidden.encode())
    with neighbours.through() as leads, neighbours.direct() as follows:
        # Given
        first = leads.ask(ask.join(3, group, neighbours.own.topic)).message
        follows.send(ask.join(3, group, metadata=subscription))
        eventually(lambda: errors_of(leads.ask(ask.heartbeat(3, replace(group, member_id=first.member_id))).message))

        # When
        leader = leads.ask(ask.join(3, group, neighbours.own.topic, member_id=first.member_id))
        joined = follows.receive().message
        both = [replace(group, generation=one.generation_id, member_id=one.member_id) for one in (first, joined)]
        assignments = [ask.assigned_to(3, one.member_id, an_assignment(neighbours.own.topic, hidden)) for one in both]
        follows.send(ask.sync(3, replace(both[1], generation=joined.generation_id)))
        told = leads.ask(
            replace(ask.sync(3, replace(both[0], generation=joined.generation_id)), assignments=tuple(assignments))
        )
        followed = follows.receive().message
        for wire, one in ((follows, both[1]), (leads, both[0])):
            wire.ask(ask.leave(2, one, one.member_id))

    # Then
    assert len(leader.message.members) == 2
    assert {subscribed_topics(one.metadata) for one in leader.message.members} == {(neighbours.own.topic,)}
    assert {assigned_topics(one.assignment) for one in (told.message, followed)} == {(neighbours.own.topic,)}
    assert not neighbours.traces(leader)
    assert not neighbours.traces(told)
