"""Membership in share groups (KIP-932): ShareGroupHeartbeat (76), ShareGroupDescribe (77).

A heartbeat is judged, and its assignment cut, like one of the consumer protocol (`consumer_groups`), less what it has
no field for: patterns, owned partitions, static members. Whoever joins has to name a topic. So a name that nobody can
have stands for names that the group may not use, where no other is left: Kafka accepts a topic that does not exist and
assigns nothing for it.
"""

from dataclasses import replace
from typing import Any, Final

from kordon_policy.actions import Action
from kordon_policy.model import KORDONS_OWN
from kordon_protocol.keys import ApiKey
from kordon_proxy.judging.may import May
from kordon_proxy.judging.member_ids import told
from kordon_proxy.judging.operations import group_operations
from kordon_proxy.judging.parts import keep_each
from kordon_proxy.judging.table import Api
from kordon_proxy.judging.texts import without_free_text
from kordon_proxy.judging.verdict import Rewrite, Verdict

from . import consumer_groups
from .consumer_groups import member_of, record_of
from .groups import HOST, judge_described_or_missing, visible

NO_TOPIC: Final = f"{KORDONS_OWN}-no-topic"
"""A topic that nobody can make through Kordon, and that is in no view."""


def judge_heartbeat(request: Any, may: May) -> Verdict:
    verdict = consumer_groups.judge_heartbeat(request, may)
    if isinstance(verdict, Rewrite) and request.subscribed_topic_names and not verdict.request.subscribed_topic_names:
        return replace(verdict, request=replace(verdict.request, subscribed_topic_names=(NO_TOPIC,)))
    return verdict


def judge_describe(request: Any, may: May) -> Verdict:
    """Kafka leaves subscriptions in the answer unfiltered."""
    return judge_described_or_missing(request, may, _mend_described)


def _mend_described(group: Any, may: May) -> Any:
    tell, keep = told(may, group.group_id), visible(may)
    members = tuple(
        replace(
            member,
            member_id=tell(member.member_id),
            client_host=HOST,
            subscribed_topic_names=tuple(filter(keep, member.subscribed_topic_names)),
            assignment=keep_each(member.assignment, "topic_partitions", lambda part: keep(part.topic_name)),
        )
        for member in group.members
    )
    bits = group_operations(may, group.group_id, group.authorized_operations)
    return replace(without_free_text(group), members=members, authorized_operations=bits)


APIS = (
    Api(
        key=ApiKey.SHARE_GROUP_HEARTBEAT,
        name="ShareGroupHeartbeat",
        versions=range(1, 2),
        judge=judge_heartbeat,
        record_of=record_of,
        parameters=member_of,
        gives_away="the ids of the topics that a member is assigned, which are cut to what the group may use",
        needs=(Action.GROUP_CONSUME, Action.TOPIC_INSPECT),
    ),
    Api(
        key=ApiKey.SHARE_GROUP_DESCRIBE,
        name="ShareGroupDescribe",
        versions=range(1, 2),
        judge=judge_describe,
        gives_away=(
            "subscribed and assigned topics, which are cut to the view; the hosts of members, which become one word; "
            "member ids, which are whole for whoever may remove members only"
        ),
        needs=(),
    ),
)
