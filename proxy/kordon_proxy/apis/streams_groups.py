"""Groups of Kafka Streams applications (KIP-1071): StreamsGroupHeartbeat (88), StreamsGroupDescribe (89).

A heartbeat needs GROUP_CONSUME. The one by which a member joins brings the topology of its application along. It is
judged as a whole (`topologies`), and so is the one that the coordinator has: a member may come with an older one, and
the heartbeats of all create what is missing of that of the group. Kordon asks for it when a member joins or comes by
another connection, and judges it at each heartbeat, since rights and topics may have gone meanwhile. Leaving (epoch -1
or -2) needs GROUP_CONSUME only, and is an event, as in the other protocols.

*Sources that are not there* for the tenant. Kafka lets members of such a group join, gives them nothing to do, and says
what is missing in a status; clients give up soon. Kordon says the same without the coordinator, which must not hear of
the name: such a member is *away*. When the topics are there it is told to join anew, which makes the coordinator tell
it all its tasks.

*Answers.* The details of a status name topics and members: they are kept where they name nothing hidden, else cut. The
table of who has which partitions, for interactive queries, is cut to the view; the endpoints in it are the
applications' own, as each member said it to all the others, and stay. Tasks are numbers in a part of the topology.

*Descriptions* are cut likewise, and where a source is hidden so are the tasks of that part of the topology: their count
is that of the topic's partitions.
"""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, Final

from kio.schema.errors import ErrorCode

from kordon_policy.actions import Action
from kordon_protocol.codec import request_type
from kordon_protocol.keys import ApiKey
from kordon_proxy.judging.entries import answer_type, make, respond, struct_type
from kordon_proxy.judging.may import May, Refusal
from kordon_proxy.judging.parts import refuse
from kordon_proxy.judging.streams_members import StreamsMember, Topology
from kordon_proxy.judging.table import Api, Record
from kordon_proxy.judging.texts import NO_LATE_TOPOLOGY, NO_PATTERNS, without_free_text
from kordon_proxy.judging.verdict import Answer, Ask, Forward, Mended, Verdict

from .consumer_groups import leaves, member_of
from .groups import visible
from .streams_descriptions import judge_describe
from .streams_status import MISSING_SOURCES, creating, missing_sources, told_details
from .topologies import Missing, has_patterns, judge_topology, read_topology

JOINING: Final = 0
"""The epoch of a member that joins, or joins again."""
FIRST_EPOCH: Final = 2
"""The epoch of the first member of a group that has nothing to do."""
INTERVAL: Final = timedelta(seconds=5)
"""Between heartbeats, as brokers say unless they are told otherwise (`group.streams.heartbeat.interval.ms`)."""
NOT_TOLD: Final = Refusal(ErrorCode.coordinator_not_available)
"""To a member whose coordinator did not tell Kordon what topology the group has. It tries again."""
JOIN_ANEW: Final = Refusal(ErrorCode.fenced_member_epoch)
WITH_PATTERNS: Final = Refusal(ErrorCode.invalid_request, NO_PATTERNS)
LATE_TOPOLOGY: Final = Refusal(ErrorCode.invalid_request, NO_LATE_TOPOLOGY)


# StreamsGroupHeartbeat


def judge_heartbeat(request: Any, may: May) -> Verdict | Ask:
    refusal = may.join(request.group_id)
    if refusal is not None:
        return refuse(request, refusal)
    if request.topology is not None and request.member_epoch != JOINING:
        return refuse(request, LATE_TOPOLOGY)
    return _judge_leaving(request, may) if leaves(request) else _judge_member(request, may)


def _judge_leaving(request: Any, may: May) -> Verdict:
    known = may.connection.streams_members
    member = known.get(request.group_id, request.member_id)
    known.forget(request.group_id, request.member_id)
    if member is not None and not member.joined:
        return Answer(
            _respond(request, member_epoch=request.member_epoch, heartbeat_interval=timedelta(), status=(), tasks=None)
        )
    return Forward(Mended(_mend_heartbeat))


def _judge_member(request: Any, may: May) -> Verdict | Ask:
    if _joins(request):
        return _judge_joining(request, may)
    member = may.connection.streams_members.get(request.group_id, request.member_id)
    if member is None:
        return _ask(request, may)
    return _judge_topology(request, member.topology, may) or _forward(request, member.topology, may)


def _joins(request: Any) -> bool:
    return bool(request.member_epoch == JOINING)


def _judge_joining(request: Any, may: May) -> Verdict | Ask:
    if request.topology is None:
        return Forward(Mended(_mend_heartbeat))  # it does not get far
    verdict = _judge_topology(request, read_topology(request.topology, claimed=True), may)
    if verdict is None and has_patterns(request.topology):
        return refuse(request, WITH_PATTERNS)
    return verdict or _ask(request, may)


def _judge_topology(request: Any, topology: Topology, may: May) -> Verdict | None:
    """What is to be done of a heartbeat whose topology is not all right; None: it is."""
    known = may.connection.streams_members
    member = known.get(request.group_id, request.member_id)
    found = judge_topology(topology, request.group_id, may)
    if isinstance(found, Refusal):
        return refuse(request, found)
    if found is not None:
        joined = not _joins(request) if member is None else member.joined
        known.keep(request.group_id, request.member_id, StreamsMember(topology, joined=joined, away=True))
        return Answer(_without_sources(request, found))
    if member is not None and member.away and not _joins(request):
        return refuse(request, JOIN_ANEW)
    return None


def _ask(request: Any, may: May) -> Ask:
    question = make(request_type(ApiKey.STREAMS_GROUP_DESCRIBE, 0), group_ids=(request.group_id,))
    return Ask(question, partial(_knowing, request), may.connection.broker_id)


def _knowing(request: Any, answer: Any, may: May) -> Verdict:
    """Judge by the topology that the coordinator has, if it has one, and by what the member brings."""
    verdict = judge_heartbeat(request, may)  # rights may have changed meanwhile
    if not isinstance(verdict, Ask):
        return verdict
    stored = _stored(answer)
    if isinstance(stored, Refusal):
        return refuse(request, stored)
    brought = read_topology(request.topology, claimed=True) if _joins(request) else None
    if stored is None or (brought is not None and brought.names_the_same(stored)):
        return Forward(Mended(_mend_heartbeat)) if brought is None else _forward(request, brought, may)
    return _judge_topology(request, stored, may) or _forward(request, stored, may)


def _stored(answer: Any) -> Topology | Refusal | None:
    """The topology of a group, as its coordinator describes it; None: it has none, since there is no such group."""
    if answer is None:
        return NOT_TOLD
    (group,) = answer.groups
    if group.error_code is ErrorCode.group_id_not_found:
        return None
    if group.error_code is not ErrorCode.none:
        return Refusal(group.error_code)
    return None if group.topology is None else read_topology(group.topology, claimed=False)


def _forward(request: Any, topology: Topology, may: May) -> Verdict:
    may.creates = any(name not in may.picture.topics for name in topology.internal)
    may.unknown_topics |= may.creates

    def mend(response: Any, now: May) -> Any:
        if response.error_code is ErrorCode.none:
            now.connection.streams_members.keep(request.group_id, request.member_id, StreamsMember(topology))
        return _mend_heartbeat(response, now)

    return Forward(Mended(mend))


def _without_sources(request: Any, missing: Missing) -> Any:
    """What a coordinator answers a member of a group that has nothing to do since topics are missing."""
    kind = struct_type(answer_type(request), "status")
    detail = missing_sources(missing.sources)
    return _respond(
        request,
        member_epoch=max(request.member_epoch, FIRST_EPOCH),
        heartbeat_interval=INTERVAL,
        status=(make(kind, status_code=MISSING_SOURCES, status_detail=detail),),
        tasks=(),
    )


def _respond(request: Any, *, tasks: tuple[()] | None, **values: Any) -> Any:
    """A heartbeat's answer of Kordon's own. Nobody has an endpoint in it; the client is told so if it believes that
    somebody has."""
    told_of = leaves(request) or request.endpoint_information_epoch == 0
    return respond(
        request,
        error_message=None,
        member_id=request.member_id,
        active_tasks=tasks,
        standby_tasks=tasks,
        warmup_tasks=tasks,
        partitions_by_user_endpoint=None if told_of else (),
        **values,
    )


def _mend_heartbeat(response: Any, may: May) -> Any:
    endpoints, status = response.partitions_by_user_endpoint, response.status
    mended = replace(
        without_free_text(response),
        status=status and tuple(_told_status(one, may) for one in status),
        partitions_by_user_endpoint=endpoints and tuple(_cut_endpoint(one, may) for one in endpoints),
    )
    return response if mended == response else mended


def _told_status(status: Any, may: May) -> Any:
    return replace(status, status_detail=told_details(status.status_code, status.status_detail, visible(may)))


def _cut_endpoint(endpoint: Any, may: May) -> Any:
    keep = visible(may)
    return replace(
        endpoint,
        active_partitions=tuple(part for part in endpoint.active_partitions if keep(part.topic)),
        standby_partitions=tuple(part for part in endpoint.standby_partitions if keep(part.topic)),
    )


# The table


def record_of(request: Any) -> Record:
    """Who leaves, and who asks all others to. That topics come into being is known to the judge alone."""
    return Record.EVENT if leaves(request) or request.shutdown_application else Record.NOTHING


def _happened(request: Any, response: Any) -> dict[str, object]:
    told = member_of(request, response)
    if leaves(request):
        told["leaves"] = True
    if request.shutdown_application:
        told["shutdown_application"] = True
    if response is not None and (created := creating(response)):
        told["creates"] = created
    return told


APIS = (
    Api(
        key=ApiKey.STREAMS_GROUP_HEARTBEAT,
        name="StreamsGroupHeartbeat",
        versions=range(1),
        of_its_moment=True,
        judge=judge_heartbeat,
        record_of=record_of,
        parameters=_happened,
        needs_fresh_picture=lambda request: request.topology is not None,
        gives_away="topics in the details of a status and in the table of who has which partitions: cut to the view",
        needs=(Action.GROUP_CONSUME, Action.TOPIC_INSPECT, Action.TOPIC_PRODUCE, Action.TOPIC_CREATE),
    ),
    Api(
        key=ApiKey.STREAMS_GROUP_DESCRIBE,
        name="StreamsGroupDescribe",
        versions=range(1),
        judge=judge_describe,
        gives_away="topics of the topology, ids and addresses of members: cut to the view, masked, Kordon's",
        needs=(),
    ),
)
