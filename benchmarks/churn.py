"""What goes on around a Kordon that is watched for long: everything comes and goes, all the time.

Each kind of churn is a function that is called again and again, in a thread of its own, at its own pace.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count

from confluent_kafka import Consumer, Producer

from benchmarks.clients import settings
from benchmarks.kordons import RULES, policy
from benchmarks.lent import admin_api, deny, revoke
from benchmarks.messages import metadata_of
from benchmarks.sizes import RECORD
from benchmarks.targets import Target
from benchmarks.wire import Connection, framed
from kordon_proxy.demo.kordon import Kordon

Step = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Churn:
    """Something that happens every so many seconds. An exception ends it, and is a fault of the run."""

    name: str
    every: float
    step: Step


@contextmanager
def happening(churns: tuple[Churn, ...]) -> Iterator[tuple[Mapping[str, int], list[str]]]:
    """How often each has happened, and what went wrong; both grow while the block lasts.

    The last kind is the first to end, as it may need the others.
    """
    happened: Counter[str] = Counter()
    faults: list[str] = []

    def again(churn: Churn, over: threading.Event) -> None:
        due = time.monotonic()
        while not over.wait(max(0.0, due - time.monotonic())):
            due = max(due + churn.every, time.monotonic() - 1)
            try:
                churn.step()
            except Exception as fault:
                faults.append(f"{churn.name}: {fault!r}")
                return
            happened[churn.name] += 1

    with ExitStack() as stack:
        for churn in churns:
            over = threading.Event()
            thread = threading.Thread(target=again, args=[churn, over], name=churn.name)
            thread.start()
            stack.callback(thread.join)
            stack.callback(over.set)
        yield happened, faults


def all_kinds(kordon: Kordon, target: Target, topic: str) -> tuple[Churn, ...]:
    return (
        Churn(name="connections", every=0.05, step=lambda: _come_and_go(target, topic)),
        Churn(name="batches of records", every=0.02, step=_producing(target, topic)),
        Churn(name="reads", every=0.05, step=_reading(target, topic)),
        Churn(name="grants", every=1.0, step=_granting(kordon)),
        Churn(name="reloads", every=10.0, step=_reloading(kordon)),
        Churn(name="rebalances", every=3.0, step=lambda: _join_and_leave(target, topic)),
    )


def _come_and_go(target: Target, topic: str) -> None:
    with Connection(target) as connection:
        connection.ask(framed(metadata_of(topic)))


def _producing(target: Target, topic: str) -> Step:
    """A hundred records each time."""
    failed: list[str] = []

    def delivered(error: object, _: object) -> None:
        if error is not None:
            failed.append(str(error))

    value = bytes(RECORD)
    producer = Producer(settings(target, {"acks": "all", "linger.ms": 5, "on_delivery": delivered}))

    def step() -> None:
        for _ in range(100):
            producer.produce(topic, value)
        producer.poll(0)
        if failed:
            raise RuntimeError(failed[0])

    return step


def _reading(target: Target, topic: str) -> Step:
    told = {"group.id": "bench-steady", "auto.offset.reset": "latest", "enable.auto.commit": True}
    consumer = Consumer(settings(target, told))
    consumer.subscribe([topic])

    def step() -> None:
        for message in consumer.consume(10_000, 0.05):
            if (error := message.error()) is not None:
                raise RuntimeError(str(error))

    return step


def _join_and_leave(target: Target, topic: str) -> None:
    consumer = Consumer(settings(target, {"group.id": "bench-steady", "auto.offset.reset": "latest"}))
    consumer.subscribe([topic])
    deadline = time.monotonic() + 30
    while not consumer.assignment():
        consumer.poll(0.1)
        if time.monotonic() > deadline:
            raise TimeoutError("no partition was assigned in 30 s")
    consumer.close()


def _granting(kordon: Kordon) -> Step:
    """A temporary policy that is revoked at once, and one that ends by itself."""
    api = admin_api(kordon)
    numbers = count()

    def step() -> None:
        deny(api, f"bench-lent-{next(numbers)}", 2_000)
        revoke(api, deny(api, f"bench-lent-{next(numbers)}", 60_000))

    return step


def _reloading(kordon: Kordon) -> Step:
    """A policy with one more rule, and the next time with one less."""
    numbers = count()
    api = admin_api(kordon)

    def step() -> None:
        kordon.policy_file.write_text(policy(rules=RULES + next(numbers) % 2), encoding="utf-8")
        api.post("/reload").raise_for_status()

    return step
