"""Splice the head of a Metadata answer and let its topics run through."""

import struct
from collections.abc import Iterable, Mapping
from typing import Any, Final

from kordon_protocol.codec import encode
from kordon_protocol.errors import MalformedHeader
from kordon_protocol.header import response_header
from kordon_protocol.keys import ApiKey
from kordon_protocol.scan import (
    MetadataHead,
    encode_metadata_head,
    encode_topics_count,
    metadata_response_head,
    read_topics_count,
)
from kordon_proxy.judging.may import May

PREFIX: Final = struct.Struct(">ii")
NOTHING: Final = (b"", b"")
ANY: Final = 1 << 31
"""More bytes than an answer has."""


class MetadataStream:
    """Brokers at Kordon's addresses, the tenant's cluster id, and `said` in front of the broker's topics.

    The length prefix leaves with the head, when the difference in size is known.
    """

    def __init__(self, version: int, said: Iterable[Any], may: May) -> None:
        self._version = version
        self._said = tuple(said)
        self._may = may
        self._head = b""
        self._through = False

    def feed(self, data: bytes) -> Iterable[bytes]:
        if self._through:
            return (data,)
        self._head += data
        if len(self._head) < PREFIX.size:
            return ()
        length, correlation_id = PREFIX.unpack_from(self._head)
        header = response_header(ApiKey.METADATA, self._version, correlation_id)
        start = 4 + len(header)
        if not header.startswith(self._head[4:start]):
            raise MalformedHeader("the header of a Metadata answer holds tagged fields that nobody knows")
        spliced = self._spliced(start)
        if spliced is None:
            return ()
        self._through = True
        ours, topics = spliced
        ours = header + ours + b"".join(map(encode, self._said))
        new_length = length + len(ours) - (topics - 4)
        return (b"".join((PREFIX.pack(new_length, 0)[:4], ours, self._head[topics:])),)

    def _spliced(self, start: int) -> tuple[bytes, int] | None:
        """What begins the body in place of what does so from start on, and where the topics begin; None: that is not
        known yet."""
        theirs, ours = self._may.cluster.heads.get(self._version, NOTHING)
        if theirs and self._head.startswith(theirs, start):  # nearly always: brokers seldom change
            counted = read_topics_count(self._version, self._head, start + len(theirs))
            if counted is None:
                return None
            count, topics = counted
            return ours + self._count(count), topics
        head = metadata_response_head(self._version, self._head[start:])
        if head is None:
            return None
        return self._moved(head, start) + self._count(head.topics_count), start + head.topics_start

    def _count(self, theirs: int) -> bytes:
        return encode_topics_count(self._version, theirs + len(self._said))

    def runs(self) -> int:
        return ANY if self._through else 0

    def ran(self, size: int) -> None:
        pass

    def sizes(self) -> Mapping[str, int]:
        return {}

    def _moved(self, head: MetadataHead, start: int) -> bytes:
        cluster = self._may.cluster
        brokers = tuple((node_id, *cluster.address(node_id), rack) for node_id, _, _, rack in head.brokers)
        ours = encode_metadata_head(
            self._version,
            throttle_ms=head.throttle_ms,
            brokers=brokers,
            cluster_id=cluster.cluster_id,
            controller_id=head.controller_id,
        )
        if all(port > 0 for _, _, port, _ in brokers):  # a broker without one is asked for again, which makes it known
            cluster.heads[self._version] = self._head[start : start + head.count_start], ours
        return ours
