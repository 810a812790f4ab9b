"""DescribeProducers, DescribeTransactions, ListTransactions."""

from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from kordon_protocol.codec import encode, request_type, response_type
from kordon_protocol.keys import ApiKey
from kordon_protocol.odd_times import OddTimestamp
from kordon_proxy.apis.transaction_states import APIS
from kordon_proxy.judging.descriptions import DESCRIPTIONS
from kordon_proxy.judging.entries import make, struct_type
from kordon_proxy.judging.may import May
from kordon_proxy.judging.verdict import Forward
from tests.proxy.apis.messages import a_request, a_response
from tests.proxy.apis.verdicts import answered, forwarded, hides, mended, refused
from tests.proxy.judging.worlds import make_may

POLICY = """
policies:
- {{resource: [cluster, "*", topic, "acme.a"], effect: Allow, actions: [TOPIC_INSPECT], role: devs}}
tenants:
- name: acme
  roles: [devs]
  outside_view: {outside}
  resources:
  - include:
    - [cluster, "*", topic, "acme.*"]
    - [cluster, "*", transactional-id, "acme-*"]
"""
TOPICS = ("acme.a", "acme.b", "globex.pay")
ROWS = {api.key: api for api in APIS}
PRODUCERS, DESCRIBE, LIST = ApiKey.DESCRIBE_PRODUCERS, ApiKey.DESCRIBE_TRANSACTIONS, ApiKey.LIST_TRANSACTIONS
NONE, UTP, TAF = ErrorCode.none, ErrorCode.unknown_topic_or_partition, ErrorCode.topic_authorization_failed
NOT_FOUND, XAF = ErrorCode.transactional_id_not_found, ErrorCode.transactional_id_authorization_failed
VERSIONS = range(3)
OF_LIST = pytest.mark.parametrize("version", VERSIONS)
OUTSIDE = pytest.mark.parametrize("outside", ["not_found", "denied"])


def a_may(outside: str = "not_found", **world: Any) -> May:
    return make_may(POLICY.format(outside=outside), **({"topics": TOPICS} | world))


def judge(request: Any, may: May) -> Any:
    found = ROWS[request.__api_key__].judge
    assert found is not None
    return found(request, may)


# ---- producers


def asking_for(*topics: str) -> Any:
    kind = struct_type(request_type(PRODUCERS, 0), "topics")
    return a_request(PRODUCERS, 0, topics=tuple(make(kind, name=name, partition_indexes=(0, 1)) for name in topics))


def producers_of(name: str, *, code: ErrorCode = NONE, text: str | None = None) -> Any:
    """The broker's answer for a topic: a producer, or an error."""
    kind = struct_type(response_type(PRODUCERS, 0), "topics")
    entry = struct_type(kind, "partitions")
    producer = make(struct_type(entry, "active_producers"), producer_id=7, current_txn_start_offset=3)
    partitions = tuple(
        make(
            entry,
            partition_index=index,
            error_code=code,
            error_message=text,
            active_producers=() if code else (producer,),
        )
        for index in (0, 1)
    )
    return make(kind, name=name, partitions=partitions)


def test_who_writes_to_a_topic_is_for_whoever_may_read_it() -> None:
    may, request = a_may(), asking_for("globex.pay", "acme.a", "acme.b", "globex.none")
    verdict = judge(request, may)

    sent = forwarded(request, verdict)
    assert [topic.name for topic in sent.topics] == ["acme.a"]
    answer = mended(verdict, a_response(PRODUCERS, 0, topics=(producers_of("acme.a"),)), may)
    assert [topic.name for topic in answer.topics] == [topic.name for topic in request.topics]
    codes = [{part.error_code for part in topic.partitions} for topic in answer.topics]
    assert codes == [{UTP}, {NONE}, {TAF}, {UTP}]
    assert answer.topics[1] == producers_of("acme.a")
    assert {part.error_message for part in answer.topics[0].partitions} == {DESCRIPTIONS[UTP]}
    assert all("TOPIC_INSPECT" in part.error_message for part in answer.topics[2].partitions)
    assert refused(may) == [("hidden", "globex.pay"), ("denied", "acme.b"), ("hidden", "globex.none")]


@OUTSIDE
def test_who_writes_to_a_topic_of_others_is_not_asked(outside: str) -> None:
    code = TAF if outside == "denied" else UTP
    for name in ("globex.pay", "globex.none"):
        (topic,) = answered(judge(asking_for(name), a_may(outside))).topics
        assert {(part.error_code, part.error_message) for part in topic.partitions} == {(code, DESCRIPTIONS[code])}


def test_what_the_broker_says_in_words_is_not_passed_on() -> None:
    may, request = a_may(), asking_for("acme.a")
    said = a_response(PRODUCERS, 0, topics=(producers_of("acme.a", code=UTP, text="broker-7.internal has it"),))

    answer = mended(judge(request, may), said, may)

    assert {part.error_message for part in answer.topics[0].partitions} == {DESCRIPTIONS[UTP]}


# ---- descriptions


def described(name: str, *topics: str, code: ErrorCode = NONE) -> Any:
    """The broker's answer for a transactional id."""
    kind = struct_type(response_type(DESCRIBE, 0), "transaction_states")
    return make(
        kind,
        transactional_id=name,
        error_code=code,
        transaction_state="" if code else "Ongoing",
        transaction_start_time=OddTimestamp(-1),
        producer_id=7,
        topics=tuple(make(struct_type(kind, "topics"), topic=topic, partitions=(0, 1)) for topic in topics),
    )


def test_a_transaction_is_described_with_the_topics_that_the_view_holds() -> None:
    may, request = a_may(), a_request(DESCRIBE, 0, transactional_ids=("globex-t", "acme-t", "acme-none", "globex-t"))
    verdict = judge(request, may)

    sent = forwarded(request, verdict)
    assert sent.transactional_ids == ("acme-t", "acme-none")
    states = (
        described("acme-t", "globex.pay", "acme.b", "__consumer_offsets"),
        described("acme-none", code=NOT_FOUND),
    )
    answer = mended(verdict, a_response(DESCRIBE, 0, transaction_states=states), may)
    assert [(state.transactional_id, state.error_code) for state in answer.transaction_states] == [
        ("globex-t", NOT_FOUND),
        ("acme-t", NONE),
        ("acme-none", NOT_FOUND),
        ("globex-t", NOT_FOUND),
    ]
    assert answer.transaction_states[1] == described("acme-t", "acme.b")


def test_a_transaction_in_the_tenants_topics_alone_is_described_as_it_is() -> None:
    may, request = a_may(), a_request(DESCRIBE, 0, transactional_ids=("acme-t",))
    said = a_response(DESCRIBE, 0, transaction_states=(described("acme-t", "acme.a", "acme.b"),))

    verdict = judge(request, may)

    assert isinstance(verdict, Forward)
    assert mended(verdict, said, may) == said


@OUTSIDE
def test_a_transactional_id_of_others_is_one_that_does_not_exist(outside: str) -> None:
    for name in ("globex-t", "nobody-t"):
        (state,) = answered(judge(a_request(DESCRIBE, 0, transactional_ids=(name,)), a_may(outside))).transaction_states
        assert state == make(type(state), transactional_id=name, error_code=XAF if outside == "denied" else NOT_FOUND)


# ---- lists


def listed(version: int, *names: str, unknown: tuple[str, ...] = ()) -> Any:
    kind = struct_type(response_type(LIST, version), "transaction_states")
    states = tuple(make(kind, transactional_id=name, producer_id=len(name)) for name in names)
    return a_response(LIST, version, transaction_states=states, unknown_state_filters=unknown)


def names_in(answer: Any) -> list[str]:
    return [state.transactional_id for state in answer.transaction_states]


@OF_LIST
def test_a_list_is_cut_to_the_view(version: int) -> None:
    may = a_may()
    request = a_request(LIST, version, state_filters=("Ongoing", "Nonsense"), producer_id_filters=(6, 8))
    verdict = judge(request, may)

    assert forwarded(request, verdict) is request
    answer = mended(verdict, listed(version, "abba-t", "acme-t", "globex-t", unknown=("Nonsense",)), may)
    assert names_in(answer) == ["acme-t"]
    assert hides(answer, "globex")
    assert answer.unknown_state_filters == ("Nonsense",)


@OF_LIST
def test_a_list_of_the_tenants_own_is_left_as_it_is(version: int) -> None:
    may, request, said = a_may(), a_request(LIST, version), listed(version, "acme-a", "acme-b")
    verdict = judge(request, may)

    assert verdict.plan.mend(said, may) is said


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        (".*", ["acme-a", "acme-ab"]),
        ("acme-a", ["acme-a"]),  # the whole id
        ("(?i)ACME-.B", ["acme-ab"]),
        ("globex.*", []),
        ("", ["acme-a", "acme-ab"]),
        (None, ["acme-a", "acme-ab"]),
    ],
)
def test_a_pattern_is_for_the_tenants_own_ids_and_is_not_sent_on(pattern: str | None, names: list[str]) -> None:
    may, request = a_may(), a_request(LIST, 2, transactional_id_pattern=pattern, producer_id_filters=(7,))
    verdict = judge(request, may)

    sent = forwarded(request, verdict)
    assert not sent.transactional_id_pattern
    assert sent.producer_id_filters == (7,)
    assert names_in(mended(verdict, listed(2, "acme-a", "acme-ab", "globex-t"), may)) == names


@pytest.mark.parametrize("pattern", ["(", "a{9999}", "(?=x)", r"(a)\1"])
def test_a_pattern_that_cannot_be_read_is_told_as_kafka_does(pattern: str) -> None:
    answer = answered(judge(a_request(LIST, 2, transactional_id_pattern=pattern), a_may()))

    assert answer.error_code is ErrorCode.invalid_regular_expression
    assert answer.transaction_states == ()


def test_answers_are_the_same_bytes_whatever_exists() -> None:
    for request in (asking_for("globex.pay"), a_request(DESCRIBE, 0, transactional_ids=("globex-t",))):
        there, gone = (answered(judge(request, a_may(topics=topics))) for topics in (TOPICS, ("acme.a",)))
        assert encode(there) == encode(gone)
