from collections.abc import Iterable
from typing import Any
from uuid import UUID

import pytest
from kio.schema.errors import ErrorCode

from kordon_protocol.codec import encode
from kordon_protocol.keys import ApiKey
from kordon_proxy.apis.topics import APIS
from kordon_proxy.judging.may import Access, May
from kordon_proxy.judging.table import Record
from tests.proxy.apis.exchanges import never, pass_through, row
from tests.proxy.apis.messages import a_request, a_response, asked, said
from tests.proxy.judging.worlds import make_may, topic_id

CREATE, DELETE, GROW = (
    row(APIS, key) for key in (ApiKey.CREATE_TOPICS, ApiKey.DELETE_TOPICS, ApiKey.CREATE_PARTITIONS)
)
POLICY = """
policies:
  - resource: [cluster, "*", topic, "*"]
    effect: Allow
    actions: [TOPIC_CREATE, TOPIC_DELETE, TOPIC_EDIT]
    roles: [devs, owners]
  - resource: [cluster, "*", topic, "acme.keep*"]
    effect: Deny
    actions: [TOPIC_CREATE, TOPIC_DELETE, TOPIC_EDIT]
    role: "*"
  - resource: [cluster, "*", topic, "acme.ask*"]
    effect: Stage
    actions: [TOPIC_CREATE, TOPIC_DELETE, TOPIC_EDIT]
    role: devs
  - {resource: [cluster, "*"], effect: Allow, actions: [BROKER_EDIT], roles: [owners, operators]}
tenants:
  - name: acme
    resources: [{include: [[cluster, "*", topic, "acme.*"], [cluster, "*", group, "acme-*"]]}]
    roles: [devs]
  - name: strict
    resources: [{include: [cluster, "*", topic, "acme.*"]}]
    roles: [devs]
    outside_view: denied
  - name: platform
    resources: [{include: [cluster, "*"]}, {include: [cluster, "*", topic, "__*"]}]
    roles: [devs, owners, operators]
"""
TAF = ErrorCode.topic_authorization_failed
UTP = ErrorCode.unknown_topic_or_partition
UTI = ErrorCode.unknown_topic_id
IR = ErrorCode.invalid_request
FOREIGN, RANDOM = topic_id("globex.pay"), UUID(int=42)
OUTSIDE = ("globex.pay", "globex.nop")
"""A topic that is there and one that is not, of equal length."""


def of(*roles: str, tenant: str = "acme") -> May:
    topics = ("acme.a", "acme.b", "acme.keep", "acme.ask", "globex.pay", "lent.to.acme", "__consumer_offsets")
    return make_may(POLICY, roles or ("devs",), tenant, topics=topics, inferred={"acme-g": ["lent.to.acme"]})


def outcome(response: Any) -> list[tuple[str | None, ErrorCode]]:
    entries = next(getattr(response, name) for name in ("topics", "responses", "results") if hasattr(response, name))
    return [(entry.name, entry.error_code) for entry in entries]


# CreateTopics


def creating(version: int, *topics: Any, **values: Any) -> Any:
    entries = (topic if not isinstance(topic, str) else new(version, topic) for topic in topics)
    return a_request(CREATE.key, version, topics=tuple(entries), **values)


def new(version: int, name: str, *, brokers: Iterable[int] = (), configs: Iterable[str] = ()) -> Any:
    assignments = tuple(
        asked(CREATE.key, version, "topics", "assignments", partition_index=0, broker_ids=(broker,))
        for broker in brokers
    )
    settings = tuple(asked(CREATE.key, version, "topics", "configs", name=name, value="1") for name in configs)
    return asked(CREATE.key, version, "topics", name=name, num_partitions=3, assignments=assignments, configs=settings)


def controller(request: Any) -> Any:
    """Makes them all, and answers in an order of its own."""
    key, version = request.__api_key__, request.__version__
    topics = (said(key, version, "topics", name=t.name, topic_id=topic_id(t.name)) for t in reversed(request.topics))
    return a_response(key, version, topics=tuple(topics))


@pytest.mark.parametrize("version", CREATE.versions)
def test_a_topic_of_the_tenant_is_created_with_the_client_s_own_bytes(version: int) -> None:
    request = creating(version, "acme.new", "acme.other")

    passage = pass_through(CREATE, request, of(), controller)

    assert passage.heard is request
    assert sorted(outcome(passage.got)) == [("acme.new", ErrorCode.none), ("acme.other", ErrorCode.none)]


@pytest.mark.parametrize("version", CREATE.versions)
def test_what_may_not_be_created_is_not_forwarded_with_what_may(version: int) -> None:
    request = creating(version, "globex.new", "acme.new", "acme.keep.1", "acme.ask.1", "acme.other")
    may = of()

    passage = pass_through(CREATE, request, may, controller)

    assert [topic.name for topic in passage.heard.topics] == ["acme.new", "acme.other"]
    assert outcome(passage.got) == [  # what is done first, and what is refused last, as Kafka has it
        ("acme.new", ErrorCode.none),
        ("acme.other", ErrorCode.none),
        ("globex.new", TAF),
        ("acme.keep.1", TAF),
        ("acme.ask.1", ErrorCode.policy_violation),
    ]
    accesses = [Access.HIDDEN, Access.ALLOWED, Access.DENIED, Access.STAGED, Access.ALLOWED]
    assert [note.access for note in may.notes] == accesses


@pytest.mark.parametrize("version", CREATE.versions)
@pytest.mark.parametrize("tenant", ["acme", "strict"])
@pytest.mark.parametrize("validate_only", [True, False])
def test_creating_outside_the_tenant_tells_nothing(version: int, tenant: str, validate_only: bool) -> None:
    names = ("globex.pay", "globex.nop", "globex_pay", "__consumer")

    answers = [
        encode(pass_through(CREATE, creating(version, name, validate_only=validate_only), of(tenant=tenant), never).got)
        for name in names
    ]

    assert len({answer.replace(name.encode(), b"name.of.it") for name, answer in zip(names, answers, strict=True)}) == 1
    assert f"globex.pay is outside the tenant {tenant}".encode() in answers[0]


@pytest.mark.parametrize("version", CREATE.versions)
def test_names_of_kafka_s_machinery_are_nobody_s_to_create(version: int) -> None:
    may = of("owners", tenant="platform")

    got = pass_through(CREATE, creating(version, "__consumer_offsets", "__mine"), may, never).got

    assert outcome(got) == [("__consumer_offsets", TAF), ("__mine", TAF)]
    assert {topic.error_message for topic in got.topics} == {
        f"topic {name} is outside the tenant platform" for name in ("__consumer_offsets", "__mine")
    }
    assert [note.access for note in may.notes if note.refusal is not None] == [Access.HIDDEN, Access.HIDDEN]


@pytest.mark.parametrize("version", CREATE.versions)
def test_a_topic_that_is_only_inferred_cannot_be_created(version: int) -> None:
    assert outcome(pass_through(CREATE, creating(version, "lent.to.acme"), of(), never).got) == [("lent.to.acme", TAF)]


@pytest.mark.parametrize("version", CREATE.versions)
def test_a_name_given_twice_is_answered_once_and_not_forwarded(version: int) -> None:
    passage = pass_through(CREATE, creating(version, "acme.x", "globex.pay", "acme.y", "acme.x"), of(), controller)

    assert [topic.name for topic in passage.heard.topics] == ["acme.y"]
    assert outcome(passage.got) == [("acme.y", ErrorCode.none), ("acme.x", IR), ("globex.pay", TAF)]
    assert passage.got.topics[1].error_message == "Duplicate topic name."


@pytest.mark.parametrize("version", CREATE.versions)
@pytest.mark.parametrize(
    "how",
    [{"brokers": [1]}, {"configs": ["leader.replication.throttled.replicas"]}, {"configs": ["remote.storage.enable"]}],
)
def test_where_data_lies_is_decided_by_who_may_edit_every_broker(version: int, how: dict[str, Any]) -> None:
    request = creating(version, new(version, "acme.placed", **how))

    for may in (of(), of(tenant="platform")):
        assert outcome(pass_through(CREATE, request, may, never).got) == [("acme.placed", TAF)]
        assert may.notes[-1].refusal is not None
        assert may.notes[-1].refusal.code is TAF  # the audit tells what the client is told
    assert pass_through(CREATE, request, of("owners", tenant="platform"), controller).heard is request
    # Editing brokers alone creates nothing.
    assert outcome(pass_through(CREATE, request, of("operators", tenant="platform"), never).got) == [
        ("acme.placed", TAF)
    ]


@pytest.mark.parametrize("version", CREATE.versions)
def test_an_ordinary_setting_needs_nothing_more(version: int) -> None:
    request = creating(version, new(version, "acme.new", configs=["retention.ms", "cleanup.policy"]))

    assert pass_through(CREATE, request, of(), controller).heard is request


@pytest.mark.parametrize("version", CREATE.versions)
@pytest.mark.parametrize("refused", [(), ("globex.pay",)])
def test_the_controller_s_texts_tell_nothing_of_other_topics_or_of_brokers(
    version: int, refused: tuple[str, ...]
) -> None:
    def strict_controller(request: Any) -> Any:
        texts = {
            "acme.x_y": (
                ErrorCode.invalid_topic_exception,
                "Topic 'acme.x_y' collides with existing topic: foreign.x.y",
            ),
            "acme.z": (
                ErrorCode.invalid_replication_factor,
                "cannot be reached because only 1 broker(s) are registered",
            ),
            "acme.a": (ErrorCode.topic_already_exists, "Topic 'acme.a' already exists."),
        }
        key = request.__api_key__
        return a_response(
            key,
            version,
            topics=tuple(
                said(key, version, "topics", name=topic.name, error_code=code, error_message=text)
                for topic in request.topics
                for code, text in [texts[topic.name]]
            ),
        )

    request = creating(version, "acme.x_y", "acme.z", "acme.a", *refused)

    got = pass_through(CREATE, request, of(), strict_controller).got

    assert {topic.name: topic.error_message for topic in got.topics if topic.name not in refused} == {
        "acme.x_y": "The request attempted to perform an operation on an invalid topic.",
        "acme.z": "Replication factor is below 1 or larger than the number of available brokers.",
        "acme.a": "Topic 'acme.a' already exists.",
    }


@pytest.mark.parametrize("version", [version for version in CREATE.versions if version >= 7])
def test_what_was_made_is_shown_as_the_controller_says_it(version: int) -> None:
    got = pass_through(CREATE, creating(version, "globex.x", "acme.new"), of(), controller).got

    assert [topic.topic_id for topic in got.topics] == [topic_id("acme.new"), None]


@pytest.mark.parametrize("version", CREATE.versions)
def test_only_validating_is_no_mutation_for_the_audit(version: int) -> None:
    assert CREATE.record_for(creating(version, "acme.new")) is Record.EVENT
    assert CREATE.record_for(creating(version, "acme.new", validate_only=True)) is Record.COUNTED


def test_the_audit_keeps_what_was_to_be_created_with_its_settings() -> None:
    assert CREATE.parameters is not None
    request = creating(7, new(7, "acme.new", brokers=[3, 1], configs=["retention.ms"]))

    assert CREATE.parameters(request, None) == {
        "topics": [
            {
                "name": "acme.new",
                "partitions": 3,
                "replication_factor": 0,
                "configs": {"retention.ms": "1"},
                "assignments": [[3], [1]],
            }
        ],
        "validate_only": False,
    }


def test_the_audit_keeps_what_was_created() -> None:
    assert CREATE.parameters is not None
    request = creating(7, new(7, "acme.new"), new(7, "acme.twice"))
    made = said(CREATE.key, 7, "topics", name="acme.new", topic_id=RANDOM, num_partitions=12, replication_factor=3)
    refused = said(CREATE.key, 7, "topics", name="acme.twice", error_code=36, num_partitions=-1, replication_factor=-1)

    told = CREATE.parameters(request, a_response(CREATE.key, 7, topics=(made, refused)))

    assert told["topics"] == [
        {"name": "acme.new", "partitions": 12, "replication_factor": 3, "configs": {}, "id": str(RANDOM)},
        {"name": "acme.twice", "partitions": 3, "replication_factor": 0, "configs": {}},
    ]


# DeleteTopics

BY_NAME = [version for version in DELETE.versions if version < 6]
BY_ID = [version for version in DELETE.versions if version >= 6]


def deleting(version: int, *topics: str | UUID | tuple[str | None, UUID | None]) -> Any:
    if version < 6:
        return a_request(DELETE.key, version, topic_names=topics)
    pairs = [
        topic if isinstance(topic, tuple) else (topic, None) if isinstance(topic, str) else (None, topic)
        for topic in topics
    ]
    entries = (asked(DELETE.key, version, "topics", name=name, topic_id=known) for name, known in pairs)
    return a_request(DELETE.key, version, topics=tuple(entries))


def deleter(request: Any) -> Any:
    """Deletes them all, and tells name and id of each, in an order of its own."""
    version = request.__version__
    names = {topic_id(name): name for name in ("acme.a", "acme.b")}
    if version < 6:
        pairs: list[tuple[str, UUID | None]] = [(name, None) for name in request.topic_names]
    else:
        pairs = [(t.name or names[t.topic_id], t.topic_id or topic_id(t.name)) for t in request.topics]
    entries = (said(DELETE.key, version, "responses", name=name, topic_id=known) for name, known in reversed(pairs))
    return a_response(DELETE.key, version, responses=tuple(entries))


def heard_of(request: Any) -> list[object]:
    return list(getattr(request, "topic_names", ())) or [t.topic_id or t.name for t in request.topics]


@pytest.mark.parametrize("version", DELETE.versions)
def test_a_topic_is_deleted_by_its_name_where_the_policy_allows_it(version: int) -> None:
    request = deleting(version, "acme.a")

    assert pass_through(DELETE, request, of(), deleter).heard is request


@pytest.mark.parametrize("version", DELETE.versions)
def test_of_mixed_names_the_allowed_ones_are_deleted_and_every_one_is_answered(version: int) -> None:
    request = deleting(version, "acme.a", "globex.pay", "acme.keep", "acme.ask", "acme.b")

    passage = pass_through(DELETE, request, of(), deleter)

    assert heard_of(passage.heard) == ["acme.a", "acme.b"]
    assert outcome(passage.got) == [
        ("acme.a", ErrorCode.none),
        ("globex.pay", UTP),
        ("acme.keep", TAF),
        ("acme.ask", ErrorCode.policy_violation),
        ("acme.b", ErrorCode.none),
    ]


@pytest.mark.known_fault(19)
@pytest.mark.parametrize("version", BY_ID)
def test_of_mixed_ids_the_allowed_ones_are_deleted_and_every_one_is_answered(version: int) -> None:
    ids = [FOREIGN, topic_id("acme.b"), RANDOM, topic_id("acme.keep"), topic_id("acme.a")]

    passage = pass_through(DELETE, deleting(version, *ids, "acme.ask"), of(), deleter)

    assert heard_of(passage.heard) == [topic_id("acme.b"), topic_id("acme.a")]
    assert outcome(passage.got) == [
        (None, UTI),
        ("acme.b", ErrorCode.none),
        (None, UTI),
        ("acme.keep", TAF),
        ("acme.a", ErrorCode.none),
        ("acme.ask", ErrorCode.policy_violation),
    ]
    assert [answer.topic_id for answer in passage.got.responses] == [*ids, None]


@pytest.mark.parametrize("version", BY_ID)
@pytest.mark.parametrize("tenant", ["acme", "strict"])
def test_a_foreign_id_cannot_be_told_from_a_random_one(version: int, tenant: str) -> None:
    foreign, random = (
        encode(pass_through(DELETE, deleting(version, known), of(tenant=tenant), never).got)
        for known in (FOREIGN, RANDOM)
    )

    assert foreign.replace(FOREIGN.bytes, RANDOM.bytes) == random


@pytest.mark.parametrize("version", DELETE.versions)
@pytest.mark.parametrize(("tenant", "code"), [("acme", UTP), ("strict", TAF)])
def test_a_foreign_name_cannot_be_told_from_a_missing_one(version: int, tenant: str, code: ErrorCode) -> None:
    got = [pass_through(DELETE, deleting(version, name), of(tenant=tenant), never).got for name in OUTSIDE]

    assert encode(got[0]).replace(b"globex.pay", b"globex.nop") == encode(got[1])
    assert outcome(got[0]) == [("globex.pay", code)]


@pytest.mark.parametrize("version", DELETE.versions)
def test_a_hidden_name_is_answered_as_the_broker_answers_a_missing_one(version: int) -> None:
    def without_it(request: Any) -> Any:
        missing = said(
            DELETE.key,
            version,
            "responses",
            name="acme.gone",
            error_code=UTP,
            error_message="This server does not host this topic-partition.",
        )
        return a_response(DELETE.key, version, responses=(missing,))

    missing = pass_through(DELETE, deleting(version, "acme.gone"), of(), without_it).got
    hidden = pass_through(DELETE, deleting(version, "globex.pa"), of(), never).got

    assert encode(hidden) == encode(missing).replace(b"acme.gone", b"globex.pa")


@pytest.mark.parametrize("version", DELETE.versions)
def test_a_name_given_twice_is_not_deleted(version: int) -> None:
    passage = pass_through(DELETE, deleting(version, "acme.a", "acme.b", "acme.a"), of(), deleter)

    assert heard_of(passage.heard) == ["acme.b"]
    assert outcome(passage.got) == [("acme.a", IR), ("acme.b", ErrorCode.none)]


@pytest.mark.parametrize("version", BY_ID)
def test_what_the_request_says_wrongly_is_refused_as_kafka_does(version: int) -> None:
    known = topic_id("acme.a")
    request = deleting(version, ("acme.a", known), (None, None), known, known, FOREIGN, FOREIGN)

    got = pass_through(DELETE, request, of(), never).got

    assert [(answer.name, answer.topic_id, answer.error_message) for answer in got.responses] == [
        ("acme.a", known, "You may not specify both topic name and topic id."),
        (None, None, "Neither topic name nor id were specified."),
        (None, known, "Duplicate topic id."),
        (None, FOREIGN, "Duplicate topic id."),
    ]
    assert {answer.error_code for answer in got.responses} == {IR}


def test_deleting_by_id_needs_a_fresh_picture() -> None:
    assert DELETE.needs_fresh_picture is not None
    assert DELETE.needs_fresh_picture(deleting(6, "acme.a", RANDOM))
    assert not DELETE.needs_fresh_picture(deleting(6, "acme.a"))
    assert not DELETE.needs_fresh_picture(deleting(5, "acme.a"))


def test_the_audit_keeps_the_names_of_what_was_deleted_by_id() -> None:
    assert DELETE.parameters is not None
    request = deleting(6, "acme.b", topic_id("acme.a"), RANDOM)
    got = pass_through(DELETE, request, of(), deleter).got

    assert DELETE.parameters(request, got) == {"topics": ["acme.b", "acme.a", str(RANDOM)]}
    assert DELETE.parameters(deleting(5, "acme.a"), None) == {"topics": ["acme.a"]}
    assert DELETE.record_for(request) is Record.EVENT


# CreatePartitions


def growing(version: int, *names: str, brokers: Iterable[int] = (), **values: Any) -> Any:
    assignments = tuple(asked(GROW.key, version, "topics", "assignments", broker_ids=(broker,)) for broker in brokers)
    topics = (asked(GROW.key, version, "topics", name=name, count=6, assignments=assignments or None) for name in names)
    return a_request(GROW.key, version, topics=tuple(topics), **values)


def grower(request: Any) -> Any:
    version = request.__version__
    return a_response(
        GROW.key,
        version,
        results=tuple(
            said(
                GROW.key,
                version,
                "results",
                name=topic.name,
                error_code=ErrorCode.invalid_replica_assignment,
                error_message="The manual partition assignment includes broker 9, but no such broker is registered.",
            )
            for topic in reversed(request.topics)
        ),
    )


@pytest.mark.parametrize("version", GROW.versions)
@pytest.mark.parametrize("validate_only", [True, False])
def test_partitions_are_added_where_the_topic_may_be_edited(version: int, validate_only: bool) -> None:
    names = ("acme.a", "globex.pay", "acme.keep", "acme.b", "acme.b", "acme.ask")
    request = growing(version, *names, validate_only=validate_only)

    passage = pass_through(GROW, request, of(), grower)

    assert [topic.name for topic in passage.heard.topics] == ["acme.a"]
    assert outcome(passage.got) == [  # names given twice first, then what is refused, then the rest, as Kafka has it
        ("acme.b", IR),
        ("acme.keep", TAF),
        ("acme.ask", ErrorCode.policy_violation),
        ("acme.a", ErrorCode.invalid_replica_assignment),
        ("globex.pay", UTP),
    ]


@pytest.mark.parametrize("version", GROW.versions)
def test_the_controller_s_text_on_partitions_does_not_name_brokers(version: int) -> None:
    got = pass_through(GROW, growing(version, "acme.a"), of(), grower).got

    assert [result.error_message for result in got.results] == ["Replica assignment is invalid."]


@pytest.mark.parametrize("version", GROW.versions)
@pytest.mark.parametrize("tenant", ["acme", "strict"])
def test_a_foreign_topic_grows_no_more_than_a_missing_one(version: int, tenant: str) -> None:
    foreign, missing = (
        encode(pass_through(GROW, growing(version, name), of(tenant=tenant), never).got) for name in OUTSIDE
    )

    assert foreign.replace(b"globex.pay", b"globex.nop") == missing


@pytest.mark.parametrize("version", GROW.versions)
def test_new_partitions_are_placed_by_who_may_edit_every_broker(version: int) -> None:
    request = growing(version, "acme.a", brokers=[1])

    assert outcome(pass_through(GROW, request, of(tenant="platform"), never).got) == [("acme.a", TAF)]
    assert pass_through(GROW, request, of("owners", tenant="platform"), grower).heard is request


@pytest.mark.parametrize("version", GROW.versions)
def test_a_denial_names_the_action_that_was_missing(version: int) -> None:
    (result,) = pass_through(GROW, growing(version, "acme.a"), of("operators", tenant="platform"), never).got.results

    assert "TOPIC_EDIT" in result.error_message


def test_the_audit_keeps_the_partitions_that_were_asked_for() -> None:
    assert GROW.parameters is not None
    request = growing(3, "acme.a", brokers=[2])

    assert GROW.parameters(request, None) == {
        "topics": [{"name": "acme.a", "partitions": 6, "assignments": [[2]]}],
        "validate_only": False,
    }
    assert GROW.record_for(request) is Record.EVENT
    assert GROW.record_for(growing(3, "acme.a", validate_only=True)) is Record.COUNTED
