"""What the topology of a Streams application names (KIP-1071), and whether a member may bring it along.

Pure. A topology is stored with its group by whoever joins first. From then on the coordinator creates the topics
between the parts of the application (repartition) and behind its stores (changelog) whenever one is missing, at any
member's heartbeat and with Kordon's own rights (`KafkaApis.handleStreamsGroupHeartbeat`).

* *Sources* are read: TOPIC_INSPECT. One that the group may not use does not exist for it.
* *Sinks*, repartition topics that other parts read, are written: TOPIC_PRODUCE.
* *Internal topics* are read and written: both actions. One that is missing comes into being: TOPIC_CREATE too, in the
  explicit view, and never under a name of Kafka's own machinery.

In a topology nothing can be left out as it can in a subscription: tasks are counted by the topics of each part. So it
is taken as a whole, or not at all.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kio.schema.errors import ErrorCode

from kordon_policy.actions import Action, Kind
from kordon_proxy.judging.group_topics import judge_topic_name, usable_by
from kordon_proxy.judging.may import May, Refusal
from kordon_proxy.judging.placement import is_placement
from kordon_proxy.judging.streams_members import Topology

from .topics import may_create, refuse_outside


@dataclass(frozen=True, slots=True)
class Missing:
    """Source topics that are not there for the group, sorted, as far as they are told: its members get nothing to
    do."""

    sources: tuple[str, ...]


def read_topology(topology: Any, *, claimed: bool) -> Topology:
    """What a topology names, of a heartbeat or of a description. `claimed`: the client said it itself."""
    parts = topology.subtopologies or ()
    internal = [topic for part in parts for topic in (*part.repartition_source_topics, *part.state_changelog_topics)]
    names = _once(topic.name for topic in internal)
    return Topology(
        sources=_once(name for part in parts for name in part.source_topics),
        sinks=_once(name for part in parts for name in part.repartition_sink_topics if name not in names),
        internal=names,
        placed=frozenset(
            topic.name for topic in internal if any(is_placement(setting.key) for setting in topic.topic_configs)
        ),
        claimed=claimed,
    )


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def has_patterns(topology: Any) -> bool:
    """Whether sources are named by patterns, which no coordinator takes so far (KIP-1071 leaves it for later)."""
    return any(part.source_topic_regex for part in topology.subtopologies)


def judge_topology(topology: Topology, group: str, may: May) -> Refusal | Missing | None:
    """Whether members of this group may have this topology; None: they may.

    All topics are asked for, and so are in the audit; the first that is refused is told.
    """
    judged = [
        *((name, _judge_internal(topology, name, group, may)) for name in topology.internal),
        *((name, _judge_sink(name, group, may)) for name in topology.sinks),
        *((name, _judge_source(name, group, may)) for name in topology.sources),
    ]
    for name, refusal in judged:
        if refusal is not None and not _is_missing(refusal):
            return refusal if topology.claimed or may.sees(Kind.TOPIC, name) else Refusal(refusal.code)
    hidden = [name for name, refusal in judged if refusal is not None]
    return _missing(topology, hidden, may) if hidden else None


def _missing(topology: Topology, hidden: list[str], may: May) -> Missing:
    there = may.picture.topics
    told = [*hidden, *(name for name in topology.sources if name not in there)] if topology.claimed else []
    return Missing(tuple(sorted(set(told))))


def _is_missing(refusal: Refusal) -> bool:
    return refusal.code is ErrorCode.unknown_topic_or_partition


def _judge_internal(topology: Topology, name: str, group: str, may: May) -> Refusal | None:
    if not usable_by(may, group)(name):
        return refuse_outside(name, may)
    refusal = may_create(name, may, places=name in topology.placed) if name not in may.picture.topics else None
    return refusal or may.topic(Action.TOPIC_INSPECT, name) or may.topic(Action.TOPIC_PRODUCE, name)


def _judge_source(name: str, group: str, may: May) -> Refusal | None:
    return judge_topic_name(may, Action.TOPIC_INSPECT, name, group)


def _judge_sink(name: str, group: str, may: May) -> Refusal | None:
    if not usable_by(may, group)(name):
        return refuse_outside(name, may, Action.TOPIC_PRODUCE)
    return may.topic(Action.TOPIC_PRODUCE, name)
