"""ListConfigResources (74): everything that has settings, in one list. v0 lists client metrics alone (KIP-714).

Kafka asks for one right over the cluster and cuts nothing. Here topics and groups are those of the view, brokers those
that may be edited, and client metrics, which belong to the whole cluster, are for whoever may edit every broker.
"""

from typing import Any, Final

from kordon_policy.actions import Action, Kind
from kordon_protocol.keys import ApiKey
from kordon_proxy.judging.brokers import is_editable, may_edit
from kordon_proxy.judging.may import EVERY_BROKER, May
from kordon_proxy.judging.parts import list_each, refuse
from kordon_proxy.judging.table import Api
from kordon_proxy.judging.verdict import Forward, Mended, Verdict

from .configs import BROKER, CLIENT_METRICS, GROUP, LOGGER, TOPIC, broker_name

TYPES: Final = (GROUP, CLIENT_METRICS, LOGGER, BROKER, TOPIC)
"""All that are shown, in the order in which brokers list them."""
OF_BROKERS: Final = frozenset({BROKER, LOGGER, CLIENT_METRICS})


def judge(request: Any, may: May) -> Verdict:
    """Whoever asks for nothing but what he may see nothing of is told so, as Kafka does."""
    types = set(getattr(request, "resource_types", (CLIENT_METRICS,)))
    if types and types <= OF_BROKERS and not any(_is_listed(one, may) for one in types):
        refusal = may_edit(may, EVERY_BROKER)
        if refusal is not None:
            return refuse(request, refusal)
    return Forward(Mended(_seen_resources))


def _is_listed(resource_type: int, may: May) -> bool:
    """Whether there is anything of this type, which is about brokers, to list."""
    if resource_type == CLIENT_METRICS:
        return is_editable(may, EVERY_BROKER)
    return any(is_editable(may, str(broker_id)) for broker_id in may.picture.brokers)


def _seen_resources(response: Any, may: May) -> Any:
    return list_each(response, "config_resources", lambda one: _is_shown(one, may), _place)


def _place(resource: Any) -> tuple[int, str]:
    return TYPES.index(_type_of(resource)), resource.resource_name


def _type_of(resource: Any) -> int:
    """In v0 there is one type."""
    kind: int = getattr(resource, "resource_type", CLIENT_METRICS)
    return kind


def _is_shown(resource: Any, may: May) -> bool:
    resource_type = _type_of(resource)
    if resource_type == TOPIC:
        return may.sees(Kind.TOPIC, resource.resource_name)
    if resource_type == GROUP:
        return may.sees(Kind.GROUP, resource.resource_name)
    if resource_type in (BROKER, LOGGER):
        return is_editable(may, broker_name(resource.resource_name))
    return resource_type == CLIENT_METRICS and is_editable(may, EVERY_BROKER)


APIS = (
    Api(
        key=ApiKey.LIST_CONFIG_RESOURCES,
        name="ListConfigResources",
        versions=range(2),
        judge=judge,
        gives_away="all topics, groups, brokers and client metrics with settings, which are cut to the view",
        needs=(Action.BROKER_EDIT,),
    ),
)
