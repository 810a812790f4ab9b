"""ElectLeaders, AlterPartitionReassignments, ListPartitionReassignments."""

from collections.abc import Iterable
from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from kordon_policy.actions import Action, Kind
from kordon_policy.mutation_rights import Demand
from kordon_protocol.codec import encode
from kordon_protocol.keys import ApiKey
from kordon_protocol.outcomes import body_error_codes
from kordon_proxy.apis.replicas import APIS
from kordon_proxy.judging.approvals import demands_of
from kordon_proxy.judging.may import May
from kordon_proxy.judging.table import Record
from tests.proxy.apis.exchanges import never, pass_through, row
from tests.proxy.apis.messages import a_request, a_response, asked, said
from tests.proxy.apis.verdicts import refused
from tests.proxy.judging.worlds import make_may

ELECT = row(APIS, ApiKey.ELECT_LEADERS)
MOVE = row(APIS, ApiKey.ALTER_PARTITION_REASSIGNMENTS)
LIST = row(APIS, ApiKey.LIST_PARTITION_REASSIGNMENTS)
POLICY = """
policies:
  - resource: [cluster, "*", topic, "acme.*"]
    effect: Allow
    actions: [TOPIC_ELECT_LEADER, TOPIC_ALTER_REASSIGNMENTS]
    role: devs
  - resource: [cluster, "*", topic, "acme.keep"]
    effect: Deny
    actions: [TOPIC_ELECT_LEADER, TOPIC_ALTER_REASSIGNMENTS]
    role: devs
  - resource: [cluster, "*", topic, "acme.ask"]
    effect: Stage
    actions: [TOPIC_ELECT_LEADER, TOPIC_ALTER_REASSIGNMENTS]
    role: devs
tenants:
  - name: acme
    resources: &acme
      - include: [[cluster, "*", topic, "acme.*"], [cluster, "*", broker, "1"], [cluster, "*", broker, "2"]]
    roles: [devs, nobody]
  - {name: strict, resources: *acme, roles: [devs], outside_view: denied}
"""
TOPICS = ("acme.a", "acme.ask", "acme.b", "acme.keep", "globex.pay")
NONE = ErrorCode.none
CAF = ErrorCode.cluster_authorization_failed
UTP = ErrorCode.unknown_topic_or_partition
STAGED = ErrorCode.policy_violation


def of(role: str = "devs", tenant: str = "acme") -> May:
    return make_may(POLICY, (role,), tenant, topics=TOPICS)


def codes(message: Any) -> list[ErrorCode]:
    return [ErrorCode(code) for _, code in body_error_codes(message)]


def top(message: Any) -> ErrorCode:
    code: ErrorCode = message.error_code
    return code


# ElectLeaders


def electing(version: int, *topics: str, partitions: Iterable[int] = (0, 1), election_type: int = 0) -> Any:
    entries = tuple(
        asked(ELECT.key, version, "topic_partitions", topic=name, partitions=tuple(partitions)) for name in topics
    )
    return a_request(ELECT.key, version, topic_partitions=entries, election_type=election_type)


def electing_all(version: int) -> Any:
    return a_request(ELECT.key, version, topic_partitions=None)


def elector(request: Any, *, needless: Iterable[int] = (), gone: Iterable[str] = ()) -> Any:
    """Answers in the order of the request, as the controller does."""
    version = request.__version__

    def result(topic: str, partition: int) -> Any:
        code = UTP if topic in gone else ErrorCode.election_not_needed if partition in needless else NONE
        text = None if code is NONE else f"said of globex.pay and {topic}"
        return said(
            ELECT.key,
            version,
            "replica_election_results",
            "partition_result",
            partition_id=partition,
            error_code=code,
            error_message=text,
        )

    results = (
        said(
            ELECT.key,
            version,
            "replica_election_results",
            topic=one.topic,
            partition_result=tuple(result(one.topic, partition) for partition in one.partitions),
        )
        for one in request.topic_partitions
    )
    return a_response(ELECT.key, version, replica_election_results=tuple(results))


def elected(response: Any) -> list[tuple[str, list[ErrorCode]]]:
    return [
        (topic.topic, [result.error_code for result in topic.partition_result])
        for topic in response.replica_election_results
    ]


@pytest.mark.parametrize("version", ELECT.versions)
def test_leaders_are_elected_where_they_may_be_and_the_rest_is_refused_in_its_place(version: int) -> None:
    may = of()
    request = electing(version, "acme.keep", "acme.a", "globex.pay", "acme.ask", "acme.b", "acme.a")

    passage = pass_through(ELECT, request, may, elector)

    assert [topic.topic for topic in passage.heard.topic_partitions] == ["acme.a", "acme.b", "acme.a"]
    assert elected(passage.got) == [
        ("acme.keep", [CAF] * 2),
        ("acme.a", [NONE] * 2),
        ("globex.pay", [UTP] * 2),
        ("acme.ask", [STAGED] * 2),
        ("acme.b", [NONE] * 2),
        ("acme.a", [NONE] * 2),
    ]
    assert version == 0 or top(passage.got) is NONE
    assert refused(may) == [("denied", "acme.keep"), ("hidden", "globex.pay"), ("staged", "acme.ask")]


@pytest.mark.parametrize("version", ELECT.versions)
def test_where_no_election_is_allowed_the_top_says_so_too(version: int) -> None:
    got = pass_through(ELECT, electing(version, "acme.a", "acme.b"), of("nobody"), never).got

    assert elected(got) == [("acme.a", [CAF] * 2), ("acme.b", [CAF] * 2)]
    assert version == 0 or top(got) is CAF
    texts = {result.error_message for topic in got.replica_election_results for result in topic.partition_result}
    assert texts == {
        "no policy allows TOPIC_ELECT_LEADER on topic acme.a to role nobody",
        "no policy allows TOPIC_ELECT_LEADER on topic acme.b to role nobody",
    }


@pytest.mark.parametrize("version", ELECT.versions)
@pytest.mark.parametrize(("tenant", "code"), [("acme", UTP), ("strict", CAF)])
def test_elections_of_a_foreign_topic_are_those_of_a_missing_one(version: int, tenant: str, code: ErrorCode) -> None:
    answers = [
        pass_through(ELECT, electing(version, name), of(tenant=tenant), never).got
        for name in ("globex.pay", "globex.nop")
    ]

    assert encode(answers[0]).replace(b"pay", b"nop") == encode(answers[1])
    assert {one for one in codes(answers[0]) if one} == {code}


@pytest.mark.parametrize("version", ELECT.versions)
def test_elections_of_a_hidden_topic_are_answered_as_the_broker_answers_those_of_a_missing_one(version: int) -> None:
    hidden = pass_through(ELECT, electing(version, "globex.pa"), of(), never).got
    missing = pass_through(ELECT, electing(version, "acme.gone"), of(), lambda it: elector(it, gone=["acme.gone"])).got

    assert encode(hidden) == encode(missing).replace(b"acme.gone", b"globex.pa")


@pytest.mark.parametrize("version", ELECT.versions)
def test_an_election_everywhere_is_one_in_the_view(version: int) -> None:
    passage = pass_through(ELECT, electing_all(version), of(), lambda it: elector(it, needless=[0, 2]))

    assert [(one.topic, one.partitions) for one in passage.heard.topic_partitions] == [
        ("acme.a", (0, 1, 2)),
        ("acme.b", (0, 1, 2)),
    ]
    assert elected(passage.got) == [
        ("acme.a", [NONE]),
        ("acme.ask", [STAGED] * 3),
        ("acme.b", [NONE]),
        ("acme.keep", [CAF] * 3),
    ]
    assert b"globex" not in encode(passage.got)


@pytest.mark.parametrize("version", ELECT.versions)
def test_an_election_everywhere_has_no_word_for_a_topic_that_has_just_gone(version: int) -> None:
    got = pass_through(ELECT, electing_all(version), of(), lambda it: elector(it, gone=["acme.b"])).got

    assert dict(elected(got))["acme.b"] == []


@pytest.mark.parametrize("version", ELECT.versions)
def test_who_may_elect_nowhere_is_refused_everywhere_as_kafka_does(version: int) -> None:
    got = pass_through(ELECT, electing_all(version), of("nobody"), never).got

    assert elected(got) == []
    assert version == 0 or top(got) is CAF


@pytest.mark.parametrize("version", ELECT.versions)
def test_no_election_is_held_where_nothing_is_seen(version: int) -> None:
    may = make_may(POLICY, ("devs",), "acme", topics=("globex.pay",))

    passage = pass_through(ELECT, electing_all(version), may, elector)

    assert passage.heard is None or passage.heard.topic_partitions == ()
    assert elected(passage.got) == []
    assert codes(passage.got) == ([] if version == 0 else [NONE])


@pytest.mark.parametrize("version", ELECT.versions)
def test_what_the_controller_says_of_an_election_is_replaced(version: int) -> None:
    got = pass_through(ELECT, electing(version, "acme.a"), of(), lambda it: elector(it, needless=[1])).got

    ((first, second),) = (topic.partition_result for topic in got.replica_election_results)
    assert (first.error_message, second.error_message) == (None, "Leader election not needed for topic partition.")


def test_all_is_asked_for_on_a_fresh_picture() -> None:
    assert ELECT.needs_fresh_picture is not None
    assert ELECT.needs_fresh_picture(electing_all(2))
    assert not ELECT.needs_fresh_picture(electing(2, "acme.a"))


def test_the_audit_tells_what_kind_of_election_it_was() -> None:
    assert ELECT.parameters is not None
    assert ELECT.record_for(electing(2, "acme.a")) is Record.EVENT
    assert ELECT.parameters(electing(2, "acme.a", election_type=1), None) == {
        "election": "unclean",
        "topics": {"acme.a": [0, 1]},
    }
    assert ELECT.parameters(electing_all(0), None) == {"election": "preferred", "topics": "all"}


# AlterPartitionReassignments


def moving(version: int, *topics: tuple[str, Iterable[Iterable[int] | None]]) -> Any:
    """Partition n of a topic to the n-th list of brokers; None gives a reassignment up."""
    entries = tuple(
        asked(
            MOVE.key,
            version,
            "topics",
            name=name,
            partitions=tuple(
                asked(
                    MOVE.key,
                    version,
                    "topics",
                    "partitions",
                    partition_index=index,
                    replicas=None if replicas is None else tuple(replicas),
                )
                for index, replicas in enumerate(places)
            ),
        )
        for name, places in topics
    )
    return a_request(MOVE.key, version, topics=entries)


def mover(request: Any, *, code: ErrorCode = NONE, text: str | None = None) -> Any:
    version = request.__version__
    responses = (
        said(
            MOVE.key,
            version,
            "responses",
            name=topic.name,
            partitions=tuple(
                said(
                    MOVE.key,
                    version,
                    "responses",
                    "partitions",
                    partition_index=part.partition_index,
                    error_code=code,
                    error_message=text,
                )
                for part in topic.partitions
            ),
        )
        for topic in request.topics
    )
    return a_response(MOVE.key, version, responses=tuple(responses), error_message=None)


def moved(response: Any) -> list[tuple[str, list[tuple[int, ErrorCode]]]]:
    return [
        (topic.name, [(part.partition_index, part.error_code) for part in topic.partitions])
        for topic in response.responses
    ]


@pytest.mark.parametrize("version", MOVE.versions)
def test_replicas_move_where_they_may_and_the_rest_is_refused_in_its_place(version: int) -> None:
    may = of()
    request = moving(
        version,
        ("acme.keep", [[1]]),
        ("acme.a", [[1], [3], None, [2, 3]]),
        ("globex.pay", [[1], None]),
        ("acme.ask", [None]),
        ("acme.b", [[2, 1]]),
        ("acme.a", [[1]]),
    )

    passage = pass_through(MOVE, request, may, mover)

    heard = [(topic.name, [part.partition_index for part in topic.partitions]) for topic in passage.heard.topics]
    assert heard == [("acme.a", [0, 2]), ("acme.b", [0]), ("acme.a", [0])]
    assert moved(passage.got) == [
        ("acme.keep", [(0, CAF)]),
        ("acme.a", [(0, NONE), (1, CAF), (2, NONE), (3, CAF)]),
        ("globex.pay", [(0, UTP), (1, UTP)]),
        ("acme.ask", [(0, STAGED)]),
        ("acme.b", [(0, NONE)]),
        ("acme.a", [(0, NONE)]),
    ]
    assert top(passage.got) is NONE
    assert refused(may) == [
        ("denied", "acme.keep"),
        ("hidden", "3"),
        ("hidden", "globex.pay"),
        ("staged", "acme.ask"),
    ]


@pytest.mark.parametrize("version", MOVE.versions)
def test_replicas_go_to_no_broker_outside_the_view_whether_it_is_there_or_not(version: int) -> None:
    texts = {}
    for broker in (3, 9):
        got = pass_through(MOVE, moving(version, ("acme.a", [[1, broker]])), of(), never).got
        assert moved(got) == [("acme.a", [(0, CAF)])]
        texts[broker] = got.responses[0].partitions[0].error_message

    assert texts == {3: "broker 3 is outside the tenant acme", 9: "broker 9 is outside the tenant acme"}


@pytest.mark.parametrize("version", MOVE.versions)
def test_where_nothing_may_be_moved_the_top_says_so_too(version: int) -> None:
    got = pass_through(MOVE, moving(version, ("acme.a", [[1]]), ("acme.b", [None])), of("nobody"), never).got

    assert (top(got), got.error_message) == (
        CAF,
        "no policy allows TOPIC_ALTER_REASSIGNMENTS on topic acme.a to role nobody",
    )
    assert moved(got) == [("acme.a", [(0, CAF)]), ("acme.b", [(0, CAF)])]


@pytest.mark.parametrize("version", MOVE.versions)
@pytest.mark.parametrize(("tenant", "code"), [("acme", UTP), ("strict", CAF)])
def test_a_foreign_topic_is_moved_no_more_than_a_missing_one(version: int, tenant: str, code: ErrorCode) -> None:
    answers = [
        pass_through(MOVE, moving(version, (name, [[1], [9]])), of(tenant=tenant), never).got
        for name in ("globex.pay", "globex.nop")
    ]

    assert encode(answers[0]).replace(b"pay", b"nop") == encode(answers[1])
    assert {one for one in codes(answers[0]) if one} == {code}


@pytest.mark.parametrize("version", MOVE.versions)
def test_a_hidden_topic_is_answered_as_the_broker_answers_a_missing_one(version: int) -> None:
    def without_it(request: Any) -> Any:
        return mover(request, code=UTP, text="Unable to find a topic named acme.gone.")

    hidden = pass_through(MOVE, moving(version, ("globex.pa", [[1], None])), of(), never).got
    missing = pass_through(MOVE, moving(version, ("acme.gone", [[1], None])), of(), without_it).got

    assert encode(hidden) == encode(missing).replace(b"acme.gone", b"globex.pa")


@pytest.mark.parametrize("version", MOVE.versions)
def test_a_topic_of_which_no_partition_is_named_keeps_its_place(version: int) -> None:
    request = moving(version, ("globex.pay", []), ("acme.a", []), ("acme.b", [[1]]))

    passage = pass_through(MOVE, request, of(), mover)

    assert [topic.name for topic in passage.heard.topics] == ["acme.a", "acme.b"]
    assert moved(passage.got) == [("globex.pay", []), ("acme.a", []), ("acme.b", [(0, NONE)])]


def test_the_answer_says_whether_the_number_of_replicas_could_change_as_the_request_did() -> None:
    request = a_request(
        MOVE.key, 1, topics=moving(1, ("globex.pay", [[1]])).topics, allow_replication_factor_change=False
    )

    assert pass_through(MOVE, request, of(), never).got.allow_replication_factor_change is False


@pytest.mark.parametrize("version", MOVE.versions)
def test_what_the_controller_says_of_a_move_is_replaced(version: int) -> None:
    def refuser(request: Any) -> Any:
        text = "There are only brokers 1, 2 and 3, and globex.pay is on them."
        return mover(request, code=ErrorCode.invalid_replica_assignment, text=text)

    got = pass_through(MOVE, moving(version, ("acme.a", [[1]])), of(), refuser).got

    assert got.responses[0].partitions[0].error_message == "Replica assignment is invalid."


def test_the_audit_tells_where_replicas_go() -> None:
    assert MOVE.parameters is not None
    request = moving(1, ("acme.a", [[1, 2], None]))
    assert MOVE.record_for(request) is Record.EVENT
    assert MOVE.parameters(request, None) == {"topics": [{"name": "acme.a", "replicas": {"0": [1, 2], "1": None}}]}


def test_whoever_approves_it_sees_where_it_goes() -> None:
    may = of()

    pass_through(MOVE, moving(1, ("acme.a", [(1, 2), (2,), None]), ("acme.b", [(2, 1)])), may, mover)

    assert demands_of(may.notes) == (
        Demand(action=Action.TOPIC_ALTER_REASSIGNMENTS, kind=Kind.TOPIC, name="acme.a"),
        Demand(action=None, kind=Kind.BROKER, name="1"),
        Demand(action=None, kind=Kind.BROKER, name="2"),
        Demand(action=Action.TOPIC_ALTER_REASSIGNMENTS, kind=Kind.TOPIC, name="acme.b"),
    )


# ListPartitionReassignments


def listing(*topics: str) -> Any:
    entries = tuple(asked(LIST.key, 0, "topics", name=name, partition_indexes=(0, 1)) for name in topics)
    return a_request(LIST.key, 0, topics=entries)


def lister(request: Any) -> Any:
    """Whatever was asked for, all topics of the cluster are being moved."""
    topics = (
        said(
            LIST.key,
            0,
            "topics",
            name=name,
            partitions=(said(LIST.key, 0, "topics", "partitions", replicas=(1, 3), adding_replicas=(3,)),),
        )
        for name in TOPICS
        if request.topics is None or name in [topic.name for topic in request.topics]
    )
    return a_response(LIST.key, 0, topics=tuple(topics), error_message=None)


def listed(response: Any) -> list[str]:
    return [topic.name for topic in response.topics]


def test_all_reassignments_are_those_of_the_view_and_need_no_right() -> None:
    request = a_request(LIST.key, 0, topics=None)

    passage = pass_through(LIST, request, of("nobody"), lister)

    assert passage.heard is request
    assert listed(passage.got) == ["acme.a", "acme.ask", "acme.b", "acme.keep"]


@pytest.mark.parametrize("tenant", ["acme", "strict"])
def test_reassignments_of_what_is_outside_the_view_are_not_asked_for(tenant: str) -> None:
    passage = pass_through(LIST, listing("globex.pay", "acme.a", "globex.nop"), of(tenant=tenant), lister)

    assert listed(passage.heard) == ["acme.a"]
    assert listed(passage.got) == ["acme.a"]


@pytest.mark.parametrize("tenant", ["acme", "strict"])
def test_of_foreign_topics_alone_nothing_is_told_as_of_missing_ones(tenant: str) -> None:
    foreign, missing = (
        pass_through(LIST, listing(name), of(tenant=tenant), never).got for name in ("globex.pay", "globex.nop")
    )
    of_the_broker = pass_through(LIST, listing("acme.gone"), of(), lister).got

    assert encode(foreign) == encode(missing) == encode(of_the_broker)


def test_what_left_the_view_meanwhile_is_not_told_of() -> None:
    request = a_request(LIST.key, 0, topics=None)
    narrower = make_may(POLICY.replace('"acme.*"], [', '"acme.b"], ['), ("devs",), "acme", topics=TOPICS)

    assert listed(pass_through(LIST, request, of(), lister, leaving=narrower).got) == ["acme.b"]
