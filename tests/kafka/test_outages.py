"""What Kordon needs goes away and comes back: the brokers, the disk. Clients are told, go on, and lose nothing."""

import resource
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from kio.schema.errors import ErrorCode

from kordon_protocol.codec import request_type
from kordon_protocol.keys import ApiKey
from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.demo.kordon import Kordon
from kordon_proxy.judging.entries import make, struct_type
from tests.kafka.fixtures import USERS, Fresh, MakeTopic
from tests.kafka.records import MiB, produce, seen
from tests.kafka.tap import closings, ended, log_lines, metric, readiness, resident, silent
from tests.kafka.tenants import LISTENERS, POLICY, QUIET, eventually
from tests.kafka.wire import Wire
from tests.proxy.apis.messages import a_request

ALLOWANCE: Final = 24 * MiB
"""What Kordon's memory may grow by while it has to hold back several times as much."""
UNLIMITED: Final = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


@pytest.fixture(scope="module")
def lone_kafka() -> Iterator[Kafka]:
    with Kafka() as kafka:
        yield kafka


@pytest.fixture
def lone(lone_kafka: Kafka) -> Iterator[Kafka]:
    """A Kafka of one node that a test may end or freeze."""
    yield lone_kafka
    node = lone_kafka.nodes[1]
    node.resume()
    if not node.pid:
        node.start()


@pytest.fixture
def kordon(lone: Kafka) -> Iterator[Kordon]:
    with Kordon(clusters={"prod": lone.bootstrap}, policy=POLICY, listeners=LISTENERS) as kordon:
        yield kordon


def create(name: str) -> Any:
    """A mutation."""
    kind = struct_type(request_type(ApiKey.CREATE_TOPICS, 5), "topics")
    return a_request(ApiKey.CREATE_TOPICS, 5, topics=(make(kind, name=name, num_partitions=1, replication_factor=1),))


def created(name: str, kordon: Kordon) -> list[dict[str, Any]]:
    """The events of its creation."""
    events = [event["data"] for event in kordon.audit()]
    return [event for event in events if ["cluster", "prod", "topic", name] in event["what"].get("resources", [])]


def exists(kafka: Kafka, name: str) -> bool:
    return name in AdminClient({"bootstrap.servers": kafka.bootstrap, **QUIET}).list_topics(timeout=30).topics


# ---- the brokers


def test_kordon_starts_without_a_broker_and_is_ready_when_there_is_one(lone: Kafka, fresh: Fresh) -> None:
    lone.nodes[1].kill()
    kordon = Kordon(clusters={"prod": lone.bootstrap}, policy=POLICY, listeners=LISTENERS)
    kordon.start(wait=False)
    try:
        eventually(lambda: log_lines(kordon, "cluster_unreachable"))
        status, page = kordon.get("/readyz")
        assert (status, "cluster prod" in page) == (503, True)
        assert kordon.get("/livez")[0] == 200
        with Wire(kordon.listener("trading")) as wire:
            assert ended(wire)
        ((reason, _),) = closings(kordon)
        assert reason == "no-broker"

        lone.nodes[1].start()

        kordon.wait_until_ready()
        name = fresh("tx_late")
        with Wire(kordon.listener("trading")) as wire:
            assert wire.ask(create(name)).message.topics[0].error_code is ErrorCode.none
            eventually(lambda: seen(wire, name))
    finally:
        kordon.stop()


def test_when_the_broker_dies_clients_go_on_with_the_next_and_what_was_in_flight_is_recorded(
    lone: Kafka, kordon: Kordon, new_topic: MakeTopic, fresh: Fresh
) -> None:
    name, unanswered = new_topic("tx_outage", at=lone), fresh("tx_unanswered")
    address = kordon.listener("trading")
    producer = Producer({"bootstrap.servers": address, "enable.idempotence": True, **QUIET})
    told: list[object] = []

    def send(value: bytes) -> None:
        producer.produce(name, value, on_delivery=lambda error, _: told.append(error))
        producer.poll(0)

    send(b"before")
    assert producer.flush(30) == 0
    with Wire(address) as wire:
        eventually(lambda: seen(wire, name))
        lone.nodes[1].pause()
        wire.send(create(unanswered))
        eventually(lambda: metric(kordon, "kordon_requests_total", api="CreateTopics") == 1)
        lone.nodes[1].kill()
        assert ended(wire)
    eventually(lambda: created(unanswered, kordon))
    (event,) = created(unanswered, kordon)
    assert (event["what"]["action"], event["outcome"]["unknown"]) == ("TOPIC_CREATE", True)
    assert {reason for reason, _ in closings(kordon)} <= {"broker-closed", "broker-unreachable"}
    send(b"meanwhile")
    eventually(lambda: kordon.get("/readyz")[0] == 503)

    lone.nodes[1].start()

    send(b"after")
    assert producer.flush(60) == 0
    assert told == [None, None, None]
    assert consumed(address, name, fresh("trade_outage"), 3) == [b"before", b"meanwhile", b"after"]
    eventually(lambda: kordon.get("/readyz")[0] == 200)
    assert len(created(unanswered, kordon)) == 1


def consumed(address: str, name: str, group: str, count: int) -> list[bytes]:
    consumer = Consumer({"bootstrap.servers": address, "group.id": group, "auto.offset.reset": "earliest", **QUIET})
    try:
        consumer.subscribe([name])
        found: list[bytes] = []
        while len(found) < count:
            some = consumer.consume(count - len(found), 30)
            assert some, f"no more than {found}"
            found += [message.value() or b"" for message in some]
        return found
    finally:
        consumer.close()


def test_a_broker_that_hangs_stops_its_clients_and_costs_little(
    lone: Kafka, kordon: Kordon, new_topic: MakeTopic
) -> None:
    name = new_topic("tx_hangs", at=lone, config={"max.message.bytes": "2000000"})
    address = kordon.listener("trading")
    with Wire(address) as wire, Wire(address) as other:
        eventually(lambda: seen(wire, name))
        before = resident(kordon)
        requests = [produce(name, b"%03d" % number + bytes(1_000_000)) for number in range(64)]
        lone.nodes[1].pause()
        sender = threading.Thread(target=wire.send, args=requests)
        sender.start()
        try:
            eventually(lambda: metric(kordon, "kordon_pauses_total", reason="broker-slow") > 0)
            assert other.ask(a_request(ApiKey.API_VERSIONS, 0)).message.error_code is ErrorCode.none
            assert resident(kordon) - before < ALLOWANCE
        finally:
            lone.nodes[1].resume()
            sender.join(60)

        answers = [wire.receive().message.responses[0].partition_responses[0] for _ in requests]

    assert [(one.error_code, one.base_offset) for one in answers] == [(ErrorCode.none, number) for number in range(64)]
    assert metric(kordon, "kordon_pause_seconds_total", reason="broker-slow") > 0


# ---- certificates

METADATA: Final = a_request(ApiKey.METADATA, 12, topics=None)


@pytest.mark.known_fault(26)
def test_authorities_that_turn_bad_refuse_connections_in_one_line_until_they_are_good_again(
    kafka_with_acls: Kafka, tmp_path: Path
) -> None:
    authorities = kafka_with_acls.authority.certificate.read_text()
    ca = tmp_path / "ca.pem"
    ca.write_text(authorities)
    cluster = {
        "bootstrap": kafka_with_acls.listener("SASL_SSL"),
        "tls": {"ca": str(ca)},
        "own_login": {"mechanism": "PLAIN", "username": "admin", "password": USERS["admin"]},
    }
    with Kordon(clusters={"prod": cluster}, policy=POLICY, listeners=LISTENERS) as kordon:
        address = kordon.listener("trading")
        with Wire(address) as before:
            before.ask(METADATA)
            ca.write_text("this is no certificate")

            with Wire(address) as wire:
                wire.send(METADATA)
                assert ended(wire)

            why = f"cannot use the authorities in {ca}: no certificate or crl found"
            assert closings(kordon) == [("broker-unreachable", why)]
            assert [line["reason"] for line in log_lines(kordon, "tls_files_unusable")] == [why]
            assert readiness(kordon)["cluster prod"] == (False, why)
            before.ask(METADATA)

            ca.write_text(authorities)
            eventually(lambda: kordon.get("/readyz")[0] == 200)
            with Wire(address) as wire:
                wire.ask(METADATA)
        assert metric(kordon, "kordon_unexpected_errors_total") == 0
        assert "Traceback" not in kordon.log
        assert not [line for line in log_lines(kordon) if "exception" in line]


# ---- the disk


class Disk:
    """The disk of the audit, as Kordon sees it: full when the newest file may not grow."""

    def __init__(self, kordon: Kordon) -> None:
        self._kordon = kordon

    def fill(self) -> None:
        """Half a line more than there is. Kordon's log is a file too, and shorter than the audit by then."""
        (journal,) = (self._kordon.folder / "audit").glob("audit.*.jsonl")
        size = journal.stat().st_size
        assert size > 2 * len(self._kordon.log)
        resource.prlimit(self._kordon.pid, resource.RLIMIT_FSIZE, (size + 100, resource.RLIM_INFINITY))

    def clear(self) -> None:
        resource.prlimit(self._kordon.pid, resource.RLIMIT_FSIZE, UNLIMITED)


def refused(group: str) -> Any:
    """A request that is refused, which is an event."""
    return a_request(ApiKey.HEARTBEAT, 3, group_id=group, member_id="m")


@pytest.mark.known_fault(9)
def test_while_the_audit_topic_is_away_nothing_is_changed_where_that_is_asked_for(
    kafka: Kafka, lone: Kafka, fresh: Fresh
) -> None:
    # Given an audit topic on a cluster of its own
    first, later, at_last = fresh("tx_first"), fresh("tx_later"), fresh("tx_at_last")
    audit = {"kafka": {"cluster": "side", "topic": fresh("__kordon_audit"), "on_failure": "refuse"}}
    clusters = {"prod": kafka.bootstrap, "side": lone.bootstrap}
    with Kordon(clusters=clusters, policy=POLICY, listeners=LISTENERS, settings={"audit": audit}) as kordon:
        with Wire(kordon.listener("trading")) as wire:
            assert wire.ask(create(first)).message.topics[0].error_code is ErrorCode.none
            eventually(lambda: metric(kordon, "kordon_audit_backlog", sink="kafka") == 0)

            # When that goes, which is seen when the next event comes
            lone.nodes[1].kill()
            wire.ask(refused("pay_held"))
            eventually(lambda: metric(kordon, "kordon_audit_sink_up", sink="kafka") == 0, within=60)

            # Then changes are refused, and everybody is told
            (topic,) = wire.ask(create(later)).message.topics
            assert topic.error_code is ErrorCode.unknown_server_error
            assert topic.error_message == "the audit log cannot be written, so nothing may be changed now"
            assert not exists(kafka, later)
            assert kordon.get("/readyz")[0] == 503
            assert not readiness(kordon)["audit kafka"][0]

            # When it is back, they are made again
            lone.nodes[1].start()
            eventually(lambda: metric(kordon, "kordon_audit_sink_up", sink="kafka") == 1, within=60)
            assert wire.ask(create(at_last)).message.topics[0].error_code is ErrorCode.none
        eventually(lambda: metric(kordon, "kordon_audit_backlog", sink="kafka") == 0)


@pytest.mark.known_fault(9)
def test_while_the_audit_disk_is_full_and_that_is_no_reason_to_stop_changes_are_made(lone: Kafka, fresh: Fresh) -> None:
    before, meanwhile = fresh("tx_before"), fresh("tx_meanwhile")
    settings = {"audit": {"on_failure": "continue"}}
    with Kordon(clusters={"prod": lone.bootstrap}, policy=POLICY, listeners=LISTENERS, settings=settings) as kordon:
        disk = Disk(kordon)
        with Wire(kordon.listener("trading")) as wire:
            # Given an audit with something in it
            wire.ask_all([refused(f"pay_{number}") for number in range(100)])
            assert wire.ask(create(before)).message.topics[0].error_code is ErrorCode.none

            # When the disk is full
            disk.fill()
            wire.ask(refused("pay_seen"))
            eventually(lambda: metric(kordon, "kordon_audit_healthy") == 0)

            # Then changes are made all the same, and it is visible that they are not on disk
            assert wire.ask(create(meanwhile)).message.topics[0].error_code is ErrorCode.none
            assert exists(lone, meanwhile)
            assert created(meanwhile, kordon) == []
            assert kordon.get("/readyz")[0] == 503
            assert metric(kordon, "kordon_audit_waiting") > 0
            assert metric(kordon, "kordon_audit_events_lost_total") == 0

            # When there is room again, what memory has held is there
            disk.clear()
            eventually(lambda: created(meanwhile, kordon))
        eventually(lambda: any("interruption" in event["type"] for event in kordon.audit()))


@pytest.mark.known_fault(9)
def test_while_the_audit_disk_is_full_nothing_is_changed_reads_go_on_and_nothing_is_lost(
    lone: Kafka, kordon: Kordon, new_topic: MakeTopic, fresh: Fresh
) -> None:
    name, in_flight, later = new_topic("tx_disk", at=lone), fresh("tx_in_flight"), fresh("tx_later")
    address = kordon.listener("trading")
    disk = Disk(kordon)
    with Wire(address) as wire, Wire(address) as changes, Wire(address) as denied, Wire(address) as reads:
        # Given an audit with something in it, and a change that is at the broker
        eventually(lambda: seen(reads, name))
        denied.ask_all([refused(f"pay_{number}") for number in range(100)])
        lone.nodes[1].pause()
        changes.send(create(in_flight))
        eventually(lambda: metric(kordon, "kordon_requests_total", api="CreateTopics") == 1)

        # When the disk is full, which is seen when the next event comes
        disk.fill()
        denied.send(refused("pay_held"))
        eventually(lambda: metric(kordon, "kordon_audit_healthy") == 0)
        lone.nodes[1].resume()

        # Then changes are refused, reads and produces go on, and everybody is told
        (topic,) = wire.ask(create(later)).message.topics
        assert topic.error_code is ErrorCode.unknown_server_error
        assert topic.error_message == "the audit log cannot be written, so nothing may be changed now"
        (partition,) = reads.ask(produce(name, b"goes on")).message.responses[0].partition_responses
        assert partition.error_code is ErrorCode.none
        assert seen(reads, name)
        eventually(lambda: exists(lone, in_flight))
        assert not exists(lone, later)
        status, page = kordon.get("/readyz")
        assert (status, "file too large" in page) == (503, True)
        assert [line["reason"] for line in log_lines(kordon, "audit_journal_failing")] == ["file too large"]
        eventually(lambda: metric(kordon, "kordon_broker_seconds_count", api="CreateTopics") == 1)
        assert created(in_flight, kordon) == []
        assert silent(changes, denied)

        # When there is room again
        disk.clear()

        # Then what was held leaves
        assert changes.receive().message.topics[0].error_code is ErrorCode.none
        assert denied.receive().message.error_code is not ErrorCode.none
        eventually(lambda: kordon.get("/readyz")[0] == 200)
        assert wire.ask(create(later)).message.topics[0].error_code is ErrorCode.none
    assert log_lines(kordon, "audit_journal_recovered")
    ((event,), (other,)) = created(in_flight, kordon), created(later, kordon)
    assert [one["outcome"].get("error_code") for one in (event, other)] == [0, 0]
    eventually(lambda: any("interruption" in event["type"] for event in kordon.audit()))
    events = kordon.audit()
    assert [int(event["sequence"]) for event in events] == list(range(1, len(events) + 1))
