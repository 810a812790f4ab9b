"""Topics as one group may use them: those of the explicit view, and what this very group infers already.

Never what a client merely claims. A topic that is seen only because another group reads it must not be committed,
subscribed or assigned here: from such a claim it would be inferred for this group too.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

from kio.schema.errors import ErrorCode

from kordon_policy.actions import Action, Kind
from kordon_proxy.cluster.picture import Picture

from .may import UNKNOWN_ID, Access, May, Refusal, Ruling


def usable_by(may: May, group: str) -> Callable[[str], bool]:
    """Whether this group may use a topic of that name. Not noted: what is cut by it is no denial."""
    view = may.standing.view
    return lambda name: view.topic_for_group(name, group)


def usable_ids(may: May, group: str) -> Callable[[UUID | None], bool]:
    """The same by topic id. An id that is not in the picture belongs to nothing that may be shown."""
    ids, usable = may.picture.ids, usable_by(may, group)

    def is_usable(topic_id: UUID | None) -> bool:
        name = None if topic_id is None else ids.get(topic_id)
        return name is not None and usable(name)

    return is_usable


def judge_topic(may: May, action: Action | None, entry: Any, group: str) -> Refusal | None:
    """Judge an entry that names a topic, by name or by id, for use by this group."""
    if hasattr(entry, "topic_id"):
        return judge_topic_id(may, action, entry.topic_id, group)
    return judge_topic_name(may, action, entry.name, group)


def judge_topic_id(may: May, action: Action | None, topic_id: UUID | None, group: str) -> Refusal | None:
    """Judge a topic by its id for use by this group. An id that it may not use is unknown."""
    name = may.name_of(topic_id)
    return UNKNOWN_ID if name is None else _judge(may, action, name, group, UNKNOWN_ID)


def judge_topic_name(may: May, action: Action | None, name: str, group: str) -> Refusal | None:
    """Judge a topic by its name for use by this group."""
    return _judge(may, action, name, group, _not_found(may))


def _judge(may: May, action: Action | None, name: str, group: str, outside: Refusal) -> Refusal | None:
    if usable_by(may, group)(name):
        return may.topic(action, name)
    refusal = replace(outside, text=f"group {group} may not use topic {name}, which is not the tenant's own")
    may.note(Ruling(Access.HIDDEN, action, Kind.TOPIC, name, None, refusal))
    return refusal


def _not_found(may: May) -> Refusal:
    denied = ErrorCode.topic_authorization_failed
    return Refusal(denied if may.outside_denied else ErrorCode.unknown_topic_or_partition)


def committed_topics(request: Any, picture: Picture) -> tuple[str, ...]:
    """The topics that a commit names, which the group reads; ids that nobody knows stay out.

    Members of the KIP-848 protocol commit too, and that is when the topics that they read are known for good.
    """
    return tuple(filter(None, (_committed(topic, picture) for topic in request.topics)))


def _committed(topic: Any, picture: Picture) -> str | None:
    if hasattr(topic, "name"):
        return str(topic.name)
    return None if topic.topic_id is None else picture.ids.get(topic.topic_id)


def any_topic(_: Any, __: Picture) -> tuple[str, ...]:
    """An assignment is decided by the group: all that it reads has to be looked at."""
    return ()
