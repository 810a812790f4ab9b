"""DescribeConfigs: one request may mix topics, groups, brokers, loggers, client metrics.

Topics and groups are shown to whoever sees them, less what they tell about brokers: the synonyms at broker level
(KIP-226) and the replicas that are throttled. All other resources belong to the cluster and need `BROKER_EDIT` on that
broker; a broker without a name stands for all of them.

A group has settings before it is there, so of a missing one brokers tell the defaults (`ConfigHelper`). Of a group
outside the view the same is told: the broker is asked by a name that no group has.
"""

from collections.abc import Hashable, Iterator
from dataclasses import replace
from typing import Any, Final

from kio.schema.errors import ErrorCode

from kordon_policy.actions import Action
from kordon_policy.model import KORDONS_OWN
from kordon_protocol.keys import ApiKey
from kordon_proxy.judging.brokers import may_edit
from kordon_proxy.judging.may import EVERY_BROKER, May, Refusal
from kordon_proxy.judging.parts import TOO_OFTEN, is_authorization, judge_each, keep_each, mend_each, refuse, too_often
from kordon_proxy.judging.placement import THROTTLES, sees_placement
from kordon_proxy.judging.table import Api, Record
from kordon_proxy.judging.texts import spoken, without_free_text
from kordon_proxy.judging.verdict import Answer, Mended, Rewrite, Verdict, unchanged

from .dead_letters import names_hidden

TOPIC: Final = 2
BROKER: Final = 4
LOGGER: Final = 8
CLIENT_METRICS: Final = 16
GROUP: Final = 32
TYPES: Final = {
    TOPIC: "topic",
    BROKER: "broker",
    LOGGER: "broker logger",
    CLIENT_METRICS: "client metrics",
    GROUP: "group",
}
"""`ConfigResource.Type` of Kafka's client library."""
OWN_SOURCE: Final = {TOPIC: 1, GROUP: 8}
"""`ConfigSource` of what was set on that very topic or group."""
NO_GROUP: Final = f"{KORDONS_OWN}-no-group"
"""A group that nobody can make through Kordon, or give a setting."""
ADDRESSES: Final = ("listeners", "bootstrap.servers", "controller.quorum.voters", "zookeeper.connect")
"""How the names of broker settings end that hold real addresses, which nobody learns through Kordon."""


def resource_of(entry: Any) -> Hashable:
    return entry.resource_type, entry.resource_name


# DescribeConfigs


def judge_describe(request: Any, may: May) -> Verdict:
    """A type that Kafka does not know fails the whole request, as it does there."""
    if any(entry.resource_type not in TYPES for entry in request.resources):
        return refuse(request, spoken(Refusal(ErrorCode.invalid_request)))
    if too_often([resource_of(entry) for entry in request.resources]):
        return refuse(request, TOO_OFTEN)
    groups = {
        entry.resource_name: may.group(None, entry.resource_name)
        for entry in request.resources
        if entry.resource_type == GROUP
    }
    hidden = {name for name, refusal in groups.items() if refusal and refusal.code is ErrorCode.group_id_not_found}
    asked = _without_hidden(request, hidden)

    def rule(entry: Any) -> Refusal | None:
        if entry.resource_type != GROUP:
            return spoken(_may_describe(entry, may))
        return None if entry.resource_name in hidden else spoken(groups.get(entry.resource_name))

    verdict = judge_each(
        asked,
        rule,
        items="resources",
        answers="results",
        key=resource_of,
        plan=Mended(_mend_description),
        finish=_as_missing,
        order=is_authorization,
    )
    return verdict if asked is request else _as_asked(request, asked, verdict)


def _without_hidden(request: Any, hidden: set[str]) -> Any:
    """The request with a group that nobody has in place of each hidden one. No name at all is none that is hidden."""
    if not hidden - {""}:
        return request
    resources = (
        replace(entry, resource_name=NO_GROUP)
        if entry.resource_type == GROUP and entry.resource_name and entry.resource_name in hidden
        else entry
        for entry in request.resources
    )
    return replace(request, resources=tuple(resources))


def _as_asked(request: Any, asked: Any, verdict: Verdict) -> Verdict:
    """Send what was asked in place of the request, and answer by the names of the request."""
    if isinstance(verdict, Answer):
        return verdict
    places = zip(request.resources, asked.resources, strict=True)
    names = [ours.resource_name for ours, theirs in places if resource_of(theirs) == (GROUP, NO_GROUP)]
    mend = verdict.plan.mend if isinstance(verdict.plan, Mended) else unchanged

    def by_name(response: Any, now: May) -> Any:
        left = iter(names)
        return mend_each(mend(response, now), "results", lambda result: _named(result, left))

    return Rewrite(verdict.request if isinstance(verdict, Rewrite) else asked, Mended(by_name))


def _named(result: Any, names: Iterator[str]) -> Any:
    """Brokers answer in the order of the request."""
    if resource_of(result) != (GROUP, NO_GROUP):
        return result
    return replace(result, resource_name=next(names, NO_GROUP))


def _may_describe(entry: Any, may: May) -> Refusal | None:
    if entry.resource_type == TOPIC:
        return may.topic(None, entry.resource_name)
    return may_edit_broker(entry, may)


def may_edit_broker(entry: Any, may: May) -> Refusal | None:
    """Ask whether the broker, or the brokers, that a resource is about may be looked into and altered."""
    name = EVERY_BROKER if entry.resource_type == CLIENT_METRICS else broker_name(entry.resource_name)
    return may_edit(may, name)


def broker_name(name: str) -> str:
    """The name that policies know: Kafka takes `01` and `+1` for broker 1."""
    try:
        return str(int(name))
    except ValueError:
        return name


def _as_missing(_: Any, answer: Any) -> Any:
    """A missing topic is the one error for which this API has an empty text."""
    missing = answer.error_code is ErrorCode.unknown_topic_or_partition
    return replace(answer, error_message="") if missing else answer


def _mend_description(response: Any, may: May) -> Any:
    all_shown = sees_placement(may)

    def mend(result: Any) -> Any:
        result = without_free_text(result)
        if result.resource_type == BROKER:
            return mend_each(result, "configs", _without_addresses)
        if result.resource_type == GROUP:
            result = mend_each(result, "configs", lambda config: _without_hidden_topic(config, may))
        source = OWN_SOURCE.get(result.resource_type)
        if source is None or all_shown:
            return result
        return mend_each(result, "configs", lambda config: _own_setting(config, source))

    return mend_each(response, "results", mend)


def _without_addresses(config: Any) -> Any:
    """As Kafka hides a sensitive value."""
    if not config.name.endswith(ADDRESSES):
        return config
    return replace(config, value=None, is_sensitive=True, synonyms=())


def _without_hidden_topic(config: Any, may: May) -> Any:
    """A group's setting, as if it were not set where it names a topic that the view lacks."""
    return replace(config, value="", synonyms=()) if names_hidden(config, may) else config


def _own_setting(config: Any, source: int) -> Any:
    """A setting of a topic or group without what it tells about brokers."""
    if config.name in THROTTLES:
        return replace(config, value="", synonyms=()) if config.value or config.synonyms else config
    return keep_each(config, "synonyms", lambda synonym: synonym.source == source)


APIS = (
    Api(
        key=ApiKey.DESCRIBE_CONFIGS,
        name="DescribeConfigs",
        versions=range(1, 5),
        judge=judge_describe,
        gives_away=(
            "settings of brokers beneath those of topics and groups, and which replicas are throttled, which are cut; "
            "addresses among settings of brokers, which are hidden; texts, which become constant"
        ),
        needs=(Action.BROKER_EDIT,),
        record=Record.COUNTED,
    ),
)
