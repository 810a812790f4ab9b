"""DescribeLogDirs and AlterReplicaLogDirs: what lies on which disk of the broker that the client is connected to.

Kafka knows no right by topic here, and null means all of them. What a client is told is cut to the topics of its view.
The directories themselves, how much room there is and which of them fail are the broker's own affair: whoever may not
edit the broker is told of one directory that holds everything.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from operator import attrgetter
from typing import Any, Final

from kio.schema.errors import ErrorCode

from kordon_policy.actions import Action, Kind
from kordon_protocol.keys import ApiKey
from kordon_proxy.judging.brokers import is_editable, is_seen, may_edit, of_connection, whole_cluster
from kordon_proxy.judging.entries import make, respond, struct_type
from kordon_proxy.judging.may import May
from kordon_proxy.judging.parts import keep_each, mend_each, refuse, refused_response, sort_each
from kordon_proxy.judging.table import Api, Record
from kordon_proxy.judging.verdict import Answer, Forward, Mended, Rewrite, Verdict

UNKNOWN: Final = -1
"""How many bytes Kafka says a directory has where it does not know (`DescribeLogDirsResponse.UNKNOWN_VOLUME_BYTES`)."""

ANY: Final = "any"
"""The directory that the broker is to choose, for kafka-reassign-partitions (`ReassignPartitionsCommand.ANY_LOG_DIR`).
It writes down where each replica lies, for who wants to go back: any other name would be one to move them to."""


# DescribeLogDirs


def judge_describe(request: Any, may: May) -> Verdict:
    """Named topics that the view lacks are not asked for: Kafka leaves missing ones out."""
    refusal = may.ask(None, Kind.BROKER, of_connection(may))
    if refusal is not None:
        return refuse(request, refusal)
    plan = Mended(partial(_seen_dirs, request))
    if request.topics is None:
        return Forward(plan)
    asked = keep_each(request, "topics", lambda topic: may.topic(None, topic.topic) is None)
    return Forward(plan) if asked is request else Rewrite(asked, plan)


def _seen_dirs(request: Any, response: Any, may: May) -> Any:
    """As the view and the rights are when the answer leaves."""
    broker = of_connection(may)
    refusal = None if is_seen(may, broker) else may.ask(None, Kind.BROKER, broker)
    if refusal is not None:
        return refused_response(request, refusal)
    shown = tuple(_with_seen_topics(one, may) for one in response.results)
    if not is_editable(may, broker):
        shown = tuple(_as_one(shown))
    return replace(response, results=shown)


def _with_seen_topics(directory: Any, may: May) -> Any:
    return _ordered(keep_each(directory, "topics", lambda topic: may.sees(Kind.TOPIC, topic.name)))


def _ordered(directory: Any) -> Any:
    return mend_each(sort_each(directory, "topics", attrgetter("name")), "topics", _in_order)


def _in_order(topic: Any) -> Any:
    return sort_each(topic, "partitions", attrgetter("partition_index"))


def _as_one(directories: Iterable[Any]) -> Iterator[Any]:
    """One directory in place of all that work, whose name says nothing, and of unknown size.

    A replica that is on its way from one to another is left out: of these there seems to be one only. And so everything
    is in order: one directory's topics behind another's would tell how many there are.
    """
    topics: dict[str, Any] = {}
    working = [one for one in directories if one.error_code is ErrorCode.none]
    for topic in (topic for one in working for topic in one.topics):
        there = tuple(part for part in topic.partitions if not part.is_future_key)
        if there:
            before = topics.get(topic.name)
            parts = there if before is None else (*before.partitions, *there)
            topics[topic.name] = replace(topic, partitions=parts)
    for one in working[:1]:
        whole = make(type(one), log_dir=ANY, topics=tuple(topics.values()), total_bytes=UNKNOWN, usable_bytes=UNKNOWN)
        yield _ordered(whole)


# AlterReplicaLogDirs


def judge_alter(request: Any, may: May) -> Verdict:
    """Whoever edits the broker of a whole cluster may move what he sees of it from disk to disk."""
    refusal = whole_cluster(may) or may_edit(may, of_connection(may))
    if refusal is not None:
        return Answer(_by_topic(refused_response(request, refusal)))
    named = dict.fromkeys(topic.name for directory in request.dirs for topic in directory.topics)
    hidden = {name: refusal for name in named if (refusal := may.topic(None, name)) is not None}
    if not hidden:
        return Forward()
    kept = _named(request, set(named) - hidden.keys())
    own = [one for name, why in hidden.items() for one in _refused(_named(request, {name}), why)]
    if not kept.dirs:
        return Answer(respond(request, results=tuple(own)))
    return Rewrite(kept, Mended(lambda response, _: replace(response, results=(*response.results, *own))))


def _named(request: Any, names: set[str]) -> Any:
    """The request for these topics alone."""
    cut = (replace(one, topics=tuple(topic for topic in one.topics if topic.name in names)) for one in request.dirs)
    return replace(request, dirs=tuple(one for one in cut if one.topics))


def _refused(request: Any, refusal: Any) -> tuple[Any, ...]:
    return tuple(_by_topic(refused_response(request, refusal)).results)


def _by_topic(response: Any) -> Any:
    """One entry for each topic, whatever directories it was named for, and in it one for each partition."""
    topics: dict[str, dict[int, Any]] = {}
    for topic in response.results:
        topics.setdefault(topic.topic_name, {}).update({part.partition_index: part for part in topic.partitions})
    kind = struct_type(type(response), "results")
    results = (make(kind, topic_name=name, partitions=tuple(parts.values())) for name, parts in topics.items())
    return replace(response, results=tuple(results))


def _altered(request: Any, _: Any) -> dict[str, object]:
    dirs = [
        {"path": one.path, "topics": {topic.name: list(topic.partitions) for topic in one.topics}}
        for one in request.dirs
    ]
    return {"dirs": dirs}


APIS = (
    Api(
        key=ApiKey.DESCRIBE_LOG_DIRS,
        name="DescribeLogDirs",
        versions=range(1, 6),
        judge=judge_describe,
        gives_away=(
            "all topics with their sizes, which are cut to the view; paths, number and size of the broker's disks, "
            "which are shown to who may edit the broker"
        ),
        needs=(Action.BROKER_EDIT,),
    ),
    Api(
        key=ApiKey.ALTER_REPLICA_LOG_DIRS,
        name="AlterReplicaLogDirs",
        versions=range(1, 3),
        judge=judge_alter,
        record=Record.EVENT,
        gives_away="nothing",
        needs=(Action.BROKER_EDIT,),
        parameters=_altered,
    ),
)
