"""Whether two clusters give the same answer, where all that may differ between any two clusters is on a short list.

What a cluster mints is not left out. Its value in the one answer has to stand wherever its counterpart stands in the
other, from the first time that the two are seen on; so ids that got mixed up would be found out.
"""

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Final
from uuid import UUID

MINTED: Final[Mapping[str, str]] = {
    "cluster id": "made from the real cluster's, which is random",
    "fetch session": "random, made by the broker",
    "member": "random, made by the coordinator for a classic group and by the client for others",
    "port": "Kordon's own, and two of them on one machine cannot have the same",
    "producer id": "counted by the cluster for all its producers: the next one is higher by how many others came",
    "topic id": "random, made by the controller",
}
"""What has a counterpart, and why it differs."""
MINTED_FIELDS: Final[Mapping[str, str]] = {
    "cluster_id": "cluster id",
    "leader": "member",
    "member_id": "member",
    "port": "port",
    "producer_id": "producer id",
    "producer_id_filters": "producer id",
    "session_id": "fetch session",
    "v3_and_below_producer_id": "producer id",
}
"""The fields that have it, of requests too. Ids of topics are told by their type."""
TAKEN: Final[Mapping[str, str]] = {
    "last_timestamp": "when the broker last heard of a producer",
    "transaction_start_time": "when a transaction began",
}
"""Times by the broker's clock: fields that are left out."""
FOLDERS: Final = "folders"
OF_THE_CLUSTER: Final[Mapping[str, str]] = {
    "broker_epoch": "how long the controllers' log was when a broker registered",
    "high_watermark": "how long the controllers' log is",
    "last_caught_up_timestamp": "by the controllers' clock",
    "last_fetch_timestamp": "by the controllers' clock",
    "log_end_offset": "how long the controllers' log is",
    FOLDERS: "where a broker keeps its data, in any text",
    "replica_directory_id": "random, made when a disk is formatted",
    "total_bytes": "of the machine's disk",
    "usable_bytes": "of the machine's disk",
}
"""What else differs in what is shown to whoever may edit brokers: it is about the cluster itself."""


SHUFFLED: Final[Mapping[str, str]] = {
    "DescribeShareGroupOffsetsResponseTopic": "by the random ids of the topics of a group",
    "PartitionProduceResponse": "by a hash of the topic's random id",
    "TopicProduceResponse": "by a hash of the topic's random id",
    "TopicPartitions": "by the random ids of the topics that a member is assigned",
    "DeletableTopicResult": "so that nobody can tell by its place whether a topic is missing or forbidden",
}
"""What is in a random order: by the type of what is listed."""
FOLDER: Final = re.compile(r"/kordon-kafka-\w+/")
ID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(slots=True)
class Counterparts:
    """What of the one cluster is what of the other, by kind."""

    ahead: dict[tuple[str, Any], Any] = field(default_factory=dict)
    back: dict[tuple[str, Any], Any] = field(default_factory=dict)

    def are(self, kind: str, here: Any, there: Any) -> bool:
        """Whether the two are counterparts: from now on, if neither has been seen. What nobody minted is itself's."""
        if here == there and (kind, here) not in self.ahead and (kind, there) not in self.back:
            return True
        if (kind, here) not in self.ahead and (kind, there) not in self.back:
            self.ahead[kind, here], self.back[kind, there] = there, here
        return (self.ahead.get((kind, here)), self.back.get((kind, there))) == (there, here)

    def mended(self, here: Any, there: Any, *, without: Mapping[str, str] = TAKEN, name: str = "") -> Any:
        """What is `there`, with what is `here` in place of each counterpart, and of fields that are left out."""
        if type(here) is not type(there):
            return there
        if is_dataclass(here):
            pairs = ((one.name, getattr(here, one.name), getattr(there, one.name)) for one in fields(here))
            return replace(there, **{name: self.mended(*pair, without=without, name=name) for name, *pair in pairs})
        if isinstance(here, tuple):
            if len(here) != len(there):
                return there
            if is_shuffled(here):
                there = self._in_order_of(here, there)
            return tuple(self.mended(*pair, without=without, name=name) for pair in zip(here, there, strict=True))
        if name in without:
            return here
        if name == "records" and here is not None:
            return here if self.of_records(here, there) else there
        kind = kind_of(name, here)
        if kind is None and isinstance(here, str):
            folder = FOLDER.search(here) if FOLDERS in without else None
            return self._with_ids(here, FOLDER.sub(folder[0], there) if folder else there)
        return here if kind and self.are(kind, here, there) else there

    def _in_order_of(self, here: tuple[Any, ...], there: tuple[Any, ...]) -> tuple[Any, ...]:
        wanted = [sorted_out(self.translated(one)) for one in here]
        places = {id(one): sorted_out(one) for one in there}
        return tuple(sorted(there, key=lambda one: [*wanted, places[id(one)]].index(places[id(one)])))

    def _with_ids(self, here: str, there: str) -> str:
        """Of a text in which there are ids of topics."""
        pairs = zip(ID.findall(here), ID.findall(there), strict=False)
        known = {str(other): one for one, other in pairs if self.are("topic id", UUID(one), UUID(other))}
        return ID.sub(lambda found: known.get(found[0], found[0]), there)

    def of_records(self, here: bytes, there: bytes) -> bool:
        """Whether the batches are the same but for their producers, and for when the broker ended transactions."""
        if len(here) != len(there):
            return False
        batches = zip(_batches(here), _batches(there), strict=True)
        return all(_plain(a) == _plain(b) and self.are("producer id", _by(a), _by(b)) for a, b in batches)

    def translated(self, here: Any, name: str = "") -> Any:
        """A request to the one cluster as one to the other."""
        if is_dataclass(here) and not isinstance(here, type):
            values = {one.name: self.translated(getattr(here, one.name), one.name) for one in fields(here)}
            return replace(here, **values)
        if isinstance(here, tuple):
            return tuple(self.translated(one, name) for one in here)
        kind = kind_of(name, here)
        return self.ahead.get((kind, here), here) if kind else here


def is_shuffled(entries: tuple[Any, ...]) -> bool:
    return bool(entries) and type(entries[0]).__name__ in SHUFFLED


def sorted_out(value: Any) -> Any:
    """The same with all that is in a random order, at any depth, in that of its texts."""
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{one.name: sorted_out(getattr(value, one.name)) for one in fields(value)})
    if isinstance(value, tuple):
        entries = tuple(map(sorted_out, value))
        return tuple(sorted(entries, key=str)) if is_shuffled(entries) else entries
    return value


def kind_of(name: str, value: Any) -> str | None:
    """Of what kind the value of a field is that has counterparts."""
    if isinstance(value, UUID):
        return "topic id"
    return MINTED_FIELDS.get(name) if isinstance(value, int | str) else None


def difference(here: Any, there: Any, path: str = "") -> str | None:
    """Where two messages first differ, and how."""
    if here == there:
        return None
    if type(here) is type(there) and is_dataclass(here):
        found = (difference(getattr(here, f.name), getattr(there, f.name), f"{path}.{f.name}") for f in fields(here))
        return next(filter(None, found), None)
    if isinstance(here, tuple) and isinstance(there, tuple) and len(here) == len(there):
        pairs = enumerate(zip(here, there, strict=True))
        return next(filter(None, (difference(*pair, f"{path}[{place}]") for place, pair in pairs)), None)
    return f"{path}: {here!r} != {there!r}"


# Record batches, as far as their heads

BASE: Final = 12
"""What stands before the bytes that a batch counts: its offset and their number."""
CRC: Final = slice(17, 21)
ATTRIBUTES: Final = 21
TIMES: Final = slice(27, 43)
PRODUCER: Final = slice(43, 51)
CONTROL: Final = 0x20


def _batches(records: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(records):
        (size,) = struct.unpack_from(">i", records, start + 8)
        yield records[start : start + BASE + size]
        start += BASE + size


def _by(batch: bytes) -> int:
    (producer_id,) = struct.unpack(">q", batch[PRODUCER])
    return int(producer_id)


def _plain(batch: bytes) -> bytes:
    """Without the producer, and the sum over it; of what the broker itself has written, without times."""
    plain = bytearray(batch)
    (attributes,) = struct.unpack_from(">h", batch, ATTRIBUTES)
    for part in (CRC, PRODUCER, *((TIMES,) if attributes & CONTROL else ())):
        plain[part] = bytes(part.stop - part.start)
    return bytes(plain)
