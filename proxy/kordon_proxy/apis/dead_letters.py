"""The setting of a share group that names a topic: where brokers put the records that nobody could process (KIP-1191).

Brokers from 4.4 on have it, in the versions of requests that older ones have too. They write there in their own name,
and where the platform lets them they create the topic. So who names one needs what writing to it and creating it takes.
"""

from collections.abc import Iterable
from typing import Any, Final

from kordon_policy.actions import Action, Kind
from kordon_proxy.judging.group_topics import usable_by
from kordon_proxy.judging.may import May, Refusal

from .topics import may_create, refuse_outside

NAMES_TOPIC: Final = "topic.name"
"""How the names of such settings end, as `errors.deadletterqueue.topic.name`."""


def may_name(configs: Iterable[Any], group: str, may: May) -> Refusal | None:
    """Whether a group may have settings that name these topics; None: it may, or they name none."""
    named = (config.value.strip() for config in configs if config.name.endswith(NAMES_TOPIC) and config.value)
    return next(filter(None, [_may_name(topic, group, may) for topic in named if topic]), None)


def _may_name(topic: str, group: str, may: May) -> Refusal | None:
    if not usable_by(may, group)(topic):
        return refuse_outside(topic, may, Action.TOPIC_PRODUCE)
    refusal = may_create(topic, may, places=False) if topic not in may.picture.topics else None
    return refusal or may.topic(Action.TOPIC_PRODUCE, topic)


def names_hidden(config: Any, may: May) -> bool:
    """Whether a setting names a topic that the view lacks."""
    return bool(config.name.endswith(NAMES_TOPIC) and config.value and not may.sees(Kind.TOPIC, config.value.strip()))
