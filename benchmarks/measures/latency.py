"""Messages at a fixed rate, one a request: from `produce` to the acknowledgement, and to the consumer.

Producer and consumer are in one process, so that they have one clock. A rate that client, broker and target cannot hold
together on the machine shows who runs out of CPU time first, not what a message costs.
"""

import os
import threading
import time
from typing import Any, Final

from confluent_kafka import OFFSET_END, Consumer, Message, Producer, TopicPartition

from benchmarks.clients import settings
from benchmarks.figures import Compare, Figure, quantile
from benchmarks.sizes import RECORD
from benchmarks.targets import Target
from benchmarks.wire import Refused

_WARM_UP: Final = 1_000_000_000
"""Nanoseconds of messages that do not count."""
_STAMP: Final = 8
"""Bytes in which a message says when it was made."""


class _Clock:
    """Collects what arrives; the threads of a run share it."""

    def __init__(self) -> None:
        self.from_then_on = float("inf")
        self.acknowledged: list[float] = []
        self.consumed: list[float] = []
        self.faults: list[str] = []
        self.there, self.over = threading.Event(), threading.Event()

    def delivered(self, error: object, message: Message) -> None:
        if error is not None:
            self.faults.append(str(error))
        elif _born(message) >= self.from_then_on:
            self.acknowledged.append((message.latency() or 0) * 1_000)

    def consume(self, consumer: Consumer) -> None:
        while not self.over.is_set():
            message = consumer.poll(0.1)
            if message is None:
                continue
            now = time.perf_counter_ns()
            if message.error():
                self.faults.append(str(message.error()))
                continue
            self.there.set()
            if (born := _born(message)) >= self.from_then_on:
                self.consumed.append((now - born) / 1e6)

    def serve(self, producer: Producer) -> None:
        while not self.over.is_set():
            producer.poll(0.05)


def latency(target: Target, topic: str, rate: int, seconds: float) -> list[Figure]:
    """At so many messages a second, for so long."""
    clock = _Clock()
    latest = {"group.id": f"bench-{topic}", "enable.auto.commit": False, "fetch.queue.backoff.ms": 1}
    consumer = Consumer(settings(target, latest))
    consumer.assign([TopicPartition(topic, 0, OFFSET_END)])
    producer = Producer(settings(target, {"acks": 1, "linger.ms": 0, "on_delivery": clock.delivered}))
    threads = [
        threading.Thread(target=clock.consume, args=(consumer,)),
        threading.Thread(target=clock.serve, args=(producer,)),
    ]
    for thread in threads:
        thread.start()
    try:
        _send(producer, topic, rate, seconds, clock)
    finally:
        clock.over.set()
        for thread in threads:
            thread.join()
        consumer.close()
    if clock.faults or not (clock.acknowledged and clock.consumed):
        raise Refused(f"{len(clock.consumed)} messages came; {clock.faults[:1]}")
    return [
        *_told(f"ack latency at {rate:,}/s", clock.acknowledged),
        *_told(f"end-to-end latency at {rate:,}/s", clock.consumed),
    ]


def _send(producer: Producer, topic: str, rate: int, seconds: float, clock: _Clock) -> None:
    rest = os.urandom(RECORD - _STAMP)

    def send() -> None:
        producer.produce(topic, time.perf_counter_ns().to_bytes(_STAMP, "big") + rest, partition=0)

    deadline = time.monotonic() + 10
    while not clock.there.is_set() and time.monotonic() < deadline:  # until the consumer is at the end of the topic
        send()
        time.sleep(0.02)
    begin = time.perf_counter_ns()
    clock.from_then_on = begin + _WARM_UP
    for number in range(int(rate * (seconds + _WARM_UP / 1e9))):
        due = begin + number * 1_000_000_000 // rate
        while (ahead := due - time.perf_counter_ns()) > 0:
            time.sleep(ahead / 1e9)
        send()
    producer.flush(10)
    time.sleep(0.3)


def _born(message: Message) -> int:
    value: Any = message.value()
    return int.from_bytes(value[:_STAMP], "big")


def _told(name: str, times: list[float]) -> list[Figure]:
    times.sort()
    return [
        Figure(f"{name}, p50, ms", quantile(times, 0.5), Compare.DIFFERENCE),
        Figure(f"{name}, p99, ms", quantile(times, 0.99), Compare.DIFFERENCE),
    ]
