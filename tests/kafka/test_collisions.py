"""Names that differ in dots and underscores alone: what a tenant learns of them, which no answer could hide.

Kafka has one of them at most. So the other cannot be created, whoever may see what.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest

from kordon_protocol.keys import ApiKey
from kordon_proxy.table import APIS
from tests.kafka import requests as ask
from tests.kafka.neighbours import Neighbours
from tests.kafka.requests import Things, errors_of

INVALID_TOPIC: Final = 17

REQUESTS: Final[tuple[Callable[[Things], Any], ...]] = (
    lambda one: ask.find_topics(12, one, creating=False),
    lambda one: ask.describe_topics(0, one),
    lambda one: ask.list_offsets(11, one),
    lambda one: ask.produce(12, one),
    lambda one: ask.fetch(12, one),
    lambda one: ask.grow_topics(3, one, only_validate=True),
    lambda one: ask.delete_topics(6, one),
)


@pytest.fixture
def colliding(neighbours: Neighbours) -> Things:
    """A name of Acme's own that collides with a topic of Globex's."""
    hidden = neighbours.foreign[1].topic
    assert hidden == "acme.vault.pay"
    return replace(neighbours.own, topic="acme.vault_pay")


@pytest.fixture
def free(neighbours: Neighbours) -> Things:
    """One of the same length that collides with nothing."""
    return replace(neighbours.own, topic="acme.vault_non")


@pytest.mark.parametrize("only_validate", [False, True])
@pytest.mark.parametrize("version", APIS[ApiKey.CREATE_TOPICS].versions)
def test_it_cannot_be_created_and_the_answer_does_not_say_what_is_in_its_way(
    neighbours: Neighbours, colliding: Things, version: int, only_validate: bool
) -> None:
    with neighbours.through() as wire:
        reply = wire.ask(ask.create_topics(version, colliding, only_validate=only_validate))

    assert errors_of(reply.message) == [INVALID_TOPIC]
    assert not neighbours.traces(reply)


def test_who_may_not_create_topics_learns_nothing(neighbours: Neighbours, colliding: Things, free: Things) -> None:
    with neighbours.through("reader") as wire:
        frames = [wire.ask(ask.create_topics(7, one)).body for one in (colliding, free)]

    assert frames[0].replace(b"vault_pay", b"vault_non") == frames[1]


def test_nothing_else_tells_it_from_a_name_that_nobody_has(
    neighbours: Neighbours, colliding: Things, free: Things
) -> None:
    with neighbours.through() as wire:
        for request_of in REQUESTS:
            bodies = [wire.ask(request_of(one)).body for one in (colliding, free)]
            assert bodies[0].replace(b"vault_pay", b"vault_non") == bodies[1]
