"""Groups from outside: DescribeGroups (15), ListGroups (16), DeleteGroups (42), and the rows of `members`.

A group outside the view is answered as that version answers for one that does not exist: DescribeGroups says `Dead`
without an error up to v5 and GROUP_ID_NOT_FOUND since v6. Kafka filters no topic inside a description; here
subscriptions and assignments are cut to the view. The host of a member would be Kordon's own, seen from the broker.
Member ids are for the members (`member_ids`), and so are the bytes of protocols that Kordon cannot read: Connect's
name the leader in every assignment.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from operator import attrgetter
from typing import Any, Final

from kio.schema.errors import ErrorCode

from kordon_policy.actions import Action, Kind
from kordon_protocol.consumer_protocol import UserData, keep_assigned_topics, keep_topics
from kordon_protocol.errors import MalformedBody
from kordon_protocol.keys import ApiKey
from kordon_proxy.judging.entries import answer_type, make, struct_type
from kordon_proxy.judging.may import May, Refusal
from kordon_proxy.judging.member_ids import knows_ids, told
from kordon_proxy.judging.operations import NOT_ASKED, group_operations
from kordon_proxy.judging.parts import TOO_OFTEN, forward_rest, judge_each, list_each, refuse, too_often
from kordon_proxy.judging.table import Api, Record
from kordon_proxy.judging.texts import constant_text, without_free_text
from kordon_proxy.judging.verdict import Forward, Mended, Verdict

from . import members
from .members import CONSUMER, Cut, Keep

HOST: Final = "/kordon"
"""Where every member is, as far as clients are told (Kafka writes `/` before an address)."""
DEAD: Final = "Dead"
MISSING_IS_AN_ERROR: Final = 6
"""The first version of DescribeGroups in which a missing group is an error."""

describe_topics: Final[Cut] = partial(keep_topics, user_data=UserData.GOES)
describe_assigned_topics: Final[Cut] = partial(keep_assigned_topics, user_data=UserData.GOES)
"""User data are for the leader and the member alone, and could name anything."""

Missing = Callable[[str, Refusal], Any]
MendGroup = Callable[[Any, May], Any]


def judge_described(request: Any, may: May, *, items: str, missing: Missing, mend_group: MendGroup) -> Verdict:
    """Describe the groups of the view; `missing` makes the answer for each other one."""
    names = getattr(request, items)
    if too_often(names):
        return refuse(request, TOO_OFTEN)
    own = {place: missing(name, refusal) for place, name in enumerate(names) if (refusal := may.group(None, name))}

    def mend(response: Any, now: May) -> Any:
        return replace(response, groups=tuple(mend_group(group, now) for group in response.groups))

    return forward_rest(request, own, items=items, answers="groups", key=group_name, plan=Mended(mend))


def judge_described_or_missing(request: Any, may: May, mend_group: MendGroup) -> Verdict:
    """Describe groups of a newer protocol. One outside the view does not exist, which is an error in every version."""
    entry = struct_type(answer_type(request), "groups")

    def missing(name: str, refusal: Refusal) -> Any:
        return make(entry, group_id=name, error_code=refusal.code, error_message=constant_text(refusal.code))

    return judge_described(request, may, items="group_ids", missing=missing, mend_group=mend_group)


def group_name(entry: Any) -> Any:
    """The group of an entry, which in requests is nothing but its name."""
    return getattr(entry, "group_id", entry)


def judge_describe(request: Any, may: May) -> Verdict:
    entry = struct_type(answer_type(request), "groups")
    quiet = request.__version__ < MISSING_IS_AN_ERROR
    asked = getattr(request, "include_authorized_operations", False)

    def missing(name: str, refusal: Refusal) -> Any:
        gone = refusal.code is ErrorCode.group_id_not_found
        code = ErrorCode.none if gone and quiet else refusal.code
        return make(
            entry,
            group_id=name,
            error_code=code,
            error_message=constant_text(code),
            group_state=DEAD if gone else "",
            authorized_operations=0 if asked and code is ErrorCode.none else NOT_ASKED,
        )

    return judge_described(request, may, items="groups", missing=missing, mend_group=_mend_described)


def _mend_described(group: Any, may: May) -> Any:
    changes: dict[str, Any] = {}
    if group.members:
        tell, bytes_of = told(may, group.group_id), _bytes_told(group, may)
        changes["members"] = tuple(
            replace(bytes_of(member), client_host=HOST, member_id=tell(member.member_id)) for member in group.members
        )
    if hasattr(group, "authorized_operations"):
        changes["authorized_operations"] = group_operations(may, group.group_id, group.authorized_operations)
    return replace(without_free_text(group), **changes)


def _bytes_told(group: Any, may: May) -> Callable[[Any], Any]:
    """What is told of the bytes of a member of this group."""
    if group.protocol_type == CONSUMER:
        return partial(_cut_bytes, keep=visible(may))
    return _whole if knows_ids(may, group.group_id) else _without_bytes


def _cut_bytes(member: Any, keep: Keep) -> Any:
    return replace(
        member,
        member_metadata=_readable(describe_topics, member.member_metadata, keep),
        member_assignment=_readable(describe_assigned_topics, member.member_assignment, keep),
    )


def _without_bytes(member: Any) -> Any:
    return replace(member, member_metadata=b"", member_assignment=b"")


def _whole(member: Any) -> Any:
    return member


def _readable(cut: Cut, data: bytes, keep: Keep) -> bytes:
    try:
        return cut(data, keep)
    except MalformedBody:
        return b""


def visible(may: May) -> Keep:
    """Whether the view holds a topic of that name."""
    return lambda name: may.sees(Kind.TOPIC, name)


def judge_list(_: Any, __: May) -> Verdict:
    return Forward(Mended(_mend_list))


def _mend_list(response: Any, may: May) -> Any:
    return list_each(response, "groups", lambda group: may.sees(Kind.GROUP, group.group_id), attrgetter("group_id"))


def judge_delete(request: Any, may: May) -> Verdict:
    return judge_each(
        request,
        lambda name: may.group(Action.GROUP_DELETE, name),
        items="groups_names",
        answers="results",
        key=group_name,
    )


APIS = (
    *members.APIS,
    Api(
        key=ApiKey.DESCRIBE_GROUPS,
        name="DescribeGroups",
        versions=range(7),
        judge=judge_describe,
        gives_away=(
            "topics in what members say, which are cut to the view; "
            "their ids, which are masked, and addresses; texts, which become constant"
        ),
        needs=(),
    ),
    Api(
        key=ApiKey.LIST_GROUPS,
        name="ListGroups",
        versions=range(6),
        judge=judge_list,
        gives_away="all groups, which are cut to the view",
        needs=(),
    ),
    Api(
        key=ApiKey.DELETE_GROUPS,
        name="DeleteGroups",
        versions=range(3),
        judge=judge_delete,
        gives_away="nothing: it repeats what was asked",
        needs=(Action.GROUP_DELETE,),
        record=Record.EVENT,
        parameters=lambda request, _: {"groups": list(request.groups_names)},
    ),
)
