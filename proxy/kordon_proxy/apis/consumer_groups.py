"""Groups of the new consumer protocol (KIP-848): ConsumerGroupHeartbeat (68), ConsumerGroupDescribe (69).

A heartbeat needs GROUP_CONSUME, and TOPIC_INSPECT on each topic that it names; leaving (epoch -1 or -2) needs the
former only, and is an event, whoever leaves: as in the classic protocol, the member id is the proof (`member_ids`). A
name that this group may not use is left out, since Kafka accepts a subscription to a topic that does not exist and
assigns nothing for it. A pattern (v1) is evaluated over the view and goes on as a list of names; it is evaluated again
with a later heartbeat when the topics or the rights have changed. So are the names, as the view may have grown.

The assignment is cut to what this group may use in every answer, and remembered whole: the coordinator repeats it
only when it changes, while the view, or what Kordon knows of the cluster, may change in between.

*Reconnecting.* Heartbeats are deltas. A client that comes back on another connection may leave out a pattern that
this connection never saw. It is told once that the coordinator is elsewhere: it looks, finds it where it was, and says
everything with its next heartbeat (`AbstractHeartbeatRequestManager.onErrorResponse`, and in librdkafka
`rd_kafka_cgrp_handle_ConsumerGroupHeartbeat`, which would repeat its delta after any milder error).
"""

from dataclasses import replace
from typing import Any, Final

from kio.schema.errors import ErrorCode

from kordon_policy.actions import Action, Kind
from kordon_protocol.keys import ApiKey
from kordon_proxy.judging.entries import make, struct_type
from kordon_proxy.judging.group_topics import usable_by, usable_ids
from kordon_proxy.judging.may import May, Refusal
from kordon_proxy.judging.member_ids import told
from kordon_proxy.judging.operations import group_operations
from kordon_proxy.judging.parts import keep_each, refuse
from kordon_proxy.judging.patterns import InvalidPattern, Pattern, compile_pattern
from kordon_proxy.judging.subscriptions import NAMES, Subscription
from kordon_proxy.judging.table import Api, Record
from kordon_proxy.judging.texts import constant_texts, without_free_text
from kordon_proxy.judging.verdict import Forward, Mended, Rewrite, Verdict

from .groups import HOST, judge_described_or_missing, visible

SAY_ALL: Final = Refusal(ErrorCode.not_coordinator)
"""To a client that this connection has not heard of yet."""
TOO_MANY: Final = Refusal(ErrorCode.invalid_request, f"a member may name at most {NAMES} topics")


def judge_heartbeat(request: Any, may: May) -> Verdict:
    """Judge a heartbeat of a consumer group, or of a share group, which has less in it."""
    group = request.group_id
    refusal = may.join(group)
    if refusal is not None:
        return refuse(request, refusal)
    known = may.connection.subscriptions
    if leaves(request):
        known.forget(group, request.member_id)
        return _forward(request, _without_unusable(request, may), constant_texts())
    if _must_say_all(request, may):
        known.keep(group, request.member_id, Subscription())
        return refuse(request, SAY_ALL)
    return _judge_member(request, may)


def leaves(request: Any) -> bool:
    """Whether a member goes: for good (-1), or for a while as a static one (-2)."""
    return bool(request.member_epoch < 0)


def _must_say_all(request: Any, may: May) -> bool:
    """Whether this heartbeat may build on what was said elsewhere. v0, of consumer groups alone, has no patterns."""
    return (
        request.__version__ > 0
        and request.member_epoch > 0
        and not _subscribes(request)
        and may.connection.subscriptions.get(request.group_id, request.member_id) is None
    )


def _subscribes(request: Any) -> bool:
    return request.subscribed_topic_names is not None or getattr(request, "subscribed_topic_regex", None) is not None


def says_a_pattern(request: Any) -> bool:
    """Whether a pattern comes that has not been evaluated yet. Later on it follows the picture at its own pace."""
    return bool(getattr(request, "subscribed_topic_regex", None))


def _judge_member(request: Any, may: May) -> Verdict:
    group = request.group_id
    known = may.connection.subscriptions
    member = (known.get(group, request.member_id) if request.member_epoch > 0 else None) or Subscription()
    try:
        pattern = _pattern(request, member)
    except InvalidPattern as error:
        return refuse(request, Refusal(ErrorCode.invalid_regular_expression, str(error)))
    refusal = _forbidden(request, may)
    if refusal is not None:
        return refuse(request, refusal)
    if _subscribes(request):
        member.subscribe(request.subscribed_topic_names, pattern)
    if request.member_id:  # a member of v0 gets its id with the first answer
        known.keep(group, request.member_id, member)
    kept = _without_unusable(request, may)
    names = _new_topics(member, may, group)
    if names is not None:
        kept = replace(kept, subscribed_topic_names=names)
    return _forward(request, kept, Mended(lambda response, now: _mend_member(request, response, member, may, now)))


def _pattern(request: Any, member: Subscription) -> Pattern | None:
    """The pattern after this request. Raises InvalidPattern."""
    text = getattr(request, "subscribed_topic_regex", None)
    return member.pattern if text is None else compile_pattern(text)


def _forbidden(request: Any, may: May) -> Refusal | None:
    """Kafka refuses the whole heartbeat for one topic that it names and the client may not have."""
    names = request.subscribed_topic_names or ()
    if len(names) > NAMES:
        return TOO_MANY
    usable = usable_by(may, request.group_id)
    named = [name for name in names if usable(name)]
    return next((refusal for refusal in [may.topic(Action.TOPIC_INSPECT, name) for name in named] if refusal), None)


def _new_topics(member: Subscription, may: May, group: str) -> tuple[str, ...] | None:
    """What the coordinator is to be told; None where it has been told, or the client has not said yet."""
    under = (may.standing, may.picture.version)
    if member.names is None or (member.sent is not None and member.judged == under):
        return None
    topics, whole = _topics(member, may, group)
    member.judged = under if whole else None
    if topics == member.sent:
        return None
    member.sent = topics
    return topics


def _topics(member: Subscription, may: May, group: str) -> tuple[tuple[str, ...], bool]:
    """What a member subscribes to, and whether that is all: a costly pattern is evaluated with several heartbeats.

    As in Kafka, a pattern leaves out in silence what its member may not read.
    """
    usable = usable_by(may, group)
    named = tuple(name for name in member.names or () if usable(name))
    pattern = member.pattern
    if pattern is None:
        return named, True

    def meets(name: str) -> bool:
        return (
            pattern.fullmatch(name) is not None
            and usable(name)
            and may.is_allowed(Action.TOPIC_INSPECT, Kind.TOPIC, name)
        )

    matches = may.standing.matches[group, pattern.text]
    whole = matches.look(may.visible_topics(), meets, pattern.letters_at_a_time)
    return (tuple(sorted({*named, *matches.found})) if named else matches.found), whole


def _without_unusable(request: Any, may: May) -> Any:
    """Without the names and the ids that this group may not use; a pattern is not sent on."""
    changes: dict[str, Any] = {}
    if request.subscribed_topic_names is not None:
        usable = usable_by(may, request.group_id)
        changes["subscribed_topic_names"] = tuple(name for name in request.subscribed_topic_names if usable(name))
    if getattr(request, "subscribed_topic_regex", None) is not None:
        changes["subscribed_topic_regex"] = ""
    if getattr(request, "topic_partitions", None) is not None:
        changes["topic_partitions"] = _usable_part(request.topic_partitions, may, request.group_id)
    return replace(request, **changes)


def _usable_part(parts: tuple[Any, ...], may: May, group: str) -> tuple[Any, ...]:
    usable = usable_ids(may, group)
    return tuple(part for part in parts if usable(part.topic_id))


def _forward(request: Any, kept: Any, plan: Mended) -> Verdict:
    return Forward(plan) if kept == request else Rewrite(kept, plan)


def _mend_member(request: Any, response: Any, member: Subscription, asked: May, now: May) -> Any:
    response = without_free_text(response)
    if response.error_code is not ErrorCode.none:
        member.sent = None  # nobody knows what the coordinator took of it
        return response
    if not request.member_id and response.member_id:
        now.connection.subscriptions.keep(request.group_id, response.member_id, member)
    if response.assignment is not None:
        member.assigned = response.assignment.topic_partitions
        # Topics that are newer than the picture: the answer waits for a new one, and the next answer shows them.
        asked.news |= any(part.topic_id not in now.picture.ids for part in member.assigned)
    if member.assigned is None:
        return response
    shown = _usable_part(member.assigned, now, request.group_id)
    if response.assignment is None and shown == member.shown:
        return response
    member.shown = shown
    if response.assignment is not None and shown == member.assigned:
        return response
    return replace(response, assignment=make(struct_type(type(response), "assignment"), topic_partitions=shown))


def judge_describe(request: Any, may: May) -> Verdict:
    """Kafka leaves subscriptions in the answer unfiltered."""
    return judge_described_or_missing(request, may, _mend_described)


def _mend_described(group: Any, may: May) -> Any:
    tell = told(may, group.group_id)
    return replace(
        without_free_text(group),
        members=tuple(_mend_described_member(member, may, tell(member.member_id)) for member in group.members),
        authorized_operations=group_operations(may, group.group_id, group.authorized_operations),
    )


def _mend_described_member(member: Any, may: May, member_id: str) -> Any:
    keep = visible(may)
    return replace(
        member,
        member_id=member_id,
        client_host=HOST,
        subscribed_topic_names=tuple(name for name in member.subscribed_topic_names if keep(name)),
        # The text of a pattern could name anything. Members that come through Kordon have none at the coordinator.
        subscribed_topic_regex=None if member.subscribed_topic_regex is None else "",
        assignment=_visible_part(member.assignment, may),
        target_assignment=_visible_part(member.target_assignment, may),
    )


def _visible_part(assignment: Any, may: May) -> Any:
    keep = visible(may)
    return keep_each(assignment, "topic_partitions", lambda part: keep(part.topic_name))


def record_of(request: Any) -> Record:
    """Who leaves. That a member goes on is no event."""
    return Record.EVENT if leaves(request) else Record.NOTHING


def member_of(request: Any, _: Any) -> dict[str, object]:
    """Whose heartbeat it is, for the audit: the member's own name, which share groups have none of, or its id."""
    return {"group": request.group_id, "members": [getattr(request, "instance_id", None) or request.member_id]}


APIS = (
    Api(
        key=ApiKey.CONSUMER_GROUP_HEARTBEAT,
        name="ConsumerGroupHeartbeat",
        versions=range(2),
        of_its_moment=True,
        judge=judge_heartbeat,
        gives_away="topics in an assignment, which are cut to the view; texts, which become constant",
        needs=(Action.GROUP_CONSUME, Action.TOPIC_INSPECT),
        record_of=record_of,
        parameters=member_of,
        needs_fresh_picture=says_a_pattern,
    ),
    Api(
        key=ApiKey.CONSUMER_GROUP_DESCRIBE,
        name="ConsumerGroupDescribe",
        versions=range(2),
        judge=judge_describe,
        gives_away=(
            "topics of members, which are cut to the view; "
            "their ids, which are masked, and addresses; texts, which become constant"
        ),
        needs=(),
    ),
)
