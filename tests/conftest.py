"""What holds for all tests."""

import os

import pytest
from hypothesis import settings

from tests.kafka.fixtures import (
    fresh,
    kafka,
    kafka_tools,
    kafka_with_acls,
    new_topic,
    passing_topic,
    shared_cluster,
    three_nodes,
)
from tests.overheard import overheard

__all__ = [
    "fresh",
    "kafka",
    "kafka_tools",
    "kafka_with_acls",
    "new_topic",
    "overheard",
    "passing_topic",
    "shared_cluster",
    "three_nodes",
]

# In CI the same examples each time: a change must not fail for what it did not touch.
settings.register_profile("kordon", deadline=None, max_examples=50, derandomize="CI" in os.environ)
settings.load_profile("kordon")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What has a real Kafka comes first, in the order that it has. (`make test` keeps to it.)

    Where files are shared out to several processes, the long ones must not be left over for one of them.
    """
    items.sort(key=lambda item: "kafka" not in item.path.parts)
