from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kio.schema.errors import ErrorCode

from kordon_protocol.codec import decode_response, encode, request_type, response_type
from kordon_protocol.errors import UnknownApi, UnsupportedVersion
from kordon_protocol.keys import ApiKey
from kordon_protocol.outcomes import body_error_codes
from kordon_protocol.refusals import refusal, refusal_frame
from tests.protocol.schemas import EVERY_VERSION, build, messages

CODE = ErrorCode.cluster_authorization_failed


def version_id(case: Any) -> str:
    return case.name.lower() if isinstance(case, ApiKey) else str(case)


every_version = pytest.mark.parametrize(("key", "version"), EVERY_VERSION, ids=version_id)


def codes(response: Any) -> dict[str, int]:
    return dict(body_error_codes(response))


@every_version
@given(data=st.data())
@settings(max_examples=5, suppress_health_check=[HealthCheck.too_slow])
def test_every_request_of_every_version_can_be_refused(key: ApiKey, version: int, data: st.DataObject) -> None:
    request = data.draw(messages(request_type(key, version)))
    deepest = data.draw(st.booleans())
    response = refusal(key, version, request, CODE, "because", deepest=deepest)
    assert type(response) is response_type(key, version)
    assert decode_response(key, version, encode(response)) == response
    said = {code for _, code in body_error_codes(response)}
    assert said <= {CODE, ErrorCode.none}


@every_version
def test_a_request_that_is_not_known_can_be_refused(key: ApiKey, version: int) -> None:
    response = refusal(key, version, None, CODE)
    assert decode_response(key, version, encode(response)) == response
    assert codes(response) in ({}, {"": CODE})


@every_version
@given(data=st.data())
@settings(max_examples=3, suppress_health_check=[HealthCheck.too_slow])
def test_the_code_is_said_for_what_was_named(key: ApiKey, version: int, data: st.DataObject) -> None:
    request = data.draw(messages(request_type(key, version), full=True))
    said = codes(refusal(key, version, request, CODE))
    if (key, version) in {(ApiKey.DESCRIBE_LOG_DIRS, 1), (ApiKey.DESCRIBE_LOG_DIRS, 2)}:
        assert said == {}  # Kafka answers with no directories
    else:
        assert CODE in said.values()


ID = UUID(int=7)
BY_INDEX = {"name": "orders", "partitions": [3]}
IN_TRANSACTION = "results_by_transaction[t].topic_results[orders].results_by_partition[3]"
BY_NAME = {"name": "orders", "partitions": [{"partition_index": 3}, {"partition_index": 5}]}
BY_ID = {"topic_id": ID, "partitions": [{"partition_index": 3}]}
PRODUCED = {"partition_data": [{"index": 3, "records": b"x"}]}
FETCHED = [{"topic": "orders", "partitions": [{"partition": 3, "fetch_offset": 9}]}]
PAIR = {"topics[orders].partitions[3]": CODE, "topics[orders].partitions[5]": CODE}


@pytest.mark.parametrize(
    ("key", "version", "request_values", "said"),
    [
        (
            ApiKey.PRODUCE,
            9,
            {"topic_data": [{"name": "orders"} | PRODUCED]},
            {"responses[orders].partition_responses[3]": CODE},
        ),
        (
            ApiKey.PRODUCE,
            13,
            {"topic_data": [{"topic_id": ID} | PRODUCED]},
            {f"responses[{ID}].partition_responses[3]": CODE},
        ),
        (ApiKey.FETCH, 4, {"topics": FETCHED}, {"responses[orders].partitions[3]": CODE}),
        (ApiKey.FETCH, 12, {"topics": FETCHED}, {"": CODE, "responses[orders].partitions[3]": CODE}),
        (ApiKey.FETCH, 13, {"topics": [{"topic_id": ID, "partitions": [{"partition": 3}]}]}, {"": CODE}),
        (ApiKey.LIST_OFFSETS, 7, {"topics": [BY_NAME]}, PAIR),
        (
            ApiKey.METADATA,
            12,
            {"topics": [{"name": "orders"}, {"name": None, "topic_id": ID}]},
            {"topics[orders]": CODE, f"topics[{ID}]": CODE},
        ),
        (ApiKey.METADATA, 12, {"topics": None}, {}),
        (ApiKey.METADATA, 13, {"topics": [{"name": "orders"}]}, {"": CODE}),
        (ApiKey.OFFSET_COMMIT, 8, {"topics": [BY_NAME]}, PAIR),
        (ApiKey.OFFSET_FETCH, 1, {"topics": [{"name": "orders", "partition_indexes": [3, 5]}]}, PAIR),
        (ApiKey.OFFSET_FETCH, 7, {"topics": [{"name": "orders", "partition_indexes": [3]}]}, {"": CODE}),
        (
            ApiKey.OFFSET_FETCH,
            8,
            {"groups": [{"group_id": "a", "topics": None}, {"group_id": "b"}]},
            {"groups[a]": CODE, "groups[b]": CODE},
        ),
        (ApiKey.FIND_COORDINATOR, 3, {"key": "a"}, {"": CODE}),
        (
            ApiKey.FIND_COORDINATOR,
            4,
            {"coordinator_keys": ["a", "b"]},
            {"coordinators[a]": CODE, "coordinators[b]": CODE},
        ),
        (ApiKey.JOIN_GROUP, 9, {"group_id": "a"}, {"": CODE}),
        (ApiKey.DESCRIBE_GROUPS, 5, {"groups": ["a"]}, {"groups[a]": CODE}),
        (ApiKey.DELETE_GROUPS, 2, {"groups_names": ["a"]}, {"results[a]": CODE}),
        (ApiKey.CREATE_TOPICS, 4, {"topics": [{"name": "orders"}]}, {"topics[orders]": CODE}),
        (ApiKey.DELETE_TOPICS, 5, {"topic_names": ["orders"]}, {"responses[orders]": CODE}),
        (ApiKey.DELETE_TOPICS, 6, {"topics": [{"name": None, "topic_id": ID}]}, {f"responses[{ID}]": CODE}),
        (
            ApiKey.OFFSET_FOR_LEADER_EPOCH,
            4,
            {"topics": [{"topic": "orders", "partitions": [{"partition": 3}]}]},
            {"topics[orders].partitions[3]": CODE},
        ),
        (ApiKey.ADD_PARTITIONS_TO_TXN, 4, {"transactions": [{"transactional_id": "t"}]}, {"": CODE}),
        (
            ApiKey.DESCRIBE_CONFIGS,
            4,
            {"resources": [{"resource_type": 2, "resource_name": "orders"}]},
            {"results[orders]": CODE},
        ),
        (ApiKey.CREATE_ACLS, 3, {"creations": [{}, {}]}, {"results[0]": CODE, "results[1]": CODE}),
        (ApiKey.DELETE_ACLS, 3, {"filters": [{}]}, {"filter_results[0]": CODE}),
        (
            ApiKey.ALTER_REPLICA_LOG_DIRS,
            2,
            {"dirs": [{"path": "/d", "topics": [BY_INDEX]}]},
            {"results[orders].partitions[3]": CODE},
        ),
        (
            ApiKey.ELECT_LEADERS,
            0,
            {"topic_partitions": [{"topic": "orders", "partitions": [3]}]},
            {"replica_election_results[orders].partition_result[3]": CODE},
        ),
        (
            ApiKey.ALTER_USER_SCRAM_CREDENTIALS,
            0,
            {"deletions": [{"name": "a"}], "upsertions": [{"name": "b"}, {"name": "a"}]},
            {"results[a]": CODE, "results[b]": CODE},
        ),
        (ApiKey.DESCRIBE_TRANSACTIONS, 0, {"transactional_ids": ["t"]}, {"transaction_states[t]": CODE}),
        (ApiKey.CONSUMER_GROUP_HEARTBEAT, 1, {"group_id": "a"}, {"": CODE}),
        (ApiKey.DESCRIBE_TOPIC_PARTITIONS, 0, {"topics": [{"name": "orders"}]}, {"topics[orders]": CODE}),
        (
            ApiKey.WRITE_SHARE_GROUP_STATE,
            0,
            {"group_id": "a", "topics": [{"topic_id": ID, "partitions": [{"partition": 3}]}]},
            {f"results[{ID}].partitions[3]": CODE},
        ),
    ],
)
def test_the_code_stands_where_kafka_puts_it(
    key: ApiKey, version: int, request_values: dict[str, Any], said: dict[str, int]
) -> None:
    request = build(request_type(key, version), request_values)
    assert codes(refusal(key, version, request, CODE)) == said


@pytest.mark.parametrize(
    ("key", "version", "request_values", "said"),
    [
        (ApiKey.OFFSET_DELETE, 0, {"topics": [BY_NAME]}, PAIR),
        (
            ApiKey.OFFSET_FETCH,
            8,
            {"groups": [{"group_id": "a", "topics": [{"name": "orders", "partition_indexes": [3]}]}]},
            {"groups[a].topics[orders].partitions[3]": CODE},
        ),
        (ApiKey.OFFSET_FETCH, 8, {"groups": [{"group_id": "a", "topics": None}]}, {"groups[a]": CODE}),
        (
            ApiKey.FETCH,
            13,
            {"topics": [{"topic_id": ID, "partitions": [{"partition": 3}]}]},
            {f"responses[{ID}].partitions[3]": CODE},
        ),
        (ApiKey.SHARE_FETCH, 1, {"topics": [BY_ID]}, {f"responses[{ID}].partitions[3]": CODE}),
        (ApiKey.LEAVE_GROUP, 5, {"members": [{"member_id": "m"}]}, {"members[m]": CODE}),
        (
            ApiKey.ADD_PARTITIONS_TO_TXN,
            4,
            {"transactions": [{"transactional_id": "t", "topics": [BY_INDEX]}]},
            {IN_TRANSACTION: CODE},
        ),
        (ApiKey.METADATA, 13, {"topics": [{"name": "orders"}]}, {"topics[orders]": CODE}),
        (ApiKey.HEARTBEAT, 4, {"group_id": "a"}, {"": CODE}),
    ],
)
def test_the_deepest_code_is_said_for_each_entry_and_not_at_the_top(
    key: ApiKey, version: int, request_values: dict[str, Any], said: dict[str, int]
) -> None:
    request = build(request_type(key, version), request_values)
    found = codes(refusal(key, version, request, CODE, deepest=True))
    assert {place: code for place, code in found.items() if code} == said


def test_what_kafka_calls_unknown_is_unknown() -> None:
    produced = build(request_type(ApiKey.PRODUCE, 9), {"topic_data": [{"name": "orders"} | PRODUCED]})
    (partition,) = refusal(ApiKey.PRODUCE, 9, produced, CODE, "why").responses[0].partition_responses
    assert (partition.base_offset, partition.log_append_time, partition.log_start_offset) == (-1, None, -1)
    assert partition.error_message == "why"

    fetched = build(request_type(ApiKey.FETCH, 12), {"topics": FETCHED})
    (partition,) = refusal(ApiKey.FETCH, 12, fetched, CODE).responses[0].partitions
    assert (partition.high_watermark, partition.last_stable_offset, partition.records) == (-1, -1, b"")

    coordinator = refusal(ApiKey.FIND_COORDINATOR, 3, None, CODE)
    assert (coordinator.node_id, coordinator.host, coordinator.port) == (-1, "", -1)

    joined = [refusal(ApiKey.JOIN_GROUP, version, None, CODE).protocol_name for version in (6, 7)]
    assert joined == ["", None]

    heartbeat = refusal(ApiKey.STREAMS_GROUP_HEARTBEAT, 0, None, CODE)
    assert (heartbeat.status, heartbeat.active_tasks, heartbeat.partitions_by_user_endpoint) == ((), None, None)


def test_nothing_but_what_identifies_an_entry_comes_back_from_the_request() -> None:
    topic = {"name": "orders", "num_partitions": 9, "replication_factor": 3, "configs": [{"name": "a", "value": "b"}]}
    created = build(request_type(ApiKey.CREATE_TOPICS, 7), {"topics": [topic]})
    (answer,) = refusal(ApiKey.CREATE_TOPICS, 7, created, CODE).topics
    assert (answer.name, answer.num_partitions, answer.replication_factor, answer.configs) == ("orders", -1, -1, ())


def test_a_quota_is_named_by_its_entity() -> None:
    entity = {"entity_type": "user", "entity_name": None}
    altered = build(request_type(ApiKey.ALTER_CLIENT_QUOTAS, 1), {"entries": [{"entity": [entity]}]})
    (answer,) = refusal(ApiKey.ALTER_CLIENT_QUOTAS, 1, altered, CODE).entries
    assert [(part.entity_type, part.entity_name) for part in answer.entity] == [("user", None)]


def test_a_whole_frame_can_be_had() -> None:
    frame = refusal_frame(ApiKey.HEARTBEAT, 4, 99, None, CODE)
    assert frame == b"\0\0\0\x0c" + b"\0\0\0\x63" + b"\0" + b"\0\0\0\0" + b"\0\x1f" + b"\0"


def test_what_has_no_schema_cannot_be_refused() -> None:
    with pytest.raises(UnknownApi):
        refusal(93, 0, None, CODE)
    with pytest.raises(UnsupportedVersion):
        refusal(ApiKey.METADATA, 99, None, CODE)
