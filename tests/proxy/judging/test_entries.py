"""Answers made here, and their places among the broker's."""

from datetime import timedelta

import pytest
from kio.schema.errors import ErrorCode

from kordon_protocol.codec import request_type, response_type
from kordon_protocol.keys import ApiKey
from kordon_proxy.judging.entries import in_place, make, respond, struct_type


def test_values_without_a_field_in_that_version_are_dropped() -> None:
    kind = struct_type(response_type(ApiKey.OFFSET_FETCH, 2), "topics", "partitions")
    made = make(kind, partition_index=3, committed_offset=-1, committed_leader_epoch=-1, metadata="")
    assert (made.partition_index, made.metadata, made.error_code) == (3, "", ErrorCode.none)
    assert not hasattr(made, "committed_leader_epoch")


@pytest.mark.parametrize("version", range(5))
def test_a_response_is_that_of_the_requests_version(version: int) -> None:
    response = respond(make(request_type(ApiKey.HEARTBEAT, version)), error_code=ErrorCode.unknown_member_id)
    assert type(response) is response_type(ApiKey.HEARTBEAT, version)
    assert getattr(response, "throttle_time", timedelta()) == timedelta()


def test_answers_stand_where_they_were_asked_for() -> None:
    asked = ["b", "x", "a", "b"]
    answered = [("b", 1), ("a", 2), ("never asked", 3), ("b", 4)]
    found = in_place(asked, {1: "ours"}, answered, key=lambda answer: answer[0])
    assert found == (("b", 1), "ours", ("a", 2), ("b", 4))


def test_what_the_broker_did_not_answer_is_left_out() -> None:
    assert in_place(["a", "b"], {}, [("b", 1)], key=lambda answer: answer[0]) == (("b", 1),)


def test_the_brokers_answers_are_mended_at_their_place() -> None:
    found = in_place(["a", "b"], {0: "ours"}, ["b"], key=str, mend=lambda place, answer: f"{answer} at {place}")
    assert found == ("ours", "b at 1")
