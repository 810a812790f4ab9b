"""Two real clusters: the one holds what Acme has and nothing else, the other what Globex has too.

Acme's part is settled by the same code in both. Each has a Kordon of its own before it, with the same policy, and a
tap between the two.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

import pytest

from kordon_protocol.codec import encode
from kordon_protocol.header import peek_request
from kordon_protocol.keys import ApiKey
from kordon_proxy.demo.kafka import Kafka
from tests.kafka import requests as ask
from tests.kafka.access import settle as settle_access
from tests.kafka.neighbours import Neighbours, a_cluster, a_kordon, is_acmes
from tests.kafka.requests import TOPIC, Things
from tests.kafka.sameness import TAKEN, Counterparts, difference
from tests.kafka.settlers import Settlers
from tests.kafka.tenants import eventually
from tests.kafka.wire import Reply, Tap, Wire
from tests.proxy.apis.messages import a_request

Build = Callable[[Neighbours], Iterable[Any]]
"""Makes requests, in terms of one of the clusters."""
Twin = Callable[[Neighbours], Things]
"""What something of Acme's is in each of the clusters."""
OWNERS: Final = ("abba", "acme.vault", "globex")
"""Who has what in Globex: before Acme in the alphabet, in its midst and behind it."""
SPARES: Final = 120
PAUSE: Final = 0.02
"""Seconds between two rounds of whoever is busy: he shares the machine with who asks."""
OWN_QUESTIONS: Final = {
    ApiKey.DESCRIBE_ACLS,
    ApiKey.DESCRIBE_CONFIGS,
    ApiKey.DESCRIBE_TRANSACTIONS,
    ApiKey.STREAMS_GROUP_DESCRIBE,
}
"""What Kordon itself asks a broker before it answers. All else it asks by the clock, or after an answer."""
MARK: Final = (TOPIC, "acme.mark.pay")


@dataclass(slots=True, kw_only=True)
class Twins:
    """The two clusters, and what of the one is what of the other."""

    alone: Neighbours
    crowded: Neighbours
    stock: Iterator[tuple[Things, Things]]
    """Things of Acme's to be used up: each in the one and in the other."""
    counterparts: Counterparts = field(default_factory=Counterparts)
    marks: int = 1_000_000_000_000
    """Milliseconds, as they are what a topic keeps its records for: it is to keep them all the while."""

    @property
    def both(self) -> tuple[Neighbours, Neighbours]:
        return self.alone, self.crowded

    @property
    def foreign(self) -> tuple[Things, ...]:
        """What Globex has in the one, and nobody in the other."""
        return self.crowded.foreign

    def know(self, here: Things, there: Things) -> None:
        """That these are the same, but for what their clusters have minted."""
        for kind, one, other in (
            ("topic id", here.topic_id, there.topic_id),
            ("member", here.member_id, there.member_id),
            ("producer id", here.producer_id, there.producer_id),
        ):
            assert self.counterparts.are(kind, one, other)

    def know_topics(self) -> None:
        """That topics of one name are the same: where many stand in a random order, nothing else tells them apart."""
        here, there = (self._ids(we) for we in self.both)
        for name in here.keys() & there.keys():
            assert self.counterparts.are("topic id", here[name], there[name]), name

    def _ids(self, we: Neighbours) -> dict[str, Any]:
        with we.direct() as wire:
            topics = wire.ask(ask.find_all_topics(12)).message.topics
        return {topic.name: topic.topic_id for topic in topics if is_acmes(topic.name)}

    def spare(self) -> "Twin":
        """A topic, a group and a producer of Acme's that nobody has used yet."""
        return self._twin(*next(self.stock))

    def made(self, make: Callable[[Settlers, Neighbours], Things]) -> "Twin":
        """One more thing of Acme's, made in both."""
        found = []
        for we in self.both:
            with we.direct() as wire:
                found.append(make(Settlers(wire), we))
        self.know(*found)
        return self._twin(*found)

    def _twin(self, alone: Things, crowded: Things) -> "Twin":
        return lambda we: alone if we is self.alone else crowded

    def catch_up(self) -> None:
        """Wait until brokers have taken over what their controllers have done so far, and Kordon what topics there are.

        A broker does it in order, change by change: when the second of two is there, it is through with the first.
        """
        for we in self.both:
            for _ in range(2):
                self.marks += 1
                self._mark(we, str(self.marks))
            with we.direct() as direct, we.through("worker") as wire:
                eventually(lambda: topics_at(wire) == topics_at(direct))

    def _mark(self, we: Neighbours, value: str) -> None:
        look = ask.describe_settings(4, MARK, keys=("retention.ms",))
        with we.direct() as wire:
            wire.ask(ask.alter_settings(1, MARK, setting=("retention.ms", value)))
            eventually(lambda: wire.ask(look).message.results[0].configs[0].value == value)


def topics_at(wire: Wire) -> set[str]:
    """All topics of Acme's, as they are told here."""
    return {name for name in named(wire) if is_acmes(name)}


def named(wire: Wire) -> list[str]:
    """All topics that are told here."""
    return [topic.name for topic in wire.ask(ask.find_all_topics(12)).message.topics]


class Lines:
    """A connection to each of the twins, through Kordon."""

    def __init__(self, twins: Twins, listener: str = "worker", without: Iterable[str] = ()) -> None:
        self.twins = twins
        self._without = dict.fromkeys((*TAKEN, *without), "")
        self._wires = [we.through(listener) for we in twins.both]
        self._first = self._next = 1
        """The correlation ids of the first of the requests last asked, and of those to come."""
        self._since = [0, 0]
        """How many frames brokers had heard before."""

    def __enter__(self) -> Self:
        self.twins.know_topics()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for wire in self._wires:
            wire.close()

    def ask(self, build: Build) -> list[tuple[Any, Any]]:
        """Ask both all of it at once, and return their answers. Raises AssertionError where they differ."""
        return self.say(*(list(build(we)) for we in self.twins.both))

    def say(self, here: list[Any], there: list[Any]) -> list[tuple[Any, Any]]:
        """The same with requests that are made already."""
        self._since = [len(we.tap.heard) for we in self.twins.both]
        self._first, self._next = self._next, self._next + len(here)
        for wire, messages in zip(self._wires, (here, there), strict=True):
            wire.send(*messages)
        answers = [(message, *(wire.receive() for wire in self._wires)) for message in here]
        for message, alone, crowded in answers:
            where = self._difference(alone, crowded)
            told = (message, "is answered where Acme is alone", alone.message, "in a crowd", crowded.message)
            assert where is None, "\n\n".join(map(str, (where, *told)))
        return [(alone.message, crowded.message) for _, alone, crowded in answers]

    def ways(self) -> list[tuple[list[int], Counter[int]]]:
        """In each cluster, which of the requests last asked went on to a broker, and what Kordon asked for them."""
        return [self._way(we, since) for we, since in zip(self.twins.both, self._since, strict=True)]

    def _way(self, we: Neighbours, since: int) -> tuple[list[int], Counter[int]]:
        numbers: list[int] = []
        questions: Counter[int] = Counter()
        for head in map(peek_request, we.tap.heard[since:]):
            if head.client_id == "client":
                numbers.append(head.correlation_id)
            elif head.api_key in OWN_QUESTIONS:
                questions[head.api_key] += 1
        return sorted(number - self._first for number in numbers), questions

    def _difference(self, here: Reply, there: Reply) -> str | None:
        """Where they are not the same byte for byte, but for what differs between any two clusters."""
        if here.body == there.body:
            return None
        mended = self.twins.counterparts.mended(here.message, there.message, without=self._without)
        if encode(mended) == encode(here.message) and len(here.frame) == len(there.frame):
            return None
        return difference(here.message, mended) or "in how it is written"


# Settling them


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    """The two clusters, each with its Kordon."""
    users = tmp_path_factory.mktemp("twins") / "users.yaml"
    with ExitStack() as stack, ThreadPoolExecutor(2) as pool:
        starting = [pool.submit(stack.enter_context, _behind_a_tap()) for _ in range(2)]
        found = [one.result() for one in starting]
        ours, stocks = zip(*pool.map(lambda one: _settle_acme(one[0]), found), strict=True)
        foreign = _settle_globex(found[1][0], ours[1])
        for kafka, _ in found:
            _use_up_producer_ids(kafka, max(one.producer_id for one in foreign))
        both = [
            Neighbours(
                kafka=kafka,
                tap=tap,
                kordon=stack.enter_context(a_kordon(tap, users, inference="1h")),
                foreign=foreign,
                missing=tuple(one.without_trace() for one in foreign),
                own=own,
                idle=idle,
                secret=secret,
                mixed=tuple(others),
            )
            for (kafka, tap), (own, idle, secret, *others) in zip(found, ours, strict=True)
        ]
        twins = Twins(alone=both[0], crowded=both[1], stock=zip(*stocks, strict=True))
        for pair in (*zip(*ours, strict=True), *zip(*stocks, strict=True)):
            twins.know(*pair)
        yield twins


@contextmanager
def _behind_a_tap() -> Iterator[tuple[Kafka, Tap]]:
    tap = Tap(lambda: ("127.0.0.1", next(iter(kafka.nodes.values())).listeners["PLAINTEXT"]))
    kafka = a_cluster(tap)
    with tap, kafka:
        yield kafka, tap


@contextmanager
def _settlers(kafka: Kafka) -> Iterator[Settlers]:
    (node,) = kafka.nodes.values()
    with Wire(node.address("PLAINTEXT"), "direct") as wire:
        yield Settlers(wire)


def _settle_acme(kafka: Kafka) -> tuple[tuple[Things, ...], tuple[Things, ...]]:
    """What is Acme's from the beginning, and what is to be used up."""
    with _settlers(kafka) as by:
        things = by.acme()
        by.topic("acme.mark")
        stock = by.many("acme.spare", SPARES)
        settle_access(by.wire, *things, between=(things[0], things[1]))
    return things, stock


def _settle_globex(kafka: Kafka, ours: tuple[Things, ...]) -> tuple[Things, ...]:
    own, *others = ours
    with _settlers(kafka) as by:
        foreign = by.globex()
        for owner in OWNERS:
            by.many(owner, 40)
        for one in (own, *others):
            by.namesake(foreign[2], one)
        settle_access(by.wire, *foreign, between=(own, foreign[2]))
    return foreign


def _use_up_producer_ids(kafka: Kafka, last: int) -> None:
    """What Globex's producers have got shall nobody have in the other cluster, where a request may name it."""
    init = a_request(
        ApiKey.INIT_PRODUCER_ID,
        5,
        transactional_id=None,
        producer_id=-1,
        producer_epoch=-1,
        transaction_timeout=ask.SOON,
    )
    with _settlers(kafka) as by:
        while by.wire.ask(init).message.producer_id <= last:
            pass


# While Globex is busy


class Busy:
    """Globex at work in the crowded cluster: topics, records, groups and transactions come and go, until it is left."""

    def __init__(self, we: Neighbours) -> None:
        self._we = we
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name="globex")
        self.rounds = 0

    def __enter__(self) -> Self:
        self._thread.start()
        eventually(lambda: self.rounds or not self._thread.is_alive())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.set()
        self._thread.join()
        with self._we.direct() as wire:  # what is deleted goes a moment later
            eventually(lambda: not [name for name in named(wire) if ".busy" in name])
        assert self.rounds, "Globex did nothing"

    def _run(self) -> None:
        with self._we.direct() as wire:
            by = Settlers(wire)
            while not self._ends.is_set():
                by.come_and_go(f"{OWNERS[self.rounds % len(OWNERS)]}.busy{self.rounds}")
                self.rounds += 1
                self._ends.wait(PAUSE)
