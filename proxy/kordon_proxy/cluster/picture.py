"""What Kordon knows of one Kafka cluster at one moment: an immutable value, and the functions that build it.

No sockets and no clock here: decoded answers go in, a picture comes out. Where nothing changed, the same object comes
out, so whoever keeps something computed from a picture may ask `is`.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar
from uuid import UUID

from kio.schema.errors import ErrorCode

Inferred = Mapping[str, frozenset[str]]
"""Group to the topics that it consumes from."""
VersionRange = tuple[int, int]
"""Lowest and highest version, both included."""

KRAFT_FEATURE: Final = "metadata.version"
LEFT_OUT: Final = frozenset(
    {ErrorCode.unknown_topic_or_partition, ErrorCode.topic_authorization_failed, ErrorCode.invalid_topic_exception}
)

Key = TypeVar("Key")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """One broker, at its real address. It never leaves this process: clients are told Kordon's."""

    id: int
    host: str
    port: int
    rack: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One topic. `id` is None where the cluster still runs with a format from before topic ids (KIP-516)."""

    name: str
    id: UUID | None
    partitions: int
    internal: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What ApiVersions v3+ tells about features (KIP-584). Epoch -1: nothing is finalized, or nobody knows."""

    supported: Mapping[str, VersionRange]
    finalized: Mapping[str, int]
    epoch: int


NO_FEATURES: Final = Features(supported={}, finalized={}, epoch=-1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """What one broker speaks: API key to versions, and its features."""

    versions: Mapping[int, VersionRange]
    features: Features


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The half of a picture that one Metadata answer tells."""

    cluster_id: str
    controller_id: int
    brokers: Mapping[int, Broker]
    topics: Mapping[str, Topic]


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class Picture:
    """One cluster at one moment.

    Whoever only wants to know whether it is still this one keeps a weak reference: with many topics it is large.

    `version` grows with every change. `taken_at` is the monotonic time (seconds) at which the newest part of it was
    asked for: the picture is at least as new as that. Mappings are shared between pictures and never written to.
    """

    version: int
    taken_at: float
    cluster_id: str
    controller_id: int
    brokers: Mapping[int, Broker]
    topics: Mapping[str, Topic]
    names: tuple[str, ...]
    """All topic names in plain string order, which is the order of Kafka's cursors."""
    ids: Mapping[UUID, str]
    api_versions: Mapping[int, VersionRange]
    """What every live broker speaks."""
    features: Features
    inferred: Inferred


def read_layout(
    metadata: Any, known: Layout | Picture | None = None, *, topics: Mapping[str, Topic] | None = None
) -> Layout:
    """Read a Metadata answer (v10+) for all topics; parts that are as in `known` are the same objects.

    metadata: the message, or its head alone when its `topics` have been read before.

    Topics that the broker marks as unknown or forbidden are left out: it names them only when asked for them.
    """
    brokers = {
        int(broker.node_id): Broker(id=int(broker.node_id), host=broker.host, port=int(broker.port), rack=broker.rack)
        for broker in metadata.brokers
    }
    return Layout(
        cluster_id=metadata.cluster_id or "",
        controller_id=int(metadata.controller_id),
        brokers=brokers if known is None else _same(known.brokers, brokers),
        topics=_read_topics(metadata.topics, {} if known is None else known.topics) if topics is None else topics,
    )


def _read_topics(topics: Iterable[Any], known: Mapping[str, Topic]) -> Mapping[str, Topic]:
    """Thousands of topics come every few seconds and hardly one has changed, so known ones are not built again."""
    read: dict[str, Topic] = {}
    changed = False
    for topic in topics:
        name = topic.name
        if name is None or topic.error_code in LEFT_OUT:
            continue
        before = known.get(name)
        if (
            before is not None
            and before.id == topic.topic_id
            and before.partitions == len(topic.partitions)
            and before.internal == topic.is_internal
        ):
            read[name] = before
        else:
            changed = True
            read[name] = Topic(
                name=name, id=topic.topic_id, partitions=len(topic.partitions), internal=topic.is_internal
            )
    return read if changed or len(read) != len(known) else known


def read_spoken(api_versions: Any) -> Spoken:
    """Read an ApiVersions answer of any version; before v3 it tells no features."""
    supported = getattr(api_versions, "supported_features", ())
    epoch = int(getattr(api_versions, "finalized_features_epoch", -1))
    finalized = getattr(api_versions, "finalized_features", ()) if epoch >= 0 else ()
    return Spoken(
        versions={int(api.api_key): (int(api.min_version), int(api.max_version)) for api in api_versions.api_keys},
        features=Features(
            supported={feature.name: (int(feature.min_version), int(feature.max_version)) for feature in supported},
            finalized={feature.name: int(feature.max_version_level) for feature in finalized},
            epoch=epoch,
        ),
    )


def common_versions(brokers: Collection[Mapping[int, VersionRange]]) -> dict[int, VersionRange]:
    """What all of them speak; a key that one of them lacks, or with no version in common, is left out."""
    return _common(brokers)


def common_features(brokers: Collection[Features]) -> Features:
    """Supported: what all of them support. Finalized: as the broker says that has seen the newest epoch."""
    if not brokers:
        return NO_FEATURES
    newest = max(brokers, key=lambda features: features.epoch)
    supported = _common([features.supported for features in brokers])
    return Features(supported=supported, finalized=newest.finalized, epoch=newest.epoch)


def _common(ranges: Collection[Mapping[Key, VersionRange]]) -> dict[Key, VersionRange]:
    first, *others = ranges or [{}]
    common = {}
    for key, (low, high) in first.items():
        for other in others:
            there = other.get(key)
            if there is None:
                break
            low, high = max(low, there[0]), min(high, there[1])
        else:
            if low <= high:
                common[key] = (low, high)
    return common


def next_picture(
    before: Picture | None, layout: Layout | Picture, spoken: Collection[Spoken], taken_at: float
) -> Picture:
    """The picture after one look at the cluster: `before` itself if it shows the same, with a higher version if not.

    `layout` may be a picture where only what the brokers speak was asked for.
    """
    versions = common_versions([broker.versions for broker in spoken])
    features = common_features([broker.features for broker in spoken])
    if before is None or before.cluster_id != layout.cluster_id:
        return Picture(
            version=1 if before is None else before.version + 1,
            taken_at=taken_at,
            cluster_id=layout.cluster_id,
            controller_id=layout.controller_id,
            brokers=layout.brokers,
            topics=layout.topics,
            names=tuple(sorted(layout.topics)),
            ids=_ids(layout.topics),
            api_versions=versions,
            features=features,
            inferred={},
        )
    same_topics = layout.topics is before.topics
    after = replace(
        before,
        controller_id=_controller(before, layout, features),
        brokers=_same(before.brokers, layout.brokers),
        topics=layout.topics,
        names=before.names if same_topics else _same(before.names, tuple(sorted(layout.topics))),
        ids=before.ids if same_topics else _same(before.ids, _ids(layout.topics)),
        api_versions=_same(before.api_versions, versions),
        features=_same(before.features, features),
    )
    return before if after == before else replace(after, version=before.version + 1, taken_at=taken_at)


def _controller(before: Picture, layout: Layout | Picture, features: Features) -> int:
    """KRaft brokers name any live broker, another one each time, since all of them forward. That is no change."""
    if KRAFT_FEATURE in features.finalized and before.controller_id in layout.brokers:
        return before.controller_id
    return layout.controller_id


def _ids(topics: Mapping[str, Topic]) -> dict[UUID, str]:
    return {topic.id: name for name, topic in topics.items() if topic.id is not None}


def _same(before: Value, after: Value) -> Value:
    """The older of two equal values, so that whoever compares by identity sees that nothing changed."""
    return before if after == before else after


def with_inferred(before: Picture, inferred: Inferred, taken_at: float) -> Picture:
    """The picture with other inferred topics: `before` itself if they are the same."""
    if inferred is before.inferred or inferred == before.inferred:
        return before
    return replace(before, inferred=inferred, version=before.version + 1, taken_at=taken_at)
