"""Who knows a member's id is that member to the coordinator. So nobody else learns it, and who leaves is written down.

`rita` may be a member of Acme's groups and not remove members; `alice` may do both.
"""

from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

import pytest

from kordon_proxy.judging.member_ids import masked
from tests.kafka import requests as ask
from tests.kafka.fixtures import Fresh
from tests.kafka.neighbours import Neighbours
from tests.kafka.requests import Things, errors_of
from tests.kafka.tenants import eventually
from tests.kafka.wire import Reply, Wire

GAF: Final = 30


@pytest.fixture
def classic(neighbours: Neighbours, fresh: Fresh) -> Things:
    """The only member of a classic group, which has joined through Kordon and lost its connection."""
    member = replace(neighbours.own, group=fresh("acme-ids"), member_id="", instance_id=None)
    with neighbours.through("reader") as wire:
        joined = wire.ask(ask.join(3, member, member.topic)).message
        member = replace(member, member_id=joined.member_id, generation=joined.generation_id)
        wire.ask(ask.sync(3, member, member.topic))
    return member


@pytest.fixture
def new(neighbours: Neighbours, fresh: Fresh) -> Things:
    """The same of a group of the new protocol."""
    member = replace(neighbours.own, group=fresh("acme-ids"), member_id=str(uuid4()), instance_id=None)
    with neighbours.through("reader") as wire:
        assert errors_of(wire.ask(ask.beat(1, member, member.topic)).message) == []
    return member


@pytest.fixture(params=["classic", "new"])
def member(request: pytest.FixtureRequest) -> Things:
    found: Things = request.getfixturevalue(request.param)
    return found


def described(wire: Wire, group: str) -> list[Reply]:
    """By the one API or by the other: what it is not for is missing in it."""
    return wire.ask_all([ask.describe_groups(6, group), ask.describe_consumers(1, group)])


def ids(replies: list[Reply]) -> list[str]:
    return [member.member_id for reply in replies for group in reply.message.groups for member in group.members]


def leave(member: Things, member_id: str) -> Any:
    """A group of the new protocol takes the classic request too."""
    return ask.leave(5, member, member_id)


def events(neighbours: Neighbours, group: str) -> list[tuple[str, str, str, list[str] | None]]:
    """Who left the group or wanted to: principal, action, effect, and the members that were named."""
    found = []
    for event in neighbours.kordon.audit():
        what = event["data"]["what"]
        told = what.get("parameters", {})
        if what.get("api") in {"LeaveGroup", "ConsumerGroupHeartbeat"} and told.get("group") == group:
            data = event["data"]
            found.append((data["who"]["principal"], what["action"], data["why"]["effect"], told["members"]))
    return found


def test_who_may_not_remove_a_member_is_not_told_its_id(neighbours: Neighbours, member: Things) -> None:
    with neighbours.through("reader") as reader, neighbours.through("acme") as owner:
        to_reader, to_owner = described(reader, member.group), described(owner, member.group)

    assert ids(to_reader) == [masked(member.member_id)]
    assert not any(member.member_id.encode() in reply.frame for reply in to_reader)
    assert ids(to_owner) == [member.member_id]


def test_with_what_a_description_tells_nobody_is_removed(neighbours: Neighbours, member: Things) -> None:
    with neighbours.through("reader") as reader, neighbours.direct() as direct:
        (told,) = ids(described(reader, member.group))
        answer = reader.ask(leave(member, told)).message

        assert errors_of(answer) == [GAF]
        assert ids(described(direct, member.group)) == [member.member_id]
    assert events(neighbours, member.group) == [("rita", "GROUP_DELETE", "Deny", [told])]


def test_a_member_leaves_on_another_connection_than_it_joined_and_that_is_written_down(
    neighbours: Neighbours, member: Things
) -> None:
    with neighbours.through("reader") as wire, neighbours.direct() as direct:
        assert errors_of(wire.ask(leave(member, member.member_id)).message) == []
        assert ids(described(direct, member.group)) == []
    assert events(neighbours, member.group) == [("rita", "GROUP_CONSUME", "Allow", [member.member_id])]


def test_a_member_of_the_new_protocol_leaves_by_its_last_heartbeat_and_that_is_written_down(
    neighbours: Neighbours, new: Things
) -> None:
    with neighbours.through("reader") as wire, neighbours.direct() as direct:
        assert errors_of(wire.ask(ask.beat(1, new, epoch=-1)).message) == []
        assert ids(described(direct, new.group)) == []
    assert events(neighbours, new.group) == [("rita", "GROUP_CONSUME", "Allow", [new.member_id])]


def test_who_may_remove_members_removes_one_and_that_is_written_down(neighbours: Neighbours, member: Things) -> None:
    with neighbours.through("acme") as owner, neighbours.direct() as direct:
        (told,) = ids(described(owner, member.group))
        assert errors_of(owner.ask(leave(member, told)).message) == []
        assert ids(described(direct, member.group)) == []
    ((principal, _, effect, members),) = events(neighbours, member.group)
    assert (principal, effect, members) == ("alice", "Allow", [member.member_id])


def test_a_member_that_does_not_lead_is_told_no_other_id(neighbours: Neighbours, classic: Things) -> None:
    with neighbours.through("reader") as leads, neighbours.through("reader") as follows:
        # When
        follows.send(ask.join(3, replace(classic, member_id=""), classic.topic))
        eventually(lambda: errors_of(leads.ask(ask.heartbeat(3, classic)).message))
        leader = leads.ask(ask.join(3, classic, classic.topic, member_id=classic.member_id)).message
        followed = follows.receive()

        # Then
        follower = followed.message
        assert leader.leader == leader.member_id == classic.member_id
        assert {one.member_id for one in leader.members} == {classic.member_id, follower.member_id}
        assert follower.leader == masked(classic.member_id)
        assert classic.member_id.encode() not in followed.frame
        for wire, member_id in ((follows, follower.member_id), (leads, classic.member_id)):
            wire.ask(ask.leave(2, classic, member_id))
