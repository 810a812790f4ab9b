"""Share groups of a cluster of three: leaders move, and members go on without a real address (C9 of the conformance
cases, which `test_three_nodes` shows for all else)."""

from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from kordon_protocol.keys import ApiKey
from kordon_proxy.demo.kafka import Kafka
from tests.kafka import requests as ask
from tests.kafka import share_requests as share
from tests.kafka.fetching import topic_id_of
from tests.kafka.fixtures import Fresh
from tests.kafka.moving import MOVED, at_work, create, elect, go_on, has_moved, leaders, reassign
from tests.kafka.requests import GROUP, Things, errors_of
from tests.kafka.tap import FrontTap
from tests.kafka.tenants import eventually
from tests.kafka.traffic import ConfluentProducer, JavaShareConsumer
from tests.kafka.wire import Wire


def at(tap: FrontTap, node: int) -> str:
    """Where clients find a node."""
    host, _, bootstrap = tap.bootstrap.rpartition(":")
    return f"{host}:{int(bootstrap) + 1 + node}"


@pytest.mark.parametrize("version", [1, 2])
def test_whoever_asks_the_old_leader_is_told_the_new_one_at_kordons_address(
    three_nodes: Kafka, tap: FrontTap, fresh: Fresh, version: int
) -> None:
    # Given a topic that node 1 leads, and a share session there
    name = fresh("tx_share_hints")
    create(three_nodes, name, [(1, 2)])
    eventually(lambda: leaders(three_nodes, name, 1) == [1])
    with Wire(three_nodes.nodes[1].address()) as real, Wire(at(tap, 1)) as wire:
        found = topic_id_of(wire, name)

        def things() -> Things:
            group = fresh("trade_share")
            return Things(topic=name, topic_id=found, group=group, transactional_id="", member_id=str(uuid4()))

        members = [(real, things()), (wire, things())]
        for connection, one in members:
            eventually(partial(opened, connection, share.fetch(version, one, one, max_bytes=0)))

        # When node 2 takes over
        reassign(three_nodes, name, (2, 1))
        eventually(lambda: has_moved(three_nodes, name))
        answers = [
            connection.ask(build(version, one, one, epoch=epoch)).message
            for connection, one in members
            for build, epoch in ((share.fetch, 1), (share.acknowledge, 2))
        ]

    # Then
    for answer in answers[0], answers[2]:
        ((partition,),) = (topic.partitions for topic in answer.responses)
        assert partition.error_code in MOVED
        assert partition.current_leader.leader_id == 2
    by_kafka, _, by_kordon, acknowledged = (
        {f"{node.node_id} {node.host}:{node.port}" for node in answer.node_endpoints} for answer in answers
    )
    assert by_kafka == {f"2 {three_nodes.nodes[2].address()}"}
    assert by_kordon == {f"2 {at(tap, 2)}"}
    assert acknowledged <= {f"2 {at(tap, 2)}"}


def opened(wire: Wire, message: Any) -> bool:
    """Open a session with a topic that Kordon has to have heard of."""
    return not errors_of(wire.ask(message).message)


def test_a_share_consumer_goes_on_while_a_leader_dies_and_comes_back(
    three_nodes: Kafka, tap: FrontTap, fresh: Fresh
) -> None:
    name, group = fresh("tx_share_moving"), fresh("trade_share")
    create(three_nodes, name, [(1, 2, 3), (2, 3, 1), (3, 1, 2)])
    with Wire(tap.bootstrap) as wire:
        setting = ask.alter_settings(1, (GROUP, group), setting=("share.auto.offset.reset", "earliest"))
        eventually(lambda: not errors_of(wire.ask(setting).message))
    with at_work(
        lambda: ConfluentProducer("confluent", tap.bootstrap, name),
        lambda: JavaShareConsumer(group, tap.bootstrap, name),
    ) as clients:
        go_on(clients)

        three_nodes.nodes[1].kill()
        eventually(lambda: not {1, -1} & set(leaders(three_nodes, name)))
        go_on(clients)

        three_nodes.nodes[1].launch()
        three_nodes.nodes[1].wait_until_it_sees({1, 2, 3})
        elect(three_nodes, name, range(3))
        go_on(clients)

        producer, consumer = clients
        producer.stop()
        eventually(lambda: producer.done <= consumer.done, within=90)

    assert {ApiKey.SHARE_GROUP_HEARTBEAT, ApiKey.SHARE_FETCH} <= {key for key, _ in tap.asked}
