"""Being a member of a group in the classic protocol: JoinGroup (11), Heartbeat (12), LeaveGroup (13), SyncGroup (14).

All of them need GROUP_CONSUME. Kafka does not look into the bytes that members exchange through the coordinator; for
the protocol type `consumer` they name topics, so they are cut here in both directions, to what this group may use: a
subscription that Kordon let through must not become an assignment, and so an inferred topic, of a topic that is not
the tenant's. Bytes of other protocol types are private to their group and pass as they are.

*User data* are what an assignor tells its peers, and may name topics. A member's own go on to the coordinator: it says
what it knows, and no leader's word makes an assignment of what the group may not use. On the way back they go together
with the first topic that is cut from their member's bytes, since they would name it again. Where nothing is cut they
stay, or sticky assignors and Kafka Streams would not work.

*Who removes whom.* A consumer that closes sends exactly one member, by its id, and not always on the connection by
which it joined. Its id is taken as proof of membership, as the coordinator takes it: nobody else is told it, but the
leader of the group, which decides what every member gets (`member_ids`). Everything else is administrative and needs
GROUP_DELETE: several members at once, a member without its id, which is how `removeMembersFromConsumerGroup` names
static members, or an id as others are told it. Whoever leaves or is removed, it is an event.

Versions: JoinGroup and SyncGroup name the protocol type in the answer (v7) and in the request (v5); LeaveGroup takes
several members since v3.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final

from kio.schema.errors import ErrorCode

from kordon_policy.actions import Action, Kind
from kordon_protocol.consumer_protocol import UserData, could_assign, keep_assigned_topics, keep_topics
from kordon_protocol.errors import MalformedBody
from kordon_protocol.keys import ApiKey
from kordon_proxy.judging.entries import answer_type, make, respond, struct_type
from kordon_proxy.judging.group_topics import any_topic, usable_by
from kordon_proxy.judging.may import May, Refusal
from kordon_proxy.judging.member_ids import is_masked, knows_ids, told
from kordon_proxy.judging.parts import itself, refuse, refused_response
from kordon_proxy.judging.table import Api, Record
from kordon_proxy.judging.verdict import Answer, Forward, Mend, Mended, Relay, Rewrite, Verdict

CONSUMER: Final = "consumer"
"""The protocol type whose bytes have a public format."""
NOTHING: Final = b"\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff"
"""A subscription to no topic and an assignment of none (version 0, no topics, no user data)."""
UNREADABLE: Final = Refusal(ErrorCode.inconsistent_group_protocol)

Keep = Callable[[str], bool]
Cut = Callable[[bytes, Keep], bytes]
tell_topics: Final[Cut] = partial(keep_topics, user_data=UserData.GOES_WITH_TOPICS)
tell_assigned_topics: Final[Cut] = partial(keep_assigned_topics, user_data=UserData.GOES_WITH_TOPICS)
GroupMend = Callable[[Any, May, str], Any]
"""Mends an answer about the group that is named."""


def judge_join(request: Any, may: May) -> Verdict:
    refusal = may.join(request.group_id)
    if refusal is not None:
        return refuse(request, refusal)
    if request.protocol_type != CONSUMER:
        return Forward(Mended(_still_member(request, _without_leader)))
    try:
        protocols = _cut_each(request.protocols, "metadata", keep_topics, usable_by(may, request.group_id))
    except MalformedBody:
        return refuse(request, UNREADABLE)
    plan = Mended(_still_member(request, _cut_joined))
    return Forward(plan) if protocols is request.protocols else Rewrite(replace(request, protocols=protocols), plan)


def _cut_joined(response: Any, now: May, group: str) -> Any:
    """The leader alone is told all members and their subscriptions."""
    response = _without_leader(response, now, group)
    members = _cut_each(response.members, "metadata", _or_nothing(tell_topics), usable_by(now, group))
    return response if members is response.members else replace(response, members=members)


def _without_leader(response: Any, now: May, group: str) -> Any:
    """The others need not know who leads: clients only look whether it is they."""
    if response.leader == response.member_id:
        return response
    leader = told(now, group)(response.leader)
    return response if leader == response.leader else replace(response, leader=leader)


def judge_sync(request: Any, may: May) -> Verdict:
    """Up to v4 nothing says the protocol type: bytes that read as an assignment are cut, and others left alone.

    What only a more forgiving reader would take for an assignment is refused: the coordinator is one. When a group
    moves to the new protocol it makes those bytes the member's assignment, which is what Kordon infers topics from.
    """
    refusal = may.join(request.group_id)
    if refusal is not None:
        return refuse(request, refusal)
    protocol_type = getattr(request, "protocol_type", None)
    if protocol_type not in (None, CONSUMER):
        return Forward(Relay(_still_member(request)))
    known = protocol_type == CONSUMER
    cut = keep_assigned_topics if known else _or_opaque(keep_assigned_topics)
    try:
        assignments = _cut_each(request.assignments, "assignment", cut, usable_by(may, request.group_id))
    except MalformedBody:
        return refuse(request, UNREADABLE)
    plan = Mended(_still_member(request, _cut_assignment(known=known)))
    return (
        Forward(plan)
        if assignments is request.assignments
        else Rewrite(replace(request, assignments=assignments), plan)
    )


def _cut_assignment(*, known: bool) -> GroupMend:
    cut = _or_nothing(tell_assigned_topics if known else _or_opaque(tell_assigned_topics))

    def mend(response: Any, now: May, group: str) -> Any:
        assignment = cut(response.assignment, usable_by(now, group))
        return response if assignment is response.assignment else replace(response, assignment=assignment)

    return mend


def _still_member(request: Any, mend: GroupMend | None = None) -> Mend:
    """Both answers wait at the coordinator for a whole rebalance, so the right is asked for again when they leave."""

    def mend_now(response: Any, now: May) -> Any:
        if not now.is_allowed(Action.GROUP_CONSUME, Kind.GROUP, request.group_id):
            refusal = now.join(request.group_id)
            if refusal is not None:
                return refused_response(request, refusal)
        return response if mend is None else mend(response, now, request.group_id)

    return mend_now


def _cut_each(entries: tuple[Any, ...], field: str, cut: Cut, keep: Keep) -> tuple[Any, ...]:
    """The entries with their bytes cut; the same tuple where there was nothing to cut."""
    after = tuple(_with(entry, field, cut(getattr(entry, field), keep)) for entry in entries)
    return entries if all(new is old for new, old in zip(after, entries, strict=True)) else after


def _with(entry: Any, field: str, data: bytes) -> Any:
    return entry if data is getattr(entry, field) else replace(entry, **{field: data})


def _or_opaque(cut: Cut) -> Cut:
    """Leave alone what nobody could take for an assignment. Raises MalformedBody for what only others could."""

    def cut_or_leave(data: bytes, keep: Keep) -> bytes:
        try:
            return cut(data, keep)
        except MalformedBody:
            if could_assign(data):
                raise
            return data

    return cut_or_leave


def _or_nothing(cut: Cut) -> Cut:
    """Blank what cannot be read: another member may have sent anything, and it could name anything."""

    def cut_or_blank(data: bytes, keep: Keep) -> bytes:
        try:
            return cut(data, keep)
        except MalformedBody:
            return NOTHING

    return cut_or_blank


def judge_heartbeat(request: Any, may: May) -> Verdict:
    refusal = may.join(request.group_id)
    return Forward() if refusal is None else refuse(request, refusal)


def judge_leave(request: Any, may: May) -> Verdict:
    """Who may remove many members may remove one, without being able to be one."""
    if not _is_removal(request) and not _only_removes(request, may):
        return judge_heartbeat(request, may)
    refusal = may.group(Action.GROUP_DELETE, request.group_id)
    if refusal is None:
        return Forward()
    if refusal.code is ErrorCode.group_id_not_found:
        return _no_such_group(request)
    return refuse(request, refusal)


def _is_removal(request: Any) -> bool:
    """Whether somebody removes members, rather than one member leaving."""
    members = _leaving(request)
    return len(members) > 1 or any(not member.member_id or is_masked(member.member_id) for member in members)


def _only_removes(request: Any, may: May) -> bool:
    return knows_ids(may, request.group_id) and not may.is_allowed(Action.GROUP_CONSUME, Kind.GROUP, request.group_id)


def _leaving(request: Any) -> tuple[Any, ...]:
    """The members that a request names; up to v2 it is its one member itself."""
    return getattr(request, "members", (request,))


def _no_such_group(request: Any) -> Answer:
    """Kafka says of a missing group that none of the members is known (`GroupCoordinatorService.leaveGroup`)."""
    unknown = ErrorCode.unknown_member_id
    if not hasattr(request, "members"):
        return Answer(respond(request, error_code=unknown))
    entry = struct_type(answer_type(request), "members")
    members = tuple(
        make(entry, member_id=member.member_id, group_instance_id=member.group_instance_id, error_code=unknown)
        for member in request.members
    )
    return Answer(respond(request, members=members))


def _left(request: Any, _: Any) -> dict[str, object]:
    return {
        "group": request.group_id,
        "members": [getattr(member, "group_instance_id", None) or member.member_id for member in _leaving(request)],
    }


APIS = (
    Api(
        key=ApiKey.JOIN_GROUP,
        name="JoinGroup",
        versions=range(10),
        judge=judge_join,
        gives_away="topics in what members say, which are cut to the view",
        needs=(Action.GROUP_CONSUME,),
        parks=True,
    ),
    Api(
        key=ApiKey.HEARTBEAT,
        name="Heartbeat",
        versions=range(5),
        judge=judge_heartbeat,
        gives_away="nothing",
        needs=(Action.GROUP_CONSUME,),
        repeated=itself,
    ),
    Api(
        key=ApiKey.LEAVE_GROUP,
        name="LeaveGroup",
        versions=range(6),
        judge=judge_leave,
        gives_away="nothing: it repeats what was asked",
        needs=(Action.GROUP_CONSUME, Action.GROUP_DELETE),
        record=Record.EVENT,
        parameters=_left,
    ),
    Api(
        key=ApiKey.SYNC_GROUP,
        name="SyncGroup",
        versions=range(6),
        judge=judge_sync,
        gives_away="topics in an assignment, which are cut to the view",
        needs=(Action.GROUP_CONSUME,),
        reads=any_topic,
        parks=True,
    ),
)
