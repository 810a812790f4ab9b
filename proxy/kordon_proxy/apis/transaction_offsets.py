"""TxnOffsetCommit (28): offsets of a group, in a transaction.

It takes what a commit takes (`offsets`), and TRANSACTION_PRODUCE on the transactional id. From v5 on it adds the group
to the transaction by itself (KIP-890), so it is judged as that too. Without a generation (all up to v2, and -1 later)
it comes from no member, and the coordinator accepts it even while the group has members: as any commit of that kind it
needs GROUP_EDIT, in place of GROUP_CONSUME.

*Whose producer id.* The group's coordinator asks that of the transaction's coordinator, but not while this producer
has offsets in this partition already (`ReplicaManager.maybeSendPartitionToTransactionCoordinator`): who guesses the
numbers of another would commit his own offsets in the other's transaction, and so learn of it and of its end. Kordon
asks it before, once for each producer of a connection.
"""

from functools import partial
from typing import Any, Final

from kio.schema.errors import ErrorCode

from kordon_policy.actions import Action
from kordon_protocol.codec import request_type
from kordon_protocol.keys import ApiKey
from kordon_proxy.judging.entries import make
from kordon_proxy.judging.group_topics import committed_topics
from kordon_proxy.judging.may import May, Refusal
from kordon_proxy.judging.parts import refuse
from kordon_proxy.judging.table import Api, Record
from kordon_proxy.judging.verdict import Answer, Ask, Verdict

from .offsets import committed, judge_committed_topics, may_commit

TRANSACTION: Final = 1
"""The key type of transactional ids in FindCoordinator."""
PREPARING: Final = frozenset({"PrepareCommit", "PrepareAbort"})
"""States in which a producer may have been told its next id while the coordinator still tells the last one."""
NOT_TOLD: Final = Refusal(ErrorCode.coordinator_not_available)
NOT_YET: Final = Refusal(ErrorCode.concurrent_transactions)
NOT_ITS_OWN: Final = Refusal(ErrorCode.invalid_producer_id_mapping)
DENIED: Final = Refusal(ErrorCode.transactional_id_authorization_failed)


def judge(request: Any, may: May) -> Verdict | Ask:
    verdict = _judge_rights(request, may)
    known = may.connection.producers.knows(request.transactional_id, request.producer_id)
    if known or isinstance(verdict, Answer):
        return verdict
    question = make(request_type(ApiKey.FIND_COORDINATOR, 3), key=request.transactional_id, key_type=TRANSACTION)
    return Ask(question, partial(_ask_coordinator, request))


def _judge_rights(request: Any, may: May) -> Verdict:
    edit = is_edit(request)
    refusal = may.transact(request.transactional_id) or may_commit(may, request.group_id, edit=edit)
    if refusal is not None:
        return refuse(request, refusal)
    return judge_committed_topics(request, may, edit=edit)


def is_edit(request: Any) -> bool:
    """Whether this commit comes from no member of the group."""
    return bool(getattr(request, "generation_id", -1) < 0)


def _ask_coordinator(request: Any, answer: Any, may: May) -> Verdict | Ask:
    verdict = _judge_rights(request, may)  # rights may have changed meanwhile
    if isinstance(verdict, Answer):
        return verdict
    if answer is None or answer.error_code is not ErrorCode.none:
        return refuse(request, _untold(answer))
    question = make(request_type(ApiKey.DESCRIBE_TRANSACTIONS, 0), transactional_ids=(request.transactional_id,))
    return Ask(question, partial(_knowing, request), answer.node_id)


def _knowing(request: Any, answer: Any, may: May) -> Verdict:
    verdict = _judge_rights(request, may)
    if isinstance(verdict, Answer):
        return verdict
    refusal = _why_not_its_own(request, answer)
    if refusal is not None:
        return refuse(request, refusal)
    may.connection.producers.keep(request.transactional_id, request.producer_id)
    return verdict


def _why_not_its_own(request: Any, answer: Any) -> Refusal | None:
    """As Kafka says of a producer id that is not the transactional id's. None: it is."""
    if answer is None:
        return NOT_TOLD
    (state,) = answer.transaction_states
    if state.error_code is ErrorCode.transactional_id_not_found:
        return NOT_ITS_OWN
    if state.error_code is not ErrorCode.none:
        return _untold(state)
    if state.producer_id == request.producer_id:
        return None
    return NOT_YET if state.transaction_state in PREPARING else NOT_ITS_OWN


def _untold(answer: Any) -> Refusal:
    """Clients look for the coordinator again, unless the brokers do not tell Kordon for good."""
    denied = answer is not None and answer.error_code is DENIED.code
    return DENIED if denied else NOT_TOLD


APIS = (
    Api(
        key=ApiKey.TXN_OFFSET_COMMIT,
        name="TxnOffsetCommit",
        versions=range(6),
        of_its_moment=True,
        judge=judge,
        record_of=lambda request: Record.EVENT if is_edit(request) else Record.COUNTED,
        parameters=committed,
        reads=committed_topics,
        gives_away="nothing: it repeats what was asked",
        needs=(Action.TRANSACTION_PRODUCE, Action.GROUP_CONSUME, Action.GROUP_EDIT, Action.TOPIC_INSPECT),
    ),
)
