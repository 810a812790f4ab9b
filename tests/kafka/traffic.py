"""Producers and consumers of three makes that go on and on, for tests in which something happens meanwhile.

And copiers, which read, process and write in transactions until they have copied what there is.

Values are `make.number`, each once. `done` is what a producer was told is there, or what a consumer has got.
"""

import asyncio
import json
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from kordon_proxy.demo import tools
from tests.kafka.tenants import QUIET

PAUSE: Final = 0.01
"""Seconds between two records of a producer: a stream, and no load test."""
JAVA_RATE: Final = 100
PATIENCE: Final = 60.0


class Traffic(Protocol):
    """One client at work, from its making to `stop`."""

    name: str

    @property
    def done(self) -> set[str]:
        """Values that it was told are there, or that it has got."""
        ...

    def stop(self) -> None:
        """Finish what is under way."""
        ...


class _Threaded:
    """Works in a thread until it is told to stop. What goes wrong there is raised by `stop`."""

    def __init__(self, name: str, address: str, topic: str) -> None:
        self.name = name
        self.address = address
        self.topic = topic
        self.done: set[str] = set()
        self._ending = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name)
        self._thread.start()

    def stop(self) -> None:
        self._ending.set()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), f"{self.name} does not end"
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            self.work()
        except BaseException as error:
            self._error = error

    def work(self) -> None:
        raise NotImplementedError


class ConfluentProducer(_Threaded):
    """librdkafka: idempotent, many in flight."""

    def work(self) -> None:
        producer = Producer({"bootstrap.servers": self.address, "enable.idempotence": True, **QUIET})
        number = 0
        while not self._ending.wait(PAUSE):
            value = f"confluent.{number}"
            producer.produce(self.topic, value, on_delivery=lambda error, message: self._told(error, message.value()))
            producer.poll(0)
            number += 1
        assert producer.flush(PATIENCE) == 0

    def _told(self, error: object, value: bytes | None) -> None:
        if error is None:
            self.done.add((value or b"").decode())


class ConfluentConsumer(_Threaded):
    """librdkafka, in a group."""

    def work(self) -> None:
        settings = {"bootstrap.servers": self.address, "group.id": self.name, "auto.offset.reset": "earliest", **QUIET}
        consumer = Consumer(settings)
        consumer.subscribe([self.topic])
        while not self._ending.is_set():
            for message in consumer.consume(500, 0.1):
                if message.error() is None:
                    self.done.add((message.value() or b"").decode())
        consumer.close()


class AioProducer(_Threaded):
    """aiokafka: idempotent, one in flight. A record that it gives up on is not one that was acknowledged."""

    def work(self) -> None:
        asyncio.run(self._work())

    async def _work(self) -> None:
        number = 0
        async with AIOKafkaProducer(bootstrap_servers=self.address, enable_idempotence=True) as producer:
            while not self._ending.is_set():
                value = f"aiokafka.{number}"
                number += 1
                try:
                    await producer.send_and_wait(self.topic, value.encode())
                except KafkaError:
                    continue
                self.done.add(value)
                await asyncio.sleep(PAUSE)


class AioConsumer(_Threaded):
    """aiokafka, in a group."""

    def work(self) -> None:
        asyncio.run(self._work())

    async def _work(self) -> None:
        consumer = AIOKafkaConsumer(
            self.topic, bootstrap_servers=self.address, group_id=self.name, auto_offset_reset="earliest"
        )
        async with consumer:
            while not self._ending.is_set():
                for records in (await consumer.getmany(timeout_ms=100)).values():
                    self.done.update(record.value.decode() for record in records)


class _Tool:
    """One of Kafka's own programs, whose lines are read in a thread."""

    def __init__(self, name: str, tool: str, *arguments: str) -> None:
        self.name = name
        self.done: set[str] = set()
        self._process = subprocess.Popen(
            tools.command(tool, *arguments), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._thread = threading.Thread(target=self._read, name=name)
        self._thread.start()

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        finally:
            self._process.kill()
            self._process.wait()
            self._thread.join(PATIENCE)
            assert self._process.stdout is not None
            self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.read(line.rstrip("\n"))

    def read(self, line: str) -> None:
        raise NotImplementedError


class JavaProducer(_Tool):
    """Kafka's verifiable producer, made to be idempotent as Java's producer is when nothing is said."""

    def __init__(self, name: str, address: str, topic: str, folder: Path) -> None:
        settings = folder / f"{name}.properties"
        settings.write_text("enable.idempotence=true\nretries=2147483647\n")
        where = ("--bootstrap-server", address, "--topic", topic, "--command-config", str(settings))
        super().__init__(
            name, "kafka-verifiable-producer", *where, "--throughput", str(JAVA_RATE), "--value-prefix", "7"
        )

    def read(self, line: str) -> None:
        said: dict[str, Any] = json.loads(line) if line.startswith("{") else {}
        if said.get("name") == "producer_send_success":
            self.done.add(said["value"])


class JavaShareConsumer(_Tool):
    """Kafka's console share consumer. Its group has to be told to read from the beginning."""

    def __init__(self, name: str, address: str, topic: str) -> None:
        where = ("--bootstrap-server", address, "--topic", topic, "--group", name)
        super().__init__(name, "kafka-console-share-consumer", *where)

    def read(self, line: str) -> None:
        self.done.add(line)


class JavaConsumer(_Tool):
    """Kafka's console consumer, in a group."""

    def __init__(self, name: str, address: str, topic: str) -> None:
        where = ("--bootstrap-server", address, "--topic", topic, "--group", name, "--from-beginning")
        super().__init__(name, "kafka-console-consumer", *where)

    def read(self, line: str) -> None:
        self.done.add(line)


class ConfluentCopier(_Threaded):
    """librdkafka, in a group of the new protocol. `copied` counts the records whose transactions it knows committed."""

    TOGETHER: Final = 10

    def __init__(self, name: str, address: str, source: str, target: str, count: int) -> None:
        self.copied = 0
        self._count = count
        self._target = target
        super().__init__(name, address, source)

    def work(self) -> None:
        reading = {"group.id": self.name, "group.protocol": "consumer", "isolation.level": "read_committed"}
        offsets = {"auto.offset.reset": "earliest", "enable.auto.commit": False}
        self._consumer = Consumer({"bootstrap.servers": self.address, **reading, **offsets, **QUIET})
        self._consumer.subscribe([self.topic])
        self._producer = Producer({"bootstrap.servers": self.address, "transactional.id": self.name, **QUIET})
        _insist(lambda: self._producer.init_transactions(PATIENCE))
        while self.copied < self._count and not self._ending.is_set():
            found = [one for one in self._consumer.consume(self.TOGETHER, 0.2) if one.error() is None]
            if found:
                self._copy(found)
        self._consumer.close()

    def _copy(self, messages: Sequence[Any]) -> None:
        try:
            self._producer.begin_transaction()
            for one in messages:
                self._producer.produce(self._target, one.value(), partition=one.partition())
            after = {
                one.partition(): TopicPartition(one.topic(), one.partition(), one.offset() + 1) for one in messages
            }
            group = self._consumer.consumer_group_metadata()
            _insist(lambda: self._producer.send_offsets_to_transaction([*after.values()], group, PATIENCE))
            _insist(lambda: self._producer.commit_transaction(PATIENCE))
        except KafkaException as failed:
            if not failed.args[0].txn_requires_abort():
                raise
            _insist(lambda: self._producer.abort_transaction(PATIENCE))
            self._rewind()
        else:
            self.copied += len(messages)

    def _rewind(self) -> None:
        """Read again from where the last transaction ended that was committed."""
        for place in _insist(lambda: self._consumer.committed(self._consumer.assignment(), PATIENCE)):
            self._consumer.seek(TopicPartition(place.topic, place.partition, max(place.offset, 0)))


def _insist(step: Callable[[], Any]) -> Any:
    """Repeat what librdkafka says may be repeated."""
    while True:
        try:
            return step()
        except KafkaException as failed:
            if not failed.args[0].retriable():
                raise


class JavaCopier(_Tool):
    """Kafka's transactional copier, in a classic group, which aborts some of its transactions for no reason."""

    def __init__(self, name: str, address: str, source: str, target: str, *, together: int = 10) -> None:
        self.copied = 0
        where = ("--broker-list", address, "--input-topic", source, "--input-partition", "0", "--output-topic", target)
        who = ("--consumer-group", name, "--transactional-id", name)
        how = ("--group-mode", "--use-group-metadata", "--enable-random-aborts", "--transaction-size", str(together))
        super().__init__(name, "transactional-message-copier", *where, *who, *how)

    def read(self, line: str) -> None:
        said: dict[str, Any] = json.loads(line) if line.startswith("{") else {}
        self.copied = max(self.copied, said.get("totalProcessed", 0))
