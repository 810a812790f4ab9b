from collections.abc import Iterable
from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from kordon_protocol.codec import encode
from kordon_protocol.keys import ApiKey
from kordon_proxy.apis.lookups import APIS, CLIENT
from kordon_proxy.judging.may import Access, May
from kordon_proxy.judging.table import Record
from tests.proxy.apis.exchanges import never, pass_through, row
from tests.proxy.apis.messages import a_request, a_response, asked, said
from tests.proxy.judging.worlds import make_may

POLICY = """
policies:
  - {resource: [cluster, "*", topic, "acme.*"], effect: Allow, actions: [TOPIC_TRUNCATE], role: devs}
  - {resource: [cluster, "*", topic, "acme.*"], effect: Stage, actions: [TOPIC_TRUNCATE], role: careful}
  - {resource: [cluster, "*", topic, "acme.keep"], effect: Deny, actions: [TOPIC_TRUNCATE], role: devs}
tenants:
  - name: acme
    resources: [{include: [cluster, "*", topic, "acme.*"]}]
    roles: [devs, careful]
  - name: strict
    resources: [{include: [cluster, "*", topic, "acme.*"]}]
    roles: [devs]
    outside_view: denied
"""
LOOKUPS = [ApiKey.LIST_OFFSETS, ApiKey.OFFSET_FOR_LEADER_EPOCH]
EVERY_LOOKUP = [(key, version) for key in LOOKUPS for version in row(APIS, key).versions]
EVERY_VERSION = [(ApiKey(api.key), version) for api in APIS for version in api.versions]
HIDDEN = ("globex.pay", "globex.nope")
"""A topic that is there and one that is not."""


def of(*roles: str, tenant: str = "acme") -> May:
    return make_may(POLICY, roles or ("devs",), tenant, topics=("acme.a", "acme.keep", "globex.pay"))


def about(key: ApiKey, version: int, names: Iterable[str], **values: Any) -> Any:
    topics = tuple(
        asked(
            key,
            version,
            "topics",
            name=name,
            topic=name,
            partitions=tuple(
                asked(key, version, "topics", "partitions", partition_index=index, partition=index, offset=7)
                for index in (0, 1)
            ),
        )
        for name in names
    )
    return a_request(key, version, **({"topics": topics, "replica_id": CLIENT} | values))


def broker(request: Any) -> Any:
    key, version = ApiKey(request.__api_key__), request.__version__
    topics = tuple(
        said(
            key,
            version,
            "topics",
            name=name_of(topic),
            topic=name_of(topic),
            partitions=tuple(
                said(key, version, "topics", "partitions", partition_index=index, partition=index) for index in (0, 1)
            ),
        )
        for topic in reversed(request.topics)
    )
    return a_response(key, version, topics=topics)


def name_of(topic: Any) -> str:
    name: str = getattr(topic, "name", None) or topic.topic
    return name


def codes(response: Any) -> dict[str, set[ErrorCode]]:
    return {name_of(topic): {part.error_code for part in topic.partitions} for topic in response.topics}


@pytest.mark.parametrize(("key", "version"), EVERY_LOOKUP)
def test_what_is_in_the_view_can_be_looked_up_without_any_action(key: ApiKey, version: int) -> None:
    request = about(key, version, ["acme.a", "acme.new"])

    passage = pass_through(row(APIS, key), request, of(), broker)

    assert passage.heard is request
    assert codes(passage.got) == {"acme.a": {ErrorCode.none}, "acme.new": {ErrorCode.none}}


@pytest.mark.parametrize(("key", "version"), EVERY_VERSION)
def test_what_is_outside_the_view_is_never_forwarded(key: ApiKey, version: int) -> None:
    request = about(key, version, ["globex.pay", "acme.a", "globex.nope"])

    passage = pass_through(row(APIS, key), request, of(), broker)

    assert [name_of(topic) for topic in passage.heard.topics] == ["acme.a"]
    assert list(codes(passage.got).items()) == [
        ("globex.pay", {ErrorCode.unknown_topic_or_partition}),
        ("acme.a", {ErrorCode.none}),
        ("globex.nope", {ErrorCode.unknown_topic_or_partition}),
    ]


@pytest.mark.parametrize(("key", "version"), EVERY_VERSION)
def test_every_partition_of_a_hidden_topic_is_answered(key: ApiKey, version: int) -> None:
    passage = pass_through(row(APIS, key), about(key, version, ["globex.pay"]), of(), never)

    (topic,) = passage.got.topics
    assert [getattr(part, "partition_index", getattr(part, "partition", None)) for part in topic.partitions] == [0, 1]


@pytest.mark.parametrize("tenant", ["acme", "strict"])
@pytest.mark.parametrize(("key", "version"), EVERY_VERSION)
def test_a_foreign_topic_and_a_missing_one_are_answered_alike(key: ApiKey, version: int, tenant: str) -> None:
    foreign, missing = (
        encode(pass_through(row(APIS, key), about(key, version, [name]), of(tenant=tenant), never).got)
        for name in ("globex.pay", "globex.nop")
    )

    assert foreign.replace(b"globex.pay", b"globex.nop") == missing


@pytest.mark.parametrize(("key", "version"), EVERY_VERSION)
def test_a_tenant_that_denies_what_is_outside_gives_the_authorization_error(key: ApiKey, version: int) -> None:
    passage = pass_through(row(APIS, key), about(key, version, HIDDEN), of(tenant="strict"), never)

    assert codes(passage.got) == {name: {ErrorCode.topic_authorization_failed} for name in HIDDEN}


@pytest.mark.parametrize(("key", "version"), EVERY_LOOKUP)
@pytest.mark.parametrize("replica", [0, 2, -2])
def test_nobody_looks_as_a_broker(key: ApiKey, version: int, replica: int) -> None:
    request = about(key, version, ["acme.a"], replica_id=replica)

    heard = pass_through(row(APIS, key), request, of(), broker).heard

    assert heard == about(key, version, ["acme.a"])


@pytest.mark.parametrize(("key", "version"), EVERY_LOOKUP)
def test_nobody_looks_as_a_broker_where_a_part_is_refused_either(key: ApiKey, version: int) -> None:
    request = about(key, version, ["acme.a", "globex.pay"], replica_id=2)

    heard = pass_through(row(APIS, key), request, of(), broker).heard

    assert heard == about(key, version, ["acme.a"])


@pytest.mark.parametrize("version", row(APIS, ApiKey.DELETE_RECORDS).versions)
def test_records_are_deleted_only_where_the_policy_allows_it(version: int) -> None:
    request = about(ApiKey.DELETE_RECORDS, version, ["acme.keep", "acme.a"])
    may = of()

    passage = pass_through(row(APIS, ApiKey.DELETE_RECORDS), request, may, broker)

    assert [topic.name for topic in passage.heard.topics] == ["acme.a"]
    assert codes(passage.got) == {"acme.keep": {ErrorCode.topic_authorization_failed}, "acme.a": {ErrorCode.none}}
    assert [note.access for note in may.notes] == [Access.DENIED, Access.ALLOWED]


@pytest.mark.parametrize("version", row(APIS, ApiKey.DELETE_RECORDS).versions)
def test_a_refused_deletion_has_no_low_watermark(version: int) -> None:
    request = about(ApiKey.DELETE_RECORDS, version, ["acme.keep"])

    (topic,) = pass_through(row(APIS, ApiKey.DELETE_RECORDS), request, of(), never).got.topics

    assert [part.low_watermark for part in topic.partitions] == [-1, -1]


def test_a_staged_deletion_is_not_forwarded() -> None:
    request = about(ApiKey.DELETE_RECORDS, 2, ["acme.a"])

    got = pass_through(row(APIS, ApiKey.DELETE_RECORDS), request, of("careful"), never).got

    assert codes(got) == {"acme.a": {ErrorCode.policy_violation}}


def test_the_audit_keeps_up_to_where_records_were_deleted() -> None:
    api = row(APIS, ApiKey.DELETE_RECORDS)
    request = about(ApiKey.DELETE_RECORDS, 2, ["acme.a"])

    assert api.record_for(request) is Record.EVENT
    assert api.parameters is not None
    assert api.parameters(request, None) == {"topics": [{"name": "acme.a", "before": {"0": 7, "1": 7}}]}
