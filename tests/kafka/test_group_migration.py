"""A group moves from the classic protocol to the new one (KIP-848) and back, while Java's consumers work in it."""

import itertools
from contextlib import ExitStack
from typing import Final

import pytest
from confluent_kafka import Producer

from kordon_proxy.demo.kordon import Kordon
from tests.kafka import requests as ask
from tests.kafka.fixtures import Fresh, RunTool
from tests.kafka.java_consumers import JavaConsumer, a_console_consumer
from tests.kafka.tenants import QUIET, MakeTenantTopic, eventually
from tests.kafka.wire import Wire

PARTITIONS: Final = 4


class Rounds:
    """One record for each partition at a time."""

    def __init__(self, address: str, topic: str) -> None:
        self.sent: set[str] = set()
        self._producer = Producer({"bootstrap.servers": address, **QUIET})
        self._topic = topic
        self._numbers = itertools.count(1)

    def next(self) -> set[str]:
        number = next(self._numbers)
        values = {f"{self._topic} {number} {partition}" for partition in range(PARTITIONS)}
        for partition, value in enumerate(sorted(values)):
            self._producer.produce(self._topic, value, partition=partition)
        assert self._producer.flush(30) == 0
        self.sent |= values
        return values


def work(rounds: Rounds, *consumers: JavaConsumer) -> None:
    """Return when each of the consumers has got a part of one round, and together they have got all of it."""

    def worked() -> bool:
        values = rounds.next()

        def parts() -> list[set[str]]:
            return [values & set(consumer.lines) for consumer in consumers]

        try:
            eventually(lambda: set().union(*parts()) == values, within=3)
        except AssertionError:
            return False
        return all(parts())

    eventually(worked, within=90)


@pytest.mark.timeout(300)
def test_a_group_moves_to_the_new_protocol_and_back_while_its_members_work(
    kordon: Kordon, kafka_tools: RunTool, tenant_topic: MakeTenantTopic, fresh: Fresh
) -> None:
    tag, group, trading = fresh("migrates"), fresh("trade_migrates"), kordon.listener("trading")
    rounds = Rounds(trading, tenant_topic(f"tx_{tag}", partitions=PARTITIONS))
    foreign = Rounds(kordon.listener("admin"), tenant_topic(f"pay_{tag}", partitions=PARTITIONS))
    foreign.next()

    def consumer(protocol: str) -> JavaConsumer:
        return a_console_consumer(trading, group, protocol, "--include", f"(tx|pay)_{tag}.*")

    def kind() -> str:
        with Wire(trading) as wire:
            (found,) = (one for one in wire.ask(ask.list_groups(5)).message.groups if one.group_id == group)
        return str(found.group_type)

    with ExitStack() as running:
        old = running.enter_context(consumer("classic"))
        work(rounds, old)
        assert kind() == "classic"

        new = running.enter_context(consumer("consumer"))
        work(rounds, old, new)
        assert kind() == "consumer"
        described = kafka_tools("kafka-consumer-groups", "--describe", "--group", group, at=trading)
        assert described.output.count(f"tx_{tag}") == PARTITIONS

        old.leave()
        work(rounds, new)
        again = running.enter_context(consumer("classic"))
        work(rounds, new, again)
        assert kind() == "consumer"

        new.leave()
        work(rounds, again)
        assert kind() == "classic"

        consumers = (old, new, again)
        eventually(lambda: rounds.sent <= {line for consumer in consumers for line in consumer.lines})
        assert not [line for consumer in consumers for line in consumer.lines if line not in rounds.sent]
