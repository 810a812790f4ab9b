"""Streams groups at the wire: what no application of Kafka's own would send, and what others put into a group."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

import pytest
from kio.schema.errors import ErrorCode

from kordon_protocol.keys import ApiKey
from kordon_proxy.judging.descriptions import DESCRIPTIONS
from kordon_proxy.judging.texts import HARMLESS
from tests.kafka import requests as ask
from tests.kafka.fixtures import Fresh
from tests.kafka.neighbours import Neighbours
from tests.kafka.requests import Things, errors_of
from tests.kafka.tenants import eventually
from tests.kafka.wire import Reply, Wire
from tests.proxy.apis.messages import asked

BEAT: Final = ApiKey.STREAMS_GROUP_HEARTBEAT


@pytest.fixture
def member(neighbours: Neighbours, fresh: Fresh) -> Callable[[], Things]:
    """A new member of a new group of Acme's, whose topic is Acme's."""
    return lambda: replace(neighbours.own, group=fresh("acme-flow"), member_id=str(uuid4()), instance_id=None)


def joined(wire: Wire, request: Any) -> Any:
    """The answer to who joins, when the coordinator has found itself."""
    message: Any = None

    def is_in() -> bool:
        nonlocal message
        message = wire.ask(request).message
        return not errors_of(message)

    eventually(is_in)
    return message


def working(wire: Wire, things: Things, answer: Any) -> Any:
    """The answer by which a member that has joined gets its tasks."""
    while not answer.active_tasks:
        time.sleep(0.02)
        answer = joined(wire, ask.flow(0, things, epoch=answer.member_epoch))
    return answer


def topics_there(neighbours: Neighbours) -> set[str]:
    with neighbours.direct() as wire:
        return {topic.name for topic in wire.ask(ask.find_all_topics(12)).message.topics}


@pytest.mark.parametrize("which", ["foreign", "missing"])
def test_a_source_outside_the_view_is_missing_in_the_brokers_own_words(
    neighbours: Neighbours, member: Callable[[], Things], which: str
) -> None:
    outside = getattr(neighbours, which)[2]
    absent = replace(outside, topic=f"{outside.topic[:-1]}0")
    one, other = member(), member()
    with neighbours.direct() as direct, neighbours.through() as wire:
        said = joined(direct, ask.flow_from(0, one, one, absent))
        told = wire.ask(ask.flow_from(0, other, other, outside)).message

    assert [status.status_code for status in said.status] == [1]
    renamed = replace(said.status[0], status_detail=said.status[0].status_detail.replace(absent.topic, outside.topic))
    assert told == replace(said, member_id=other.member_id, status=(renamed,))
    with neighbours.direct() as direct:
        (group,) = direct.ask(ask.describe_flows(0, other.group)).message.groups
    assert group.error_code is ErrorCode.group_id_not_found


def test_an_application_works_and_leaves(neighbours: Neighbours, member: Callable[[], Things]) -> None:
    things = member()
    changelog = f"acme.{things.group}-changelog"
    topology = ask.a_topology({"sources": [things.topic], "changelogs": [changelog]})
    endpoint = asked(BEAT, 0, "user_endpoint", host="here", port=7070)

    with neighbours.through() as wire:
        first = joined(wire, ask.flow(0, things, topology=topology, user_endpoint=endpoint))
        answer = working(wire, things, first)
        listed = wire.ask(ask.list_groups(5)).message.groups
        left = wire.ask(ask.flow(0, things, epoch=-1)).message

    assert [(task.subtopology_id, task.partitions) for task in answer.active_tasks] == [("0", (0, 1))]
    (known,) = answer.partitions_by_user_endpoint
    assert (known.user_endpoint.host, [part.topic for part in known.active_partitions]) == ("here", [things.topic])
    assert ("streams", "Stable") in [
        (one.group_type, one.group_state) for one in listed if one.group_id == things.group
    ]
    assert (int(left.error_code), left.member_epoch) == (0, -1)
    assert changelog in topics_there(neighbours)
    assert changelog in told_of_creation(neighbours, things.group)


def told_of_creation(neighbours: Neighbours, group: str) -> set[str]:
    """What the audit says of topics that heartbeats of the group brought into being."""
    told = [event["data"]["what"].get("parameters") or {} for event in neighbours.kordon.audit()]
    return {name for one in told if one.get("group") == group for name in one.get("creates", ())}


@pytest.mark.parametrize("where", ["repartitions", "changelogs"])
def test_no_topic_comes_into_being_without_the_right(
    neighbours: Neighbours, member: Callable[[], Things], where: str
) -> None:
    """A reader may use all that is there."""
    one, other = member(), member()
    there, new = one.topic, f"acme.{one.group}"

    def joining(things: Things, topic: str) -> Any:
        part = {"sources": [there], "sinks": [topic], where: [topic]}
        return ask.flow(0, things, topology=ask.a_topology(part))

    with neighbours.through("reader") as wire:
        refused = wire.ask(joining(one, new)).message
        working(wire, other, joined(wire, joining(other, there)))
        wire.ask(ask.flow(0, other, epoch=-1))

    assert errors_of(refused) == [29]
    assert new not in topics_there(neighbours)


def test_a_topic_that_may_be_neither_read_nor_written_is_in_no_topology(
    neighbours: Neighbours, member: Callable[[], Things]
) -> None:
    things, secret = member(), neighbours.secret.topic
    with neighbours.through("reader") as wire:
        answers = [
            wire.ask(ask.flow(0, things, topology=ask.a_topology({"sources": [things.topic]} | {where: [secret]})))
            for where in ("sources", "sinks", "repartitions", "changelogs")
        ]

    assert [errors_of(reply.message) for reply in answers] == [[29]] * 4


# ---- groups that somebody at the broker made work on topics of others too


@pytest.fixture
def mixed(neighbours: Neighbours, member: Callable[[], Things]) -> tuple[Things, str]:
    """Its member, and a changelog of its own in the view."""
    things, foreign = member(), neighbours.foreign[1]
    changelog = f"acme.{things.group}-changelog"
    topology = ask.a_topology(
        {"sources": [things.topic], "sinks": [foreign.topic]},
        {"sources": [foreign.topic], "changelogs": [changelog]},
        epoch=1,
    )
    endpoint = asked(BEAT, 0, "user_endpoint", host="there", port=7070)
    with neighbours.direct() as direct:
        answer = joined(direct, ask.flow(0, things, topology=topology, user_endpoint=endpoint))
        working(direct, things, answer)
    return things, changelog


def test_a_description_names_topics_of_the_tenant_only(neighbours: Neighbours, mixed: tuple[Things, str]) -> None:
    things, changelog = mixed
    with neighbours.through() as wire:
        reply = wire.ask(ask.describe_flows(0, things.group))

    (group,) = reply.message.groups
    first, second = group.topology.subtopologies
    assert (first.source_topics, first.repartition_sink_topics, second.source_topics) == ((things.topic,), (), ())
    assert [topic.name for topic in second.state_changelog_topics] == [changelog]
    (told,) = group.members
    assert (told.client_host, told.user_endpoint.host) == ("/kordon", "there")
    assert [task.subtopology_id for task in told.assignment.active_tasks] == ["0"]
    assert not neighbours.traces(reply)


@pytest.mark.parametrize("listener", ["reader", "acme"])
def test_nobody_becomes_a_member_for_topics_that_he_has_not(
    neighbours: Neighbours, mixed: tuple[Things, str], listener: str
) -> None:
    """By an older topology, or by the id of another member."""
    things, changelog = mixed
    thief = replace(things, member_id=str(uuid4()))
    with neighbours.direct() as direct:
        direct.ask(ask.delete_topics(5, replace(things, topic=changelog)))
    eventually(lambda: changelog not in topics_there(neighbours))
    since = len(neighbours.tap.heard)

    with neighbours.through(listener) as wire:
        requests = (ask.flow_from(0, thief, thief), ask.flow(0, things, epoch=1), ask.flow(0, things, epoch=2))
        replies = wire.ask_all(requests)

    assert [errors_of(reply.message) for reply in replies] == [[29]] * 3
    assert not [reply for reply in replies if neighbours.traces(reply)]
    assert neighbours.tap.requests("client", since) == {}
    assert changelog not in topics_there(neighbours)


# ---- what the broker says in words


def test_no_text_is_the_brokers_own(neighbours: Neighbours, member: Callable[[], Things]) -> None:
    things, other = member(), member()
    topology = ask.a_topology(
        {"sources": [things.topic], "changelogs": [f"acme.{things.group}"]}, replication_factor=99
    )
    with neighbours.through() as wire:
        joined(wire, ask.flow_from(0, other, other))
        answer = joined(wire, ask.flow(0, things, topology=topology))
        details: list[str] = []

        def has_failed() -> bool:
            reply = wire.ask(ask.flow(0, things, epoch=answer.member_epoch)).message
            details[:] = [status.status_detail for status in reply.status]
            return any("Creation failed" in detail for detail in details) or bool(errors_of(reply))

        eventually(has_failed)
        troubles = wire.ask_all(
            [
                ask.flow_from(0, replace(other, member_id="another"), other, neighbours.idle),
                ask.flow(0, other, epoch=99),
                ask.flow(0, replace(other, member_id="nobody"), epoch=1),
                ask.flow(0, other, epoch=0),
                ask.flow_from(0, replace(other, member_id=""), other),
                ask.describe_flows(0, neighbours.own.group, "acme-absent"),
            ]
        )

    assert details == [f"Internal topics are missing: acme.{things.group}; Creation failed."]
    assert not [reply.message for reply in troubles if not errors_of(reply.message)]
    assert not [reply for reply in troubles if neighbours.traces(reply)]
    texts = {
        getattr(entry, "error_message", None) for reply in troubles for entry in (reply.message, *groups_of(reply))
    }
    assert len(texts) > 4
    assert not [text for text in texts if text and text not in DESCRIPTIONS.values() and not HARMLESS.fullmatch(text)]


def groups_of(reply: Reply) -> tuple[Any, ...]:
    return getattr(reply.message, "groups", ())
