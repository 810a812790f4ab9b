"""Brokers that lead no more, refuse, hang up or do not answer: the rest is read, and what is not is told."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from kio.schema.errors import ErrorCode

from kordon_protocol.keys import ApiKey
from kordon_proxy.config.addresses import Address
from kordon_proxy.config.clusters import Cluster
from kordon_proxy.inspection import brokers as module
from kordon_proxy.inspection.asked import AtOffset, Earliest, Inspection
from kordon_proxy.inspection.bounds import Bounds
from kordon_proxy.inspection.errors import NotThere, Unreachable
from kordon_proxy.inspection.found import Inspected, Stop
from kordon_proxy.inspection.inspector import Inspector
from kordon_proxy.judging.entries import answer_type, make, respond, struct_type
from tests.proxy.cluster.brokers import Broker, HangUp, speaks
from tests.proxy.cluster.loops import scenario
from tests.proxy.inspection.given import values

TOPIC: Final = "orders"
SPOKEN: Final[Mapping[int, tuple[int, int]]] = {
    ApiKey.API_VERSIONS: (0, 4),
    ApiKey.METADATA: (12, 12),
    ApiKey.LIST_OFFSETS: (7, 7),
    ApiKey.FETCH: (12, 12),
}
Odd = Callable[[int, int], ErrorCode]
"""From partition and offset of a Fetch to what it is answered with."""


class FakeLog:
    """A topic at some brokers, each of whose partitions has ten records, five in a batch."""

    def __init__(self, *leaders: int, brokers: int = 2) -> None:
        self.leaders = list(leaders)
        """Broker by partition; -1 for nobody."""
        self.told = ErrorCode.none
        """What a question about the topic is answered with."""
        self.listed = ErrorCode.none
        """What one about offsets is."""
        self.odd: Odd = lambda *_: ErrorCode.none
        self.brokers = {number: self._broker(number) for number in range(1, brokers + 1)}

    def _broker(self, number: int) -> Broker:
        return Broker(
            {
                ApiKey.API_VERSIONS: speaks(SPOKEN),
                ApiKey.METADATA: self._metadata,
                ApiKey.LIST_OFFSETS: self._offsets,
                ApiKey.FETCH: lambda request: self._fetch(number, request),
            }
        )

    def _metadata(self, request: Any) -> Any:
        kind = answer_type(request)
        brokers = tuple(
            make(struct_type(kind, "brokers"), node_id=number, host="127.0.0.1", port=broker.port)
            for number, broker in self.brokers.items()
        )
        partitions = tuple(
            make(struct_type(kind, "topics", "partitions"), partition_index=index, leader_id=leader)
            for index, leader in enumerate(self.leaders)
        )
        topic = make(
            struct_type(kind, "topics"), error_code=self.told, name=TOPIC, topic_id=UUID(int=1), partitions=partitions
        )
        return respond(request, brokers=brokers, topics=(topic,), cluster_id="c", controller_id=1)

    def _offsets(self, request: Any) -> Any:
        kind = struct_type(answer_type(request), "topics")
        (asked,) = request.topics
        partitions = tuple(
            make(
                struct_type(kind, "partitions"),
                partition_index=one.partition_index,
                error_code=self.listed,
                offset=0 if one.timestamp == module.EARLIEST else 10,
            )
            for one in asked.partitions
        )
        return respond(request, topics=(make(kind, name=TOPIC, partitions=partitions),))

    def _fetch(self, broker: int, request: Any) -> Any:
        kind = struct_type(answer_type(request), "responses")
        ((one,),) = (topic.partitions for topic in request.topics)
        index, offset = int(one.partition), int(one.fetch_offset)
        code = self.odd(index, offset)
        if self.leaders[index] != broker:
            code = ErrorCode.not_leader_or_follower
        first = offset // 5 * 5
        records = values(*(str(first + number).encode() for number in range(5)), first=first)
        partition = make(
            struct_type(kind, "partitions"),
            partition_index=index,
            error_code=code,
            records=records if code is ErrorCode.none else None,
        )
        return respond(request, responses=(make(kind, topic=TOPIC, partitions=(partition,)),))

    @asynccontextmanager
    async def served(self) -> AsyncIterator["FakeLog"]:
        for broker in self.brokers.values():
            await broker.start()
        try:
            yield self
        finally:
            for broker in self.brokers.values():
                await broker.stop()

    async def inspect(self, bounds: Bounds | None = None, **asked: Any) -> Inspected:
        bootstrap = tuple(Address(*broker.address) for broker in self.brokers.values())
        inspector = Inspector([Cluster(name="prod", bootstrap=bootstrap)], bounds=bounds or Bounds(seconds=30))
        return await inspector.read("prod", Inspection(**{"topic": TOPIC, "start": Earliest(), **asked}))


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE", 0.01)


def offsets(found: Inspected) -> list[int]:
    return [one.offset for one in found.found]


@scenario
async def test_each_partition_is_read_where_it_is_led() -> None:
    async with FakeLog(1, 2).served() as log:
        found = await log.inspect(count=20)

        assert len(found.found) == 20
        assert {len(broker.asked_for(ApiKey.FETCH)) for broker in log.brokers.values()} == {2}


@scenario
async def test_a_partition_that_has_moved_meanwhile_is_read_where_it_is_now() -> None:
    async with FakeLog(1).served() as log:

        def move(_: int, offset: int) -> ErrorCode:
            log.leaders = [2] if offset == 5 else log.leaders
            return ErrorCode.none

        log.odd = move
        found = await log.inspect()

    assert (offsets(found), found.stopped) == (list(range(10)), Stop.END)


@pytest.mark.parametrize("code", [ErrorCode.kafka_storage_error, ErrorCode.unknown_topic_or_partition])
@scenario
async def test_an_error_that_passes_is_asked_again(code: ErrorCode) -> None:
    async with FakeLog(1).served() as log:
        errors = [code, code]
        log.odd = lambda *_: errors.pop() if errors else ErrorCode.none

        assert offsets(await log.inspect()) == list(range(10))


@scenario
async def test_a_broker_that_hangs_up_is_asked_again() -> None:
    async with FakeLog(1).served() as log:
        left = [1, 2]

        def hang_up(*_: int) -> ErrorCode:
            if left and left.pop():
                raise HangUp
            return ErrorCode.none

        log.odd = hang_up

        assert offsets(await log.inspect()) == list(range(10))


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        (ErrorCode.offset_out_of_range, "offset 5: it is not there any more"),
        (ErrorCode.topic_authorization_failed, "offset 5: the broker refuses: TOPIC_AUTHORIZATION_FAILED"),
        (ErrorCode.not_leader_or_follower, "offset 5: NOT_LEADER_OR_FOLLOWER"),
    ],
)
@scenario
async def test_what_was_read_before_an_error_is_shown_and_the_error_told(code: ErrorCode, problem: str) -> None:
    async with FakeLog(1).served() as log:
        log.odd = lambda _, offset: code if offset == 5 else ErrorCode.none

        found = await log.inspect()

    assert (offsets(found), found.stopped) == ([0, 1, 2, 3, 4], Stop.FAILED)
    assert (found.partitions[0].problems, found.partitions[0].next_offset) == ((problem,), 5)


@scenario
async def test_partitions_that_nobody_leads_are_told_beside_the_others() -> None:
    async with FakeLog(1, -1).served() as log:
        found = await log.inspect()
        with pytest.raises(Unreachable, match="partition 1 of orders cannot be read: nobody leads it"):
            await log.inspect(partition=1)

    assert len(found.found) == 10
    assert found.problems == ("partition 1 of orders cannot be read: nobody leads it",)


@scenario
async def test_a_leader_that_is_away_is_told() -> None:
    async with FakeLog(1, 2).served() as log:
        await log.brokers[2].stop()

        found = await log.inspect()

    assert len(found.found) == 10
    assert "partition 1 of orders cannot be read: a broker cannot be reached" in found.problems[0]


@pytest.mark.parametrize(
    ("code", "error", "problem"),
    [
        (ErrorCode.unknown_topic_or_partition, NotThere, "there is no topic orders"),
        (
            ErrorCode.topic_authorization_failed,
            Unreachable,
            "brokers tell nothing of topic orders: TOPIC_AUTHORIZATION_FAILED",
        ),
        (ErrorCode.leader_not_available, Unreachable, "LEADER_NOT_AVAILABLE"),
    ],
)
@scenario
async def test_brokers_that_tell_nothing_of_a_topic(code: ErrorCode, error: type[Exception], problem: str) -> None:
    async with FakeLog(1).served() as log:
        log.told = code

        with pytest.raises(error, match=problem):
            await log.inspect()


@scenario
async def test_brokers_that_tell_no_offsets() -> None:
    async with FakeLog(1).served() as log:
        log.listed = ErrorCode.topic_authorization_failed

        with pytest.raises(Unreachable, match="partition 0 of orders cannot be read: TOPIC_AUTHORIZATION_FAILED"):
            await log.inspect(partition=0)


@scenario
async def test_a_broker_that_does_not_answer_costs_no_more_than_the_time_there_is() -> None:
    never = asyncio.Event()
    async with FakeLog(1).served() as log:

        async def stuck(_: Any) -> Any:
            await never.wait()

        log.brokers[1].on[ApiKey.FETCH] = stuck
        read = await log.inspect(Bounds(seconds=2))
        log.brokers[1].on[ApiKey.METADATA] = log.brokers[2].on[ApiKey.METADATA] = stuck
        with pytest.raises(Unreachable, match="brokers did not answer within 1 s"):
            await log.inspect(Bounds(seconds=1))

    assert (read.stopped, read.found) == (Stop.TIME, ())
    assert read.problems == ("the 2 s that an inspection may take are over",)


@scenario
async def test_brokers_that_are_too_old_are_told() -> None:
    async with FakeLog(1, brokers=1).served() as log:
        log.brokers[1].on[ApiKey.API_VERSIONS] = speaks({**SPOKEN, ApiKey.METADATA: (0, 5)})

        with pytest.raises(Unreachable, match="a broker and Kordon do not understand each other"):
            await log.inspect()


@scenario
async def test_nothing_but_what_it_takes_is_asked() -> None:
    async with FakeLog(1, brokers=1).served() as log:
        await log.inspect(start=AtOffset(5), partition=0)

        asked = {request.__api_key__ for request in log.brokers[1].asked}
        (metadata,) = log.brokers[1].asked_for(ApiKey.METADATA)
        fetch = log.brokers[1].asked_for(ApiKey.FETCH)[0]

    assert asked == {ApiKey.API_VERSIONS, ApiKey.METADATA, ApiKey.LIST_OFFSETS, ApiKey.FETCH}
    assert not metadata.allow_auto_topic_creation
    assert (fetch.isolation_level, fetch.session_epoch, fetch.max_wait) == (1, -1, timedelta())
