"""The audit says which records somebody has seen, and never what they say."""

import json

from kordon_proxy.audit.event import Event, EventType, What, Who, encode
from kordon_proxy.inspection.asked import AtOffset, AtTime, Inspection
from kordon_proxy.inspection.audited import asked_parameters, read_parameters
from kordon_proxy.inspection.found import Field, FoundRecord, Inspected, PartitionRead, Stop
from tests.proxy.inspection.given import as_found

CANARY = "content-canary"


def a_field(text: str) -> Field:
    return Field(format="text", data=text, size=len(text), base64="", problem=text)


def found(*partitions: int) -> Inspected:
    record = FoundRecord(
        partition=partitions[0],
        offset=17,
        timestamp=5,
        timestamp_type="CreateTime",
        key=a_field(CANARY),
        value=a_field(CANARY),
        headers=((CANARY, a_field(CANARY)),),
    )
    read = tuple(
        PartitionRead(
            partition=one, beginning=0, end=100, first_offset=17, next_offset=20, scanned=3, found=1, problems=(CANARY,)
        )
        for one in partitions
    )
    return Inspected(
        topic="orders",
        found=(as_found(record),),
        partitions=read,
        stopped=Stop.COUNT,
        filter_error=CANARY,
        problems=(CANARY,),
    )


def test_what_was_read_is_told_by_its_offsets() -> None:
    asked = Inspection(topic="orders", partition=3, start=AtOffset(17), count=1, filter=".value.a > 5")

    assert read_parameters(asked, found(3)) == {
        "topic": "orders",
        "partition": 3,
        "start": "offset 17",
        "count": 1,
        "committed": True,
        "filter": ".value.a > 5",
        "read": {"3": {"first_offset": 17, "next_offset": 20, "records": 1}},
        "records": 1,
        "scanned": 3,
        "bytes": 2 * len(CANARY),
        "stopped": "count",
    }


def test_nothing_of_a_record_is_in_an_event() -> None:
    what = What(parameters=read_parameters(Inspection(topic="orders"), found(1, 2)))
    event = Event(id="1", type=EventType.DECISION, time=0, who=Who(principal="dana"), what=what)

    assert CANARY not in encode(event, "urn:test").decode()


def test_an_event_names_some_of_very_many_partitions() -> None:
    parameters = read_parameters(Inspection(topic="orders"), found(*range(150)))

    assert (len(parameters["read"]), parameters["more_partitions"]) == (100, 50)


def test_what_is_asked_for_is_told_before_anything_is_read() -> None:
    assert asked_parameters(Inspection(topic="orders", start=AtTime(1000))) == {
        "topic": "orders",
        "partition": "all",
        "start": "time 1000",
        "count": 20,
        "committed": True,
        "filter": None,
    }
    assert json.dumps(asked_parameters(Inspection(topic="orders")))
