import contextlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kio.index import load_entity_schema
from kio.static.constants import EntityType

from kordon_protocol.codec import encode
from kordon_protocol.consumer_protocol import (
    UserData,
    assigned_topics,
    could_assign,
    keep_assigned_topics,
    keep_topics,
    subscribed_topics,
)
from kordon_protocol.errors import MalformedBody
from tests.protocol.schemas import build, messages

VERSIONS = [0, 1, 2, 3]
every_version = pytest.mark.parametrize("version", VERSIONS)


def schema(kind: str, version: int) -> Any:
    return load_entity_schema(f"consumer_protocol_{kind}", version, EntityType.data)


def as_bytes(message: Any, version: int | None = None) -> bytes:
    announced = message.__version__ if version is None else version
    return int(announced).to_bytes(2, "big", signed=True) + encode(message)


def a_subscription(version: int) -> Any:
    values: dict[str, Any] = {"topics": ["orders", "hidden"], "user_data": b"mine"}
    if version >= 1:
        owned = [{"topic": "hidden", "partitions": [1]}, {"topic": "orders", "partitions": [2, 3]}]
        values["owned_partitions"] = owned
    return build(schema("subscription", version), values)


def is_visible(topic: str) -> bool:
    return topic != "hidden"


@every_version
def test_a_topic_is_cut_from_the_subscription_and_from_what_is_owned(version: int) -> None:
    subscription = a_subscription(version)
    expected = replace(subscription, topics=("orders",))
    if version >= 1:
        expected = replace(expected, owned_partitions=subscription.owned_partitions[1:])
    assert keep_topics(as_bytes(subscription), is_visible) == as_bytes(expected)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_what_is_only_owned_is_cut_too(version: int) -> None:
    subscription = replace(a_subscription(version), topics=("orders",))
    cut = keep_topics(as_bytes(subscription), is_visible)
    assert cut == as_bytes(replace(subscription, owned_partitions=subscription.owned_partitions[1:]))


@every_version
def test_a_topic_is_cut_from_an_assignment(version: int) -> None:
    assignment = an_assignment(version)
    assert assigned_topics(as_bytes(assignment)) == ("hidden", "orders")
    cut = keep_assigned_topics(as_bytes(assignment), is_visible)
    assert cut == as_bytes(replace(assignment, assigned_partitions=assignment.assigned_partitions[1:]))


def an_assignment(version: int) -> Any:
    parts = [{"topic": "hidden", "partitions": [1]}, {"topic": "orders", "partitions": [2]}]
    return build(schema("assignment", version), {"assigned_partitions": parts, "user_data": b"hidden"})


def everything(_: str) -> bool:
    return True


@every_version
def test_user_data_goes_with_the_topics_that_are_cut(version: int) -> None:
    for keep, message in ((keep_topics, a_subscription(version)), (keep_assigned_topics, an_assignment(version))):
        written = as_bytes(message)
        assert keep(written, everything, UserData.GOES_WITH_TOPICS) is written
        cut = keep(written, is_visible, UserData.GOES_WITH_TOPICS)
        without = as_bytes(replace(message, user_data=None))
        assert cut == keep(without, is_visible)
        assert cut != without


@every_version
def test_user_data_goes_although_no_topic_is_cut(version: int) -> None:
    for keep, message in ((keep_topics, a_subscription(version)), (keep_assigned_topics, an_assignment(version))):
        without = as_bytes(replace(message, user_data=None))
        assert keep(as_bytes(message), everything, UserData.GOES) == without
        assert keep(as_bytes(message), is_visible, UserData.GOES) == keep(without, is_visible)


@pytest.mark.parametrize("user_data", [UserData.GOES_WITH_TOPICS, UserData.GOES])
def test_with_the_user_data_goes_what_a_newer_version_has_behind_it(user_data: UserData) -> None:
    message = an_assignment(3)
    expected = replace(message, assigned_partitions=message.assigned_partitions[1:], user_data=None)
    assert keep_assigned_topics(as_bytes(message, version=7) + b"hidden", is_visible, user_data) == as_bytes(expected)


def test_with_the_user_data_goes_the_announcement_of_fields_that_were_not_there() -> None:
    expected = replace(a_subscription(0), topics=("orders",), user_data=None)
    assert keep_topics(as_bytes(a_subscription(0), 3), is_visible, UserData.GOES) == as_bytes(expected)


@pytest.mark.parametrize("user_data", list(UserData))
def test_no_bytes_stay_none(user_data: UserData) -> None:
    assert keep_topics(b"", is_visible, user_data) == keep_assigned_topics(b"", is_visible, user_data) == b""


@every_version
@given(data=st.data())
@settings(max_examples=25)
def test_bytes_of_which_nothing_is_cut_stay_the_same_object(version: int, data: st.DataObject) -> None:
    subscription = data.draw(messages(schema("subscription", version)))
    assignment = data.draw(messages(schema("assignment", version)))
    announced = data.draw(st.sampled_from([version, *range(4, 9)])) if version == VERSIONS[-1] else version
    written = as_bytes(subscription, announced)
    assert subscribed_topics(written) == subscription.topics
    assert keep_topics(written, lambda _: True) is written
    written = as_bytes(assignment, announced)
    assert assigned_topics(written) == tuple(part.topic for part in assignment.assigned_partitions)
    assert keep_assigned_topics(written, lambda _: True) is written


def test_a_newer_version_is_read_as_the_newest_and_its_end_is_kept() -> None:
    subscription = a_subscription(3)
    written = as_bytes(subscription, version=7) + b"new"
    assert subscribed_topics(written) == ("orders", "hidden")
    expected = replace(subscription, topics=("orders",), owned_partitions=subscription.owned_partitions[1:])
    assert keep_topics(written, is_visible) == as_bytes(expected, version=7) + b"new"


@pytest.mark.parametrize("announced", [1, 2, 3])
def test_bytes_that_end_before_the_last_fields_of_their_version_are_read_as_an_older_one(announced: int) -> None:
    subscription = a_subscription(0)
    written = as_bytes(subscription, announced)
    assert subscribed_topics(written) == ("orders", "hidden")
    assert keep_topics(written, is_visible) == as_bytes(replace(subscription, topics=("orders",)), announced)


def test_no_bytes_name_nothing() -> None:
    assert subscribed_topics(b"") == assigned_topics(b"") == ()
    assert keep_topics(b"", is_visible) == keep_assigned_topics(b"", is_visible) == b""


@pytest.mark.parametrize(
    "data",
    [b"\0", b"\xff\xff\0\0\0\0\xff\xff\xff\xff", b"\0\0", b"\0\0\x7f\xff\xff\xff", as_bytes(a_subscription(3))[:-9]],
)
def test_bytes_that_no_version_explains_are_malformed(data: bytes) -> None:
    with pytest.raises(MalformedBody):
        subscribed_topics(data)
    with pytest.raises(MalformedBody):
        keep_topics(data, is_visible)


@given(st.binary(max_size=40), st.sampled_from(VERSIONS))
def test_no_bytes_make_anything_but_typed_errors(garbage: bytes, version: int) -> None:
    for read in (subscribed_topics, assigned_topics):
        with contextlib.suppress(MalformedBody):
            read(garbage)
        with contextlib.suppress(MalformedBody):
            read(version.to_bytes(2, "big") + garbage)


ONE_HIDDEN = b"\0\6hidden\0\0\0\1\0\0\0\0"
FORGIVEN = {
    "a name that is not UTF-8": b"\0\0\0\0\0\2" + ONE_HIDDEN + b"\0\1\xff\0\0\0\0" + b"\xff\xff\xff\xff",
    "user data of a negative length": b"\0\0\0\0\0\1" + ONE_HIDDEN + b"\xff\xff\xff\xfe",
    "no user data at all": b"\0\3\0\0\0\1" + ONE_HIDDEN,
}


@pytest.mark.parametrize("data", FORGIVEN.values(), ids=FORGIVEN)
def test_what_only_a_more_forgiving_reader_takes_for_an_assignment_is_known(data: bytes) -> None:
    with pytest.raises(MalformedBody):
        assigned_topics(data)
    assert could_assign(data)


@every_version
@given(data=st.data())
@settings(max_examples=25)
def test_whatever_assigns_a_topic_could_assign_one(version: int, data: st.DataObject) -> None:
    assignment = data.draw(messages(schema("assignment", version)))
    assert could_assign(as_bytes(assignment)) is bool(assignment.assigned_partitions)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b'{"version": 1, "leader": "registry-1"}',
        b"\0\1\0\0\0\x24" + b"6d3a8d1e-0000-4000-8000-000000000000" + b"\0\7http://",
        b"\xff\xff\0\0\0\1" + ONE_HIDDEN,
        b"\0\0\0\0\0\1" + ONE_HIDDEN[:-1],
        b"\0\0\0\0\0\1\xff\xff" + ONE_HIDDEN[2:],
        b"\0\0\0\0\0\1\0\6hidden\xff\xff\xff\xff",
        b"\0\0\x7f\xff\xff\xff" + ONE_HIDDEN,
    ],
)
def test_bytes_of_other_protocols_could_assign_nothing(data: bytes) -> None:
    assert not could_assign(data)


@given(st.binary(max_size=60))
def test_nobody_reads_an_assignment_that_could_not_be_one(garbage: bytes) -> None:
    with contextlib.suppress(MalformedBody):
        assert could_assign(garbage) or not assigned_topics(garbage)
