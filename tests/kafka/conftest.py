"""What the tests against real Kafka share besides the Kafkas."""

from tests.kafka.administration import administered, make_placed, quiet_cluster, tool_at
from tests.kafka.broken import breaking_topic, bystander, place, watched
from tests.kafka.changing import changing, changing_kordon
from tests.kafka.moving import moving_kordon, tap
from tests.kafka.neighbours import neighbours
from tests.kafka.tenants import denied, foreign, kordon, kordon_on_asyncio, kordon_on_each_loop, missing, tenant_topic
from tests.kafka.twins import twins

__all__ = [
    "administered",
    "breaking_topic",
    "bystander",
    "changing",
    "changing_kordon",
    "denied",
    "foreign",
    "kordon",
    "kordon_on_asyncio",
    "kordon_on_each_loop",
    "make_placed",
    "missing",
    "moving_kordon",
    "neighbours",
    "place",
    "quiet_cluster",
    "tap",
    "tenant_topic",
    "tool_at",
    "twins",
    "watched",
]
