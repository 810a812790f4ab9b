"""What counts as the same answer of two clusters, and what does not."""

from typing import Any
from uuid import UUID

from kordon_protocol.keys import ApiKey
from tests.kafka.sameness import Counterparts
from tests.proxy.apis.messages import a_response, said

HERE, THERE, OTHER = (UUID(int=number) for number in (1, 2, 3))


def topics(*named: tuple[str, UUID]) -> Any:
    key = ApiKey.METADATA
    return a_response(key, 12, topics=tuple(said(key, 12, "topics", name=name, topic_id=one) for name, one in named))


def produced(*topics: tuple[str, tuple[int, ...]]) -> Any:
    key = ApiKey.PRODUCE
    return a_response(
        key,
        9,
        responses=tuple(
            said(
                key,
                9,
                "responses",
                name=name,
                partition_responses=tuple(said(key, 9, "responses", "partition_responses", index=one) for one in parts),
            )
            for name, parts in topics
        ),
    )


def test_an_id_has_one_counterpart_wherever_it_is() -> None:
    known = Counterparts()

    assert known.mended(topics(("a", HERE)), topics(("a", THERE))) == topics(("a", HERE))
    assert known.mended(topics(("b", HERE)), topics(("b", OTHER))) != topics(("b", HERE))
    assert known.mended(topics(("b", OTHER)), topics(("b", THERE))) != topics(("b", OTHER))
    assert known.translated(topics(("a", HERE), ("b", OTHER))) == topics(("a", THERE), ("b", OTHER))


def test_only_what_is_in_a_random_order_may_be_in_another() -> None:
    known = Counterparts()
    here, there = produced(("a", (0, 1)), ("b", (2, 3))), produced(("b", (3, 2)), ("a", (1, 0)))

    assert known.mended(here, there) == here
    assert known.mended(here, produced(("a", (0, 1)), ("b", (2, 2)))) != here
    assert known.mended(topics(("a", HERE), ("b", HERE)), topics(("b", HERE), ("a", HERE))) != topics(
        ("a", HERE), ("b", HERE)
    )
