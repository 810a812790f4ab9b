"""Ask brokers about one topic, and for its records, by connections that are opened for that and closed afterwards.

Kordon's other questions to the cluster must not have to wait behind megabytes of records.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any, Final, Self
from uuid import UUID

import structlog
from kio.schema.errors import ErrorCode

from kordon_protocol.codec import request_type
from kordon_protocol.keys import ApiKey
from kordon_protocol.outcomes import error_name
from kordon_proxy.cluster.addresses import Address
from kordon_proxy.cluster.connection import BrokerConnection
from kordon_proxy.cluster.errors import UpstreamError, UpstreamRefused, told
from kordon_proxy.cluster.pool import Pool, Reach
from kordon_proxy.judging.entries import make, struct_type

from .errors import InspectionError, NotThere, Unreachable

log = structlog.get_logger()

METADATA: Final = range(9, 13)
LIST_OFFSETS: Final = range(4, 8)
FETCH: Final = range(11, 13)
"""Up to v12 topics have names here."""
EARLIEST: Final = -2
LATEST: Final = -1
NO_LEADER: Final = -1

_CONSUMER: Final = -1
_TRIES: Final = 5
PAUSE: Final = 0.2
"""Seconds, times the number of the try: that long a cluster may need to tell who leads."""
_MOVED: Final = frozenset(
    {
        ErrorCode.not_leader_or_follower,
        ErrorCode.leader_not_available,
        ErrorCode.unknown_topic_or_partition,  # a broker that has just begun to lead may not know it yet
        ErrorCode.fenced_leader_epoch,
        ErrorCode.unknown_leader_epoch,
        ErrorCode.kafka_storage_error,
        ErrorCode.replica_not_available,
        ErrorCode.offset_not_available,
    }
)
"""Errors after which somebody else may have to be asked, or the same once more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What a broker sent of a partition. An error that is not over by itself is in `refused`, with its name."""

    records: bytes = b""
    aborted: tuple[tuple[int, int], ...] = ()
    """Producer id and first offset of transactions that were aborted."""
    refused: str | None = None


def _told(error: UpstreamError) -> str:
    log.warning("inspection_broker_failed", reason=str(error))
    return told(error)


class _Moved(Exception):
    """Who was asked does not lead (any more)."""


class Brokers:
    """The brokers of one cluster, as far as one topic is concerned. An async context."""

    def __init__(self, reach: Reach, bootstrap: Iterable[Address], topic: str, *, committed: bool) -> None:
        self.leaders: dict[int, Address | None] = {}
        """Partition to the address of who leads it; None where nobody does."""
        self.silent: dict[int, str] = {}
        """Partitions of which offsets were asked for in vain, and why."""
        self._pool = Pool(reach)
        self._bootstrap = tuple(bootstrap)
        self._topic = topic
        self._isolation = int(committed)
        self._within = 10.0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._pool.close()

    async def look(self) -> None:
        """Learn which partitions there are, and who leads them. Raises NotThere, Unreachable."""
        for number in range(1, _TRIES + 1):
            answer = await self._ask_any(self._metadata)
            (topic,) = answer.topics
            if topic.error_code is ErrorCode.none:
                brokers = {int(broker.node_id): (str(broker.host), int(broker.port)) for broker in answer.brokers}
                self.leaders = {int(one.partition_index): brokers.get(int(one.leader_id)) for one in topic.partitions}
                return
            if topic.error_code is not ErrorCode.leader_not_available:
                break
            await asyncio.sleep(PAUSE * number)
        if topic.error_code in (ErrorCode.unknown_topic_or_partition, ErrorCode.invalid_topic_exception):
            raise NotThere(f"there is no topic {self._topic}")
        raise Unreachable(f"brokers tell nothing of topic {self._topic}: {error_name(topic.error_code)}")

    async def offsets(
        self, partitions: Iterable[int], timestamp: int, *, committed: bool | None = None
    ) -> dict[int, int]:
        """The offset of each partition at a timestamp, at EARLIEST or LATEST; -1 where nothing is that young.

        Those of which nobody tells are left out, and why is in `silent`. `committed`: as the whole, unless it is said.
        """
        isolation = self._isolation if committed is None else int(committed)
        found: dict[int, int] = {}
        left = set(partitions)
        for number in range(1, _TRIES + 1):
            by_leader: defaultdict[Address, list[int]] = defaultdict(list)
            for partition in sorted(left):
                self.silent[partition] = "nobody leads it"
                if (leader := self.leaders.get(partition)) is not None:
                    by_leader[leader].append(partition)
            for leader, theirs in by_leader.items():
                found |= await self._offsets_at(leader, theirs, timestamp, isolation)
            left -= found.keys()
            if not left or number == _TRIES:
                break
            await asyncio.sleep(PAUSE * number)
            await self.look()
        return found

    async def fetch(self, partition: int, offset: int, most: int) -> Fetched:
        """The records from an offset on, `most` bytes of them or one batch."""
        reason = "nobody leads the partition"
        for number in range(1, _TRIES + 1):
            try:
                if (leader := self.leaders.get(partition)) is not None:
                    return await self._fetch_at(leader, partition, offset, most)
            except _Moved as moved:
                reason = str(moved)
            except UpstreamError as error:
                reason = _told(error)
            await asyncio.sleep(PAUSE * number)
            try:
                await self.look()
            except InspectionError as error:
                reason = str(error)
        return Fetched(refused=reason)

    # Questions

    async def _ask_any(self, question: Any) -> Any:
        """Ask the first one that answers. Raises Unreachable."""
        last = "it knows of none"
        known = [leader for leader in self.leaders.values() if leader is not None]
        for address in dict.fromkeys([*known, *self._bootstrap]):
            try:
                connection = await self._pool.connection(address)
                return await connection.request(question(connection), self._within)
            except UpstreamError as error:
                last = _told(error)
        raise Unreachable(f"no broker answers; of the last one tried: {last}")

    def _metadata(self, connection: BrokerConnection) -> Any:
        kind = request_type(ApiKey.METADATA, connection.version(ApiKey.METADATA, METADATA))
        topic = make(struct_type(kind, "topics"), topic_id=UUID(int=0), name=self._topic)
        return make(kind, topics=(topic,), allow_auto_topic_creation=False)

    async def _offsets_at(
        self, leader: Address, partitions: Collection[int], timestamp: int, isolation: int
    ) -> dict[int, int]:
        try:
            connection = await self._pool.connection(leader)
            kind = request_type(ApiKey.LIST_OFFSETS, connection.version(ApiKey.LIST_OFFSETS, LIST_OFFSETS))
            entries = tuple(
                make(struct_type(kind, "topics", "partitions"), partition_index=one, timestamp=timestamp)
                for one in partitions
            )
            topic = make(struct_type(kind, "topics"), name=self._topic, partitions=entries)
            answer = await connection.request(
                make(kind, replica_id=_CONSUMER, isolation_level=isolation, topics=(topic,)), self._within
            )
        except UpstreamError as error:
            self.silent |= dict.fromkeys(partitions, _told(error))
            return {}
        told = [one for topic in answer.topics for one in topic.partitions]
        self.silent |= {int(one.partition_index): error_name(one.error_code) for one in told}
        return {int(one.partition_index): int(one.offset) for one in told if one.error_code is ErrorCode.none}

    async def _fetch_at(self, leader: Address, partition: int, offset: int, most: int) -> Fetched:
        connection = await self._pool.connection(leader)
        kind = request_type(ApiKey.FETCH, connection.version(ApiKey.FETCH, FETCH))
        entry = make(
            struct_type(kind, "topics", "partitions"),
            partition=partition,
            fetch_offset=offset,
            partition_max_bytes=most,
        )
        topic = make(struct_type(kind, "topics"), topic=self._topic, partitions=(entry,))
        question = make(
            kind,
            replica_id=_CONSUMER,
            max_wait=timedelta(),  # what is not there yet is not waited for
            min_bytes=0,
            max_bytes=most,
            isolation_level=self._isolation,
            topics=(topic,),
        )
        answer = await connection.request(question, self._within)
        code, *found = [answer.error_code, *(one for topic in answer.responses for one in topic.partitions)]
        if code is not ErrorCode.none or len(found) != 1:
            raise UpstreamRefused(f"{connection} gives no records: {error_name(code)}", code)
        (one,) = found
        if one.error_code in _MOVED:
            raise _Moved(error_name(one.error_code))
        if one.error_code is ErrorCode.offset_out_of_range:
            return Fetched(refused="it is not there any more")
        if one.error_code is not ErrorCode.none:
            return Fetched(refused=f"the broker refuses: {error_name(one.error_code)}")
        aborted = tuple((int(two.producer_id), int(two.first_offset)) for two in one.aborted_transactions or ())
        return Fetched(records=one.records or b"", aborted=aborted)
