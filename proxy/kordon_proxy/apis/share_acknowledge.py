"""ShareAcknowledge (79): what became of records that a member of a share group has fetched (KIP-932).

GROUP_CONSUME on the group and TOPIC_INSPECT on each topic, in a share session that this connection opened
(`share_fetch`). A request of which nothing is left goes on all the same: it counts for the epoch of the session.
"""

from typing import Any, Final

from kio.schema.errors import ErrorCode

from kordon_policy.actions import Action
from kordon_protocol.keys import ApiKey
from kordon_proxy.judging.endpoints import at_our_addresses
from kordon_proxy.judging.entries import answer_type, make, struct_type
from kordon_proxy.judging.group_topics import committed_topics, judge_topic_id
from kordon_proxy.judging.may import May, Refusal
from kordon_proxy.judging.parts import forward_rest, refuse
from kordon_proxy.judging.share_sessions import FINAL, INITIAL
from kordon_proxy.judging.table import Api, Record
from kordon_proxy.judging.texts import without_free_texts
from kordon_proxy.judging.verdict import Mended, Verdict

from .share_fetch import SESSION_GONE, takes_part

WRONG_EPOCH: Final = Refusal(ErrorCode.invalid_share_session_epoch)


def judge(request: Any, may: May) -> Verdict:
    refusal = takes_part(request, may)
    if refusal is not None:
        return refuse(request, refusal)
    if request.share_session_epoch == INITIAL:
        return refuse(request, WRONG_EPOCH)
    sessions = may.connection.share_sessions
    group, member = request.group_id, request.member_id
    session = sessions.get(group, member)
    if session is None:
        return refuse(request, SESSION_GONE)
    if request.share_session_epoch == FINAL:
        sessions.end(group, member, session)
    own = {
        place: _refused(request, topic, refusal)
        for place, topic in enumerate(request.topics)
        if (refusal := judge_topic_id(may, Action.TOPIC_INSPECT, topic.topic_id, group)) is not None
    }

    def mend(response: Any, now: May) -> Any:
        if response.error_code is not ErrorCode.none:
            sessions.end(group, member, session)
        return at_our_addresses(without_free_texts(response, "responses", "partitions"), now)

    plan = Mended(mend)
    return forward_rest(request, own, items="topics", answers="responses", plan=plan, whole_first=True)


def _refused(request: Any, topic: Any, refusal: Refusal) -> Any:
    kind = struct_type(answer_type(request), "responses")
    entry = struct_type(kind, "partitions")
    partitions = tuple(
        make(entry, partition_index=part.partition_index, error_code=refusal.code, error_message=refusal.text)
        for part in topic.partitions
    )
    return make(kind, topic_id=topic.topic_id, partitions=partitions)


APIS = (
    Api(
        key=ApiKey.SHARE_ACKNOWLEDGE,
        name="ShareAcknowledge",
        versions=range(1, 3),
        judge=judge,
        record=Record.COUNTED,
        gives_away="addresses of new leaders, which become Kordon's; free texts, which become Kafka's constant ones",
        needs=(Action.GROUP_CONSUME, Action.TOPIC_INSPECT),
        reads=committed_topics,
    ),
)
