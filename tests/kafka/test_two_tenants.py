"""Real clients live in a tenant of a real cluster."""

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from confluent_kafka.admin import AdminClient

from kordon_proxy.demo.kordon import Kordon
from tests.kafka.fixtures import Fresh, MakeTopic


def topics_at(address: str) -> set[str]:
    return set(AdminClient({"bootstrap.servers": address}).list_topics(timeout=20).topics)


def test_each_tenant_sees_its_own_topics_alone(kordon: Kordon, new_topic: MakeTopic) -> None:
    tx, pay = new_topic("tx_a"), new_topic("pay_a")

    trading, payments = topics_at(kordon.listener("trading")), topics_at(kordon.listener("payments"))
    everything = topics_at(kordon.listener("admin"))

    assert tx in trading
    assert pay in payments
    assert not [name for name in trading if not name.startswith("tx_")]
    assert not [name for name in payments if not name.startswith("pay_")]
    assert {tx, pay} <= everything


def test_a_producer_and_a_consumer_do_their_work(kordon: Kordon, new_topic: MakeTopic, fresh: Fresh) -> None:
    topic, group = new_topic("tx_work", partitions=3), fresh("trade_work")

    async def work() -> list[bytes]:
        address = kordon.listener("trading")
        async with AIOKafkaProducer(bootstrap_servers=address) as producer:
            for number in range(20):
                await producer.send_and_wait(topic, b"%d" % number)
        got: list[bytes] = []
        consumer = AIOKafkaConsumer(
            topic, bootstrap_servers=address, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False
        )
        async with consumer:
            while len(got) < 20:
                record = await asyncio.wait_for(consumer.getone(), 20)
                got.append(record.value)
            await consumer.commit()
        return got

    assert sorted(asyncio.run(work()), key=int) == [b"%d" % number for number in range(20)]
