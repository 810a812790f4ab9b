"""Produce (0): TOPIC_PRODUCE per topic; a transactional produce also needs its transactional id.

Versions: names up to v12, ids from v13; leader hints with addresses in the answer from v10 (KIP-951); from v12 a
transactional produce adds its partitions to the transaction by itself (KIP-890), so it is judged as that too.
Record bytes are never looked at: the request is scanned, and what is refused is cut out of it by its offsets.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from kordon_policy.actions import Action
from kordon_protocol.codec import request_type, response_type
from kordon_protocol.keys import ApiKey
from kordon_protocol.refusals import refusal as refusal_response
from kordon_protocol.scan import ProduceScan, ScannedTopic, produce_request_without, scan_produce_request

from .endpoints import at_our_addresses
from .entries import make, struct_type
from .may import May, Refusal
from .parts import in_order, name_or_id
from .table import Api, Record
from .texts import without_free_text
from .verdict import Answer, Forward, Mended, Rewrite, Verdict


@dataclass(frozen=True, slots=True)
class ScannedProduce:
    """A Produce request of which only the structure was read."""

    version: int
    frame: bytes
    scan: ProduceScan


def scan(version: int, frame: bytes, offset: int) -> ScannedProduce:
    return ScannedProduce(version, frame, scan_produce_request(version, frame, offset))


def has_answer(request: ScannedProduce) -> bool:
    """With acks=0 no response exists, not even for errors: a frame would be taken for the next request's answer."""
    return bool(request.scan.acks != 0)


def judge(request: ScannedProduce, may: May) -> Verdict:
    refused = _refused(request.scan, may)
    if request.scan.topics and not refused:
        if request.scan.exact:
            return Forward(MENDED)
        return Rewrite(produce_request_without(request.scan, request.frame, lambda _: True), MENDED)
    keep = [topic for topic in request.scan.topics if topic.start not in refused]
    silent = not has_answer(request)
    if not keep:  # nothing is allowed, or nothing is named: then the broker need not hear of the transactional id
        return Answer(None if silent else _answer(request, request.scan.topics, refused))
    body = produce_request_without(request.scan, request.frame, lambda topic: topic.start not in refused)
    return Rewrite(body, MENDED if silent else Mended(_put_back(request, refused)))


def _refused(scan: ProduceScan, may: May) -> dict[int, Refusal]:
    """Refusals by the place of the topic in the request."""
    if scan.transactional_id is not None:
        refusal = may.transact(scan.transactional_id)
        if refusal is not None:
            return {topic.start: refusal for topic in scan.topics}
    refused = {}
    for topic in scan.topics:
        refusal = (
            may.topic_id(Action.TOPIC_PRODUCE, topic.topic_id)
            if topic.name is None
            else may.topic(Action.TOPIC_PRODUCE, topic.name)
        )
        if refusal is not None:
            refused[topic.start] = refusal
    return refused


def _answer(request: ScannedProduce, topics: Iterable[ScannedTopic], refused: dict[int, Refusal]) -> Any:
    """A response that holds exactly the refused topics."""
    answers = [_refuse_topic(request, topic, refused[topic.start]) for topic in topics if topic.start in refused]
    entries = tuple(entry for answer in answers for entry in answer.responses)
    return make(response_type(ApiKey.PRODUCE, request.version), throttle_time=timedelta(), responses=entries)


def _refuse_topic(request: ScannedProduce, topic: ScannedTopic, refusal: Refusal) -> Any:
    kind = request_type(ApiKey.PRODUCE, request.version)
    topic_kind = struct_type(kind, "topic_data")
    partition_kind = struct_type(topic_kind, "partition_data")
    lean = make(
        kind,
        acks=request.scan.acks,
        topic_data=(
            make(
                topic_kind,
                name=topic.name,
                topic_id=topic.topic_id,
                partition_data=tuple(make(partition_kind, index=partition.index) for partition in topic.partitions),
            ),
        ),
    )
    return refusal_response(ApiKey.PRODUCE, request.version, lean, refusal.code, refusal.text)


def _put_back(request: ScannedProduce, refused: dict[int, Refusal]) -> Any:
    order = {
        topic.topic_id if topic.name is None else topic.name: place for place, topic in enumerate(request.scan.topics)
    }

    def put_back(response: Any, may: May) -> Any:
        response = mend(response, may)
        said = _answer(request, request.scan.topics, refused).responses
        return replace(response, responses=in_order((*response.responses, *said), order, name_or_id))

    return put_back


def mend(response: Any, may: May) -> Any:
    """Leader hints at our addresses; constant texts. The same object in the usual case, where there is neither."""
    response = at_our_addresses(response, may)
    if response.__version__ < 8 or not any(_has_text(entry) for entry in response.responses):
        return response
    return replace(response, responses=tuple(_without_texts(topic) for topic in response.responses))


def _has_text(topic: Any) -> bool:
    return any(part.error_message is not None or part.record_errors for part in topic.partition_responses)


def _without_texts(topic: Any) -> Any:
    parts = []
    for part in topic.partition_responses:
        errors = tuple(replace(error, batch_index_error_message=None) for error in part.record_errors)
        parts.append(without_free_text(replace(part, record_errors=errors)))
    return replace(topic, partition_responses=tuple(parts))


MENDED = Mended(mend)

APIS = (
    Api(
        key=ApiKey.PRODUCE,
        name="Produce",
        versions=range(3, 14),
        judge=judge,
        record=Record.COUNTED,
        decode=scan,
        has_answer=has_answer,
    ),
)
