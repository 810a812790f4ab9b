"""Real clients live in two tenants of a real cluster, whichever event loop Kordon runs on."""

import asyncio
import hashlib
import re
import signal
from collections.abc import Iterable

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import TopicAuthorizationFailedError
from confluent_kafka.admin import AdminClient

from kordon_proxy.demo.kordon import Kordon
from tests.kafka.fixtures import Fresh
from tests.kafka.tenants import QUIET, MakeTenantTopic, eventually


def test_both_event_loops_are_tested(kordon: Kordon, kordon_on_asyncio: Kordon) -> None:
    assert '"event_loop": "uvloop"' in kordon.log
    assert '"event_loop": "asyncio"' in kordon_on_asyncio.log


def topics_at(address: str) -> set[str]:
    return set(AdminClient({"bootstrap.servers": address, **QUIET}).list_topics(timeout=20).topics)


def test_each_tenant_sees_its_own_topics_alone(kordon_on_each_loop: Kordon, tenant_topic: MakeTenantTopic) -> None:
    kordon = kordon_on_each_loop
    tx, pay = tenant_topic("tx_a", at=kordon), tenant_topic("pay_a", at=kordon)

    trading, payments = topics_at(kordon.listener("trading")), topics_at(kordon.listener("payments"))
    everything = topics_at(kordon.listener("admin"))

    assert tx in trading
    assert pay in payments
    assert not [name for name in trading if not name.startswith("tx_")]
    assert not [name for name in payments if not name.startswith("pay_")]
    assert {tx, pay} <= everything


def test_each_tenant_is_a_cluster_of_its_own(kordon_on_each_loop: Kordon) -> None:
    ids = {
        AdminClient({"bootstrap.servers": kordon_on_each_loop.listener(name), **QUIET}).list_topics().cluster_id
        for name in ("trading", "payments", "admin")
    }

    assert len(ids) == 3


def test_a_producer_and_a_consumer_do_their_work(
    kordon_on_each_loop: Kordon, tenant_topic: MakeTenantTopic, fresh: Fresh
) -> None:
    kordon = kordon_on_each_loop
    topic, group = tenant_topic("tx_work", partitions=3, at=kordon), fresh("trade_work")
    address = kordon.listener("trading")

    async def work() -> list[bytes]:
        producer = AIOKafkaProducer(bootstrap_servers=address, transactional_id=fresh("trade_work"))
        async with producer, producer.transaction():
            for number in range(20):
                await producer.send_and_wait(topic, b"%d" % number)
        settings = {"group_id": group, "auto_offset_reset": "earliest", "enable_auto_commit": False}
        async with AIOKafkaConsumer(
            topic, bootstrap_servers=address, isolation_level="read_committed", **settings
        ) as consumer:
            got = [(await asyncio.wait_for(consumer.getone(), 20)).value for _ in range(20)]
            await consumer.commit()
        return got

    assert sorted(asyncio.run(work()), key=int) == [b"%d" % number for number in range(20)]


def test_large_records_come_back_as_they_went(kordon_on_each_loop: Kordon, tenant_topic: MakeTenantTopic) -> None:
    topic = tenant_topic("tx_large", at=kordon_on_each_loop)
    address = kordon_on_each_loop.listener("trading")
    records = [bytes([number]) * 900_000 for number in range(12)]

    async def work() -> list[bytes]:
        async with AIOKafkaProducer(bootstrap_servers=address) as producer:
            for sent in [await producer.send(topic, record) for record in records]:
                await sent
        consumer = AIOKafkaConsumer(bootstrap_servers=address, auto_offset_reset="earliest", fetch_max_bytes=8 << 20)
        async with consumer:
            consumer.assign([TopicPartition(topic, 0)])
            return [(await asyncio.wait_for(consumer.getone(), 20)).value for _ in records]

    assert digests(asyncio.run(work())) == digests(records)


def digests(records: Iterable[bytes]) -> list[str]:
    return [hashlib.sha256(record).hexdigest() for record in records]


def test_what_is_denied_is_denied(kordon_on_each_loop: Kordon, tenant_topic: MakeTenantTopic) -> None:
    topic = tenant_topic("tx_secret", at=kordon_on_each_loop)

    async def work() -> None:
        async with AIOKafkaProducer(bootstrap_servers=kordon_on_each_loop.listener("trading")) as producer:
            await producer.send_and_wait(topic, b"one")

    with pytest.raises(TopicAuthorizationFailedError):
        asyncio.run(work())


def test_sighup_reloads(kordon_on_each_loop: Kordon) -> None:
    kordon = kordon_on_each_loop

    def epoch() -> float:
        found = re.search(r"^kordon_policy_epoch (\S+)$", kordon.get("/metrics")[1], re.MULTILINE)
        assert found is not None
        return float(found[1])

    before = epoch()
    kordon.policy_file.write_text(kordon.policy_file.read_text() + "# one more line\n")
    kordon.signal(signal.SIGHUP)

    eventually(lambda: epoch() > before)
