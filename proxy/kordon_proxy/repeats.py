"""Requests that say what an earlier one said, and so are judged as it was.

Most of what a client sends repeats what it, or another one, has sent before, but for the correlation id, the records
of a Produce and the offsets of a Fetch. Where the verdict follows from nothing but the bytes, the rights, the picture
of the cluster and the tenant's own cluster (`Api.repeated`), it is looked up as long as all of these are the very same
objects. The rights are asked for anew each time: the verdicts are kept with the standing, and are gone with it.

What was refused, staged, noted by a shadow policy, or has brought something into being is judged each time.
"""

from dataclasses import dataclass
from typing import Any, Final
from weakref import ref

from kordon_protocol.frames import PREFIX_SIZE, Collected
from kordon_protocol.header import RequestHead
from kordon_protocol.keys import ApiKey
from kordon_protocol.scan import behind_partitions, is_only_partition, partitions_of_only_topic
from kordon_protocol.varints import Buffer

from .cluster.picture import Picture
from .exchange import Exchange
from .judging.may import May, Ruling
from .judging.table import Api, Record
from .judging.verdict import Plan
from .table import APIS

LARGEST: Final = 512
"""Bytes of what is remembered of a request. Larger ones name much, and are rare."""
_KEY: Final = slice(PREFIX_SIZE, PREFIX_SIZE + 4)
"""API key and version."""
_ID: Final = slice(PREFIX_SIZE + 4, PREFIX_SIZE + 8)
_BEHIND_ID: Final = PREFIX_SIZE + 8
_PRODUCE: Final = bytes((0, ApiKey.PRODUCE))
FETCH: Final = bytes((0, ApiKey.FETCH))
"""The key of a Fetch, as requests begin with it."""
_IN_PART: Final = (ApiKey.PRODUCE, ApiKey.FETCH)
"""Of these only what comes before the records and the offsets is compared, so that what goes on must be the client's
own bytes."""
_REPEATED: Final = frozenset(key.to_bytes(2, "big") for key, api in APIS.items() if api.repeated is not None)
"""Only requests of these APIs are looked up."""
_WITH_GAP: Final = b"\xff\xff"
"""What stands for the API key where there is a gap: none that is looked up."""


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What became of a request, all of which was allowed."""

    head: RequestHead
    api: Api
    request: Any
    record: Record
    plan: Plan
    notes: tuple[Ruling, ...]
    picture: ref[Picture]
    frame: bytes | None
    """What went to the broker in its place, if something did."""


def said_by(collected: Collected, names_end: int) -> bytes | None:
    """What a request says, to look up or to keep its verdict by; None for what is not remembered.

    names_end: where in their chunk the names of the Produce or Fetch before it ended, on the same connection; 0:
    nowhere.
    """
    first = collected.chunks[0]
    size, key = len(first), bytes(first[4:6])
    if key not in _REPEATED:
        return None
    if key == _PRODUCE:
        if not 0 < names_end < size or not is_only_partition(first[7], collected.chunks, names_end):
            return None
        return b"".join((first[_KEY], first[_BEHIND_ID:names_end]))
    if size > LARGEST or collected.size + PREFIX_SIZE != size:
        return None
    if key == FETCH and 0 < names_end < size:
        goes_on = behind_partitions(first[7], first, names_end)
        if goes_on:
            # With the place of the gap, at which another request might have something else.
            place = names_end.to_bytes(2, "big")
            return b"".join((_WITH_GAP, place, first[_KEY], first[_BEHIND_ID:names_end], first[goes_on:]))
    return b"".join((first[_KEY], first[_BEHIND_ID:]))


def names_end(exchange: Exchange, collected: Collected) -> int:
    """Where the names of a Produce or a Fetch end that has one topic; 0 for all others."""
    head = exchange.head
    if head.api_key == ApiKey.PRODUCE:
        only: int = exchange.request.only_partition
        return only if only <= LARGEST else 0
    if head.api_key == ApiKey.FETCH:
        return partitions_of_only_topic(head.api_version, collected.chunks[0], PREFIX_SIZE + head.body_offset)
    return 0


def judged(exchange: Exchange, may: May, plan: Plan, collected: Collected, pieces: list[Buffer]) -> Judged | None:
    """What is to be remembered of a request that goes to the broker as these pieces; None: nothing."""
    api = exchange.api
    if api.repeated is None or not may.quiet or may.unknown_topics or may.creates or exchange.settled is not None:
        return None
    if not may.recordable:  # what cannot be recorded is not brought into being now, and may be in a moment
        return None
    request = api.repeated(exchange.request)
    if request is None:
        return None
    unchanged = pieces is collected.chunks
    if exchange.head.api_key in _IN_PART and not unchanged:
        return None
    return Judged(
        head=exchange.head,
        api=api,
        request=request,
        record=exchange.record,
        plan=plan,
        notes=tuple(may.notes),
        picture=ref(may.picture),
        frame=None if unchanged else b"".join(pieces),
    )


def again(found: Judged, collected: Collected, may: May, received: float) -> Exchange:
    """The exchange of a request that says the same."""
    first, head = collected.chunks[0], found.head
    correlation_id = int.from_bytes(first[_ID], "big", signed=True)
    may.notes = list(found.notes)
    exchange = Exchange(
        RequestHead(head.api_key, head.api_version, correlation_id, head.client_id, head.body_offset),
        found.api,
        may,
        found.request,
        received,
        collected.size,
    )
    exchange.record = found.record
    return exchange


def pieces_of(found: Judged, collected: Collected) -> list[Buffer]:
    """What goes to the broker."""
    if found.frame is None:
        return collected.chunks
    return [b"".join((found.frame[: _ID.start], collected.chunks[0][_ID], found.frame[_ID.stop :]))]
