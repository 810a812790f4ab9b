"""What the tests against real Kafka share besides the Kafkas."""

from tests.kafka.neighbours import neighbours
from tests.kafka.tenants import denied, foreign, kordon, kordon_on_asyncio, kordon_on_each_loop, missing, tenant_topic

__all__ = [
    "denied",
    "foreign",
    "kordon",
    "kordon_on_asyncio",
    "kordon_on_each_loop",
    "missing",
    "neighbours",
    "tenant_topic",
]
