"""WriteTxnMarkers."""

from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from kordon_protocol.codec import request_type, response_type
from kordon_protocol.keys import ApiKey
from kordon_proxy.apis.transaction_markers import APIS
from kordon_proxy.judging.entries import make, struct_type
from kordon_proxy.judging.may import May
from kordon_proxy.judging.table import Record
from kordon_proxy.judging.verdict import RELAY, Forward
from tests.proxy.apis.messages import a_request, a_response
from tests.proxy.apis.verdicts import answered, forwarded, mended, refused
from tests.proxy.judging.worlds import make_may

POLICY = """
admin_roles: [root]
policies:
- {{resource: [cluster, "*"], effect: Allow, actions: [PRODUCER_EDIT], roles: [owners, root]}}
- {{resource: [cluster, "*", topic, "*"], effect: Allow, actions: [TOPIC_EDIT], roles: [owners, devs, root]}}
- {{resource: [cluster, "*", topic, "acme.no"], effect: Deny, actions: [TOPIC_EDIT], role: "*"}}
- {{resource: [cluster, "*", transactional-id, "*"], effect: Allow, actions: [PRODUCER_EDIT], role: devs}}
tenants:
- name: acme
  roles: [owners, devs, root]
  resources: {resources}
"""
ALL = '[{include: ["*"]}]'
WITHOUT_A_TOPIC = '[{include: ["*"]}, {exclude: [cluster, "*", topic, "globex.*"]}]'
WITHOUT_AN_ID = '[{include: ["*"]}, {exclude: [cluster, "*", transactional-id, "globex-*"]}]'
WITHOUT_A_GROUP = '[{include: ["*"]}, {exclude: [cluster, "*", group, "globex-*"]}]'
IN_PART = '[{include: [cluster, "*", topic, "*"]}, {include: [cluster, "*", transactional-id, "*"]}]'
TOPICS = ("acme.a", "acme.b", "acme.no", "globex.pay")
(ROW,) = APIS
KEY = ApiKey.WRITE_TXN_MARKERS
OF_ALL = pytest.mark.parametrize("version", range(1, 3))
NONE, UTP = ErrorCode.none, ErrorCode.unknown_topic_or_partition
TAF, CAF = ErrorCode.topic_authorization_failed, ErrorCode.cluster_authorization_failed
Answers = list[tuple[int, str, ErrorCode]]


def a_may(resources: str = ALL, role: str = "owners") -> May:
    return make_may(POLICY.format(resources=resources), (role,), topics=TOPICS)


def marking(version: int, *markers: tuple[int, tuple[str, ...]], committed: bool = False) -> Any:
    """Producer ids, each with the topics where its transaction is to end."""
    kind = struct_type(request_type(KEY, version), "markers")
    entry = struct_type(kind, "topics")
    return a_request(
        KEY,
        version,
        markers=tuple(
            make(
                kind,
                producer_id=producer,
                producer_epoch=3,
                transaction_result=committed,
                topics=tuple(make(entry, name=name, partition_indexes=(0, 1)) for name in topics),
            )
            for producer, topics in markers
        ),
    )


def marked(version: int, *markers: tuple[int, tuple[str, ...]]) -> Any:
    """The broker's answer: all is done."""
    kind = struct_type(response_type(KEY, version), "markers")
    entry = struct_type(kind, "topics")
    partitions = tuple(make(struct_type(entry, "partitions"), partition_index=index) for index in (0, 1))
    return a_response(
        KEY,
        version,
        markers=tuple(
            make(
                kind,
                producer_id=producer,
                topics=tuple(make(entry, name=name, partitions=partitions) for name in topics),
            )
            for producer, topics in markers
        ),
    )


def codes_in(response: Any) -> Answers:
    found = []
    for marker in response.markers:
        for topic in marker.topics:
            assert [part.partition_index for part in topic.partitions] == [0, 1]
            (code,) = {part.error_code for part in topic.partitions}
            found.append((marker.producer_id, topic.name, code))
    return found


def judge(request: Any, may: May) -> Any:
    assert ROW.judge is not None
    return ROW.judge(request, may)


@OF_ALL
@pytest.mark.parametrize("resources", [ALL, WITHOUT_A_TOPIC, WITHOUT_A_GROUP])
def test_who_may_edit_producers_of_the_whole_cluster_ends_their_transactions(version: int, resources: str) -> None:
    request = marking(version, (7, ("acme.a", "acme.b")))
    assert judge(request, a_may(resources)) == Forward(RELAY)
    assert ROW.record_for(request) is Record.EVENT


@OF_ALL
@pytest.mark.parametrize(
    ("resources", "role"),
    [
        (IN_PART, "owners"),  # not the whole cluster, whatever is in it
        (IN_PART, "root"),
        (WITHOUT_AN_ID, "owners"),  # it might be a producer of those
        (WITHOUT_AN_ID, "root"),
        (ALL, "devs"),  # may not edit producers of the whole cluster
    ],
)
def test_everybody_else_is_refused_as_who_may_not_alter_the_cluster(version: int, resources: str, role: str) -> None:
    may = a_may(resources, role)
    request = marking(version, (7, ("acme.a", "globex.pay")), (8, ("acme.b",)))

    answer = answered(judge(request, may))

    assert codes_in(answer) == [(7, "acme.a", CAF), (7, "globex.pay", CAF), (8, "acme.b", CAF)]
    assert [access for access, _ in refused(may)] == ["denied" if role == "devs" else "hidden"]


@OF_ALL
def test_topics_that_may_not_be_edited_are_left_out(version: int) -> None:
    may = a_may(WITHOUT_A_TOPIC)
    request = marking(version, (7, ("globex.pay", "acme.a")), (8, ("acme.no",)), (7, ("acme.b", "acme.no")))
    verdict = judge(request, may)

    sent = forwarded(request, verdict)
    assert [(marker.producer_id, [topic.name for topic in marker.topics]) for marker in sent.markers] == [
        (7, ["acme.a"]),
        (7, ["acme.b"]),
    ]
    assert {marker.producer_epoch for marker in sent.markers} == {3}
    # Brokers have one answer for each producer
    answer = mended(verdict, marked(version, (7, ("acme.a", "acme.b"))), may)
    assert codes_in(answer) == [
        (7, "acme.a", NONE),
        (7, "acme.b", NONE),
        (7, "globex.pay", UTP),
        (7, "acme.no", TAF),
        (8, "acme.no", TAF),
    ]


@OF_ALL
def test_where_nothing_may_be_edited_the_broker_hears_nothing(version: int) -> None:
    request = marking(version, (7, ("globex.pay", "globex.none")), (8, ()))
    answer = answered(judge(request, a_may(WITHOUT_A_TOPIC)))
    assert codes_in(answer) == [(7, "globex.pay", UTP), (7, "globex.none", UTP)]
    assert len(answer.markers) == 1


def test_the_audit_says_whose_transaction_ends_where_and_how() -> None:
    assert ROW.parameters is not None
    request = marking(2, (7, ("acme.a",)), committed=True)
    assert ROW.parameters(request, None) == {
        "markers": [{"producer_id": 7, "producer_epoch": 3, "committed": True, "partitions": ["acme.a-0", "acme.a-1"]}]
    }
