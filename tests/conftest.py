"""What holds for all tests."""

import os

from hypothesis import settings

from tests.kafka.fixtures import fresh, kafka, kafka_tools, kafka_with_acls, new_topic, shared_cluster, three_nodes
from tests.overheard import overheard

__all__ = [
    "fresh",
    "kafka",
    "kafka_tools",
    "kafka_with_acls",
    "new_topic",
    "overheard",
    "shared_cluster",
    "three_nodes",
]

# In CI the same examples each time: a change must not fail for what it did not touch.
settings.register_profile("kordon", deadline=None, max_examples=50, derandomize="CI" in os.environ)
settings.load_profile("kordon")
