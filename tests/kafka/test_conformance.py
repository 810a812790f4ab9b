"""The conformance cases of the API matrix, by their numbers, that no other test has.

C1 (a fetch session outlives a right) is in `test_policy_changes`, C6 (a server-side pattern) in `test_patterns`, C9 (a
broker moves) in `test_three_nodes`.
"""

from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

import pytest
from kio.schema.errors import ErrorCode

from kordon_protocol.codec import decode_request, decode_response, request_frame, request_type, response_type
from kordon_protocol.header import peek_request
from kordon_protocol.keys import ApiKey
from kordon_proxy.judging.texts import constant_text
from kordon_proxy.table import APIS
from tests.kafka import requests as ask
from tests.kafka.fixtures import Fresh
from tests.kafka.neighbours import Neighbours, is_acmes
from tests.kafka.requests import Things, errors_of
from tests.kafka.tenants import eventually
from tests.kafka.wire import a_batch
from tests.proxy.apis.messages import a_request, asked


def sent_on(neighbours: Neighbours, since: int, client_id: str = "client") -> list[Any]:
    """The requests that the broker has got of clients of that id, decoded."""
    found = []
    for frame in neighbours.tap.heard[since:]:
        head = peek_request(frame)
        if head.client_id == client_id:
            found.append(decode_request(head.api_key, head.api_version, frame, head.body_offset))
    return found


def end_of(neighbours: Neighbours, things: Things) -> int:
    """Where the first partition ends."""
    with neighbours.direct() as wire:
        end: int = wire.ask(ask.list_offsets(11, things)).message.topics[0].partitions[0].offset
    return end


# C2


@pytest.mark.parametrize("version", range(13, 19))
def test_c2_a_full_fetch_answer_is_complete_and_ids_tell_nothing(neighbours: Neighbours, version: int) -> None:
    own, secret, foreign = neighbours.own, neighbours.secret, neighbours.foreign[2]
    nobodys = replace(foreign, topic_id=uuid4())
    since = len(neighbours.tap.heard)

    with neighbours.through("reader") as wire:
        reply = wire.ask(ask.fetch(version, own, secret, foreign, nobodys, session=(0, 0), partitions=(0, 1)))

    topics = reply.message.responses
    assert [topic.topic_id for topic in topics] == [one.topic_id for one in (own, secret, foreign, nobodys)]
    assert [[part.partition_index for part in topic.partitions] for topic in topics] == [[0, 1]] * 4
    codes = [{int(part.error_code) for part in topic.partitions} for topic in topics]
    assert codes == [{0}, {29}, {100}, {100}]
    assert replace(topics[2], topic_id=None) == replace(topics[3], topic_id=None)
    assert b"one" in topics[0].partitions[0].records
    assert not any(part.records for topic in topics[1:] for part in topic.partitions)
    assert (int(reply.message.error_code), reply.message.session_id) == (0, 0)
    (heard,) = sent_on(neighbours, since)
    assert [topic.topic_id for topic in heard.topics] == [own.topic_id]


# C3


@pytest.mark.parametrize("version", APIS[ApiKey.FETCH].versions)
def test_c3_nobody_fetches_as_a_replica(neighbours: Neighbours, version: int) -> None:
    state = asked(ApiKey.FETCH, version, "replica_state", replica_id=1, replica_epoch=1) if version >= 15 else None
    claims: dict[str, Any] = {"replica_id": 1, "replica_state": state, "cluster_id": neighbours.kafka.cluster_id}
    since = len(neighbours.tap.heard)

    with neighbours.through() as wire:
        reply = wire.ask(ask.fetch(version, neighbours.own, **claims)).message

    assert errors_of(reply) == []
    (heard,) = sent_on(neighbours, since)
    assert getattr(heard, "replica_id", -1) == -1
    if version >= 12:
        assert heard.cluster_id is None
    if version >= 15:
        assert (heard.replica_state.replica_id, heard.replica_state.replica_epoch) == (-1, -1)


@pytest.mark.parametrize("version", range(2, 12))
def test_c3_nobody_sees_beyond_an_open_transaction_by_a_replica_id(
    neighbours: Neighbours, fresh: Fresh, version: int
) -> None:
    producer = replace(neighbours.idle, transactional_id=fresh("acme-open"))
    with neighbours.through() as wire:
        # Given
        made = wire.ask(ask.init_producer(5, producer)).message
        producer = replace(producer, producer_id=made.producer_id, producer_epoch=made.producer_epoch)
        batch = a_batch(
            b"open",
            producer_id=producer.producer_id,
            producer_epoch=producer.producer_epoch,
            sequence=0,
            transactional=True,
        )
        assert errors_of(wire.ask(ask.produce(12, producer, by=producer, batch=batch)).message) == []
        since = len(neighbours.tap.heard)

        # When
        settled = wire.ask(ask.list_offsets(version, producer, isolation_level=1)).message
        claimed = wire.ask(ask.list_offsets(version, producer, isolation_level=1, replica_id=-2)).message
        eventually(lambda: not errors_of(wire.ask(ask.end_transaction(4, producer, committed=False)).message))

    # Then
    assert claimed == settled
    assert settled.topics[0].partitions[0].offset < end_of(neighbours, producer)
    assert {message.replica_id for message in sent_on(neighbours, since) if hasattr(message, "replica_id")} == {-1}


@pytest.mark.parametrize("listener", ["acme", "strict"])
def test_c3_nobody_writes_to_internal_topics_as_the_admin_client(neighbours: Neighbours, listener: str) -> None:
    internal, since = neighbours.foreign[-1], len(neighbours.tap.heard)
    before = end_of(neighbours, neighbours.own)

    with neighbours.through(listener, "__admin_client") as wire:
        answers = [wire.ask(ask.produce(version, internal)).message for version in range(3, 14)]
        assert errors_of(wire.ask(ask.produce(12, neighbours.own)).message) == []
        wire.ask(ask.list_offsets(11, neighbours.own))

    by_name = 3 if listener == "acme" else 29
    assert [errors_of(answer) for answer in answers] == [[by_name]] * 10 + [[100]]
    assert end_of(neighbours, neighbours.own) == before + 1
    assert "__admin_client" not in {peek_request(frame).client_id for frame in neighbours.tap.heard[since:]}


# C4


@pytest.mark.parametrize("version", APIS[ApiKey.PRODUCE].versions)
@pytest.mark.parametrize("which", ["foreign", "missing"])
def test_c4_a_produce_without_an_answer_gets_none_for_what_is_denied(
    neighbours: Neighbours, version: int, which: str
) -> None:
    own, other, state = neighbours.own, getattr(neighbours, which)[2], neighbours.state()
    before = end_of(neighbours, own)

    with neighbours.through() as wire:
        (silent,) = wire.send(ask.produce(version, own, other, acks=0), answered=False)
        wire.send(ask.produce(version, other, acks=0), answered=False)
        second = wire.send(ask.find_topics(12, own), ask.produce(12, own, acks=1))
        replies = [wire.receive(), wire.receive()]  # which look whose turn it is
        alive = wire.ask(ask.find_topics(12, own)).message

    assert silent < min(second)
    assert [errors_of(reply.message) for reply in replies] == [[], []]
    assert errors_of(alive) == []
    assert end_of(neighbours, own) == before + 2
    assert neighbours.state() == state
    eventually(lambda: drops_of(neighbours, silent, version) == {"Deny"})


def drops_of(neighbours: Neighbours, correlation_id: int, version: int) -> set[str]:
    """What the audit says of a Produce that got no answer, which did not wait for it."""
    events = (event["data"] for event in neighbours.kordon.audit())
    asked = ("Produce", version, correlation_id)
    return {
        event["why"]["effect"]
        for event in events
        if tuple(map(event["what"].get, ("api", "api_version", "correlation_id"))) == asked
    }


# C5


@pytest.mark.parametrize("version", APIS[ApiKey.METADATA].versions)
def test_c5_the_four_faces_of_metadata(neighbours: Neighbours, fresh: Fresh, version: int) -> None:
    """Kafka creates what is asked for here, and a reader may not create."""
    foreign, missing = neighbours.foreign[2], neighbours.missing[2]
    new = replace(neighbours.own, topic=fresh("acme.new"))
    with neighbours.through("reader") as wire:
        everything = wire.ask(ask.find_all_topics(version))
        nothing = wire.ask(ask.find_topics(max(version, 1)))
        named = wire.ask(ask.find_topics(version, foreign, missing, new))
        by_id = wire.ask(ask.find_topics_by_id(12, foreign))
    with neighbours.direct() as wire:
        at_the_broker = {topic.name for topic in wire.ask(ask.find_all_topics(12)).message.topics}

    visible = {topic.name for topic in everything.message.topics}
    assert {neighbours.own.topic, neighbours.idle.topic, neighbours.secret.topic} <= visible
    assert all(map(is_acmes, visible))
    assert nothing.message.topics == ()
    assert {(topic.name, int(topic.error_code)) for topic in named.message.topics} == {
        (one.topic, 3) for one in (foreign, missing, new)
    }
    assert {getattr(topic, "topic_id", None) for topic in named.message.topics} == {None}
    assert not {missing.topic, new.topic} & at_the_broker
    assert [(topic.name, int(topic.error_code)) for topic in by_id.message.topics] == [(None, 100)]
    for reply in (everything, nothing, named, by_id):
        brokers = {broker.node_id: broker.port for broker in reply.message.brokers}
        first_port = int(neighbours.kordon.listener("reader").rpartition(":")[2]) + 1
        assert brokers == {1: first_port + 1}
        nodes = {
            node
            for topic in reply.message.topics
            for part in topic.partitions
            for node in (part.leader_id, *part.replica_nodes, *part.isr_nodes)
        }
        assert nodes <= brokers.keys()
        assert getattr(reply.message, "controller_id", 1) in brokers
        assert not neighbours.traces(reply, besides=foreign)


# C7


def test_c7_transactions_old_and_new(neighbours: Neighbours, fresh: Fresh) -> None:
    own, secret, victim, state = neighbours.own, neighbours.secret, neighbours.foreign[0], neighbours.state()
    mine = replace(own, transactional_id=fresh("acme-transaction"))
    with neighbours.through("reader") as wire:
        made = wire.ask(ask.init_producer(5, mine)).message
        mine = replace(mine, producer_id=made.producer_id, producer_epoch=made.producer_epoch)
        producer = {"producer_id": mine.producer_id, "producer_epoch": mine.producer_epoch}

        # (i)
        added = wire.ask(ask.add_partitions(3, mine, own, secret)).message
        found = [
            (topic.name, {int(part.partition_error_code) for part in topic.results_by_partition})
            for topic in added.results_by_topic_v3_and_below
        ]
        assert found == [(own.topic, {55}), (secret.topic, {29})]
        assert transaction_of(neighbours, mine) == ("Empty", ())

        # (ii)
        entry = asked(ApiKey.ADD_PARTITIONS_TO_TXN, 4, "transactions", "topics", name=victim.topic, partitions=(0,))
        transaction = asked(
            ApiKey.ADD_PARTITIONS_TO_TXN,
            4,
            "transactions",
            transactional_id=mine.transactional_id,
            topics=(entry,),
            **producer,
        )
        as_broker = a_request(ApiKey.ADD_PARTITIONS_TO_TXN, 4, transactions=(transaction,))
        assert errors_of(wire.ask(as_broker).message) == [31]

        # (iii)
        records = a_batch(b"transactional", sequence=0, transactional=True, **producer)
        produced = wire.ask(ask.produce(12, own, secret, by=mine, batch=records)).message
        assert [int(part.error_code) for topic in produced.responses for part in topic.partition_responses] == [0, 29]
        assert transaction_of(neighbours, mine) == ("Ongoing", (own.topic,))
        assert errors_of(wire.ask(ask.end_transaction(4, mine, committed=False)).message) == []

        # (iv)
        for version in APIS[ApiKey.INIT_PRODUCER_ID].versions:
            assert errors_of(wire.ask(ask.init_producer(version, victim)).message) == [53]
        assert neighbours.state() == state

        # (v)
        nobody = replace(ask.init_producer(5, mine), transactional_id=None)
        assert errors_of(wire.ask(nobody).message) == []


def transaction_of(neighbours: Neighbours, things: Things) -> tuple[str, tuple[str, ...]]:
    """How a transaction stands at the broker, and the topics in it."""
    with neighbours.direct() as wire:
        (state,) = wire.ask(ask.describe_transactions(things.transactional_id)).message.transaction_states
    return state.transaction_state, tuple(topic.topic for topic in state.topics)


# C8


@pytest.mark.parametrize("version", APIS[ApiKey.CREATE_TOPICS].versions)
def test_c8_creating_a_topic_tells_nothing(neighbours: Neighbours, version: int) -> None:
    outside = ("globex.pay", "globex.non", "globex_pay", "__consumer_offsets")
    inside = ("acme.z_pay", "acme.many")
    names = [replace(neighbours.own, topic=name) for name in (*outside, *inside)]
    since = len(neighbours.tap.heard)

    with neighbours.through() as wire:
        usual = wire.ask(ask.create_topics(version, *names[:5], only_validate=True))
        crowded = wire.ask(ask.create_topics(version, names[5], only_validate=True, replication_factor=99))

    found = {topic.name: (int(topic.error_code), topic.error_message) for topic in usual.message.topics}
    texts = {text.replace(name, "…") for name, (_, text) in found.items() if name in outside}
    assert {found[name][0] for name in outside} == {29}
    assert len(texts) == 1
    assert found["acme.z_pay"][0] == 17
    assert "acme.z.pay" not in found["acme.z_pay"][1]
    (many,) = crowded.message.topics
    assert int(many.error_code) == 38
    assert many.error_message == constant_text(ErrorCode.invalid_replication_factor)
    heard = {topic.name for message in sent_on(neighbours, since) for topic in message.topics}
    assert heard == set(inside)


# C10


@pytest.mark.parametrize("listener", ["acme", "door"])
@pytest.mark.parametrize("version", [5, 99])
def test_c10_a_version_of_api_versions_that_is_not_known_is_answered_in_the_oldest(
    neighbours: Neighbours, listener: str, version: int
) -> None:
    body = b"\x0avendor-app\x021\x0dcluster-id\x00\x00\x00\x01\x00"
    frame = bytes.fromhex(f"0012{version:04x}00000063ffff00") + body
    with neighbours.through(listener) as wire:
        wire.send_bytes(len(frame).to_bytes(4, "big") + frame)
        answer = wire.receive_frame()
        offered = wire.ask(a_request(ApiKey.API_VERSIONS, 3, client_software_name="a", client_software_version="1"))

    assert answer.hex() == "00000063" + "0023" + "00000001" + "001200000004"
    assert errors_of(offered.message) == []


@pytest.mark.parametrize("listener", ["acme", "door"])
def test_c10_every_version_that_is_offered_can_be_read(neighbours: Neighbours, listener: str) -> None:
    with neighbours.through(listener) as wire:
        offered = wire.ask(
            a_request(ApiKey.API_VERSIONS, 3, client_software_name="a", client_software_version="1")
        ).message

    ranges = {api.api_key: range(api.min_version, api.max_version + 1) for api in offered.api_keys}
    assert ranges[ApiKey.PRODUCE][0] == 0
    ranges[ApiKey.PRODUCE] = ranges[ApiKey.PRODUCE][3:]
    for key, versions in ranges.items():
        for version in versions:
            request_type(key, version)
            response_type(key, version)
    assert not [key for key in ranges if key in APIS and APIS[key].judge is None]


HIDDEN: Final = [
    pytest.param(key, version, id=f"{api.name}-{version}")
    for key, api in APIS.items()
    if api.judge is None
    for version in (api.versions.start, api.versions.stop - 1)
]


@pytest.mark.parametrize(("key", "version"), HIDDEN)
def test_c10_a_hidden_api_is_refused_and_the_connection_goes_on(neighbours: Neighbours, key: int, version: int) -> None:
    since = len(neighbours.tap.heard)
    with neighbours.through() as wire:
        refused = wire.ask(a_request(key, version)).message
        assert errors_of(wire.ask(ask.find_topics(12, neighbours.own)).message) == []

    assert set(errors_of(refused)) <= {int(APIS[key].code)}
    assert [message.__api_key__ for message in sent_on(neighbours, since)] == [ApiKey.METADATA]


def test_c10_tagged_fields_that_nobody_knows_are_skipped(neighbours: Neighbours) -> None:
    own, since = neighbours.own, len(neighbours.tap.heard)
    tag = b"\x01\xe7\x07\x0aglobex.pay"  # one field, number 999, ten bytes
    message = ask.heartbeat(4, own)
    frame = request_frame(message, 7, "client")
    tagged = frame[4:-1] + tag
    with neighbours.through() as wire:
        wire.send_bytes(len(tagged).to_bytes(4, "big") + tagged)
        answer = wire.receive_frame()
        assert errors_of(wire.ask(message).message) == []

    assert answer[:4].hex() == "00000007"
    assert errors_of(decode_response(ApiKey.HEARTBEAT, 4, answer, 5)) == []
    assert sent_on(neighbours, since) == [message, message]
    assert not [frame for frame in neighbours.tap.requests("client", since).values() if b"globex" in frame]
