"""What Kordon costs: produce, consume and round trips through it, as ratios to Kafka directly and to a bare relay.

    python -m benchmarks.relay                    # three rounds, about three minutes
    python -m benchmarks.relay --rounds 1 --megabytes 100
    python -m benchmarks.relay --out results.json
    python -m benchmarks.relay --before ../kordon-before    # a checkout of an older commit, in the same run

One real Kafka, one real `kordon serve` with tenant, policies, audit and metrics, and the bare relay of
`benchmarks.bare`, which is the least that a proxy in Python costs on this machine. Every round measures each of them
one after the other, in turns; a ratio is taken within a round, and the median of the rounds is shown with its range.
CPU seconds (user and system, from /proc) and resident memory are those of the proxy's process. The client is
confluent-kafka for throughput, and one plain socket for round trips.

Ratios of CPU seconds are steady; other ratios vary with whatever else the machine does; absolute figures are worth
least, as machines differ by a factor of two.
"""

import argparse
import json
import os
import socket
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from kio.schema.metadata.v12 import request as metadata_request

from kordon_protocol.codec import request_frame
from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon

MEGABYTE: Final = 1_000_000
RECORD: Final = 1_000
PARTITIONS: Final = 4
POLICY: Final = """\
policies:
  - resource: [cluster, bench, topic, "bench*"]
    effect: Allow
    actions: [TOPIC_INSPECT, TOPIC_PRODUCE]
    role: bench
  - resource: [cluster, bench, group, "bench*"]
    effect: Allow
    actions: [GROUP_CONSUME]
    role: bench
tenants:
  - name: Bench
    resources:
      - include:
          - [cluster, bench, topic, "bench*"]
          - [cluster, bench, group, "bench*"]
    roles: [bench]
"""
LISTENERS: Final = {"bench": {"identity": {"principal": "bench", "roles": ["bench"]}}}


@dataclass(slots=True)
class Target:
    """One way to the cluster."""

    name: str
    address: str
    pid: int | None = None
    figures: dict[str, list[float]] = field(default_factory=dict)

    def note(self, name: str, value: float) -> None:
        self.figures.setdefault(name, []).append(value)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_megabytes(pid: int) -> float:
    (line,) = (one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024 / MEGABYTE


@contextmanager
def measured(target: Target, name: str, size: int) -> Iterator[None]:
    """Throughput of a block that moves so many bytes, and Kordon's CPU seconds for a gigabyte of it."""
    cpu = 0.0 if target.pid is None else cpu_seconds(target.pid)
    begin = time.perf_counter()
    yield
    target.note(f"{name}, MB/s", size / MEGABYTE / (time.perf_counter() - begin))
    if target.pid is not None:
        target.note(f"{name}, CPU s/GB", (cpu_seconds(target.pid) - cpu) / (size / 1e9))


def produce(target: Target, topic: str, size: int) -> None:
    failed: list[str] = []
    producer = Producer(
        {
            "bootstrap.servers": target.address,
            "acks": 1,
            "linger.ms": 5,
            "batch.size": 65_536,
            "queue.buffering.max.messages": 200_000,
            "delivery.report.only.error": True,
            "on_delivery": lambda error, _: failed.append(str(error)),
        }
    )
    value, left = os.urandom(RECORD), size // RECORD
    with measured(target, "produce", size):
        while left:
            try:
                producer.produce(topic, value)
                left -= 1
            except BufferError:
                producer.poll(0.005)
        if producer.flush(60) or failed:
            raise SystemExit(f"{target.name}: not all records were delivered: {failed[:1]}")


def consume(target: Target, topic: str, size: int) -> None:
    consumer = Consumer(
        {
            "bootstrap.servers": target.address,
            "group.id": "bench",
            "enable.auto.commit": False,
            "fetch.queue.backoff.ms": 1,
            "queued.max.messages.kbytes": 131_072,
        }
    )
    consumer.assign([TopicPartition(topic, one, OFFSET_BEGINNING) for one in range(PARTITIONS)])
    wanted, got, deadline = size // RECORD, 0, time.monotonic() + 60
    with measured(target, "consume", size):
        while got < wanted:
            got += len(consumer.consume(10_000, 0.05))
            if time.monotonic() > deadline:
                raise SystemExit(f"{target.name}: only {got} of {wanted} records came")
    consumer.close()


def round_trips(target: Target, topic: str, count: int) -> None:
    """One request at a time on one connection: Metadata of one topic."""
    entry = metadata_request.MetadataRequestTopic(topic_id=None, name=topic)  # type: ignore[arg-type]
    request = metadata_request.MetadataRequest(topics=(entry,), include_topic_authorized_operations=False)
    frame = request_frame(request, 1, "bench")
    host, _, port = target.address.rpartition(":")
    times = []
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for turn in range(count + count // 10):
            begin = time.perf_counter()
            connection.sendall(frame)
            _receive(connection)
            if turn >= count // 10:
                times.append(1000 * (time.perf_counter() - begin))
    times.sort()
    target.note("Metadata round trip p50, ms", times[len(times) // 2])
    target.note("Metadata round trip p99, ms", times[len(times) * 99 // 100])


def _receive(connection: socket.socket) -> None:
    head = connection.recv(4, socket.MSG_WAITALL)
    (size,) = struct.unpack(">i", head)
    connection.recv(size, socket.MSG_WAITALL)


def idle_connections(target: Target, count: int) -> None:
    """Memory of connections that have asked for one thing and are silent."""
    if target.pid is None:
        return
    before, cpu = resident_megabytes(target.pid), cpu_seconds(target.pid)
    host, _, port = target.address.rpartition(":")
    request = metadata_request.MetadataRequest(topics=(), include_topic_authorized_operations=False)
    frame = request_frame(request, 1, "bench")
    connections = []
    for _ in range(count):
        connection = socket.create_connection((host, int(port)), 10)
        connection.sendall(frame)
        _receive(connection)
        connections.append(connection)
    target.note("KB for an idle connection", (resident_megabytes(target.pid) - before) * 1000 / count)
    target.note("CPU ms for a new connection", (cpu_seconds(target.pid) - cpu) * 1000 / count)
    for connection in connections:
        connection.close()


def run(targets: list[Target], admin: str, rounds: int, size: int, trips: int) -> None:
    cluster = AdminClient({"bootstrap.servers": admin})
    for number in range(rounds + 1):  # the first one warms up, and is forgotten
        for place in range(len(targets)):
            target = targets[(place + number) % len(targets)]
            topic = f"bench-{number}-{target.name.replace(' ', '-')}"
            cluster.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result(30)
            time.sleep(1.5)  # Kordon looks at all topics again when it is asked for one that it does not know
            steps: tuple[Callable[[], None], ...] = (
                lambda: produce(target, topic, size),  # noqa: B023 -- called at once
                lambda: consume(target, topic, size),  # noqa: B023
                lambda: round_trips(target, topic, trips),  # noqa: B023
            )
            for step in steps:
                step()
            if target.pid is not None:
                target.note("resident memory, MB", resident_megabytes(target.pid))
            cluster.delete_topics([topic])[topic].result(30)
        if number == 0:
            for target in targets:
                target.figures.clear()


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f}–{max(values):.2f})"


def ratio(mine: Target, theirs: Target, name: str) -> str:
    """Within each round; nothing where one of them has no such figure."""
    ours, base = mine.figures.get(name, []), theirs.figures.get(name)
    return "–" if base is None else "× " + spread([a / b for a, b in zip(ours, base, strict=True) if b])


def table(kordon: Target, others: Sequence[Target]) -> str:
    """A row for each figure: of each way, and Kordon's ratio to each of the others."""
    names = [way.name for way in (*others, kordon)]
    head = ["measure", *names, *(f"{kordon.name} ÷ {way.name}" for way in others)]
    lines = [f"| {' | '.join(head)} |", f"| --- |{' ---: |' * (len(head) - 1)}"]
    for name in kordon.figures:
        cells = [spread(way.figures[name]) if name in way.figures else "–" for way in (*others, kordon)]
        lines.append(f"| {' | '.join([name, *cells, *(ratio(kordon, way, name) for way in others)])} |")
    return "\n".join(lines)


def a_kordon(bootstrap: str, checkout: Path | None = None) -> Kordon:
    """Kordon in front of a cluster; of another checkout, if one is given."""
    rooms = [str(checkout / room) for room in ("proxy", "protocol", "policy")] if checkout else []
    return Kordon(
        clusters={"bench": bootstrap},
        policy=POLICY,
        listeners=LISTENERS,
        settings={"log": {"level": "warning"}},
        environment={"PYTHONPATH": os.pathsep.join(rooms)} if rooms else {},
    )


@contextmanager
def bare_relay(address: str) -> Iterator[Target]:
    """The yardstick, in a process of its own, in front of a broker."""
    port = address.rpartition(":")[2]
    command = [sys.executable, "-m", "benchmarks.bare", port]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Target("bare relay", f"127.0.0.1:{process.stdout.readline().strip()}", process.pid)
        finally:
            process.terminate()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=500, help="per round, way and direction")
    parser.add_argument("--round-trips", type=int, default=2_000)
    parser.add_argument("--connections", type=int, default=1_000)
    parser.add_argument("--out", type=Path, help="also write the figures of every round as JSON")
    parser.add_argument("--before", type=Path, help="a checkout of another commit, to compare with")
    options = parser.parse_args()
    quick = {"log.segment.bytes": 268_435_456}
    with ExitStack() as stack:
        kafka = stack.enter_context(Kafka(jvm=("-Xms1g", "-Xmx2g"), properties=quick))
        ways = [Target("direct", kafka.bootstrap), stack.enter_context(bare_relay(kafka.bootstrap))]
        if options.before is not None:
            before = stack.enter_context(a_kordon(kafka.bootstrap, options.before.resolve()))
            ways.append(Target("before", before.bootstrap, before.pid))
        kordon = stack.enter_context(a_kordon(kafka.bootstrap))
        ways.append(Target("Kordon", kordon.bootstrap, kordon.pid))
        for way in ways[1:]:
            idle_connections(way, options.connections)
        idle = [dict(way.figures) for way in ways]
        run(ways, kafka.bootstrap, options.rounds, options.megabytes * MEGABYTE, options.round_trips)
        for way, at_rest in zip(ways, idle, strict=True):
            way.figures |= at_rest
    print(table(ways[-1], ways[:-1]))
    if options.out:
        figures: dict[str, Any] = {way.name: way.figures for way in ways}
        options.out.write_text(
            json.dumps({"rounds": options.rounds, "megabytes": options.megabytes, **figures}, indent=1)
        )


if __name__ == "__main__":
    main()
