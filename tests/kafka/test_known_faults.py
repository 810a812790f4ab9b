"""Faults of others (`tests/test_known_faults.py`) that no other test here would find, at a real Kafka."""

from collections.abc import Iterator
from typing import Any, Final

import pytest
from aiokafka.record.util import calc_crc32c
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from kio.schema.errors import ErrorCode

from kordon_protocol.keys import ApiKey
from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from tests.kafka.changing import Changing, without
from tests.kafka.fetching import Fetching
from tests.kafka.fixtures import MakeTopic
from tests.kafka.records import produce, seen
from tests.kafka.tenants import POLICY, QUIET, MakeTenantTopic, eventually
from tests.kafka.wire import Wire, a_batch
from tests.proxy.apis.messages import a_request, asked

PRODUCING: Final = """\
policies:
  - {resource: [cluster, prod, topic, "odd*"], effect: Allow, actions: [TOPIC_PRODUCE], role: producers}
  - {resource: [cluster, prod, topic, "odd*"], effect: Allow, actions: [TOPIC_INSPECT], role: readers}
tenants:
  - {name: Odd, roles: [producers, readers], resources: [{include: [cluster, prod, topic, "odd*"]}]}
"""
HEADERS: Final[list[tuple[str, str | bytes | None]]] = [("h", b"1"), ("h", b"2"), ("", b""), ("h", None), ("h", b"1")]
ATTRIBUTES: Final = 21
"""Where a batch has them: their lowest three bits name the compression. All from there on is in the checksum."""


@pytest.fixture(scope="module")
def odd(kafka: Kafka) -> Iterator[Kordon]:
    """At `in` one may produce and nothing else, at `out` read and nothing else."""
    listeners = {
        "in": {"identity": {"principal": "ina", "roles": ["producers"]}},
        "out": {"identity": {"principal": "otto", "roles": ["readers"]}},
    }
    with Kordon(clusters={"prod": kafka.bootstrap}, policy=PRODUCING, listeners=listeners) as kordon:
        yield kordon


@pytest.fixture
def topic(odd: Kordon, new_topic: MakeTopic) -> str:
    name = new_topic("odd")
    with Wire(odd.listener("in")) as wire:
        eventually(lambda: seen(wire, name))
    return name


def first_message(address: str, topic: str) -> Message:
    consumer = Consumer({"bootstrap.servers": address, "group.id": "unused", **QUIET})
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        message = consumer.poll(30)
        assert message is not None
        assert message.error() is None
        return message
    finally:
        consumer.close()


@pytest.mark.known_fault(6)
def test_who_may_produce_to_a_topic_and_nothing_else_produces_idempotently(
    odd: Kordon, kafka: Kafka, topic: str
) -> None:
    producer = Producer({"bootstrap.servers": odd.listener("in"), "enable.idempotence": True, **QUIET})
    told: list[object] = []
    producer.produce(topic, b"once", on_delivery=lambda error, _: told.append(error))

    assert producer.flush(30) == 0
    assert told == [None]
    assert first_message(kafka.bootstrap, topic).value() == b"once"


@pytest.mark.known_fault(12)
def test_headers_that_are_there_twice_come_as_they_went(odd: Kordon, kafka: Kafka, topic: str) -> None:
    producer = Producer({"bootstrap.servers": odd.listener("in"), **QUIET})
    producer.produce(topic, b"odd", headers=HEADERS)
    assert producer.flush(30) == 0

    for address in (kafka.bootstrap, odd.listener("out")):
        assert first_message(address, topic).headers() == HEADERS


def odd_batches() -> dict[str, bytes]:
    whole = a_batch(b"first", b"second")

    def with_attributes(low_byte: int) -> bytes:
        changed = bytearray(whole)
        changed[ATTRIBUTES + 1] = low_byte
        changed[17:21] = calc_crc32c(bytes(changed[ATTRIBUTES:])).to_bytes(4, "big")
        return bytes(changed)

    return {
        **{f"compressed in a way that nobody knows: {codec}": with_attributes(codec) for codec in (5, 6, 7)},
        **{f"not compressed, though it says so: {codec}": with_attributes(codec) for codec in (1, 2, 3, 4)},
        "a control batch": with_attributes(0x20),
        "in the format of nobody": whole[:16] + b"\x09" + whole[17:],
        "with a wrong checksum": whole[:-1] + b"\xff",
        "two in one": whole * 2,
        "half of one": whole[: len(whole) // 2],
        "empty": b"",
        "none at all": b"\xff" * 70,
    }


def codes(answer: Any) -> list[ErrorCode]:
    return [partition.error_code for topic in answer.responses for partition in topic.partition_responses]


@pytest.mark.known_fault(12)
@pytest.mark.parametrize("kind", odd_batches())
def test_batches_that_are_odd_are_for_the_broker_to_judge(odd: Kordon, kafka: Kafka, topic: str, kind: str) -> None:
    part = asked(ApiKey.PRODUCE, 9, "topic_data", "partition_data", index=0, records=odd_batches()[kind])
    data = asked(ApiKey.PRODUCE, 9, "topic_data", name=topic, partition_data=(part,))
    request = a_request(ApiKey.PRODUCE, 9, acks=-1, topic_data=(data,))
    with Wire(kafka.bootstrap) as direct, Wire(odd.listener("in")) as wire, Wire(odd.listener("out")) as reader:
        answers = [codes(one.ask(request).message) for one in (direct, wire)]
        there, here = (Fetching(one, 4, topic).fetch().responses for one in (direct, reader))

    assert answers[0] == answers[1]
    assert there == here


@pytest.mark.known_fault(13)
def test_a_right_that_ends_is_gone_at_the_next_request_on_a_connection_that_stays(
    changing: Changing, tenant_topic: MakeTenantTopic
) -> None:
    """Here it ends because the policy file takes it away, as there are no rights with an end of their own yet. (What
    compiles them is there: `tests/policy/test_snapshot.py` shows that they end.)"""
    name = tenant_topic("tx_ending", at=changing.kordon)
    with Wire(changing.trading) as wire:
        assert codes(wire.ask(produce(name, b"before")).message) == [ErrorCode.none]

        changing.put_in_force(without("TOPIC_PRODUCE", "topic", name))

        assert codes(wire.ask(produce(name, b"after")).message) == [ErrorCode.topic_authorization_failed]
        assert wire.ask(a_request(ApiKey.METADATA, 12, topics=None)).message.topics
        changing.put_in_force(POLICY)
        assert codes(wire.ask(produce(name, b"again")).message) == [ErrorCode.none]
    assert len(changing.denials(name)) == 1
