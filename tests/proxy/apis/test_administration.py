"""DescribeQuorum, UpdateFeatures, UnregisterBroker, AddRaftVoter, RemoveRaftVoter."""

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

import pytest
from kio.schema.errors import ErrorCode

from kordon_protocol.codec import encode
from kordon_protocol.keys import ApiKey
from kordon_protocol.outcomes import body_error_codes
from kordon_proxy.apis.administration import APIS
from kordon_proxy.judging.may import May
from kordon_proxy.judging.table import Record
from tests.proxy.apis.exchanges import never, pass_through, row
from tests.proxy.apis.messages import a_request, a_response, asked, said
from tests.proxy.apis.verdicts import refused
from tests.proxy.judging.worlds import make_may

QUORUM = row(APIS, ApiKey.DESCRIBE_QUORUM)
FEATURES = row(APIS, ApiKey.UPDATE_FEATURES)
UNREGISTER = row(APIS, ApiKey.UNREGISTER_BROKER)
ADD = row(APIS, ApiKey.ADD_RAFT_VOTER)
REMOVE = row(APIS, ApiKey.REMOVE_RAFT_VOTER)
POLICY = """
policies:
  - {resource: [cluster, "*"], effect: Allow, actions: [BROKER_EDIT, BROKER_UNREGISTER], role: owners}
  - {resource: [cluster, "*"], effect: Allow, actions: [BROKER_EDIT, BROKER_UNREGISTER], role: almost}
  - {resource: [cluster, "*", broker, "2"], effect: Deny, actions: [BROKER_EDIT, BROKER_UNREGISTER], role: almost}
  - {resource: [cluster, "*"], effect: Stage, actions: [BROKER_EDIT, BROKER_UNREGISTER], role: asking}
tenants:
  - {name: platform, resources: [{include: [cluster, "*"]}], roles: [owners, almost, asking, devs]}
  - name: brokers
    resources: [{include: [[cluster, "*", broker, "*"], [cluster, "*", topic, "*"]]}]
    roles: [owners]
  - name: kpow
    resources: [{include: ["*"]}, {exclude: [cluster, "*", broker, "*"]}]
    roles: [owners]
  - {name: but-one, resources: [{include: ["*"]}, {exclude: [cluster, "*", broker, "2"]}], roles: [owners]}
"""
NONE = ErrorCode.none
CAF = ErrorCode.cluster_authorization_failed
STAGED = ErrorCode.policy_violation
DIRECTORY: Final = UUID(int=7)


def of(role: str = "owners", tenant: str = "platform") -> May:
    return make_may(POLICY, (role,), tenant, topics=("acme.a",))


def describing(version: int) -> Any:
    part = asked(QUORUM.key, version, "topics", "partitions", partition_index=0)
    topic = asked(QUORUM.key, version, "topics", topic_name="__cluster_metadata", partitions=(part,))
    return a_request(QUORUM.key, version, topics=(topic,))


def updating(version: int, **values: Any) -> Any:
    update = asked(FEATURES.key, version, "feature_updates", feature="group.version", max_version_level=1)
    return a_request(FEATURES.key, version, feature_updates=(update,), **values)


def unregistering(version: int, broker: int = 2) -> Any:
    return a_request(UNREGISTER.key, version, broker_id=broker)


def adding(version: int, cluster_id: str | None = None) -> Any:
    listener = asked(ADD.key, version, "listeners", name="CONTROLLER", host="new.internal", port=9093)
    return a_request(
        ADD.key, version, cluster_id=cluster_id, voter_id=4, voter_directory_id=DIRECTORY, listeners=(listener,)
    )


def removing(version: int, cluster_id: str | None = None) -> Any:
    return a_request(REMOVE.key, version, cluster_id=cluster_id, voter_id=4, voter_directory_id=DIRECTORY)


Build = Callable[[int], Any]
ALL: Final[list[Any]] = [
    pytest.param(api, version, build, id=f"{api.name}-{version}")
    for api, build in (
        (QUORUM, describing),
        (FEATURES, updating),
        (UNREGISTER, unregistering),
        (ADD, adding),
        (REMOVE, removing),
    )
    for version in api.versions
]
FOR_EVERY_BROKER: Final = [param for param in ALL if param.values[0] is not UNREGISTER]


def fine(request: Any) -> Any:
    return a_response(request.__api_key__, request.__version__)


def first_code(message: Any) -> ErrorCode:
    return ErrorCode(next(code for _, code in body_error_codes(message)))


@pytest.mark.parametrize(("api", "version", "build"), ALL)
def test_an_administrator_of_the_whole_cluster_is_let_through(api: Any, version: int, build: Build) -> None:
    request = build(version)

    passage = pass_through(api, request, of(), fine)

    assert passage.heard is request
    assert first_code(passage.got) is NONE


@pytest.mark.parametrize(("api", "version", "build"), ALL)
@pytest.mark.parametrize(
    ("role", "tenant", "code", "why"),
    [
        ("devs", "platform", CAF, "denied"),
        ("asking", "platform", STAGED, "staged"),
        ("almost", "platform", CAF, "denied"),
        ("owners", "brokers", CAF, "hidden"),
        ("owners", "kpow", CAF, "hidden"),
        ("owners", "but-one", CAF, "hidden"),
    ],
)
def test_everybody_else_is_refused_and_no_broker_hears_of_it(
    api: Any, version: int, build: Build, role: str, tenant: str, code: ErrorCode, why: str
) -> None:
    may = of(role, tenant)

    got = pass_through(api, build(version), may, never).got

    assert first_code(got) is code
    assert getattr(got, "error_message", "said") not in (None, "")
    assert [access for access, _ in refused(may)] == [why]


@pytest.mark.parametrize(("api", "version", "build"), FOR_EVERY_BROKER)
def test_a_cluster_that_is_not_the_tenants_is_told_to_be_outside(api: Any, version: int, build: Build) -> None:
    got = pass_through(api, build(version), of("owners", "brokers"), never).got

    if hasattr(got, "error_message"):
        assert got.error_message == "the cluster as a whole is outside the tenant brokers"


# DescribeQuorum


def the_quorum(request: Any) -> Any:
    version = request.__version__
    voters = tuple(
        said(QUORUM.key, version, "topics", "partitions", "current_voters", replica_id=one, log_end_offset=9)
        for one in (1, 2, 3)
    )
    part = said(
        QUORUM.key,
        version,
        "topics",
        "partitions",
        leader_id=1,
        current_voters=voters,
        error_code=ErrorCode.not_leader_or_follower,
        error_message="the leader is at real-1.internal:9093",
    )
    topic = said(QUORUM.key, version, "topics", topic_name="__cluster_metadata", partitions=(part,))
    nodes: tuple[Any, ...] = ()
    if version >= 2:
        listener = said(QUORUM.key, version, "nodes", "listeners", name="REAL", host="real-1.internal", port=9093)
        nodes = (said(QUORUM.key, version, "nodes", node_id=1, listeners=(listener,)),)
    return a_response(QUORUM.key, version, topics=(topic,), nodes=nodes, error_message="from real-1.internal")


@pytest.mark.parametrize("version", QUORUM.versions)
def test_who_votes_is_told_and_where_they_listen_is_not(version: int) -> None:
    got = pass_through(QUORUM, describing(version), of(), the_quorum).got

    ((part,),) = (topic.partitions for topic in got.topics)
    assert (part.leader_id, [voter.replica_id for voter in part.current_voters]) == (1, [1, 2, 3])
    assert not {mark for mark in (b"real-1", b"REAL", b"9093", (9093).to_bytes(2, "big")) if mark in encode(got)}
    assert [node.node_id for node in getattr(got, "nodes", ())] == ([1] if version >= 2 else [])


@pytest.mark.parametrize("version", QUORUM.versions)
def test_whose_rights_have_gone_when_the_answer_leaves_is_told_nothing(version: int) -> None:
    leaving = of("devs")

    got = pass_through(QUORUM, describing(version), of(), the_quorum, leaving=leaving).got

    assert (got.error_code, got.topics) == (CAF, ())
    assert refused(leaving) == [("denied", "")]


def test_the_quorum_is_looked_at_and_counted() -> None:
    assert QUORUM.record_for(describing(2)) is Record.COUNTED


# UpdateFeatures


@pytest.mark.parametrize("version", FEATURES.versions)
def test_what_the_controller_says_of_features_is_replaced_where_it_is_not_known_to_be_harmless(version: int) -> None:
    known = (
        "The update failed for all features since the following feature had an error: Invalid update version 99 for "
        "feature metadata.version. Local controller 1 only supports versions 7-30"
    )

    def refuser(text: str) -> Callable[[Any], Any]:
        code = ErrorCode.invalid_update_version
        results: tuple[Any, ...] = ()
        if version < 2:
            results = (said(FEATURES.key, version, "results", feature="x", error_code=code, error_message=text),)
        return lambda _: a_response(FEATURES.key, version, error_code=code, error_message=text, results=results)

    harmless, strange = (
        pass_through(FEATURES, updating(version), of(), refuser(text)).got
        for text in (known, f"{known} of real-1.internal")
    )

    assert {one.error_message for one in (harmless, *getattr(harmless, "results", ()))} == {known}
    assert {one.error_message for one in (strange, *getattr(strange, "results", ()))} == {
        "The given update version was invalid."
    }


def test_features_are_recorded_unless_they_are_only_tried() -> None:
    assert FEATURES.parameters is not None
    assert FEATURES.record_for(updating(0)) is Record.EVENT
    assert FEATURES.record_for(updating(2)) is Record.EVENT
    assert FEATURES.record_for(updating(2, validate_only=True)) is Record.COUNTED
    assert FEATURES.parameters(updating(2), None) == {
        "features": {"group.version": 1},
        "upgrade_types": {"group.version": "upgrade"},
        "validate_only": False,
    }


@pytest.mark.parametrize(
    ("version", "said", "told"),
    [
        (0, {"allow_downgrade": False}, "upgrade"),
        (0, {"allow_downgrade": True}, "safe_downgrade"),
        (1, {"upgrade_type": 2}, "safe_downgrade"),
        (2, {"upgrade_type": 3}, "unsafe_downgrade"),
        (2, {"upgrade_type": 9}, "9"),
    ],
)
def test_whoever_lowers_a_feature_is_heard_to(version: int, said: dict[str, Any], told: str) -> None:
    update = asked(FEATURES.key, version, "feature_updates", feature="group.version", max_version_level=0, **said)
    parameters = FEATURES.parameters
    assert parameters is not None

    assert parameters(a_request(FEATURES.key, version, feature_updates=(update,)), None)["upgrade_types"] == {
        "group.version": told
    }


# UnregisterBroker


@pytest.mark.parametrize("broker", [1, 3, 99, -1])
def test_a_broker_is_unregistered_by_who_may_unregister_that_one(broker: int) -> None:
    passage = pass_through(UNREGISTER, unregistering(0, broker), of("almost"), fine)

    assert passage.heard.broker_id == broker
    assert UNREGISTER.parameters is not None
    assert UNREGISTER.parameters(passage.heard, None) == {"broker": broker}


def test_what_is_said_of_a_broker_that_is_not_there_stays() -> None:
    def refuser(_: Any) -> Any:
        text = "Broker ID 99 is not currently registered"
        return a_response(UNREGISTER.key, 0, error_code=ErrorCode.broker_id_not_registered, error_message=text)

    got = pass_through(UNREGISTER, unregistering(0, 99), of(), refuser).got

    assert got.error_message == "Broker ID 99 is not currently registered"


# AddRaftVoter, RemoveRaftVoter

VOTERS: Final[list[Any]] = [
    pytest.param(api, version, build, id=f"{api.name}-{version}")
    for api, build in ((ADD, adding), (REMOVE, removing))
    for version in api.versions
]


@pytest.mark.parametrize(("api", "version", "build"), VOTERS)
def test_a_client_knows_the_cluster_by_its_tenants_id_and_the_broker_by_the_real_one(
    api: Any, version: int, build: Any
) -> None:
    passage = pass_through(api, build(version, "synthetic-acme"), of(), fine)

    assert passage.heard.cluster_id == "real-cluster"
    assert b"real-cluster" not in encode(passage.got)


@pytest.mark.parametrize(("api", "version", "build"), VOTERS)
@pytest.mark.parametrize("cluster_id", ["real-cluster", "another", ""])
def test_no_other_cluster_id_is_right_the_real_one_no_more_than_another(
    api: Any, version: int, build: Any, cluster_id: str
) -> None:
    got = pass_through(api, build(version, cluster_id), of(), never).got

    assert (got.error_code, got.error_message) == (
        ErrorCode.inconsistent_cluster_id,
        "The clusterId in the request does not match that found on the server.",
    )


@pytest.mark.parametrize(("api", "version", "build"), VOTERS)
def test_what_the_controller_says_of_voters_is_replaced(api: Any, version: int, build: Any) -> None:
    def refuser(_: Any) -> Any:
        text = 'The given id "x" doesn\'t match the cluster id "real-cluster"'
        return a_response(api.key, version, error_code=ErrorCode.inconsistent_cluster_id, error_message=text)

    assert b"real-cluster" not in encode(pass_through(api, build(version), of(), refuser).got)


def test_the_audit_tells_who_is_to_vote() -> None:
    assert ADD.parameters is not None
    assert REMOVE.parameters is not None
    voter = {"voter": 4, "directory": str(DIRECTORY)}
    assert ADD.parameters(adding(1), None) == voter | {"listeners": ["CONTROLLER://new.internal:9093"]}
    assert REMOVE.parameters(removing(0), None) == voter
    assert {api.record_for(None) for api in (ADD, REMOVE, UNREGISTER)} == {Record.EVENT}
