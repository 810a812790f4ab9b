"""Answers that Kordon gives itself, in whatever version was asked, and their places among the broker's."""

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from datetime import timedelta
from typing import Any

from kordon_protocol.codec import response_type
from kordon_protocol.shapes import Entity, shape_of, zero_of


def make(entity: Entity, /, **values: Any) -> Any:
    """A message or struct with these values and Kafka's defaults.

    Values without a field in this version are dropped.
    """
    shape = shape_of(entity)
    return entity(
        **{
            field.name: values[field.name] if field.name in values else zero_of(field)
            for field in (*shape.fields, *shape.tagged)
        }
    )


def respond(request: Any, /, **values: Any) -> Any:
    """The response to a request, unthrottled."""
    return make(answer_type(request), throttle_time=timedelta(), **values)


def answer_type(request: Any) -> Entity:
    """The class of the response to a request."""
    return response_type(request.__api_key__, request.__version__)


def struct_type(entity: Entity, *path: str) -> Entity:
    """The class of the structs in a field, or in a field of those in turn."""
    for name in path:
        shape = shape_of(entity)
        (inner,) = (field.struct for field in (*shape.fields, *shape.tagged) if field.name == name)
        assert inner is not None  # the caller names a field of structs
        entity = inner.entity
    return entity


def in_place(
    asked: Iterable[Hashable],
    own: Mapping[int, Any],
    answered: Iterable[Any],
    key: Callable[[Any], Hashable],
    mend: Callable[[int, Any], Any] = lambda _, answer: answer,
) -> tuple[Any, ...]:
    """One answer for each thing that was asked, in that order: ours where there is one, else the broker's next for it.

    `mend` gets the place and the broker's answer. What the broker answers without having been asked is left out.
    """
    waiting: dict[Hashable, deque[Any]] = {}
    for answer in answered:
        waiting.setdefault(key(answer), deque()).append(answer)
    found = []
    for place, name in enumerate(asked):
        if place in own:
            found.append(own[place])
        elif waiting.get(name):
            found.append(mend(place, waiting[name].popleft()))
    return tuple(found)
