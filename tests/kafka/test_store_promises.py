"""The store in Kafka keeps what every store promises."""

from functools import partial

import pytest

from kordon_proxy.demo.kafka import Kafka
from tests.kafka.fixtures import Fresh
from tests.kafka.stores import opened
from tests.proxy.store.given import Stores
from tests.proxy.store.promises import *  # noqa: F403 (all of them)


@pytest.fixture
def stores(kafka: Kafka, fresh: Fresh) -> Stores:
    return partial(opened, kafka.bootstrap, fresh("__kordon_store"))
