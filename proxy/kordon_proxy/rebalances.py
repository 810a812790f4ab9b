"""Which requests tell that a group may read other topics now, so that Kordon looks what it reads."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from kordon_protocol.keys import ApiKey

from .cluster.picture import Picture


def _committed(request: Any, picture: Picture) -> tuple[str, ...]:
    """The topics that a commit names; ids that nobody knows stay out."""
    return tuple(filter(None, (_name(topic, picture) for topic in request.topics)))


def _name(topic: Any, picture: Picture) -> str | None:
    if hasattr(topic, "name"):
        return str(topic.name)
    return None if topic.topic_id is None else picture.ids.get(topic.topic_id)


def _assigned(_: Any, __: Picture) -> tuple[str, ...]:
    """An assignment is decided by the group: all that it reads has to be looked at."""
    return ()


TOPICS_OF: Final[Mapping[int, Callable[[Any, Picture], tuple[str, ...]]]] = {
    ApiKey.OFFSET_COMMIT: _committed,
    ApiKey.TXN_OFFSET_COMMIT: _committed,
    ApiKey.SYNC_GROUP: _assigned,
}


def seen(api_key: int, request: Any, picture: Picture) -> tuple[str, tuple[str, ...]] | None:
    """Group and topics (none: any) that are worth a look after this request was answered; None for all other requests.

    Members of the KIP-848 protocol commit too, and that is when the topics that they read are known for good.
    """
    topics_of = TOPICS_OF.get(api_key)
    return None if topics_of is None else (request.group_id, topics_of(request, picture))
