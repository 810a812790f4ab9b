"""Transactions: InitProducerId (22), AddPartitionsToTxn (24), AddOffsetsToTxn (25), EndTxn (26), and the row of
`transaction_offsets`.

A transactional id needs TRANSACTION_PRODUCE, everywhere that it is named: with the second protocol (KIP-890) a client
never sends the two Add… requests, but Produce v12 and TxnOffsetCommit v5 do their work. An id comes into being by its
use, so outside the view it is refused. Getting a producer id also needs TOPIC_PRODUCE on some topic, with or without
an id.

AddPartitionsToTxn is all or nothing: where one topic is refused, nothing goes to the broker and the others are
answered OPERATION_NOT_ATTEMPTED, or with what is wrong with them besides. From v4 on it is for brokers, which check
nothing but that they are brokers, and so not admitted.

Whether a producer id belongs to the transactional id is for the coordinator to say, which is asked by each of these.
"""

from typing import Any, Final

from kio.schema.errors import ErrorCode

from kordon_policy.actions import Action, Kind
from kordon_protocol.keys import ApiKey
from kordon_proxy.judging.entries import answer_type, make, respond, struct_type
from kordon_proxy.judging.may import Access, May, Refusal, Ruling
from kordon_proxy.judging.parts import refuse
from kordon_proxy.judging.table import Api, Record
from kordon_proxy.judging.verdict import Answer, Forward, Verdict

from . import transaction_offsets

NOWHERE_TO_PRODUCE: Final = Refusal(ErrorCode.cluster_authorization_failed)
NO_TOPIC_FOR_ID: Final = Refusal(ErrorCode.transactional_id_authorization_failed)
FOR_BROKERS: Final = 4
"""The first version of AddPartitionsToTxn that only brokers send."""


def judge_init(request: Any, may: May) -> Verdict:
    transactional_id = request.transactional_id
    if transactional_id is not None:
        refusal = may.transact(transactional_id)
        if refusal is not None:
            return refuse(request, refusal)
    decision = may.any_topic(Action.TOPIC_PRODUCE)
    if decision.allowed:
        return Forward()
    refusal = NOWHERE_TO_PRODUCE if transactional_id is None else NO_TOPIC_FOR_ID
    may.note(Ruling(Access.DENIED, Action.TOPIC_PRODUCE, Kind.TOPIC, None, decision, refusal))
    return refuse(request, refusal)


def judge_add_partitions(request: Any, may: May) -> Verdict:
    refusal = may.transact(request.v3_and_below_transactional_id)
    if refusal is not None:
        return refuse(request, refusal)
    refusals = [may.topic(Action.TOPIC_PRODUCE, topic.name) for topic in request.v3_and_below_topics]
    if not any(refusals):
        return Forward()
    topics = zip(request.v3_and_below_topics, refusals, strict=True)
    results = tuple(_not_added(request, topic, refusal, may) for topic, refusal in topics)
    return Answer(respond(request, results_by_topic_v3_and_below=results))


def _not_added(request: Any, topic: Any, refusal: Refusal | None, may: May) -> Any:
    kind = struct_type(answer_type(request), "results_by_topic_v3_and_below")
    entry = struct_type(kind, "results_by_partition")

    def code(index: int) -> ErrorCode:
        return _why_not_added(may, topic.name, index) if refusal is None else refusal.code

    partitions = tuple(
        make(entry, partition_index=index, partition_error_code=code(index)) for index in topic.partitions
    )
    return make(kind, name=topic.name, results_by_partition=partitions)


def _why_not_added(may: May, name: str, index: int) -> ErrorCode:
    """What Kafka says of a partition that may be written to, in a request that fails for another."""
    topic = may.picture.topics.get(name)
    if topic is None or not 0 <= index < topic.partitions:
        return ErrorCode.unknown_topic_or_partition
    return ErrorCode.topic_authorization_failed if topic.internal else ErrorCode.operation_not_attempted


def judge_add_offsets(request: Any, may: May) -> Verdict:
    refusal = may.transact(request.transactional_id) or may.join(request.group_id)
    return Forward() if refusal is None else refuse(request, refusal)


def judge_end(request: Any, may: May) -> Verdict:
    refusal = may.transact(request.transactional_id)
    return Forward() if refusal is None else refuse(request, refusal)


OWN_PRODUCER: Final = "nothing: a producer id of its own"

APIS = (
    Api(
        key=ApiKey.INIT_PRODUCER_ID,
        name="InitProducerId",
        versions=range(6),
        judge=judge_init,
        record=Record.COUNTED,
        gives_away=OWN_PRODUCER,
        needs=(Action.TRANSACTION_PRODUCE, Action.TOPIC_PRODUCE),
    ),
    Api(
        key=ApiKey.ADD_PARTITIONS_TO_TXN,
        name="AddPartitionsToTxn",
        versions=range(FOR_BROKERS),
        judge=judge_add_partitions,
        code=ErrorCode.cluster_authorization_failed,  # as a broker says to whoever is none
        gives_away="nothing: it repeats what was asked",
        needs=(Action.TRANSACTION_PRODUCE, Action.TOPIC_PRODUCE),
    ),
    Api(
        key=ApiKey.ADD_OFFSETS_TO_TXN,
        name="AddOffsetsToTxn",
        versions=range(5),
        judge=judge_add_offsets,
        gives_away="nothing",
        needs=(Action.TRANSACTION_PRODUCE, Action.GROUP_CONSUME),
    ),
    Api(
        key=ApiKey.END_TXN,
        name="EndTxn",
        versions=range(6),
        judge=judge_end,
        record=Record.COUNTED,
        gives_away=OWN_PRODUCER,
        needs=(Action.TRANSACTION_PRODUCE,),
    ),
    *transaction_offsets.APIS,
)
