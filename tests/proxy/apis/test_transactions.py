"""InitProducerId, AddPartitionsToTxn, AddOffsetsToTxn, EndTxn."""

from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from kordon_protocol.codec import request_type
from kordon_protocol.keys import ApiKey
from kordon_proxy.apis.transactions import APIS
from kordon_proxy.judging.entries import make, struct_type
from kordon_proxy.judging.may import May
from kordon_proxy.judging.verdict import RELAY, Forward
from tests.proxy.apis.messages import a_request
from tests.proxy.apis.verdicts import answered, refused
from tests.proxy.judging.worlds import make_may

POLICY = """
policies:
- {{resource: [cluster, "*", transactional-id, "acme-*"], effect: Allow, actions: [TRANSACTION_PRODUCE], role: devs}}
- {{resource: [cluster, "*", transactional-id, "acme-no"], effect: Deny, actions: [TRANSACTION_PRODUCE], role: devs}}
- {{resource: [cluster, "*", topic, "acme.a"], effect: Allow, actions: [TOPIC_PRODUCE, TOPIC_INSPECT], role: devs}}
- {{resource: [cluster, "*", group, "acme-*"], effect: Allow, actions: [GROUP_CONSUME], role: devs}}
- {{resource: [cluster, "*", group, "acme-*"], effect: Allow, actions: [GROUP_EDIT], role: owners}}
- {{resource: [cluster, "*", group, "acme-no"], effect: Deny, actions: [GROUP_CONSUME, GROUP_EDIT], role: "*"}}
- {{resource: [cluster, "*", transactional-id, "*"], effect: Allow, actions: [TRANSACTION_PRODUCE], role: idle}}
tenants:
- name: acme
  roles: [devs, owners, idle]
  outside_view: {outside}
  resources:
  - include:
    - [cluster, "*", topic, "acme.*"]
    - [cluster, "*", group, "acme-*"]
    - [cluster, "*", transactional-id, "acme-*"]
"""
TOPICS = ("acme.a", "acme.b", "globex.pay")
JUDGES = {api.key: api.judge for api in APIS}
ROWS = {api.key: api for api in APIS}
INIT, ADD, ADD_OFFSETS = ApiKey.INIT_PRODUCER_ID, ApiKey.ADD_PARTITIONS_TO_TXN, ApiKey.ADD_OFFSETS_TO_TXN
END, COMMIT = ApiKey.END_TXN, ApiKey.TXN_OFFSET_COMMIT
NONE, UTP = ErrorCode.none, ErrorCode.unknown_topic_or_partition
TAF, GAF = ErrorCode.topic_authorization_failed, ErrorCode.group_authorization_failed
XAF, CAF = ErrorCode.transactional_id_authorization_failed, ErrorCode.cluster_authorization_failed
NOT_ATTEMPTED = ErrorCode.operation_not_attempted
FOREIGN = ["globex-t", "nobody-t", "acme-no"]
"""Ids of somebody else, of nobody, and in the view but denied."""


def a_may(roles: tuple[str, ...] = ("devs",), outside: str = "not_found", **world: Any) -> May:
    return make_may(POLICY.format(outside=outside), roles, **({"topics": TOPICS} | world))


def judge(request: Any, may: May) -> Any:
    found = JUDGES[request.__api_key__]
    assert found is not None
    return found(request, may)


# ---- producer ids


@pytest.mark.known_fault(6)
@pytest.mark.parametrize("version", range(6))
@pytest.mark.parametrize("transactional_id", [None, "acme-t"])
def test_whoever_may_produce_to_some_topic_gets_a_producer_id(version: int, transactional_id: str | None) -> None:
    assert judge(a_request(INIT, version, transactional_id=transactional_id), a_may()) == Forward(RELAY)


@pytest.mark.parametrize("version", range(6))
@pytest.mark.parametrize("transactional_id", FOREIGN)
@pytest.mark.parametrize("outside", ["not_found", "denied"])
def test_a_producer_of_somebody_else_is_not_fenced(version: int, transactional_id: str, outside: str) -> None:
    may = a_may(outside=outside)
    answer = answered(judge(a_request(INIT, version, transactional_id=transactional_id), may))
    assert (answer.error_code, answer.producer_id) == (XAF, -1)
    assert [name for _, name in refused(may)] == [transactional_id]


@pytest.mark.known_fault(22)
@pytest.mark.parametrize("version", range(6))
@pytest.mark.parametrize(("transactional_id", "code"), [(None, CAF), ("acme-t", XAF)])
def test_whoever_may_produce_to_no_topic_gets_no_producer_id(
    version: int, transactional_id: str | None, code: ErrorCode
) -> None:
    may = a_may(("idle",))
    assert answered(judge(a_request(INIT, version, transactional_id=transactional_id), may)).error_code is code
    assert refused(may) == [("denied", None)]


@pytest.mark.known_fault(6)
def test_an_idempotent_producer_may_begin_before_its_first_topic_exists() -> None:
    # A refusal is fatal to producers, and a producer id alone gives nothing.
    may = a_may(topics=("globex.pay",))
    assert isinstance(judge(a_request(INIT, 5, transactional_id=None), may), Forward)


def test_two_phase_commit_is_not_admitted() -> None:
    assert ROWS[INIT].versions == range(6)


# ---- adding partitions


def adding(version: int, *topics: str, transactional_id: str = "acme-t") -> Any:
    kind = struct_type(request_type(ADD, version), "v3_and_below_topics")
    return a_request(
        ADD,
        version,
        v3_and_below_transactional_id=transactional_id,
        v3_and_below_topics=tuple(make(kind, name=name, partitions=(0, 1)) for name in topics),
    )


def added(response: Any) -> list[tuple[str, ErrorCode]]:
    for topic in response.results_by_topic_v3_and_below:
        assert [one.partition_index for one in topic.results_by_partition] == [0, 1]
        assert len({one.partition_error_code for one in topic.results_by_partition}) == 1
    return [
        (topic.name, topic.results_by_partition[0].partition_error_code)
        for topic in response.results_by_topic_v3_and_below
    ]


@pytest.mark.parametrize("version", range(4))
def test_partitions_that_may_be_produced_to_are_added(version: int) -> None:
    assert judge(adding(version, "acme.a"), a_may()) == Forward(RELAY)


@pytest.mark.parametrize("version", range(4))
def test_adding_partitions_is_all_or_nothing(version: int) -> None:
    answer = answered(judge(adding(version, "acme.a", "acme.b", "globex.pay", "globex.none"), a_may()))
    assert added(answer) == [
        ("acme.a", NOT_ATTEMPTED),
        ("acme.b", TAF),
        ("globex.pay", UTP),
        ("globex.none", UTP),
    ]


@pytest.mark.parametrize("version", range(4))
def test_what_is_wrong_with_the_others_is_told_too(version: int) -> None:
    """As `KafkaApis.handleAddPartitionsToTxnRequest` does, which takes internal topics for forbidden ones."""
    policy = POLICY.format(outside="not_found").replace('topic, "acme.a"]', 'topic, "*"]', 1)
    policy = policy.replace(
        '- [cluster, "*", topic, "acme.*"]', '- [cluster, "*", topic, "*"]\n    - [cluster, "*", topic, "__*"]'
    )
    may = make_may(policy + '  - exclude: [cluster, "*", topic, "globex.*"]\n', topics=(*TOPICS, "__offsets"))
    kind = struct_type(request_type(ADD, version), "v3_and_below_topics")
    asked = {"acme.a": (0, 3, -1), "acme.none": (0,), "__offsets": (0,), "globex.pay": (0,)}
    request = a_request(
        ADD,
        version,
        v3_and_below_transactional_id="acme-t",
        v3_and_below_topics=tuple(make(kind, name=name, partitions=indexes) for name, indexes in asked.items()),
    )

    answer = answered(judge(request, may))

    assert {
        topic.name: [one.partition_error_code for one in topic.results_by_partition]
        for topic in answer.results_by_topic_v3_and_below
    } == {"acme.a": [NOT_ATTEMPTED, UTP, UTP], "acme.none": [UTP], "__offsets": [TAF], "globex.pay": [UTP]}


@pytest.mark.parametrize("version", range(4))
@pytest.mark.parametrize("transactional_id", FOREIGN)
def test_nothing_is_added_under_an_id_of_somebody_else(version: int, transactional_id: str) -> None:
    answer = answered(judge(adding(version, "acme.a", "acme.b", transactional_id=transactional_id), a_may()))
    assert added(answer) == [("acme.a", XAF), ("acme.b", XAF)]


def test_adding_partitions_as_a_broker_does_is_not_admitted() -> None:
    assert (ROWS[ADD].versions, ROWS[ADD].code) == (range(4), CAF)


# ---- adding a group, ending


@pytest.mark.parametrize("version", range(5))
@pytest.mark.parametrize(
    ("transactional_id", "group", "code"),
    [
        ("globex-t", "acme-g", XAF),
        ("acme-no", "acme-g", XAF),
        ("acme-t", "globex-g", GAF),
        ("acme-t", "acme-no", GAF),
        ("globex-t", "globex-g", XAF),
    ],
)
def test_adding_a_group_needs_the_id_and_the_group(
    version: int, transactional_id: str, group: str, code: ErrorCode
) -> None:
    assert judge(a_request(ADD_OFFSETS, version, transactional_id="acme-t", group_id="acme-g"), a_may()) == Forward()
    request = a_request(ADD_OFFSETS, version, transactional_id=transactional_id, group_id=group)
    assert answered(judge(request, a_may())).error_code is code


@pytest.mark.parametrize("version", range(6))
def test_a_transaction_is_ended_by_whoever_may_use_its_id(version: int) -> None:
    assert judge(a_request(END, version, transactional_id="acme-t"), a_may()) == Forward(RELAY)
    for foreign in FOREIGN:
        assert answered(judge(a_request(END, version, transactional_id=foreign), a_may())).error_code is XAF
