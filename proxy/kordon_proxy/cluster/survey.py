"""Ask the cluster which topics the wanted groups consume from. The I/O around `inference`.

All groups now and then: each broker lists the groups that it coordinates, and is asked about the wanted ones of them.
Some groups at once, after a client of ours changed something: their coordinators are looked up first. A group is gone
when its own coordinator says so, and only then: one that no broker lists may just be moving from broker to broker.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from itertools import islice
from typing import Any, Final

import structlog
from kio.schema.errors import ErrorCode
from kio.schema.types import GroupId

from kordon_protocol.codec import request_type
from kordon_protocol.keys import ApiKey
from kordon_protocol.outcomes import error_name

from .connection import BrokerConnection
from .errors import UpstreamError, UpstreamRefused
from .inference import (
    NOTHING,
    Failed,
    Findings,
    GroupType,
    add_up,
    forget,
    infer,
    read_assigned,
    read_classic_assigned,
    read_committed,
    read_listed,
    read_share_offsets,
)
from .picture import Inferred

log = structlog.get_logger()

LIST_GROUPS: Final = range(4, 6)
FIND_COORDINATOR: Final = range(4, 7)
SHARE_OFFSETS: Final = range(2)
OFFSET_FETCH: Final = range(8, 10)
"""From v8 many groups in one request; v10 answers topic ids in place of names."""
DESCRIBE: Final = (
    (GroupType.CLASSIC, ApiKey.DESCRIBE_GROUPS, range(5, 7), "groups", read_classic_assigned),
    (GroupType.CONSUMER, ApiKey.CONSUMER_GROUP_DESCRIBE, range(2), "group_ids", read_assigned),
    (GroupType.SHARE, ApiKey.SHARE_GROUP_DESCRIBE, range(1, 2), "group_ids", read_assigned),
)
"""How groups of each type are described: API, versions, the request's field of names, how to read the answer."""
GROUP_KEY: Final = 0
AT_ONCE: Final = 100
"""Groups in one request, so that no answer keeps a broker, or our loop, busy for long."""

Ask = Callable[[int], Awaitable[BrokerConnection]]
"""The connection to a broker by its id."""


class Survey:
    """Knows what is inferred, and finds out more when told to. One `look` at a time.

    wanted: whether any tenant includes the group.
    connection: how to reach a broker by id.
    """

    def __init__(
        self,
        wanted: Callable[[str], bool],
        connection: Ask,
        *,
        timeout: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.wanted = wanted
        self._connection = connection
        self._timeout = timeout
        self._clock = clock
        self.silent: dict[int, str] = {}
        """Brokers that did not tell last time, and why: logged once."""
        self._failed: dict[str, str] = {}
        """The same of groups."""
        self._known = NOTHING

    @property
    def inferred(self) -> Inferred:
        """What is known."""
        return self._known.inferred

    async def look_at_all(self, brokers: Iterable[int]) -> frozenset[str]:
        """Ask every broker about all wanted groups; what was known and is listed nowhere is looked up.

        Returns the groups that should be asked about again soon.
        """
        brokers = tuple(brokers)
        answers = await asyncio.gather(*(self._ask_broker(broker) for broker in brokers))
        findings = add_up(answers)
        self._known = forget(self._known, self.wanted)
        missing = self._known.inferred.keys() - findings.keys()
        if missing:
            findings |= await self._look_up(missing, brokers)
        self._learn(findings)
        return frozenset(self._known.doubted)

    async def look_at(self, groups: Iterable[str], brokers: Iterable[int]) -> frozenset[str]:
        """Ask about these groups only, as far as they are wanted.

        Returns the groups that should be asked about again soon; among them those that nobody could tell about now.
        """
        wanted = frozenset(filter(self.wanted, groups))
        findings = await self._look_up(wanted, tuple(brokers)) if wanted else {}
        self._learn(findings)
        told = {group for group, finding in findings.items() if not isinstance(finding, Failed)}
        return (wanted - told) | self._known.doubted.keys()

    async def _ask_broker(self, broker: int, only: frozenset[str] | None = None) -> Findings:
        """What one broker tells about the wanted groups that it coordinates, or `only` these; {} if it fails."""
        try:
            findings = await self._ask_coordinator(await self._connection(broker), only)
        except UpstreamError as error:
            if self.silent.get(broker) != str(error):
                log.warning("broker_tells_no_groups", broker=broker, error=str(error))
            self.silent[broker] = str(error)
            return {}
        self.silent.pop(broker, None)
        return findings

    async def _ask_coordinator(self, connection: BrokerConnection, only: frozenset[str] | None) -> Findings:
        listing = await self._ask(connection, ApiKey.LIST_GROUPS, LIST_GROUPS)
        if listing.error_code is not ErrorCode.none:
            raise UpstreamRefused(f"{connection} lists no groups: {error_name(listing.error_code)}", listing.error_code)
        listed = read_listed(listing, self.wanted if only is None else only.__contains__)
        # The coordinator of a group that it does not list can be trusted with saying whether it is gone.
        types = listed if only is None else {group: listed.get(group, GroupType.CLASSIC) for group in only}
        answers = [
            read(await self._ask_message(connection, question)) for question, read in _questions(connection, types)
        ]
        return add_up(answers)

    async def _look_up(self, groups: Iterable[str], brokers: Sequence[int]) -> Findings:
        """Ask the groups' coordinators about them."""
        answers = []
        for batch in _batches(groups):
            by_broker = await self._coordinators(batch, brokers)
            answers += await asyncio.gather(
                *(self._ask_broker(broker, frozenset(names)) for broker, names in by_broker.items())
            )
        return add_up(answers)

    async def _coordinators(self, groups: tuple[str, ...], brokers: Sequence[int]) -> dict[int, list[str]]:
        """Broker id to groups, as the first broker says that answers. Groups without a coordinator are left out."""
        by_broker: dict[int, list[str]] = {}
        for broker in brokers:
            try:
                found = await self._ask(
                    await self._connection(broker),
                    ApiKey.FIND_COORDINATOR,
                    FIND_COORDINATOR,
                    key_type=GROUP_KEY,
                    coordinator_keys=groups,
                )
            except UpstreamError:
                continue
            for coordinator in found.coordinators:
                if coordinator.error_code is ErrorCode.none:
                    by_broker.setdefault(int(coordinator.node_id), []).append(coordinator.key)
            break
        return by_broker

    async def _ask(self, connection: BrokerConnection, key: ApiKey, versions: range, **fields: Any) -> Any:
        message = request_type(key, connection.version(key, versions))(**fields)
        return await self._ask_message(connection, message)

    async def _ask_message(self, connection: BrokerConnection, message: Any) -> Any:
        return await connection.request(message, self._timeout)

    def _learn(self, findings: Findings) -> None:
        failed = {group: error_name(finding.code) for group, finding in findings.items() if isinstance(finding, Failed)}
        for group, code in failed.items():
            if self._failed.get(group) != code:
                log.warning("group_tells_no_topics", group=group, error=code)
        still = {group: code for group, code in self._failed.items() if group not in findings and self.wanted(group)}
        self._failed = still | failed
        self._known = infer(self._known, findings, self._clock())


def _questions(
    connection: BrokerConnection, types: Mapping[str, GroupType]
) -> Iterator[tuple[Any, Callable[[Any], Findings]]]:
    """What to ask a coordinator about these groups, and how to read the answers.

    What the broker does not speak is left out: a broker of Kafka 4.0 has share groups, but not the final way to ask.
    """
    for groups in _batches(group for group, group_type in types.items() if group_type is not GroupType.SHARE):
        yield _offset_fetch(connection, groups), read_committed
    for group_type, key, versions, field, read in DESCRIBE:
        if connection.speaks(key, versions):
            question = request_type(key, connection.version(key, versions))
            for groups in _batches(group for group in types if types[group] is group_type):
                yield question(**{field: groups}, include_authorized_operations=False), read
    if connection.speaks(ApiKey.DESCRIBE_SHARE_GROUP_OFFSETS, SHARE_OFFSETS):
        for groups in _batches(group for group, group_type in types.items() if group_type is GroupType.SHARE):
            yield _share_offsets(connection, groups), read_share_offsets


def _offset_fetch(connection: BrokerConnection, groups: tuple[str, ...]) -> Any:
    version = connection.version(ApiKey.OFFSET_FETCH, OFFSET_FETCH)
    module = import_module(f"kio.schema.offset_fetch.v{version}.request")  # only what the broker speaks
    return module.OffsetFetchRequest(
        groups=tuple(module.OffsetFetchRequestGroup(group_id=GroupId(group), topics=None) for group in groups)
    )


def _share_offsets(connection: BrokerConnection, groups: tuple[str, ...]) -> Any:
    version = connection.version(ApiKey.DESCRIBE_SHARE_GROUP_OFFSETS, SHARE_OFFSETS)
    module = import_module(f"kio.schema.describe_share_group_offsets.v{version}.request")
    return module.DescribeShareGroupOffsetsRequest(
        groups=tuple(
            module.DescribeShareGroupOffsetsRequestGroup(group_id=GroupId(group), topics=None) for group in groups
        )
    )


def _batches(groups: Iterable[str]) -> Iterator[tuple[str, ...]]:
    left = iter(groups)
    while batch := tuple(islice(left, AT_ONCE)):
        yield batch
