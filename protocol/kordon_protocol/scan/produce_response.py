"""Scan a Produce response (ProduceResponse.json, versions 3 to 13): its outcomes, and whether anything must be mended.

Versions: log start offset from 5 on, error texts from 8 on, compact from 9 on, leader hints in tagged fields from 10 on
(KIP-951), topic ids in place of names from 13 on.
"""

from collections.abc import Mapping
from struct import Struct
from typing import Final, NamedTuple
from uuid import UUID

from kordon_protocol.errors import MalformedBody
from kordon_protocol.scan.pieces import COMPACT, CUT_OFF, LEGACY, count_of, name, tags, text, topic_id
from kordon_protocol.varints import Buffer

_INDEX_AND_CODE: Final = Struct(">ih")
_LEADER_HINTS: Final = 0  # the tag of CurrentLeader in a partition, and of NodeEndpoints at the top
_CURRENT_LEADER_SIZE: Final = 9  # id, epoch, no tagged fields


class ProducedPartition(NamedTuple):
    """The outcome for one partition."""

    topic: str | UUID | None
    index: int  # type: ignore[assignment]  # Kafka's word, though tuples have a method of that name
    error_code: int


class ProduceResponseScan(NamedTuple):
    """What a Produce response says."""

    outcomes: tuple[ProducedPartition, ...]
    has_texts: bool
    """Whether any error message is there, of a partition or of a record."""
    has_endpoints: bool
    """Whether there are addresses of brokers in it."""
    exact: bool
    """Whether it holds nothing that the schema does not know, apart from the endpoints: these are not looked into."""


def scan_produce_response(version: int, body: Buffer, offset: int = 0) -> ProduceResponseScan:
    """Scan the response that takes body from offset to its end. Raises `MalformedBody`."""
    scanner = _Scanner(version, body)
    try:
        end = scanner.response(offset)
    except CUT_OFF:
        raise MalformedBody(f"produce response cut off at byte {len(body)}") from None
    if end != len(body):
        raise MalformedBody(f"produce response ends at byte {end} of {len(body)}")
    return ProduceResponseScan(tuple(scanner.outcomes), scanner.has_texts, scanner.has_endpoints, scanner.exact)


class _Scanner:
    """Scans one response."""

    def __init__(self, version: int, body: Buffer) -> None:
        self.outcomes: list[ProducedPartition] = []
        self.has_texts = False
        self.has_endpoints = False
        self.exact = True
        self._version = version
        self._body = body
        self._string, self._length = COMPACT if version >= 9 else LEGACY
        # Index and code, base offset, append time and, from 5 on, log start offset.
        self._fixed = _INDEX_AND_CODE.size + (24 if version >= 5 else 16)

    def response(self, offset: int) -> int:
        count, offset = count_of(self._length, self._body, offset)
        for _ in range(count):
            offset = self._topic(offset)
        found, offset = self._tags(offset + 4)  # throttle time
        self.has_endpoints = _LEADER_HINTS in found
        return offset

    def _topic(self, offset: int) -> int:
        topic: str | UUID | None
        if self._version >= 13:
            topic, offset = topic_id(self._body, offset)
        else:
            topic, offset = name(self._string, self._body, offset)
        count, offset = count_of(self._length, self._body, offset)
        for _ in range(count):
            offset = self._partition(topic, offset)
        found, offset = self._tags(offset)
        self.exact &= not found
        return offset

    def _partition(self, topic: str | UUID | None, offset: int) -> int:
        self.outcomes.append(ProducedPartition(topic, *_INDEX_AND_CODE.unpack_from(self._body, offset)))
        offset += self._fixed
        if self._version >= 8:
            count, offset = count_of(self._length, self._body, offset)
            for _ in range(count):
                offset = self._record_error(offset)
            message, offset = text(self._string, self._body, offset)
            self.has_texts |= message is not None
        found, offset = self._tags(offset)
        if found.get(_LEADER_HINTS, _CURRENT_LEADER_SIZE) != _CURRENT_LEADER_SIZE:
            self.exact = False  # something stands behind the leader's id and epoch
        return offset

    def _record_error(self, offset: int) -> int:
        message, offset = text(self._string, self._body, offset + 4)  # batch index
        self.has_texts |= message is not None
        found, offset = self._tags(offset)
        self.exact &= not found
        return offset

    def _tags(self, offset: int) -> tuple[Mapping[int, int], int]:
        """Skip tagged fields and return their sizes. Only leader hints are known, in a partition and at the top."""
        if self._version < 9:
            return {}, offset
        found, offset = tags(self._body, offset)
        if any(tag != _LEADER_HINTS or self._version < 10 for tag in found):
            self.exact = False
        return found, offset
