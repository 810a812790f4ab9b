"""TxnOffsetCommit."""

from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from kordon_protocol.codec import encode, request_type, response_type
from kordon_protocol.keys import ApiKey
from kordon_proxy.apis.transaction_offsets import APIS
from kordon_proxy.judging.connection import Connection
from kordon_proxy.judging.entries import make, struct_type
from kordon_proxy.judging.may import May
from kordon_proxy.judging.producers import PRODUCERS
from kordon_proxy.judging.table import Record
from kordon_proxy.judging.verdict import RELAY, Answer, Ask, Forward, Verdict
from tests.proxy.apis.messages import a_request, a_response
from tests.proxy.apis.verdicts import answered, forwarded, hides, mended
from tests.proxy.judging.worlds import make_may

POLICY = """
policies:
- {{resource: [cluster, "*", transactional-id, "acme-*"], effect: Allow, actions: [TRANSACTION_PRODUCE], role: devs}}
- {{resource: [cluster, "*", topic, "acme.a"], effect: Allow, actions: [TOPIC_INSPECT], role: devs}}
- {{resource: [cluster, "*", group, "acme-*"], effect: Allow, actions: [GROUP_CONSUME], role: devs}}
- {{resource: [cluster, "*", group, "acme-*"], effect: Allow, actions: [GROUP_EDIT], role: owners}}
- {{resource: [cluster, "*", group, "acme-no"], effect: Deny, actions: [GROUP_CONSUME, GROUP_EDIT], role: "*"}}
tenants:
- name: acme
  roles: [devs, owners]
  outside_view: {outside}
  resources:
  - include:
    - [cluster, "*", topic, "acme.*"]
    - [cluster, "*", group, "acme-*"]
    - [cluster, "*", transactional-id, "acme-*"]
"""
TOPICS = ("acme.a", "acme.b", "globex.pay")
(ROW,) = APIS
COMMIT, FIND, DESCRIBE = ApiKey.TXN_OFFSET_COMMIT, ApiKey.FIND_COORDINATOR, ApiKey.DESCRIBE_TRANSACTIONS
NONE, UTP = ErrorCode.none, ErrorCode.unknown_topic_or_partition
TAF, GAF = ErrorCode.topic_authorization_failed, ErrorCode.group_authorization_failed
XAF, NOT_ITS_OWN = ErrorCode.transactional_id_authorization_failed, ErrorCode.invalid_producer_id_mapping
GONE, NOT_FOUND = ErrorCode.coordinator_not_available, ErrorCode.transactional_id_not_found
PRODUCER = 7
ALL = pytest.mark.parametrize("version", range(6))


def a_may(roles: tuple[str, ...] = ("devs",), outside: str = "not_found", **world: Any) -> May:
    return make_may(POLICY.format(outside=outside), roles, **({"topics": TOPICS} | world))


def found(node: int = 2, *, code: ErrorCode = NONE) -> Any:
    """What a broker says of who coordinates a transactional id."""
    return a_response(FIND, 3, node_id=node, error_code=code)


def described(producer: int = PRODUCER, *, state: str = "Ongoing", code: ErrorCode = NONE) -> Any:
    """What the coordinator says of it."""
    kind = struct_type(response_type(DESCRIBE, 0), "transaction_states")
    one = make(kind, transactional_id="acme-t", producer_id=producer, transaction_state=state, error_code=code)
    return a_response(DESCRIBE, 0, transaction_states=(one,))


def asks(verdict: Verdict | Ask) -> Ask:
    assert isinstance(verdict, Ask)
    return verdict


def judge(request: Any, may: May) -> Verdict:
    """What becomes of a commit whose producer id is its own, as far as a coordinator is asked at all."""
    assert ROW.judge is not None
    verdict = ROW.judge(request, may)
    if isinstance(verdict, Ask):
        may.notes.clear()  # the session asks for rights anew, with each answer
        verdict = verdict.decide(found(), may)
    if isinstance(verdict, Ask):
        may.notes.clear()
        verdict = verdict.decide(described(), may)
    assert not isinstance(verdict, Ask)
    return verdict


def a_commit(
    version: int,
    *topics: str,
    transactional_id: str = "acme-t",
    group: str = "acme-g",
    generation: int = 5,
    producer: int = PRODUCER,
) -> Any:
    kind = struct_type(request_type(COMMIT, version), "topics")
    partition = struct_type(kind, "partitions")
    partitions = (make(partition, partition_index=0, committed_offset=7),)
    return a_request(
        COMMIT,
        version,
        transactional_id=transactional_id,
        group_id=group,
        generation_id=generation,
        member_id="m-1",
        producer_id=producer,
        topics=tuple(make(kind, name=name, partitions=partitions) for name in topics),
    )


def committed(response: Any) -> list[tuple[str, ErrorCode]]:
    return [(topic.name, one.error_code) for topic in response.topics for one in topic.partitions]


WITH_GENERATION = range(3, 6)


@pytest.mark.parametrize("version", WITH_GENERATION)
def test_a_member_commits_in_a_transaction_what_it_may_read(version: int) -> None:
    may = a_may()
    request = a_commit(version, "globex.pay", "acme.a", "acme.b")
    verdict = judge(request, may)
    sent = forwarded(request, verdict)
    assert [topic.name for topic in sent.topics] == ["acme.a"]
    assert hides(sent, "globex")
    kind = struct_type(response_type(COMMIT, version), "topics")
    partition = make(struct_type(kind, "partitions"), partition_index=0)
    said = a_response(COMMIT, version, topics=(make(kind, name="acme.a", partitions=(partition,)),))
    assert committed(mended(verdict, said, may)) == [("globex.pay", UTP), ("acme.a", NONE), ("acme.b", TAF)]
    assert ROW.record_for(request) is Record.COUNTED


@pytest.mark.parametrize("version", WITH_GENERATION)
@pytest.mark.parametrize(
    ("transactional_id", "group", "code"),
    [("globex-t", "acme-g", XAF), ("acme-t", "globex-g", GAF), ("acme-t", "acme-no", GAF)],
)
def test_committing_in_a_transaction_needs_the_id_and_the_group(
    version: int, transactional_id: str, group: str, code: ErrorCode
) -> None:
    request = a_commit(version, "acme.a", "acme.b", transactional_id=transactional_id, group=group)
    assert committed(answered(judge(request, a_may()))) == [("acme.a", code), ("acme.b", code)]


@pytest.mark.parametrize("version", range(6))
def test_a_commit_of_no_member_is_an_edit_in_a_transaction_too(version: int) -> None:
    request = a_commit(version, "acme.a", generation=-1)
    assert committed(answered(judge(request, a_may()))) == [("acme.a", GAF)]
    assert judge(request, a_may(("devs", "owners"))) == Forward(RELAY)
    assert ROW.record_for(request) is Record.EVENT


@pytest.mark.parametrize("version", range(6))
@pytest.mark.parametrize("outside", ["not_found", "denied"])
def test_names_of_others_and_of_nobody_are_answered_alike(version: int, outside: str) -> None:
    for name in ("globex.pay", "nobodys.pay"):
        answer = answered(judge(a_commit(version, name), a_may(("devs", "owners"), outside)))
        assert committed(answer) == [(name, TAF if outside == "denied" else UTP)]
    request = a_commit(version, "globex.pay")
    there = answered(judge(request, a_may(("devs", "owners"), outside)))
    gone = answered(judge(request, a_may(("devs", "owners"), outside, topics=("acme.a",))))
    assert encode(there) == encode(gone)


# ---- whose producer id it is


@ALL
def test_the_coordinator_is_asked_whose_producer_id_it_is_once_on_a_connection(version: int) -> None:
    connection = Connection()
    may, request = a_may(("devs", "owners"), connection=connection), a_commit(version, "acme.a", generation=-1)
    assert ROW.judge is not None

    first = asks(ROW.judge(request, may))
    assert (first.question, first.broker_id) == (a_request(FIND, 3, key="acme-t", key_type=1), None)
    second = asks(first.decide(found(2), may))
    assert (second.question, second.broker_id) == (a_request(DESCRIBE, 0, transactional_ids=("acme-t",)), 2)
    assert second.decide(described(), may) == Forward(RELAY)

    assert ROW.judge(request, may) == Forward(RELAY)
    asks(ROW.judge(a_commit(version, "acme.a", generation=-1, producer=8), may))
    asks(ROW.judge(a_commit(version, "acme.a", generation=-1, transactional_id="acme-u"), may))


@ALL
@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (described(8), NOT_ITS_OWN),
        (described(8, state="Empty"), NOT_ITS_OWN),
        (described(code=NOT_FOUND), NOT_ITS_OWN),
        # As soon as it is committed the producer may know its next id, and the coordinator still tell the last one.
        (described(8, state="PrepareCommit"), ErrorCode.concurrent_transactions),
        (described(8, state="PrepareAbort"), ErrorCode.concurrent_transactions),
        (described(code=ErrorCode.not_coordinator), GONE),
        (described(code=ErrorCode.coordinator_load_in_progress), GONE),
        (described(code=XAF), XAF),
        (None, GONE),
    ],
)
def test_a_producer_id_that_is_not_its_own_commits_nothing(version: int, answer: Any, code: ErrorCode) -> None:
    connection = Connection()
    may, request = a_may(("devs", "owners"), connection=connection), a_commit(version, "acme.a", "acme.b")
    assert ROW.judge is not None

    asked = asks(asks(ROW.judge(request, may)).decide(found(), may))
    refused = asked.decide(answer, may)

    assert isinstance(refused, Answer)
    assert committed(answered(refused)) == [("acme.a", code), ("acme.b", code)]
    assert len(connection.producers) == 0


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (found(-1, code=GONE), GONE),
        (found(-1, code=ErrorCode.unknown_server_error), GONE),
        (found(code=XAF), XAF),
        (None, GONE),
    ],
)
def test_where_nobody_knows_the_coordinator_clients_try_again(answer: Any, code: ErrorCode) -> None:
    may, request = a_may(), a_commit(5, "acme.a")
    assert ROW.judge is not None

    refused = asks(ROW.judge(request, may)).decide(answer, may)

    assert isinstance(refused, Answer)
    assert committed(answered(refused)) == [("acme.a", code)]


@pytest.mark.parametrize("places", [1, 2])
def test_it_is_decided_by_the_rights_of_the_moment_when_the_coordinator_has_answered(places: int) -> None:
    request, before, after = a_commit(5, "acme.a"), a_may(), a_may(("owners",))
    assert ROW.judge is not None

    verdict = asks(ROW.judge(request, before)).decide(found(), before if places == 2 else after)
    if places == 2:
        verdict = asks(verdict).decide(described(), after)

    assert isinstance(verdict, Answer)
    assert committed(answered(verdict)) == [("acme.a", XAF)]


def test_nobody_is_asked_where_nothing_is_committed() -> None:
    assert ROW.judge is not None
    for request in (
        a_commit(5, "globex.pay", "acme.b"),
        a_commit(5, "acme.a", group="globex-g"),
        a_commit(5, "acme.a", transactional_id="globex-t"),
    ):
        assert isinstance(ROW.judge(request, a_may()), Answer)


def test_what_is_known_of_producers_is_bounded() -> None:
    known = Connection().producers
    for number in range(PRODUCERS + 1):
        known.keep("acme-t", number)

    assert len(known) == PRODUCERS
    assert not known.knows("acme-t", 0)
    assert known.knows("acme-t", PRODUCERS)
