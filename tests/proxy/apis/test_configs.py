import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, cast

import pytest
from kio.schema.errors import ErrorCode

from kordon_policy.actions import Action, Kind
from kordon_policy.mutation_rights import Demand
from kordon_protocol.codec import encode
from kordon_protocol.keys import ApiKey
from kordon_proxy.apis import config_changes
from kordon_proxy.apis.configs import APIS, BROKER, CLIENT_METRICS, GROUP, LOGGER, NO_GROUP, TOPIC, broker_name
from kordon_proxy.judging.approvals import demands_of
from kordon_proxy.judging.may import Access, May
from kordon_proxy.judging.table import Api, Record
from kordon_proxy.judging.verdict import Ask, Verdict
from tests.proxy.apis.exchanges import never, pass_through, row
from tests.proxy.apis.messages import a_request, a_response, asked, said
from tests.proxy.apis.verdicts import refused
from tests.proxy.judging.worlds import make_may

DESCRIBE = row(APIS, ApiKey.DESCRIBE_CONFIGS)
ALTER = row(config_changes.APIS, ApiKey.INCREMENTAL_ALTER_CONFIGS)
REPLACE = row(config_changes.APIS, ApiKey.ALTER_CONFIGS)
POLICY = """
policies:
  - {resource: [cluster, "*", topic, "*"], effect: Allow, actions: [TOPIC_EDIT], roles: [devs, owners]}
  - {resource: [cluster, "*", topic, "acme.keep"], effect: Deny, actions: [TOPIC_EDIT], role: devs}
  - {resource: [cluster, "*", topic, "acme.ask"], effect: Stage, actions: [TOPIC_EDIT], role: devs}
  - {resource: [cluster, "*", group, "acme-g"], effect: Allow, actions: [GROUP_EDIT], role: devs}
  - {resource: [cluster, "*", broker, "*"], effect: Allow, actions: [BROKER_EDIT], role: owners}
  - {resource: [cluster, "*", broker, "2"], effect: Allow, actions: [BROKER_EDIT], role: devs}
  - {resource: [cluster, "*", broker, "*"], effect: Allow, actions: [BROKER_EDIT], role: almost}
  - {resource: [cluster, "*", broker, "2"], effect: Deny, actions: [BROKER_EDIT], role: almost}
tenants:
  - name: acme
    resources: [{include: [[cluster, "*", topic, "acme.*"], [cluster, "*", group, "acme-*"]]}]
    roles: [devs]
  - name: strict
    resources: [{include: [[cluster, "*", topic, "acme.*"], [cluster, "*", group, "acme-*"]]}]
    roles: [devs]
    outside_view: denied
  - name: platform
    resources: [{include: [cluster, "*"]}]
    roles: [devs, owners, almost]
  - {name: kpow, resources: [{include: ["*"]}, {exclude: [cluster, "*", broker, "*"]}], roles: [owners]}
  - {name: but-one, resources: [{include: ["*"]}, {exclude: [cluster, "*", broker, "2"]}], roles: [owners]}
"""
NONE = ErrorCode.none
TAF = ErrorCode.topic_authorization_failed
GAF = ErrorCode.group_authorization_failed
CAF = ErrorCode.cluster_authorization_failed
UTP = ErrorCode.unknown_topic_or_partition
IR = ErrorCode.invalid_request
Named = tuple[int, str]
FOREIGN: tuple[Named, Named] = ((TOPIC, "globex.pay"), (GROUP, "globex-pay"))
MISSING: tuple[Named, Named] = ((TOPIC, "globex.nop"), (GROUP, "globex-nop"))


def of(*roles: str, tenant: str = "acme") -> May:
    return make_may(POLICY, roles or ("devs",), tenant, topics=("acme.a", "acme.keep", "acme.ask", "globex.pay"))


def outcome(response: Any) -> list[tuple[int, str, ErrorCode]]:
    entries = response.results if hasattr(response, "results") else response.responses
    return [(entry.resource_type, entry.resource_name, entry.error_code) for entry in entries]


def refused_last(expected: Iterable[tuple[int, str, ErrorCode]]) -> list[tuple[int, str, ErrorCode]]:
    """The order of DescribeConfigs: what is denied comes after all else, as Kafka has it."""
    return sorted(expected, key=lambda one: one[-1] in (TAF, GAF, CAF))


def names(request: Any) -> list[Named]:
    return [(entry.resource_type, entry.resource_name) for entry in request.resources]


# DescribeConfigs


def describing(version: int, *resources: Named) -> Any:
    entries = (
        asked(DESCRIBE.key, version, "resources", resource_type=kind, resource_name=name, configuration_keys=None)
        for kind, name in resources
    )
    return a_request(DESCRIBE.key, version, resources=tuple(entries), include_synonyms=True)


def setting(version: int, name: str, value: str | None, *synonyms: tuple[str, str, int]) -> Any:
    return said(
        DESCRIBE.key,
        version,
        "results",
        "configs",
        name=name,
        value=value,
        config_source=synonyms[0][2] if synonyms else 5,
        synonyms=tuple(
            said(DESCRIBE.key, version, "results", "configs", "synonyms", name=name, value=value, source=source)
            for name, value, source in synonyms
        ),
    )


def settings_of(version: int, kind: int) -> tuple[Any, ...]:
    own = {TOPIC: 1, GROUP: 8}.get(kind, 2)
    return (
        setting(version, "retention.ms", "7", ("retention.ms", "7", own), ("log.retention.ms", "9", 4)),
        setting(version, "segment.ms", "5", ("log.segment.ms", "5", 3), ("log.segment.ms", "6", 5)),
        setting(
            version,
            "leader.replication.throttled.replicas",
            "0:1,0:2",
            ("leader.replication.throttled.replicas", "0:1,0:2", own),
        ),
        setting(version, "advertised.listeners", "PLAINTEXT://real-1:9092", ("advertised.listeners", "real-1", 4)),
    )


def describer(request: Any) -> Any:
    version = request.__version__
    results = (
        said(
            DESCRIBE.key,
            version,
            "results",
            error_message="",
            resource_type=entry.resource_type,
            resource_name=entry.resource_name,
            configs=settings_of(version, entry.resource_type),
        )
        for entry in reversed(request.resources)
    )
    return a_response(DESCRIBE.key, version, results=tuple(results))


def describer_of_nothing(request: Any) -> Any:
    """A broker that must hear of no group but the one that nobody has."""
    assert {name for _, name in names(request)} == {NO_GROUP}
    return describer(request)


def shown(response: Any) -> list[tuple[str, str | None, list[tuple[str, int]]]]:
    (result,) = response.results
    return [
        (config.name, config.value, [(synonym.name, synonym.source) for synonym in config.synonyms])
        for config in result.configs
    ]


@pytest.mark.parametrize("version", DESCRIBE.versions)
def test_of_a_mixed_request_only_what_may_be_seen_is_forwarded(version: int) -> None:
    resources = [
        (BROKER, "1"),
        (TOPIC, "acme.a"),
        (TOPIC, "globex.pay"),
        (GROUP, "acme-g"),
        (GROUP, "globex-g"),
        (BROKER, ""),
        (LOGGER, "1"),
        (CLIENT_METRICS, "m"),
        (TOPIC, "acme.keep"),
    ]

    passage = pass_through(DESCRIBE, describing(version, *resources), of(), describer)

    assert names(passage.heard) == [(TOPIC, "acme.a"), (GROUP, "acme-g"), (GROUP, NO_GROUP), (TOPIC, "acme.keep")]
    codes = [CAF, NONE, UTP, NONE, NONE, CAF, CAF, CAF, NONE]
    expected = ((*resource, code) for resource, code in zip(resources, codes, strict=True))
    assert outcome(passage.got) == refused_last(expected)


@pytest.mark.parametrize("version", DESCRIBE.versions)
@pytest.mark.parametrize("tenant", ["acme", "strict"])
@pytest.mark.parametrize(("foreign", "missing"), list(zip(FOREIGN, MISSING, strict=True)))
def test_a_foreign_resource_cannot_be_told_from_a_missing_one(
    version: int, tenant: str, foreign: Named, missing: Named
) -> None:
    answers = [
        encode(pass_through(DESCRIBE, describing(version, resource), of(tenant=tenant), describer_of_nothing).got)
        for resource in (foreign, missing)
    ]

    assert answers[0].replace(b"pay", b"nop") == answers[1]


@pytest.mark.parametrize("version", DESCRIBE.versions)
def test_a_tenant_that_denies_what_is_outside_gives_the_authorization_errors(version: int) -> None:
    got = pass_through(DESCRIBE, describing(version, *FOREIGN), of(tenant="strict"), never).got

    assert [(entry.error_code, entry.error_message) for entry in got.results] == [
        (TAF, "Topic authorization failed."),
        (GAF, "Group authorization failed."),
    ]


@pytest.mark.parametrize("version", DESCRIBE.versions)
def test_a_hidden_topic_is_answered_as_the_broker_answers_a_missing_one(version: int) -> None:
    def without_it(request: Any) -> Any:
        missing = said(
            DESCRIBE.key,
            version,
            "results",
            error_code=UTP,
            error_message="",
            resource_type=TOPIC,
            resource_name="acme.gone",
        )
        return a_response(DESCRIBE.key, version, results=(missing,))

    missing = pass_through(DESCRIBE, describing(version, (TOPIC, "acme.gone")), of(), without_it).got
    hidden = pass_through(DESCRIBE, describing(version, (TOPIC, "globex.pa")), of(), never).got

    assert encode(hidden) == encode(missing).replace(b"acme.gone", b"globex.pa")


@pytest.mark.parametrize("version", DESCRIBE.versions)
def test_a_hidden_group_has_the_settings_of_one_that_nobody_has(version: int) -> None:
    """Brokers describe groups that do not exist: with the defaults."""
    may = of()
    asked_for = [(GROUP, "globex-pay"), (TOPIC, "acme.a"), (GROUP, "acme-g"), (GROUP, "globex-nop"), (GROUP, "acme-x")]

    passage = pass_through(DESCRIBE, describing(version, *asked_for), may, describer)

    heard = [(GROUP, NO_GROUP), (TOPIC, "acme.a"), (GROUP, "acme-g"), (GROUP, NO_GROUP), (GROUP, "acme-x")]
    assert names(passage.heard) == heard
    found = {name: entry for entry in passage.got.results for name in [entry.resource_name]}
    assert set(found) == {name for _, name in asked_for}
    assert len(passage.got.results) == len(asked_for)
    assert found["globex-pay"].configs == found["globex-nop"].configs == found["acme-x"].configs
    assert refused(may) == [("hidden", "globex-pay"), ("hidden", "globex-nop")]


@pytest.mark.parametrize("version", DESCRIBE.versions)
def test_hidden_groups_alone_are_asked_for_by_no_name_of_theirs(version: int) -> None:
    passage = pass_through(DESCRIBE, describing(version, (GROUP, "globex-pay")), of(), describer_of_nothing)

    assert outcome(passage.got) == [(GROUP, "globex-pay", NONE)]


@pytest.mark.parametrize("version", DESCRIBE.versions)
def test_a_group_without_a_name_is_asked_for_as_it_is(version: int) -> None:
    passage = pass_through(DESCRIBE, describing(version, (GROUP, "")), of(), describer)

    assert names(passage.heard) == [(GROUP, "")]


@pytest.mark.parametrize("version", DESCRIBE.versions)
@pytest.mark.parametrize(("resource", "own"), [((TOPIC, "acme.a"), 1), ((GROUP, "acme-g"), 8)])
def test_settings_of_brokers_are_not_shown_through_a_topic_or_a_group(version: int, resource: Named, own: int) -> None:
    got = pass_through(DESCRIBE, describing(version, resource), of(), describer).got

    assert shown(got)[:3] == [
        ("retention.ms", "7", [("retention.ms", own)]),
        ("segment.ms", "5", []),
        ("leader.replication.throttled.replicas", "", []),
    ]


@pytest.mark.parametrize("version", DESCRIBE.versions)
def test_who_may_edit_every_broker_sees_all_that_the_broker_says_of_a_topic(version: int) -> None:
    request = describing(version, (TOPIC, "acme.a"))

    got = pass_through(DESCRIBE, request, of("owners", tenant="platform"), describer).got

    assert got == describer(request)


@pytest.mark.parametrize("version", DESCRIBE.versions)
def test_a_broker_is_described_to_who_may_edit_that_one(version: int) -> None:
    resources = [(BROKER, "2"), (BROKER, "1"), (BROKER, ""), (LOGGER, "2"), (CLIENT_METRICS, "2")]

    passage = pass_through(DESCRIBE, describing(version, *resources), of(tenant="platform"), describer)

    assert names(passage.heard) == [(BROKER, "2"), (LOGGER, "2")]
    assert outcome(passage.got) == [
        (BROKER, "2", NONE),
        (LOGGER, "2", NONE),
        (BROKER, "1", CAF),
        (BROKER, "", CAF),
        (CLIENT_METRICS, "2", CAF),
    ]


@pytest.mark.parametrize("version", DESCRIBE.versions)
def test_nobody_learns_a_real_address_from_a_broker_s_settings(version: int) -> None:
    got = pass_through(DESCRIBE, describing(version, (BROKER, "1")), of("owners", tenant="platform"), describer).got

    assert b"real-1" not in encode(got)
    assert [name for name, *_ in shown(got)][-1] == "advertised.listeners"


@pytest.mark.parametrize(
    "name",
    [
        "listeners",
        "advertised.listeners",
        "controller.quorum.voters",
        "controller.quorum.bootstrap.servers",
        "rlmm.config.remote.log.metadata.common.client.bootstrap.servers",
        "zookeeper.connect",
    ],
)
def test_no_setting_of_a_broker_tells_an_address(name: str) -> None:
    def broker(request: Any) -> Any:
        told = (setting(4, name, "real-1:9092", (name, "real-1:9092", 4)),)
        result = said(DESCRIBE.key, 4, "results", resource_type=BROKER, resource_name="1", configs=told)
        return a_response(DESCRIBE.key, 4, results=(result,))

    got = pass_through(DESCRIBE, describing(4, (BROKER, "1")), of("owners", tenant="platform"), broker).got

    ((told,),) = (result.configs for result in got.results)
    assert (told.name, told.value, told.is_sensitive, told.synonyms) == (name, None, True, ())


@pytest.mark.parametrize("version", DESCRIBE.versions)
def test_a_type_that_kafka_does_not_know_fails_the_whole_request(version: int) -> None:
    request = describing(version, (TOPIC, "acme.a"), (3, "x"), (TOPIC, "globex.pay"))

    assert [code for *_, code in outcome(pass_through(DESCRIBE, request, of(), never).got)] == [IR] * 3


@pytest.mark.parametrize("version", DESCRIBE.versions)
def test_a_text_that_tells_the_broker_s_number_is_replaced(version: int) -> None:
    def refuser(request: Any) -> Any:
        text = "Unexpected broker id, expected 1 or empty string, but received 9"
        result = said(DESCRIBE.key, version, "results", error_code=IR, error_message=text, resource_type=BROKER)
        return a_response(DESCRIBE.key, version, results=(result,))

    got = pass_through(DESCRIBE, describing(version, (BROKER, "9")), of("owners", tenant="platform"), refuser).got

    assert "expected 1" not in got.results[0].error_message


# IncrementalAlterConfigs


def altering(
    version: int, *resources: Named, keys: Iterable[str] = ("retention.ms",), operation: int = 0, **values: Any
) -> Any:
    entries = (
        asked(
            ALTER.key,
            version,
            "resources",
            resource_type=kind,
            resource_name=name,
            configs=tuple(
                asked(ALTER.key, version, "resources", "configs", name=key, config_operation=operation, value="1")
                for key in keys
            ),
        )
        for kind, name in resources
    )
    return a_request(ALTER.key, version, resources=tuple(entries), **values)


def alterer(request: Any) -> Any:
    version = request.__version__
    responses = (
        said(ALTER.key, version, "responses", resource_type=entry.resource_type, resource_name=entry.resource_name)
        for entry in reversed(request.resources)
    )
    return a_response(ALTER.key, version, responses=tuple(responses))


@pytest.mark.parametrize("version", ALTER.versions)
@pytest.mark.parametrize("validate_only", [True, False])
def test_of_a_mixed_change_only_what_may_be_edited_is_forwarded(version: int, validate_only: bool) -> None:
    resources = [
        (TOPIC, "globex.pay"),
        (GROUP, "acme-g"),
        (TOPIC, "acme.keep"),
        (BROKER, ""),
        (TOPIC, "acme.ask"),
        (TOPIC, "acme.a"),
        (GROUP, "acme-other"),
        (CLIENT_METRICS, "m"),
        (LOGGER, "2"),
        (3, "x"),
    ]
    may = of()

    passage = pass_through(ALTER, altering(version, *resources, validate_only=validate_only), may, alterer)

    assert names(passage.heard) == [(GROUP, "acme-g"), (TOPIC, "acme.a")]
    codes = [UTP, NONE, TAF, CAF, ErrorCode.policy_violation, NONE, GAF, CAF, CAF, IR]
    assert outcome(passage.got) == [(*resource, code) for resource, code in zip(resources, codes, strict=True)]
    assert [note.access for note in may.notes].count(Access.HIDDEN) == 4  # the foreign topic, and three about brokers


@pytest.mark.parametrize("version", ALTER.versions)
@pytest.mark.parametrize("tenant", ["acme", "strict"])
@pytest.mark.parametrize(("foreign", "missing"), list(zip(FOREIGN, MISSING, strict=True)))
def test_a_foreign_resource_is_altered_no_more_than_a_missing_one(
    version: int, tenant: str, foreign: Named, missing: Named
) -> None:
    answers = [
        encode(pass_through(ALTER, altering(version, resource), of(tenant=tenant), never).got)
        for resource in (foreign, missing)
    ]

    assert answers[0].replace(b"pay", b"nop") == answers[1]


@pytest.mark.parametrize("version", ALTER.versions)
def test_settings_of_a_group_outside_the_tenant_are_not_brought_into_being(version: int) -> None:
    (answer,) = pass_through(ALTER, altering(version, (GROUP, "globex-g")), of(), never).got.responses

    assert (answer.error_code, answer.error_message) == (GAF, "group globex-g is outside the tenant acme")


@pytest.mark.parametrize("version", ALTER.versions)
def test_a_resource_given_twice_is_refused_each_time(version: int) -> None:
    request = altering(version, (TOPIC, "acme.a"), (GROUP, "acme-g"), (TOPIC, "acme.a"))

    passage = pass_through(ALTER, request, of(), alterer)

    assert names(passage.heard) == [(GROUP, "acme-g")]
    assert [code for *_, code in outcome(passage.got)] == [IR, NONE, IR]
    assert passage.got.responses[0].error_message == "Each resource must appear at most once."


@pytest.mark.parametrize("version", ALTER.versions)
@pytest.mark.parametrize("operation", [0, 1, 2, 3])
@pytest.mark.parametrize("key", ["follower.replication.throttled.replicas", "remote.storage.enable"])
def test_a_topic_s_throttles_and_remote_storage_are_altered_by_who_may_edit_every_broker(
    version: int, operation: int, key: str
) -> None:
    request = altering(version, (TOPIC, "acme.a"), keys=["retention.ms", key], operation=operation)

    assert [code for *_, code in outcome(pass_through(ALTER, request, of(), never).got)] == [TAF]
    assert pass_through(ALTER, request, of("owners", tenant="platform"), alterer).heard is request


@pytest.mark.parametrize("version", ALTER.versions)
@pytest.mark.parametrize("name", ["2", "02", "+2"])
def test_a_broker_is_the_same_broker_however_its_number_is_written(version: int, name: str) -> None:
    passage = pass_through(ALTER, altering(version, (BROKER, name), (BROKER, "1")), of(tenant="platform"), alterer)

    assert names(passage.heard) == [(BROKER, name)]
    assert [code for *_, code in outcome(passage.got)] == [NONE, CAF]


@pytest.mark.parametrize("name", ["", "x", "9" * 5000])
def test_what_is_no_number_is_a_broker_by_that_name(name: str) -> None:
    assert broker_name(name) == name


@pytest.mark.parametrize("version", ALTER.versions)
def test_all_brokers_are_altered_by_who_may_edit_every_one(version: int) -> None:
    request = altering(version, (BROKER, ""), (CLIENT_METRICS, "m"))

    assert pass_through(ALTER, request, of("owners", tenant="platform"), alterer).heard is request
    assert [code for *_, code in outcome(pass_through(ALTER, request, of(tenant="platform"), never).got)] == [CAF, CAF]


@pytest.mark.parametrize("version", ALTER.versions)
def test_a_text_of_the_controller_is_replaced(version: int) -> None:
    def refuser(request: Any) -> Any:
        text = "The topic 'acme.a' does not exist. There is only 'globex.pay'."
        answer = said(ALTER.key, version, "responses", error_code=UTP, error_message=text, resource_type=TOPIC)
        return a_response(ALTER.key, version, responses=(answer,))

    (answer,) = pass_through(ALTER, altering(version, (TOPIC, "acme.a")), of(), refuser).got.responses

    assert answer.error_message == "This server does not host this topic-partition."


def test_the_audit_keeps_keys_and_operations_but_no_secret() -> None:
    assert ALTER.parameters is not None
    topic = altering(1, (TOPIC, "acme.a"), keys=["retention.ms", "my.password"], operation=0)
    broker = altering(1, (BROKER, "1"), keys=["ssl.keystore.location"], operation=1, validate_only=True)

    assert ALTER.parameters(topic, None) == {
        "resources": [
            {
                "type": "topic",
                "name": "acme.a",
                "configs": [
                    {"key": "retention.ms", "operation": "set", "value": "1"},
                    {"key": "my.password", "operation": "set"},
                ],
            }
        ],
        "validate_only": False,
    }
    assert ALTER.parameters(broker, None) == {
        "resources": [
            {"type": "broker", "name": "1", "configs": [{"key": "ssl.keystore.location", "operation": "delete"}]}
        ],
        "validate_only": True,
    }


def test_what_was_set_before_is_asked_of_topics_and_groups_and_told_but_no_secret() -> None:
    assert ALTER.learns is not None
    keys = ["retention.ms", "my.password"]
    request = altering(1, (TOPIC, "acme.a"), (BROKER, "1"), (GROUP, "acme-g"), keys=keys)
    kept = tuple(said(DESCRIBE.key, 1, "results", "configs", name=key, value="old") for key in keys)
    result = said(DESCRIBE.key, 1, "results", resource_type=TOPIC, resource_name="acme.a", configs=kept)

    question = ALTER.learns.question(request)
    told = ALTER.learns.tell(request, a_response(DESCRIBE.key, 1, results=(result,)))
    unknown = ALTER.learns.tell(request, None)

    assert question is not None
    assert encode(question)
    assert [(one.resource_name, one.configuration_keys) for one in question.resources] == [
        ("acme.a", tuple(keys)),
        ("acme-g", tuple(keys)),
    ]
    configs = [resource["configs"] for resource in cast("list[dict[str, Any]]", told["resources"])]
    assert [[config.get("old_value") for config in some] for some in configs] == [["old", None], [None] * 2, [None] * 2]
    assert "old_value" not in str(unknown)


def test_of_brokers_alone_nothing_is_asked() -> None:
    assert ALTER.learns is not None
    assert ALTER.learns.question(altering(1, (BROKER, "1"), keys=["x"])) is None


def test_only_validating_is_no_mutation_for_the_audit() -> None:
    assert ALTER.record_for(altering(1, (TOPIC, "acme.a"))) is Record.EVENT
    assert ALTER.record_for(altering(1, (TOPIC, "acme.a"), validate_only=True)) is Record.COUNTED


# AlterConfigs


def replacing(version: int, *resources: Named, keys: Iterable[str] = ("retention.ms",), **values: Any) -> Any:
    entries = (
        asked(
            REPLACE.key,
            version,
            "resources",
            resource_type=kind,
            resource_name=name,
            configs=tuple(asked(REPLACE.key, version, "resources", "configs", name=key, value="1") for key in keys),
        )
        for kind, name in resources
    )
    return a_request(REPLACE.key, version, resources=tuple(entries), **values)


def replacer(request: Any) -> Any:
    version = request.__version__
    responses = (
        said(REPLACE.key, version, "responses", resource_type=entry.resource_type, resource_name=entry.resource_name)
        for entry in request.resources
    )
    return a_response(REPLACE.key, version, responses=tuple(responses))


def knowing(told: Callable[[Any], Any] | None) -> Api:
    """The row with a judge that asks such a cluster what it wants to know; None: one that does not answer."""

    def judge(request: Any, may: May) -> Verdict:
        verdict = config_changes.judge_replace(request, may)
        if not isinstance(verdict, Ask):
            return verdict
        assert may.notes == []  # nothing is decided before it is known
        decided = verdict.decide(None if told is None else told(verdict.question), may)
        assert not isinstance(decided, Ask)
        return decided

    return dataclasses.replace(REPLACE, judge=judge)


def telling(**placed: str) -> Callable[[Any], Any]:
    """A cluster where these settings are set on each topic, besides an ordinary one; the others have their defaults."""

    def tell(question: Any) -> Any:
        version = question.__version__
        told = {"retention.ms": "7"} | {name.replace("_", "."): value for name, value in placed.items()}
        configs = tuple(setting(version, name, value, (name, value, 1)) for name, value in told.items())
        default = setting(version, "remote.storage.enable", "false", ("remote.storage.enable", "false", 5))
        results = (
            said(
                DESCRIBE.key,
                version,
                "results",
                resource_type=entry.resource_type,
                resource_name=entry.resource_name,
                configs=(*configs, default),
            )
            for entry in question.resources
        )
        return a_response(DESCRIBE.key, version, results=tuple(results))

    return tell


@pytest.mark.parametrize("version", REPLACE.versions)
@pytest.mark.parametrize("validate_only", [True, False])
def test_of_a_mixed_replacement_only_what_may_be_edited_is_forwarded(version: int, validate_only: bool) -> None:
    resources = [
        (TOPIC, "globex.pay"),
        (GROUP, "acme-g"),
        (TOPIC, "acme.keep"),
        (BROKER, ""),
        (BROKER, "2"),
        (TOPIC, "acme.ask"),
        (TOPIC, "acme.a"),
        (GROUP, "acme-other"),
        (CLIENT_METRICS, "m"),
        (LOGGER, "2"),
        (3, "x"),
        (0, "x"),
    ]

    request = replacing(version, *resources, validate_only=validate_only)
    passage = pass_through(knowing(telling()), request, of(), replacer)

    assert names(passage.heard) == [(GROUP, "acme-g"), (TOPIC, "acme.a")]
    codes = [UTP, NONE, TAF, CAF, CAF, ErrorCode.policy_violation, NONE, GAF, CAF, IR, IR, IR]
    assert outcome(passage.got) == [(*resource, code) for resource, code in zip(resources, codes, strict=True)]
    assert passage.got.responses[9].error_message == "Unknown resource type 8"


@pytest.mark.parametrize("version", REPLACE.versions)
@pytest.mark.parametrize(
    "placed", [{"leader_replication_throttled_replicas": "0:1"}, {"remote_storage_enable": "true"}]
)
def test_where_the_data_of_a_topic_lies_is_not_taken_back_by_who_may_not_say_it(
    version: int, placed: dict[str, str]
) -> None:
    request = replacing(version, (TOPIC, "acme.a"), (GROUP, "acme-g"))

    passage = pass_through(knowing(telling(**placed)), request, of(), replacer)

    assert names(passage.heard) == [(GROUP, "acme-g")]
    assert [code for *_, code in outcome(passage.got)] == [TAF, NONE]
    assert "IncrementalAlterConfigs" in passage.got.responses[0].error_message
    placing = pass_through(REPLACE, request, of("owners", tenant="platform"), replacer)
    assert names(placing.heard) == [(TOPIC, "acme.a")]


@pytest.mark.parametrize("version", REPLACE.versions)
def test_whoever_approves_what_may_take_it_back_may_say_where_data_lies(version: int) -> None:
    may = of("owners", tenant="platform")

    pass_through(REPLACE, replacing(version, (TOPIC, "acme.a")), may, replacer)

    assert demands_of(may.notes) == (
        Demand(action=Action.TOPIC_EDIT, kind=Kind.TOPIC, name="acme.a"),
        Demand(action=Action.BROKER_EDIT, kind=Kind.BROKER, name=""),
    )


@pytest.mark.parametrize("version", REPLACE.versions)
def test_it_is_not_said_by_replacing_either(version: int) -> None:
    request = replacing(version, (TOPIC, "acme.a"), keys=["retention.ms", "remote.storage.enable"])

    assert [code for *_, code in outcome(pass_through(REPLACE, request, of(), never).got)] == [TAF]


@pytest.mark.parametrize("version", REPLACE.versions)
def test_what_the_cluster_does_not_tell_in_time_is_not_replaced(version: int) -> None:
    request = replacing(version, (TOPIC, "acme.a"), (GROUP, "acme-g"))

    passage = pass_through(knowing(None), request, of(), replacer)

    assert names(passage.heard) == [(GROUP, "acme-g")]
    assert [code for *_, code in outcome(passage.got)] == [ErrorCode.request_timed_out, NONE]


@pytest.mark.parametrize(
    ("code", "becomes"), [(UTP, NONE), (ErrorCode.unknown_server_error, ErrorCode.request_timed_out)]
)
def test_a_topic_that_is_not_there_has_nothing_to_take_back(code: ErrorCode, becomes: ErrorCode) -> None:
    def tell(question: Any) -> Any:
        (entry,) = question.resources
        kind, name = entry.resource_type, entry.resource_name
        result = said(
            DESCRIBE.key, question.__version__, "results", error_code=code, resource_type=kind, resource_name=name
        )
        return a_response(DESCRIBE.key, question.__version__, results=(result,))

    got = pass_through(knowing(tell), replacing(2, (TOPIC, "acme.a")), of(), replacer).got

    assert [one for *_, one in outcome(got)] == [becomes]


def test_the_cluster_is_asked_of_nothing_but_what_may_be_edited() -> None:
    named = [(TOPIC, name) for name in ("globex.pay", "acme.keep", "acme.a", "acme.b", "acme.a", "globex.nop")]

    asks = config_changes.judge_replace(replacing(2, *named, (GROUP, "acme-g")), of())

    assert isinstance(asks, Ask)
    assert names(asks.question) == [(TOPIC, "acme.a"), (TOPIC, "acme.b")]
    assert not isinstance(config_changes.judge_replace(replacing(2, *named[:2]), of()), Ask)
    assert not isinstance(config_changes.judge_replace(replacing(2, *named), of("owners", tenant="platform")), Ask)


@pytest.mark.parametrize("version", REPLACE.versions)
@pytest.mark.parametrize("tenant", ["acme", "strict"])
@pytest.mark.parametrize(("foreign", "missing"), list(zip(FOREIGN, MISSING, strict=True)))
def test_settings_of_a_foreign_resource_are_replaced_no_more_than_those_of_a_missing_one(
    version: int, tenant: str, foreign: Named, missing: Named
) -> None:
    answers = [
        encode(pass_through(REPLACE, replacing(version, resource), of(tenant=tenant), never).got)
        for resource in (foreign, missing)
    ]

    assert answers[0].replace(b"pay", b"nop") == answers[1]


@pytest.mark.parametrize("version", REPLACE.versions)
def test_a_resource_given_twice_gets_an_answer_and_no_broker_hears_of_it(version: int) -> None:
    """Kafka 4.3.1 answers nothing at all to such a request."""
    twice = replacing(version, (GROUP, "acme-g"), (GROUP, "acme-g"))
    beside = replacing(version, (BROKER, "1"), (BROKER, "2"), (BROKER, "1"))

    alone = pass_through(REPLACE, twice, of(), never).got
    passage = pass_through(REPLACE, beside, of("owners", tenant="platform"), replacer)

    assert [code for *_, code in outcome(alone)] == [IR, IR]
    assert names(passage.heard) == [(BROKER, "2")]
    assert [code for *_, code in outcome(passage.got)] == [IR, NONE, IR]


def test_the_audit_says_that_settings_were_replaced() -> None:
    assert REPLACE.parameters is not None
    request = replacing(2, (GROUP, "acme-g"), (BROKER, "1"))
    assert REPLACE.record_for(request) is Record.EVENT
    assert REPLACE.record_for(replacing(2, validate_only=True)) is Record.COUNTED
    assert REPLACE.parameters(request, None) == {
        "resources": [
            {
                "type": "group",
                "name": "acme-g",
                "configs": [{"key": "retention.ms", "operation": "set", "value": "1"}],
            },
            {"type": "broker", "name": "1", "configs": [{"key": "retention.ms", "operation": "set"}]},
        ],
        "validate_only": False,
        "replaces": True,
    }


# Brokers that are excluded


@pytest.mark.parametrize("version", DESCRIBE.versions)
def test_settings_of_brokers_outside_the_view_are_not_shown_whatever_rights_there_are(version: int) -> None:
    resources = [(BROKER, "1"), (BROKER, "9"), (BROKER, ""), (LOGGER, "1"), (CLIENT_METRICS, "m"), (TOPIC, "acme.a")]

    passage = pass_through(DESCRIBE, describing(version, *resources), of("owners", tenant="kpow"), describer)

    assert names(passage.heard) == [(TOPIC, "acme.a")]
    assert outcome(passage.got) == [(TOPIC, "acme.a", NONE), *((*resource, CAF) for resource in resources[:-1])]
    assert [source for entry in passage.got.results for config in entry.configs for source in config.synonyms]
    assert {one.source for entry in passage.got.results for config in entry.configs for one in config.synonyms} == {1}


@pytest.mark.parametrize("version", DESCRIBE.versions)
def test_one_broker_outside_the_view_keeps_what_is_about_all_of_them(version: int) -> None:
    resources = [(BROKER, "1"), (BROKER, "2"), (BROKER, ""), (LOGGER, "3"), (CLIENT_METRICS, "m")]

    passage = pass_through(DESCRIBE, describing(version, *resources), of("owners", tenant="but-one"), describer)

    assert names(passage.heard) == [(BROKER, "1"), (LOGGER, "3")]
    codes = [NONE, CAF, CAF, NONE, CAF]
    expected = ((*resource, code) for resource, code in zip(resources, codes, strict=True))
    assert outcome(passage.got) == refused_last(expected)


@pytest.mark.parametrize("version", ALTER.versions)
def test_one_broker_that_may_not_be_edited_is_not_altered_through_all_of_them(version: int) -> None:
    request = altering(version, (BROKER, ""), (BROKER, "1"), (BROKER, "2"), (CLIENT_METRICS, "m"))

    for tenant, role in (("but-one", "owners"), ("platform", "almost")):
        passage = pass_through(ALTER, request, of(role, tenant=tenant), alterer)

        assert names(passage.heard) == [(BROKER, "1")]
        assert [code for *_, code in outcome(passage.got)] == [CAF, NONE, CAF, CAF]


# The topic for what a share group could not process, which a setting names from Kafka 4.4 on


DEAD_LETTERS = "errors.deadletterqueue.topic.name"
WRITERS = """
  - {resource: [cluster, "*", topic, "acme.*"], effect: Allow, actions: [TOPIC_PRODUCE], role: devs}
  - {resource: [cluster, "*", topic, "acme.keep"], effect: Deny, actions: [TOPIC_PRODUCE], role: devs}
  - {resource: [cluster, "*", topic, "acme.new*"], effect: Allow, actions: [TOPIC_CREATE], role: devs}
tenants:"""


def naming(api: Api, version: int, topic: str | None, operation: int = 0) -> Any:
    config = asked(api.key, version, "resources", "configs", name=DEAD_LETTERS, config_operation=operation, value=topic)
    entry = asked(api.key, version, "resources", resource_type=GROUP, resource_name="acme-g", configs=(config,))
    return a_request(api.key, version, resources=(entry,))


def altered(request: Any) -> Any:
    key, version = request.__api_key__, request.__version__
    responses = (
        said(key, version, "responses", resource_type=entry.resource_type, resource_name=entry.resource_name)
        for entry in request.resources
    )
    return a_response(key, version, responses=tuple(responses))


@pytest.mark.parametrize(
    ("topic", "code"),
    [
        ("acme.a", NONE),
        ("acme.new", NONE),
        ("", NONE),
        (None, NONE),
        ("acme.keep", TAF),  # may not be written to
        ("acme.nop", TAF),  # may not be created
        ("globex.pay", TAF),
        ("globex.nop", TAF),
        (" globex.pay", TAF),
        ("__consumer_offsets", TAF),
    ],
)
@pytest.mark.parametrize("operation", range(4))
@pytest.mark.parametrize("tenant", ["acme", "strict"])
def test_a_group_names_a_topic_that_its_editor_may_write_to(
    topic: str | None, code: ErrorCode, operation: int, tenant: str
) -> None:
    policy = POLICY.replace("\ntenants:", WRITERS)
    topics = ("acme.a", "acme.keep", "globex.pay", "__consumer_offsets")

    for api in (ALTER, REPLACE):
        for version in api.versions:
            may = make_may(policy, tenant=tenant, topics=topics)
            broker = never if code else altered
            (answer,) = pass_through(api, naming(api, version, topic, operation), may, broker).got.responses
            assert answer.error_code is code


@pytest.mark.parametrize("roles", [("devs",), ("owners",)])
@pytest.mark.parametrize(("topic", "told"), [("acme.a", "acme.a"), ("globex.pay", ""), ("", ""), (None, None)])
def test_a_group_is_described_without_a_topic_that_is_hidden(
    roles: tuple[str, ...], topic: str | None, told: str | None
) -> None:
    policy = (
        POLICY.replace("roles: [devs]", "roles: [devs, owners]")
        + """
  - {name: mine, resources: [{include: [[cluster, "*", topic, "acme.*"], [cluster, "*", group, "*"],
                                        [cluster, "*", broker, "*"]]}], roles: [devs, owners]}
"""
    )
    may = make_may(policy, roles, "mine", topics=("acme.a", "globex.pay"))

    def describer_of_one(request: Any) -> Any:
        configs = (setting(4, DEAD_LETTERS, topic, *(((DEAD_LETTERS, topic, 8),) if topic else ())),)
        result = said(DESCRIBE.key, 4, "results", resource_type=GROUP, resource_name="acme-g", configs=configs)
        return a_response(DESCRIBE.key, 4, results=(result,))

    passage = pass_through(DESCRIBE, describing(4, (GROUP, "acme-g")), may, describer_of_one)

    ((config,),) = [result.configs for result in passage.got.results]
    assert (config.value, [one.value for one in config.synonyms]) == (told, [told] if told else [])
