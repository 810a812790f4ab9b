"""The policy changes between a request and its answer: what leaves is right by the one or by the other."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from kio.schema.errors import ErrorCode

from tests.kafka import requests as ask
from tests.kafka.breaking import Fate
from tests.kafka.broken import Place, member_of, things
from tests.kafka.changing import Changing, hiding
from tests.kafka.fetching import topic_id_of
from tests.kafka.fixtures import Fresh
from tests.kafka.tap import metric
from tests.kafka.tenants import POLICY, eventually
from tests.kafka.wire import Reply, Wire

pytestmark = pytest.mark.usefixtures("watched", "bystander")


@pytest.fixture
def topic(breaking_topic: str) -> str:
    return breaking_topic


@pytest.fixture
def changing(place: Place) -> Iterator[Changing]:
    changing = Changing(place.kordon)
    yield changing
    changing.put_in_force(POLICY)


@contextmanager
def held(place: Place, *messages: Any) -> Iterator[Callable[[], list[Reply]]]:
    """Requests that the broker has, each on a connection of its own; what is given lets their answers come."""
    gate = threading.Event()
    place.breaker.fates = {f"held-{number}": Fate(held=gate) for number in range(len(messages))}
    with ExitStack() as stack:
        stack.callback(gate.set)
        wires = [stack.enter_context(Wire(place.address, client)) for client in place.breaker.fates]
        forwarded = metric(place.kordon, "kordon_requests_total", verdict="forwarded")
        for wire, message in zip(wires, messages, strict=True):
            wire.send(message)
        eventually(lambda: metric(place.kordon, "kordon_requests_total", verdict="forwarded") == forwarded + len(wires))

        def released() -> list[Reply]:
            gate.set()
            return [wire.receive() for wire in wires]

        yield released


@pytest.mark.parametrize("how", ["nothing changes", "the topic is hidden", "the group is taken away"])
def test_an_answer_that_was_held_names_nothing_that_has_been_taken_away(
    place: Place, changing: Changing, topic: str, fresh: Fresh, how: str
) -> None:
    joining, old, new = (things(topic, fresh, member) for member in ("", "", str(uuid4())))
    with Wire(place.address) as wire:
        eventually(lambda: not ask.errors_of(wire.ask(ask.find_coordinator(4, old.group)).message))
        topic_id = topic_id_of(wire, topic)
        old = member_of(wire, old)
        messages = [
            ask.join(3, joining, topic),
            ask.sync(3, old, topic),
            ask.beat(1, new, topic),
        ]
        with held(place, *messages) as released:
            if how == "the topic is hidden":
                changing.put_in_force(hiding(topic))
            elif how == "the group is taken away":
                rules = "".join(
                    f"  - {{resource: [cluster, prod, group, {it.group}], effect: Deny, actions: [GROUP_CONSUME], "
                    "role: traders}\n"
                    for it in (joining, old, new)
                )
                changing.put_in_force(POLICY.replace("policies:\n", f"policies:\n{rules}", 1))

            joined, synced, beaten = released()

    if how == "nothing changes":
        assert [topic.encode() in reply.frame for reply in (joined, synced)] == [True, True]
        assert topic_id.bytes in beaten.frame
    elif how == "the topic is hidden":
        for reply in (joined, synced, beaten):
            assert topic.encode() not in reply.frame
            assert topic_id.bytes not in reply.frame
    else:
        denied = ErrorCode.group_authorization_failed
        assert [joined.message.error_code, synced.message.error_code] == [denied, denied]
        assert topic.encode() not in joined.frame + synced.frame


def test_an_answer_that_was_held_is_right_by_the_policy_before_or_by_the_one_after(
    place: Place, changing: Changing, topic: str, fresh: Fresh
) -> None:
    it = things(topic, fresh)
    with Wire(place.address) as wire:
        eventually(lambda: not ask.errors_of(wire.ask(ask.commit(8, it, it)).message))
        it = replace(it, topic_id=topic_id_of(wire, topic))
        messages = [
            ask.find_topics(12, it),
            ask.find_topics_by_id(12, it),
            ask.describe_topics(0, it),
            ask.list_offsets(8, it),
            ask.find_epochs(4, it),
            ask.fetch_offsets(8, it, it),
            ask.fetch_all_offsets(7, it),
            ask.describe_settings(4, (ask.TOPIC, topic)),
            ask.describe_producers(it),
            ask.describe_groups(5, it.group),
            *(ask.fetch(version, it) for version in (4, 12, 17)),
        ]
        before = [wire.ask(message).body for message in messages]
        with held(place, *messages) as released:
            changing.put_in_force(hiding(topic))
            found = [reply.body for reply in released()]
        after = [wire.ask(message).body for message in messages]

    strange = [
        message for message, body, *right in zip(messages, found, before, after, strict=True) if body not in right
    ]
    assert not strange
    assert found[-3:] == after[-3:]  # those that may be parked for long are judged again
