"""A changed policy holds from the next request of every open connection on, and for answers that were still to come."""

import asyncio
import json
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Final, Protocol
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from kio.schema.errors import ErrorCode

from kordon_protocol.keys import ApiKey
from kordon_proxy.demo.kafka import Kafka
from tests.kafka import records
from tests.kafka import requests as ask
from tests.kafka.changing import Changing, hiding, without
from tests.kafka.fetching import LONG_POLL, Fetching, append, codes_and_records, top
from tests.kafka.fixtures import Fresh
from tests.kafka.requests import Things, errors_of
from tests.kafka.tenants import POLICY, QUIET, MakeTenantTopic, a_kordon, eventually
from tests.kafka.wire import Gone, Wire
from tests.proxy.apis.messages import a_request

SECONDS: Final = 30


@pytest.fixture
def topic(changing: Changing, tenant_topic: MakeTenantTopic) -> str:
    return tenant_topic("tx_changing", at=changing.kordon)


class Poller(Protocol):
    """A client that polls in a group, with long polls."""

    def poll(self) -> bytes | str | None:
        """The next record's value, the name of an error, or None when there was nothing for a moment."""
        ...


class Confluent:
    def __init__(self, address: str, topic: str, group: str, protocol: str) -> None:
        settings = {"auto.offset.reset": "earliest", "group.protocol": protocol, "fetch.wait.max.ms": 20_000, **QUIET}
        self.consumer = Consumer(
            {"bootstrap.servers": address, "group.id": group, "socket.timeout.ms": 60_000, **settings}
        )
        self.consumer.subscribe([topic])

    def poll(self) -> bytes | str | None:
        message = self.consumer.poll(0.1)
        if message is None:
            return None
        error: KafkaError | None = message.error()
        return error.name() if error is not None else message.value()

    def close(self) -> None:
        self.consumer.close()


class Aiokafka:
    def __init__(self, address: str, topic: str, group: str) -> None:
        self._runner = asyncio.Runner()
        self._runner.run(self._start(address, topic, group))

    async def _start(self, address: str, topic: str, group: str) -> None:
        self.consumer = AIOKafkaConsumer(
            topic, bootstrap_servers=address, group_id=group, auto_offset_reset="earliest", fetch_max_wait_ms=20_000
        )
        await self.consumer.start()

    def poll(self) -> bytes | str | None:
        return self._runner.run(self._poll())

    async def _poll(self) -> bytes | str | None:
        try:
            for records in (await self.consumer.getmany(timeout_ms=100, max_records=1)).values():
                value: bytes = records[0].value
                return value
        except TopicAuthorizationFailedError:
            return "TOPIC_AUTHORIZATION_FAILED"
        return None

    def close(self) -> None:
        self._runner.run(self.consumer.stop())
        self._runner.close()


@contextmanager
def a_poller(client: str, address: str, topic: str, group: str) -> Iterator[Poller]:
    poller = Aiokafka(address, topic, group) if client == "aiokafka" else Confluent(address, topic, group, client)
    try:
        yield poller
    finally:
        poller.close()


def next_of(poller: Poller) -> bytes | str:
    """The next thing that is not nothing."""
    got: list[bytes | str] = []

    def came() -> bool:
        polled = poller.poll()
        if polled is not None:
            got.append(polled)
        return bool(got)

    eventually(came)
    return got[0]


@pytest.mark.known_fault(15)
@pytest.mark.parametrize("client", ["aiokafka", "classic", "consumer"])
def test_a_consumer_that_polls_gets_no_record_more_once_its_right_is_gone_and_goes_on_when_it_is_back(
    changing: Changing, kafka: Kafka, topic: str, fresh: Fresh, client: str
) -> None:
    with a_poller(client, changing.trading, topic, fresh("trade_changing")) as poller:
        # Given
        append(kafka, topic, b"before")
        assert next_of(poller) == b"before"
        opened, refusals = changing.opened(), changing.refusals()

        # When
        changing.put_in_force(without("TOPIC_INSPECT", "topic", topic))
        append(kafka, topic, b"meanwhile")

        # Then
        came: list[bytes | str | None] = []
        while changing.refusals() == refusals or "TOPIC_AUTHORIZATION_FAILED" not in came:
            came.append(poller.poll())
        assert set(came) <= {"TOPIC_AUTHORIZATION_FAILED", None}
        denial = changing.denials(topic)[0]["data"]
        assert denial["what"]["action"] == "TOPIC_INSPECT"
        assert ["cluster", "prod", "topic", topic] in denial["what"]["resources"]

        # When
        changing.put_in_force(POLICY)

        # Then
        while came[-1] in ("TOPIC_AUTHORIZATION_FAILED", None):  # some of it was told before
            came.append(next_of(poller))
        assert came[-1] == b"meanwhile"
        assert changing.opened() == opened


# Over a bare socket: one request after the other, so that it is known what was on its way when the policy changed

VERSIONS: Final = (4, 12, 17)
"""Without sessions; with sessions, by names; by ids."""


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("how", ["denied", "hidden"])
def test_a_long_poll_that_was_parked_is_judged_before_it_is_answered(
    changing: Changing, kafka: Kafka, topic: str, version: int, how: str
) -> None:
    policy = without("TOPIC_INSPECT", "topic", topic) if how == "denied" else hiding(topic)
    gone = {
        "denied": ErrorCode.topic_authorization_failed,
        "hidden": ErrorCode.unknown_topic_id if version >= 13 else ErrorCode.unknown_topic_or_partition,
    }[how]
    with Wire(changing.trading) as wire:
        # Given
        fetching = Fetching(wire, version, topic)
        forwarded = changing.metric("kordon_requests_total", api="Fetch", verdict="forwarded")
        wire.send(fetching.request(wait=LONG_POLL))
        eventually(lambda: changing.metric("kordon_requests_total", api="Fetch", verdict="forwarded") > forwarded)

        # When
        changing.put_in_force(policy)
        append(kafka, topic, b"meanwhile")

        # Then
        assert codes_and_records(wire.receive().message) == [(gone, False)]
        # By its id a topic that is hidden is one that nobody knows.
        (denial,) = changing.denials(
            fetching.keys[0] if how == "hidden" else topic
        )  # on disk before the client hears of it
        assert denial["data"]["outcome"]["error_code"] == gone
        assert codes_and_records(fetching.fetch()) == [(gone, False)]
        changing.put_in_force(POLICY)
        assert codes_and_records(fetching.fetch()) == [(ErrorCode.none, True)]
        eventually(lambda: changing.reads(topic))
        assert changing.reads(topic) == 1


@pytest.mark.parametrize("how", ["denied", "hidden"])
def test_a_change_behind_a_parked_long_poll_is_judged_when_the_poll_has_its_answer(
    changing: Changing, kafka: Kafka, topic: str, tenant_topic: MakeTenantTopic, how: str
) -> None:
    """A broker reads no further request of the connection meanwhile, which may be days."""
    polled = tenant_topic("tx_polled", at=changing.kordon)
    policy = without("TOPIC_PRODUCE, TOPIC_DELETE", "topic", topic) if how == "denied" else hiding(topic)
    with Wire(changing.trading) as wire:
        # Given
        eventually(lambda: records.seen(wire, topic, polled))
        append(kafka, topic, b"first")
        paused = changing.metric("kordon_pauses_total", reason="earlier")
        delete = a_request(ApiKey.DELETE_TOPICS, 5, topic_names=(topic,), timeout=timedelta(seconds=SECONDS))
        wire.send(records.fetch(polled, wait=7 * 86_400_000), records.produce(topic, b"late"), delete)
        eventually(lambda: changing.metric("kordon_pauses_total", reason="earlier") > paused)

        # When
        changing.put_in_force(policy)
        append(kafka, polled, b"go on")

        # Then
        read, produced, deleted = (wire.receive().message for _ in range(3))
        assert codes_and_records(read) == [(ErrorCode.none, True)]
        refused = {
            "denied": ErrorCode.topic_authorization_failed,
            "hidden": ErrorCode.unknown_topic_or_partition,
        }[how]
        assert produced.responses[0].partition_responses[0].error_code is refused
        assert deleted.responses[0].error_code is refused
    assert records.read(kafka, topic) == [b"first"]


@pytest.mark.parametrize("acks", [1, -1])
def test_a_produce_whose_client_goes_before_its_answer_is_counted(
    changing: Changing, kafka: Kafka, topic: str, acks: int
) -> None:
    with Wire(changing.trading) as wire:
        eventually(lambda: records.seen(wire, topic))

    for _ in range(10):
        with Wire(changing.trading) as wire:
            records.seen(wire, topic)  # the connection to the broker is there
            wire.send(records.produce(topic, b"and gone", acks=acks))

    eventually(lambda: changing.produces(topic) == 10)
    assert 1 <= records.end_of(kafka, topic) <= 10


def test_a_read_that_its_client_breaks_off_is_counted(changing: Changing, kafka: Kafka, topic: str) -> None:
    append(kafka, topic, *[bytes([number]) * 900_000 for number in range(30)])

    with Wire(changing.trading) as wire:
        wire.send(records.fetch(topic))
        assert len(wire.receive_bytes(5_000_000)) == 5_000_000

    eventually(lambda: changing.reads(topic) == 1)


@pytest.mark.known_fault(17)
@pytest.mark.parametrize("version", VERSIONS[1:])
@pytest.mark.parametrize("parked", [True, False])
def test_a_fetch_session_ends_when_one_of_its_topics_is_taken_away(
    changing: Changing, kafka: Kafka, topic: str, tenant_topic: MakeTenantTopic, version: int, parked: bool
) -> None:
    other = tenant_topic("tx_other", at=changing.kordon)
    with Wire(changing.trading) as wire:
        # Given
        fetching = Fetching(wire, version, topic, other)
        session = fetching.fetch(epoch=0).session_id
        assert session
        poll = fetching.request(session=session, epoch=1, wait=LONG_POLL)
        if parked:
            forwarded = changing.metric("kordon_requests_total", api="Fetch", verdict="forwarded")
            wire.send(poll)
            eventually(lambda: changing.metric("kordon_requests_total", api="Fetch", verdict="forwarded") > forwarded)

        # When
        changing.put_in_force(without("TOPIC_INSPECT", "topic", topic))
        append(kafka, topic, b"meanwhile")
        append(kafka, other, b"meanwhile")

        # Then
        answer = wire.receive().message if parked else wire.ask(poll).message
        assert (top(answer), answer.responses) == (ErrorCode.fetch_session_id_not_found, ())
        assert codes_and_records(fetching.fetch(epoch=0)) == [  # what is refused comes last, as in Kafka
            (ErrorCode.none, True),
            (ErrorCode.topic_authorization_failed, False),
        ]
        changing.put_in_force(POLICY)
        assert codes_and_records(fetching.fetch(epoch=0)) == [(ErrorCode.none, True), (ErrorCode.none, True)]


def test_a_session_lives_through_a_change_that_takes_nothing_from_it(
    changing: Changing, kafka: Kafka, topic: str, fresh: Fresh
) -> None:
    with Wire(changing.trading) as wire:
        # Given
        fetching = Fetching(wire, 17, topic)
        session = fetching.fetch(epoch=0).session_id
        wire.send(fetching.request(session=session, epoch=1, wait=LONG_POLL))

        # When
        changing.put_in_force(without("TOPIC_INSPECT", "topic", fresh("tx_some_other")))
        append(kafka, topic, b"one")

        # Then
        answer = wire.receive().message
        assert (top(answer), codes_and_records(answer)) == (ErrorCode.none, [(ErrorCode.none, True)])
        again = fetching.fetch(session=session, epoch=2)
        assert (top(again), codes_and_records(again)) == (ErrorCode.none, [(ErrorCode.none, True)])


def test_a_producer_is_refused_and_let_on_over_the_same_connection(changing: Changing, topic: str) -> None:
    # It refuses to produce to a topic that was refused until it has looked again.
    settings = {"topic.metadata.refresh.interval.ms": 100, "topic.metadata.refresh.fast.interval.ms": 100}
    producer = Producer({"bootstrap.servers": changing.trading, **settings, **QUIET})
    errors: list[str | None] = []

    def produce() -> str | None:
        try:
            producer.produce(topic, b"x", on_delivery=lambda error, _: errors.append(error.name() if error else None))
        except KafkaException as error:
            return str(error.args[0].name())
        assert producer.flush(SECONDS) == 0
        return errors[-1]

    assert produce() is None
    opened = changing.opened()
    changing.put_in_force(without("TOPIC_PRODUCE", "topic", topic))
    assert produce() == "TOPIC_AUTHORIZATION_FAILED"
    changing.put_in_force(POLICY)
    eventually(lambda: produce() is None)
    assert changing.opened() == opened


def test_a_member_whose_group_is_taken_away_hears_of_it_at_its_next_heartbeat(
    changing: Changing, topic: str, fresh: Fresh
) -> None:
    group = fresh("trade_heartbeat")

    async def work() -> None:
        consumer = AIOKafkaConsumer(
            topic, bootstrap_servers=changing.trading, group_id=group, heartbeat_interval_ms=100
        )
        try:
            await consumer.start()
            await asyncio.to_thread(changing.put_in_force, without("GROUP_CONSUME", "group", group))
            with pytest.raises(GroupAuthorizationFailedError):
                await asyncio.wait_for(consumer.getone(), SECONDS)
        finally:
            await consumer.stop()

    asyncio.run(work())


def test_a_connection_whose_tenant_is_gone_is_closed_at_its_next_request(changing: Changing, topic: str) -> None:
    everything = a_request(ApiKey.METADATA, 12, topics=None)
    with ExitStack() as stack:
        # Given
        asking, parked = (stack.enter_context(Wire(changing.trading)) for _ in range(2))
        assert asking.ask(everything).message.topics
        parked.send(Fetching(parked, 12, topic).request(wait=timedelta(seconds=1)))

        # When
        changing.put_in_force(POLICY.replace("roles: [traders]\n  - name", "roles: [payers]\n  - name", 1))

        # Then
        with pytest.raises(Gone):
            asking.ask(everything)
        with pytest.raises(Gone):
            parked.receive()
        with Wire(changing.trading) as later:
            assert later.ask(everything).message.topics == ()


def test_a_file_that_cannot_be_read_changes_nothing_but_log_metric_and_probe(
    changing: Changing, kafka: Kafka, topic: str, fresh: Fresh
) -> None:
    with a_poller("aiokafka", changing.trading, topic, fresh("trade_broken")) as poller:
        # Given
        append(kafka, topic, b"before")
        assert next_of(poller) == b"before"
        epoch, failures = changing.metric("kordon_policy_epoch"), changing.metric("kordon_policy_reload_failures_total")

        # When
        changing.write(without("TOPIC_INSPECT", "topic", topic).replace("effect: Deny", "effect: Perhaps"))
        changing.kordon.signal(signal.SIGHUP)
        eventually(lambda: changing.metric("kordon_policy_reload_failures_total") > failures)
        append(kafka, topic, b"after")

        # Then
        assert next_of(poller) == b"after"
        assert changing.metric("kordon_policy_epoch") == epoch
        status, page = changing.kordon.get("/readyz")
        (check,) = [check for check in json.loads(page)["checks"] if check["name"] == "policy"]
        assert status == 200
        assert not check["ok"]
        failed = [line for line in changing.kordon.log.splitlines() if '"policy_reload_failed"' in line]
        assert "Perhaps" in failed[-1]

        # When it is mended
        changing.put_in_force(POLICY + "\n")

        # Then
        assert json.loads(changing.kordon.get("/readyz")[1])["status"] == "ok"


def test_a_changed_file_is_noticed_without_a_signal(changing: Changing) -> None:
    epoch = changing.metric("kordon_policy_epoch")

    changing.write(POLICY + "# changed\n")

    eventually(lambda: changing.metric("kordon_policy_epoch") == epoch + 1, within=10)


def test_a_topic_that_others_have_deleted_is_not_made_by_who_may_not_create_it(tenant_topic: MakeTenantTopic) -> None:
    """Kordon's picture of the cluster has it still, and a request of an old version creates what is missing."""
    with Kafka(auto_create_topics=True) as kafka, a_kordon(kafka) as kordon:
        changing = Changing(kordon)
        topic = tenant_topic("tx_deleted", at=kordon)
        of_topic = Things(topic=topic, topic_id=uuid4(), group="trade_x", transactional_id="trade_x")
        changing.put_in_force(without("TOPIC_CREATE", "topic", topic))
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap, **QUIET})
        with Wire(changing.trading) as wire:
            eventually(lambda: errors_of(wire.ask(ask.find_topics(1, of_topic)).message) == [])
            admin.delete_topics([topic])[topic].result(SECONDS)
            eventually(lambda: topic not in admin.list_topics(timeout=SECONDS).topics)

            for version in range(4):
                wire.ask(ask.find_topics(version, of_topic))

        time.sleep(1)
        assert topic not in admin.list_topics(timeout=SECONDS).topics
