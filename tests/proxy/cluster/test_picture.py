"""A picture of a cluster, from plain answers."""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kio.schema.api_versions.v0 import response as v0
from kio.schema.errors import ErrorCode
from kio.schema.metadata.v12.response import MetadataResponseTopic
from kio.static.primitive import i16

from kordon_proxy.cluster.picture import (
    Broker,
    Features,
    Picture,
    Spoken,
    Topic,
    common_features,
    common_versions,
    next_picture,
    read_layout,
    read_spoken,
    with_inferred,
)
from tests.proxy.cluster.messages import a_metadata, a_topic, an_api_versions

ORDERS = a_topic("orders", number=1, partitions=6)
TRADES = a_topic("trades", number=2)
OFFSETS = a_topic("__consumer_offsets", number=3, partitions=50, internal=True)
KRAFT = read_spoken(an_api_versions({3: (0, 13)}, finalized={"metadata.version": 30}, epoch=7))
ZOOKEEPER = read_spoken(an_api_versions({3: (0, 12)}))


def a_picture(*topics: MetadataResponseTopic, spoken: Spoken = KRAFT, **fields: Any) -> Picture:
    return next_picture(None, read_layout(a_metadata(*topics, **fields)), [spoken], taken_at=10.0)


def then(before: Picture, *topics: MetadataResponseTopic, spoken: Spoken = KRAFT, **fields: Any) -> Picture:
    """The picture after one more look."""
    layout = read_layout(a_metadata(*topics, **fields), before)
    return next_picture(before, layout, [spoken], taken_at=20.0)


def test_a_first_picture_holds_what_the_answers_tell() -> None:
    picture = a_picture(TRADES, ORDERS, OFFSETS)

    assert (picture.version, picture.taken_at, picture.cluster_id, picture.controller_id) == (1, 10.0, "cluster-a", 1)
    assert picture.brokers[2] == Broker(id=2, host="kafka-2", port=9092, rack="zone-2")
    assert picture.topics["orders"] == Topic(name="orders", id=UUID(int=1), partitions=6, internal=False)
    assert picture.topics["__consumer_offsets"].internal
    assert picture.names == ("__consumer_offsets", "orders", "trades")
    assert picture.ids == {UUID(int=1): "orders", UUID(int=2): "trades", UUID(int=3): "__consumer_offsets"}
    assert picture.api_versions == {3: (0, 13)}
    assert picture.features == Features(supported={}, finalized={"metadata.version": 30}, epoch=7)
    assert picture.inferred == {}


def test_the_same_answers_give_the_same_picture() -> None:
    picture = a_picture(TRADES, ORDERS)

    assert then(picture, ORDERS, TRADES) is picture


def test_a_topic_that_appears_makes_a_new_picture_and_leaves_the_old_one_as_it_was() -> None:
    before = a_picture(ORDERS)

    after = then(before, ORDERS, TRADES)

    assert after.version == 2
    assert after.taken_at == 20.0
    assert after.names == ("orders", "trades")
    assert after.topics["orders"] is before.topics["orders"]
    assert (after.brokers, after.api_versions) == (before.brokers, before.api_versions)
    assert before.names == ("orders",)


def test_a_topic_that_disappears_is_gone_with_its_id() -> None:
    after = then(a_picture(ORDERS, TRADES), TRADES)

    assert after.names == ("trades",)
    assert after.ids == {UUID(int=2): "trades"}


def test_a_topic_made_again_has_its_new_id_only() -> None:
    after = then(a_picture(ORDERS), a_topic("orders", number=9, partitions=6))

    assert after.ids == {UUID(int=9): "orders"}


def test_more_partitions_are_a_change_that_leaves_names_and_ids_the_same_objects() -> None:
    before = a_picture(TRADES)

    after = then(before, a_topic("trades", number=2, partitions=4))

    assert after.topics["trades"].partitions == 4
    assert after.names is before.names
    assert after.ids is before.ids


def test_one_topic_in_the_place_of_another_is_noticed() -> None:
    assert then(a_picture(ORDERS), TRADES).names == ("trades",)


@pytest.mark.parametrize("error", [ErrorCode.unknown_topic_or_partition, ErrorCode.topic_authorization_failed])
def test_a_topic_that_the_broker_denies_is_left_out(error: ErrorCode) -> None:
    assert a_picture(a_topic("orders", number=1, error=error)).names == ()


def test_a_topic_without_a_leader_for_now_is_still_a_topic() -> None:
    assert a_picture(a_topic("orders", number=1, error=ErrorCode.leader_not_available)).names == ("orders",)


def test_a_topic_without_an_id_is_found_by_name_only() -> None:
    picture = a_picture(a_topic("orders", number=0))

    assert picture.topics["orders"].id is None
    assert picture.ids == {}


def test_a_kraft_broker_that_names_another_live_controller_changes_nothing() -> None:
    picture = a_picture(ORDERS, controller=1)

    assert then(picture, ORDERS, controller=3) is picture


def test_a_controller_that_has_left_is_replaced() -> None:
    picture = a_picture(ORDERS, controller=1)

    assert then(picture, ORDERS, controller=3, brokers=(2, 3)).controller_id == 3


def test_without_kraft_the_controller_is_who_it_is() -> None:
    picture = a_picture(ORDERS, controller=1, spoken=ZOOKEEPER)

    assert then(picture, ORDERS, controller=3, spoken=ZOOKEEPER).controller_id == 3


def test_a_broker_that_joins_makes_a_new_picture_with_the_same_topics() -> None:
    before = a_picture(ORDERS, brokers=(1, 2))

    after = then(before, ORDERS, brokers=(1, 2, 3))

    assert list(after.brokers) == [1, 2, 3]
    assert after.topics is before.topics


def test_another_cluster_at_the_same_address_takes_nothing_over() -> None:
    before = with_inferred(a_picture(ORDERS), {"billing": frozenset({"orders"})}, taken_at=15.0)

    after = then(before, ORDERS, cluster="cluster-b")

    assert (after.cluster_id, after.version, after.inferred) == ("cluster-b", before.version + 1, {})


def test_versions_that_change_make_a_new_picture_with_the_same_layout() -> None:
    before = a_picture(ORDERS)

    after = next_picture(before, before, [KRAFT, ZOOKEEPER], taken_at=20.0)

    assert after.api_versions == {3: (0, 12)}
    assert after.topics is before.topics


def test_what_is_inferred_changes_a_picture_only_when_it_differs() -> None:
    before = with_inferred(a_picture(ORDERS), {"billing": frozenset({"orders"})}, taken_at=15.0)

    assert with_inferred(before, {"billing": frozenset({"orders"})}, taken_at=20.0) is before
    assert with_inferred(before, {}, taken_at=20.0).version == before.version + 1


def test_a_look_keeps_what_is_inferred() -> None:
    before = with_inferred(a_picture(ORDERS), {"billing": frozenset({"orders"})}, taken_at=15.0)

    assert then(before, ORDERS, TRADES).inferred is before.inferred


def test_an_answer_from_before_features_tells_none() -> None:
    answer = v0.ApiVersionsResponse(
        error_code=ErrorCode.none,
        api_keys=(v0.ApiVersion(api_key=i16(3), min_version=i16(0), max_version=i16(9)),),
    )

    assert read_spoken(answer) == Spoken(versions={3: (0, 9)}, features=Features(supported={}, finalized={}, epoch=-1))


def test_finalized_features_of_an_unknown_epoch_do_not_count() -> None:
    assert read_spoken(an_api_versions({}, finalized={"group.version": 1})).features.finalized == {}


def test_a_key_that_one_broker_lacks_is_not_common() -> None:
    assert common_versions([{1: (4, 17), 3: (0, 13)}, {3: (0, 12)}]) == {3: (0, 12)}


def test_versions_that_do_not_meet_are_not_common() -> None:
    assert common_versions([{3: (0, 4)}, {3: (5, 9)}]) == {}


ranges = st.tuples(st.integers(0, 9), st.integers(0, 9)).map(lambda pair: (min(pair), max(pair)))
brokers = st.lists(st.dictionaries(st.integers(0, 4), ranges), min_size=1, max_size=4)


@given(brokers, st.integers(0, 4), st.integers(0, 9))
def test_a_version_is_common_if_and_only_if_every_broker_speaks_it(
    spoken: list[dict[int, tuple[int, int]]], key: int, version: int
) -> None:
    low, high = common_versions(spoken).get(key, (0, -1))

    assert (low <= version <= high) == all(
        key in broker and broker[key][0] <= version <= broker[key][1] for broker in spoken
    )


def test_features_are_what_all_support_and_what_the_newest_epoch_finalized() -> None:
    old = Features(
        supported={"group.version": (0, 1), "share.version": (0, 1)}, finalized={"group.version": 0}, epoch=5
    )
    new = Features(supported={"group.version": (0, 2)}, finalized={"group.version": 1}, epoch=8)

    assert common_features([old, new]) == Features(
        supported={"group.version": (0, 1)}, finalized={"group.version": 1}, epoch=8
    )


def test_nobody_has_nothing_in_common() -> None:
    assert common_versions([]) == {}
    assert common_features([]) == Features(supported={}, finalized={}, epoch=-1)
