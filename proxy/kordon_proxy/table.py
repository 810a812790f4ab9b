"""The one table of APIs. What is not in it is refused and never advertised."""

from collections.abc import Mapping
from typing import Final

from .apis import (
    cluster_info,
    configs,
    consumer_groups,
    coordinator,
    fetch,
    groups,
    lookups,
    metadata,
    offsets,
    produce,
    refused,
    topic_pages,
    topics,
    transaction_markers,
    transaction_states,
    transactions,
)
from .apis.table import Api

FAMILIES: Final = (
    produce,
    fetch,
    metadata,
    lookups,
    topic_pages,
    topics,
    configs,
    cluster_info,
    coordinator,
    groups,
    consumer_groups,
    offsets,
    transactions,
    transaction_states,
    transaction_markers,
    refused,
)

APIS: Final[Mapping[int, Api]] = {api.key: api for family in FAMILIES for api in family.APIS}
