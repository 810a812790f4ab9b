"""Ways to get at what is outside the view that have been tried, each of which leads nowhere."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final
from uuid import uuid4

import pytest

from kordon_protocol.keys import ApiKey
from kordon_proxy.judging.descriptions import DESCRIPTIONS
from kordon_proxy.judging.texts import HARMLESS
from tests.kafka import requests as ask
from tests.kafka.neighbours import PASSWORD, Neighbours
from tests.kafka.requests import GROUP, TOPIC, Things, errors_of
from tests.kafka.wire import Gone, Wire, a_batch
from tests.proxy.apis.messages import a_request, asked

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


@pytest.mark.known_fault(22)
def test_no_setting_of_a_broker_is_shown_or_altered(neighbours: Neighbours) -> None:
    since = len(neighbours.tap.heard)
    setting = ("log.cleaner.threads", "1")
    with neighbours.through() as wire:
        described = wire.ask_all(ask.describe_settings(4, resource) for resource in CLUSTER_RESOURCES)
        altered = wire.ask_all(ask.alter_settings(1, one, setting=setting) for one in CLUSTER_RESOURCES)

    assert {tuple(errors_of(reply.message)) for reply in (*described, *altered)} == {(31,)}
    assert not [reply for reply in described if reply.message.results[0].configs]
    assert neighbours.tap.requests("client", since) == {}


# Five bytes of a request can become two thousand of an answer


@pytest.mark.parametrize("times", [10, 11])
def test_nobody_has_one_thing_described_again_and_again(neighbours: Neighbours, times: int) -> None:
    own, since = neighbours.own, len(neighbours.tap.heard)
    many = [
        ask.describe_settings(4, *[(TOPIC, own.topic)] * times),
        ask.describe_settings(4, *[(GROUP, own.group)] * times),
        ask.describe_groups(6, *[own.group] * times),
        ask.describe_consumers(1, *[own.group] * times),
        ask.fetch_many_offsets(9, *[(own, None)] * times),
    ]
    with neighbours.through() as wire:
        replies = wire.ask_all(many)

    refused = [42 in errors_of(reply.message) for reply in replies]
    assert refused == [times > 10] * len(many)
    assert len(neighbours.tap.requests("client", since)) == (0 if times > 10 else len(many))


# What the broker says in words


def texts_in(part: Any) -> Iterator[str]:
    """Every text for people in a message."""
    if isinstance(part, tuple):
        for one in part:
            yield from texts_in(one)
    elif is_dataclass(part):
        for field in fields(part):
            value = getattr(part, field.name)
            if isinstance(value, str) and field.name.endswith("error_message"):
                yield from filter(None, (value,))
            else:
                yield from texts_in(value)


def test_no_text_is_the_brokers_own(neighbours: Neighbours) -> None:
    own, (_, _, new) = neighbours.own, neighbours.mixed
    absent, beside = replace(own, topic="acme.absent", group="acme-absent"), replace(own, topic="acme.vault_pay")
    setting = asked(ApiKey.CREATE_TOPICS, 7, "topics", "configs", name="min.insync.replicas", value="globex")
    corrupt = a_batch(b"corrupt")[:-1] + b"\xff"
    troubles = [
        ask.create_topics(7, own),
        ask.create_topics(7, beside),  # collides with a name outside the view
        ask.create_topics(7, absent, replication_factor=99),
        ask.create_topics(7, absent, num_partitions=2**31 - 1),
        ask.create_topics(7, absent, configs=(setting,)),
        ask.grow_topics(3, own, count=1),
        ask.grow_topics(3, absent),
        ask.alter_settings(1, (TOPIC, own.topic), setting=("nonsense", "1")),
        ask.alter_settings(1, (GROUP, own.group), setting=("consumer.session.timeout.ms", "1")),
        ask.delete_topics(6, absent),
        ask.produce(12, own, batch=corrupt),
        ask.produce(12, own, batch=a_batch(bytes(2_000_000))),
        ask.beat(1, own),
        ask.beat(1, absent, own.topic, server_assignor="nonsense"),
        ask.beat(1, new, epoch=99),
        ask.describe_groups(6, new.group, absent.group),
        ask.describe_consumers(1, own.group, absent.group),
        ask.describe_settings(4, (TOPIC, absent.topic), (GROUP, "")),
    ]
    with neighbours.through() as wire:
        replies = wire.ask_all(troubles)

    assert not [reply.message for reply in replies if not errors_of(reply.message)]
    texts = {text for reply in replies for text in texts_in(reply.message)}
    assert len(texts) > 8
    assert not {text for text in texts if text not in DESCRIPTIONS.values() and not HARMLESS.fullmatch(text)}
    assert not [reply.message for reply in replies if neighbours.traces(reply)]


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
