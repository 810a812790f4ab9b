"""Requests of every API with anything in them: none gets, touches or even mentions what is outside the view."""

from dataclasses import replace
from typing import Final
from uuid import UUID

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from kordon_protocol.codec import encode
from tests.kafka import requests as ask
from tests.kafka.drawing import Drawing
from tests.kafka.neighbours import Neighbours
from tests.kafka.requests import Things
from tests.kafka.tenants import eventually

RANDOM: Final = tuple(f"acme.random.{number}" for number in range(3))


@pytest.fixture(scope="session")
def drawing(neighbours: Neighbours) -> Drawing:
    with neighbours.through() as wire:
        own = [
            Things(topic=name, topic_id=UUID(int=0), group=name.replace(".", "-"), transactional_id=name)
            for name in RANDOM
        ]
        made = wire.ask(ask.create_topics(7, *own)).message.topics
        own = [replace(one, topic_id=topic.topic_id) for one, topic in zip(own, made, strict=True)]
        eventually(lambda: not ask.errors_of(wire.ask(ask.commit(9, own[0], *own)).message))
    return Drawing(foreign=neighbours.foreign, missing=neighbours.missing, own=own)


@given(data=st.data())
@settings(max_examples=30, phases=[Phase.explicit, Phase.reuse, Phase.generate])  # a cluster cannot be shrunk
def test_no_request_gets_or_touches_what_is_outside_the_view(
    neighbours: Neighbours, drawing: Drawing, data: st.DataObject
) -> None:
    messages = data.draw(st.lists(drawing.request, min_size=20, max_size=30))
    state, since = neighbours.state(), len(neighbours.tap.heard)

    with neighbours.through() as wire:
        replies = wire.ask_all(messages)

    heard = neighbours.tap.requests("client", since)
    foreign = {mark for one in (*neighbours.foreign, *neighbours.missing) for mark in one.marks}
    for place, (message, reply) in enumerate(zip(messages, replies, strict=True), start=1):
        said = encode(message)
        assert not [mark for mark in neighbours.traces(reply) if mark not in said], (message, reply.message)
        sent = heard.get(place, b"")
        assert not [mark for mark in foreign if mark in sent], message
    assert neighbours.state() == state
