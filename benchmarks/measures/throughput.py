"""Produce and consume with librdkafka: records of 1 KB, batches of 64 KB, no compression."""

import os
import time
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from benchmarks.clients import settings
from benchmarks.figures import GIGABYTE, MEGABYTE, Compare, Figure
from benchmarks.processes import cpu_of
from benchmarks.sizes import PARTITIONS, RECORD
from benchmarks.targets import Target
from benchmarks.wire import Refused

_WARM_UP: Final = 2_000
"""Records, which open the connections and are not timed."""
_PATIENCE: Final = 30.0


def produce(target: Target, topic: str, size: int, acks: str) -> list[Figure]:
    """So many bytes, acknowledged by the leader (`1`) or by all in-sync replicas (`all`)."""
    before = cpu_of(target)
    failed: list[str] = []
    producer = Producer(
        settings(
            target,
            {
                "acks": acks,
                "linger.ms": 5,
                "batch.size": 65_536,
                "compression.type": "none",
                "max.in.flight.requests.per.connection": 5,
                "queue.buffering.max.messages": 200_000,
                "queue.buffering.max.kbytes": 131_072,
                "delivery.report.only.error": True,
                "on_delivery": lambda error, _: failed.append(str(error)),
            },
        )
    )
    value, left = os.urandom(RECORD), size // RECORD
    for _ in range(_WARM_UP):
        producer.produce(topic, value)
    if producer.flush(_PATIENCE) or failed:
        raise Refused(f"the first records were not delivered: {failed[:1]}")
    begin = time.perf_counter()
    while left:
        try:
            producer.produce(topic, value)
            left -= 1
        except BufferError:
            producer.poll(0.005)
    if producer.flush(4 * _PATIENCE) or failed:
        raise Refused(f"not all records were delivered: {failed[:1]}")
    seconds = time.perf_counter() - begin
    return rates(target, f"produce, acks={acks}", size, seconds, before)


def consume(target: Target, topic: str, size: int) -> list[Figure]:
    """So many bytes from the beginning of a topic, by a consumer that has just come."""
    before = cpu_of(target)
    begin = time.perf_counter()
    consumer = Consumer(
        settings(
            target,
            {
                "group.id": f"bench-{topic}",
                "enable.auto.commit": False,
                "fetch.queue.backoff.ms": 1,
                "queued.max.messages.kbytes": 131_072,
                "fetch.max.bytes": 50 << 20,
            },
        )
    )
    consumer.assign([TopicPartition(topic, one, OFFSET_BEGINNING) for one in range(PARTITIONS)])
    wanted, got, last = size // RECORD, 0, time.monotonic()
    while got < wanted:
        came = len(consumer.consume(10_000, 0.05))
        got += came
        if came:
            last = time.monotonic()
        elif time.monotonic() - last > _PATIENCE:
            raise Refused(f"only {got} of {wanted} records came")
    seconds = time.perf_counter() - begin
    consumer.close()
    return rates(target, "consume", got * RECORD, seconds, before)


def rates(target: Target, name: str, size: int, seconds: float, cpu: float) -> list[Figure]:
    """Throughput, and the CPU seconds that the target has used since it had used `cpu`, for each gigabyte."""
    found = [Figure(f"{name}, MB/s", size / MEGABYTE / seconds)]
    if target.pid is not None:
        found.append(Figure(f"{name}, CPU s/GB", (cpu_of(target) - cpu) / (size / GIGABYTE), Compare.NOTHING))
    return found
