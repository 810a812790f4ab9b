"""DescribeCluster (60): the synthetic cluster, whose brokers are at Kordon's addresses."""

from dataclasses import replace
from typing import Any, Final

from kio.schema.errors import ErrorCode

from kordon_protocol.keys import ApiKey
from kordon_proxy.judging.brokers import is_seen
from kordon_proxy.judging.may import May, Refusal
from kordon_proxy.judging.operations import cluster_operations
from kordon_proxy.judging.parts import refuse
from kordon_proxy.judging.table import Api
from kordon_proxy.judging.texts import without_free_text
from kordon_proxy.judging.verdict import Forward, Mended, Verdict

BROKERS: Final = 1
CONTROLLERS: Final = 2


def judge(request: Any, _: May) -> Verdict:
    """Kordon is never a controller (KIP-919). v0 has no endpoint type."""
    endpoint = getattr(request, "endpoint_type", BROKERS)
    if endpoint == CONTROLLERS:
        text = "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER"
        return refuse(request, Refusal(ErrorCode.mismatched_endpoint_type, text))
    if endpoint != BROKERS:
        return refuse(request, Refusal(ErrorCode.unsupported_endpoint_type, f"Unsupported endpoint type {endpoint}"))
    return Forward(Mended(_synthetic))


def _synthetic(response: Any, may: May) -> Any:
    return replace(
        without_free_text(response),
        cluster_id=may.cluster.cluster_id,
        brokers=tuple(_moved(broker, may) for broker in response.brokers if _is_shown(broker, may)),
        cluster_authorized_operations=cluster_operations(may, response.cluster_authorized_operations),
    )


def _is_shown(broker: Any, may: May) -> bool:
    """Clients need those that work. Which are fenced is told, to who asks for it from v2 on, of those in the view."""
    return not getattr(broker, "is_fenced", False) or is_seen(may, str(broker.broker_id))


def _moved(broker: Any, may: May) -> Any:
    host, port = may.cluster.address(broker.broker_id)
    return replace(broker, host=host, port=port)


APIS = (
    Api(
        key=ApiKey.DESCRIBE_CLUSTER,
        name="DescribeCluster",
        versions=range(3),
        judge=judge,
        gives_away=(
            "the cluster's id and the brokers' addresses, for which there are the tenant's and Kordon's; brokers "
            "that are fenced, which are cut to the view"
        ),
        needs=(),
    ),
)
