"""What is left of a request is what has not been forwarded: nothing is done twice, and nothing is lost."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kordon_protocol.keys import ApiKey
from kordon_proxy.judging.rests import head_of, rest_of
from tests.proxy.apis.messages import a_request, asked

NAMES = st.lists(st.sampled_from([f"t{number}" for number in range(6)]), max_size=6, unique=True)


def delete(*names: str) -> Any:
    return a_request(ApiKey.DELETE_TOPICS, 5, topic_names=tuple(names))


def markers(**topics: tuple[int, ...]) -> Any:
    entries = tuple(
        asked(ApiKey.WRITE_TXN_MARKERS, 1, "markers", "topics", name=name, partition_indexes=indexes)
        for name, indexes in topics.items()
    )
    marker = asked(ApiKey.WRITE_TXN_MARKERS, 1, "markers", producer_id=7, topics=entries)
    return a_request(ApiKey.WRITE_TXN_MARKERS, 1, markers=(marker,))


@given(all_of_them=NAMES, gone=NAMES)
def test_every_entry_is_either_gone_or_left(all_of_them: list[str], gone: list[str]) -> None:
    rest = rest_of(delete(*all_of_them), delete(*gone))

    left = [name for name in all_of_them if name not in gone]
    assert (None if rest is None else list(rest.topic_names)) == (left or None)


def test_of_an_entry_a_part_may_be_left() -> None:
    rest = rest_of(markers(a=(0, 1), b=(0,), c=(0,)), markers(a=(1,), c=(0,)))

    assert rest == markers(a=(0,), b=(0,))


def test_nothing_is_left_when_all_of_it_has_been_forwarded() -> None:
    assert rest_of(markers(a=(0, 1)), markers(a=(0, 1))) is None


def test_entries_that_say_something_else_are_others() -> None:
    def creating(partitions: int) -> Any:
        topic = asked(ApiKey.CREATE_TOPICS, 5, "topics", name="a", num_partitions=partitions)
        return a_request(ApiKey.CREATE_TOPICS, 5, topics=(topic,))

    assert rest_of(creating(1), creating(2)) == creating(1)
    assert head_of(creating(1)) == head_of(creating(2))


def test_every_list_of_a_request_is_looked_at() -> None:
    def altering(*, deletes: tuple[str, ...], sets: tuple[str, ...]) -> Any:
        key = ApiKey.ALTER_USER_SCRAM_CREDENTIALS
        return a_request(
            key,
            0,
            deletions=tuple(asked(key, 0, "deletions", name=name) for name in deletes),
            upsertions=tuple(asked(key, 0, "upsertions", name=name, salt=b"s") for name in sets),
        )

    rest = rest_of(altering(deletes=("a", "b"), sets=("c",)), altering(deletes=("a",), sets=("c",)))

    assert rest == altering(deletes=("b",), sets=())
