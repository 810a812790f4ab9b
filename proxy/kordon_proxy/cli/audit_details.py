"""What an event changed, in lines of the table: offsets and settings from what to what, who is lent which right."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from kordon_proxy.audit.event import EventType
from kordon_proxy.scheduled_words import operation_of, part_of

_MOST: Final = 3
"""Partitions or settings that are named; of further ones there is the number."""
_MOVED: Final = (("old_offsets", "offsets"), ("old_low_watermarks", "low_watermarks"))
_DELETED: Final = "none"


def details_of(event: Mapping[str, Any]) -> Iterator[str]:
    """Give the lines. Raises what comes of events that are none of Kordon's."""
    parameters = event["data"]["what"].get("parameters") or {}
    match event["type"]:
        case EventType.TEMPORARY_POLICY if "role" in parameters:
            yield _lent(parameters)
        case EventType.SCHEDULED_MUTATION if "operation" in parameters:
            yield f"{operation_of(parameters)} of {part_of(parameters)}"
            yield from _some(_set(parameters.get("offsets", ())))
        case EventType.STAGED_MUTATION:
            yield f"asked for by {parameters['created_by']}: {parameters['staged_mutation']}"
            yield from _changed(parameters.get("request") or {})
        case _:
            yield from _changed(parameters)


def _lent(parameters: Mapping[str, Any]) -> str:
    whom = parameters["role"] + (f" ({parameters['principal']})" if "principal" in parameters else "")
    until = f"until {_instant(parameters['expires'])}" if "expires" in parameters else "without an end"
    return f"{parameters['effect']} {' '.join(parameters['actions'])} for {whom}, {until}"


def _set(offsets: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Of each partition what was there and what is or was set, or that it was not."""
    for one in offsets:
        place = f"{one['topic']}-{one['partition']}"
        yield f"{place} not moved" if one.get("error") else _moved(place, one["old_offset"], one["new_offset"])


def _changed(parameters: Mapping[str, Any]) -> Iterator[str]:
    if "operation" in parameters:  # a scheduled mutation that waits for its approval
        yield f"{operation_of(parameters)} of {part_of(parameters)}"
    for before, after in _MOVED:
        yield from _some(_moves(parameters.get(before), parameters.get(after)))
    yield from _some(_settings(parameters.get("resources", ())))


def _moves(old: object, new: object) -> Iterator[str]:
    """Of each partition from where to where, as far as it is known: a refused change has no old offsets."""
    olds, news = (value if isinstance(value, Mapping) else {} for value in (old, new))
    for place in news or olds:
        if place not in olds:
            yield f"{place} to {news[place]}"
        else:
            yield _moved(place, olds[place], news.get(place))


def _moved(place: str, old: object, new: object) -> str:
    return f"{place} from {_offset(old)} to {_offset(new)}"


def _offset(value: object) -> str:
    return _DELETED if value is None else str(value)


def _settings(resources: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for resource in resources:
        for config in resource.get("configs", ()):
            old = f" from {config['old_value']}" if "old_value" in config else ""
            new = f" to {config['value']}" if "value" in config else ""
            yield f"{config['operation']} {config['key']}{old}{new}"


def _some(lines: Iterable[str]) -> Iterator[str]:
    every = list(lines)
    yield from every[:_MOST]
    if len(every) > _MOST:
        yield f"and {len(every) - _MOST} more"


def _instant(text: str) -> str:
    return f"{text[:19]}Z"
