"""What Kordon asks before offsets are edited, and what the audit says of the answer."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import pytest
from kio.schema.errors import ErrorCode
from kio.static.primitive import i64

from kordon_protocol.codec import encode
from kordon_protocol.keys import ApiKey
from kordon_proxy.apis import lookups, offsets, share_offsets
from kordon_proxy.judging.table import Learns
from tests.proxy.apis.exchanges import row
from tests.proxy.apis.messages import a_request, a_response, asked, said
from tests.proxy.judging.worlds import topic_id

COMMIT, DELETE, FETCH = ApiKey.OFFSET_COMMIT, ApiKey.OFFSET_DELETE, ApiKey.OFFSET_FETCH
ALTER, FORGET = ApiKey.ALTER_SHARE_GROUP_OFFSETS, ApiKey.DELETE_SHARE_GROUP_OFFSETS
DESCRIBE: Final = ApiKey.DESCRIBE_SHARE_GROUP_OFFSETS
TRUNCATE, LIST = ApiKey.DELETE_RECORDS, ApiKey.LIST_OFFSETS
TOO_LATE: Final = ErrorCode.not_coordinator


def learns(family: Any, key: int) -> Learns:
    found = row(family.APIS, key).learns
    assert found is not None
    return found


def question(family: Any, request: Any) -> Any:
    """What is asked; the broker would understand it."""
    found = learns(family, request.__api_key__).question(request)
    assert encode(found)
    return found


def committing(version: int, *indexes: int, name: str = "acme.a") -> Any:
    parts = tuple(
        asked(COMMIT, version, "topics", "partitions", partition_index=index, committed_offset=42) for index in indexes
    )
    topic = asked(COMMIT, version, "topics", name=name, topic_id=topic_id(name), partitions=parts)
    return a_request(COMMIT, version, group_id="acme-g", generation_id_or_member_epoch=-1, topics=(topic,))


def deleting(*indexes: int) -> Any:
    parts = tuple(asked(DELETE, 0, "topics", "partitions", partition_index=index) for index in indexes)
    return a_request(
        DELETE, 0, group_id="acme-g", topics=(asked(DELETE, 0, "topics", name="acme.a", partitions=parts),)
    )


def fetched(*found: tuple[int, int, ErrorCode], code: ErrorCode = ErrorCode.none) -> Any:
    parts = tuple(
        said(FETCH, 5, "topics", "partitions", partition_index=index, committed_offset=offset, error_code=error)
        for index, offset, error in found
    )
    return a_response(FETCH, 5, topics=(said(FETCH, 5, "topics", name="acme.a", partitions=parts),), error_code=code)


@pytest.mark.parametrize("request_", [committing(9, 0, 3), committing(2, 0, 3), deleting(0, 3)])
def test_what_is_committed_is_asked_for_the_same_partitions(request_: Any) -> None:
    asked_for = question(offsets, request_)

    assert (asked_for.__api_key__, asked_for.__version__, asked_for.group_id) == (FETCH, 5, "acme-g")
    assert [(topic.name, topic.partition_indexes) for topic in asked_for.topics] == [("acme.a", (0, 3))]


def test_a_commit_by_id_is_asked_for_by_id() -> None:
    asked_for = question(offsets, committing(10, 0, 3))

    (group,) = asked_for.groups
    assert (asked_for.__version__, group.group_id) == (10, "acme-g")
    assert [(topic.topic_id, topic.partition_indexes) for topic in group.topics] == [(topic_id("acme.a"), (0, 3))]


def test_no_partition_that_cannot_be_takes_the_place_of_another_one() -> None:
    # Brokers answer an error for a negative partition, and do the rest.
    request = replace(
        committing(9), topics=(*committing(9, 1, name="a-").topics, *negative(committing(9, -1, name="a")))
    )
    places = ["a--1", "a[-1]"]

    told = learns(offsets, COMMIT).tell(request, None)
    old = learns(offsets, COMMIT).tell(request, fetched())["old_offsets"]
    parameters = row(offsets.APIS, COMMIT).parameters

    assert told["offsets"] == dict(zip(places, (42, 7), strict=True))
    assert old == dict.fromkeys(places, "unknown")
    assert parameters is not None
    assert parameters(request, None)["offsets"] == told["offsets"]


def negative(request: Any) -> Iterator[Any]:
    """Its topics, with another offset for each partition."""
    for topic in request.topics:
        parts = tuple(replace(part, committed_offset=i64(7)) for part in topic.partitions)
        yield replace(topic, partitions=parts)


def test_of_a_commit_the_old_and_the_new_offsets_are_told() -> None:
    answer = fetched((0, 41, ErrorCode.none), (1, -1, ErrorCode.none), (2, -1, ErrorCode.unknown_topic_or_partition))

    assert learns(offsets, COMMIT).tell(committing(9, 0, 1, 2, 3), answer) == {
        "offsets": {f"acme.a-{index}": 42 for index in range(4)},
        "old_offsets": {"acme.a-0": 41, "acme.a-1": None, "acme.a-2": "unknown", "acme.a-3": "unknown"},
    }


def test_of_a_commit_by_id_they_are_told_by_id() -> None:
    topic = topic_id("acme.a")
    part = said(FETCH, 10, "groups", "topics", "partitions", partition_index=0, committed_offset=41)
    group = said(
        FETCH,
        10,
        "groups",
        group_id="acme-g",
        topics=(said(FETCH, 10, "groups", "topics", topic_id=topic, partitions=(part,)),),
    )

    told = learns(offsets, COMMIT).tell(committing(10, 0), a_response(FETCH, 10, groups=(group,)))

    assert told == {"offsets": {f"{topic}-0": 42}, "old_offsets": {f"{topic}-0": 41}}


def test_of_offsets_that_are_deleted_it_is_told_which_there_were() -> None:
    told = learns(offsets, DELETE).tell(deleting(0), fetched((0, 41, ErrorCode.none)))

    assert told == {"old_offsets": {"acme.a-0": 41}}


@pytest.mark.parametrize("answer", [None, fetched(code=TOO_LATE)])
def test_what_nobody_said_is_unknown(answer: Any) -> None:
    assert learns(offsets, DELETE).tell(deleting(0), answer) == {"old_offsets": "unknown"}
    assert learns(offsets, COMMIT).tell(committing(9, 0), answer) == {
        "offsets": {"acme.a-0": 42},
        "old_offsets": "unknown",
    }


# Share groups


def altering(*indexes: int) -> Any:
    parts = tuple(asked(ALTER, 0, "topics", "partitions", partition_index=index, start_offset=5) for index in indexes)
    topic = asked(ALTER, 0, "topics", topic_name="acme.a", partitions=parts)
    return a_request(ALTER, 0, group_id="acme-s", topics=(topic,))


FORGETTING: Final = a_request(FORGET, 0, group_id="acme-s", topics=(asked(FORGET, 0, "topics", topic_name="acme.a"),))


def described(*found: tuple[str, int, int], code: ErrorCode = ErrorCode.none) -> Any:
    topics = tuple(
        said(
            DESCRIBE,
            0,
            "groups",
            "topics",
            topic_name=name,
            partitions=(
                said(DESCRIBE, 0, "groups", "topics", "partitions", partition_index=index, start_offset=offset),
            ),
        )
        for name, index, offset in found
    )
    group = said(DESCRIBE, 0, "groups", group_id="acme-s", topics=topics, error_code=code)
    return a_response(DESCRIBE, 0, groups=(group,))


def test_where_a_share_group_begins_is_asked_before_it_is_altered() -> None:
    (altered,) = question(share_offsets, altering(0, 1)).groups
    (forgotten,) = question(share_offsets, FORGETTING).groups

    assert [(topic.topic_name, topic.partitions) for topic in altered.topics] == [("acme.a", (0, 1))]
    assert (forgotten.group_id, forgotten.topics) == ("acme-s", None)


def test_of_a_share_group_the_old_and_the_new_offsets_are_told() -> None:
    answer = described(("acme.a", 0, 3), ("acme.a", 1, -1), ("acme.b", 0, 9))

    assert learns(share_offsets, ALTER).tell(altering(0, 1), answer) == {
        "offsets": {"acme.a-0": 5, "acme.a-1": 5},
        "old_offsets": {"acme.a-0": 3, "acme.a-1": None},
    }
    assert learns(share_offsets, FORGET).tell(FORGETTING, answer) == {"old_offsets": {"acme.a-0": 3, "acme.a-1": None}}


@pytest.mark.parametrize("answer", [None, described(code=TOO_LATE)])
def test_of_a_share_group_what_nobody_said_is_unknown(answer: Any) -> None:
    assert learns(share_offsets, FORGET).tell(FORGETTING, answer) == {"old_offsets": "unknown"}
    assert learns(share_offsets, ALTER).tell(altering(0), answer)["old_offsets"] == "unknown"


# Records


def truncating(*indexes: int) -> Any:
    parts = tuple(asked(TRUNCATE, 2, "topics", "partitions", partition_index=index, offset=9) for index in indexes)
    return a_request(TRUNCATE, 2, topics=(asked(TRUNCATE, 2, "topics", name="acme.a", partitions=parts),))


def test_where_partitions_begin_is_asked_before_records_are_deleted() -> None:
    asked_for = question(lookups, truncating(0, 1))

    assert (asked_for.__api_key__, asked_for.replica_id) == (LIST, -1)
    assert [
        (topic.name, part.partition_index, part.timestamp) for topic in asked_for.topics for part in topic.partitions
    ] == [("acme.a", 0, -2), ("acme.a", 1, -2)]


def test_of_deleted_records_it_is_told_where_partitions_began_and_begin_now() -> None:
    api = row(lookups.APIS, TRUNCATE)
    began = tuple(
        said(LIST, 1, "topics", "partitions", partition_index=index, offset=1, error_code=code)
        for index, code in enumerate((ErrorCode.none, ErrorCode.not_leader_or_follower))
    )
    begin = tuple(
        said(TRUNCATE, 2, "topics", "partitions", partition_index=index, low_watermark=9, error_code=code)
        for index, code in enumerate((ErrorCode.none, ErrorCode.not_leader_or_follower))
    )
    answer = a_response(LIST, 1, topics=(said(LIST, 1, "topics", name="acme.a", partitions=began),))
    response = a_response(TRUNCATE, 2, topics=(said(TRUNCATE, 2, "topics", name="acme.a", partitions=begin),))
    assert api.parameters is not None

    assert learns(lookups, TRUNCATE).tell(truncating(0, 1), answer) == {
        "old_low_watermarks": {"acme.a-0": 1, "acme.a-1": "unknown"}
    }
    assert learns(lookups, TRUNCATE).tell(truncating(0), None) == {"old_low_watermarks": "unknown"}
    asked_for = {"topics": [{"name": "acme.a", "before": {"0": 9, "1": 9}}]}
    assert api.parameters(truncating(0, 1), None) == asked_for
    assert api.parameters(truncating(0, 1), response) == asked_for | {"low_watermarks": {"acme.a-0": 9}}
