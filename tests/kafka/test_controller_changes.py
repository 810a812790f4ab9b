"""The controller of a cluster dies while topics are made and records written: what was acknowledged is there."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from typing import Any, Final
from uuid import UUID

from kio.schema.errors import ErrorCode

from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from tests.kafka import requests as ask
from tests.kafka.fixtures import Fresh
from tests.kafka.moving import content, directly, leaders
from tests.kafka.requests import Things
from tests.kafka.tap import metric, unforeseen
from tests.kafka.tenants import LISTENERS, POLICY, eventually
from tests.kafka.traffic import ConfluentProducer
from tests.kafka.wire import Gone, Wire

MORE: Final = 5
PAUSE: Final = 0.2
"""Seconds between two topics."""


def named(topic: str) -> Things:
    return Things(topic=topic, topic_id=UUID(int=0), group="", transactional_id="")


def controller_of(kafka: Kafka) -> int:
    (topic,) = directly(kafka, ask.describe_quorum(2)).topics
    leader: int = topic.partitions[0].leader_id
    return leader


class Maker:
    """Makes topics one after the other, on a new connection whenever the one that there was has ended."""

    def __init__(self, address: str, beginning: str) -> None:
        self.made: list[str] = []
        """Of which it was told that they are there."""
        self.wrong: list[Any] = []
        self._address, self._beginning = address, beginning
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join()

    def _run(self) -> None:
        numbers = count()
        while not self._stop.is_set():
            with suppress(Gone, OSError), Wire(self._address) as wire:
                while not self._stop.wait(PAUSE):
                    self._make(wire, f"{self._beginning}-{next(numbers)}")

    def _make(self, wire: Wire, name: str) -> None:
        (topic,) = wire.ask(ask.create_topics(5, named(name))).message.topics
        if topic.name != name:
            self.wrong.append(topic)
        elif topic.error_code is ErrorCode.none:
            self.made.append(name)


def test_when_the_controller_dies_topics_are_made_and_records_written_as_before(
    three_nodes: Kafka, fresh: Fresh
) -> None:
    name = fresh("tx_ruled")
    with ExitStack() as stack:
        kordon = stack.enter_context(
            Kordon(clusters={"prod": three_nodes.bootstrap}, policy=POLICY, listeners=LISTENERS)
        )
        address = kordon.listener("trading")
        with Wire(address) as wire:
            topic = ask.create_topics(5, named(name), num_partitions=3, replication_factor=3)
            assert not ask.errors_of(wire.ask(topic).message)
        eventually(lambda: len(leaders(three_nodes, name)) == 3 and -1 not in leaders(three_nodes, name))
        maker = Maker(address, fresh("tx_made"))
        producer = ConfluentProducer("ruled", address, name)
        stack.callback(producer.stop)
        stack.enter_context(maker.at_work())
        eventually(lambda: len(maker.made) >= MORE and len(producer.done) >= MORE)

        ruling = controller_of(three_nodes)
        made, done = len(maker.made), len(producer.done)
        three_nodes.nodes[ruling].kill()
        eventually(lambda: len(maker.made) >= made + MORE, within=60)
        eventually(lambda: len(producer.done) >= done + MORE, within=60)
        assert controller_of(three_nodes) != ruling
        producer.stop()
        assert not unforeseen(kordon)
        assert metric(kordon, "kordon_unexpected_errors_total") == 0
    assert not maker.wrong
    found = content(three_nodes, name, 3)
    assert set(producer.done) <= found.keys()
    there = {one.name for one in directly(three_nodes, ask.find_all_topics(12)).topics}
    assert set(maker.made) <= there
