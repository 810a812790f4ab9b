"""Requests that name topics with their partitions: ListOffsets, OffsetForLeaderEpoch, DeleteRecords.

Looking needs nothing but that the topic is in the view. A replica id makes the broker take the client for a broker:
offsets beyond what is committed are told, and -2 is answered by followers too. So it is always -1, a client's.
"""

from dataclasses import replace
from typing import Any, Final

from kordon_policy.actions import Action
from kordon_protocol.keys import ApiKey
from kordon_proxy.judging.may import May
from kordon_proxy.judging.parts import itself, judge_each, place_of
from kordon_proxy.judging.table import Api, Record
from kordon_proxy.judging.verdict import Forward, Rewrite, Verdict

from .old_offsets import RECORDS_DELETED

CLIENT: Final = -1
"""The replica id of whoever is no broker."""


def judge_lookup(request: Any, may: May) -> Verdict:
    """Show what the view holds. The replica id is in every version of ListOffsets, in OffsetForLeaderEpoch from v3."""
    plain = request if getattr(request, "replica_id", CLIENT) == CLIENT else replace(request, replica_id=CLIENT)
    verdict = judge_each(plain, lambda entry: may.topic(None, name_of(entry)), items="topics", answers="topics")
    if plain is not request and isinstance(verdict, Forward):
        return Rewrite(plain, verdict.plan)
    return verdict


def judge_delete_records(request: Any, may: May) -> Verdict:
    return judge_each(
        request, lambda entry: may.topic(Action.TOPIC_TRUNCATE, entry.name), items="topics", answers="topics"
    )


def name_of(entry: Any) -> str:
    """ListOffsets says `name`, OffsetForLeaderEpoch says `topic`."""
    name: str = entry.topic if hasattr(entry, "topic") else entry.name
    return name


def deleted_records(request: Any, response: Any) -> dict[str, object]:
    """Up to which offset the records go (-1 is the high watermark), and where the partitions begin then."""
    asked: dict[str, object] = {
        "topics": [
            {"name": topic.name, "before": {str(part.partition_index): part.offset for part in topic.partitions}}
            for topic in request.topics
        ]
    }
    if response is None:
        return asked
    begin = {
        place_of(topic.name, part.partition_index): part.low_watermark
        for topic in response.topics
        for part in topic.partitions
        if not part.error_code
    }
    return asked | {"low_watermarks": begin}


APIS = (
    Api(
        key=ApiKey.LIST_OFFSETS,
        repeated=itself,
        name="ListOffsets",
        versions=range(1, 12),
        judge=judge_lookup,
        gives_away="nothing: it repeats what was asked",
        needs=(),
    ),
    Api(
        key=ApiKey.OFFSET_FOR_LEADER_EPOCH,
        name="OffsetForLeaderEpoch",
        versions=range(2, 5),
        judge=judge_lookup,
        gives_away="nothing: it repeats what was asked",
        needs=(),
    ),
    Api(
        key=ApiKey.DELETE_RECORDS,
        name="DeleteRecords",
        versions=range(3),
        judge=judge_delete_records,
        gives_away="nothing",
        needs=(Action.TOPIC_TRUNCATE,),
        record=Record.EVENT,
        parameters=deleted_records,
        learns=RECORDS_DELETED,
    ),
)
