"""Topics to measure with: made and deleted at the cluster itself, and waited for until a target knows them."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from benchmarks.messages import METADATA, metadata_of
from benchmarks.targets import Target
from benchmarks.wire import Connection, Refused, framed

_AT_ONCE: Final = 250
_PATIENCE: Final = 30.0


@contextmanager
def topics(admin: str, names: Iterable[str], *, partitions: int = 1) -> Iterator[list[str]]:
    """Topics that are there within the block."""
    client, made = AdminClient({"bootstrap.servers": admin, "log_level": 3}), list(names)
    rest = iter(made)
    try:
        while some := list(islice(rest, _AT_ONCE)):
            for done in client.create_topics([NewTopic(name, partitions, 1) for name in some]).values():
                done.result(_PATIENCE)
        yield made
    finally:
        rest = iter(made)
        while some := list(islice(rest, _AT_ONCE)):
            for done in client.delete_topics(some, operation_timeout=_PATIENCE).values():
                with suppress(KafkaException):  # that was not made
                    done.result(_PATIENCE)


def wait_for(target: Target, topic: str) -> None:
    """Return when a target answers for a topic and all its partitions. Raises Refused when it does not for long."""
    frame = framed(metadata_of(topic))
    deadline = time.monotonic() + _PATIENCE
    with Connection(target) as connection:
        while True:
            connection.ask(frame)
            (told,) = connection.decoded(*METADATA).topics
            if not (told.error_code or any(part.error_code for part in told.partitions)):
                return
            if time.monotonic() > deadline:
                raise Refused(f"{target.name} does not know {topic}: {told.error_code!r}")
            time.sleep(0.1)
