"""Client telemetry (KIP-714): GetTelemetrySubscriptions (71), PushTelemetry (72): metrics of clients for the platform.

Refused and not advertised, so that clients do without, unless a listener relays it. Then both pass as they are: Kafka
asks for no right, and the answers tell the client's own id and what the platform has configured to be pushed. Brokers
tell instances of clients apart by that id alone (`ClientMetricsManager`); it is random and only its client is told it.
The metrics are bytes that nobody here reads.
"""

from collections.abc import Mapping
from typing import Any, Final

from kio.schema.errors import ErrorCode

from kordon_protocol.keys import ApiKey, versions
from kordon_proxy.judging.may import May
from kordon_proxy.judging.table import Api
from kordon_proxy.judging.verdict import Forward, Judge, Verdict

WHY: Final = "the listener does not relay client telemetry"
SUBSCRIPTIONS_TELL: Final = "the client's own instance id, and which metrics the platform wants of it and how often"
NAMES: Final = {ApiKey.GET_TELEMETRY_SUBSCRIPTIONS: "GetTelemetrySubscriptions", ApiKey.PUSH_TELEMETRY: "PushTelemetry"}


def judge(_request: Any, _: May) -> Verdict:
    return Forward()


def _rows(judge: Judge | None) -> tuple[Api, ...]:
    # By UNSUPPORTED_VERSION a client gives up its telemetry (`ClientTelemetryUtils.maybeFetchErrorIntervalMs`).
    return tuple(
        Api(
            key=key,
            name=name,
            versions=versions(key),
            judge=judge,
            code=ErrorCode.unsupported_version,
            why="" if judge else WHY,
            gives_away=SUBSCRIPTIONS_TELL if key is ApiKey.GET_TELEMETRY_SUBSCRIPTIONS else "nothing",
            needs=(),
        )
        for key, name in NAMES.items()
    )


APIS = _rows(None)
RELAYED: Final[Mapping[int, Api]] = {api.key: api for api in _rows(judge)}
"""Their rows at a listener that relays it."""
