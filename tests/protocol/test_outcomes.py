from typing import Any

from kio.schema.errors import ErrorCode

from kordon_protocol.codec import response_type
from kordon_protocol.keys import ApiKey
from kordon_protocol.outcomes import body_error_codes, error_name
from tests.protocol.schemas import build

OK = ErrorCode.none
LOST = ErrorCode.leader_not_available


def codes(key: ApiKey, version: int, response: dict[str, Any]) -> list[tuple[str, int]]:
    return list(body_error_codes(build(response_type(key, version), response)))


def test_the_top_of_a_response_has_no_place() -> None:
    assert codes(ApiKey.SYNC_GROUP, 5, {"error_code": LOST}) == [("", LOST)]


def test_topics_are_named_and_partitions_numbered() -> None:
    partitions = [{"partition_index": 3, "error_code": LOST}, {"partition_index": 0}]
    assert codes(ApiKey.METADATA, 12, {"topics": [{"name": "orders", "partitions": partitions}]}) == [
        ("topics[orders]", OK),
        ("topics[orders].partitions[3]", LOST),
        ("topics[orders].partitions[0]", OK),
    ]


def test_a_text_in_an_entry_is_not_its_name() -> None:
    topic = {"name": "orders", "partitions": [{"partition_index": 3, "metadata": "mine"}]}
    assert codes(ApiKey.OFFSET_FETCH, 5, {"topics": [topic], "error_code": LOST}) == [
        ("topics[orders].partitions[3]", OK),
        ("", LOST),
    ]


def test_a_second_code_is_told_from_the_first() -> None:
    topic = {"name": "orders", "topic_config_error_code": 29}
    assert codes(ApiKey.CREATE_TOPICS, 7, {"topics": [topic]}) == [
        ("topics[orders]", OK),
        ("topics[orders].topic_config_error_code", 29),
    ]


def test_a_name_is_preferred_to_a_number_and_a_number_to_a_position() -> None:
    result = {"resource_type": 2, "resource_name": "orders"}
    assert codes(ApiKey.DESCRIBE_CONFIGS, 4, {"results": [result]}) == [("results[orders]", OK)]
    markers = {"producer_id": 7, "topics": [{"name": "t", "partitions": [{"partition_index": 0}]}]}
    assert codes(ApiKey.WRITE_TXN_MARKERS, 1, {"markers": [markers]}) == [("markers[7].topics[t].partitions[0]", OK)]
    assert codes(ApiKey.CREATE_ACLS, 3, {"results": [{}, {}]}) == [("results[0]", OK), ("results[1]", OK)]


def test_an_error_has_the_name_that_kafka_gives_it() -> None:
    assert [error_name(code) for code in (-1, 0, 30)] == ["UNKNOWN_SERVER_ERROR", "NONE", "GROUP_AUTHORIZATION_FAILED"]


def test_an_error_of_a_newer_broker_is_named_by_its_number() -> None:
    assert error_name(9_999) == "error 9999"
