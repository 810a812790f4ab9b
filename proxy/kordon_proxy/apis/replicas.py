"""ElectLeaders, AlterPartitionReassignments, ListPartitionReassignments: who leads partitions, and where they lie.

Kafka knows no right by topic here, but one over the whole cluster (ALTER; for the list DESCRIBE), refuses with
CLUSTER_AUTHORIZATION_FAILED at the top and in each partition, and takes null for every partition that there is. Kordon
judges topic by topic, as its actions are, so a request may be allowed in part: what is refused has Kafka's code in its
partitions, and at the top where nothing is left. Null means all topics of the view.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from operator import attrgetter
from typing import Any, Final

from kio.schema.errors import ErrorCode

from kordon_policy.actions import Action, Kind
from kordon_protocol.keys import ApiKey
from kordon_proxy.judging.entries import answer_type, in_place, make, respond, struct_type
from kordon_proxy.judging.may import May, Refusal
from kordon_proxy.judging.parts import judge_each, keep_each, list_each, mend_each, refuse
from kordon_proxy.judging.table import Api, Record
from kordon_proxy.judging.texts import constant_texts, spoken, without_free_text, without_free_texts
from kordon_proxy.judging.verdict import Answer, Forward, Mended, Rewrite, Verdict

CLUSTER: Final = ErrorCode.cluster_authorization_failed


def _may(action: Action, topic: str, may: May) -> Refusal | None:
    """Ask for an action on a topic; a denial has the code that these APIs have for it."""
    refusal = may.topic(action, topic)
    if refusal is None:
        return None
    if refusal.code is ErrorCode.topic_authorization_failed:
        refusal = may.told(replace(refusal, code=CLUSTER))
    return spoken(refusal)


# ElectLeaders

ELECTIONS: Final = {0: "preferred", 1: "unclean"}
"""`ElectionType` of Kafka's client library; v0 knows the first alone."""
RESULTS: Final = ("replica_election_results", "partition_result")
"""Where results stand in the answer."""
NOT_ELECTED: Final = frozenset({ErrorCode.election_not_needed, ErrorCode.unknown_topic_or_partition})
"""What is left out of an answer about all partitions."""


def judge_elect(request: Any, may: May) -> Verdict:
    """An election for all partitions is one for all that the view holds: the broker is never asked for more."""
    everything = request.topic_partitions is None
    asked = _with_all_partitions(request, may) if everything else request
    verdict = judge_each(
        asked,
        lambda topic: _may(Action.TOPIC_ELECT_LEADER, topic.topic, may),
        items="topic_partitions",
        answers="replica_election_results",
        key=attrgetter("topic"),
        plan=Mended(_only_what_was_elected) if everything else constant_texts(*RESULTS),
    )
    match verdict:
        case Answer(response):
            return _refused_elections(request, response)
        case Forward(plan):
            return Rewrite(asked, plan) if everything else verdict
        case Rewrite():
            return verdict


def _with_all_partitions(request: Any, may: May) -> Any:
    kind = struct_type(type(request), "topic_partitions")
    counts = {name: may.picture.topics[name].partitions for name in may.visible_topics()}
    topics = (make(kind, topic=name, partitions=tuple(range(count))) for name, count in counts.items())
    return replace(request, topic_partitions=tuple(topics))


def _refused_elections(request: Any, response: Any) -> Verdict:
    """All is refused. By the authorization error alone: Kafka has it at the top too, and there only if null was asked
    for."""
    results = [result for topic in response.replica_election_results for result in topic.partition_result]
    if not results or any(result.error_code is not CLUSTER for result in results):
        return Answer(response)
    if request.topic_partitions is None:
        return refuse(request, Refusal(CLUSTER))
    return Answer(replace(response, error_code=CLUSTER) if request.__version__ > 0 else response)


def _only_what_was_elected(response: Any, _: May) -> Any:
    """As Kafka answers where all partitions were asked for. One that is gone since Kordon looked was never meant."""

    def mend(topic: Any) -> Any:
        return keep_each(topic, "partition_result", lambda one: one.error_code not in NOT_ELECTED)

    return mend_each(without_free_texts(response, *RESULTS), "replica_election_results", mend)


def _elected(request: Any, _: Any) -> dict[str, object]:
    asked = request.topic_partitions
    topics = "all" if asked is None else {topic.topic: list(topic.partitions) for topic in asked}
    election = getattr(request, "election_type", 0)
    return {"election": ELECTIONS.get(election, str(election)), "topics": topics}


# AlterPartitionReassignments

RESPONSES: Final = ("responses", "partitions")
"""Where results stand in the answer."""


def judge_reassign(request: Any, may: May) -> Verdict:
    """Each partition by itself: a topic's replicas may go to brokers of the view, and to no other."""
    refused: dict[int, dict[int, Refusal]] = {}
    brokers: dict[int, Refusal | None] = {}
    for place, topic in enumerate(request.topics):
        refusal = _may(Action.TOPIC_ALTER_REASSIGNMENTS, topic.name, may)
        for at, partition in enumerate(topic.partitions):
            why = refusal or _to_outside(partition.replicas or (), brokers, may)
            if why is not None:
                refused.setdefault(place, {})[at] = why
        if refusal is not None and not topic.partitions:
            refused[place] = {}
    if not refused:
        return Forward(constant_texts(*RESPONSES))
    own = {place: _refused_partitions(request, place, parts) for place, parts in refused.items()}
    kept = _without(request, refused)
    if not kept:
        return Answer(_all_refused(request, own))
    return Rewrite(replace(request, topics=kept), Mended(lambda response, _: _with_own(request, own, response)))


def _to_outside(replicas: Iterable[int], brokers: dict[int, Refusal | None], may: May) -> Refusal | None:
    """The refusal where one of these brokers is outside the view; `brokers` keeps what was found, each noted once.

    Those of the view are noted too: whoever approves the move has to see where it goes.
    """
    for broker in replicas:
        if broker not in brokers:
            name = str(broker)
            refusal = may.ask(None, Kind.BROKER, name)
            brokers[broker] = refusal and may.told(may.outside(Kind.BROKER, name))
        if (outside := brokers[broker]) is not None:
            return outside
    return None


def _refused_partitions(request: Any, place: int, refused: Mapping[int, Refusal]) -> dict[int, Any]:
    """Place of a partition in its topic -> the answer for it."""
    kind = struct_type(answer_type(request), "responses", "partitions")
    partitions = request.topics[place].partitions
    return {
        at: make(
            kind, partition_index=partitions[at].partition_index, error_code=why.code, error_message=spoken(why).text
        )
        for at, why in refused.items()
    }


def _without(request: Any, refused: Mapping[int, Mapping[int, Refusal]]) -> tuple[Any, ...]:
    """What is left of the topics. One that names no partition is left as it is if its topic may be altered."""
    kept = []
    for place, topic in enumerate(request.topics):
        if place not in refused:
            kept.append(topic)
            continue
        rest = tuple(one for at, one in enumerate(topic.partitions) if at not in refused[place])
        if rest:
            kept.append(replace(topic, partitions=rest))
    return tuple(kept)


def _own_topics(request: Any, own: Mapping[int, Mapping[int, Any]]) -> dict[int, Any]:
    """Place of a topic -> the answer for it, of those of which nothing is left."""
    kind = struct_type(answer_type(request), "responses")
    return {
        place: make(kind, name=request.topics[place].name, partitions=tuple(parts.values()))
        for place, parts in own.items()
        if len(parts) == len(request.topics[place].partitions)
    }


def _all_refused(request: Any, own: Mapping[int, Mapping[int, Any]]) -> Any:
    topics = tuple(_own_topics(request, own).values())
    answer = respond(
        request,
        responses=topics,
        error_message=None,
        allow_replication_factor_change=getattr(request, "allow_replication_factor_change", True),
    )
    said = [part for topic in topics for part in topic.partitions]
    if not said or any(part.error_code is not CLUSTER for part in said):
        return answer
    return replace(answer, error_code=CLUSTER, error_message=said[0].error_message)


def _with_own(request: Any, own: Mapping[int, Mapping[int, Any]], response: Any) -> Any:
    def with_refused(place: int, answer: Any) -> Any:
        asked = [partition.partition_index for partition in request.topics[place].partitions]
        parts = in_place(asked, own.get(place, {}), answer.partitions, attrgetter("partition_index"))
        return replace(answer, partitions=parts)

    response = without_free_texts(response, *RESPONSES)
    names = [topic.name for topic in request.topics]
    topics = in_place(names, _own_topics(request, own), response.responses, attrgetter("name"), with_refused)
    return replace(response, responses=topics)


def _moved(request: Any, _: Any) -> dict[str, object]:
    """Where each partition is to lie; None: its reassignment is to be given up."""
    return {
        "topics": [
            {
                "name": topic.name,
                "replicas": {
                    str(part.partition_index): None if part.replicas is None else list(part.replicas)
                    for part in topic.partitions
                },
            }
            for topic in request.topics
        ]
    }


# ListPartitionReassignments


def judge_list(request: Any, may: May) -> Verdict:
    """Of a topic that is not there, or not in the view, nothing is told: Kafka leaves missing ones out."""
    plan = Mended(_seen_reassignments)
    if request.topics is None:
        return Forward(plan)
    asked = keep_each(request, "topics", lambda topic: may.topic(None, topic.name) is None)
    if asked is request:
        return Forward(plan)
    return Rewrite(asked, plan) if asked.topics else Answer(respond(request, error_message=None))


def _seen_reassignments(response: Any, may: May) -> Any:
    seen = list_each(response, "topics", lambda topic: may.sees(Kind.TOPIC, topic.name), attrgetter("name"))
    return without_free_text(seen)


APIS = (
    Api(
        key=ApiKey.ELECT_LEADERS,
        name="ElectLeaders",
        versions=range(3),
        judge=judge_elect,
        record=Record.EVENT,
        gives_away="all topics where null is asked for, which is made those of the view; texts, which become constant",
        needs=(Action.TOPIC_ELECT_LEADER,),
        needs_fresh_picture=lambda request: request.topic_partitions is None,
        parameters=_elected,
    ),
    Api(
        key=ApiKey.ALTER_PARTITION_REASSIGNMENTS,
        name="AlterPartitionReassignments",
        versions=range(2),
        judge=judge_reassign,
        record=Record.EVENT,
        gives_away="texts, which become constant",
        needs=(Action.TOPIC_ALTER_REASSIGNMENTS,),
        parameters=_moved,
    ),
    Api(
        key=ApiKey.LIST_PARTITION_REASSIGNMENTS,
        name="ListPartitionReassignments",
        versions=range(1),
        judge=judge_list,
        gives_away="all topics that are being moved, which are cut to the view",
        needs=(),
    ),
)
