"""Kordon is killed again and again while clients change things: whatever they were told is done is in the audit log."""

import os
import random
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any, Final

from kordon_protocol.codec import request_type
from kordon_protocol.keys import ApiKey
from kordon_protocol.outcomes import body_error_codes
from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from kordon_proxy.judging.entries import make, struct_type
from tests.kafka.fixtures import Fresh
from tests.kafka.requests import SOON, TOPIC
from tests.kafka.tenants import LISTENERS, POLICY, eventually
from tests.kafka.wire import Gone, Wire
from tests.proxy.apis.messages import a_request, asked

CLIENTS: Final = 8
KILLS: Final = 5
LEAST: Final = 8 * CLIENTS
"""Changes that clients are told of before each kill: somebody has done one of each kind then."""
THEN: Final = 0.7
"""Seconds after that within which it comes."""
FULL: Final = 0.3
"""Seconds for which the disk is full before every other one, at most."""
SETTINGS: Final = {"audit": {"rotation": {"size": "64KiB", "keep": "all"}}}

Key = tuple[str, int]
"""Address and correlation id: how a request is told from all others in the audit too."""


@dataclass(slots=True)
class Client:
    """Changes things on one connection after the other, and keeps what it was told is done."""

    address: str
    name: str
    stop: threading.Event
    acknowledged: dict[Key, str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def run(self) -> None:
        topics = (f"{self.name}.{number}" for number in count())
        while not self.stop.is_set():
            try:
                with Wire(self.address) as wire:
                    while not self.stop.is_set():
                        self._work(wire, next(topics))
            except (Gone, OSError):
                time.sleep(0.02)
            except Exception as error:
                self.failures.append(repr(error))
                raise

    def _work(self, wire: Wire, topic: str) -> None:
        self._ask(wire, create(topic))
        self._ask(wire, *(alter(topic, 1000 + value) for value in range(2)))
        self._ask(wire, *(commit(f"trade_{topic}", topic, offset) for offset in range(4)))
        self._ask(wire, delete(topic))

    def _ask(self, wire: Wire, *messages: Any) -> None:
        """Send all in one piece. Each answer counts as soon as it is there."""
        for number, message in zip(wire.send(*messages), messages, strict=True):
            answer = wire.receive().message
            if not any(code for _, code in body_error_codes(answer)):
                self.acknowledged[wire.peer, number] = ApiKey(message.__api_key__).name


def create(name: str) -> Any:
    kind = struct_type(request_type(ApiKey.CREATE_TOPICS, 5), "topics")
    return a_request(ApiKey.CREATE_TOPICS, 5, topics=(make(kind, name=name, num_partitions=1, replication_factor=1),))


def alter(name: str, retention: int) -> Any:
    key = ApiKey.INCREMENTAL_ALTER_CONFIGS
    setting = asked(key, 1, "resources", "configs", name="retention.ms", value=str(retention))
    resource = asked(key, 1, "resources", resource_type=TOPIC, resource_name=name, configs=(setting,))
    return a_request(key, 1, resources=(resource,))


def commit(group: str, topic: str, offset: int) -> Any:
    """An offset that somebody who is no member sets."""
    key = ApiKey.OFFSET_COMMIT
    part = asked(key, 8, "topics", "partitions", committed_offset=offset, committed_leader_epoch=-1)
    topics = (asked(key, 8, "topics", name=topic, partitions=(part,)),)
    return a_request(key, 8, group_id=group, generation_id_or_member_epoch=-1, topics=topics)


def delete(name: str) -> Any:
    return a_request(ApiKey.DELETE_TOPICS, 5, topic_names=(name,), timeout=SOON)


@contextmanager
def at_work(clients: list[Client], stop: threading.Event) -> Iterator[None]:
    threads = [threading.Thread(target=client.run) for client in clients]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)


def fill_disk(kordon: Kordon) -> None:
    """Let no file of this process grow beyond what the newest one of the audit is."""
    newest = max((kordon.folder / "audit").glob("audit.*.jsonl"))
    resource.prlimit(kordon.pid, resource.RLIMIT_FSIZE, (newest.stat().st_size, resource.RLIM_INFINITY))


def told(clients: list[Client], least: int) -> bool:
    """Whether clients have been told of so many changes."""
    return sum(len(client.acknowledged) for client in clients) >= least


def verify(kordon: Kordon, *options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "kordon_proxy", "audit", "verify", "--config", str(kordon.config_file), *options]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)


def test_whatever_was_acknowledged_before_a_kill_is_in_the_audit_and_the_chain_is_whole(
    kafka: Kafka, fresh: Fresh
) -> None:
    stop = threading.Event()
    kordon = Kordon(clusters={"prod": kafka.bootstrap}, policy=POLICY, listeners=LISTENERS, settings=SETTINGS)
    with kordon:
        clients = [Client(kordon.listener("admin"), fresh(f"tx_{n}"), stop) for n in range(CLIENTS)]
        with at_work(clients, stop):
            for kills in range(1, KILLS + 1):
                eventually(partial(told, clients, kills * LEAST), within=60)
                time.sleep(random.uniform(0, THEN))
                if kills % 2:
                    # Whoever is told of anything from now on, and before the end, was told too early.
                    fill_disk(kordon)
                    time.sleep(random.uniform(0, FULL))
                kordon.kill()
                if kills < KILLS:
                    kordon.start()
        assert not [failure for client in clients for failure in client.failures]
        events = kordon.audit()
        verified = verify(kordon)

    acknowledged = {key: api for client in clients for key, api in client.acknowledged.items()}
    done = {
        (event["data"]["who"].get("peer"), event["data"]["what"].get("correlation_id"))
        for event in events
        if event["type"] == "kordon.audit.decision.v1" and event["data"]["outcome"].get("error_code") == 0
    }
    # Then none of them lacks its event, and no event is there twice
    assert [(key, api) for key, api in acknowledged.items() if key not in done] == []
    assert len({event["id"] for event in events}) == len(events)
    # And they were many, of each kind, on connections that were killed
    assert len(acknowledged) >= KILLS * LEAST
    assert {"CREATE_TOPICS", "INCREMENTAL_ALTER_CONFIGS", "OFFSET_COMMIT", "DELETE_TOPICS"} <= set(
        acknowledged.values()
    )
    assert len({peer for peer, _ in acknowledged}) > KILLS
    # And the journal is what was written
    assert (verified.returncode, verified.stderr) == (0, "")
    assert "\nno breaks\n" in verified.stdout
    assert [int(event["sequence"]) for event in events] == list(range(1, len(events) + 1))
