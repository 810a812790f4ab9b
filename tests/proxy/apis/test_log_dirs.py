"""DescribeLogDirs, AlterReplicaLogDirs."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from kordon_protocol.codec import encode
from kordon_protocol.keys import ApiKey
from kordon_proxy.apis.log_dirs import APIS
from kordon_proxy.judging.connection import Connection
from kordon_proxy.judging.may import May
from kordon_proxy.judging.table import Record
from tests.proxy.apis.exchanges import never, pass_through, row
from tests.proxy.apis.messages import a_request, a_response, asked, said
from tests.proxy.apis.verdicts import refused
from tests.proxy.judging.worlds import make_may

DESCRIBE = row(APIS, ApiKey.DESCRIBE_LOG_DIRS)
ALTER = row(APIS, ApiKey.ALTER_REPLICA_LOG_DIRS)
POLICY = """
policies:
  - {resource: [cluster, "*"], effect: Allow, actions: [BROKER_EDIT], role: owners}
  - {resource: [cluster, "*", broker, "3"], effect: Deny, actions: [BROKER_EDIT], role: owners}
tenants:
  - name: acme
    resources: [{include: [cluster, "*", topic, "acme.*"]}]
    roles: [devs, owners]
  - name: seeing
    resources: [{include: [[cluster, "*", topic, "acme.*"], [cluster, "*", broker, "*"]]}]
    roles: [devs, owners]
  - name: platform
    resources: [{include: [cluster, "*"]}, {exclude: [cluster, "*", topic, "hr.*"]}]
    roles: [devs, owners]
  - name: kpow
    resources: [{include: ["*"]}, {exclude: [cluster, "*", broker, "*"]}]
    roles: [owners]
  - name: but-one
    resources: [{include: ["*"]}, {exclude: [cluster, "*", broker, "2"]}]
    roles: [owners]
"""
TOPICS = ("acme.a", "acme.b", "globex.pay", "hr.pay")
NONE = ErrorCode.none
CAF = ErrorCode.cluster_authorization_failed
UTP = ErrorCode.unknown_topic_or_partition
OFFLINE = ErrorCode.kafka_storage_error


def of(role: str, tenant: str, *, broker: int | None = 1) -> May:
    return make_may(POLICY, (role,), tenant, topics=TOPICS, connection=Connection(broker))


# DescribeLogDirs


def describing(version: int, *topics: str) -> Any:
    entries = tuple(asked(DESCRIBE.key, version, "topics", topic=name, partitions=(0, 1)) for name in topics)
    return a_request(DESCRIBE.key, version, topics=entries)


def describing_all(version: int) -> Any:
    return a_request(DESCRIBE.key, version, topics=None)


def disks(request: Any) -> Any:
    """Two disks that work, with a replica on its way from one to the other, and one that does not."""
    version = request.__version__

    def topic(name: str, *partitions: tuple[int, int, bool]) -> Any:
        parts = tuple(
            said(
                DESCRIBE.key,
                version,
                "results",
                "topics",
                "partitions",
                partition_index=index,
                partition_size=size,
                is_future_key=future,
            )
            for index, size, future in partitions
        )
        return said(DESCRIBE.key, version, "results", "topics", name=name, partitions=parts)

    held = {
        "/disks/1": [
            topic("globex.pay", (0, 70, False)),
            topic("acme.a", (0, 10, False)),
            topic("hr.pay", (0, 1, False)),
        ],
        "/disks/2": [topic("acme.a", (0, 4, True), (1, 11, False)), topic("acme.b", (0, 20, False), (1, 21, False))],
    }
    named = None if request.topics is None else [one.topic for one in request.topics]
    results = [
        said(
            DESCRIBE.key,
            version,
            "results",
            log_dir=path,
            topics=tuple(one for one in topics if named is None or one.name in named),
            total_bytes=1000,
            usable_bytes=400,
            is_cordoned=True,
        )
        for path, topics in held.items()
    ]
    broken = said(DESCRIBE.key, version, "results", log_dir="/disks/3", error_code=OFFLINE)
    return a_response(DESCRIBE.key, version, results=(broken, *results))


def shown(response: Any) -> list[tuple[str, dict[str, list[tuple[int, int]]]]]:
    return [
        (
            one.log_dir,
            {
                topic.name: [(part.partition_index, part.partition_size) for part in topic.partitions]
                for topic in one.topics
            },
        )
        for one in response.results
    ]


@pytest.mark.parametrize("version", DESCRIBE.versions)
def test_who_may_edit_the_broker_finds_its_disks_with_the_topics_of_his_view(version: int) -> None:
    request = describing_all(version)

    passage = pass_through(DESCRIBE, request, of("owners", "platform"), disks)

    assert passage.heard is request
    assert shown(passage.got) == [
        ("/disks/3", {}),
        ("/disks/1", {"globex.pay": [(0, 70)], "acme.a": [(0, 10)]}),
        ("/disks/2", {"acme.a": [(0, 4), (1, 11)], "acme.b": [(0, 20), (1, 21)]}),
    ]
    if version >= 4:
        assert {(one.total_bytes, one.usable_bytes) for one in passage.got.results[1:]} == {(1000, 400)}


@pytest.mark.parametrize("version", DESCRIBE.versions)
@pytest.mark.parametrize(("role", "broker"), [("devs", 1), ("owners", 3), ("owners", None)])
def test_others_find_one_directory_with_no_name_and_no_size(version: int, role: str, broker: int | None) -> None:
    """A connection to no broker in particular may lead to one that the principal may not edit."""
    got = pass_through(DESCRIBE, describing_all(version), of(role, "seeing", broker=broker), disks).got

    assert shown(got) == [("any", {"acme.a": [(0, 10), (1, 11)], "acme.b": [(0, 20), (1, 21)]})]
    (only,) = got.results
    assert only.error_code is NONE
    assert (getattr(only, "total_bytes", -1), getattr(only, "usable_bytes", -1)) == (-1, -1)
    assert getattr(only, "is_cordoned", False) is False


@pytest.mark.parametrize("version", DESCRIBE.versions)
@pytest.mark.parametrize("reads", [("owners", "platform"), ("devs", "seeing")])
def test_no_order_tells_of_other_topics_or_other_disks(version: int, reads: tuple[str, str]) -> None:
    """Brokers list replicas as they lie in their tables, which grow with what others have."""

    def turned(request: Any) -> Any:
        answer = disks(request)
        turned_each = (
            replace(one, topics=tuple(replace(topic, partitions=topic.partitions[::-1]) for topic in one.topics[::-1]))
            for one in answer.results
        )
        results = tuple(turned_each)
        return replace(answer, results=results if reads[0] == "owners" else results[::-1])

    found, found_turned = (
        pass_through(DESCRIBE, describing_all(version), of(*reads), broker).got for broker in (disks, turned)
    )

    assert found_turned == found


@pytest.mark.parametrize("version", DESCRIBE.versions)
def test_a_broker_none_of_whose_disks_works_has_no_directory_for_others(version: int) -> None:
    def broken(request: Any) -> Any:
        result = said(DESCRIBE.key, version, "results", log_dir="/disks/3", error_code=OFFLINE)
        return a_response(DESCRIBE.key, version, results=(result,))

    assert pass_through(DESCRIBE, describing_all(version), of("devs", "seeing"), broken).got.results == ()


@pytest.mark.parametrize("version", DESCRIBE.versions)
@pytest.mark.parametrize(
    ("role", "tenant", "broker"),
    [
        ("devs", "acme", 1),
        ("owners", "acme", 1),
        ("owners", "kpow", 1),
        ("owners", "kpow", None),
        ("owners", "but-one", 2),
        ("owners", "but-one", None),
    ],
)
def test_a_broker_outside_the_view_shows_none_of_its_disks(
    version: int, role: str, tenant: str, broker: int | None
) -> None:
    may = of(role, tenant, broker=broker)

    got = pass_through(DESCRIBE, describing_all(version), may, never).got

    assert got.results == ()
    assert version < 3 or got.error_code is CAF
    assert [access for access, _ in refused(may)] == ["hidden"]


@pytest.mark.parametrize("version", DESCRIBE.versions)
def test_one_broker_outside_the_view_hides_no_other(version: int) -> None:
    got = pass_through(DESCRIBE, describing_all(version), of("owners", "but-one", broker=1), disks).got

    assert [path for path, _ in shown(got)] == ["/disks/3", "/disks/1", "/disks/2"]


@pytest.mark.parametrize("version", DESCRIBE.versions)
def test_what_is_outside_the_view_is_not_asked_for_whether_it_is_there_or_not(version: int) -> None:
    request = describing(version, "globex.pay", "acme.a", "globex.nop")

    passage = pass_through(DESCRIBE, request, of("devs", "seeing"), disks)

    assert [topic.topic for topic in passage.heard.topics] == ["acme.a"]
    assert shown(passage.got) == [("any", {"acme.a": [(0, 10), (1, 11)]})]


@pytest.mark.parametrize("version", DESCRIBE.versions)
def test_of_foreign_topics_alone_there_is_as_much_as_of_missing_ones(version: int) -> None:
    foreign, missing = (
        pass_through(DESCRIBE, describing(version, name), of("devs", "seeing"), disks)
        for name in ("globex.pay", "globex.nop")
    )

    assert encode(foreign.heard) == encode(missing.heard) == encode(describing(version))
    assert encode(foreign.got) == encode(missing.got)


@pytest.mark.parametrize("version", DESCRIBE.versions)
def test_what_is_no_longer_seen_when_the_answer_leaves_is_not_told(version: int) -> None:
    request = describing_all(version)
    narrower = of("owners", "kpow")
    narrow = make_may(POLICY.replace('topic, "acme.*"]', 'topic, "acme.b"]'), ("devs",), "seeing", topics=TOPICS)

    hidden = pass_through_leaving(request, of("owners", "platform"), narrower)
    cut = pass_through_leaving(request, of("devs", "seeing"), narrow)

    assert hidden.results == ()
    assert shown(cut) == [("any", {"acme.b": [(0, 20), (1, 21)]})]
    assert refused(narrower) == [("hidden", "1")]


def pass_through_leaving(request: Any, may: May, leaving: May) -> Any:
    return pass_through(DESCRIBE, request, may, disks, leaving=leaving).got


# AlterReplicaLogDirs


def moving(version: int, *dirs: tuple[str, dict[str, Iterable[int]]]) -> Any:
    entries = (
        asked(
            ALTER.key,
            version,
            "dirs",
            path=path,
            topics=tuple(
                asked(ALTER.key, version, "dirs", "topics", name=name, partitions=tuple(partitions))
                for name, partitions in topics.items()
            ),
        )
        for path, topics in dirs
    )
    return a_request(ALTER.key, version, dirs=tuple(entries))


def mover(request: Any) -> Any:
    """One entry a topic, as brokers answer."""
    version = request.__version__
    named: dict[str, dict[int, None]] = {}
    for one in request.dirs:
        for topic in one.topics:
            named.setdefault(topic.name, {}).update(dict.fromkeys(topic.partitions))
    results = (
        said(
            ALTER.key,
            version,
            "results",
            topic_name=name,
            partitions=tuple(said(ALTER.key, version, "results", "partitions", partition_index=one) for one in parts),
        )
        for name, parts in named.items()
    )
    return a_response(ALTER.key, version, results=tuple(results))


def outcome(response: Any) -> list[tuple[str, list[tuple[int, ErrorCode]]]]:
    return [
        (topic.topic_name, [(part.partition_index, part.error_code) for part in topic.partitions])
        for topic in response.results
    ]


@pytest.mark.parametrize("version", ALTER.versions)
def test_who_edits_the_broker_of_a_whole_cluster_moves_what_he_sees_of_it(version: int) -> None:
    may = of("owners", "platform")
    request = moving(
        version,
        ("/disks/1", {"hr.pay": [0], "acme.a": [0]}),
        ("/disks/2", {"hr.pay": [1, 0], "hr.nop": [0]}),
        ("/disks/3", {"acme.a": [1]}),
    )

    passage = pass_through(ALTER, request, may, mover)

    heard = [(one.path, [(topic.name, topic.partitions) for topic in one.topics]) for one in passage.heard.dirs]
    assert heard == [("/disks/1", [("acme.a", (0,))]), ("/disks/3", [("acme.a", (1,))])]
    assert outcome(passage.got) == [
        ("acme.a", [(0, NONE), (1, NONE)]),
        ("hr.pay", [(0, UTP), (1, UTP)]),
        ("hr.nop", [(0, UTP)]),
    ]
    assert refused(may) == [("hidden", "hr.pay"), ("hidden", "hr.nop")]


@pytest.mark.parametrize("version", ALTER.versions)
def test_what_is_allowed_as_a_whole_is_forwarded_as_it_is(version: int) -> None:
    request = moving(version, ("/disks/1", {"acme.a": [0], "globex.pay": [0]}))

    assert pass_through(ALTER, request, of("owners", "platform"), mover).heard is request


@pytest.mark.parametrize("version", ALTER.versions)
@pytest.mark.parametrize(
    ("role", "tenant", "broker"),
    [
        ("devs", "platform", 1),  # no right
        ("owners", "platform", 3),  # not to this broker
        ("owners", "platform", None),  # which may be that one
        ("owners", "seeing", 1),  # not the whole cluster
        ("owners", "kpow", 1),  # no broker in the view
    ],
)
def test_others_move_nothing_from_disk_to_disk(version: int, role: str, tenant: str, broker: int | None) -> None:
    request = moving(version, ("/disks/1", {"acme.a": [0, 1], "globex.pay": [0]}), ("/disks/2", {"acme.a": [0]}))

    got = pass_through(ALTER, request, of(role, tenant, broker=broker), never).got

    assert outcome(got) == [("acme.a", [(0, CAF), (1, CAF)]), ("globex.pay", [(0, CAF)])]


@pytest.mark.parametrize("version", ALTER.versions)
def test_foreign_topics_alone_are_answered_as_missing_ones_and_not_forwarded(version: int) -> None:
    answers = [
        encode(pass_through(ALTER, moving(version, ("/disks/1", {name: [0]})), of("owners", "platform"), never).got)
        for name in ("hr.pay", "hr.nop")
    ]

    assert answers[0].replace(b"hr.pay", b"hr.nop") == answers[1]


def test_the_audit_tells_what_goes_to_which_disk() -> None:
    assert ALTER.parameters is not None
    request = moving(2, ("/disks/1", {"acme.a": [0, 1]}))
    assert ALTER.record_for(request) is Record.EVENT
    assert ALTER.parameters(request, None) == {"dirs": [{"path": "/disks/1", "topics": {"acme.a": [0, 1]}}]}
