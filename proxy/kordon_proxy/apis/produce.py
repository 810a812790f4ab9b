"""Produce (0): TOPIC_PRODUCE per topic; a transactional produce also needs its transactional id.

Versions: names up to v12, ids from v13; leader hints with addresses in the answer from v10 (KIP-951); from v12 a
transactional produce adds its partitions to the transaction by itself (KIP-890), so it is judged as that too.
Record bytes are never looked at: the request is looked through for its names, and only where something is refused it
is scanned for the places where they stand, and cut.
"""

from collections.abc import Container, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, NamedTuple

from kordon_policy.actions import Action
from kordon_protocol.codec import request_type, response_type
from kordon_protocol.frames import PREFIX_SIZE, Collected
from kordon_protocol.keys import ApiKey
from kordon_protocol.refusals import refusal as refusal_response
from kordon_protocol.scan import (
    ProduceNames,
    ProduceScan,
    ScannedTopic,
    is_plain_produce_response,
    produce_names,
    produce_request_without,
    scan_produce_request,
)
from kordon_proxy.judging.endpoints import at_our_addresses
from kordon_proxy.judging.entries import make, struct_type
from kordon_proxy.judging.may import May, Refusal
from kordon_proxy.judging.parts import in_order, name_or_id
from kordon_proxy.judging.table import Api, Record
from kordon_proxy.judging.texts import without_free_text
from kordon_proxy.judging.verdict import Answer, Forward, Mended, Rewrite, Verdict


class ProduceRequest:
    """A Produce request of which only the structure is read, and no more of that than is asked for."""

    __slots__ = ("_collected", "_offset", "_scan", "names", "version")

    def __init__(self, version: int, collected: Collected, offset: int) -> None:
        self.version = version
        self._collected = collected
        self._offset = offset
        self._scan: tuple[bytes, ProduceScan] | None = None
        self.names = produce_names(version, collected.chunks, PREFIX_SIZE + offset) or self._scanned_names()

    def _scanned_names(self) -> ProduceNames:
        scan = self.scan
        topics = tuple(topic.topic_id if topic.name is None else topic.name for topic in scan.topics)
        return ProduceNames(scan.transactional_id, scan.acks, topics)

    @property
    def only_partition(self) -> int:
        """Where in the request's first chunk its only partition begins; 0 where it has more, or none."""
        return self.names.only

    @property
    def scan(self) -> ProduceScan:
        """Where everything stands in the frame."""
        return self._scanned()[1]

    @property
    def exact(self) -> bool:
        """Whether it may be passed on as it is."""
        return self._scan is None or self._scan[1].exact

    def without(self, left_out: Container[int]) -> list[bytes]:
        """The body in pieces, without the topics that begin at these places of the frame."""
        frame, scan = self._scanned()
        return produce_request_without(scan, frame, lambda topic: topic.start not in left_out)

    def _scanned(self) -> tuple[bytes, ProduceScan]:
        if self._scan is None:
            frame = self._collected.frame()
            self._scan = frame, scan_produce_request(self.version, frame, self._offset)
        return self._scan


class ProduceWithoutRecords(NamedTuple):
    """What is left of a request without its records: for those that say the same, and until the answer comes."""

    names: ProduceNames


def repeated(request: ProduceRequest) -> ProduceWithoutRecords | None:
    """What stands for a request of one partition, whatever its records are."""
    return kept(request) if request.only_partition else None


def kept(request: ProduceRequest) -> ProduceWithoutRecords:
    """What is kept until the answer comes: not the records, with which a client could fill the memory."""
    return ProduceWithoutRecords(request.names)


def has_answer(request: ProduceRequest | ProduceWithoutRecords) -> bool:
    """With acks=0 no response exists, not even for errors: a frame would be taken for the next request's answer."""
    return request.names.acks != 0


def judge(request: ProduceRequest, may: May) -> Verdict:
    refusals = _refusals(request.names, may)
    if request.names.topics and not any(refusals):
        return FORWARD if request.exact else Rewrite(request.without(()), MENDED)
    refused = {topic.start: refusal for topic, refusal in zip(request.scan.topics, refusals, strict=True) if refusal}
    silent = not has_answer(request)
    if len(refused) == len(refusals):  # nothing is allowed, or nothing is named: the broker need not hear of it
        return Answer(None if silent else _answer(request, refused))
    return Rewrite(request.without(refused), MENDED if silent else Mended(_put_back(request, refused)))


def _refusals(names: ProduceNames, may: May) -> list[Refusal | None]:
    """What keeps each topic from being written to, in the order of the request; None: nothing does."""
    if names.transactional_id is not None:
        refusal = may.transact(names.transactional_id)
        if refusal is not None:
            return [refusal] * len(names.topics)
    return [
        may.topic(Action.TOPIC_PRODUCE, topic) if isinstance(topic, str) else may.topic_id(Action.TOPIC_PRODUCE, topic)
        for topic in names.topics
    ]


def _answer(request: ProduceRequest, refused: Mapping[int, Refusal]) -> Any:
    """A response that holds exactly the refused topics, which are given by their places in the frame."""
    answers = [
        _refuse_topic(request, topic, refused[topic.start]) for topic in request.scan.topics if topic.start in refused
    ]
    entries = tuple(entry for answer in answers for entry in answer.responses)
    return make(response_type(ApiKey.PRODUCE, request.version), throttle_time=timedelta(), responses=entries)


def _refuse_topic(request: ProduceRequest, topic: ScannedTopic, refusal: Refusal) -> Any:
    kind = request_type(ApiKey.PRODUCE, request.version)
    topic_kind = struct_type(kind, "topic_data")
    partition_kind = struct_type(topic_kind, "partition_data")
    lean = make(
        kind,
        acks=request.names.acks,
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


def _put_back(request: ProduceRequest, refused: Mapping[int, Refusal]) -> Any:
    order = {topic: place for place, topic in enumerate(request.names.topics)}
    said = _answer(request, refused).responses  # now, as the request is not kept

    def put_back(response: Any, may: May) -> Any:
        response = mend(response, may)
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


MENDED: Final = Mended(mend, is_plain_produce_response)
FORWARD: Final = Forward(MENDED)

APIS = (
    Api(
        key=ApiKey.PRODUCE,
        name="Produce",
        versions=range(3, 14),
        judge=judge,
        gives_away="texts, which become constant; addresses of leaders, which become Kordon's",
        needs=(Action.TOPIC_PRODUCE, Action.TRANSACTION_PRODUCE),
        record=Record.COUNTED,
        decode=ProduceRequest,
        repeated=repeated,
        kept=kept,
        has_answer=has_answer,
    ),
)
