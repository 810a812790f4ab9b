"""Where share groups begin to read (KIP-932): describe (90), alter (91) and delete (92) their offsets.

*Describing* needs no right, but what is not in the view is not there. As in Kafka a group that does not exist has no
offset in any topic, and a topic that does not exist has none in any group, both without an error. "All topics" (null)
is cut to the view in the answer. v1 tells the lag as well.

*Altering and deleting* edit offsets: GROUP_EDIT, and the topics need only be the group's. Altering brings a group into
being, so outside the view it is refused. Kafka puts the ids of topics even beside its refusals; here none is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

from kio.schema.errors import ErrorCode

from kordon_policy.actions import Action, Kind
from kordon_protocol.keys import ApiKey
from kordon_protocol.shapes import Entity
from kordon_proxy.cluster.picture import Picture
from kordon_proxy.judging.entries import answer_type, in_place, make, respond, struct_type
from kordon_proxy.judging.group_topics import judge_topic_name
from kordon_proxy.judging.may import May, Refusal
from kordon_proxy.judging.parts import forward_rest, place_of, refuse
from kordon_proxy.judging.table import Api, Record
from kordon_proxy.judging.texts import constant_text, constant_texts, spoken, without_free_texts
from kordon_proxy.judging.verdict import Answer, Forward, Mended, Rewrite, Verdict

from .old_offsets import SHARE_ALTERED, SHARE_DELETED

NO_OFFSET: Final = -1

Own = Mapping[int, Any]
"""Place of a topic in the request -> the answer for it that is Kordon's own."""


@dataclass(frozen=True, slots=True)
class _Part:
    """What becomes of one group that is described."""

    kept: Any = None
    """What is asked of the broker; None: nothing, the answer is `own`."""
    own: Any = None
    hidden: tuple[Any, ...] = ()
    """The answers for its topics that are not in the view, to go with the broker's."""


def judge_describe(request: Any, may: May) -> Verdict:
    entry = struct_type(answer_type(request), "groups")
    parts = [_judge_group(group, entry, may) for group in request.groups]
    own = {place: part.own for place, part in enumerate(parts) if part.kept is None}
    kept = tuple(part.kept for part in parts if part.kept is not None)
    if own and not kept:
        return Answer(respond(request, groups=tuple(own.values())))
    names = [group.group_id for group in request.groups]

    def mend(response: Any, now: May) -> Any:
        def mend_group(place: int, group: Any) -> Any:
            return _mend_group(group, request.groups[place], parts[place].hidden, now)

        return replace(response, groups=in_place(names, own, response.groups, lambda group: group.group_id, mend_group))

    return Forward(Mended(mend)) if kept == request.groups else Rewrite(replace(request, groups=kept), Mended(mend))


def _judge_group(group: Any, entry: Entity, may: May) -> _Part:
    """`entry`: the class of the answer."""
    refusal = may.group(None, group.group_id)
    if refusal is not None and refusal.code is not ErrorCode.group_id_not_found:
        return _Part(own=make(entry, group_id=group.group_id, error_code=refusal.code))
    hidden = {
        place: _without_offset(topic, entry, code=code)
        for place, topic in enumerate(group.topics or ())
        if (code := _hidden(topic, may)) is not None
    }
    if refusal is not None:
        return _Part(own=make(entry, group_id=group.group_id, topics=_of_missing_group(group, entry, hidden, may)))
    if not hidden:
        return _Part(kept=group)
    return _Part(kept=replace(group, topics=_rest(group.topics, hidden)), hidden=tuple(hidden.values()))


def _hidden(topic: Any, may: May) -> ErrorCode | None:
    """The code for a topic that is not in the view; None for one that is. A name that is not there has no offset."""
    refusal = may.topic(None, topic.topic_name)
    if refusal is None:
        return None
    return ErrorCode.none if refusal.code is ErrorCode.unknown_topic_or_partition else refusal.code


def _without_offset(
    topic: Any, entry: Entity, *, topic_id: UUID | None = None, code: ErrorCode = ErrorCode.none
) -> Any:
    kind = struct_type(entry, "topics")
    part = struct_type(kind, "partitions")
    said = {"start_offset": NO_OFFSET, "lag": NO_OFFSET, "error_code": code, "error_message": constant_text(code)}
    partitions = tuple(make(part, partition_index=index, **said) for index in topic.partitions)
    return make(kind, topic_name=topic.topic_name, topic_id=topic_id, partitions=partitions)


def _of_missing_group(group: Any, entry: Entity, hidden: Own, may: May) -> tuple[Any, ...]:
    """The topics as of a group that does not exist: with their ids those that exist, and then the others."""
    there, rest = [], []
    for place, topic in enumerate(group.topics or ()):
        found = None if place in hidden else may.picture.topics.get(topic.topic_name)
        if found is None:
            rest.append(hidden.get(place) or _without_offset(topic, entry))
        else:
            there.append(_without_offset(topic, entry, topic_id=found.id))
    return (*there, *rest)


def _mend_group(group: Any, asked: Any, hidden: tuple[Any, ...], may: May) -> Any:
    """The broker's answer for a group, with what was not asked of it behind."""
    group = without_free_texts(group, "topics", "partitions")
    topics = group.topics
    if asked.topics is None:
        topics = tuple(topic for topic in topics if may.sees(Kind.TOPIC, topic.topic_name))
    return replace(group, topics=topics if group.error_code is not ErrorCode.none else (*topics, *hidden))


def _rest(topics: tuple[Any, ...], own: Own) -> tuple[Any, ...]:
    return tuple(topic for place, topic in enumerate(topics) if place not in own)


# AlterShareGroupOffsets, DeleteShareGroupOffsets


def judge_alter(request: Any, may: May) -> Verdict:
    refusal = may.edit_group(request.group_id)
    return refuse(request, spoken(refusal)) if refusal is not None else _judge_topics(request, may, _not_altered)


def judge_delete(request: Any, may: May) -> Verdict:
    refusal = may.group(Action.GROUP_EDIT, request.group_id)
    return refuse(request, spoken(refusal)) if refusal is not None else _judge_topics(request, may, _not_deleted)


def _judge_topics(request: Any, may: May, answer: Callable[[Any, Any, Refusal], Any]) -> Verdict:
    """`answer`: request, topic, refusal -> the answer for a topic that is refused."""
    own = {
        place: answer(request, topic, refusal)
        for place, topic in enumerate(request.topics)
        if (refusal := judge_topic_name(may, None, topic.topic_name, request.group_id)) is not None
    }
    return forward_rest(
        request,
        own,
        items="topics",
        answers="responses",
        key=attrgetter("topic_name"),
        plan=constant_texts("responses", "partitions"),  # deleting is answered by the topic, altering by the partition
        whole_first=True,
    )


def _not_altered(request: Any, topic: Any, refusal: Refusal) -> Any:
    kind = struct_type(answer_type(request), "responses")
    part = partial(make, struct_type(kind, "partitions"), **_refused(refusal))
    partitions = tuple(part(partition_index=one.partition_index) for one in topic.partitions)
    return make(kind, topic_name=topic.topic_name, partitions=partitions)


def _not_deleted(request: Any, topic: Any, refusal: Refusal) -> Any:
    return make(struct_type(answer_type(request), "responses"), topic_name=topic.topic_name, **_refused(refusal))


def _refused(refusal: Refusal) -> dict[str, Any]:
    """Kafka's constant text, as it stands beside a topic that does not exist."""
    return {"error_code": refusal.code, "error_message": constant_text(refusal.code)}


def _altered(request: Any, _: Any) -> dict[str, object]:
    offsets = {
        place_of(topic.topic_name, part.partition_index): part.start_offset
        for topic in request.topics
        for part in topic.partitions
    }
    return {"group": request.group_id, "offsets": offsets}


def _deleted(request: Any, _: Any) -> dict[str, object]:
    return {"group": request.group_id, "topics": [topic.topic_name for topic in request.topics]}


def _altered_topics(request: Any, _: Picture) -> tuple[str, ...]:
    return tuple(topic.topic_name for topic in request.topics)


APIS = (
    Api(
        key=ApiKey.DESCRIBE_SHARE_GROUP_OFFSETS,
        name="DescribeShareGroupOffsets",
        versions=range(2),
        judge=judge_describe,
        gives_away="all topics that a group reads, which are cut to the view",
        needs=(),
    ),
    Api(
        key=ApiKey.ALTER_SHARE_GROUP_OFFSETS,
        name="AlterShareGroupOffsets",
        versions=range(1),
        judge=judge_alter,
        record=Record.EVENT,
        parameters=_altered,
        learns=SHARE_ALTERED,
        gives_away="ids of topics, also beside refusals, where they are left out",
        needs=(Action.GROUP_EDIT,),
        reads=_altered_topics,
    ),
    Api(
        key=ApiKey.DELETE_SHARE_GROUP_OFFSETS,
        name="DeleteShareGroupOffsets",
        versions=range(1),
        judge=judge_delete,
        record=Record.EVENT,
        parameters=_deleted,
        learns=SHARE_DELETED,
        gives_away="nothing: it repeats what was asked",
        needs=(Action.GROUP_EDIT,),
    ),
)
