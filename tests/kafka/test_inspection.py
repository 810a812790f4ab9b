"""Kordon looks into topics of a real Kafka, and finds in them what is there."""

import asyncio
import base64
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from kordon_proxy.config.addresses import Address
from kordon_proxy.config.clusters import Cluster, OwnLogin, SchemaRegistry
from kordon_proxy.demo.kafka import Kafka
from kordon_proxy.inspection.asked import AtOffset, AtTime, Earliest, Format, Inspection, Latest, Start
from kordon_proxy.inspection.bounds import Bounds, KiB, MiB
from kordon_proxy.inspection.errors import Busy, NotThere, Unreachable, Unusable
from kordon_proxy.inspection.found import FoundRecord, Inspected, Stop
from kordon_proxy.inspection.inspector import Inspector
from kordon_proxy.secrets import Secret
from tests.kafka.fixtures import USERS, MakeTopic
from tests.kafka.tenants import QUIET, eventually
from tests.kafka.wire import WHEN
from tests.proxy.cluster.loops import on_both_loops, scenario
from tests.proxy.inspection.registries import FakeRegistry

CODECS: Final = ("none", "gzip", "snappy", "lz4", "zstd")
AT: Final = WHEN
PATIENT: Final = Bounds(seconds=40)
"""Where it is not the time that is tested."""
Header = tuple[str, bytes | None]


def a_cluster(kafka: Kafka, **settings: Any) -> Cluster:
    addresses = (one.rsplit(":", 1) for one in kafka.bootstrap.split(","))
    bootstrap = tuple(Address(host, int(port)) for host, port in addresses)
    return Cluster(**{"name": "prod", "bootstrap": bootstrap, **settings})


def inspect(kafka: Kafka, topic: str, bounds: Bounds = PATIENT, **asked: Any) -> Inspected:
    inspector = Inspector([a_cluster(kafka)], bounds=bounds)
    return asyncio.run(inspector.read("prod", Inspection(topic=topic, **{"start": Earliest(), **asked})))


def a_producer(kafka: Kafka, **settings: Any) -> Producer:
    return Producer({"bootstrap.servers": kafka.bootstrap, "linger.ms": 50, **QUIET, **settings})


def write(
    kafka: Kafka,
    topic: str,
    *values: bytes | None,
    keys: Iterable[bytes | None] | None = None,
    partition: int = 0,
    at: int = AT,
    every: int = 1,
    headers: Sequence[Header] = (),
    settings: Mapping[str, Any] | None = None,
) -> None:
    """Append records, `every` ms apart by their timestamps."""
    producer = a_producer(kafka, **settings or {})
    for number, (key, value) in enumerate(zip(keys or [None] * len(values), values, strict=True)):
        producer.produce(topic, value, key, partition, timestamp=at + number * every, headers=list(headers))
    assert producer.flush(30) == 0


def in_transaction(kafka: Kafka, topic: str, *values: bytes, transactional_id: str, commit: bool) -> None:
    producer = a_producer(kafka, **{"transactional.id": transactional_id})
    producer.init_transactions(30)
    producer.begin_transaction()
    for value in values:
        producer.produce(topic, value, partition=0, timestamp=AT)
    producer.flush(30)
    (producer.commit_transaction if commit else producer.abort_transaction)(30)


def said(found: Inspected) -> list[Any]:
    return [None if record.value is None else record.value.data for record in found.records]


def offsets(found: Inspected) -> list[int]:
    return [record.offset for record in found.records]


@pytest.mark.parametrize("codec", CODECS)
def test_what_producers_compress_is_read(kafka: Kafka, new_topic: MakeTopic, codec: str) -> None:
    topic = new_topic()
    values = [f"value {number} ".encode() * 50 for number in range(20)]
    write(kafka, topic, *values, settings={"compression.type": codec})

    found = inspect(kafka, topic, value=Format.TEXT)

    assert [said.encode() for said in said(found)] == values


@pytest.mark.parametrize("codec", CODECS)
def test_what_the_broker_compresses_is_read(kafka: Kafka, new_topic: MakeTopic, codec: str) -> None:
    topic = new_topic(config={"compression.type": "uncompressed" if codec == "none" else codec})
    values = [f"value {number} ".encode() * 5000 for number in range(10)]
    write(kafka, topic, *values)

    found = inspect(kafka, topic, value=Format.TEXT)

    assert [said.encode() for said in said(found)] == values


@on_both_loops
@scenario
async def test_it_is_read_on_both_event_loops(loop: str, kafka: Kafka, new_topic: MakeTopic) -> None:
    topic = new_topic()
    write(kafka, topic, b"one", b"two")

    found = await Inspector([a_cluster(kafka)], bounds=PATIENT).read("prod", Inspection(topic=topic))

    assert said(found) == ["one", "two"]


def test_a_record_is_shown_with_all_that_it_has(kafka: Kafka, new_topic: MakeTopic) -> None:
    topic = new_topic()
    headers = [("trace", b"\x00\xff"), ("again", b"1"), ("again", b"2"), ("null", None), ("empty", b"")]
    write(kafka, topic, b'{"amount": 17.5}', keys=[b"key"], headers=headers)

    (record,) = inspect(kafka, topic).to_answer()["records"]

    assert record == {
        "partition": 0,
        "offset": 0,
        "timestamp": AT,
        "timestamp_type": "CreateTime",
        "key": {"format": "text", "data": "key", "size": 3, "base64": base64.b64encode(b"key").decode()},
        "value": {
            "format": "json",
            "data": {"amount": 17.5},
            "size": 16,
            "base64": base64.b64encode(b'{"amount": 17.5}').decode(),
        },
        "headers": [
            ["trace", {"format": "hex", "data": "00ff", "size": 2, "base64": "AP8="}],
            ["again", {"format": "text", "data": "1", "size": 1, "base64": "MQ=="}],
            ["again", {"format": "text", "data": "2", "size": 1, "base64": "Mg=="}],
            ["null", None],
            ["empty", {"format": "text", "data": "", "size": 0, "base64": ""}],
        ],
    }


def test_what_was_found_is_json_and_comes_back_from_it(kafka: Kafka, new_topic: MakeTopic) -> None:
    topic = new_topic()
    write(kafka, topic, b"[1]", None, b"", headers=[("name", None)])

    found = inspect(kafka, topic)

    answer = json.loads(found.to_json())
    assert answer == found.to_answer()
    assert tuple(FoundRecord.from_answer(record) for record in answer["records"]) == found.records


def test_a_tombstone_is_told_apart_from_an_empty_value_and_no_key_from_an_empty_one(
    kafka: Kafka, new_topic: MakeTopic
) -> None:
    topic = new_topic()
    write(kafka, topic, None, b"", None, keys=[b"k", b"", None])

    records = inspect(kafka, topic).records

    assert [(one.key and one.key.size, one.value and one.value.size) for one in records] == [
        (1, None),
        (0, 0),
        (None, None),
    ]


def test_the_time_of_the_broker_is_told_as_such(kafka: Kafka, new_topic: MakeTopic) -> None:
    topic = new_topic(config={"message.timestamp.type": "LogAppendTime"})
    before = time.time_ns() // 1_000_000
    write(kafka, topic, b"x")

    (record,) = inspect(kafka, topic).records

    assert record.timestamp_type == "LogAppendTime"
    assert record.timestamp is not None
    assert before - 60_000 < record.timestamp


# Where to begin


@pytest.fixture(scope="module")
def ten(kafka: Kafka, new_topic: MakeTopic) -> str:
    """A topic of one partition with ten records, a second apart: read only."""
    topic = new_topic("ten")
    write(kafka, topic, *(str(number).encode() for number in range(10)), every=1000)
    return topic


@pytest.mark.parametrize(
    ("start", "wanted"),
    [
        (Earliest(), [0, 1, 2]),
        (Latest(), [7, 8, 9]),
        (AtOffset(4), [4, 5, 6]),
        (AtOffset(8), [8, 9]),
        (AtOffset(10), []),
        (AtTime(AT + 4000), [4, 5, 6]),
        (AtTime(AT + 4001), [5, 6, 7]),
        (AtTime(0), [0, 1, 2]),
        (AtTime(AT + 9001), []),
    ],
    ids=["earliest", "latest", "offset", "few", "end", "time", "between", "epoch", "later"],
)
def test_it_begins_where_it_is_told(kafka: Kafka, ten: str, start: Start, wanted: list[int]) -> None:
    found = inspect(kafka, ten, start=start, partition=0, count=3)

    assert offsets(found) == wanted


def test_it_says_how_far_it_got_so_that_one_can_go_on(kafka: Kafka, ten: str) -> None:
    found = inspect(kafka, ten, start=AtOffset(4), partition=0, count=3)

    (partition,) = found.partitions
    assert (partition.first_offset, partition.next_offset, partition.found) == (4, 7, 3)
    assert (partition.beginning, partition.end) == (0, 10)
    assert found.stopped is Stop.COUNT


def test_at_the_end_it_says_that_there_are_no_more(kafka: Kafka, ten: str) -> None:
    found = inspect(kafka, ten, start=AtOffset(8), partition=0, count=3)

    assert (found.stopped, found.partitions[0].next_offset) == (Stop.END, 10)


def test_an_offset_that_is_not_there_is_answered_with_those_that_are(kafka: Kafka, ten: str) -> None:
    with pytest.raises(NotThere, match=f"no offset 11: partition 0 of {ten} has the offsets 0 to 9"):
        inspect(kafka, ten, start=AtOffset(11), partition=0)


def test_offsets_that_were_deleted_are_not_there_and_the_rest_is(kafka: Kafka, new_topic: MakeTopic) -> None:
    topic = new_topic()
    write(kafka, topic, *(str(number).encode() for number in range(10)))
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    for deleted in admin.delete_records([TopicPartition(topic, 0, 6)]).values():
        deleted.result(30)

    assert offsets(inspect(kafka, topic)) == [6, 7, 8, 9]
    assert offsets(inspect(kafka, topic, start=Latest(), count=8)) == [6, 7, 8, 9]
    with pytest.raises(NotThere, match="has the offsets 6 to 9"):
        inspect(kafka, topic, start=AtOffset(5), partition=0)


def test_an_empty_partition_has_nothing_from_any_start(kafka: Kafka, new_topic: MakeTopic) -> None:
    topic = new_topic()

    found = [inspect(kafka, topic, start=start) for start in (Earliest(), Latest(), AtTime(AT))]

    assert [(one.records, one.stopped) for one in found] == [((), Stop.END)] * 3
    with pytest.raises(NotThere, match="is empty; its next offset is 0"):
        inspect(kafka, topic, start=AtOffset(1), partition=0)


def test_a_partition_or_a_topic_that_is_not_there_is_said_to_be_so(kafka: Kafka, ten: str) -> None:
    with pytest.raises(NotThere, match=f"{ten} has no partition 3: it has partition 0 alone"):
        inspect(kafka, ten, partition=3)
    with pytest.raises(NotThere, match=f"there is no topic {ten}-2"):
        inspect(kafka, f"{ten}-2")
    assert f"{ten}-2" not in AdminClient({"bootstrap.servers": kafka.bootstrap}).list_topics(timeout=30).topics


# Transactions and compaction


def test_records_of_aborted_transactions_and_markers_are_left_out(kafka: Kafka, new_topic: MakeTopic) -> None:
    topic = new_topic()
    write(kafka, topic, b"before")
    in_transaction(kafka, topic, b"bad 1", b"bad 2", transactional_id=topic, commit=False)
    in_transaction(kafka, topic, b"good", transactional_id=topic, commit=True)
    write(kafka, topic, b"after")

    found = {committed: inspect(kafka, topic, committed=committed) for committed in (True, False)}

    assert said(found[True]) == ["before", "good", "after"]
    assert said(found[False]) == ["before", "bad 1", "bad 2", "good", "after"]
    assert found[True].stopped is found[False].stopped is Stop.END


def test_the_newest_ones_are_found_behind_any_number_of_offsets_without_records(
    kafka: Kafka, new_topic: MakeTopic
) -> None:
    topic = new_topic()
    write(kafka, topic, b"1", b"2", b"3")
    for _ in range(4):
        in_transaction(kafka, topic, b"bad", b"bad", transactional_id=topic, commit=False)

    found = inspect(kafka, topic, start=Latest(), count=2)

    assert said(found) == ["2", "3"]
    assert found.partitions[0].next_offset == found.partitions[0].end == 15


def test_an_offset_of_a_marker_begins_with_the_record_behind_it(kafka: Kafka, new_topic: MakeTopic) -> None:
    topic = new_topic()
    in_transaction(kafka, topic, b"good", transactional_id=topic, commit=True)
    write(kafka, topic, b"after")

    assert said(inspect(kafka, topic, start=AtOffset(1), partition=0)) == ["after"]


def test_what_an_open_transaction_holds_back_is_read_if_one_says_so(kafka: Kafka, new_topic: MakeTopic) -> None:
    topic = new_topic()
    write(kafka, topic, b"before")
    producer = a_producer(kafka, **{"transactional.id": topic})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, b"open", partition=0)
    producer.flush(30)
    write(kafka, topic, b"behind")
    try:
        assert said(inspect(kafka, topic)) == ["before"]
        assert said(inspect(kafka, topic, committed=False)) == ["before", "open", "behind"]
        with pytest.raises(NotThere, match="is not committed yet: a transaction is open since offset 1"):
            inspect(kafka, topic, start=AtOffset(2), partition=0)
    finally:
        producer.abort_transaction(30)


def test_offsets_that_compaction_took_do_not_matter(kafka: Kafka, new_topic: MakeTopic) -> None:
    settings = {"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.01"}
    topic = new_topic(config=settings)
    write(kafka, topic, *(str(number).encode() for number in range(20)), keys=[b"a"] * 19 + [b"b"])
    write(kafka, topic, b"last", keys=[b"c"], at=AT + 1000)  # ends the segment; only those are compacted

    eventually(lambda: offsets(inspect(kafka, topic)) == [18, 19, 20], within=60)

    assert offsets(inspect(kafka, topic, start=AtOffset(5), partition=0, count=2)) == [18, 19]
    assert offsets(inspect(kafka, topic, start=Latest(), count=3)) == [18, 19, 20]
    assert inspect(kafka, topic).stopped is Stop.END


# Several partitions


@pytest.fixture(scope="module")
def three(kafka: Kafka, new_topic: MakeTopic) -> str:
    """A topic of three partitions with five records each, whose times take turns: read only."""
    topic = new_topic("three", partitions=3)
    for partition in range(3):
        values = [f"{partition}-{number}".encode() for number in range(5)]
        write(kafka, topic, *values, partition=partition, at=AT + partition, every=3)
    return topic


def test_records_of_all_partitions_come_in_the_order_of_their_times(kafka: Kafka, three: str) -> None:
    found = inspect(kafka, three, count=5)

    assert said(found) == ["0-0", "1-0", "2-0", "0-1", "1-1"]
    assert [one.next_offset for one in found.partitions] == [2, 2, 1]


def test_the_newest_of_all_partitions_are_found(kafka: Kafka, three: str) -> None:
    found = inspect(kafka, three, count=4, start=Latest())

    assert said(found) == ["2-3", "0-4", "1-4", "2-4"]
    assert [one.first_offset for one in found.partitions] == [4, 4, 3]
    assert [one.found for one in found.partitions] == [1, 1, 2]


def test_a_time_is_one_in_all_partitions(kafka: Kafka, three: str) -> None:
    assert said(inspect(kafka, three, count=3, start=AtTime(AT + 7))) == ["1-2", "2-2", "0-3"]


def test_all_records_of_all_partitions_can_be_had(kafka: Kafka, three: str) -> None:
    found = inspect(kafka, three, count=500)

    assert len(found.records) == 15
    assert (found.stopped, found.scanned) == (Stop.END, 15)


# Filters


def test_a_filter_finds_records_by_what_they_say(kafka: Kafka, new_topic: MakeTopic) -> None:
    topic = new_topic()
    states = ("late" if number % 7 == 3 else "ok" for number in range(100))
    write(kafka, topic, *(json.dumps({"state": state}).encode() for state in states))

    first = inspect(kafka, topic, filter='.value.state == "late"', count=3)
    newest = inspect(kafka, topic, filter='.value.state == "late"', count=3, start=Latest())

    assert [offsets(first), offsets(newest)] == [[3, 10, 17], [80, 87, 94]]
    assert (first.scanned, first.partitions[0].next_offset) == (18, 18)
    assert newest.partitions[0].first_offset == 80


def test_a_filter_sees_all_of_a_record(kafka: Kafka, new_topic: MakeTopic) -> None:
    topic = new_topic()
    write(kafka, topic, b"a", b"b", keys=[b"1", b"2"], headers=[("h", b"first"), ("h", b"last")])

    expression = f'.partition == 0 and .offset == 1 and .timestamp == {AT + 1} and .key == "2" and .headers.h == "last"'

    assert offsets(inspect(kafka, topic, filter=expression)) == [1]


def test_records_for_which_a_filter_fails_are_counted(kafka: Kafka, new_topic: MakeTopic) -> None:
    topic = new_topic()
    write(kafka, topic, b"text", b'{"a": 1}', b"more")

    found = inspect(kafka, topic, filter=".value.a == 1")

    assert offsets(found) == [1]
    assert (found.filter_errors, found.filter_error) == (2, 'Cannot index string with string ("a")')


def test_a_filter_that_is_no_jq_is_refused_before_anybody_is_asked() -> None:
    nobody = Cluster(name="prod", bootstrap=(Address("127.0.0.1", 1),))
    asked = Inspection(topic="t", filter=".value.[")

    with pytest.raises(Unusable, match="the filter is no jq: syntax error"):
        asyncio.run(Inspector([nobody]).read("prod", asked))


def test_a_filter_that_finds_nothing_ends_where_one_inspection_has_to(kafka: Kafka, new_topic: MakeTopic) -> None:
    topic = new_topic()
    write(kafka, topic, *(str(number).encode() for number in range(100)))
    bounds = Bounds(scanned=40)

    up = inspect(kafka, topic, bounds, filter="false")
    down = inspect(kafka, topic, bounds, filter="false", start=Latest())

    assert (up.stopped, up.scanned, up.partitions[0].next_offset) == (Stop.SCANNED, 40, 40)
    assert (down.stopped, down.scanned, down.partitions[0].first_offset) == (Stop.SCANNED, 40, 60)


@pytest.mark.parametrize("start", [Earliest(), Latest()], ids=str)
def test_a_filter_that_never_ends_is_ended_and_the_record_is_told(kafka: Kafka, ten: str, start: Start) -> None:
    bounds = Bounds(seconds=8)

    found = inspect(kafka, ten, bounds, filter="if .offset == 5 then [while(true; .)] else true end", start=start)

    assert found.stopped is Stop.TIME
    assert found.partitions[0].problems == ("offset 5: the 8 s that an inspection may take are over",)
    assert (offsets(found), found.partitions[0].next_offset) == (
        ([0, 1, 2, 3, 4], 5) if start == Earliest() else ([], 10)
    )


def test_a_filter_that_wants_all_memory_does_not_get_it(kafka: Kafka, ten: str) -> None:
    bounds = Bounds(seconds=60, memory=256 * MiB)

    found = inspect(kafka, ten, bounds, filter="if .offset == 5 then [range(1e12)] else true end")

    assert found.stopped is Stop.FAILED
    assert offsets(found) == [0, 1, 2, 3, 4]
    assert "offset 5: it took more than it may have" in found.partitions[0].problems[0]


# Bounds, and what is odd


def test_no_more_is_shown_than_an_answer_may_have(kafka: Kafka, new_topic: MakeTopic) -> None:
    topic = new_topic()
    write(kafka, topic, *[b"x" * 10_000] * 20)
    bounds = Bounds(answer=100_000, seconds=40)

    first = inspect(kafka, topic, bounds)
    newest = inspect(kafka, topic, bounds, start=Latest())

    assert first.stopped is newest.stopped is Stop.BYTES
    assert offsets(first) == [0, 1, 2, 3]  # as text and as base64
    assert offsets(newest) == [16, 17, 18, 19]
    assert (first.partitions[0].next_offset, newest.partitions[0].first_offset) == (4, 16)


def test_a_record_that_is_larger_than_an_answer_is_shown_in_part(kafka: Kafka, new_topic: MakeTopic) -> None:
    topic = new_topic(config={"max.message.bytes": str(8 * MiB)})
    write(kafka, topic, b"small", b"x" * 6 * MiB, b"small", settings={"message.max.bytes": 8 * MiB})

    (record,) = inspect(kafka, topic, start=AtOffset(1), partition=0, count=1).records

    assert record.value is not None
    assert (record.value.size, record.value.truncated) == (6 * MiB, True)
    assert record.value.problem == f"it is too large ({6 * MiB} bytes) to be shown whole"
    assert record.value.data.startswith("xxx")
    assert len(json.dumps(record.to_answer())) < MiB


def test_a_batch_that_would_unpack_to_more_than_anybody_has_is_told_and_passed_by(
    kafka: Kafka, new_topic: MakeTopic
) -> None:
    topic = new_topic(config={"max.message.bytes": str(2 * MiB)})
    write(kafka, topic, b"before")
    write(kafka, topic, bytes(80 * MiB), settings={"compression.type": "zstd", "message.max.bytes": 200 * MiB})
    write(kafka, topic, b"behind")

    found = inspect(kafka, topic)

    assert said(found) == ["before", "behind"]
    assert found.partitions[0].problems == ("offset 1: it cannot be unpacked by zstd: it would be more than 64 MiB",)


def test_many_fetches_are_made_for_one_answer(kafka: Kafka, new_topic: MakeTopic) -> None:
    topic = new_topic()
    values = [f"{number} ".encode() * 1000 for number in range(300)]
    write(kafka, topic, *values, settings={"batch.size": 20_000})
    bounds = Bounds(fetch=64 * KiB, seconds=40)

    assert offsets(inspect(kafka, topic, bounds, count=300)) == list(range(300))
    assert offsets(inspect(kafka, topic, bounds, count=250, start=Latest())) == list(range(50, 300))


def test_no_group_is_joined_and_nothing_is_committed(kafka: Kafka, ten: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    before = {group.group_id for group in admin.list_consumer_groups().result(30).valid}

    inspect(kafka, ten)

    assert {group.group_id for group in admin.list_consumer_groups().result(30).valid} == before


def test_kordon_logs_in_as_for_its_other_questions(kafka: Kafka, ten: str) -> None:
    address = kafka.listener("SASL_PLAINTEXT").rsplit(":", 1)
    logins = tuple(
        OwnLogin(mechanism="SCRAM-SHA-512", username="kordon", password=Secret(password))
        for password in ("outdated", USERS["kordon"])
    )
    cluster = Cluster(name="prod", bootstrap=(Address(address[0], int(address[1])),), own_login=logins)

    found = asyncio.run(Inspector([cluster], bounds=PATIENT).read("prod", Inspection(topic=ten)))

    assert len(found.records) == 10


def test_brokers_that_do_not_answer_are_said_to_be_so() -> None:
    nobody = Cluster(name="prod", bootstrap=(Address("127.0.0.1", 1),))

    with pytest.raises(Unreachable, match=r"no broker answers; of the last one tried: a broker cannot be reached"):
        asyncio.run(Inspector([nobody]).read("prod", Inspection(topic="t")))


@scenario
async def test_only_so_many_inspections_run_at_the_same_time(kafka: Kafka, ten: str) -> None:
    inspector = Inspector([a_cluster(kafka)], bounds=PATIENT, at_once=2)
    asked = Inspection(topic=ten)

    results = await asyncio.gather(*(inspector.read("prod", asked) for _ in range(3)), return_exceptions=True)

    assert sorted(type(one).__name__ for one in results) == ["Busy", "Inspected", "Inspected"]
    assert isinstance(await inspector.read("prod", asked), Inspected)
    assert any(isinstance(one, Busy) for one in results)


@scenario
async def test_nobody_takes_all_inspections_that_may_run(kafka: Kafka, ten: str) -> None:
    inspector = Inspector([a_cluster(kafka)], bounds=PATIENT, at_once=4)
    asked = Inspection(topic=ten)

    results = await asyncio.gather(
        *(inspector.read("prod", asked, by=who) for who in ("dana", "dana", "dana", "ann")), return_exceptions=True
    )

    assert [type(one).__name__ for one in results] == ["Inspected", "Inspected", "Busy", "Inspected"]
    assert isinstance(await inspector.read("prod", asked, by="dana"), Inspected)


# Schemas


def test_records_are_decoded_by_the_schemas_of_a_registry(kafka: Kafka, new_topic: MakeTopic) -> None:
    topic = new_topic()
    order = json.dumps({"type": "record", "name": "Order", "fields": [{"name": "amount", "type": "long"}]})
    with FakeRegistry() as registry:
        serialize = AvroSerializer(registry.client(), order)
        context = SerializationContext(topic, MessageField.VALUE)
        values = [serialize({"amount": number}, context) for number in range(5)]
        write(kafka, topic, *values, b"no schema", keys=[b"k"] * 6)
        inspector = Inspector([a_cluster(kafka)], {"prod": registry.settings()}, bounds=PATIENT)
        asked = Inspection(topic=topic, start=Earliest(), filter=".value.amount? > 2")

        found = asyncio.run(inspector.read("prod", asked))

    assert said(found) == [{"amount": 3}, {"amount": 4}]
    assert found.records[0].value is not None
    assert found.records[0].value.schema == {"id": 1, "type": "AVRO", "name": "Order"}


def test_without_its_registry_a_record_is_shown_as_it_is(kafka: Kafka, new_topic: MakeTopic) -> None:
    topic = new_topic()
    write(kafka, topic, b"\x00\x00\x00\x00\x01\x02")
    away = SchemaRegistry(url="http://127.0.0.1:1")

    (record,) = asyncio.run(
        Inspector([a_cluster(kafka)], {"prod": away}, bounds=PATIENT).read("prod", Inspection(topic=topic))
    ).records

    assert record.value is not None
    assert (record.value.format, record.value.data) == ("hex", "000000000102")
    assert record.value.problem is not None
    assert record.value.problem.startswith("the schema registry cannot be reached")
