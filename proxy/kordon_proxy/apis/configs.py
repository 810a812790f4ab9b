"""DescribeConfigs, IncrementalAlterConfigs, AlterConfigs: one request may mix topics, groups, brokers, client metrics.

Topics and groups are shown to whoever sees them, less what they tell about brokers: the synonyms at broker level
(KIP-226) and the replicas that are throttled. All other resources belong to the cluster and need `BROKER_EDIT` on that
broker; a broker without a name stands for all of them.

A group has settings before it is there, so of a missing one brokers tell the defaults (`ConfigHelper`). Of a group
outside the view the same is told: the broker is asked by a name that no group has.
"""

import re
from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import replace
from typing import Any, Final

from kio.schema.errors import ErrorCode

from kordon_policy.actions import Action
from kordon_policy.model import KORDONS_OWN
from kordon_protocol.keys import ApiKey

from .brokers import EVERY_BROKER, may_edit
from .may import May, Refusal
from .parts import judge_each, mend_each, refuse
from .placement import THROTTLES, is_placement, may_place, sees_placement
from .table import Api, Record
from .texts import DUPLICATE_RESOURCE, spoken, without_free_text
from .verdict import Answer, Mended, Rewrite, Verdict, unchanged

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
    groups = {
        entry.resource_name: may.group(None, entry.resource_name)
        for entry in request.resources
        if entry.resource_type == GROUP
    }
    hidden = {name for name, refusal in groups.items() if refusal and refusal.code is ErrorCode.group_id_not_found}
    asked = _without_hidden(request, hidden)

    def rule(entry: Any) -> Refusal | None:
        if entry.resource_type != GROUP:
            return _told(_may_describe(entry, may))
        return None if entry.resource_name in hidden else _told(groups.get(entry.resource_name))

    verdict = judge_each(
        asked,
        rule,
        items="resources",
        answers="results",
        key=resource_of,
        plan=Mended(_mend_description),
        finish=_as_missing,
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


def _told(refusal: Refusal | None) -> Refusal | None:
    return None if refusal is None else spoken(refusal)


def _may_describe(entry: Any, may: May) -> Refusal | None:
    if entry.resource_type == TOPIC:
        return may.topic(None, entry.resource_name)
    return _may_edit_broker(entry, may)


def _may_edit_broker(entry: Any, may: May) -> Refusal | None:
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


def _own_setting(config: Any, source: int) -> Any:
    """A setting of a topic or group without what it tells about brokers."""
    if config.name in THROTTLES:
        return replace(config, value="", synonyms=()) if config.value or config.synonyms else config
    kept = tuple(synonym for synonym in config.synonyms if synonym.source == source)
    return config if len(kept) == len(config.synonyms) else replace(config, synonyms=kept)


# IncrementalAlterConfigs, AlterConfigs


def judge_alter(request: Any, may: May) -> Verdict:
    """`validate_only` needs the same rights, or it would be a free probe.

    A resource that is named twice never gets to the broker: of AlterConfigs it answers nothing then.
    """
    named = Counter(map(resource_of, request.resources))
    replaces = request.__api_key__ == ApiKey.ALTER_CONFIGS
    types = TYPES.keys() - {LOGGER} if replaces else TYPES.keys()

    def rule(entry: Any) -> Refusal | None:
        if named[resource_of(entry)] > 1:
            return Refusal(ErrorCode.invalid_request, DUPLICATE_RESOURCE)
        if entry.resource_type not in types:
            return Refusal(ErrorCode.invalid_request, f"Unknown resource type {entry.resource_type}")
        return _told(_may_alter(entry, may, replaces=replaces))

    return judge_each(
        request,
        rule,
        items="resources",
        answers="responses",
        key=resource_of,
        plan=Mended(lambda response, _: mend_each(response, "responses", without_free_text)),
    )


def _may_alter(entry: Any, may: May, *, replaces: bool) -> Refusal | None:
    """`replaces`: what is not mentioned goes back to its default, also what lets nobody but administrators place."""
    if entry.resource_type == TOPIC:
        refusal = may.topic(Action.TOPIC_EDIT, entry.resource_name)
        if refusal is None and replaces:
            refusal = may_place(may, REPLACES_PLACEMENT)
        elif refusal is None and any(is_placement(config.name) for config in entry.configs):
            refusal = may_place(may)
        return refusal
    if entry.resource_type == GROUP:
        return may.edit_group(entry.resource_name)
    return _may_edit_broker(entry, may)


SET: Final = 0
OPERATIONS: Final = {SET: "set", 1: "delete", 2: "append", 3: "subtract"}
"""`AlterConfigOp.OpType` of Kafka's client library."""
SECRET: Final = re.compile(r"password|secret|jaas|credential|token|key", re.IGNORECASE)
LONGEST: Final = 200
"""Letters of a value that the audit keeps."""


REPLACES_PLACEMENT: Final = (
    "AlterConfigs replaces every setting of a topic, those of where its data lies too: that takes BROKER_EDIT on every "
    "broker, and IncrementalAlterConfigs does not"
)


def _altered(request: Any, _: Any) -> dict[str, object]:
    resources = [
        {
            "type": TYPES.get(entry.resource_type, str(entry.resource_type)),
            "name": entry.resource_name,
            "configs": [_altered_config(config, entry.resource_type) for config in entry.configs],
        }
        for entry in request.resources
    ]
    told = {"resources": resources, "validate_only": request.validate_only}
    return told | ({"replaces": True} if request.__api_key__ == ApiKey.ALTER_CONFIGS else {})


def _altered_config(config: Any, resource_type: int) -> dict[str, object]:
    """Values only of topics and groups, which have no settings that are secret: a broker's can be a password."""
    number = getattr(config, "config_operation", SET)
    operation = OPERATIONS.get(number, str(number))
    told: dict[str, object] = {"key": config.name, "operation": operation}
    if resource_type in OWN_SOURCE and config.value is not None and not SECRET.search(config.name):
        told["value"] = config.value[:LONGEST]
    return told


def record_of(request: Any) -> Record:
    """Only looking whether it could be done changes nothing."""
    return Record.COUNTED if request.validate_only else Record.EVENT


APIS = (
    Api(
        key=ApiKey.DESCRIBE_CONFIGS,
        name="DescribeConfigs",
        versions=range(1, 5),
        judge=judge_describe,
        record=Record.COUNTED,
    ),
    Api(
        key=ApiKey.INCREMENTAL_ALTER_CONFIGS,
        name="IncrementalAlterConfigs",
        versions=range(2),
        judge=judge_alter,
        record=Record.EVENT,
        record_of=record_of,
        parameters=_altered,
    ),
    Api(
        key=ApiKey.ALTER_CONFIGS,
        name="AlterConfigs",
        versions=range(3),
        judge=judge_alter,
        record=Record.EVENT,
        record_of=record_of,
        gives_away="texts, which become constant",
        needs=(Action.TOPIC_EDIT, Action.GROUP_EDIT, Action.BROKER_EDIT),
        parameters=_altered,
    ),
)
