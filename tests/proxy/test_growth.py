"""What a request costs grows with what it names, and no faster: counted in calls, not in seconds."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

import pytest

from kordon_protocol.keys import ApiKey
from tests.proxy.apis.messages import a_request, asked, said
from tests.proxy.cluster.loops import scenario
from tests.proxy.judging.worlds import a_picture
from tests.proxy.sessions import Connected, Links, a_world, links, spoken, tick

__all__ = ["links"]

FEW: Final = 1_000
MANY: Final = 10_000


def names(count: int) -> tuple[str, ...]:
    """Allowed, denied, and hidden ones."""
    beginnings = ("tx_", "tx_secret", "pay_")
    return tuple(f"{beginnings[number % 3]}{number}" for number in range(count))


def entries(key: ApiKey, version: int, field: str, topics: int, /, **values: Any) -> tuple[Any, ...]:
    return tuple(
        asked(key, version, field, name=name, topic=name, resource_name=name, **values) for name in names(topics)
    )


def with_partition(key: ApiKey, version: int, field: str, inner: str, count: int) -> Any:
    part = asked(key, version, field, inner)
    topics = entries(key, version, field, count, **{inner: (part,)})
    return a_request(key, version, **{field: topics}, acks=1, group_id="g_one")


REQUESTS: Final[dict[str, Callable[[int], Any]]] = {
    "Produce": lambda n: with_partition(ApiKey.PRODUCE, 9, "topic_data", "partition_data", n),
    "Fetch": lambda n: with_partition(ApiKey.FETCH, 12, "topics", "partitions", n),
    "ListOffsets": lambda n: with_partition(ApiKey.LIST_OFFSETS, 8, "topics", "partitions", n),
    "OffsetCommit": lambda n: with_partition(ApiKey.OFFSET_COMMIT, 8, "topics", "partitions", n),
    "DeleteRecords": lambda n: with_partition(ApiKey.DELETE_RECORDS, 2, "topics", "partitions", n),
    "Metadata": lambda n: a_request(ApiKey.METADATA, 9, topics=entries(ApiKey.METADATA, 9, "topics", n)),
    "DeleteTopics": lambda n: a_request(ApiKey.DELETE_TOPICS, 5, topic_names=names(n)),
    "CreatePartitions": lambda n: a_request(
        ApiKey.CREATE_PARTITIONS, 3, topics=entries(ApiKey.CREATE_PARTITIONS, 3, "topics", n, count=2)
    ),
    "DescribeConfigs": lambda n: a_request(
        ApiKey.DESCRIBE_CONFIGS, 4, resources=entries(ApiKey.DESCRIBE_CONFIGS, 4, "resources", n, resource_type=2)
    ),
    "DescribeTopicPartitions": lambda n: a_request(
        ApiKey.DESCRIBE_TOPIC_PARTITIONS, 0, topics=entries(ApiKey.DESCRIBE_TOPIC_PARTITIONS, 0, "topics", n)
    ),
}


class Calls:
    def __init__(self) -> None:
        self.count = 0


@contextmanager
def counted() -> Iterator[Calls]:
    """Every call of a function meanwhile, be it Python's own."""
    calls = Calls()

    def count(_: object, event: str, __: object) -> None:
        calls.count += event.endswith("call")

    sys.setprofile(count)
    try:
        yield calls
    finally:
        sys.setprofile(None)


async def connected(links: Links, count: int) -> Connected:
    picture = replace(a_picture(names(count)), api_versions=spoken())
    client = a_world(links, picture=picture).connect()
    client.asks(ApiKey.HEARTBEAT, 4, group_id="g_one", member_id="m")
    await tick()
    return client


async def cost(links: Links, build: Callable[[int], Any], count: int) -> int:
    client, request = await connected(links, count), build(count)
    with counted() as calls:
        client.sends(request)
        await tick()
    assert client.open
    return calls.count


@pytest.mark.known_fault(23)
@pytest.mark.parametrize("api", REQUESTS)
@scenario
async def test_ten_thousand_topics_cost_ten_times_what_a_thousand_cost(links: Links, api: str) -> None:
    assert await cost(links, REQUESTS[api], MANY) < 11 * await cost(links, REQUESTS[api], FEW)


@pytest.mark.known_fault(23)
@scenario
async def test_a_list_of_ten_thousand_topics_costs_ten_times_what_one_of_a_thousand_costs(links: Links) -> None:
    found = []
    for count in (FEW, MANY):
        client = await connected(links, count)
        number = client.asks(ApiKey.METADATA, 9, topics=None)
        partition = said(ApiKey.METADATA, 9, "topics", "partitions")
        asked_for = [name for name in names(count) if name.startswith("tx_")]
        topics = tuple(said(ApiKey.METADATA, 9, "topics", name=name, partitions=(partition,)) for name in asked_for)
        frame = client.broker_frame(number, topics=topics)
        client.session.from_broker(client.broker_frame(1))
        with counted() as calls:
            client.session.from_broker(frame)
        assert len(client.answers()[number].topics) == len(asked_for)
        found.append(calls.count)
    assert found[1] < 11 * found[0]
