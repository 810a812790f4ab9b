"""The Kafka that is measured: one node, quick in the long run, its log in memory, so that no disk is in the figures.

It listens without login (`direct`) and with SASL PLAIN (`direct-sasl`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.targets import PASSWORD, USER, parse_target
from kordon_proxy.demo.kafka import Kafka

_MEMORY: Final = Path("/dev/shm")
# Where the demonstration's Kafka is made smaller than Kafka is, and it would be slower for it.
_AS_SHIPPED: Final = {
    "num.network.threads": 3,
    "num.io.threads": 8,
    "background.threads": 10,
    "group.coordinator.threads": 4,
    "metadata.max.idle.interval.ms": 500,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Where a Kafka is, without and with login."""

    plain: str
    sasl: str
    pid: int | None


def parse_cluster(text: str) -> Cluster:
    """Read `HOST:PORT,HOST:PORT[,pid=PID]`. Raises ValueError and OSError."""
    plain, _, rest = text.partition(",")
    if not rest:
        raise ValueError(f"{text!r} is not of the form HOST:PORT,HOST:PORT[,pid=PID]: without login, and with one")
    with_login = parse_target(f"sasl={rest}")
    return Cluster(plain=parse_target(f"plain={plain}").address, sasl=with_login.address, pid=with_login.pid)


@contextmanager
def a_cluster(first_port: int | None = None) -> Iterator[Cluster]:
    """Raises KafkaFailed and MissingPrerequisite."""
    with Kafka(
        users={USER: PASSWORD},
        jvm=("-Xms1g", "-Xmx2g", "-XX:+UseG1GC"),
        properties={**_AS_SHIPPED, "log.segment.bytes": 268_435_456},
        first_port=first_port,
        under=_MEMORY if _MEMORY.is_dir() else None,
    ) as kafka:
        yield Cluster(plain=kafka.bootstrap, sasl=kafka.listener("SASL_PLAINTEXT"), pid=kafka.nodes[1].pid)
