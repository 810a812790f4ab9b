"""Committed offsets: OffsetCommit (8), OffsetFetch (9), OffsetDelete (47).

*Who commits.* A commit with a generation (or member epoch) is a member's: GROUP_CONSUME, and TOPIC_INSPECT on each
topic. A commit without one, that is with any negative number, edits offsets: GROUP_EDIT, and the topics need only be
the group's. The member id does not matter there: the coordinator of an empty group looks at nothing but the sign
(`ClassicGroup.validateOffsetCommit`, `ConsumerGroup.validateOffsetCommit`). A consumer that assigns partitions by
hand sends the same and is treated the same. Either kind brings a group into being, so outside the view it is refused.

*Fetching* needs no right, but what is not in the view is not there: a group has no offsets, a topic has none in any
group. "All topics" (null, since v2) is cut to the view in the answer. Several groups since v8, topics by id since
v10, where an unknown id is an error of its own.

*Deleting* edits offsets, too.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from kio.schema.errors import ErrorCode

from kordon_policy.actions import Action, Kind
from kordon_protocol.keys import ApiKey
from kordon_protocol.shapes import Entity
from kordon_proxy.judging.entries import answer_type, in_place, make, respond, struct_type
from kordon_proxy.judging.group_topics import committed_topics, judge_topic
from kordon_proxy.judging.may import May, Refusal
from kordon_proxy.judging.parts import (
    TOO_OFTEN,
    forward_rest,
    judge_each,
    keep_each,
    name_or_id,
    place_of,
    refuse,
    too_often,
)
from kordon_proxy.judging.table import Api, Record
from kordon_proxy.judging.verdict import RELAY, Answer, Forward, Mend, Mended, Rewrite, Verdict, unchanged

from .old_offsets import COMMITTED, DELETED

MANY_GROUPS: Final = 8
"""The first version of OffsetFetch with several groups."""
BY_ID: Final = 10
"""The first version with topic ids."""
NO_OFFSET: Final = -1


def judge_commit(request: Any, may: May) -> Verdict:
    edit = is_edit(request)
    refusal = may_commit(may, request.group_id, edit=edit)
    if refusal is not None:
        return refuse(request, refusal)
    return judge_committed_topics(request, may, edit=edit)


def is_edit(request: Any) -> bool:
    """Whether this commit comes from no member of the group."""
    return bool(request.generation_id_or_member_epoch < 0)


def may_commit(may: May, group: str, *, edit: bool) -> Refusal | None:
    """The right to commit, as a member or from outside. A commit brings a group into being."""
    return may.edit_group(group) if edit else may.join(group)


def judge_committed_topics(request: Any, may: May, *, edit: bool) -> Verdict:
    action = None if edit else Action.TOPIC_INSPECT
    return judge_each(
        request, lambda topic: judge_topic(may, action, topic, request.group_id), items="topics", answers="topics"
    )


def committed(request: Any, _: Any) -> dict[str, object]:
    """The new offsets of a commit, for the audit."""
    offsets = {
        place_of(name_or_id(topic), partition.partition_index): partition.committed_offset
        for topic in request.topics
        for partition in topic.partitions
    }
    return {"group": request.group_id, "offsets": offsets}


@dataclass(frozen=True, slots=True)
class Part:
    """What becomes of one group of an OffsetFetch. Up to v7 request and response are themselves the one group."""

    kept: Any = None
    """What is asked of the broker; None: nothing, the answer is `own`."""
    own: Any = None
    mend: Mend = unchanged
    """Mends the broker's answer."""


def judge_fetch(request: Any, may: May) -> Verdict:
    if request.__version__ < MANY_GROUPS:
        return _judge_single(request, may)
    if too_often([group.group_id for group in request.groups]):
        return refuse(request, TOO_OFTEN)
    entry = struct_type(answer_type(request), "groups")
    parts = [_judge_group(group, entry, may) for group in request.groups]
    own = {place: part.own for place, part in enumerate(parts) if part.kept is None}
    kept = tuple(part.kept for part in parts if part.kept is not None)
    if own and not kept:
        return Answer(respond(request, groups=tuple(own.values())))
    if kept == request.groups and all(part.mend is unchanged for part in parts):
        return Forward()
    names = [group.group_id for group in request.groups]

    def mend(response: Any, now: May) -> Any:
        def mend_group(place: int, group: Any) -> Any:
            return parts[place].mend(group, now)

        return replace(response, groups=in_place(names, own, response.groups, lambda group: group.group_id, mend_group))

    return Forward(Mended(mend)) if kept == request.groups else Rewrite(replace(request, groups=kept), Mended(mend))


def _judge_single(request: Any, may: May) -> Verdict:
    part = _judge_group(request, answer_type(request), may)
    if part.kept is None:
        return Answer(part.own)
    plan = RELAY if part.mend is unchanged else Mended(part.mend)
    return Forward(plan) if part.kept is request else Rewrite(part.kept, plan)


def _judge_group(group: Any, entry: Entity, may: May) -> Part:
    """`entry`: the class of the answer."""
    refusal = may.group(None, group.group_id)
    if refusal is not None and refusal.code is not ErrorCode.group_id_not_found:
        return Part(own=_denied_group(group, entry, refusal.code))
    if group.topics is None:
        return Part(kept=group, mend=_cut_to_view) if refusal is None else Part(own=_answer(group, entry, ()))
    said = {
        place: _topic_without(topic, entry, code)
        for place, topic in enumerate(group.topics)
        if (code := _hidden_topic(topic, may)) is not None
    }
    if refusal is not None:
        topics = (said.get(place) or _topic_without(topic, entry) for place, topic in enumerate(group.topics))
        return Part(own=_answer(group, entry, tuple(topics)))
    if not said:
        return Part(kept=group)
    names = [name_or_id(topic) for topic in group.topics]
    kept = tuple(topic for place, topic in enumerate(group.topics) if place not in said)

    def put_back(answer: Any, _: May) -> Any:
        if getattr(answer, "error_code", ErrorCode.none) is not ErrorCode.none:
            return answer
        return replace(answer, topics=in_place(names, said, answer.topics, name_or_id))

    return Part(kept=replace(group, topics=kept), mend=put_back)


def _hidden_topic(topic: Any, may: May) -> ErrorCode | None:
    """The code for a topic that is not in the view; None for one that is. A name that is not there has no offset."""
    by_id = hasattr(topic, "topic_id")
    refusal = may.topic_id(None, topic.topic_id) if by_id else may.topic(None, topic.name)
    if refusal is None:
        return None
    return ErrorCode.none if refusal.code is ErrorCode.unknown_topic_or_partition else refusal.code


def _denied_group(group: Any, entry: Entity, code: ErrorCode) -> Any:
    """The error of the whole group; v1 has room for it in the partitions only."""
    if group.__version__ > 1:
        return _answer(group, entry, (), code)
    return _answer(group, entry, tuple(_topic_without(topic, entry, code) for topic in group.topics))


def _answer(group: Any, entry: Entity, topics: tuple[Any, ...], code: ErrorCode = ErrorCode.none) -> Any:
    return make(entry, throttle_time=timedelta(), group_id=group.group_id, topics=topics, error_code=code)


def _topic_without(topic: Any, entry: Entity, code: ErrorCode = ErrorCode.none) -> Any:
    """The answer for a topic without committed offsets."""
    kind = struct_type(entry, "topics")
    partition = struct_type(kind, "partitions")
    partitions = tuple(
        make(
            partition,
            partition_index=index,
            committed_offset=NO_OFFSET,
            committed_leader_epoch=NO_OFFSET,
            metadata="",
            error_code=code,
        )
        for index in topic.partition_indexes
    )
    return make(
        kind, name=getattr(topic, "name", None), topic_id=getattr(topic, "topic_id", None), partitions=partitions
    )


def _cut_to_view(answer: Any, may: May) -> Any:
    return keep_each(answer, "topics", lambda topic: _is_visible(topic, may))


def _is_visible(topic: Any, may: May) -> bool:
    name = may.picture.ids.get(topic.topic_id) if hasattr(topic, "topic_id") else topic.name
    return name is not None and may.sees(Kind.TOPIC, name)


def asks_for_all_by_id(request: Any) -> bool:
    """Whether the answer names topics by ids that were not asked for: newer ones than Kordon knows would be cut."""
    return request.__version__ >= BY_ID and any(group.topics is None for group in request.groups)


def judge_delete(request: Any, may: May) -> Verdict:
    """A missing group is an error of the whole request here, as any error of the group; topics have their own."""
    refusal = may.group(Action.GROUP_EDIT, request.group_id)
    if refusal is not None:
        return refuse(request, refusal)
    own = {
        place: _not_deleted(request, topic, refusal.code)
        for place, topic in enumerate(request.topics)
        if (refusal := may.topic(None, topic.name)) is not None
    }
    return forward_rest(request, own, items="topics", answers="topics", whole_first=True)


def _not_deleted(request: Any, topic: Any, code: ErrorCode) -> Any:
    kind = struct_type(answer_type(request), "topics")
    entry = struct_type(kind, "partitions")
    partitions = tuple(
        make(entry, partition_index=partition.partition_index, error_code=code) for partition in topic.partitions
    )
    return make(kind, name=topic.name, partitions=partitions)


def _deleted(request: Any, _: Any) -> dict[str, object]:
    partitions = [
        place_of(topic.name, partition.partition_index) for topic in request.topics for partition in topic.partitions
    ]
    return {"group": request.group_id, "partitions": partitions}


APIS = (
    Api(
        key=ApiKey.OFFSET_COMMIT,
        name="OffsetCommit",
        versions=range(2, 11),
        judge=judge_commit,
        gives_away="nothing: it repeats what was asked",
        needs=(Action.GROUP_CONSUME, Action.GROUP_EDIT, Action.TOPIC_INSPECT),
        record_of=lambda request: Record.EVENT if is_edit(request) else Record.COUNTED,
        parameters=committed,
        learns=COMMITTED,
        reads=committed_topics,
    ),
    Api(
        key=ApiKey.OFFSET_FETCH,
        name="OffsetFetch",
        versions=range(1, 11),
        judge=judge_fetch,
        gives_away="topics of a group, which are cut to the view",
        needs=(),
        needs_fresh_picture=asks_for_all_by_id,
    ),
    Api(
        key=ApiKey.OFFSET_DELETE,
        name="OffsetDelete",
        versions=range(1),
        judge=judge_delete,
        gives_away="nothing: it repeats what was asked",
        needs=(Action.GROUP_EDIT,),
        record=Record.EVENT,
        parameters=_deleted,
        learns=DELETED,
    ),
)
