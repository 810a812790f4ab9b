"""Splice the head of a Metadata answer and let its topics run through."""

import struct
from collections.abc import Iterable, Mapping
from typing import Any, Final

from kordon_protocol.codec import encode
from kordon_protocol.errors import MalformedHeader
from kordon_protocol.header import response_header
from kordon_protocol.keys import ApiKey
from kordon_protocol.scan import encode_metadata_head, metadata_response_head
from kordon_proxy.judging.may import May

PREFIX: Final = struct.Struct(">ii")


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
        head = metadata_response_head(self._version, self._head[start:])
        if head is None:
            return ()
        self._through = True
        topics = start + head.topics_start
        spliced = header + self._new_head(head) + b"".join(map(encode, self._said))
        new_length = length + len(spliced) - (topics - 4)
        return (PREFIX.pack(new_length, 0)[:4], spliced, self._head[topics:])

    def sizes(self) -> Mapping[str, int]:
        return {}

    def _new_head(self, head: Any) -> bytes:
        brokers = tuple((node_id, *self._may.cluster.address(node_id), rack) for node_id, _, _, rack in head.brokers)
        return encode_metadata_head(
            self._version,
            throttle_ms=head.throttle_ms,
            brokers=brokers,
            cluster_id=self._may.cluster.cluster_id,
            controller_id=head.controller_id,
            topics_count=head.topics_count + len(self._said),
        )
