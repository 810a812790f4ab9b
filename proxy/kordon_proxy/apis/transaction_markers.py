"""WriteTxnMarkers (27): end what a producer has left open in a partition, whatever its coordinator says.

Brokers say so to each other, and `kafka-transactions abort` does to end a transaction that hangs. Kafka asks for the
right to alter the cluster, since the request names a producer by a number alone: nothing in it, and with a transaction
that hangs nothing in the cluster either, says whose transactional id that is. So it takes PRODUCER_EDIT on the whole
cluster, in a view that hides no transactional id, and TOPIC_EDIT on each topic, for what its readers get depends on it.
(A producer of one's own is fenced, and its transaction aborted, by InitProducerId.)

Versions: v2 adds the version of the transaction (KIP-1228).
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from kio.schema.errors import ErrorCode

from kordon_policy.actions import Action, Kind
from kordon_protocol.keys import ApiKey
from kordon_proxy.judging.entries import answer_type, make, respond, struct_type
from kordon_proxy.judging.may import Access, May, Refusal, Ruling
from kordon_proxy.judging.parts import place_of, refuse
from kordon_proxy.judging.table import Api, Record
from kordon_proxy.judging.verdict import Answer, Forward, Mended, Rewrite, Verdict

HIDDEN_PRODUCERS: Final = Refusal(
    ErrorCode.cluster_authorization_failed, "the producer may be one that is outside the tenant"
)
Refused = Mapping[int, tuple[Any, ...]]
"""Producer id -> the answers for its topics that are refused."""


def judge(request: Any, may: May) -> Verdict:
    refusal = _may_mark(may)
    if refusal is not None:
        return refuse(request, refusal)
    names = {topic.name for marker in request.markers for topic in marker.topics}
    codes = {name: refusal.code for name in sorted(names) if (refusal := may.topic(Action.TOPIC_EDIT, name))}
    if not codes:
        return Forward()
    refused = _refused(request, codes)
    kept = tuple(marker for marker in (_without(marker, codes) for marker in request.markers) if marker.topics)
    if not kept:
        return Answer(respond(request, markers=_with_refused((), refused, request)))
    return Rewrite(
        replace(request, markers=kept),
        Mended(lambda response, _: replace(response, markers=_with_refused(response.markers, refused, request))),
    )


def _may_mark(may: May) -> Refusal | None:
    refusal = may.whole_cluster(Action.PRODUCER_EDIT)
    if refusal is None and not may.standing.view.sees_all(Kind.TRANSACTIONAL_ID):
        refusal = HIDDEN_PRODUCERS
        may.note(Ruling(Access.HIDDEN, Action.PRODUCER_EDIT, None, None, None, refusal))
    return refusal


def _without(marker: Any, codes: Mapping[str, ErrorCode]) -> Any:
    return replace(marker, topics=tuple(topic for topic in marker.topics if topic.name not in codes))


def _refused(request: Any, codes: Mapping[str, ErrorCode]) -> Refused:
    kind = struct_type(answer_type(request), "markers", "topics")
    entry = struct_type(kind, "partitions")
    refused: dict[int, tuple[Any, ...]] = {}
    for marker in request.markers:
        topics = tuple(
            make(
                kind,
                name=topic.name,
                partitions=tuple(
                    make(entry, partition_index=index, error_code=codes[topic.name])
                    for index in topic.partition_indexes
                ),
            )
            for topic in marker.topics
            if topic.name in codes
        )
        if topics:
            refused[marker.producer_id] = (*refused.get(marker.producer_id, ()), *topics)
    return refused


def _with_refused(answered: Iterable[Any], refused: Refused, request: Any) -> tuple[Any, ...]:
    """One answer for each producer, as brokers give it."""
    kind = struct_type(answer_type(request), "markers")
    found = {answer.producer_id: answer for answer in answered}
    for producer_id, topics in refused.items():
        answer = found.get(producer_id) or make(kind, producer_id=producer_id)
        found[producer_id] = replace(answer, topics=(*answer.topics, *topics))
    return tuple(found.values())


def _marked(request: Any, _: Any) -> dict[str, object]:
    return {
        "markers": [
            {
                "producer_id": marker.producer_id,
                "producer_epoch": marker.producer_epoch,
                "committed": marker.transaction_result,
                "partitions": [
                    place_of(topic.name, index) for topic in marker.topics for index in topic.partition_indexes
                ],
            }
            for marker in request.markers
        ]
    }


APIS = (
    Api(
        key=ApiKey.WRITE_TXN_MARKERS,
        name="WriteTxnMarkers",
        versions=range(1, 3),
        judge=judge,
        record=Record.EVENT,
        parameters=_marked,
        gives_away="nothing: it repeats what was asked",
        needs=(Action.PRODUCER_EDIT, Action.TOPIC_EDIT),
    ),
)
