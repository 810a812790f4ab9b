"""IncrementalAlterConfigs and AlterConfigs: one request may mix topics, groups, brokers, loggers and client metrics.

A topic or a group is altered by who may edit it, all else by who may edit that broker. A group's setting may name a
topic (`dead_letters`). Where a topic's data lies is decided by who may edit every broker, and AlterConfigs puts back to
its default what it does not mention. So before it goes on, Kordon asks the cluster whether anything of that kind is set
on the topics. (Whoever sets it in that very moment has to set it again.)
"""

from collections import Counter
from collections.abc import Hashable, Mapping
from typing import Any, Final

from kio.schema.errors import ErrorCode

from kordon_policy.actions import Action, Kind
from kordon_protocol.codec import request_type
from kordon_protocol.keys import ApiKey
from kordon_proxy.judging.entries import make, struct_type
from kordon_proxy.judging.may import May, Refusal
from kordon_proxy.judging.parts import judge_each
from kordon_proxy.judging.placement import is_placement, may_place, sees_placement
from kordon_proxy.judging.table import Api, Learns, Record, event_unless_tried
from kordon_proxy.judging.texts import DUPLICATE_RESOURCE, constant_texts, spoken
from kordon_proxy.judging.verdict import Ask, Verdict

from .config_values import kept
from .configs import GROUP, LOGGER, OWN_SOURCE, TOPIC, TYPES, may_edit_broker, resource_of
from .dead_letters import may_name

REPLACES_PLACEMENT: Final = (
    "AlterConfigs would put back to its default where the data of this topic lies: that takes BROKER_EDIT on every "
    "broker, and IncrementalAlterConfigs would leave it as it is"
)
NOT_KNOWN: Final = spoken(Refusal(ErrorCode.request_timed_out))
"""Of a topic of which the cluster did not tell in time what is set on it."""

Placed = Mapping[str, bool | None]
"""Topic -> whether settings of it that are not mentioned say where its data lies; None: nobody knows."""


def judge_alter(request: Any, may: May) -> Verdict:
    return _judge(request, may, None)


def judge_replace(request: Any, may: May) -> Verdict | Ask:
    unclear = _unclear(request, may)
    if not unclear:
        return _judge(request, may, {})

    def knowing(answer: Any, now: May) -> Verdict:
        return _judge(request, now, dict.fromkeys(unclear) | _placed(answer))

    return Ask(_question(unclear), knowing)


def _judge(request: Any, may: May, placed: Placed | None) -> Verdict:
    """`validate_only` needs the same rights, or it would be a free probe.

    A resource that is named twice never gets to the broker: to such an AlterConfigs it answers nothing at all.
    """
    named = Counter(map(resource_of, request.resources))
    # The broker knows no loggers in AlterConfigs.
    types = TYPES.keys() - ({LOGGER} if request.__api_key__ == ApiKey.ALTER_CONFIGS else ())

    def rule(entry: Any) -> Refusal | None:
        if named[resource_of(entry)] > 1:
            return Refusal(ErrorCode.invalid_request, DUPLICATE_RESOURCE)
        if entry.resource_type not in types:
            return Refusal(ErrorCode.invalid_request, f"Unknown resource type {entry.resource_type}")
        return spoken(_may_alter(entry, may, placed))

    return judge_each(
        request,
        rule,
        items="resources",
        answers="responses",
        key=resource_of,
        plan=constant_texts("responses"),
    )


def _may_alter(entry: Any, may: May, placed: Placed | None) -> Refusal | None:
    if entry.resource_type == TOPIC:
        return may.topic(Action.TOPIC_EDIT, entry.resource_name) or _may_place(entry, may, placed)
    if entry.resource_type == GROUP:
        return may.edit_group(entry.resource_name) or may_name(entry.configs, entry.resource_name, may)
    return may_edit_broker(entry, may)


def _may_place(entry: Any, may: May, placed: Placed | None) -> Refusal | None:
    """placed: None where what is not mentioned is left as it is."""
    if _mentions_placement(entry):
        return may_place(may)
    if placed is None:
        return None
    if sees_placement(may):
        # He may take back whatever is set by the time that it is done, and whoever approves it has to be one who may.
        return may_place(may)
    known = placed.get(entry.resource_name, False)
    if known is None:
        return NOT_KNOWN
    return may_place(may, REPLACES_PLACEMENT) if known else None


def _mentions_placement(entry: Any) -> bool:
    return any(is_placement(config.name) for config in entry.configs)


# What AlterConfigs would take back


def _unclear(request: Any, may: May) -> tuple[str, ...]:
    """The topics of which all settings would be replaced by somebody who may not place their data."""
    if sees_placement(may):
        return ()
    topics = (entry for entry in request.resources if entry.resource_type == TOPIC and not _mentions_placement(entry))
    names = dict.fromkeys(entry.resource_name for entry in topics)
    return tuple(name for name in names if may.is_allowed(Action.TOPIC_EDIT, Kind.TOPIC, name))


DESCRIBE: Final = 1
"""The version of DescribeConfigs in which Kordon asks: every broker has it, and it tells what was set on a topic."""


def _question(topics: tuple[str, ...]) -> Any:
    kind = request_type(ApiKey.DESCRIBE_CONFIGS, DESCRIBE)
    entry = struct_type(kind, "resources")
    resources = (make(entry, resource_type=TOPIC, resource_name=name, configuration_keys=None) for name in topics)
    return make(kind, resources=tuple(resources))


def _placed(answer: Any) -> dict[str, bool | None]:
    """What the cluster told; nothing of topics on which it told an error, but that one is missing."""
    placed: dict[str, bool | None] = {}
    for result in () if answer is None else answer.results:
        if result.error_code is ErrorCode.none:
            own = OWN_SOURCE[TOPIC]
            placed[result.resource_name] = any(
                is_placement(config.name) and config.config_source == own for config in result.configs
            )
        elif result.error_code is ErrorCode.unknown_topic_or_partition:
            placed[result.resource_name] = False
    return placed


# The audit

SET: Final = 0
OPERATIONS: Final = {SET: "set", 1: "delete", 2: "append", 3: "subtract"}
"""`AlterConfigOp.OpType` of Kafka's client library."""

Old = Mapping[tuple[Hashable, str], str | None]
"""Resource and key -> the value that it had."""


def _altered(request: Any, _: Any) -> dict[str, object]:
    told = {"resources": _resources(request, {}), "validate_only": request.validate_only}
    return told | ({"replaces": True} if request.__api_key__ == ApiKey.ALTER_CONFIGS else {})


def _resources(request: Any, old: Old) -> list[dict[str, object]]:
    return [
        {
            "type": TYPES.get(entry.resource_type, str(entry.resource_type)),
            "name": entry.resource_name,
            "configs": [_altered_config(config, entry, old) for config in entry.configs],
        }
        for entry in request.resources
    ]


def _altered_config(config: Any, entry: Any, old: Old) -> dict[str, object]:
    number = getattr(config, "config_operation", SET)
    told: dict[str, object] = {"key": config.name, "operation": OPERATIONS.get(number, str(number))}
    if entry.resource_type in OWN_SOURCE:
        values = {"value": config.value, "old_value": old.get((resource_of(entry), config.name))}
        told |= {name: text for name, value in values.items() if (text := kept(config.name, value)) is not None}
    return told


def _ask_values(request: Any) -> Any | None:
    """The question for an IncrementalAlterConfigs: what is set now, by itself or by default."""
    kind = request_type(ApiKey.DESCRIBE_CONFIGS, DESCRIBE)
    item = struct_type(kind, "resources")
    asked = tuple(
        make(
            item,
            resource_type=entry.resource_type,
            resource_name=entry.resource_name,
            configuration_keys=tuple(config.name for config in entry.configs),
        )
        for entry in request.resources
        if entry.resource_type in OWN_SOURCE and entry.configs
    )
    return make(kind, resources=asked) if asked else None


def _tell_values(request: Any, answer: Any) -> dict[str, object]:
    old = {
        (resource_of(result), config.name): config.value
        for result in (() if answer is None else answer.results)
        for config in result.configs
    }
    return {"resources": _resources(request, old)}


NEEDS: Final = (Action.TOPIC_EDIT, Action.GROUP_EDIT, Action.BROKER_EDIT, Action.TOPIC_PRODUCE, Action.TOPIC_CREATE)

APIS = (
    Api(
        key=ApiKey.INCREMENTAL_ALTER_CONFIGS,
        name="IncrementalAlterConfigs",
        versions=range(2),
        judge=judge_alter,
        record=Record.EVENT,
        record_of=event_unless_tried,
        gives_away="texts, which become constant",
        needs=NEEDS,
        parameters=_altered,
        learns=Learns(question=_ask_values, tell=_tell_values),
    ),
    Api(
        key=ApiKey.ALTER_CONFIGS,
        name="AlterConfigs",
        versions=range(3),
        judge=judge_replace,
        record=Record.EVENT,
        record_of=event_unless_tried,
        gives_away="texts, which become constant",
        needs=NEEDS,
        parameters=_altered,
    ),
)
