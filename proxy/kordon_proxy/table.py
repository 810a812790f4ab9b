"""The one table of APIs. What is not in it is refused and never advertised."""

from collections.abc import Mapping
from typing import Final

from .apis import (
    acls,
    administration,
    cluster_info,
    config_changes,
    config_resources,
    configs,
    consumer_groups,
    coordinator,
    fetch,
    groups,
    log_dirs,
    lookups,
    metadata,
    offsets,
    produce,
    quotas,
    refused,
    replicas,
    scram,
    share_acknowledge,
    share_fetch,
    share_groups,
    share_offsets,
    streams_groups,
    telemetry,
    topic_pages,
    topics,
    transaction_markers,
    transaction_states,
    transactions,
)
from .config.listeners import Listener
from .judging.table import Api

FAMILIES: Final = (
    produce,
    fetch,
    metadata,
    lookups,
    topic_pages,
    topics,
    configs,
    config_changes,
    config_resources,
    cluster_info,
    administration,
    replicas,
    log_dirs,
    coordinator,
    groups,
    consumer_groups,
    streams_groups,
    offsets,
    share_groups,
    share_fetch,
    share_acknowledge,
    share_offsets,
    transactions,
    transaction_states,
    transaction_markers,
    telemetry,
    acls,
    quotas,
    scram,
    refused,
)

APIS: Final[Mapping[int, Api]] = {api.key: api for family in FAMILIES for api in family.APIS}


def apis_at(listener: Listener) -> Mapping[int, Api]:
    """The table as it holds at one listener."""
    return {**APIS, **telemetry.RELAYED} if listener.client_telemetry == "relay" else APIS
