"""CreateTopics, DeleteTopics, CreatePartitions.

Strategy: what lies outside the view is answered here and never forwarded, so that no check of the controller (does it
exist, does it collide, are there brokers enough) can speak of it. What Kafka checks in the request itself comes first,
as it does in Kafka: a name given twice, a topic given by name and id. The controller's texts are not passed on.

One thing cannot be hidden: a name of the view that differs from a hidden topic in dots and underscores alone is refused
by the controller (INVALID_TOPIC_EXCEPTION), and is not to be had whatever is said of it. `kordon check` points out
tenants to which this can happen (`kordon_policy.collisions`).
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any, Final

from kio.schema.errors import ErrorCode

from kordon_policy.actions import Action, Kind
from kordon_policy.model import INTERNAL
from kordon_protocol.keys import ApiKey
from kordon_proxy.judging.may import Access, May, Refusal, Ruling
from kordon_proxy.judging.parts import is_authorization, judge_each
from kordon_proxy.judging.placement import is_placement, may_place
from kordon_proxy.judging.table import Api, Record, event_unless_tried
from kordon_proxy.judging.texts import BOTH, DUPLICATE_ID, DUPLICATE_NAME, NEITHER, constant_texts, spoken
from kordon_proxy.judging.verdict import Verdict

from .config_values import kept

TWICE: Final = Refusal(ErrorCode.invalid_request, DUPLICATE_NAME)
ID_TWICE: Final = Refusal(ErrorCode.invalid_request, DUPLICATE_ID)
NEITHER_GIVEN: Final = Refusal(ErrorCode.invalid_request, NEITHER)
BOTH_GIVEN: Final = Refusal(ErrorCode.invalid_request, BOTH)


def once_each(entries: Iterable[Any], key: Callable[[Any], Hashable]) -> tuple[tuple[Any, ...], frozenset[Hashable]]:
    """The first entry of each key, and the keys that came more than once: Kafka has one answer for all of these."""
    firsts: dict[Hashable, Any] = {}
    twice = set()
    for entry in entries:
        name = key(entry)
        if name in firsts:
            twice.add(name)
        else:
            firsts[name] = entry
    return tuple(firsts.values()), frozenset(twice)


# CreateTopics


def judge_create(request: Any, may: May) -> Verdict:
    """A name needs the explicit view. `validate_only` needs the same rights, or it would be a free probe."""
    topics, twice = once_each(request.topics, lambda topic: topic.name)
    return judge_each(
        request if not twice else replace(request, topics=topics),
        lambda topic: TWICE if topic.name in twice else may_create(topic.name, may, places=_places(topic)),
        items="topics",
        answers="topics",
        key=lambda topic: topic.name,  # from v7 on the answer tells the id too
        plan=constant_texts("topics"),
        order=lambda refusal: 0 if refusal is None else 1 if refusal is TWICE else 2,
    )


def may_create(name: str, may: May, *, places: bool) -> Refusal | None:
    """Whether a topic may come into being, whatever request brings it; `places`: it is said where its data lies."""
    refusal = may.create_topic(name)
    if refusal is None and name.startswith(INTERNAL):
        # Names of Kafka's own machinery are nobody's to create.
        refusal = refuse_outside(name, may)
    if refusal is None and places:
        refusal = may_place(may)
    return refusal


def refuse_outside(name: str, may: May, action: Action = Action.TOPIC_CREATE) -> Refusal:
    """The answer of any name outside the tenant, for one that nobody may have."""
    refusal = may.outside(Kind.TOPIC, name)
    may.note(Ruling(Access.HIDDEN, action, Kind.TOPIC, name, None, refusal))
    return refusal


def _places(topic: Any) -> bool:
    return bool(topic.assignments) or any(is_placement(config.name) for config in topic.configs)


def _created(request: Any, response: Any) -> dict[str, object]:
    """What was asked for and, once the controller has answered, what it made of it."""
    answers = () if response is None else response.topics
    made = {answer.name: _made(answer) for answer in answers if not answer.error_code}
    topics = [_created_topic(topic) | made.get(topic.name, {}) for topic in request.topics]
    return {"topics": topics, "validate_only": request.validate_only}


def _created_topic(topic: Any) -> dict[str, object]:
    """A number of -1 is what the brokers are set to. A value is None where the audit keeps none."""
    told: dict[str, object] = {
        "name": topic.name,
        "partitions": topic.num_partitions,
        "replication_factor": topic.replication_factor,
        "configs": {config.name: kept(config.name, config.value) for config in topic.configs},
    }
    return told | ({"assignments": _assignments(topic.assignments)} if topic.assignments else {})


def _made(answer: Any) -> dict[str, object]:
    """Older versions say less, and all of them nothing of numbers to whoever may not describe the settings."""
    numbers = {
        "partitions": getattr(answer, "num_partitions", -1),
        "replication_factor": getattr(answer, "replication_factor", -1),
    }
    topic_id = getattr(answer, "topic_id", None)
    told: dict[str, object] = {name: number for name, number in numbers.items() if number > 0}
    return told if topic_id is None else told | {"id": str(topic_id)}


def _assignments(assignments: Iterable[Any]) -> list[list[int]]:
    return [list(assignment.broker_ids) for assignment in assignments]


# DeleteTopics

BY_ID: Final = 6
"""The first version that names topics by name or by id (KIP-516)."""


def judge_delete(request: Any, may: May) -> Verdict:
    """An id that the view does not hold is unknown, and its answer has no name, whether it exists or not."""
    if request.__version__ < BY_ID:
        names, twice = once_each(request.topic_names, lambda name: name)
        return judge_each(
            request if not twice else replace(request, topic_names=names),
            lambda name: TWICE if name in twice else _may_delete(name, may),
            items="topic_names",
            answers="responses",
            plan=constant_texts("responses"),
        )
    topics, twice = once_each(request.topics, lambda topic: (topic.name, topic.topic_id))
    by_id = {topic.topic_id for topic in topics if topic.topic_id is not None}
    return judge_each(
        request if not twice else replace(request, topics=topics),
        partial(_may_delete_either, may=may, twice=twice),
        items="topics",
        answers="responses",
        # The answer for a name tells the id too.
        key=lambda topic: topic.topic_id if topic.topic_id in by_id else topic.name,
        plan=constant_texts("responses"),
        finish=partial(_with_name, may=may),
    )


def _may_delete(name: str, may: May) -> Refusal | None:
    return spoken(may.topic(Action.TOPIC_DELETE, name))


def _may_delete_either(topic: Any, *, may: May, twice: frozenset[Hashable]) -> Refusal | None:
    if topic.topic_id is None:
        if topic.name is None:
            return NEITHER_GIVEN
        return TWICE if (topic.name, None) in twice else _may_delete(topic.name, may)
    if topic.name is not None:
        return BOTH_GIVEN
    if (None, topic.topic_id) in twice:
        return ID_TWICE
    return spoken(may.topic_id(Action.TOPIC_DELETE, topic.topic_id))


def _with_name(topic: Any, answer: Any, *, may: May) -> Any:
    """Kafka tells the name behind an id to whoever may see the topic but not delete it."""
    if topic.name is not None or answer.error_code in (ErrorCode.invalid_request, ErrorCode.unknown_topic_id):
        return answer
    return replace(answer, name=may.name_of(topic.topic_id))


def _names_ids(request: Any) -> bool:
    return request.__version__ >= BY_ID and any(topic.topic_id is not None for topic in request.topics)


def _deleted(request: Any, response: Any) -> dict[str, object]:
    if request.__version__ < BY_ID:
        return {"topics": list(request.topic_names)}
    names = {} if response is None else {answer.topic_id: answer.name for answer in response.responses}
    return {"topics": [topic.name or names.get(topic.topic_id) or str(topic.topic_id) for topic in request.topics]}


# CreatePartitions


def judge_create_partitions(request: Any, may: May) -> Verdict:
    topics, twice = once_each(request.topics, lambda topic: topic.name)
    return judge_each(
        request if not twice else replace(request, topics=topics),
        lambda topic: TWICE if topic.name in twice else _may_grow(topic, may),
        items="topics",
        answers="results",
        plan=constant_texts("results"),
        order=lambda refusal: 0 if refusal is TWICE else 1 if is_authorization(refusal) else 2,
    )


def _may_grow(topic: Any, may: May) -> Refusal | None:
    refusal = may.topic(Action.TOPIC_EDIT, topic.name)
    if refusal is None and topic.assignments:
        refusal = may_place(may)
    return refusal


def _grown(request: Any, _: Any) -> dict[str, object]:
    topics = [
        {"name": topic.name, "partitions": topic.count}
        | ({"assignments": _assignments(topic.assignments)} if topic.assignments else {})
        for topic in request.topics
    ]
    return {"topics": topics, "validate_only": request.validate_only}


APIS = (
    Api(
        key=ApiKey.CREATE_TOPICS,
        name="CreateTopics",
        versions=range(2, 8),
        judge=judge_create,
        gives_away="other topics and the number of brokers in texts, which become constant",
        needs=(Action.TOPIC_CREATE, Action.BROKER_EDIT),
        record=Record.EVENT,
        record_of=event_unless_tried,
        changes_topics=True,
        parameters=_created,
    ),
    Api(
        key=ApiKey.DELETE_TOPICS,
        name="DeleteTopics",
        versions=range(1, 7),
        judge=judge_delete,
        gives_away="the name behind an id, which is told of topics in the view",
        needs=(Action.TOPIC_DELETE,),
        record=Record.EVENT,
        needs_fresh_picture=_names_ids,
        changes_topics=True,
        parameters=_deleted,
    ),
    Api(
        key=ApiKey.CREATE_PARTITIONS,
        name="CreatePartitions",
        versions=range(4),
        judge=judge_create_partitions,
        gives_away="brokers in texts, which become constant",
        needs=(Action.TOPIC_EDIT, Action.BROKER_EDIT),
        record=Record.EVENT,
        record_of=event_unless_tried,
        changes_topics=True,
        parameters=_grown,
    ),
)
