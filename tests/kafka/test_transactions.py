"""Transactions in a tenant: both protocols of Kafka, its own tool, and whose producer ids may be used where."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest
from confluent_kafka import Producer

from kordon_protocol.header import peek_request
from kordon_protocol.keys import ApiKey
from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from kordon_proxy.demo.tools import Finished, tool
from kordon_proxy.table import APIS
from tests.kafka import requests as ask
from tests.kafka.fixtures import Fresh, MakeTopic, RunTool, two_at_a_time
from tests.kafka.neighbours import Neighbours, is_acmes
from tests.kafka.records import committed
from tests.kafka.requests import LONG, Things, errors_of
from tests.kafka.tenants import LISTENERS, POLICY, QUIET, eventually
from tests.kafka.wire import Tap, Wire, a_batch
from tests.proxy.apis.messages import a_request

FEATURE: Final = "transaction.version"
BY_EACH_PROTOCOL: Final = pytest.mark.parametrize("level", [2, 1])
"""Levels of the feature: with 2, partitions and groups are added by what is written to them (KIP-890)."""
RECORDS: Final = 300
BROKER: Final = 4
"""The type of a broker's settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """A Kafka of its own, whose features and settings may be changed, and all that is said to it."""

    kafka: Kafka
    tap: Tap
    kordon: Kordon

    @property
    def direct(self) -> str:
        (node,) = self.kafka.nodes.values()
        return node.address("PLAINTEXT")

    @property
    def trading(self) -> str:
        return self.kordon.listener("trading")

    def versions(self, client_id: str, since: int) -> Mapping[int, set[int]]:
        """What was heard from a client: key -> versions."""
        found: dict[int, set[int]] = defaultdict(set)
        for head in map(peek_request, self.tap.heard[since:]):
            if head.client_id == client_id:
                found[head.api_key].add(head.api_version)
        return found

    def state_of(self, things: Things) -> tuple[str, tuple[str, ...]]:
        """How a transaction stands, and the topics in it."""
        with Wire(self.direct) as wire:
            (state,) = wire.ask(ask.describe_transactions(things.transactional_id)).message.transaction_states
        return state.transaction_state, tuple(topic.topic for topic in state.topics)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    tap = Tap(lambda: ("127.0.0.1", next(iter(kafka.nodes.values())).listeners["PLAINTEXT"]))
    kafka = Kafka(
        properties={
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{tap.port}",
            "offsets.topic.num.partitions": 1,  # one for all groups
            "transaction.max.timeout.ms": int(LONG.total_seconds() * 1000),
        }
    )
    with tap, kafka, Kordon(clusters={"prod": f"127.0.0.1:{tap.port}"}, policy=POLICY, listeners=LISTENERS) as kordon:
        yield Lab(kafka=kafka, tap=tap, kordon=kordon)


Make = Callable[[str], Things]


@pytest.fixture
def things(lab: Lab, new_topic: MakeTopic, fresh: Fresh) -> Make:
    """Makes a topic, and names for a group and a transactional id; each begins with what `beginnings` says."""

    def make(beginnings: str) -> Things:
        topic, other = beginnings.split()
        things = Things(
            topic=new_topic(topic, at=lab.kafka),
            topic_id=UUID(int=0),
            group=fresh(other),
            transactional_id=fresh(other),
        )
        with Wire(lab.direct) as wire:
            for name, key_type in ((things.group, 0), (things.transactional_id, 1)):
                insist(wire, ask.find_coordinator(4, name, key_type=key_type))
            insist(wire, ask.list_offsets(11, things))
        return things

    return make


OURS: Final = "tx_t trade_t"
THEIRS: Final = "pay_t pay_t"


def insist(wire: Wire, request: Any) -> Any:
    """Ask until it works: leaders are chosen, coordinators load."""
    answers: list[Any] = []

    def works() -> bool:
        answers.append(wire.ask(request).message)
        return not errors_of(answers[-1])

    eventually(works)
    return answers[-1]


def a_producer(wire: Wire, things: Things) -> Things:
    made = insist(wire, ask.init_producer(5, things))
    return replace(things, producer_id=made.producer_id, producer_epoch=made.producer_epoch)


def opened(address: str, things: Things) -> Things:
    """With a transaction that is open, in their topic."""
    with Wire(address) as wire:
        things = a_producer(wire, things)
        insist(wire, adding(things, things))
        insist(wire, ask.produce(11, things, by=things, batch=in_transaction(things)))
    return things


def adding(things: Things, *all_things: Things) -> Any:
    """The only partition of each topic, to the transaction."""
    request = ask.add_partitions(3, things, *all_things)
    topics = tuple(replace(topic, partitions=(0,)) for topic in request.v3_and_below_topics)
    return replace(request, v3_and_below_topics=topics)


def in_transaction(things: Things) -> bytes:
    return a_batch(
        b"in a transaction",
        producer_id=things.producer_id,
        producer_epoch=things.producer_epoch,
        sequence=0,
        transactional=True,
    )


# ---- by each protocol


@pytest.fixture
def speak(lab: Lab, kafka_tools: RunTool) -> Callable[[int], None]:
    """Changes the protocol, which Kordon's clients are told soon."""

    def speak(level: int) -> None:
        now = level_at(lab.direct)
        if now != level:
            change = ("upgrade" if level > now else "downgrade", "--feature", f"{FEATURE}={level}")
            done = kafka_tools("kafka-features", *change, at=lab.direct)
            assert done.code == 0, done.output
        eventually(lambda: level_at(lab.trading) == level)

    return speak


def level_at(address: str) -> int:
    asked = a_request(ApiKey.API_VERSIONS, 3, client_software_name="a", client_software_version="1")
    with Wire(address) as wire:
        told = wire.ask(asked).message.finalized_features
    return next((int(one.max_version_level) for one in told if one.name == FEATURE), 0)


@BY_EACH_PROTOCOL
def test_javas_producer_copies_exactly_once(
    lab: Lab, speak: Callable[[int], None], new_topic: MakeTopic, fresh: Fresh, level: int
) -> None:
    # Given
    speak(level)
    source, target = (new_topic(name, at=lab.kafka) for name in ("tx_source", "tx_target"))
    values = [str(number) for number in range(RECORDS)]
    producer = Producer({"bootstrap.servers": lab.trading, **QUIET})
    for value in values:
        producer.produce(source, value)
    assert producer.flush(30) == 0
    name, since = fresh("trade_copy"), len(lab.tap.heard)

    # When
    where = ("--broker-list", lab.trading, "--input-topic", source, "--input-partition", "0", "--output-topic", target)
    who = ("--consumer-group", name, "--transactional-id", name, "--use-group-metadata")
    done = tool("transactional-message-copier", *where, *who, "--enable-random-aborts", "--transaction-size", "20")

    # Then
    assert done.code == 0, done.output
    assert committed(lab.kafka, target) == values
    said = lab.versions(f"producer-{name}", since)
    added = {ApiKey.ADD_PARTITIONS_TO_TXN, ApiKey.ADD_OFFSETS_TO_TXN} & said.keys()
    writes = {ApiKey.PRODUCE: 12, ApiKey.TXN_OFFSET_COMMIT: 5, ApiKey.END_TXN: 5}
    assert len(added) == (0 if level == 2 else 2)
    for key, first in writes.items():
        assert {version >= first for version in said[key]} == {level == 2}, ApiKey(key).name


@BY_EACH_PROTOCOL
def test_what_is_not_allowed_is_not_done_by_either(
    lab: Lab, speak: Callable[[int], None], things: Make, kafka_tools: RunTool, fresh: Fresh, level: int
) -> None:
    speak(level)
    ours, theirs, secret = things(OURS), things(THEIRS), things("tx_secret trade_t")
    perf = ("kafka-producer-perf-test", "--num-records", "1", "--record-size", "1", "--throughput", "-1")
    transaction = ("--transaction-duration-ms", "50", "--transactional-id")

    denied = kafka_tools(*perf, *transaction, ours.transactional_id, "--topic", secret.topic, at=lab.trading)
    hidden = kafka_tools(*perf, *transaction, theirs.transactional_id, "--topic", ours.topic, at=lab.trading)

    assert "TopicAuthorizationException" in denied.output
    assert "TransactionalIdAuthorizationException" in hidden.output
    assert committed(lab.kafka, secret.topic) == committed(lab.kafka, ours.topic) == []
    with Wire(lab.direct) as wire:
        (state,) = wire.ask(ask.describe_transactions(theirs.transactional_id)).message.transaction_states
    assert int(state.error_code) == 105  # there is none


# ---- whose producer ids


@pytest.mark.parametrize("version", APIS[ApiKey.TXN_OFFSET_COMMIT].versions)
def test_nobody_commits_offsets_in_the_transaction_of_another(lab: Lab, things: Make, version: int) -> None:
    """Both groups have their offsets in one partition, where Kafka takes the producer for one that it knows."""
    ours, theirs = things(OURS), things(THEIRS)
    with Wire(lab.direct) as direct, Wire(lab.trading) as trading:
        # Given
        theirs, ours = a_producer(direct, theirs), a_producer(trading, ours)
        insist(direct, ask.add_offsets(4, theirs, theirs.group))
        insist(direct, ask.commit_in_transaction(4, theirs, theirs, theirs, member=False))
        forged = replace(ours, producer_id=theirs.producer_id, producer_epoch=theirs.producer_epoch)
        nobodys = replace(forged, producer_id=theirs.producer_id + 1_000_000)

        # When
        answers = [trading.ask(commit_by(version, one)) for one in (forged, nobodys)]
        insist(trading, ask.add_offsets(4, ours, ours.group))
        own = trading.ask(commit_by(version, ours)).message
        known = trading.ask(commit_by(version, ours)).message
        of_kafka = direct.ask(commit_by(version, forged)).message

    # Then
    assert errors_of(answers[0].message) == [49]
    assert answers[0].body == answers[1].body
    assert errors_of(own) == errors_of(known) == errors_of(of_kafka) == []


def commit_by(version: int, things: Things) -> Any:
    return ask.commit_in_transaction(version, things, things, things, member=False)


def test_a_producer_id_of_another_means_nothing_in_ones_own_topic(neighbours: Neighbours) -> None:
    own, state = neighbours.own, neighbours.state()
    for victim in neighbours.foreign[:4]:
        for epoch in (victim.producer_epoch, victim.producer_epoch + 1):
            batch = a_batch(b"forged", producer_id=victim.producer_id, producer_epoch=epoch, sequence=0)
            with neighbours.through() as wire:
                wire.ask_all(ask.produce(version, own, batch=batch) for version in (3, 12, 13))
                wire.ask(replace(ask.init_producer(5, victim, again=True), transactional_id=None))

    assert neighbours.state() == state


# ---- what is told


@pytest.mark.parametrize("version", APIS[ApiKey.LIST_TRANSACTIONS].versions)
def test_all_transactions_are_all_of_the_tenant(neighbours: Neighbours, version: int) -> None:
    own, idle = neighbours.own, neighbours.idle
    with neighbours.through() as wire:
        everything = wire.ask(ask.list_transactions(version))
        of_others = wire.ask(
            ask.list_transactions(version, producer_ids=[one.producer_id for one in neighbours.foreign])
        )
        of_own = wire.ask(ask.list_transactions(version, producer_ids=[own.producer_id]))
        in_states = wire.ask(ask.list_transactions(version, states=["Empty", "Nonsense"]))

    found = ids_in(everything.message)
    assert {own.transactional_id, idle.transactional_id} <= found
    assert all(map(is_acmes, found))
    assert ids_in(of_others.message) == set()
    assert ids_in(of_own.message) == {own.transactional_id}
    assert in_states.message.unknown_state_filters == ("Nonsense",)
    assert {own.transactional_id, idle.transactional_id} <= ids_in(in_states.message)
    assert not [reply for reply in (everything, of_others, of_own, in_states) if neighbours.traces(reply)]


@pytest.mark.parametrize(
    ("pattern", "finds"),
    [(".*", True), ("acme-[p-z]+.*", True), ("(?i)ACME-PAY", True), ("acme-pa", False), ("globex.*", False)],
)
def test_a_pattern_is_for_the_tenants_own_ids_and_brokers_do_not_hear_it(
    neighbours: Neighbours, pattern: str, finds: bool
) -> None:
    since = len(neighbours.tap.heard)
    with neighbours.through() as wire:
        reply = wire.ask(ask.list_transactions(2, pattern=pattern))

    found = ids_in(reply.message)
    assert (neighbours.own.transactional_id in found) == finds
    assert all(map(is_acmes, found))
    assert not neighbours.traces(reply)
    (heard,) = neighbours.tap.requests("client", since).values()
    assert pattern.encode() not in heard


def ids_in(message: Any) -> set[str]:
    assert errors_of(message) == []
    return {state.transactional_id for state in message.transaction_states}


def test_a_transaction_is_told_with_the_tenants_topics_alone(lab: Lab, things: Make) -> None:
    ours, theirs = things(OURS), things(THEIRS)
    with Wire(lab.direct) as direct, Wire(lab.trading) as trading:
        # Given somebody at the broker who writes to both, and commits offsets, in one transaction
        ours = a_producer(direct, ours)
        insist(direct, ask.add_offsets(4, ours, ours.group))
        insist(direct, adding(ours, ours, theirs))

        # When
        told = trading.ask(ask.describe_transactions(ours.transactional_id))

    # Then
    (state,) = told.message.transaction_states
    assert (state.transaction_state, state.producer_id) == ("Ongoing", ours.producer_id)
    assert [(topic.topic, topic.partitions) for topic in state.topics] == [(ours.topic, (0,))]
    assert set(lab.state_of(ours)[1]) == {"__consumer_offsets", ours.topic, theirs.topic}


# ---- Kafka's own tool


@pytest.fixture
def transactions(lab: Lab, kafka_tools: RunTool) -> Callable[..., Finished]:
    """Runs kafka-transactions, in the tenant unless another listener is named."""

    def run(*arguments: str, listener: str = "trading") -> Finished:
        return kafka_tools("kafka-transactions", *arguments, at=lab.kordon.listener(listener))

    return run


def rows(done: Finished) -> list[list[str]]:
    """What it has printed, without the heads of columns."""
    assert done.code == 0, done.output
    return [line.split() for line in done.stdout.splitlines()[1:]]


def test_the_tool_tells_of_the_tenants_transactions(
    lab: Lab, things: Make, transactions: Callable[..., Finished]
) -> None:
    ours, theirs = opened(lab.trading, things(OURS)), opened(lab.direct, things(THEIRS))
    ongoing = [ours.transactional_id, "1", str(ours.producer_id), "Ongoing"]
    of_id, producers_of = ("describe", "--transactional-id"), ("describe-producers", "--partition", "0", "--topic")
    asked = {
        "all": ("list",),
        "longer": ("list", "--duration-filter", "1"),
        "shorter": ("list", "--duration-filter", str(10**12)),
        "ours": ("list", "--transactional-id-pattern", ours.transactional_id),
        "theirs": ("list", "--transactional-id-pattern", "pay_.*"),
        "nonsense": ("list", "--transactional-id-pattern", "("),
        "describe": (*of_id, ours.transactional_id),
        "producers": (*producers_of, ours.topic),
        "hanging": ("find-hanging", "--topic", ours.topic, "--max-transaction-timeout", "0"),
    }
    done = dict(zip(asked, two_at_a_time(transactions, asked.values()), strict=True))

    found = rows(done["all"])
    assert ongoing in found
    assert not [row for row in found if not row[0].startswith("trade_")]
    assert ongoing in rows(done["longer"])
    assert ongoing not in rows(done["shorter"])
    assert rows(done["ours"]) == [ongoing]
    assert rows(done["theirs"]) == rows(done["hanging"]) == []
    assert done["nonsense"].code == 1
    assert "Failed to list transactions" in done["nonsense"].output
    (described,) = rows(done["describe"])
    assert described[1:5] == [ours.transactional_id, str(ours.producer_id), str(ours.producer_epoch), "Ongoing"]
    assert described[-1] == f"{ours.topic}-0"
    (producer,) = rows(done["producers"])
    assert [producer[0], producer[-1]] == [str(ours.producer_id), "0"]
    assert lab.state_of(theirs) == ("Ongoing", (theirs.topic,))


def test_the_tool_finds_what_another_tenant_has_as_little_as_what_nobody_has(
    lab: Lab, things: Make, transactions: Callable[..., Finished], fresh: Fresh, tmp_path: Path
) -> None:
    theirs = opened(lab.direct, things(THEIRS))
    nobodys = replace(theirs, topic=fresh("pay_t"), transactional_id=fresh("pay_t"))
    impatient = tmp_path / "client.properties"
    impatient.write_text("default.api.timeout.ms=1500\nrequest.timeout.ms=1400\n")
    patience = ("--command-config", str(impatient))

    def answers(of: Things) -> list[tuple[int, str]]:
        asked = (
            ("describe", "--transactional-id", of.transactional_id),
            (*patience, "describe-producers", "--topic", of.topic, "--partition", "0"),
            (*patience, "find-hanging", "--topic", of.topic),
            ("forceTerminateTransaction", "--transactionalId", of.transactional_id),
        )
        return [plain(done, of) for done in two_at_a_time(transactions, asked)]

    of_theirs = answers(theirs)

    assert of_theirs == answers(nobodys)
    assert [code for code, _ in of_theirs] == [1, 1, 1, 1]
    assert "TRANSACTIONAL-ID" in of_theirs[0][1]
    assert "transactional ID authorization failure" in of_theirs[3][1]
    assert lab.state_of(theirs) == ("Ongoing", (theirs.topic,))


def plain(done: Finished, of: Things) -> tuple[int, str]:
    """How it ended, without names and what it was doing when its time was over."""
    output = done.output.replace(of.transactional_id, "TRANSACTIONAL-ID").replace(of.topic, "TOPIC")
    lines = [line for line in output.splitlines() if " WARN " not in line and " ERROR " not in line]
    return done.code, re.sub(r"(Call\(|Timed out).*", "TIME IS OVER", "\n".join(lines))


def test_a_tenant_ends_a_transaction_of_its_own_by_its_id_and_none_by_a_producer_id(
    lab: Lab, things: Make, transactions: Callable[..., Finished]
) -> None:
    ours = opened(lab.trading, things(OURS))

    aborted = transactions("abort", "--topic", ours.topic, "--partition", "0", "--start-offset", "0")
    assert aborted.code == 1
    assert "failed due to cluster authorization error" in aborted.output
    assert lab.state_of(ours)[0] == "Ongoing"

    ended = transactions("forceTerminateTransaction", "--transactionalId", ours.transactional_id)
    assert ended.code == 0, ended.output
    eventually(lambda: lab.state_of(ours)[0] in ("CompleteAbort", "Empty"))
    assert committed(lab.kafka, ours.topic) == []


def test_a_transaction_that_hangs_is_found_in_its_tenant_and_ended_by_an_admin(
    lab: Lab, things: Make, transactions: Callable[..., Finished]
) -> None:
    hangs = things(OURS)
    with Wire(lab.direct) as direct, Wire(lab.trading) as trading:
        # Given a record in a transaction that its coordinator has not heard of, as brokers took it before KIP-890
        hangs = a_producer(trading, hangs)
        for verify in ("false", "true"):
            setting = ("transaction.partition.verification.enable", verify)
            insist(direct, ask.alter_settings(1, (BROKER, ""), setting=setting))
            if verify == "false":
                insist(trading, ask.produce(11, hangs, by=hangs, batch=in_transaction(hangs)))
    find = ("find-hanging", "--topic", hangs.topic, "--max-transaction-timeout", "0")
    abort = ("abort", "--topic", hangs.topic, "--partition", "0", "--start-offset", "0")

    # When
    found, refused = rows(transactions(*find)), transactions(*abort)
    ended = transactions(*abort, listener="admin")

    # Then
    assert [row[:3] for row in found] == [[hangs.topic, "0", str(hangs.producer_id)]]
    assert "failed due to cluster authorization error" in refused.output
    assert ended.code == 0, ended.output
    assert rows(transactions(*find)) == []
    events = [event["data"] for event in lab.kordon.audit() if event["data"]["what"].get("api") == "WriteTxnMarkers"]
    told = [(event["why"]["effect"], event["who"]["principal"]) for event in events if names(event, hangs)]
    assert told == [("Deny", "tina"), ("Allow", "ada")]


def names(event: Mapping[str, Any], things: Things) -> bool:
    """Whether an event is about this producer."""
    markers = event["what"]["parameters"]["markers"]
    return [marker["producer_id"] for marker in markers] == [things.producer_id]
